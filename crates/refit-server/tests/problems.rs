//! Whatever is wrong with a request is one problem document, and concerns nobody else.

use std::io::{Read, Write};
use std::net::TcpStream;

use refit_testkit::TestServer;

use crate::asking::{ask, ask_with, get};

#[test]
fn the_api_needs_the_token() {
    let server = TestServer::start();
    let short = format!("Bearer {}", &server.token()[..20]);
    let basic = format!("Basic {}", server.token());
    for path in [
        "/api/v1/devices",
        "/api/v1/openapi.json/",
        "/api/v1/nothing",
        "/api",
    ] {
        for header in [
            None,
            Some("Bearer "),
            Some("Bearer x"),
            Some(&short),
            Some(&basic),
        ] {
            let headers: Vec<_> = header
                .iter()
                .map(|value| ("authorization", *value))
                .collect();
            let refused = ask_with("GET", &server.url(path), &headers, ());
            let problem = refused.is_problem(401, "unauthenticated");
            assert_eq!(refused.header("www-authenticate"), "Bearer");
            assert!(
                problem["detail"]
                    .as_str()
                    .unwrap()
                    .contains("operator.token")
            );
            assert!(!problem.to_string().contains(server.token()));
        }
    }
}

#[test]
fn the_description_of_the_api_needs_no_token() {
    let server = TestServer::start();
    let document = ask_with("GET", &server.url("/api/v1/openapi.json"), &[], ()).is(200);
    assert_eq!(document["openapi"], "3.1.0");
    let wrong = [("authorization", "Bearer x")];
    ask_with("GET", &server.url("/api/v1/openapi.json"), &wrong, ()).is(200);
}

#[test]
fn what_does_not_exist_and_what_is_not_for_it() {
    let server = TestServer::start();
    for path in ["/", "/api/v1/nothing", "/api/v2/devices", "/depot/x"] {
        get(&server, path).is_problem(404, "not_found");
    }
    for (method, path) in [
        ("DELETE", "/api/v1/devices"),
        ("POST", "/livez"),
        ("PUT", "/api/v1/jobs/x"),
        ("BREW", "/api/v1/jobs"),
    ] {
        ask(&server, method, path, "").is_problem(405, "method_not_allowed");
    }
}

#[test]
fn bodies_of_another_kind_are_not_taken() {
    let server = TestServer::start();
    let bearer = format!("Bearer {}", server.token());
    let url = server.url("/api/v1/devices/lamp-7/desired");
    let with = |kind: &str| {
        ask_with(
            "PATCH",
            &url,
            &[
                ("authorization", &bearer),
                ("if-match", "*"),
                ("content-type", kind),
            ],
            "{\"a\":1}",
        )
    };
    with("text/plain").is_problem(415, "media_type");
    with("application/x-www-form-urlencoded").is_problem(415, "media_type");
    with("application/json; charset=utf-8").is(200);
    with("Application/Merge-Patch+JSON").is(200);
}

#[test]
fn other_web_pages_are_not_served() {
    let server = TestServer::start();
    let bearer = format!("Bearer {}", server.token());
    for (name, value) in [
        ("origin", "https://evil.example"),
        ("sec-fetch-site", "cross-site"),
    ] {
        let headers = [("authorization", bearer.as_str()), (name, value)];
        ask_with("GET", &server.url("/api/v1/devices"), &headers, ()).is_problem(403, "forbidden");
        ask_with(
            "GET",
            &server.url("/device/v1/bootstrap"),
            &headers[1..],
            (),
        )
        .is_problem(403, "forbidden");
    }
}

/// Sends bytes as they are, and returns all that comes back.
fn raw(server: &TestServer, bytes: &[u8]) -> String {
    let mut stream = TcpStream::connect(server.http_address()).unwrap();
    // The server may have heard enough, and hang up, before all is sent.
    drop(stream.write_all(bytes));
    let mut answer = Vec::new();
    drop(stream.read_to_end(&mut answer));
    String::from_utf8_lossy(&answer).into_owned()
}

#[test]
fn what_is_no_http_is_refused_and_disturbs_nobody() {
    let server = TestServer::start();
    assert!(raw(&server, b"\x10\x20\x00\x04MQTT\r\n\r\n").starts_with("HTTP/1.1 400 "));
    let many = "X-Header: x\r\n".repeat(100);
    assert!(
        raw(
            &server,
            format!("GET / HTTP/1.1\r\nHost: h\r\n{many}\r\n").as_bytes()
        )
        .starts_with("HTTP/1.1 431 ")
    );
    let long = "x".repeat(100_000);
    let answer = raw(
        &server,
        format!("GET /{long} HTTP/1.1\r\nHost: h\r\n\r\n").as_bytes(),
    );
    assert!(answer.starts_with("HTTP/1.1 4"), "{answer}");
    get(&server, "/api/v1/devices").is(200);
}

#[test]
fn a_head_that_can_be_read_in_two_ways_is_refused() {
    let server = TestServer::start();
    let token = format!("authorization: Bearer {}\r\n", server.token());
    let other = "authorization: Bearer x\r\n";
    for (headers, status) in [
        (format!("host: a\r\n{token}"), 200),
        (token.clone(), 400),
        (format!("host: a\r\nhost: b\r\n{token}"), 400),
        (format!("host: a\r\n{token}{other}"), 400),
        (format!("host: a\r\n{other}{token}"), 400),
    ] {
        let request = format!("GET /api/v1/session HTTP/1.1\r\n{headers}connection: close\r\n\r\n");
        let answer = raw(&server, request.as_bytes());
        let expected = format!("HTTP/1.1 {status}");
        assert!(answer.starts_with(&expected), "{headers}: {answer}");
    }
}
