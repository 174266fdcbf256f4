//! The same table over MQTT, asked by a client that shares no code with the server.

use refit_access::matrix::Operation;
use refit_access::rights::Rights;
use refit_protocol::device_id::DeviceId;
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
