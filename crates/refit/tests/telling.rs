//! `refit device`, `job` and `events`: step 3 by hand, and what became of it.

use std::io::{BufRead, BufReader};
use std::process::Stdio;

use refit_testkit::{Device, TestServer};
use serde_json::{Value, json};

use crate::house::{add, fails, json, printed, refit, run, text};

#[test]
fn a_device_is_told_and_followed_until_it_is_there() {
    let (server, home) = (TestServer::start(), tempfile::tempdir().unwrap());
    add(&server, home.path(), "2.0.0", b"new");
    let set = run(&server, &["device", "set", "lamp-7", "firmware@2.0.0"]);
    assert!(set.status.success());
    assert_eq!(
        set.stderr,
        b"it is not connected now; it is told when it subscribes\n"
    );
    assert_eq!(
        printed(&server, &["device", "why", "lamp-7"]),
        "lamp-7 does not run firmware@2.0.0: it is not connected: it is told when it subscribes\n"
    );
    let watch = [
        "device",
        "watch",
        "lamp-7",
        "--wait",
        "--timeout",
        "1m",
        "--json",
    ];
    let watch = refit()
        .env("REFIT_DATA", server.data())
        .args(watch)
        .stdout(Stdio::piped())
        .spawn();
    let mut watch = watch.unwrap();
    let mut lines = BufReader::new(watch.stdout.take().unwrap()).lines();
    let mut next = || -> Value { serde_json::from_str(&lines.next().unwrap().unwrap()).unwrap() };
    assert_eq!(next()["job"]["status"], "QUEUED");
    let mut device = Device::connect(server.mqtt_address(), "lamp-7").unwrap();
    device.subscribe("update/delta").unwrap();
    let delta: Value = serde_json::from_slice(&device.message().unwrap().payload).unwrap();
    assert_eq!(next()["job"]["status"], "SENT");
    let done = format!("jobID:{} SUCCESS", delta["jobID"].as_str().unwrap());
    device.publish("update", done.as_bytes()).unwrap();
    assert_eq!(next()["converged"], true);
    assert!(watch.wait().unwrap().success());
    assert_eq!(
        printed(&server, &["device", "why", "lamp-7"]),
        "lamp-7 runs firmware@2.0.0, as it should\n"
    );
    let jobs = json(&server, &["job", "list", "--status", "SUCCEEDED"]);
    let id = jobs["items"][0]["id"].as_str().unwrap();
    assert!(printed(&server, &["job", "show", id]).contains("firmware@2.0.0"));
    let listed = printed(&server, &["device", "ls"]);
    assert!(
        listed.contains("lamp-7  yes     firmware@2.0.0  firmware@2.0.0"),
        "{listed}"
    );
}

#[test]
fn a_failure_is_told_with_the_devices_own_words_made_harmless() {
    let (server, home) = (TestServer::start(), tempfile::tempdir().unwrap());
    add(&server, home.path(), "2.0.0", b"new");
    printed(&server, &["device", "set", "lamp-7", "firmware@2.0.0"]);
    let mut device = Device::connect(server.mqtt_address(), "lamp-7").unwrap();
    device.subscribe("update/delta").unwrap();
    let delta: Value = serde_json::from_slice(&device.message().unwrap().payload).unwrap();
    let failed =
        json!({"jobID": delta["jobID"], "status": "FAILURE", "reason": "no room\u{1b}[2J"});
    device
        .publish("update", failed.to_string().as_bytes())
        .unwrap();
    device.acknowledged().unwrap();
    let why = printed(&server, &["device", "why", "lamp-7"]);
    assert!(
        why.contains("ended as FAILED") && why.contains("it said: no room\u{fffd}[2J"),
        "{why}"
    );
    let waited = fails_after_output(&server, &["device", "watch", "lamp-7", "--wait"]);
    assert_eq!(waited, Some(1));
    let retried = json(&server, &["device", "retry", "lamp-7"]);
    assert_eq!(retried["job"]["status"], "SENT");
    assert_eq!(
        json(&server, &["device", "cancel", "lamp-7"])["lastJob"]["status"],
        "CANCELLED"
    );
    assert_eq!(json(&server, &["device", "hold", "lamp-7"])["held"], true);
    assert_eq!(
        json(&server, &["device", "release", "lamp-7"])["held"],
        false
    );
}

#[test]
fn what_had_nothing_to_do_says_so() {
    let server = TestServer::start();
    printed(&server, &["device", "set", "lamp-7", "level=70"]);
    let output = run(&server, &["device", "retry", "lamp-7"]);
    assert!(output.status.success());
    assert_eq!(text(&output.stderr), "there was nothing to try again\n");
    let said = fails(&server, 5, &["device", "cancel", "lamp-7"]);
    assert!(said.contains("it has no open job to end"), "{said}");
}

fn fails_after_output(server: &TestServer, arguments: &[&str]) -> Option<i32> {
    run(server, arguments).status.code()
}

#[test]
fn waiting_ends_when_it_was_said_to() {
    let (server, home) = (TestServer::start(), tempfile::tempdir().unwrap());
    add(&server, home.path(), "2.0.0", b"new");
    printed(&server, &["device", "set", "lamp-7", "firmware@2.0.0"]);
    let waited = fails_after_output(
        &server,
        &["device", "watch", "lamp-7", "--wait", "--timeout", "1s"],
    );
    assert_eq!(waited, Some(124));
}

#[test]
fn the_desired_state_is_more_than_software() {
    let server = TestServer::start();
    let set = [
        "device",
        "set",
        "lamp-7",
        "level=70",
        "colour={\"red\":1}",
        "name=attic",
    ];
    let device = json(&server, &set);
    assert_eq!(
        device["desired"],
        json!({"level": 70, "colour": {"red": 1}, "name": "attic"})
    );
    let device = json(
        &server,
        &["device", "set", "lamp-7", "level=null", "--if-version", "1"],
    );
    assert_eq!(device["desired"]["level"], Value::Null);
    fails(
        &server,
        5,
        &["device", "set", "lamp-7", "level=1", "--if-version", "1"],
    );
    fails(
        &server,
        2,
        &["device", "set", "lamp-7", "level=1", "level=2"],
    );
    fails(&server, 2, &["device", "set", "lamp-7", "nonsense"]);
    fails(&server, 2, &["device", "set", "la mp", "level=1"]);
    fails(&server, 3, &["device", "set", "lamp-7", "firmware@9"]);
    fails(
        &server,
        3,
        &["device", "set", "lamp-7", "firmware@9", "level=1"],
    );
}

#[test]
fn events_are_lines_of_json() {
    let (server, home) = (TestServer::start(), tempfile::tempdir().unwrap());
    let mut events = refit()
        .env("REFIT_DATA", server.data())
        .args(["events", "--json"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(events.stdout.take().unwrap()).lines();
    // Until it follows nothing is told, so something happens until it does.
    let first: Value = std::thread::scope(|scope| {
        let reader = scope.spawn(|| serde_json::from_str(&lines.next().unwrap().unwrap()).unwrap());
        let mut number = 0;
        while !reader.is_finished() {
            number += 1;
            add(
                &server,
                home.path(),
                &number.to_string(),
                number.to_string().as_bytes(),
            );
        }
        reader.join().unwrap()
    });
    assert_eq!(
        (&first["type"], &first["name"]),
        (&json!("release.added"), &json!("firmware"))
    );
    events.kill().unwrap();
    events.wait().unwrap();
}
