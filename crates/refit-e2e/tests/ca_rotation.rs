//! A real agent lives through the change of the fleet's CA: it learns the new root, renews, and is served after the end of
//! the old one. Between the steps it is killed and started again: that is when it asks.

use std::fs;

use crate::enrolled::Enrolled;
use crate::house::{Server, text, wait_for};

/// Waits until the device has reported the number of a trust bundle, and is there.
fn reported(server: &Server, device: &Enrolled, number: u64) {
    wait_for("the number of the trust bundle", || {
        let shown = server.refit(&["device", "show", &device.id, "--json"]);
        let shown: serde_json::Value = serde_json::from_slice(&shown.stdout).ok()?;
        let is_there = shown["online"] == true && shown["reported"]["agent"]["trust"] == number;
        is_there.then_some(())
    });
}

fn step(server: &Server, step: &str) {
    let done = server.refit(&["ca", step]);
    assert!(done.status.success(), "{step}: {}", text(&done.stderr));
}

#[test]
fn an_agent_lives_through_rotate_renewal_switch_and_finish() {
    let server = Server::private(&[]);
    let lamp = Enrolled::new(&server, "lamp-7");
    let certificate = || fs::read(lamp.file("certificate.pem")).unwrap();
    let first = certificate();
    let mut agent = lamp.run(&[]);
    reported(&server, &lamp, 1);
    step(&server, "rotate");
    let early = server.refit(&["ca", "switch"]);
    assert!(!early.status.success(), "the agent lacks the new root");
    assert!(text(&early.stderr).contains("do not trust the new root"));
    drop(agent);
    agent = lamp.run(&[]);
    reported(&server, &lamp, 2);
    assert_eq!(certificate(), first, "nothing is renewed before the switch");

    step(&server, "switch");
    let early = server.refit(&["ca", "finish"]);
    assert!(
        !early.status.success(),
        "the agent holds the old certificate"
    );
    drop(agent);
    agent = lamp.run(&[]);
    wait_for("the renewal", || {
        let tried = server.refit(&["ca", "finish", "--dry-run"]);
        tried.status.success().then_some(())
    });
    step(&server, "finish");
    wait_for("the new identity on the disk", || {
        (certificate() != first).then_some(())
    });
    drop(agent);
    let _agent = lamp.run(&[]);
    reported(&server, &lamp, 4);
}
