//! Hostile input from outside, as tables: by which code it is refused, and that nobody else is disturbed. The bytes are
//! written here, so that no mistake is shared with the server.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use serde_json::Value;

use crate::house::{PATIENCE, Server};

/// How many connections say nothing at a time, where the system allows so many.
const HALF_OPEN: u64 = 10_000;

/// What else this process has open.
const OTHER_FILES: u64 = 500;

/// Updates of a device, the code of `rejected`, and the reason of the PUBACK.
const UPDATES: &[(&str, u64, u8)] = &[
    ("", 400, 0x99),
    (" \n", 400, 0x99),
    ("{", 400, 0x99),
    ("{}", 400, 0x99),
    ("[]", 400, 0x99),
    ("null", 400, 0x99),
    ("\u{feff}{\"state\":{\"reported\":{}}}", 400, 0x99),
    ("{\"state\":{\"reported\":{}}} x", 400, 0x99),
    ("{\"state\":{\"reported\":{\"a\":1,}}}", 400, 0x99),
    ("{\"state\":{\"reported\":{\"a\":1,\"a\":2}}}", 400, 0x99),
    (
        "{\"state\":{\"reported\":{\"a\":1,\"\\u0061\":2}}}",
        400,
        0x99,
    ),
    ("{\"state\":{\"reported\":{}},\"state\":{}}", 400, 0x99),
    ("{\"state\":{\"reported\":{\"a\":\"\\ud800\"}}}", 400, 0x99),
    (
        "{\"state\":{\"reported\":{\"a\":9007199254740992}}}",
        400,
        0x99,
    ),
    (
        "{\"state\":{\"reported\":{\"a\":-9007199254740992}}}",
        400,
        0x99,
    ),
    ("{\"state\":{\"reported\":{\"a\":1e400}}}", 400, 0x99),
    ("{\"state\":{\"reported\":{\"a\":NaN}}}", 400, 0x99),
    (
        "{\"state\":{\"reported\":{\"a\":[{\"b\":null}]}}}",
        400,
        0x99,
    ),
    ("{\"state\":{\"reported\":null}}", 400, 0x99),
    ("{\"state\":[]}", 400, 0x99),
    ("{\"state\":{\"other\":{}}}", 400, 0x99),
    ("{\"state\":{\"reported\":{}},\"clientToken\":5}", 400, 0x99),
    ("{\"state\":{\"reported\":{}},\"version\":\"1\"}", 400, 0x99),
    ("{\"status\":\"SUCCESS\"}", 400, 0x99),
    ("{\"jobID\":\"j\",\"status\":\"success\"}", 400, 0x99),
    ("{\"jobID\":\"a b\",\"status\":\"SUCCESS\"}", 400, 0x99),
    (
        "{\"jobID\":\"j\",\"status\":\"RUNNING\",\"progress\":{\"percent\":101}}",
        400,
        0x99,
    ),
    ("jobID:j success", 400, 0x99),
    ("JOBID:j SUCCESS", 400, 0x99),
    ("jobID:j SUCCESS\0", 400, 0x99),
    ("jobID:jSUCCESS", 400, 0x99),
    ("jobID:", 400, 0x99),
    ("{\"state\":{\"desired\":{\"a\":1}}}", 403, 0x87),
    (
        "{\"state\":{\"desired\":{},\"reported\":{\"a\":1}}}",
        403,
        0x87,
    ),
    ("jobID:j SUCCESS", 409, 0x83),
    ("{\"jobID\":\"j\",\"status\":\"FAILURE\"}", 409, 0x83),
    (
        "{\"state\":{\"reported\":{\"a\":1}},\"version\":77}",
        409,
        0x83,
    ),
];

/// Topic filters of the device `lamp-7`, and how each is answered.
const FILTERS: &[(&str, u8)] = &[
    ("#", 0x87),
    ("+/+/#", 0x87),
    ("state/#", 0x87),
    ("state/+/update/delta", 0x87),
    ("state/lamp-70/update/delta", 0x87),
    ("state/lamp/#", 0x87),
    ("state/lamp-7", 0x87),
    ("$SYS/#", 0x87),
    ("$share/group/state/lamp-7/#", 0x9e),
    ("state/lamp-7/#", 0x01),
    ("state/lamp-7/update/+", 0x01),
];

