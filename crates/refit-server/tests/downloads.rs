//! Downloads: whoever holds a grant gets the bytes, and nobody else.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use refit_access::matrix::Operation;
use refit_testkit::device::PATIENCE;
use refit_testkit::server::Wishes;
use refit_testkit::{Device, TestServer};
use serde_json::{Value, json};

use crate::access::{everybody, made};
use crate::asking::{Answer, add_release, ask, ask_with, get, set_release};

/// Connects a device and returns the URL that its delta gives it.
fn granted_url(server: &TestServer, device: &str) -> String {
    let mut device = Device::connect(server.mqtt_address(), device).unwrap();
    device.subscribe("update/delta").unwrap();
    let delta: Value = serde_json::from_slice(&device.message().unwrap().payload).unwrap();
    delta["state"]["softwareURL"].as_str().unwrap().to_owned()
}

fn download(url: &str, headers: &[(&str, &str)]) -> Answer {
    ask_with("GET", url, headers, ())
}

fn content() -> Vec<u8> {
    (0..300_000u32).map(|i| (i / 3) as u8).collect()
}

#[test]
fn the_bytes_come_whole_in_part_and_not_at_all_when_they_are_there() {
    let server = TestServer::start();
    let release = add_release(&server, "2.0.0", &content());
    set_release(&server, "lamp-7", "firmware@2.0.0");
    let url = granted_url(&server, "lamp-7");
    let whole = download(&url, &[]);
    assert_eq!((whole.status, whole.bytes), (200, content()));
    let tag = whole.headers["etag"].to_str().unwrap();
    assert_eq!(
        tag,
        format!("\"sha256-{}\"", release["sha256"].as_str().unwrap())
    );
    let part = download(&url, &[("range", "bytes=299990-"), ("if-range", tag)]);
    assert_eq!((part.status, &part.bytes[..]), (206, &content()[299_990..]));
    assert_eq!(part.header("content-range"), "bytes 299990-299999/300000");
    let changed = download(
        &url,
        &[("range", "bytes=299990-"), ("if-range", "\"other\"")],
    );
    assert_eq!((changed.status, changed.bytes.len()), (200, 300_000));
    assert_eq!(download(&url, &[("if-none-match", tag)]).status, 304);
    let head = ask_with("HEAD", &url, &[], ());
    assert_eq!(
        (head.status, head.header("content-length"), head.bytes.len()),
        (200, "300000", 0)
    );
}

#[test]
fn what_cannot_be_answered_is_a_problem() {
    let server = TestServer::start();
    add_release(&server, "2.0.0", b"abc");
    set_release(&server, "lamp-7", "firmware@2.0.0");
    let url = granted_url(&server, "lamp-7");
    let past = download(&url, &[("range", "bytes=3-")]);
    past.is_problem(416, "out_of_range");
    assert_eq!(past.header("content-range"), "bytes */3");
    download(&url, &[("if-match", "\"other\"")]).is_problem(412, "version_conflict");
    ask_with("POST", &url, &[], "x").is_problem(405, "method_not_allowed");
    assert_eq!(ask_with("POST", &url, &[], "x").header("allow"), "GET,HEAD");
}

#[test]
fn without_a_good_grant_a_device_is_told_to_ask_again() {
    let server = TestServer::start();
    let release = add_release(&server, "2.0.0", b"abc");
    let stable = release["softwareURL"].as_str().unwrap();
    set_release(&server, "lamp-7", "firmware@2.0.0");
    let url = granted_url(&server, "lamp-7");
    let other = "0".repeat(64);
    for (url, reason) in [
        (stable.to_owned(), "missing"),
        (url.replace("lamp-7", "lamp-8"), "signature"),
        (
            url.replace(release["sha256"].as_str().unwrap(), &other),
            "signature",
        ),
        (format!("{url}&extra=1"), "malformed"),
        (url.replace("key=", "key=x"), "unknown-key"),
        // Whether there is such an artifact is told to nobody without a grant.
        (server.url(&format!("/depot/sha256/{other}")), "missing"),
    ] {
        let refused = download(&url, &[]).is_problem(403, "grant_refused");
        assert_eq!(refused["reason"], reason, "{url}");
        assert!(
            refused["detail"].as_str().unwrap().contains("/get"),
            "{refused}"
        );
    }
    download(&server.url("/depot/sha256/xyz"), &[]).is_problem(404, "artifact_not_found");
}

