//! `Debug` shows no password, credential or payload: packets end up in logs.

use refit_packet::Version::V5;

use crate::bytes::From::Client;
use crate::bytes::{bytes, decode};

#[track_caller]
fn hides(secret: &str, packet: &str) {
    let raw = bytes(packet);
    let shown = format!("{:?}", decode(&raw, Client, V5).expect("a packet"));
    // Neither as text nor as the numbers of its bytes.
    let numbers = format!("{:?}", secret.as_bytes());
    assert!(!shown.contains(secret), "{shown}");
    assert!(!shown.contains(numbers.trim_matches(['[', ']'])), "{shown}");
}

#[test]
fn a_password_is_hidden() {
    hides("hunter2", "10 .. 'MQTT' 05 c2 003c 00 'd1' 'u' 'hunter2'");
}

#[test]
fn authentication_data_is_hidden() {
    hides("hunter2", "f0 .. 18 0e 15 'm' 16 'hunter2'");
}

#[test]
fn a_payload_is_hidden() {
    hides("hunter2", "30 .. 't' 00 \"hunter2\"");
    hides(
        "hunter2",
        "10 .. 'MQTT' 05 06 003c 00 'd1' 00 'w' 'hunter2'",
    );
}