/// Topics that the device `lamp-7` may not publish to, and how a PUBACK says so.
const TOPICS: &[(&str, u8)] = &[
    ("state/other/update", 0x87),
    ("state/other/get", 0x87),
    ("state/lamp-7/update/delta", 0x87),
    ("state/lamp-7/update/accepted", 0x87),
    ("state/lamp-7/get/rejected", 0x87),
    ("state/lamp-7", 0x90),
    ("state/lamp-7/upgrade", 0x90),
    ("$SYS/x", 0x90),
];

/// What ends a connection of MQTT 5 at once, and the reason of the DISCONNECT.
const MALFORMED: &[(&str, &[u8], u8)] = &[
    (
        "a second CONNECT",
        b"\x10\x0f\0\x04MQTT\x05\x02\0\0\0\0\x02l7",
        0x82,
    ),
    ("a reserved type", b"\x00\x00", 0x81),
    ("a packet of the server", b"\x20\x02\0\0", 0x82),
    ("a length of five bytes", b"\x30\xff\xff\xff\xff\x01", 0x81),
    ("a length longer than it needs", b"\xc0\x80\x00", 0x81),
    ("PINGREQ with a body", b"\xc0\x01x", 0x81),
    ("PUBLISH with QoS 3", b"\x36\x06\0\x01a\0\x01\0", 0x81),
    ("PUBLISH to a wildcard", b"\x30\x05\0\x02a#\0", 0x81),
    (
        "PUBLISH to a topic alias",
        b"\x30\x07\0\x01a\x03\x23\0\x01",
        0x94,
    ),
    ("a packet identifier of 0", b"\x32\x06\0\x01a\0\0\0", 0x82),
    ("PUBREL with flags of 0", b"\x60\x02\0\x01", 0x81),
    ("SUBSCRIBE without a filter", b"\x82\x03\0\x01\0", 0x82),
    (
        "SUBSCRIBE to a wildcard amid a level",
        b"\x82\x08\0\x01\0\0\x02a#\0",
        0x81,
    ),
    (
        "text that is not UTF-8",
        b"\x82\x08\0\x01\0\0\x02\xc3\x28\0",
        0x81,
    ),
    ("a packet that is too large", b"\x30\xff\xff\xff\x7f", 0x95),
];

#[test]
fn each_bad_update_is_rejected_with_its_code_and_the_next_is_heard() {
    let server = Server::start();
    let mut device = Client::connect(&server, "lamp-7");
    device.subscribe(&["state/lamp-7/update/rejected"]);
    let deep = format!("{{\"state\":{{\"reported\":{{\"a\":{}", "[".repeat(8000));
    let long = format!(
        "{{\"state\":{{\"reported\":{{\"a\":\"{}\"}}}}}}",
        "x".repeat(8192)
    );
    let generated: [(&[u8], u64, u8); 3] = [
        (deep.as_bytes(), 400, 0x99),
        (long.as_bytes(), 413, 0x99),
        (b"{\"state\":{\"reported\":{\"a\":\"\xff\"}}}", 400, 0x99),
    ];
    let listed = UPDATES
        .iter()
        .map(|(text, code, reason)| (text.as_bytes(), *code, *reason));
    for (payload, code, reason) in listed.chain(generated) {
        let shown = String::from_utf8_lossy(&payload[..payload.len().min(60)]);
        assert_eq!(
            device.publish("state/lamp-7/update", payload),
            reason,
            "{shown}"
        );
        let rejected = device.message();
        assert_eq!(rejected["code"], code, "{shown}: {rejected}");
    }
    let good = b"{\"state\":{\"reported\":{\"a\":9007199254740991}}}";
    assert_eq!(device.publish("state/lamp-7/update", good), 0);
}

#[test]
fn filters_and_topics_of_others_are_refused_one_by_one() {
    let server = Server::start();
    let mut device = Client::connect(&server, "lamp-7");
    let filters: Vec<&str> = FILTERS.iter().map(|(filter, _)| *filter).collect();
    let answers: Vec<u8> = FILTERS.iter().map(|(_, answer)| *answer).collect();
    assert_eq!(device.subscribe(&filters), answers);
    for (topic, reason) in TOPICS {
        assert_eq!(
            device.publish(topic, b"{\"state\":{\"reported\":{}}}"),
            *reason,
            "{topic}"
        );
    }
}

