//! Held against another codec, `mqtt-proto`: what we accept it accepts, with equal meaning; what
//! it accepts and we refuse is one of its known leniencies, each of which is shown by an example.
//!
//! Equal meaning: it decodes the bytes, encodes what it understood, and we read the same from
//! that. It sorts properties in its own order, so they are compared without regard to order.

use proptest::collection::vec;
use proptest::prelude::*;
use refit_packet::Version::{V5, V311};
use refit_packet::{
    Connect, Error, Frame, PACKET_BYTES_MAX, Packet, Properties, Property, ReasonCode, Version,
    announced_version, frame, shared,
};

use crate::bytes::From::{Client, Server};
use crate::bytes::{From, bytes, decode};
use crate::packets::{packet, properties_of, with_properties};
use crate::round_trip::{SIDES, runner};

/// What the oracle makes of the bytes, encoded again; `None` if it refuses them.
fn oracle(raw: &[u8], version: Version) -> Option<Vec<u8>> {
    match announced_version(raw).unwrap_or(version) {
        V311 => {
            let packet = mqtt_proto::v3::Packet::decode(raw).ok()??;
            Some(packet.encode().ok()?.as_ref().to_vec())
        }
        V5 => {
            let packet = mqtt_proto::v5::Packet::decode(raw).ok()??;
            Some(packet.encode().ok()?.as_ref().to_vec())
        }
    }
}

#[derive(Debug, PartialEq)]
struct Meaning<'a> {
    bare: Packet<'a>,
    properties: Vec<Property<'a>>,
    will_properties: Vec<Property<'a>>,
}