#[test]
fn an_expired_grant_is_refused_and_asking_gives_a_fresh_one() {
    let second = Wishes {
        grant_lifetime: Some(Duration::from_secs(1)),
        ..Wishes::default()
    };
    let server = TestServer::start_with(&second);
    add_release(&server, "2.0.0", b"abc");
    set_release(&server, "lamp-7", "firmware@2.0.0");
    let mut device = Device::connect(server.mqtt_address(), "lamp-7").unwrap();
    device.subscribe("update/delta").unwrap();
    let url = |device: &mut Device| {
        let delta: Value = serde_json::from_slice(&device.message().unwrap().payload).unwrap();
        delta["state"]["softwareURL"].as_str().unwrap().to_owned()
    };
    let first = url(&mut device);
    let expired = loop {
        let answer = download(&first, &[]);
        if answer.status != 200 {
            break answer;
        }
        std::thread::yield_now();
    };
    assert_eq!(
        expired.is_problem(403, "grant_refused")["reason"],
        "expired"
    );
    device.publish("get", b"").unwrap();
    assert_eq!(download(&url(&mut device), &[]).bytes, b"abc");
}

/// Begins a download on a connection of its own, and reads its head. The rest stays with the server, which sends no
/// faster than it is read.
fn begun(server: &TestServer, url: &str) -> (TcpStream, String) {
    let mut stream = TcpStream::connect(server.http_address()).unwrap();
    let path = url.strip_prefix(&server.url("")).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nHost: h\r\n\r\n").unwrap();
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut byte).unwrap();
        head.push(byte[0]);
    }
    (stream, String::from_utf8(head).unwrap().to_lowercase())
}

#[test]
fn one_device_does_not_take_the_places_of_the_others() {
    let server = TestServer::start();
    // More than the sockets of both ends hold.
    add_release(&server, "2.0.0", &vec![7; 32 << 20]);
    for device in ["lamp-7", "lamp-8"] {
        set_release(&server, device, "firmware@2.0.0");
    }
    let (url, other) = (
        granted_url(&server, "lamp-7"),
        granted_url(&server, "lamp-8"),
    );
    let mut under_way = Vec::new();
    for _ in 0..8 {
        let (stream, head) = begun(&server, &url);
        assert!(head.starts_with("http/1.1 200 "), "{head}");
        under_way.push(stream);
    }
    let refused = download(&url, &[("range", "bytes=0-9")]);
    let again: u32 = refused.header("retry-after").parse().unwrap();
    assert!((10..=30).contains(&again), "{again}");
    assert_eq!(refused.is_problem(429, "too_many")["deviceID"], "lamp-7");
    let part = [("range", "bytes=0-9")];
    assert_eq!(download(&other, &part).status, 206);
    under_way.pop();
    let give_up = Instant::now() + PATIENCE;
    while download(&url, &part).status != 206 {
        assert!(Instant::now() < give_up, "a place never became free");
        std::thread::yield_now();
    }
}

#[test]
fn an_operator_may_download_with_the_token() {
    let server = TestServer::start();
    let release = add_release(&server, "2.0.0", b"abc");
    let url = release["softwareURL"].as_str().unwrap();
    let bearer = format!("bearer {}", server.token());
    assert_eq!(download(url, &[("authorization", &bearer)]).bytes, b"abc");
    download(url, &[("authorization", "Bearer rft_wrong")]).is_problem(403, "grant_refused");
    let none = server.url(&format!("/depot/sha256/{}", "0".repeat(64)));
    download(&none, &[("authorization", &bearer)]).is_problem(404, "artifact_not_found");
}

/// The table's `release:download`, which no route of the description needs: asked for by everybody there is.
#[test]
fn whoever_may_download_by_right_of_a_token_can() {
    let server = TestServer::start();
    let release = add_release(&server, "2.0.0", b"abc");
    let url = release["softwareURL"].as_str().unwrap();
    for (name, token, rights) in everybody(&server) {
        let bearer = format!("Bearer {token}");
        let answer = download(url, &[("authorization", &bearer)]);
        match rights.may(Operation::ReleaseDownload, None) {
            Ok(()) => assert_eq!(answer.bytes, b"abc", "{name}: {answer:?}"),
            Err(_) => drop(answer.is_problem(403, "grant_refused")),
        }
    }
    let (id, token) = made(&server, &json!({ "name": "gone", "role": "operator" }));
    let bearer = format!("Bearer {token}");
    assert_eq!(download(url, &[("authorization", &bearer)]).status, 200);
    ask(&server, "DELETE", &format!("/api/v1/tokens/{id}"), "").is(204);
    download(url, &[("authorization", &bearer)]).is_problem(403, "grant_refused");
}

#[test]
fn downloads_are_counted() {
    let server = TestServer::start();
    let release = add_release(&server, "2.0.0", b"abc");
    set_release(&server, "lamp-7", "firmware@2.0.0");
    download(&granted_url(&server, "lamp-7"), &[]);
    download(release["softwareURL"].as_str().unwrap(), &[]);
    let metrics = get(&server, "/metrics");
    let metrics = String::from_utf8_lossy(&metrics.bytes).into_owned();
    for line in [
        "refit_grants_total{kind=\"presigned\",result=\"granted\"} 1",
        "refit_grants_total{kind=\"presigned\",result=\"refused\"} 1",
        "refit_depot_sent_bytes_total 3",
    ] {
        assert!(
            metrics.lines().any(|l| l == line),
            "{line} is not in\n{metrics}"
        );
    }
}
