//! The standards' normative statements, one row each: who sends in which version, the statement's
//! number and what is tried, the packet (written as `bytes.rs` says), and what must come of it:
//! `ok`, or the error. Section numbers stand where the standard gives its rule no number.

use refit_packet::Version;

use crate::bytes::{From, bytes, decode};

#[track_caller]
fn holds(rows: &str) {
    for row in rows.lines().map(str::trim).filter(|row| !row.is_empty()) {
        let columns: Vec<&str> = row.split(" | ").map(str::trim).collect();
        let [who, _statement, packet, expected] = columns[..] else {
            panic!("columns: {row}")
        };
        let (version, from) = who.split_once(' ').expect("version and side");
        judge(row, version_of(version), side_of(from), packet, expected);
    }
}

fn judge(row: &str, version: Version, from: From, packet: &str, expected: &str) {
    let raw = bytes(packet);
    match decode(&raw, from, version) {
        Err(error) => assert_eq!(format!("{error:?}"), expected, "{row}"),
        Ok(packet) => {
            assert_eq!("ok", expected, "{row}\n{packet:?}");
            let mut again = Vec::new();
            packet.encode(version, &mut again).expect(row);
            assert_eq!(decode(&again, from, version), Ok(packet), "{row}");
        }
    }
}

fn version_of(word: &str) -> Version {
    match word {
        "3.1.1" => Version::V311,
        "5" => Version::V5,
        _ => panic!("version: {word}"),
    }
}

fn side_of(word: &str) -> From {
    match word {
        "client" => From::Client,
        "server" => From::Server,
        _ => panic!("side: {word}"),
    }
}

#[test]
fn connect_of_3_1_1() {
    holds(
        r#"
        3.1.1 client | 3.1 plain                               | 10 .. 'MQTT' 04 02 003c 'd1'                    | ok
        3.1.1 client | 3.1 all fields                          | 10 .. 'MQTT' 04 ee 003c 'd1' 'w' 'gone' 'u' 'p' | ok
        3.1.1 client | [MQTT-3.1.2-1] name                     | 10 .. 'MQTt' 04 02 003c 'd1'                    | ProtocolName
        3.1.1 client | [MQTT-3.1.2-1] name of 3.1              | 10 .. 'MQIsdp' 03 02 003c 'd1'                  | ProtocolName
        3.1.1 client | [MQTT-3.1.2-2] level                    | 10 .. 'MQTT' 03 02 003c 'd1'                    | UnsupportedLevel(3)
        3.1.1 client | [MQTT-3.1.2-2] bridge bit               | 10 .. 'MQTT' 84 02 003c 'd1'                    | UnsupportedLevel(132)
        3.1.1 client | [MQTT-3.1.2-3] reserved flag            | 10 .. 'MQTT' 04 03 003c 'd1'                    | ConnectReservedFlag
        3.1.1 client | [MQTT-3.1.2-13] QoS without will        | 10 .. 'MQTT' 04 0a 003c 'd1'                    | WillFlags
        3.1.1 client | [MQTT-3.1.2-14] will QoS 3              | 10 .. 'MQTT' 04 1e 003c 'd1' 'w' 'x'            | WillQos
        3.1.1 client | [MQTT-3.1.2-15] retain without will     | 10 .. 'MQTT' 04 22 003c 'd1'                    | WillFlags
        3.1.1 client | [MQTT-3.1.2-9] will flag, no will       | 10 .. 'MQTT' 04 06 003c 'd1'                    | UnexpectedEnd
        3.1.1 client | [MQTT-3.1.2-18] user name without flag  | 10 .. 'MQTT' 04 02 003c 'd1' 'u'                | TrailingBytes
        3.1.1 client | [MQTT-3.1.2-19] flag without user name  | 10 .. 'MQTT' 04 82 003c 'd1'                    | UnexpectedEnd
        3.1.1 client | [MQTT-3.1.2-20] password without flag   | 10 .. 'MQTT' 04 82 003c 'd1' 'u' 'p'            | TrailingBytes
        3.1.1 client | [MQTT-3.1.2-21] flag without password   | 10 .. 'MQTT' 04 c2 003c 'd1' 'u'                | UnexpectedEnd
        3.1.1 client | [MQTT-3.1.2-22] password alone          | 10 .. 'MQTT' 04 42 003c 'd1' 'p'                | PasswordWithoutUserName
        3.1.1 client | [MQTT-3.1.3-3] client id missing        | 10 .. 'MQTT' 04 02 003c                         | UnexpectedEnd
        3.1.1 client | [MQTT-3.1.3-4] client id UTF-8          | 10 .. 'MQTT' 04 02 003c 0001 ff                 | Utf8
        3.1.1 client | [MQTT-3.1.3-6] empty client id          | 10 .. 'MQTT' 04 02 003c ''                      | ok
        3.1.1 client | [MQTT-3.1.3-8] and a session            | 10 .. 'MQTT' 04 00 003c ''                      | ClientIdMissing
        3.1.1 client | [MQTT-3.1.3-10] will topic UTF-8        | 10 .. 'MQTT' 04 06 003c 'd1' 0001 80 'x'        | Utf8
        3.1.1 client | [MQTT-3.1.3-11] user name UTF-8         | 10 .. 'MQTT' 04 82 003c 'd1' 0001 c3            | Utf8
        3.1.1 client | [MQTT-4.7.1-1] will topic wildcard      | 10 .. 'MQTT' 04 06 003c 'd1' 'a/+' 'x'          | TopicWildcard
        3.1.1 client | [MQTT-4.7.3-1] will topic empty         | 10 .. 'MQTT' 04 06 003c 'd1' '' 'x'             | TopicEmpty
        3.1.1 client | [MQTT-2.2.2-2] flags                    | 11 .. 'MQTT' 04 02 003c 'd1'                    | FixedHeaderFlags
        3.1.1 client | [MQTT-4.8.0-1] trailing byte            | 10 .. 'MQTT' 04 02 003c 'd1' 00                 | TrailingBytes
        3.1.1 client | §2.2.3 length in more bytes than needed | 10 8e00 'MQTT' 04 02 003c 'd1'                  | ok
        "#,
    );
}

