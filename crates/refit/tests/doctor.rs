//! `refit doctor`: what it finds on a server that is well, and on one that is not.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::thread;

use refit_testkit::TestServer;
use refit_testkit::server::Wishes;
use serde_json::Value;

use crate::house::{add, refit, run, text};

fn private() -> TestServer {
    TestServer::start_with(&Wishes {
        is_secure: true,
        ..Wishes::default()
    })
}

/// Runs it, and returns the exit code and what each check found.
fn examined(server: &TestServer) -> (Option<i32>, Vec<Value>) {
    let output = run(server, &["doctor", "--json"]);
    let lines = text(&output.stdout);
    let found = lines
        .lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("no JSON: {line}")));
    (output.status.code(), found.collect())
}

#[track_caller]
fn state<'a>(found: &'a [Value], check: &str) -> &'a str {
    let one = found.iter().find(|one| one["check"] == check);
    one.unwrap_or_else(|| panic!("{check}: {found:#?}"))["state"]
        .as_str()
        .unwrap()
}

#[test]
fn a_server_that_is_well_has_no_error() {
    let server = private();
    let home = tempfile::tempdir().unwrap();
    add(&server, home.path(), "1.0.0", b"hello");
    let (code, found) = examined(&server);
    assert_eq!(code, Some(0), "{found:#?}");
    for check in [
        "ready",
        "depot",
        "version",
        "private",
        "clock",
        "https",
        "mqtts",
        "certificate",
        "issuer",
        "root",
        "public-url",
        "files",
    ] {
        assert_eq!(state(&found, check), "well", "{check}: {found:#?}");
    }
    // It is served on loopback, which no device reaches.
    assert_eq!(state(&found, "names"), "warning");
}

#[test]
fn a_key_that_others_can_read_is_an_error_with_what_to_do() {
    let server = private();
    let key = server.data().join("ca/issuer.key");
    fs::set_permissions(&key, fs::Permissions::from_mode(0o644)).unwrap();
    let output = run(&server, &["doctor"]);
    assert_eq!(output.status.code(), Some(1));
    let said = text(&output.stdout);
    assert!(said.contains("ca/issuer.key (mode 644)"), "{said}");
    assert!(said.contains("next: chmod 600 "), "{said}");
}

#[test]
fn from_another_machine_it_says_what_it_did_not_see() {
    let server = private();
    let elsewhere = tempfile::tempdir().unwrap();
    let output = refit()
        .env("REFIT_DATA", elsewhere.path())
        .args(["doctor", "--server", &server.url("")])
        .args(["--token", server.token(), "--ca"])
        .arg(server.data().join("ca/root.pem"))
        .output()
        .unwrap();
    let said = text(&output.stdout);
    assert!(output.status.success(), "{said}");
    assert!(said.contains("skipped  files"), "{said}");
}

#[test]
fn a_server_that_devices_do_not_trust_is_an_error() {
    let (server, other) = (private(), private());
    let output = refit()
        .env("REFIT_DATA", server.data())
        .arg("doctor")
        .arg("--ca")
        .arg(other.data().join("ca/root.pem"))
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    let said = text(&output.stdout);
    for line in ["error    api", "error    https"] {
        assert!(said.contains(line), "{said}");
    }
    assert!(said.contains("devices refuse what"), "{said}");
}

#[test]
fn a_public_url_that_gives_bytes_to_everybody_is_an_error() {
    // A cache that asks nobody.
    let cache = TcpListener::bind("127.0.0.1:0").unwrap();
    let at = cache.local_addr().unwrap();
    drop(thread::spawn(move || {
        for stream in cache.incoming() {
            let mut stream = stream.unwrap();
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                let mut byte = [0];
                if stream.read(&mut byte).unwrap_or(0) == 0 {
                    break;
                }
                head.push(byte[0]);
            }
            let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\nconnection: close\r\n\r\nhello";
            drop(stream.write_all(answer));
        }
    }));
    let server = TestServer::start_with(&Wishes {
        public_url: Some(format!("http://{at}")),
        ..Wishes::default()
    });
    let home = tempfile::tempdir().unwrap();
    add(&server, home.path(), "1.0.0", b"hello");
    let (code, found) = examined(&server);
    assert_eq!(code, Some(1));
    let said: Vec<_> = found
        .iter()
        .filter(|one| one["check"] == "public-url")
        .collect();
    assert_eq!(said.len(), 2, "{said:#?}");
    assert!(
        said[0]["says"]
            .as_str()
            .unwrap()
            .contains("without a signature")
    );
    assert!(said[1]["says"].as_str().unwrap().contains("that is wrong"));
    assert_eq!(state(&found, "https"), "skipped");
    assert_eq!(state(&found, "private"), "warning");
}
