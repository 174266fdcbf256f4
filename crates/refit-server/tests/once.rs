//! `Idempotency-Key`: what is asked twice under one key is done once, and answered the same both times.

use std::io::{Read, Write};
use std::net::TcpStream;

use refit_testkit::TestServer;
use refit_testkit::server::Wishes;
use serde_json::json;

use crate::asking::{Answer, add_release, ask, ask_with, get, set_release};

/// Asks under a key.
fn ask_once(server: &TestServer, key: &str, method: &str, path: &str, body: &str) -> Answer {
    let bearer = format!("Bearer {}", server.token());
    let headers = [
        ("authorization", bearer.as_str()),
        ("if-match", "*"),
        ("idempotency-key", key),
    ];
    match body {
        "" => ask_with(method, &server.url(path), &headers, ()),
        body => ask_with(method, &server.url(path), &headers, body),
    }
}

fn jobs(server: &TestServer) -> usize {
    let jobs = get(server, "/api/v1/jobs").is(200);
    jobs["items"].as_array().unwrap().len()
}

const SOFTWARE: &str = "/api/v1/devices/lamp-7/software";
const WISH: &str = r#"{"release":"firmware@2.0.0"}"#;

#[test]
fn a_key_that_is_none_is_refused_in_a_trial_too() {
    let server = TestServer::start();
    for path in ["/api/v1/grant-keys?dryRun=true", "/api/v1/grant-keys"] {
        let refused = ask_once(&server, "a b", "POST", path, "");
        refused.is_problem(400, "bad_request");
    }
}

#[test]
fn the_same_again_is_done_once_and_answered_the_same_also_after_a_restart() {
    let mut server = TestServer::start();
    add_release(&server, "2.0.0", b"new");
    let first = ask_once(&server, "k-1", "PUT", SOFTWARE, WISH);
    assert_eq!(first.status, 200);
    assert_eq!(first.header("idempotency-replayed"), "");
    ask(&server, "POST", "/api/v1/devices/lamp-7/cancel", "").is(200);
    let again = ask_once(&server, "\"k-1\"", "PUT", SOFTWARE, WISH);
    assert_eq!(again.header("idempotency-replayed"), "true");
    server.restart(&Wishes::default());
    let later = ask_once(&server, "k-1", "PUT", SOFTWARE, WISH);
    for answer in [&again, &later] {
        assert_eq!((answer.status, &answer.bytes), (200, &first.bytes));
        for header in ["etag", "content-type"] {
            assert_eq!(answer.header(header), first.header(header), "{header}");
        }
    }
    assert_eq!(jobs(&server), 1);
    // Without a key, or under another, the wish is said anew, and opens another job.
    ask_once(&server, "k-2", "PUT", SOFTWARE, WISH).is(200);
    assert_eq!(jobs(&server), 2);
}

