//! CONNECT, and everything that can be answered to it.

use std::num::{NonZeroU16, NonZeroU32};

use refit_packet::{Connect, Properties, Property, Qos, Secret, Version, Will};

use super::bench::{connect, greeted, shown};
use crate::session::Terms;

/// Tells what is answered, and after how many milliseconds of silence a client that was welcome is gone.
fn answer(packet: &[u8], version: Version) -> (Vec<String>, Option<u64>) {
    let (out, result) = greeted(packet, &Terms::default());
    let silence = result
        .ok()
        .and_then(|(session, _)| session.silence_ms_max());
    (shown(&out, version), silence)
}

fn bytes(connect: &Connect<'_>) -> Vec<u8> {
    let mut packet = Vec::new();
    connect.encode(&mut packet).unwrap();
    packet
}

fn said(connect: &Connect<'_>) -> String {
    answer(&bytes(connect), connect.version).0.join(" | ")
}

const AGREED: &str = "SessionExpiry(0) MaximumPacketSize(16384) TopicAliasMaximum(0) \
    SubscriptionIdAvailable(false) SharedAvailable(false)";

#[test]
fn a_device_is_welcome_and_told_what_is_agreed() {
    assert_eq!(said(&connect(Version::V311, "d")), "CONNACK 00");
    assert_eq!(
        said(&connect(Version::V5, "d")),
        format!("CONNACK 00 {AGREED} ReceiveMaximum(16)")
    );
}

/// [MQTT-3.2.2-2] and [MQTT-3.2.2-3]: no session is kept, so none is ever present.
#[test]
fn a_wish_for_a_session_is_answered_with_none() {
    let wish = |version| Connect {
        clean_start: false,
        ..connect(version, "d")
    };
    assert_eq!(said(&wish(Version::V311)), "CONNACK 00");
    assert!(said(&wish(Version::V5)).contains("SessionExpiry(0)"));
}

#[test]
fn a_will_is_accepted() {
    for version in [Version::V311, Version::V5] {
        let connect = Connect {
            will: Some(Will {
                topic: "gone",
                payload: b"d",
                qos: Qos::ExactlyOnce,
                retain: true,
                properties: Properties::NONE,
            }),
            ..connect(version, "d")
        };
        assert!(said(&connect).starts_with("CONNACK 00"));
    }
}

/// [MQTT-3.1.2-21] and [MQTT-3.1.2-22]; in 3.1.1 [MQTT-3.1.2-24].
#[test]
fn the_keep_alive_is_what_was_asked_within_the_limit() {
    for (version, asked, told, silence_ms) in [
        (Version::V311, 10, None, Some(15_000)),
        (Version::V311, 0, None, None),
        (Version::V311, 65_535, None, Some(98_302_500)),
        (Version::V5, 10, None, Some(15_000)),
        (Version::V5, 0, Some(1200), Some(1_800_000)),
        (Version::V5, 1201, Some(1200), Some(1_800_000)),
    ] {
        let connect = Connect {
            keep_alive: asked,
            ..connect(version, "d")
        };
        let (lines, silence) = answer(&bytes(&connect), version);
        let expected = told.map(|s| format!("ServerKeepAlive({s})"));
        assert_eq!(lines[0].contains("ServerKeepAlive"), told.is_some());
        assert!(expected.is_none_or(|told| lines[0].contains(&told)));
        assert_eq!(silence, silence_ms);
    }
}

#[test]
fn an_application_may_leave_its_client_id_out() {
    let connect = Connect {
        username: Some("shop"),
        password: Some(Secret::new(b"secret")),
        ..connect(Version::V5, "")
    };
    // [MQTT-3.1.3-6] and [MQTT-3.1.3-7].
    assert_eq!(
        said(&connect),
        format!(
            "CONNACK 00 {AGREED} ReceiveMaximum(256) AssignedClientId(\"application-127.0.0.1:9\")"
        )
    );
}

#[test]
fn who_is_not_welcome_is_told_why() {
    let wrong = Some(Secret::new(b"wrong"));
    for (client_id, password, v311, v5) in [
        ("", None, "CONNACK 85", "CONNACK 85 why"),
        ("a/b", None, "CONNACK 85", "CONNACK 85 why"),
        ("d", wrong, "CONNACK 86", "CONNACK 86 why"),
    ] {
        for (version, expected) in [(Version::V311, v311), (Version::V5, v5)] {
            let connect = Connect {
                username: Some("u"),
                password,
                ..connect(version, client_id)
            };
            assert_eq!(said(&connect), expected);
        }
    }
}

/// [MQTT-4.12.0-1].
#[test]
fn enhanced_authentication_is_refused() {
    let method = [Property::AuthenticationMethod("SCRAM-SHA-256")];
    let connect = Connect {
        properties: Properties::of(&method),
        ..connect(Version::V5, "d")
    };
    assert_eq!(said(&connect), "CONNACK 8c why");
}

#[test]
fn a_client_that_takes_no_answer_is_refused() {
    let max = [Property::MaximumPacketSize(NonZeroU32::new(127).unwrap())];
    let connect = Connect {
        properties: Properties::of(&max),
        ..connect(Version::V5, "d")
    };
    assert_eq!(said(&connect), "CONNACK 95");
}

#[test]
fn what_is_ignored_is_ignored() {
    let properties = [
        Property::SessionExpiry(u32::MAX),
        Property::ReceiveMaximum(NonZeroU16::MIN),
        Property::TopicAliasMaximum(9),
        Property::RequestResponseInformation(true),
        Property::UserProperty(("a", "b")),
    ];
    let connect = Connect {
        properties: Properties::of(&properties),
        ..connect(Version::V5, "d")
    };
    assert!(said(&connect).starts_with("CONNACK 00 SessionExpiry(0)"));
}

#[test]
fn a_connect_that_cannot_be_read_is_refused_in_the_version_that_it_announces() {
    for (hex, version, expected) in [
        // [MQTT-3.1.2-2]: levels that are not spoken.
        (
            "10 0d 00 04 4d 51 54 54 03 02 00 00 00 01 64",
            Version::V311,
            "CONNACK 84",
        ),
        (
            "10 0d 00 04 4d 51 54 54 06 02 00 00 00 01 64",
            Version::V5,
            "CONNACK 84 why",
        ),
        // [MQTT-3.1.2-3]: the reserved flag.
        (
            "10 0d 00 04 4d 51 54 54 04 03 00 00 00 01 64",
            Version::V311,
            "",
        ),
        (
            "10 0e 00 04 4d 51 54 54 05 03 00 00 00 00 01 64",
            Version::V5,
            "CONNACK 81 why",
        ),
        // [MQTT-3.1.3-8]: no client ID, and a session wanted.
        (
            "10 0c 00 04 4d 51 54 54 04 00 00 00 00 00",
            Version::V311,
            "CONNACK 85",
        ),
        // MQTT 3.1, and no MQTT at all.
        (
            "10 0f 00 06 4d 51 49 73 64 70 03 02 00 00 00 01 64",
            Version::V311,
            "",
        ),
        ("c0 00", Version::V311, ""),
        ("e0 00", Version::V5, ""),
    ] {
        let packet = super::bench::bytes_of(&format!("HEX {hex}"), version);
        assert_eq!(answer(&packet, version).0.join(" "), expected, "{hex}");
    }
}
