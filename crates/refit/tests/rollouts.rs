//! `refit rollout`: started, watched to its end, and with which code that ends.

use std::thread::JoinHandle;

use refit_testkit::{Device, TestServer};
use serde_json::{Value, json};

use crate::house::{add, json as said, printed, run, text};

/// Devices that run a release, and answer their job so.
fn fleet(server: &TestServer, url: &str, answer: &'static str) -> Vec<JoinHandle<()>> {
    let device = |number: usize| {
        let mut device = Device::connect(server.mqtt_address(), &format!("gw-{number}")).unwrap();
        let report = json!({ "state": { "reported": { "softwareURL": url } } });
        device
            .publish("update", report.to_string().as_bytes())
            .unwrap();
        device.acknowledged().unwrap();
        device.subscribe("update/delta").unwrap();
        std::thread::spawn(move || {
            while let Ok(message) = device.message() {
                let delta: Value = serde_json::from_slice(&message.payload).unwrap();
                let Some(job) = delta["jobID"].as_str() else {
                    continue;
                };
                let done = format!("jobID:{job} {answer}");
                if device.publish("update", done.as_bytes()).is_err() {
                    return;
                }
            }
        })
    };
    (0..20).map(device).collect()
}

fn start(server: &TestServer, name: &str, more: &[&str]) -> Value {
    let release = ["--release", "firmware@2.0.0", "--select", "all"];
    said(
        server,
        &[&["rollout", "start", name], &release[..], more].concat(),
    )
}

#[test]
fn a_rollout_is_waited_for_and_its_end_is_the_exit_code() {
    let (server, home) = (TestServer::start(), tempfile::tempdir().unwrap());
    let old = add(&server, home.path(), "1.0.0", b"old");
    add(&server, home.path(), "2.0.0", b"new");
    let threads = fleet(&server, old["softwareURL"].as_str().unwrap(), "FAILURE no");
    start(
        &server,
        "bad",
        &["--waves", "50%,100%", "--max-failed", "5%"],
    );
    let wait = ["rollout", "status", "bad", "--wait", "--timeout", "1m"];
    let waited = run(&server, &wait);
    let why = text(&waited.stderr);
    assert_eq!(waited.status.code(), Some(10), "{why}");
    assert!(why.contains("has paused by itself"), "{why}");
    let shown = said(&server, &["rollout", "show", "bad"]);
    assert_eq!(shown["because"]["rule"], "threshold");
    let printed_too = printed(&server, &["rollout", "show", "bad"]);
    let counts = format!("{} failed", shown["counts"]["failed"]);
    assert!(printed_too.contains(&counts), "{printed_too}");
    let tried = said(&server, &["rollout", "abort", "bad", "--dry-run"]);
    assert_eq!(tried["toll"]["untouched"], 10, "{tried}");
    said(
        &server,
        &["rollout", "abort", "bad", "--reason", "it fails"],
    );
    assert_eq!(run(&server, &wait).status.code(), Some(11));
    let report = said(&server, &["rollout", "report", "bad"]);
    assert_eq!(report["because"], "an operator said: it fails");
    drop(server);
    for thread in threads {
        thread.join().unwrap();
    }
}
