//! Clients that do what they should not: each ends alone, with the right word, and nobody else is disturbed.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::num::NonZeroU32;
use std::time::Duration;

use refit_mqtt::quota::Quota;
use refit_packet::{Packet, Version};
use refit_protocol::device_id::DeviceId;
use refit_tls::pace::Pace;
use socket2::{Domain, Socket, Type};

use crate::client::{Client, connect, publish};
use crate::house::House;

/// Somebody who is connected all along, and served before and after.
struct Bystander(Client, u16);

impl Bystander {
    fn at(house: &House) -> Self {
        let mut bystander = Self(Client::device(house.address(), Version::V5, "bystander"), 0);
        bystander.is_served();
        bystander
    }

    fn is_served(&mut self) {
        self.1 += 1;
        let report = format!(r#"{{"state":{{"reported":{{"n":{}}}}}}}"#, self.1);
        self.0.publish(self.1, "state/bystander/update", &report);
        assert_eq!(self.0.hear(), format!("PUBACK {} success", self.1));
    }
}

/// Says one byte at a time until the other end has enough of it; returns what was heard.
fn trickle(socket: &mut TcpStream, bytes: impl Iterator<Item = u8>, pause: Duration) -> Vec<u8> {
    socket.set_read_timeout(Some(pause)).unwrap();
    let mut heard = Vec::new();
    let mut buffer = [0; 256];
    for byte in bytes {
        // Whether the byte arrives any more is not the question.
        drop(socket.write_all(&[byte]));
        match socket.read(&mut buffer) {
            Ok(0) => return heard,
            Ok(len) => heard.extend_from_slice(&buffer[..len]),
            Err(error) if error.kind() == ErrorKind::ConnectionReset => return heard,
            Err(_) => {}
        }
    }
    panic!("it was never ended");
}

fn quick() -> Quota {
    Quota {
        greeting: Duration::from_millis(300),
        stall: Duration::from_millis(300),
        linger: Duration::from_secs(5),
        ..Quota::default()
    }
}

#[test]
fn a_connect_that_trickles_in_ends_at_its_deadline() {
    let house = House::with(quick());
    let mut bystander = Bystander::at(&house);
    let mut client = Client::silent(house.address(), Version::V5);
    let mut bytes = Vec::new();
    let long = "x".repeat(120);
    connect(Version::V5, &long).encode(&mut bytes).unwrap();
    let heard = trickle(
        &mut client.socket,
        bytes.into_iter(),
        Duration::from_millis(20),
    );
    assert!(heard.is_empty());
    assert_eq!(
        house
            .figures
            .silent
            .load(std::sync::atomic::Ordering::Relaxed),
        1
    );
    bystander.is_served();
}

#[test]
fn a_packet_that_trickles_in_is_silence() {
    let house = House::with(quick());
    let mut bystander = Bystander::at(&house);
    let mut client = Client::silent(house.address(), Version::V5);
    client.say(&Packet::Connect(refit_packet::Connect {
        keep_alive: 1,
        ..connect(Version::V5, "slow")
    }));
    assert!(client.hear().starts_with("CONNACK success"));
    let packet = [0x30, 0x7f].into_iter().chain(std::iter::repeat_n(0, 126));
    let heard = trickle(&mut client.socket, packet, Duration::from_millis(50));
    assert_eq!(heard[0], 0xe0, "a DISCONNECT");
    assert_eq!(house.figures.ended(0x8d), 1);
    bystander.is_served();
}

#[test]
fn a_silent_client_is_ended_after_one_and_a_half_times_its_keep_alive() {
    for (version, word) in [
        (
            Version::V5,
            Some(
                "DISCONNECT keep alive timeout: nothing came for one and a half times the keep-alive",
            ),
        ),
        (Version::V311, None),
    ] {
        let house = House::new();
        let mut client = Client::silent(house.address(), version);
        client.say(&Packet::Connect(refit_packet::Connect {
            keep_alive: 1,
            ..connect(version, "d")
        }));
        assert!(client.hear().starts_with("CONNACK success"));
        assert_eq!(client.hear_or_end().as_deref(), word);
        drop(client);
    }
}

#[test]
fn a_thousand_connections_that_say_nothing_disturb_nobody() {
    let house = House::new();
    let silent: Vec<TcpStream> = (0..1000)
        .map(|_| TcpStream::connect(house.address()).unwrap())
        .collect();
    let mut bystander = Bystander::at(&house);
    bystander.is_served();
    drop(silent);
    bystander.is_served();
}

#[test]
fn who_never_reads_is_ended() {
    let house = House::with(quick());
    let mut bystander = Bystander::at(&house);
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket.set_recv_buffer_size(4096).unwrap();
    socket.connect(&house.address().into()).unwrap();
    let mut socket: TcpStream = socket.into();
    socket
        .set_write_timeout(Some(Duration::from_secs(20)))
        .unwrap();
    let mut hello = Vec::new();
    connect(Version::V5, "deaf").encode(&mut hello).unwrap();
    socket.write_all(&hello).unwrap();
    // Each is answered by two bytes, which nobody reads.
    let pings = [0xc0, 0].repeat(8192);
    let error = std::iter::repeat_with(|| socket.write_all(&pings)).find_map(Result::err);
    let kind = error.unwrap().kind();
    assert!(
        matches!(kind, ErrorKind::ConnectionReset | ErrorKind::BrokenPipe),
        "{kind}"
    );
    assert_eq!(house.figures.ended(0x97), 1);
    bystander.is_served();
}

#[test]
fn each_bad_word_ends_its_own_connection() {
    let house = House::new();
    let mut bystander = Bystander::at(&house);
    let too_large: &[u8] = &[0x30, 0xff, 0xff, 0x7f, 0, 1];
    for (bytes, expected) in [
        (too_large, "DISCONNECT packet too large: packet too large"),
        (
            &[0xc1, 0],
            "DISCONNECT malformed packet: wrong flags in the fixed header",
        ),
        (
            &[0x30, 0xff, 0xff, 0xff, 0xff],
            "DISCONNECT malformed packet: remaining length of more than four bytes",
        ),
        (
            &[0x00, 0x00],
            "DISCONNECT malformed packet: reserved packet type",
        ),
        (
            &[0x20, 0x02, 0, 0],
            "DISCONNECT protocol error: packet that this side may not send",
        ),
        (
            &[0x32, 3, 0, 1, b'#'],
            "DISCONNECT malformed packet: topic name contains a wildcard",
        ),
    ] {
        for version in [Version::V5, Version::V311] {
            let mut client = Client::device(house.address(), version, "bad");
            client.say_bytes(bytes);
            let heard = client.hear_or_end();
            if version == Version::V5 {
                assert_eq!(heard.as_deref(), Some(expected));
                assert_eq!(client.hear_or_end(), None);
            } else {
                assert_eq!(heard, None);
            }
            bystander.is_served();
        }
    }
}

#[test]
fn what_is_no_connect_is_ended_at_once() {
    let house = House::new();
    for bytes in [
        &b"GET / HTTP/1.1\r\n"[..],
        &[0x16, 3, 1, 2, 0],
        &[0xc0, 0],
        &[0x30],
    ] {
        let mut client = Client::silent(house.address(), Version::V311);
        client.say_bytes(bytes);
        assert_eq!(client.hear_or_end(), None, "{bytes:x?}");
    }
    // One that is too large, in a version that can say so.
    let mut client = Client::silent(house.address(), Version::V5);
    client.say_bytes(&[0x10, 0xff, 0xff, 0x7f, 0, 4, b'M', b'Q', b'T', b'T', 5, 2]);
    assert_eq!(client.hear(), "CONNACK packet too large");
    assert_eq!(client.hear_or_end(), None);
}

/// Semantics 36: the newer connection stays.
#[test]
fn the_same_device_again_takes_over() {
    let house = House::new();
    let mut first = Client::device(house.address(), Version::V5, "d");
    let mut second = Client::device(house.address(), Version::V311, "d");
    let heard = first.hear();
    assert!(
        heard.starts_with("DISCONNECT session taken over"),
        "{heard}"
    );
    assert_eq!(first.hear_or_end(), None);
    // An application of the same client ID is nobody's rival.
    let mut application = Client::application(house.address(), "d");
    for client in [&mut second, &mut application] {
        client.publish(1, "state/d/get", "");
        assert_eq!(client.hear(), "PUBACK 1 success");
    }
}

#[test]
fn who_may_no_longer_be_connected_is_cut_at_once() {
    let house = House::new();
    let mut barred = Client::device(house.address(), Version::V5, "d");
    let mut other = Client::device(house.address(), Version::V5, "e");
    let fleet = house.engine.as_ref().unwrap().fleet();
    fleet.expel(&DeviceId::parse("d").unwrap());
    fleet.expel(&DeviceId::parse("not-here").unwrap());
    let heard = barred.hear();
    assert!(heard.starts_with("DISCONNECT not authorized"), "{heard}");
    assert_eq!(barred.hear_or_end(), None);
    other.publish(1, "state/e/get", "");
    assert_eq!(other.hear(), "PUBACK 1 success");
}

#[test]
fn beyond_the_limit_connections_are_turned_away() {
    let house = House::with(Quota {
        connections_max: 1,
        ..Quota::default()
    });
    let mut bystander = Bystander::at(&house);
    let mut more = Client::silent(house.address(), Version::V5);
    assert_eq!(more.hear_or_end(), None);
    bystander.is_served();
    drop(bystander);
}

#[test]
fn packets_may_come_in_pieces_or_many_at_once() {
    let house = House::new();
    let mut packets = Vec::new();
    connect(Version::V311, "d").encode(&mut packets).unwrap();
    for number in 1..=300 {
        let payload = format!(r#"{{"state":{{"reported":{{"n":{number}}}}}}}"#);
        publish(number, "state/d/update", payload.as_bytes())
            .encode(Version::V311, &mut packets)
            .unwrap();
    }
    for piece in [1, 7, 4096, packets.len()] {
        let mut client = Client::silent(house.address(), Version::V311);
        client.socket.set_nodelay(true).unwrap();
        packets
            .chunks(piece)
            .for_each(|piece| client.say_bytes(piece));
        assert!(client.hear().starts_with("CONNACK success"));
        for number in 1..=300 {
            assert_eq!(client.hear(), format!("PUBACK {number} success"));
        }
    }
}

fn count(figure: &std::sync::atomic::AtomicU64) -> u64 {
    figure.load(std::sync::atomic::Ordering::Relaxed)
}

#[test]
fn those_who_say_nothing_take_no_place_of_those_who_do() {
    let house = House::with(Quota {
        strangers_max: 8,
        ..Quota::default()
    });
    let mut bystander = Bystander::at(&house);
    let silent: Vec<_> = (0..8)
        .map(|_| Client::silent(house.address(), Version::V5))
        .collect();
    let mut beyond = Client::silent(house.address(), Version::V5);
    assert_eq!(beyond.hear_or_end(), None);
    assert_eq!(count(&house.figures.strangers_refused), 1);
    bystander.is_served();
    drop(silent);
    // Each end is seen by its own task, so the first places may still be taken.
    let served = (0..1000).any(|_| {
        let mut client = Client::silent(house.address(), Version::V5);
        client.say(&Packet::Connect(connect(Version::V5, "d")));
        client.hear_or_end().is_some()
    });
    assert!(served);
}

#[test]
#[expect(
    clippy::disallowed_methods,
    reason = "the pace of a real listener is the question"
)]
fn a_storm_is_accepted_at_its_pace_and_nobody_is_lost() {
    let house = House::with(Quota {
        pace: Some(Pace {
            per_s: 200.try_into().unwrap(),
            burst: 4.try_into().unwrap(),
        }),
        ..Quota::default()
    });
    let start = std::time::Instant::now();
    let sockets: Vec<_> = (0..24)
        .map(|_| Client::silent(house.address(), Version::V5))
        .collect();
    for (number, mut client) in sockets.into_iter().enumerate() {
        let name = format!("d{number}");
        client.say(&Packet::Connect(connect(Version::V5, &name)));
        assert!(client.hear().starts_with("CONNACK success"));
    }
    // 20 beyond the burst, 5 ms each; a little less, since times are whole milliseconds.
    assert!(start.elapsed() >= Duration::from_millis(95));
    assert!(count(&house.figures.paced) > 0);
    assert_eq!(count(&house.figures.accepted), 24);
}

