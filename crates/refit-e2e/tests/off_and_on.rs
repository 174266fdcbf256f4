//! A device that was off: it is told what it should have, once, and nothing of what was between.

use serde_json::Value;

use crate::house::{Script, Server};

#[test]
fn three_changes_while_off_are_one_delta_and_the_newest() {
    let server = Server::start();
    let port = server.mqtt_port.to_string();
    let urls: Vec<String> = ["1.0.0", "2.0.0", "3.0.0"]
        .iter()
        .map(|version| server.add_release(version, version.as_bytes()))
        .collect();
    for version in ["1.0.0", "2.0.0", "3.0.0"] {
        server.refit_json(&["device", "set", "attic", &format!("firmware@{version}")]);
    }
    let mut device = Script::start(
        "tests/python/asking_device.py",
        &["attic", &port],
        server.home(),
    );
    let first = device.until(|line| line.get("topic").is_some());
    assert_eq!(first["topic"], "state/attic/update/delta");
    let told = first["payload"]["state"]["softwareURL"].as_str().unwrap();
    assert!(told.starts_with(&urls[2]), "{told}");
    // The next message is the answer to its own question: there was no second delta.
    let next = device.until(|line| line.get("topic").is_some());
    assert_eq!(next["topic"], "state/attic/get/accepted");
    let jobs = server.refit_json(&["job", "list", "--device", "attic"]);
    let states: Vec<&Value> = jobs["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|j| &j["status"])
        .collect();
    assert_eq!(states, ["SENT", "SUPERSEDED", "SUPERSEDED"]);
}