#[test]
fn connect_of_5() {
    holds(
        r#"
        5 client | 3.1 plain                              | 10 .. 'MQTT' 05 02 003c 00 'd1'                                             | ok
        5 client | 3.1 all fields                         | 10 .. 'MQTT' 05 ee 003c 05 1100000010 'd1' 05 1800000001 'w' 'gone' 'u' 'p' | ok
        5 client | [MQTT-3.1.2-2] level                   | 10 .. 'MQTT' 06 02 003c 00 'd1'                                             | UnsupportedLevel(6)
        5 client | [MQTT-3.1.2-3] reserved flag           | 10 .. 'MQTT' 05 01 003c 00 'd1'                                             | ConnectReservedFlag
        5 client | [MQTT-3.1.2-11] QoS without will       | 10 .. 'MQTT' 05 10 003c 00 'd1'                                             | WillFlags
        5 client | [MQTT-3.1.2-12] will QoS 3             | 10 .. 'MQTT' 05 1c 003c 00 'd1' 00 'w' 'x'                                  | WillQos
        5 client | [MQTT-3.1.2-13] retain without will    | 10 .. 'MQTT' 05 20 003c 00 'd1'                                             | WillFlags
        5 client | [MQTT-3.1.2-18] password without flag  | 10 .. 'MQTT' 05 02 003c 00 'd1' 'p'                                         | TrailingBytes
        5 client | §3.1.2.9 password alone is allowed     | 10 .. 'MQTT' 05 42 003c 00 'd1' 'p'                                         | ok
        5 client | [MQTT-3.1.3-6] empty client id         | 10 .. 'MQTT' 05 00 003c 00 ''                                               | ok
        5 client | [MQTT-3.1.3-11] will topic             | 10 .. 'MQTT' 05 06 003c 00 'd1' 00 0002 c328 'x'                            | Utf8
        5 client | [MQTT-3.1.3-12] user name              | 10 .. 'MQTT' 05 82 003c 00 'd1' 0003 eda080                                 | Utf8
        5 client | [MQTT-2.1.3-1] flags                   | 18 .. 'MQTT' 05 02 003c 00 'd1'                                             | FixedHeaderFlags
        5 client | [MQTT-1.5.5-1] remaining length        | 10 8f00 'MQTT' 05 02 003c 00 'd1'                                           | NotMinimal
        5 client | [MQTT-1.5.5-1] property length         | 10 .. 'MQTT' 05 02 003c 8000 'd1'                                           | NotMinimal
        5 client | §1.5.5 property length                 | 10 .. 'MQTT' 05 02 003c 80808080 01 'd1'                                    | VariableByteInteger
        5 client | §2.2.2.1 properties past the end       | 10 .. 'MQTT' 05 02 003c 7f 'd1'                                             | UnexpectedEnd
        5 client | §2.2.2.2 property cut by its length    | 10 .. 'MQTT' 05 02 003c 04 1100000010 'd1'                                  | UnexpectedEnd
        5 client | §3.1.2.11.2 session expiry twice       | 10 .. 'MQTT' 05 02 003c 0a 1100000010 1100000010 'd1'                       | PropertyTwice
        5 client | §3.1.2.11.3 receive maximum 0          | 10 .. 'MQTT' 05 02 003c 03 210000 'd1'                                      | PropertyValue
        5 client | §3.1.2.11.4 maximum packet size 0      | 10 .. 'MQTT' 05 02 003c 05 2700000000 'd1'                                  | PropertyValue
        5 client | §3.1.2.11.6 request response 2         | 10 .. 'MQTT' 05 02 003c 02 1902 'd1'                                        | PropertyValue
        5 client | §3.1.2.11.7 request problem 2          | 10 .. 'MQTT' 05 02 003c 02 1702 'd1'                                        | PropertyValue
        5 client | §3.1.2.11.8 user property twice        | 10 .. 'MQTT' 05 02 003c 0e 26 'a' 'b' 26 'a' 'b' 'd1'                       | ok
        5 client | §3.1.2.11.10 data without method       | 10 .. 'MQTT' 05 02 003c 04 16 'k' 'd1'                                      | AuthMethodMissing
        5 client | §2.2.2.2 unknown property              | 10 .. 'MQTT' 05 02 003c 02 0401 'd1'                                        | UnknownProperty
        5 client | §3.1.3.2.2 will delay outside the will | 10 .. 'MQTT' 05 02 003c 05 1800000001 'd1'                                  | PropertyNotHere
        5 client | §3.1.3.2.4 payload format 2            | 10 .. 'MQTT' 05 06 003c 00 'd1' 02 0102 'w' 'x'                             | PropertyValue
        "#,
    );
}

