//! Every way that a session ends.

use refit_packet::{Connect, Properties, Property, Version};

use super::bench::{BOTH, Bench, connect};

/// [MQTT-3.1.0-2].
#[test]
fn a_second_connect() {
    Bench::device(Version::V5).check("> CONNECT\n< DISCONNECT 82\nx 82 a second CONNECT");
    Bench::device(Version::V311).check("> CONNECT\nx 82 a second CONNECT");
    // Whatever else is wrong with it.
    Bench::device(Version::V5).check("> HEX 1f 00\n< DISCONNECT 82\nx 82 a second CONNECT");
}

#[test]
fn a_ping_is_answered() {
    for version in BOTH {
        Bench::device(version).check("> PINGREQ\n< PINGRESP");
    }
}

#[test]
fn a_goodbye() {
    for version in BOTH {
        Bench::device(version).check("> DISCONNECT\nx 00 the client said goodbye");
    }
}

/// [MQTT-3.14.2-2].
#[test]
fn a_goodbye_that_wants_a_session_after_all() {
    Bench::device(Version::V5).check(
        "> DISCONNECT 5
         < DISCONNECT 82
         x 82 a session expiry in DISCONNECT after none in CONNECT",
    );
    Bench::device(Version::V5).check("> DISCONNECT 0\nx 00 the client said goodbye");
    let asked = [Property::SessionExpiry(60)];
    let connect = Connect {
        properties: Properties::of(&asked),
        ..connect(Version::V5, "d")
    };
    Bench::of(&connect).check("> DISCONNECT 5\nx 00 the client said goodbye");
}

#[test]
fn packets_that_have_no_place_here() {
    for (packet, why) in [
        (
            "PUBREC #1",
            "an answer to a QoS 2 message, and none was sent",
        ),
        (
            "PUBCOMP #1",
            "an answer to a QoS 2 message, and none was sent",
        ),
        ("AUTH", "AUTH, and no authentication method was agreed"),
        ("HEX d0 00", "packet that this side may not send"),
    ] {
        Bench::device(Version::V5).check(&format!("> {packet}\n< DISCONNECT 82\nx 82 {why}"));
    }
    // [MQTT-4.8.0-1] of 3.1.1: close, and say nothing.
    Bench::device(Version::V311).check("> HEX d0 00\nx 82 packet that this side may not send");
}

/// [MQTT-4.13.1-1].
#[test]
fn malformed_packets() {
    for (bytes, why) in [
        ("c1 00", "wrong flags in the fixed header"),
        ("c0 01 00", "bytes after the last field"),
        ("36 05 00 01 61 00 01", "publish with QoS 3"),
        ("30 03 00 01 00", "string contains U+0000"),
        ("30 04 00 02 c3 28", "string is not UTF-8"),
        ("80 06 00 01 00 01 61 00", "wrong flags in the fixed header"),
    ] {
        Bench::device(Version::V5).check(&format!("> HEX {bytes}\n< DISCONNECT 81\nx 81 {why}"));
        Bench::device(Version::V311).check(&format!("> HEX {bytes}\nx 81 {why}"));
    }
}

#[test]
fn what_the_engine_wants() {
    for (close, reason, why) in [
        ("taken-over", "8e", "the same client connected again"),
        (
            "shutting-down",
            "8b",
            "the server stops; connect again later",
        ),
        ("too-slow", "97", "it did not read what was sent to it"),
        (
            "not-allowed",
            "87",
            "it may no longer be connected: its token or certificate is revoked or has expired",
        ),
        (
            "not-stored",
            "97",
            "it could not be stored now; say it again later",
        ),
    ] {
        Bench::device(Version::V5).check(&format!(
            "= close {close}\n< DISCONNECT {reason}\nx {reason} {why}"
        ));
        Bench::device(Version::V311).check(&format!("= close {close}\nx {reason} {why}"));
    }
}