#[test]
fn two_clients_with_one_identity_cannot_fight_for_ever() {
    let house = House::new();
    let mut bystander = Bystander::at(&house);
    let mut holder = Client::device(house.address(), Version::V5, "twin");
    for _ in 0..8 {
        let next = Client::device(house.address(), Version::V5, "twin");
        let heard = holder.hear();
        assert!(
            heard.starts_with("DISCONNECT session taken over"),
            "{heard}"
        );
        assert_eq!(holder.hear_or_end(), None);
        holder = next;
    }
    for (version, answer) in [
        (Version::V5, "CONNACK connection rate exceeded"),
        (Version::V311, "CONNACK server unavailable"),
    ] {
        let mut one_more = Client::silent(house.address(), version);
        one_more.say(&Packet::Connect(connect(version, "twin")));
        let heard = one_more.hear();
        assert!(heard.starts_with(answer), "{heard}");
    }
    assert_eq!(count(&house.figures.taken_over), 8);
    // Who holds it is left in peace.
    holder.publish(1, "state/twin/get", "");
    assert_eq!(holder.hear(), "PUBACK 1 success");
    bystander.is_served();
}

/// Three words at once, and then one a second: for a device and for an application.
fn chary() -> Quota {
    let pace = Some(Pace {
        per_s: NonZeroU32::MIN,
        burst: NonZeroU32::new(3).unwrap(),
    });
    Quota {
        device_pace: pace,
        application_pace: pace,
        ..Quota::default()
    }
}