#[test]
fn publish() {
    holds(
        r#"
        3.1.1 client | 3.3 QoS 0                                  | 30 .. 't' "hello"         | ok
        3.1.1 client | 3.3 QoS 1, DUP, RETAIN                     | 3b .. 't' 0001 "hello"    | ok
        3.1.1 server | 3.3 QoS 2, no payload                      | 34 .. 't' 0001            | ok
        3.1.1 client | [MQTT-2.3.1-1] id 0                        | 32 .. 't' 0000            | PacketIdZero
        3.1.1 client | [MQTT-3.3.1-2] DUP on QoS 0                | 38 .. 't'                 | DupOnQos0
        3.1.1 client | [MQTT-3.3.1-4] QoS 3                       | 36 .. 't' 0001            | PublishQos
        3.1.1 client | [MQTT-3.3.2-1] no topic                    | 30 00                     | UnexpectedEnd
        3.1.1 client | [MQTT-3.3.2-1] topic UTF-8                 | 30 .. 0001 ff             | Utf8
        3.1.1 client | [MQTT-3.3.2-2] +                           | 30 .. 'a/+'               | TopicWildcard
        3.1.1 client | [MQTT-3.3.2-2] #                           | 30 .. '#'                 | TopicWildcard
        3.1.1 client | [MQTT-1.5.3-1] surrogate                   | 30 .. 0003 eda080         | Utf8
        3.1.1 client | [MQTT-1.5.3-1] over-long                   | 30 .. 0002 c0af           | Utf8
        3.1.1 client | [MQTT-1.5.3-2] U+0000                      | 30 .. 0003 610062         | Nul
        3.1.1 client | [MQTT-1.5.3-3] U+FEFF                      | 30 .. 0003 efbbbf         | ok
        3.1.1 client | [MQTT-4.7.3-1] empty topic                 | 30 .. ''                  | TopicEmpty
        5 client     | 3.3 QoS 1                                  | 32 .. 't' 0001 00 "hello" | ok
        5 client     | [MQTT-2.2.1-3] id 0                        | 34 .. 't' 0000 00         | PacketIdZero
        5 client     | [MQTT-3.3.1-2] DUP on QoS 0                | 38 .. 't' 00              | DupOnQos0
        5 client     | [MQTT-3.3.1-4] QoS 3                       | 36 .. 't' 0001 00         | PublishQos
        5 client     | [MQTT-3.3.2-1] topic UTF-8                 | 30 .. 0001 ff 00          | Utf8
        5 client     | [MQTT-3.3.2-2] wildcard                    | 30 .. 'a/#' 00            | TopicWildcard
        5 client     | [MQTT-1.5.4-2] U+0000                      | 30 .. 0001 00 00          | Nul
        5 client     | §3.3.2.1 neither topic nor alias           | 30 .. '' 00               | TopicMissing
        5 client     | §3.3.2.1 alias alone                       | 30 .. '' 03 230001        | ok
        5 client     | [MQTT-3.3.2-8] alias 0                     | 30 .. 't' 03 230000       | PropertyValue
        5 client     | [MQTT-3.3.2-14] wildcard in response topic | 30 .. 't' 06 08 'a/+'     | TopicWildcard
        5 client     | §3.3.2.3.2 payload format 2                | 30 .. 't' 02 0102         | PropertyValue
        5 client     | [MQTT-3.3.4-6] client with subscription id | 30 .. 't' 02 0b01         | PropertyNotHere
        5 server     | §3.3.2.3.8 server with several             | 30 .. 't' 05 0b01 0b8001  | ok
        5 server     | §3.3.2.3.8 subscription id 0               | 30 .. 't' 02 0b00         | PropertyValue
        "#,
    );
}