#[test]
fn a_key_is_for_one_request() {
    let server = TestServer::start();
    add_release(&server, "2.0.0", b"new");
    ask_once(&server, "k", "PUT", SOFTWARE, WISH).is(200);
    for (method, path, body) in [
        ("PUT", SOFTWARE, r#"{"release":"firmware@2.0.0" }"#),
        ("PUT", "/api/v1/devices/lamp-8/software", WISH),
        ("PATCH", "/api/v1/devices/lamp-7/desired", WISH),
        ("POST", "/api/v1/devices/lamp-7/cancel", ""),
        ("DELETE", "/api/v1/releases/firmware/2.0.0", ""),
    ] {
        let other = ask_once(&server, "k", method, path, body);
        other.is_problem(422, "idempotency_key_reused");
    }
    assert_eq!(jobs(&server), 1);
    for key in ["", "a b", &"x".repeat(256)] {
        ask_once(&server, key, "PUT", SOFTWARE, WISH).is_problem(400, "bad_request");
    }
    // What only reads takes no notice.
    ask_once(&server, "k", "GET", "/api/v1/devices/lamp-7", "").is(200);
}

#[test]
fn a_refusal_that_was_decided_stays_and_one_that_was_not_does_not() {
    let server = TestServer::start();
    add_release(&server, "2.0.0", b"new");
    let cancel = || ask_once(&server, "k", "POST", "/api/v1/devices/lamp-7/cancel", "");
    let first = cancel();
    first.is_problem(404, "device_not_found");
    set_release(&server, "lamp-7", "firmware@2.0.0");
    let again = cancel();
    assert_eq!((again.status, &again.bytes), (404, &first.bytes));
    assert_eq!(again.header("content-type"), "application/problem+json");
    let url = server.url("/api/v1/devices/lamp-7/cancel");
    let nobody = [("if-match", "*"), ("idempotency-key", "l")];
    ask_with("POST", &url, &nobody, ()).is_problem(401, "unauthenticated");
    let cancelled = ask_once(&server, "l", "POST", "/api/v1/devices/lamp-7/cancel", "").is(200);
    assert_eq!(cancelled["lastJob"]["status"], "CANCELLED");
}

/// The head of an upload of six bytes.
fn upload(server: &TestServer, key: &str, more: &str) -> String {
    format!(
        "POST /api/v1/releases?name=firmware&version=1.0.0 HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer {}\r\n\
         Idempotency-Key: {key}\r\nContent-Length: 6\r\nConnection: close\r\n{more}\r\n",
        server.token()
    )
}

/// Reads a whole answer: its head in lower case, and its body.
fn answer(mut stream: TcpStream) -> (String, String) {
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    (head.to_lowercase(), body.to_owned())
}

#[test]
fn an_upload_passes_once_under_its_key() {
    let server = TestServer::start();
    let send = |bytes: &str| {
        let mut stream = TcpStream::connect(server.http_address()).unwrap();
        write!(stream, "{}{bytes}", upload(&server, "k", "")).unwrap();
        stream
    };
    let mut first = TcpStream::connect(server.http_address()).unwrap();
    let head = upload(&server, "k", "Expect: 100-continue\r\n");
    first.write_all(head.as_bytes()).unwrap();
    let mut go_on = [0; 25];
    first.read_exact(&mut go_on).unwrap();
    assert_eq!(&go_on, b"HTTP/1.1 100 Continue\r\n\r\n");
    // Its body is asked for, so it is under way.
    let (head, body) = answer(send("abcdef"));
    assert!(head.starts_with("http/1.1 409 "), "{head}");
    assert!(head.contains("retry-after: 1"), "{head}");
    assert!(body.contains("idempotency_key_in_use"), "{body}");
    first.write_all(b"abcdef").unwrap();
    let (head, body) = answer(first);
    assert!(head.starts_with("http/1.1 201 "), "{head}");
    let (again, same) = answer(send("abcdef"));
    assert!(again.starts_with("http/1.1 201 "), "{again}");
    assert!(again.contains("idempotency-replayed: true"), "{again}");
    assert!(again.contains("location: /api/v1/releases/firmware/1.0.0"));
    assert_eq!(same, body);
    let (head, body) = answer(send("abcdeF"));
    assert!(head.starts_with("http/1.1 422 "), "{head}");
    assert!(body.contains("idempotency_key_reused"), "{body}");
    let releases = get(&server, "/api/v1/releases").is(200);
    assert_eq!(releases["items"].as_array().unwrap().len(), 1);
    assert_eq!(releases["items"][0]["length"], json!(6));
}

#[test]
fn an_upload_that_was_cut_short_can_be_tried_again_under_its_key() {
    let server = TestServer::start();
    let mut stream = TcpStream::connect(server.http_address()).unwrap();
    write!(stream, "{}abc", upload(&server, "k", "")).unwrap();
    drop(stream);
    let give_up = std::time::Instant::now() + refit_testkit::device::PATIENCE;
    loop {
        let mut stream = TcpStream::connect(server.http_address()).unwrap();
        write!(stream, "{}abcdef", upload(&server, "k", "")).unwrap();
        let (head, body) = answer(stream);
        if head.starts_with("http/1.1 201 ") {
            break;
        }
        assert!(body.contains("idempotency_key_in_use"), "{head} {body}");
        assert!(std::time::Instant::now() < give_up, "{head} {body}");
        std::thread::yield_now();
    }
}

#[test]
fn a_repetition_may_be_no_longer_than_the_request_was() {
    let server = TestServer::start();
    add_release(&server, "2.0.0", b"new");
    // In chunks, since an announced length would show at once that it is another request.
    let said = |body: &str| {
        let head = format!(
            "PUT {SOFTWARE} HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer {}\r\nIf-Match: *\r\nConnection: close\r\n\
             Idempotency-Key: k\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n",
            server.token()
        );
        let mut stream = TcpStream::connect(server.http_address()).unwrap();
        write!(stream, "{head}{:x}\r\n{body}\r\n0\r\n\r\n", body.len()).unwrap();
        answer(stream)
    };
    assert!(said(WISH).0.starts_with("http/1.1 200 "));
    assert!(said(WISH).0.contains("idempotency-replayed: true"));
    let (head, body) = said(&WISH.replace('{', &format!("{{{}", " ".repeat(16 << 10))));
    assert!(head.starts_with("http/1.1 413 "), "{head} {body}");
}