const WORD: &str = r#"{"state":{"reported":{}}}"#;

/// Publishes until the connection ends, or so often; returns what came back.
fn chatter(client: &mut Client, topic: &str, words: u16) -> Vec<String> {
    let mut heard = Vec::new();
    for n in 1..=words {
        client.publish(n, topic, WORD);
        while let Some(word) = client.hear_or_end() {
            let is_answer = word.starts_with("PUBACK");
            heard.push(word);
            if is_answer {
                break;
            }
        }
        if !heard.last().is_some_and(|word| word.starts_with("PUBACK")) {
            break;
        }
    }
    heard
}

#[test]
fn a_device_that_speaks_too_often_is_told_and_nobody_else_is_held_up() {
    let house = House::with(chary());
    let mut bystander = Bystander::at(&house);
    for (version, name, puback) in [
        (Version::V5, "flood", "quota exceeded"),
        (Version::V311, "flood-311", "success"),
    ] {
        let mut flood = Client::device(house.address(), version, name);
        flood.subscribe(&[&format!("state/{name}/update/rejected")]);
        assert_eq!(flood.hear(), "SUBACK 01");
        let topic = format!("state/{name}/update");
        // Some words, then refusals, of which each is told first; the connection stays.
        let mut heard = Vec::new();
        while !heard.iter().any(|word: &String| word.contains("429")) {
            heard = chatter(&mut flood, &topic, 5);
        }
        let refused = heard.iter().position(|word| word.contains("429")).unwrap();
        assert!(heard[refused].contains(r#"{"code":429,"#), "{heard:?}");
        assert!(heard[refused + 1].ends_with(puback), "{heard:?}");
        // What a job waits for is heard: there is no such job, which only the engine knows.
        flood.publish(7, &topic, "jobID:j1 SUCCESS");
        let answers = [flood.hear(), flood.hear()].join(" ");
        assert!(
            answers.contains(r#""code":404"#) || answers.contains(r#""code":409"#),
            "{answers}"
        );
        // Whoever does not heed it is ended.
        assert!(chatter(&mut flood, &topic, 60).len() < 20);
        assert!(flood.hear_or_end().is_none());
        // Coming back brings no new words.
        let mut again = Client::device(house.address(), version, name);
        let heard = chatter(&mut again, &topic, 60);
        assert!(heard.len() < 10, "{heard:?}");
    }
    assert!(count(&house.figures.too_often) > 4);
    bystander.is_served();
}

#[test]
fn an_application_that_speaks_too_often_is_told_on_all_its_connections() {
    let house = House::with(chary());
    let mut first = Client::application(house.address(), "one");
    let mut second = Client::application(house.address(), "two");
    while !chatter(&mut first, "state/d/update", 5)
        .concat()
        .contains("quota")
    {}
    second.subscribe(&["state/+/update/rejected"]);
    assert_eq!(second.hear(), "SUBACK 01");
    // Under load the bucket may have got a word back meanwhile.
    let heard = chatter(&mut second, "state/d/update", 3);
    let refused = heard.iter().position(|word| word.contains("429")).unwrap();
    assert!(heard[refused].contains(r#"{"code":429,"#), "{heard:?}");
    assert!(heard[refused + 1].contains("quota exceeded"), "{heard:?}");
}