#[test]
fn acknowledgements() {
    holds(
        r#"
        3.1.1 client | 3.4 PUBACK                  | 40 02 0001                     | ok
        3.1.1 server | 3.5 PUBREC                  | 50 02 0001                     | ok
        3.1.1 client | 3.6 PUBREL                  | 62 02 0001                     | ok
        3.1.1 server | 3.7 PUBCOMP                 | 70 02 0001                     | ok
        3.1.1 client | [MQTT-2.3.1-1] id 0         | 40 02 0000                     | PacketIdZero
        3.1.1 client | [MQTT-2.2.2-2] PUBACK flags | 42 02 0001                     | FixedHeaderFlags
        3.1.1 client | [MQTT-3.6.1-1] PUBREL flags | 60 02 0001                     | FixedHeaderFlags
        3.1.1 client | 3.4 a reason                | 40 03 0001 00                  | TrailingBytes
        3.1.1 client | 3.4 cut                     | 40 01 00                       | UnexpectedEnd
        5 client     | §3.4.2.1 short              | 40 02 0001                     | ok
        5 server     | §3.4.2.1 without properties | 40 03 0001 10                  | ok
        5 client     | §3.4.2.1 a code of servers  | 40 03 0001 10                  | ReasonNotHere
        5 client     | §3.4.2.2 with properties    | 40 .. 0001 87 06 1f 'why'      | ok
        5 client     | §3.4.2.2 twice              | 40 .. 0001 87 08 1f 'w' 1f 'w' | PropertyTwice
        5 client     | [MQTT-3.4.2-1] reason       | 40 03 0001 92                  | ReasonNotHere
        5 client     | [MQTT-3.5.2-1] reason       | 50 03 0001 01                  | ReasonNotHere
        5 client     | [MQTT-3.6.2-1] reason       | 62 03 0001 10                  | ReasonNotHere
        5 client     | [MQTT-3.6.2-1] not found    | 62 03 0001 92                  | ok
        5 client     | [MQTT-3.7.2-1] reason       | 70 03 0001 80                  | ReasonNotHere
        5 client     | [MQTT-3.6.1-1] PUBREL flags | 60 02 0001                     | FixedHeaderFlags
        5 client     | §3.4.2 trailing             | 40 .. 0001 00 00 00            | TrailingBytes
        "#,
    );
}

