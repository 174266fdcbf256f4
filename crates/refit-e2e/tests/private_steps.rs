//! The pattern's nine steps on a server without `--dev`: the example device enrols itself with what any device has at
//! hand, openssl for its key and Python for the rest, and comes over mutual TLS; the application has a token of its own.

use std::process::Command;

use serde_json::{Value, json};

use crate::house::{Script, Server, text};
use crate::nine_steps::walk_with;
use crate::outside::wanted;

/// Makes a claim token, with which the device's script gets it a certificate.
fn enrol(server: &Server, id: &str) {
    let claim = server.refit_json(&["enrol", "token", "new", "--id-pattern", id]);
    let claim = claim["token"].as_str().unwrap();
    let root = server.root.as_ref().unwrap().to_str().unwrap();
    let arguments = [id, &server.api, root, claim];
    let mut script = Script::start("tests/python/enrol.py", &arguments, server.home());
    assert_eq!(script.next(), json!({"enrolled": id}));
}

/// Makes a token of an application that may look at some devices and assign their software, and nothing else.
fn application(server: &Server, devices: &str) -> String {
    let may = ["device:read", "event:read", "software:assign"];
    let wanted = json!({"name": "shop", "role": "application", "devices": [devices], "may": may});
    let made = Command::new("curl")
        .args(["-sS", "--fail-with-body", "--max-time", "60", "--cacert"])
        .arg(server.root.as_ref().unwrap())
        .args(["-H", &format!("authorization: Bearer {}", server.token)])
        .args(["-H", "content-type: application/json"])
        .args(["-d", &wanted.to_string()])
        .arg(format!("{}/api/v1/tokens", server.api))
        .output()
        .expect("curl (apt-get install curl)");
    let said = text(&made.stdout);
    assert!(made.status.success(), "{said} {}", text(&made.stderr));
    let made: Value = serde_json::from_str(&said).unwrap();
    made["token"].as_str().unwrap().to_owned()
}

fn walk(version: &str) {
    if !wanted() {
        return;
    }
    let server = Server::private(&[]);
    enrol(&server, "lamp-7");
    let token = application(&server, "lamp-*");
    walk_with(server, version, &token);
}

#[test]
fn the_patterns_device_over_mqtt_3_1_1_and_mutual_tls() {
    walk("3");
}

#[test]
fn the_patterns_device_over_mqtt_5_and_mutual_tls() {
    walk("5");
}
