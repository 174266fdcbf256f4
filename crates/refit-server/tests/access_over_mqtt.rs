//! The same table over MQTT, asked by a client that shares no code with the server.

use std::io::{Read, Write};
use std::net::TcpStream;

use refit_access::matrix::Operation;
use refit_access::rights::Rights;
use refit_protocol::device_id::DeviceId;
use refit_testkit::device::PATIENCE;
use refit_testkit::{Device, TestServer};
use serde_json::json;

use crate::access::{everybody, made};
use crate::asking::ask;

const DEVICE: &str = "lamp-7";

fn connected(server: &TestServer, token: &str) -> std::io::Result<Device> {
    Device::application(server.mqtt_address(), DEVICE, token)
}

fn may(rights: &Rights, operation: Operation) -> bool {
    let device = DeviceId::parse(DEVICE).unwrap();
    rights.may(operation, Some(&device)).is_ok()
}

fn server_with_device() -> TestServer {
    let server = TestServer::start();
    let path = format!("/api/v1/devices/{DEVICE}/software");
    ask(&server, "PUT", &path, r#"{"softwareURL":"http://h/x"}"#).is(200);
    server
}

#[test]
fn every_role_may_over_mqtt_what_the_table_says() {
    let server = server_with_device();
    for (name, token, rights) in everybody(&server) {
        let mut client = connected(&server, &token).unwrap();
        let subscribed = client.subscribe("update/accepted").is_ok();
        assert_eq!(
            subscribed,
            may(&rights, Operation::EventRead),
            "{name} subscribes"
        );
        let mut client = connected(&server, &token).unwrap();
        let asked = client
            .publish("get", b"")
            .and_then(|()| client.acknowledged());
        assert_eq!(
            asked.is_ok(),
            may(&rights, Operation::DeviceRead),
            "{name} asks"
        );
        let wishes = [
            (r#"{"state":{"desired":{"a":1}}}"#, Operation::StateWrite),
            (
                r#"{"state":{"desired":{"softwareURL":"http://h/y"}}}"#,
                Operation::SoftwareAssign,
            ),
        ];
        for (wish, operation) in wishes {
            let mut client = connected(&server, &token).unwrap();
            let said = client
                .publish("update", wish.as_bytes())
                .and_then(|()| client.acknowledged());
            assert_eq!(said.is_ok(), may(&rights, operation), "{name}: {operation}");
        }
    }
}

#[test]
fn half_a_right_is_answered_as_rejected() {
    let server = server_with_device();
    let wish = |may: &str, wish: &str| {
        let body = json!({
            "name": format!("{}-{}", may.replace(':', "-"), wish.len()), "role": "application",
            "devices": ["lamp-*"], "may": ["event:read", may],
        });
        let mut client = connected(&server, &made(&server, &body).1).unwrap();
        client.subscribe("update/accepted").unwrap();
        client.subscribe("update/rejected").unwrap();
        client.publish("update", wish.as_bytes()).unwrap();
        let message = client.message().unwrap();
        let topic = message.topic.rsplit('/').next().unwrap().to_owned();
        let answer: serde_json::Value = serde_json::from_slice(&message.payload).unwrap();
        (topic, answer["code"].as_u64())
    };
    let state = r#"{"state":{"desired":{"a":1}}}"#;
    let software = r#"{"state":{"desired":{"softwareURL":"http://h/y"}}}"#;
    let refused = ("rejected".to_owned(), Some(403));
    let taken = ("accepted".to_owned(), None);
    assert_eq!(wish("state:write", software), refused);
    assert_eq!(wish("software:assign", state), refused);
    assert_eq!(wish("state:write", state), taken);
    assert_eq!(wish("software:assign", software), taken);
}

#[test]
fn only_devices_in_scope_are_seen_through_a_wildcard() {
    let server = TestServer::start();
    let body = json!({ "name": "app", "role": "application", "devices": ["lamp-*"] });
    let token = made(&server, &body).1;
    let mut client = Device::application(server.mqtt_address(), "+", &token).unwrap();
    client.subscribe("update/accepted").unwrap();
    for device in ["door-1", "lamp-1"] {
        let mut device = Device::connect(server.mqtt_address(), device).unwrap();
        device
            .publish("update", br#"{"state":{"reported":{"a":1}}}"#)
            .unwrap();
        device.acknowledged().unwrap();
    }
    assert_eq!(
        client.message().unwrap().topic,
        "state/lamp-1/update/accepted"
    );
}

#[test]
fn a_revoked_token_is_cut_off_at_once_and_lets_nobody_in() {
    let server = server_with_device();
    let (id, token) = made(&server, &json!({ "name": "app", "role": "operator" }));
    let mut client = connected(&server, &token).unwrap();
    client.subscribe("update/accepted").unwrap();
    ask(&server, "DELETE", &format!("/api/v1/tokens/{id}"), "").is(204);
    assert!(client.message().is_err());
    assert!(connected(&server, &token).is_err());
    for wrong in ["", "rft_nonsense", "operator"] {
        assert!(connected(&server, wrong).is_err(), "{wrong}");
    }
}

#[test]
fn whoever_guesses_tokens_is_put_off_and_locks_out_nobody_behind_the_same_address() {
    let server = server_with_device();
    let (_, token) = made(&server, &json!({ "name": "app", "role": "operator" }));
    // Loopback is an address like any other here. A program that was forgotten comes back for ever.
    for _ in 0..50 {
        assert!(connected(&server, "rft_forgotten").is_err());
    }
    assert!(connected(&server, &token).is_ok());
    // What could be a token: the last character is not free to be any.
    let guess = |n: u32| {
        let mut text = token.clone();
        text.replace_range(token.len() - 9..token.len() - 1, &format!("{n:08}"));
        text
    };
    for n in 0..30 {
        assert!(connected(&server, &guess(n)).is_err());
    }
    let refused = connected(&server, &guess(99)).map(drop).unwrap_err();
    assert!(
        refused.to_string().contains('3'),
        "server unavailable: {refused}"
    );
    // Who shares the address with the guesser, and has a token that is good, is let in.
    assert!(connected(&server, &token).is_ok());
    let metrics = ask(&server, "GET", "/metrics", "").bytes;
    let metrics = String::from_utf8(metrics).unwrap();
    let line = metrics
        .lines()
        .find(|line| line.starts_with("refit_mqtt_tokens_put_off_total "));
    let count: u64 = line
        .unwrap()
        .split(' ')
        .next_back()
        .unwrap()
        .parse()
        .unwrap();
    assert!(count >= 50, "{count}");
}

#[test]
fn an_expired_token_is_cut_off_and_lets_nobody_in() {
    let server = server_with_device();
    let body = json!({ "name": "app", "role": "operator", "expiresIn": "PT2S" });
    let (_, token) = made(&server, &body);
    let mut client = connected(&server, &token).unwrap();
    client.subscribe("update/accepted").unwrap();
    let forever = made(&server, &json!({ "name": "stays", "role": "operator" })).1;
    let mut stays = connected(&server, &forever).unwrap();
    // Nothing but time cuts it off: nothing is said to it or about it.
    assert!(client.until_closed().is_empty());
    assert!(connected(&server, &token).is_err());
    stays.publish("get", b"").unwrap();
    stays.acknowledged().unwrap();
}

/// MQTT 5, packet by packet.
struct Five {
    stream: TcpStream,
    packet: u8,
}

impl Five {
    fn connected(server: &TestServer, token: &str) -> Self {
        let stream = TcpStream::connect(server.mqtt_address()).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let mut five = Self { stream, packet: 0 };
        // MQTT 5 §3.1: protocol name and level, clean start and a password, no keep-alive, no properties.
        let mut body = vec![0, 4, b'M', b'Q', b'T', b'T', 5, 0x42, 0, 0, 0];
        put(&mut body, "app");
        put(&mut body, token);
        five.send(0x10, &body);
        let (kind, body) = five.receive();
        assert_eq!((kind, body.get(1)), (0x20, Some(&0)), "CONNACK: {body:?}");
        five
    }

    /// Asks for a filter with QoS 1; returns the reason code of SUBACK.
    fn subscribe(&mut self, filter: &str) -> u8 {
        let mut body = self.begin();
        // No properties.
        body.push(0);
        put(&mut body, filter);
        body.push(1);
        self.send(0x82, &body);
        let (kind, body) = self.receive();
        assert_eq!(kind, 0x90, "SUBACK");
        *body.last().unwrap()
    }

    /// Publishes with QoS 1; returns the reason code of PUBACK.
    fn publish(&mut self, topic: &str, payload: &str) -> u8 {
        let mut body = Vec::new();
        put(&mut body, topic);
        body.extend(self.begin());
        body.push(0);
        body.extend_from_slice(payload.as_bytes());
        self.send(0x32, &body);
        let (kind, body) = self.receive();
        assert_eq!((kind, body.get(1)), (0x40, Some(&self.packet)), "PUBACK");
        // MQTT 5 §3.4.2.1: without a reason code it is success.
        body.get(2).copied().unwrap_or(0)
    }

    fn begin(&mut self) -> Vec<u8> {
        self.packet += 1;
        vec![0, self.packet]
    }

    fn send(&mut self, first: u8, body: &[u8]) {
        let (low, high) = ((body.len() % 128) as u8, (body.len() / 128) as u8);
        let head = if high > 0 {
            vec![first, low | 0x80, high]
        } else {
            vec![first, low]
        };
        self.stream.write_all(&[&head, body].concat()).unwrap();
    }

    fn receive(&mut self) -> (u8, Vec<u8>) {
        let mut head = [0; 2];
        self.stream.read_exact(&mut head).unwrap();
        let mut length = usize::from(head[1] & 0x7f);
        if head[1] & 0x80 != 0 {
            let mut high = [0];
            self.stream.read_exact(&mut high).unwrap();
            length += usize::from(high[0]) * 128;
        }
        let mut body = vec![0; length];
        self.stream.read_exact(&mut body).unwrap();
        (head[0], body)
    }
}

fn put(body: &mut Vec<u8>, text: &str) {
    body.extend((text.len() as u16).to_be_bytes());
    body.extend(text.as_bytes());
}

/// [MQTT-3.4.2-1] and [MQTT-3.9.3-2]: in MQTT 5 who may not is told, and stays connected.
#[test]
fn mqtt_5_says_not_authorized_and_goes_on() {
    const NOT_AUTHORIZED: u8 = 0x87;
    let server = server_with_device();
    let state = r#"{"state":{"desired":{"a":1}}}"#;
    let software = r#"{"state":{"desired":{"softwareURL":"http://h/y"}}}"#;
    let cases: [(&[&str], [bool; 4]); 4] = [
        (&["event:read"], [true, false, false, false]),
        (&["device:read"], [false, true, false, false]),
        (&["state:write"], [false, false, true, false]),
        (&["software:assign"], [false, false, false, true]),
    ];
    for (may, expected) in cases {
        let name = may[0].replace(':', "-");
        let body =
            json!({ "name": name, "role": "application", "devices": ["lamp-*"], "may": may });
        let mut client = Five::connected(&server, &made(&server, &body).1);
        let codes = [
            client.subscribe("state/lamp-7/update/accepted"),
            client.publish("state/lamp-7/get", ""),
            client.publish("state/lamp-7/update", state),
            client.publish("state/lamp-7/update", software),
        ];
        for (code, expected) in codes.into_iter().zip(expected) {
            assert_eq!(code != NOT_AUTHORIZED, expected, "{may:?}: {codes:02x?}");
            assert!(code <= 1 || code == NOT_AUTHORIZED, "{codes:02x?}");
        }
        // What it may with its lamps, it may with no door.
        let door = [
            client.subscribe("state/door-1/update/accepted"),
            client.publish("state/door-1/get", ""),
            client.publish("state/door-1/update", state),
            client.publish("state/door-1/update", software),
        ];
        assert_eq!(door, [NOT_AUTHORIZED; 4], "{may:?}");
    }
}