#[test]
fn malformed_packets_end_their_own_connection_with_the_right_code() {
    let server = Server::start();
    let mut other = Client::connect(&server, "other");
    for (what, bytes, reason) in MALFORMED {
        let mut hostile = Client::connect(&server, "lamp-7");
        hostile.stream.write_all(bytes).unwrap();
        let (first, body) = hostile.packet().unwrap();
        assert_eq!((first, body.first()), (0xe0, Some(reason)), "{what}");
        assert!(hostile.packet().is_none(), "{what}: the connection goes on");
        other.is_served();
    }
}

#[test]
fn who_is_not_welcome_is_told_by_the_code_of_the_version() {
    let server = Server::start();
    // Protocol name and level, flags, keep-alive, and what follows; the whole CONNACK.
    let refusals: &[(&[u8], &[u8])] = &[
        (b"\0\x04MQTT\x04\x02\0\0\0\0", b"\x20\x02\0\x02"),
        (b"\0\x04MQTT\x04\x02\0\0\0\x03a/b", b"\x20\x02\0\x02"),
        (b"\0\x04MQTT\x04\x02\0\0\0\x02..", b"\x20\x02\0\x02"),
        (
            b"\0\x04MQTT\x04\xc2\0\0\0\x01d\0\x01u\0\x02no",
            b"\x20\x02\0\x04",
        ),
        (b"\0\x04MQTT\x03\x02\0\0\0\x01d", b"\x20\x02\0\x01"),
        (b"\0\x04MQTT\x04\x03\0\0\0\x01d", b""),
        (b"\0\x04MQTX\x04\x02\0\0\0\x01d", b""),
    ];
    for (connect, connack) in refusals {
        let mut client = Client::open(&server);
        client.send(0x10, connect);
        let mut answer = Vec::new();
        drain(&mut client.stream, &mut answer);
        assert_eq!(&answer, connack, "{}", String::from_utf8_lossy(connect));
    }
    for (connect, reason) in [
        (&b"\0\x04MQTT\x05\x02\0\0\0\0\0"[..], 0x85),
        (b"\0\x04MQTT\x05\xc2\0\0\0\0\x01d\0\x01u\0\x02no", 0x86),
        (b"\0\x04MQTT\x05\x02\0\0\x03\x21\0\0\0\x01d", 0x82),
        (b"\0\x04MQTT\x06\x02\0\0\0\0\x01d", 0x84),
    ] {
        let mut client = Client::open(&server);
        client.send(0x10, connect);
        let (first, body) = client.packet().unwrap();
        assert_eq!((first, body.get(1)), (0x20, Some(&reason)));
        assert!(client.packet().is_none());
    }
}

#[test]
fn ten_thousand_half_open_connections_and_one_who_never_acknowledges_disturb_nobody() {
    let server = Server::start();
    let crowd: Vec<TcpStream> = (0..room_for_half_open())
        .map(|n| {
            let mut stream = TcpStream::connect(("127.0.0.1", server.mqtt_port)).unwrap();
            // Half of them say nothing at all, half begin a CONNECT.
            stream
                .write_all(if n % 2 == 0 { b"" } else { b"\x10" })
                .unwrap();
            stream
        })
        .collect();
    let mut never_reads = Client::connect(&server, "deaf");
    never_reads.subscribe(&["state/deaf/#"]);
    let questions = ask("deaf").repeat(5000);
    never_reads.stream.write_all(&questions).unwrap();
    Client::connect(&server, "lamp-7").is_served();
    let last = std::iter::from_fn(|| never_reads.packet()).last().unwrap();
    assert_eq!(
        (last.0, last.1[0]),
        (0xe0, 0x97),
        "it is ended for not acknowledging"
    );
    server.refit_json(&["device", "list"]);
    drop(crowd);
}

/// A question for the record, QoS 0.
fn ask(device: &str) -> Vec<u8> {
    let mut body = text(&format!("state/{device}/get"));
    body.push(0);
    [&[0x30, body.len() as u8][..], &body].concat()
}

