//! The pattern's nine steps, with its example device and its example application, over both versions of MQTT.

use serde_json::{Value, json};

use crate::house::{Script, Server, get};

const NEW: &[u8] = b"the new software, byte for byte\0\xff";

fn is(line: &Value, topic: &str) -> bool {
    line["topic"].as_str() == Some(topic)
}

fn walk(version: &str) {
    let server = Server::start();
    let token = server.token.clone();
    walk_with(server, version, &token);
}

/// On a private server the device has been enrolled, and both find what they need for TLS in the server's home.
pub(crate) fn walk_with(mut server: Server, version: &str, token: &str) {
    let port = server.mqtt_port.to_string();
    let root = server.root.as_ref().map(|root| root.display().to_string());
    let private: Vec<&str> = root.as_deref().into_iter().collect();
    // 1. The device subscribes to its delta.
    let mut device = Script::start(
        "tests/python/pattern_device.py",
        &[&["lamp-7", &port, version], &private[..]].concat(),
        server.home(),
    );
    device.until(|line| line["event"] == "subscribed");
    // 2. The new software is placed in the store.
    let url = server.add_release("2.0.0", NEW);
    // 3. An application publishes the desired state. It watches what follows.
    let desired = json!({"state": {"desired": {"softwareURL": url}}, "clientToken": "t-1"});
    let mut application = Script::start(
        "tests/python/application.py",
        &[
            &["lamp-7", &port, version, token, &desired.to_string()],
            &private[..],
        ]
        .concat(),
        server.home(),
    );
    // 4. The replica records it: the application is answered before the device is told.
    let recorded = application.until(|line| is(line, "state/lamp-7/update/accepted"));
    assert_eq!(recorded["payload"]["clientToken"], "t-1");
    assert_eq!(recorded["payload"]["state"]["desired"]["softwareURL"], url);
    // 5 and 6. The device is told, with a job and a URL that it can use; who looks on sees no grant.
    let watched = application.until(|line| is(line, "state/lamp-7/update/delta"));
    assert_eq!(watched["payload"]["state"]["softwareURL"], url);
    let told = device.until(|line| is(line, "state/lamp-7/update/delta"));
    assert_eq!(told["payload"]["jobID"], watched["payload"]["jobID"]);
    let granted = told["payload"]["state"]["softwareURL"]
        .as_str()
        .unwrap()
        .to_owned();
    assert!(
        granted.starts_with(&url) && granted.len() > url.len(),
        "{granted}"
    );
    // 7. It downloads and applies.
    device.until(|line| line["event"] == "applied");
    assert_eq!(
        std::fs::read(server.home().join("lamp-7.software")).unwrap(),
        NEW
    );
    // 8 and 9. It acknowledges, in the pattern's plain words, and is told that this stands.
    let done = application.until(|line| {
        is(line, "state/lamp-7/update/accepted") && line["payload"]["status"] == "SUCCEEDED"
    });
    assert_eq!(done["payload"]["jobID"], told["payload"]["jobID"]);
    // What was acknowledged survives a power cut.
    server.kill();
    server.start_again();
    let shown = server.refit_json(&["device", "show", "lamp-7"]);
    assert_eq!(shown["reported"]["softwareURL"], url);
    assert_eq!(shown["desired"]["softwareURL"], url);
}

#[test]
fn the_patterns_device_over_mqtt_3_1_1() {
    walk("3");
}

#[test]
fn the_patterns_device_over_mqtt_5() {
    walk("5");
}

#[test]
fn an_altered_url_is_refused_and_a_fresh_one_is_had_by_asking() {
    let server = Server::start();
    let port = server.mqtt_port.to_string();
    let url = server.add_release("2.0.0", NEW);
    server.refit_json(&["device", "set", "lamp-8", "firmware@2.0.0"]);
    // This device only asks, and never acknowledges.
    let mut device = Script::start(
        "tests/python/asking_device.py",
        &["lamp-8", &port],
        server.home(),
    );
    let told = device.until(|line| is(line, "state/lamp-8/update/delta"));
    let granted = told["payload"]["state"]["softwareURL"]
        .as_str()
        .unwrap()
        .to_owned();
    assert_eq!(get(&granted), (200, NEW.to_vec()));

    assert_eq!(get(&url).0, 403, "without a grant");
    let other = if granted.ends_with('A') { "B" } else { "A" };
    assert_eq!(
        get(&format!("{}{other}", &granted[..granted.len() - 1])).0,
        403,
        "altered"
    );
    assert_eq!(
        get(&granted.replace("lamp-8", "lamp-9")).0,
        403,
        "another device's"
    );

    let shown = device.until(|line| is(line, "state/lamp-8/get/accepted"));
    assert_eq!(shown["payload"]["state"]["desired"]["softwareURL"], url);
    let again = device.until(|line| is(line, "state/lamp-8/update/delta"));
    assert_eq!(
        again["payload"]["jobID"], told["payload"]["jobID"],
        "asking opens no new job"
    );
    let fresh = again["payload"]["state"]["softwareURL"]
        .as_str()
        .unwrap()
        .to_owned();
    assert_eq!(get(&fresh), (200, NEW.to_vec()));
}

#[test]
fn the_guides_device_in_thirty_lines() {
    let server = Server::start();
    let port = server.mqtt_port.to_string();
    let url = server.add_release("2.0.0", NEW);
    let _device = Script::start(
        "examples/device.py",
        &["lamp-30", "127.0.0.1", &port],
        server.home(),
    );
    server.refit_json(&["device", "set", "lamp-30", "firmware@2.0.0"]);
    server.wait_for_device("lamp-30", |device| device["reported"]["softwareURL"] == url);
    assert_eq!(
        std::fs::read(server.home().join("lamp-30.software")).unwrap(),
        NEW
    );
}