#[test]
fn subscribe_and_unsubscribe() {
    holds(
        r#"
        3.1.1 client | 3.8 two filters                  | 82 .. 0001 'a/b' 01 '+/#' 02   | ok
        3.1.1 client | [MQTT-3.8.1-1] flags             | 80 .. 0001 'a' 00              | FixedHeaderFlags
        3.1.1 client | [MQTT-2.3.1-1] id 0              | 82 .. 0000 'a' 00              | PacketIdZero
        3.1.1 client | [MQTT-3.8.3-1] UTF-8             | 82 .. 0001 0001 ff 00          | Utf8
        3.1.1 client | [MQTT-3.8.3-3] empty             | 82 .. 0001                     | NothingListed
        3.1.1 client | [MQTT-3.8.3-4] QoS 3             | 82 .. 0001 'a' 03              | SubscribeQos
        3.1.1 client | [MQTT-3.8.3-4] reserved          | 82 .. 0001 'a' 40              | SubscribeReserved
        3.1.1 client | [MQTT-3.8.3-4] an option of 5    | 82 .. 0001 'a' 04              | SubscribeReserved
        3.1.1 client | 3.8.3 second filter cut          | 82 .. 0001 'a' 00 'b'          | UnexpectedEnd
        3.1.1 client | [MQTT-4.7.1-2] # not last        | 82 .. 0001 '#/a' 00            | FilterWildcard
        3.1.1 client | [MQTT-4.7.1-2] # not alone       | 82 .. 0001 'a#' 00             | FilterWildcard
        3.1.1 client | [MQTT-4.7.1-3] + not alone       | 82 .. 0001 'a/b+' 00           | FilterWildcard
        3.1.1 client | [MQTT-4.7.3-1] empty filter      | 82 .. 0001 '' 00               | FilterEmpty
        3.1.1 client | [MQTT-4.7.3-2] U+0000            | 82 .. 0001 0001 00 00          | Nul
        3.1.1 client | 3.10                             | a2 .. 0001 'a' 'b/#'           | ok
        3.1.1 client | [MQTT-3.10.1-1] flags            | a0 .. 0001 'a'                 | FixedHeaderFlags
        3.1.1 client | [MQTT-3.10.3-1] UTF-8            | a2 .. 0001 0001 ff             | Utf8
        3.1.1 client | [MQTT-3.10.3-2] empty            | a2 .. 0001                     | NothingListed
        5 client     | 3.8 all options                  | 82 .. 0001 00 'a' 2e           | ok
        5 client     | 3.8 subscription id              | 82 .. 0001 02 0b05 'a' 00      | ok
        5 client     | §3.8.2.1.2 twice                 | 82 .. 0001 04 0b05 0b06 'a' 00 | PropertyTwice
        5 client     | §3.8.2.1.2 subscription id 0     | 82 .. 0001 02 0b00 'a' 00      | PropertyValue
        5 client     | [MQTT-3.8.1-1] flags             | 83 .. 0001 00 'a' 00           | FixedHeaderFlags
        5 client     | [MQTT-3.8.3-1] UTF-8             | 82 .. 0001 00 0001 ff 00       | Utf8
        5 client     | [MQTT-3.8.3-2] empty             | 82 .. 0001 00                  | NothingListed
        5 client     | [MQTT-3.8.3-4] no-local, shared  | 82 .. 0001 00 '$share/g/a' 04  | SharedNoLocal
        5 client     | [MQTT-3.8.3-5] reserved          | 82 .. 0001 00 'a' 80           | SubscribeReserved
        5 client     | §3.8.3.1 QoS 3                   | 82 .. 0001 00 'a' 03           | SubscribeQos
        5 client     | §3.8.3.1 retain handling 3       | 82 .. 0001 00 'a' 30           | RetainHandling
        5 client     | [MQTT-4.8.2-1] no group          | 82 .. 0001 00 '$share//a' 00   | SharedFilter
        5 client     | [MQTT-4.8.2-2] wildcard in group | 82 .. 0001 00 '$share/+/a' 00  | SharedFilter
        5 client     | [MQTT-4.8.2-2] no filter         | 82 .. 0001 00 '$share/g' 00    | SharedFilter
        5 client     | [MQTT-4.8.2-2] empty filter      | 82 .. 0001 00 '$share/g/' 00   | SharedFilter
        5 client     | [MQTT-3.10.1-1] flags            | a0 .. 0001 00 'a'              | FixedHeaderFlags
        5 client     | [MQTT-3.10.3-2] empty            | a2 .. 0001 00                  | NothingListed
        5 client     | [MQTT-4.7.1-1] # not last        | a2 .. 0001 00 'a/#/b'          | FilterWildcard
        "#,
    );
}