fn meaning(packet: Packet<'_>) -> Meaning<'_> {
    let properties = sorted(properties_of(&packet));
    let mut bare = with_properties(packet, Properties::NONE);
    let mut will_properties = Vec::new();
    if let Packet::Connect(Connect {
        will: Some(will), ..
    }) = &mut bare
    {
        will_properties = sorted(will.properties);
        will.properties = Properties::NONE;
    }
    Meaning {
        bare,
        properties,
        will_properties,
    }
}

/// By name; those of one name stay in their order.
fn sorted(properties: Properties<'_>) -> Vec<Property<'_>> {
    let mut list: Vec<_> = properties.iter().collect();
    list.sort_by_key(|property| {
        let shown = format!("{property:?}");
        shown.split('(').next().map(str::to_owned)
    });
    list
}

/// What the oracle lets through and we refuse: our reason, the packet types (the first hex digit)
/// in which it was seen, and an example.
const LENIENCIES: &[(Error, &str, Version, From, &str)] = &[
    // It looks at a packet from either side alike.
    (Error::WrongDirection, "12489abcde", V311, Client, "d0 00"),
    (Error::ReasonNotHere, "45ef", V5, Client, "e0 01 8e"),
    (
        Error::PropertyNotHere,
        "e",
        V5,
        Client,
        "e0 .. 00 04 1c 's'",
    ),
    // It stops reading where the fields end.
    (
        Error::TrailingBytes,
        "124567bcdef",
        V311,
        Client,
        "c0 01 00",
    ),
    (Error::NothingListed, "9b", V311, Server, "90 02 0001"),
    // It takes lengths in more bytes than they need.
    (
        Error::NotMinimal,
        "123456789abcdef",
        V5,
        Client,
        "40 8200 0001",
    ),
    // It looks for U+0000 in topics only.
    (
        Error::Nul,
        "123456789abef",
        V311,
        Client,
        "10 .. 'MQTT' 04 02 003c 0001 00",
    ),
    // It does not hold two fields against each other.
    (
        Error::PasswordWithoutUserName,
        "1",
        V311,
        Client,
        "10 .. 'MQTT' 04 42 003c 'd1' 'p'",
    ),
    (
        Error::ClientIdMissing,
        "1",
        V311,
        Client,
        "10 .. 'MQTT' 04 00 003c ''",
    ),
    (
        Error::WillFlags,
        "1",
        V311,
        Client,
        "10 .. 'MQTT' 04 22 003c 'd1'",
    ),
    (Error::DupOnQos0, "3", V311, Client, "38 .. 't'"),
    (Error::TopicMissing, "3", V5, Client, "30 .. '' 00"),
    (Error::SessionPresent, "2", V311, Server, "20 02 0105"),
    (
        Error::AuthMethodMissing,
        "12f",
        V5,
        Client,
        "f0 .. 18 04 16 'k'",
    ),
    (
        Error::SharedNoLocal,
        "8",
        V5,
        Client,
        "82 .. 0001 00 '$share/g/a' 04",
    ),
    // It checks fewer values.
    (Error::TopicEmpty, "13", V311, Client, "30 .. ''"),
    (Error::PropertyValue, "3", V5, Client, "30 .. 't' 03 230000"),
    // It sees a + that starts its level, and not what follows it.
    (
        Error::FilterWildcard,
        "8a",
        V311,
        Client,
        "82 .. 0001 '+a' 00",
    ),
];

fn is_lenient(error: Error, raw: &[u8]) -> bool {
    let kind = char::from_digit(u32::from(raw[0] >> 4), 16).expect("four bits");
    LENIENCIES
        .iter()
        .any(|(listed, kinds, ..)| *listed == error && kinds.contains(kind))
}

/// Where the oracle refuses more than the standard demands, or demands it of 3.1.1 too.
fn is_stricter(packet: &Packet<'_>, version: Version) -> bool {
    match packet {
        // That the payload is the text it is said to be MAY be checked (5 §3.3.2.3.2).
        Packet::Publish(publish) => {
            let said_text = publish.properties.payload_is_text() == Some(true);
            let several = publish.properties.subscription_ids().count() > 1; // 5 §3.3.2.3.8
            several || said_text && str::from_utf8(publish.payload).is_err()
        }
        Packet::Connect(Connect {
            will: Some(will), ..
        }) => {
            will.properties.payload_is_text() == Some(true) && str::from_utf8(will.payload).is_err()
        }
        // `$share/` has no meaning in 3.1.1, so that `$share/g` is a filter.
        Packet::Subscribe(subscribe) => {
            version == V311
                && subscribe
                    .filters
                    .iter()
                    .any(|one| is_half_shared(one.filter))
        }
        Packet::Unsubscribe(unsubscribe) => {
            version == V311 && unsubscribe.filters.iter().any(is_half_shared)
        }
        // In the table of 5 §2.4, but not in that of §3.14.2.1.
        Packet::Disconnect(disconnect) => {
            disconnect.reason == ReasonCode::BAD_AUTHENTICATION_METHOD
        }
        _ => false,
    }
}

fn is_half_shared(filter: &str) -> bool {
    filter.starts_with("$share/") && shared(filter).is_none()
}

/// The oracle reads a failure in a SUBACK of 3.1.1 right but writes it as 3: put it right.
fn mend_suback(raw: &[u8], again: &mut [u8], version: Version) {
    if version == V311 && raw[0] == 0x90 && raw.len() == again.len() {
        for (code, mended) in raw.iter().zip(again).skip(4) {
            if (*code, *mended) == (0x80, 3) {
                *mended = 0x80;
            }
        }
    }
}

fn agrees(raw: &[u8], from: From, version: Version) -> Result<(), TestCaseError> {
    if frame(raw, PACKET_BYTES_MAX) != Ok(Frame::Whole { len: raw.len() }) {
        return Ok(()); // `framing.rs` looks after these; the oracle takes what is more than a packet
    }
    let (ours, theirs) = (decode(raw, from, version), oracle(raw, version));
    match (ours, theirs) {
        (Ok(packet), Some(mut again)) => {
            mend_suback(raw, &mut again, version);
            let read = decode(&again, from, version).map(meaning);
            prop_assert_eq!(read, Ok(meaning(packet)), "meaning of {:02x?}", raw);
        }
        (Ok(packet), None) => {
            prop_assert!(
                is_stricter(&packet, version),
                "we accept {:02x?}: {:?}",
                raw,
                packet
            );
        }
        (Err(error), Some(_)) => {
            let told = format!("we refuse {raw:02x?} from {from:?} in {version:?}: {error:?}");
            prop_assert!(is_lenient(error, raw), "{}", told);
        }
        (Err(_), None) => {}
    }
    Ok(())
}

#[test]
fn each_leniency_is_the_oracles_and_not_ours() {
    for (error, _, version, from, example) in LENIENCIES {
        let raw = bytes(example);
        assert_eq!(decode(&raw, *from, *version), Err(*error), "{example}");
        assert!(
            oracle(&raw, *version).is_some(),
            "the oracle refuses {example} too"
        );
    }
}

#[test]
fn generated_packets_mean_the_same() {
    for (from, version) in SIDES {
        runner(256)
            .run(&encoded(from, version), |raw| agrees(&raw, from, version))
            .expect("the oracle agrees");
    }
}

#[test]
fn mutated_packets_are_judged_the_same() {
    for (from, version) in SIDES {
        let mutations = vec((any::<prop::sample::Index>(), any::<u8>(), 0..5u8), 1..4);
        runner(256)
            .run(
                &(encoded(from, version), vec(mutations, 8)),
                |(raw, mutants)| {
                    for mutations in mutants {
                        let mut raw = raw.clone();
                        for (at, byte, how) in mutations {
                            let at = at.index(raw.len());
                            mutate(&mut raw, at, byte, how);
                        }
                        agrees(&raw, from, version)?;
                    }
                    Ok(())
                },
            )
            .expect("the oracle agrees");
    }
}

fn encoded(from: From, version: Version) -> impl Strategy<Value = Vec<u8>> {
    packet(from, version).prop_map(move |packet| {
        let mut raw = Vec::new();
        packet
            .encode(version, &mut raw)
            .expect("an encodable packet");
        raw
    })
}

/// Changes one byte, or the packet's length together with its remaining length.
fn mutate(raw: &mut Vec<u8>, at: usize, byte: u8, how: u8) {
    match how {
        0 => raw[at] = byte,
        1 => raw[at] ^= 1 << (byte & 7),
        2 => raw[at] = raw[at].wrapping_add(1),
        3 if at >= 2 && raw[1] < 0x7f => {
            raw.insert(at, byte);
            raw[1] += 1;
        }
        4 if at >= 2 && (1..0x80).contains(&raw[1]) => {
            raw.remove(at);
            raw[1] -= 1;
        }
        _ => raw[at] = 0,
    }
}
