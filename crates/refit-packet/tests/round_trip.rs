//! What is encoded decodes equal, is as long as was said, and is found whole by `frame`.

use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use refit_packet::{
    Delivery, Error, Frame, PACKET_BYTES_MAX, Packet, Properties, Property, PubAck, PubComp,
    PubRec, PubRel, Publish, PublishParts, Secret, Version, frame,
};

use crate::bytes::{From, decode};
use crate::packets::packet;

/// The same cases on every run; `PROPTEST_CASES` asks for more.
pub(crate) fn runner(cases: u32) -> TestRunner {
    let cases = std::env::var("PROPTEST_CASES")
        .ok()
        .and_then(|n| n.parse().ok())
        .unwrap_or(cases);
    let config = Config {
        cases,
        failure_persistence: None,
        ..Config::default()
    };
    TestRunner::new_with_rng(config, TestRng::deterministic_rng(RngAlgorithm::ChaCha))
}

pub(crate) const SIDES: [(From, Version); 4] = [
    (From::Client, Version::V311),
    (From::Client, Version::V5),
    (From::Server, Version::V311),
    (From::Server, Version::V5),
];

/// An acknowledgement's reason is not on the wire in 3.1.1: it comes back as success.
fn on_the_wire(packet: Packet<'_>, version: Version) -> Packet<'_> {
    match (version, packet) {
        (Version::V5, _) => packet,
        (_, Packet::PubAck(p)) => Packet::PubAck(PubAck::success(p.id)),
        (_, Packet::PubRec(p)) => Packet::PubRec(PubRec::success(p.id)),
        (_, Packet::PubRel(p)) => Packet::PubRel(PubRel::success(p.id)),
        (_, Packet::PubComp(p)) => Packet::PubComp(PubComp::success(p.id)),
        (_, other) => other,
    }
}

#[test]
fn what_is_encoded_decodes_equal() {
    for (from, version) in SIDES {
        runner(256)
            .run(&packet(from, version), |packet| {
                let mut bytes = vec![0xaa];
                packet
                    .encode(version, &mut bytes)
                    .expect("an encodable packet");
                let bytes = &bytes[1..];
                prop_assert_eq!(bytes.len(), packet.encoded_len(version));
                let whole = Ok(Frame::Whole { len: bytes.len() });
                prop_assert_eq!(frame(bytes, PACKET_BYTES_MAX), whole);
                prop_assert_eq!(
                    decode(bytes, from, version),
                    Ok(on_the_wire(packet, version))
                );
                Ok(())
            })
            .expect("every packet comes back");
    }
}

#[test]
fn a_packet_cut_short_is_unfinished_and_never_more() {
    for (from, version) in SIDES {
        runner(128)
            .run(&packet(from, version), |packet| {
                let mut bytes = Vec::new();
                packet
                    .encode(version, &mut bytes)
                    .expect("an encodable packet");
                for end in 0..bytes.len() {
                    let Ok(Frame::Partial { missing }) = frame(&bytes[..end], PACKET_BYTES_MAX)
                    else {
                        return Err(TestCaseError::fail(format!("cut at {end}")));
                    };
                    prop_assert!(missing >= 1 && end + missing <= bytes.len());
                    prop_assert!(decode(&bytes[..end], from, version).is_err());
                }
                Ok(())
            })
            .expect("every cut is seen");
    }
}

#[test]
fn a_topic_in_parts_is_the_same_packet() {
    let properties = Properties::of(&[Property::MessageExpiry(60)]);
    let publish = Publish {
        topic: "state/d7/update/delta",
        delivery: Delivery::AtMostOnce,
        retain: false,
        properties,
        payload: b"{}",
    };
    let parts = PublishParts {
        topic: &["state/", "d7", "/update/delta"],
        delivery: publish.delivery,
        retain: false,
        properties,
        payload: b"{}",
    };
    for version in [Version::V311, Version::V5] {
        let (mut whole, mut joined) = (Vec::new(), Vec::new());
        publish.encode(version, &mut whole).expect("a packet");
        parts.encode(version, &mut joined).expect("a packet");
        assert_eq!(whole, joined);
        assert_eq!(parts.encoded_len(version), joined.len());
    }
}

#[test]
fn properties_are_read_by_name_and_in_order() {
    let list = [
        Property::UserProperty(("a", "1")),
        Property::SessionExpiry(9),
        Property::UserProperty(("b", "2")),
        Property::AuthenticationMethod("m"),
        Property::AuthenticationData(Secret::new(b"k")),
    ];
    let properties = Properties::of(&list);
    assert_eq!(properties.session_expiry(), Some(9));
    assert_eq!(properties.receive_maximum(), None);
    assert_eq!(
        properties.authentication_data().map(Secret::expose),
        Some(&b"k"[..])
    );
    assert!(properties.user_properties().eq([("a", "1"), ("b", "2")]));
}

#[test]
fn a_length_takes_as_few_bytes_as_it_needs() {
    // Remaining length, and the bytes of the fixed header with it.
    let boundaries = [
        (127, 2),
        (128, 3),
        (16_383, 3),
        (16_384, 4),
        (2_097_151, 4),
        (2_097_152, 5),
    ];
    for (remaining, header) in boundaries {
        let payload = vec![b'x'; remaining - 3];
        let publish = at_most_once(&payload);
        let mut bytes = Vec::new();
        publish.encode(Version::V311, &mut bytes).expect("a packet");
        assert_eq!(bytes.len(), header + remaining);
        assert_eq!(publish.encoded_len(Version::V311), bytes.len());
        let whole = Ok(Frame::Whole { len: bytes.len() });
        assert_eq!(frame(&bytes, PACKET_BYTES_MAX), whole);
        let decoded = decode(&bytes, From::Client, Version::V311);
        assert_eq!(decoded, Ok(Packet::Publish(publish)));
    }
}

#[test]
fn a_packet_longer_than_mqtt_can_say_is_not_sent() {
    let payload = vec![0; 268_435_456 - 3];
    let mut out = vec![7];
    let sent = at_most_once(&payload).encode(Version::V311, &mut out);
    assert_eq!(sent, Err(Error::PacketTooLarge));
    assert_eq!(out, [7], "nothing was written");
}

fn at_most_once(payload: &[u8]) -> Publish<'_> {
    Publish {
        topic: "t",
        delivery: Delivery::AtMostOnce,
        retain: false,
        properties: Properties::NONE,
        payload,
    }
}