#[test]
fn ping_disconnect_and_auth() {
    holds(
        r#"
        3.1.1 client | 3.12                                | c0 00                     | ok
        3.1.1 server | 3.13                                | d0 00                     | ok
        3.1.1 client | 3.12 body                           | c0 01 00                  | TrailingBytes
        3.1.1 client | [MQTT-2.2.2-2] flags                | c1 00                     | FixedHeaderFlags
        5 server     | 3.13 body                           | d0 01 00                  | TrailingBytes
        3.1.1 client | 3.14                                | e0 00                     | ok
        3.1.1 client | [MQTT-3.14.1-1] flags               | e1 00                     | FixedHeaderFlags
        3.1.1 client | 3.14 a reason                       | e0 01 00                  | TrailingBytes
        3.1.1 server | 3.14 from a server                  | e0 00                     | WrongDirection
        5 client     | §3.14.2.1 short                     | e0 00                     | ok
        5 client     | §3.14.2.1 reason only               | e0 01 04                  | ok
        5 client     | §3.14.2.2 expiry                    | e0 .. 00 05 1100000000    | ok
        5 server     | 3.14 from a server                  | e0 .. 8b 00               | ok
        5 client     | [MQTT-3.14.1-1] flags               | e2 00                     | FixedHeaderFlags
        5 client     | [MQTT-3.14.2-1] reason of a server  | e0 01 8b                  | ReasonNotHere
        5 server     | [MQTT-3.14.2-1] reason of a client  | e0 01 04                  | ReasonNotHere
        5 server     | [MQTT-3.14.2-2] expiry by a server  | e0 .. 8b 05 1100000000    | PropertyNotHere
        5 client     | §3.14.2 trailing                    | e0 .. 00 00 00            | TrailingBytes
        5 client     | 3.15 continue                       | f0 .. 18 04 15 'm'        | ok
        5 client     | 3.15 again                          | f0 .. 19 08 15 'm' 16 'k' | ok
        5 server     | §3.15.2.1 short                     | f0 00                     | ok
        5 client     | [MQTT-3.15.1-1] flags               | f1 .. 18 04 15 'm'        | FixedHeaderFlags
        5 client     | [MQTT-3.15.2-1] success by a client | f0 00                     | ReasonNotHere
        5 client     | [MQTT-3.15.2-1] reason              | f0 .. 80 04 15 'm'        | ReasonNotHere
        5 client     | §3.15.2.2.2 no method               | f0 .. 18 00               | AuthMethodMissing
        5 client     | §3.15.2.1 cut                       | f0 01 18                  | UnexpectedEnd
        3.1.1 client | 2.2.1 type 15                       | f0 00                     | NotInVersion
        "#,
    );
}

