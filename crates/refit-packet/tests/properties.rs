//! Which property may stand where: the table of 5 §2.2.2.2 written out again, held against every
//! packet, from either side.

use refit_packet::Error;
use refit_packet::Version::V5;

use crate::bytes::From::{Client, Server};
use crate::bytes::{From, bytes, decode};

/// A property with a value that is allowed, and the places where it may stand.
const PROPERTIES: &[(&str, &str)] = &[
    ("01 01", "publish> publish< will"),
    ("02 00000009", "publish> publish< will"),
    ("03 'text'", "publish> publish< will"),
    ("08 'back'", "publish> publish< will"),
    ("09 'corr'", "publish> publish< will"),
    ("0b 07", "publish< subscribe"),
    ("11 00000009", "connect connack disconnect>"),
    ("12 'd1'", "connack"),
    ("13 0009", "connack"),
    ("15 'm'", "connect connack auth> auth<"),
    ("15 'm' 16 'k'", "connect connack auth> auth<"),
    ("17 01", "connect"),
    ("18 00000009", "will"),
    ("19 01", "connect"),
    ("1a 'i'", "connack"),
    ("1c 's'", "connack disconnect<"),
    (
        "1f 'why'",
        "connack puback pubrec pubrel pubcomp suback unsuback disconnect> disconnect< auth> auth<",
    ),
    ("21 0009", "connect connack"),
    ("22 0009", "connect connack"),
    ("23 0009", "publish> publish<"),
    ("24 01", "connack"),
    ("25 00", "connack"),
    (
        "26 'a' 'b'",
        "connect will connack publish> publish< puback pubrec pubrel pubcomp subscribe suback unsubscribe unsuback disconnect> disconnect< auth> auth<",
    ),
    ("27 00000009", "connect connack"),
    ("28 00", "connack"),
    ("29 00", "connack"),
    ("2a 00", "connack"),
];

/// A place: a packet with `@` where its properties are, and who sends it. `>` is by the client.
const PLACES: &[(&str, From, &str)] = &[
    ("connect", Client, "10 .. 'MQTT' 05 02 003c @ 'd1'"),
    ("will", Client, "10 .. 'MQTT' 05 06 003c 00 'd1' @ 'w' 'x'"),
    ("connack", Server, "20 .. 0000 @"),
    ("publish>", Client, "30 .. 't' @"),
    ("publish<", Server, "30 .. 't' @"),
    ("puback", Client, "40 .. 0001 00 @"),
    ("pubrec", Client, "50 .. 0001 00 @"),
    ("pubrel", Server, "62 .. 0001 00 @"),
    ("pubcomp", Server, "70 .. 0001 00 @"),
    ("subscribe", Client, "82 .. 0001 @ 'a' 00"),
    ("suback", Server, "90 .. 0001 @ 00"),
    ("unsubscribe", Client, "a2 .. 0001 @ 'a'"),
    ("unsuback", Server, "b0 .. 0001 @ 00"),
    ("disconnect>", Client, "e0 .. 00 @"),
    ("disconnect<", Server, "e0 .. 8b @"),
    ("auth>", Client, "f0 .. 18 @"),
    ("auth<", Server, "f0 .. 18 @"),
];

#[test]
fn every_property_stands_where_it_may_and_nowhere_else() {
    for (property, allowed) in PROPERTIES {
        for (place, from, packet) in PLACES {
            // An AUTH packet needs its method beside whatever is tried.
            let method = place.starts_with("auth") && !property.starts_with("15");
            let all = if method {
                format!("15 'm' {property}")
            } else {
                (*property).to_owned()
            };
            let length = bytes(&all).len();
            let raw = bytes(&packet.replace('@', &format!("{length:02x} {all}")));
            let expected = allowed.split(' ').any(|name| name == *place);
            let refused = decode(&raw, *from, V5).err();
            let expected = if expected {
                None
            } else {
                Some(Error::PropertyNotHere)
            };
            assert_eq!(refused, expected, "{property} in {place}");
        }
    }
}

#[test]
fn an_identifier_outside_the_table_is_no_property() {
    let known: Vec<u8> = PROPERTIES
        .iter()
        .map(|(property, _)| bytes(property)[0])
        .collect();
    for id in (0..=0x7f).filter(|id| !known.contains(id) && *id != 0x16) {
        let raw = bytes(&format!("30 .. 't' 05 {id:02x} 00000000"));
        assert_eq!(
            decode(&raw, Client, V5),
            Err(Error::UnknownProperty),
            "{id:#04x}"
        );
    }
}