/// Returns how many connections may say nothing at a time, having asked the system for as many as it gives.
fn room_for_half_open() -> u64 {
    let limit = getrlimit(Resource::Nofile);
    let wanted = Rlimit {
        current: limit.maximum,
        ..limit
    };
    setrlimit(Resource::Nofile, wanted).unwrap();
    let room = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
    HALF_OPEN.min(room.saturating_sub(OTHER_FILES))
}

/// A client of MQTT 5 with nothing but a socket.
struct Client {
    stream: TcpStream,
}

impl Client {
    fn open(server: &Server) -> Self {
        let stream = TcpStream::connect(("127.0.0.1", server.mqtt_port)).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        Self { stream }
    }

    fn connect(server: &Server, id: &str) -> Self {
        let mut client = Self::open(server);
        client.send(
            0x10,
            &[&b"\0\x04MQTT\x05\x02\0\0\0"[..], &text(id)].concat(),
        );
        let (first, body) = client.packet().unwrap();
        assert_eq!((first, &body[..2]), (0x20, &[0, 0][..]));
        client
    }

    /// Subscribes with QoS 1; returns how each filter was answered.
    fn subscribe(&mut self, filters: &[&str]) -> Vec<u8> {
        let mut body = b"\0\x01\0".to_vec();
        for filter in filters {
            body.extend(text(filter));
            body.push(1);
        }
        self.send(0x82, &body);
        let (first, body) = self.packet().unwrap();
        assert_eq!(first, 0x90);
        let properties = usize::from(body[2]);
        body[3 + properties..].to_vec()
    }

    /// Publishes with QoS 1; returns the reason of the PUBACK.
    fn publish(&mut self, topic: &str, payload: &[u8]) -> u8 {
        self.send(0x32, &[&text(topic)[..], b"\0\x01\0", payload].concat());
        let (first, body) = self.packet().unwrap();
        assert_eq!((first, &body[..2]), (0x40, &[0, 1][..]));
        body.get(2).copied().unwrap_or(0)
    }

    /// Reads the next message, and acknowledges it.
    fn message(&mut self) -> Value {
        let (first, body) = self.packet().unwrap();
        assert_eq!(first, 0x32, "a PUBLISH with QoS 1");
        let topic = 2 + usize::from(u16::from_be_bytes([body[0], body[1]]));
        self.send(0x40, &body[topic..topic + 2]);
        serde_json::from_slice(&body[topic + 3..]).unwrap()
    }

    fn is_served(&mut self) {
        self.send(0xc0, b"");
        assert_eq!(self.packet(), Some((0xd0, Vec::new())));
    }

    fn send(&mut self, first: u8, body: &[u8]) {
        let mut packet = vec![first];
        let mut length = body.len();
        loop {
            let more = if length < 128 { 0 } else { 0x80 };
            packet.push((length % 128) as u8 | more);
            length /= 128;
            if more == 0 {
                break;
            }
        }
        packet.extend_from_slice(body);
        self.stream.write_all(&packet).unwrap();
    }

    /// Reads a packet; `None` if the connection has ended.
    fn packet(&mut self) -> Option<(u8, Vec<u8>)> {
        let first = self.byte()?;
        let (mut length, mut shift) = (0, 0);
        loop {
            let byte = usize::from(self.byte()?);
            length |= (byte & 0x7f) << shift;
            shift += 7;
            if byte < 0x80 {
                break;
            }
        }
        let mut body = vec![0; length];
        self.stream.read_exact(&mut body).ok()?;
        Some((first, body))
    }

    fn byte(&mut self) -> Option<u8> {
        let mut byte = [0];
        match self.stream.read_exact(&mut byte) {
            Ok(()) => Some(byte[0]),
            Err(error) if error.kind() == ErrorKind::WouldBlock => panic!("nothing came"),
            Err(_) => None,
        }
    }
}

/// Reads until the connection ends, in whichever way.
fn drain(stream: &mut TcpStream, into: &mut Vec<u8>) {
    match stream.read_to_end(into) {
        Err(error) if error.kind() == ErrorKind::WouldBlock => panic!("the connection goes on"),
        Ok(_) | Err(_) => {}
    }
}

fn text(text: &str) -> Vec<u8> {
    [&(text.len() as u16).to_be_bytes()[..], text.as_bytes()].concat()
}