#[test]
fn what_a_server_answers() {
    holds(
        r#"
        3.1.1 server | 3.2                                 | 20 02 0100           | ok
        3.1.1 server | 3.2.2.3 refused                     | 20 02 0005           | ok
        3.1.1 server | 3.2.2.3 return code 6               | 20 02 0006           | ReasonNotHere
        3.1.1 server | 3.2.2.1 reserved flag               | 20 02 0200           | ConnAckFlags
        3.1.1 server | [MQTT-3.2.2-4] session with refusal | 20 02 0105           | SessionPresent
        3.1.1 server | 3.2 trailing                        | 20 03 0000 00        | TrailingBytes
        5 server     | 3.2                                 | 20 .. 0000 03 210014 | ok
        5 server     | 3.2.2.2 no property length          | 20 02 0000           | UnexpectedEnd
        5 server     | [MQTT-3.2.2-6] session with refusal | 20 03 0187 00        | SessionPresent
        5 server     | [MQTT-3.2.2-8] reason               | 20 03 008b 00        | ReasonNotHere
        5 server     | 3.2.2.3.4 maximum QoS 2             | 20 .. 0000 02 2402   | PropertyValue
        3.1.1 server | 3.9                                 | 90 .. 0001 00010280  | ok
        3.1.1 server | [MQTT-3.9.3-2] code                 | 90 .. 0001 87        | ReasonNotHere
        3.1.1 server | [MQTT-3.8.4-5] no code              | 90 .. 0001           | NothingListed
        5 server     | 3.9                                 | 90 .. 0001 00 02878f | ok
        5 server     | [MQTT-3.9.3-2] code                 | 90 .. 0001 00 11     | ReasonNotHere
        3.1.1 server | 3.11                                | b0 02 0001           | ok
        3.1.1 server | 3.11 a code                         | b0 03 0001 00        | TrailingBytes
        5 server     | 3.11                                | b0 .. 0001 00 0011   | ok
        5 server     | [MQTT-3.11.3-2] code                | b0 .. 0001 00 01     | ReasonNotHere
        "#,
    );
}

#[test]
fn a_packet_of_the_other_side_is_refused() {
    holds(
        r#"
        3.1.1 server | §2.2.1 CONNECT     | 10 .. 'MQTT' 04 02 003c 'd1' | WrongDirection
        3.1.1 client | §2.2.1 CONNACK     | 20 02 0000                   | WrongDirection
        3.1.1 server | §2.2.1 SUBSCRIBE   | 82 .. 0001 'a' 00            | WrongDirection
        3.1.1 client | §2.2.1 SUBACK      | 90 .. 0001 00                | WrongDirection
        3.1.1 server | §2.2.1 UNSUBSCRIBE | a2 .. 0001 'a'               | WrongDirection
        3.1.1 client | §2.2.1 UNSUBACK    | b0 02 0001                   | WrongDirection
        3.1.1 server | §2.2.1 PINGREQ     | c0 00                        | WrongDirection
        3.1.1 client | §2.2.1 PINGRESP    | d0 00                        | WrongDirection
        3.1.1 client | §2.2.1 type 0      | 00 00                        | ReservedType
        5 server     | §2.2.1 CONNECT     | 10 .. 'MQTT' 04 02 003c 'd1' | WrongDirection
        5 client     | §2.2.1 CONNACK     | 20 02 0000                   | WrongDirection
        5 server     | §2.2.1 SUBSCRIBE   | 82 .. 0001 'a' 00            | WrongDirection
        5 client     | §2.2.1 SUBACK      | 90 .. 0001 00                | WrongDirection
        5 server     | §2.2.1 UNSUBSCRIBE | a2 .. 0001 'a'               | WrongDirection
        5 client     | §2.2.1 UNSUBACK    | b0 02 0001                   | WrongDirection
        5 server     | §2.2.1 PINGREQ     | c0 00                        | WrongDirection
        5 client     | §2.2.1 PINGRESP    | d0 00                        | WrongDirection
        5 client     | §2.2.1 type 0      | 00 00                        | ReservedType
        "#,
    );
}
