//! Releases: taken in whole or not at all, immutable, and kept while a device desires them.

use std::io::{Read, Write};
use std::net::TcpStream;

use refit_testkit::TestServer;
use serde_json::{Value, json};

use crate::asking::{Answer, add_release, ask, ask_with, get, set_release};

fn post(server: &TestServer, query: &str, headers: &[(&str, &str)], bytes: &[u8]) -> Answer {
    let bearer = format!("Bearer {}", server.token());
    let headers = [headers, &[("authorization", bearer.as_str())]].concat();
    ask_with(
        "POST",
        &server.url(&format!("/api/v1/releases?{query}")),
        &headers,
        bytes,
    )
}

/// Counts the files of the depot: artifacts, and what is on its way.
fn files(server: &TestServer) -> usize {
    fn count(path: &std::path::Path) -> usize {
        let entries = std::fs::read_dir(path).unwrap();
        entries
            .map(|e| e.unwrap().path())
            .map(|p| if p.is_dir() { count(&p) } else { 1 })
            .sum()
    }
    count(&server.data().join("depot"))
}

#[test]
fn a_release_is_added_once_and_never_changes() {
    let server = TestServer::start();
    let added = post(
        &server,
        "name=firmware&version=2.0.0&note=a%20word",
        &[],
        b"abc",
    );
    let release = added.is(201);
    assert_eq!(added.header("location"), "/api/v1/releases/firmware/2.0.0");
    let sha256 = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
    assert_eq!(release["sha256"], sha256);
    assert_eq!(
        release["softwareURL"],
        server.url(&format!("/depot/sha256/{sha256}"))
    );
    assert_eq!(
        (&release["length"], &release["format"], &release["note"]),
        (&json!(3), &json!("file"), &json!("a word"))
    );
    let again = post(&server, "name=firmware&version=2.0.0", &[], b"abc").is(200);
    assert_eq!(again, release);
    let other =
        post(&server, "name=firmware&version=2.0.0", &[], b"xyz").is_problem(409, "release_exists");
    assert_eq!(other["sha256"], sha256);
    assert_eq!(files(&server), 1);
    assert_eq!(
        get(&server, "/api/v1/releases/firmware/2.0.0").is(200),
        release
    );
}

#[test]
fn releases_are_listed_in_the_order_of_their_versions() {
    let server = TestServer::start();
    for version in ["10.0.0", "9.0.0", "9.5.0"] {
        add_release(&server, version, version.as_bytes());
    }
    post(
        &server,
        "name=firmware&version=odd&after=9.0.0",
        &[],
        b"odd",
    )
    .is(201);
    post(&server, "name=bulb&version=1", &[], b"odd").is(201);
    let list = get(&server, "/api/v1/releases").is(200);
    let named = |release: &Value| {
        format!(
            "{}@{}",
            release["name"].as_str().unwrap(),
            release["version"].as_str().unwrap()
        )
    };
    let names: Vec<String> = list["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(named)
        .collect();
    assert_eq!(
        names,
        [
            "bulb@1",
            "firmware@9.0.0",
            "firmware@odd",
            "firmware@9.5.0",
            "firmware@10.0.0"
        ]
    );
    assert_eq!(list["items"][0]["sameAs"], json!(["firmware@odd"]));
}

#[test]
fn only_the_announced_bytes_are_taken() {
    let server = TestServer::start();
    let digest = "sha-256=:ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0=:";
    let query = "name=firmware&version=1";
    let other = post(&server, query, &[("content-digest", digest)], b"abd");
    other.is_problem(422, "digest_differs");
    assert_eq!(files(&server), 0);
    post(&server, query, &[("content-digest", "md5=:AA==:")], b"abc")
        .is_problem(400, "bad_request");
    post(&server, query, &[("content-digest", digest)], b"abc").is(201);
}

#[test]
fn a_cut_upload_leaves_nothing_behind() {
    let server = TestServer::start();
    let mut stream = TcpStream::connect(server.http_address()).unwrap();
    let head = format!(
        "POST /api/v1/releases?name=firmware&version=1 HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer {}\r\nContent-Length: 1000000\r\n\r\n",
        server.token()
    );
    stream.write_all(head.as_bytes()).unwrap();
    stream.write_all(&[7; 300_000]).unwrap();
    while files(&server) == 0 {
        std::thread::yield_now();
    }
    stream.shutdown(std::net::Shutdown::Write).unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    drop(stream);
    while files(&server) > 0 {
        std::thread::yield_now();
    }
    assert_eq!(get(&server, "/api/v1/releases").is(200)["items"], json!([]));
    add_release(&server, "1", b"whole");
}

#[test]
fn an_upload_that_cannot_be_kept_is_told_so_however_much_is_still_to_come() {
    let server = TestServer::start();
    std::fs::remove_dir(server.data().join("depot/staging")).unwrap();
    // More than the buffers of both sides hold: who closed early would break the pipe of the sender.
    let bytes = vec![7; 32 << 20];
    post(&server, "name=firmware&version=1", &[], &bytes).is_problem(500, "internal");
}

#[test]
fn what_is_wrong_with_a_release_is_told_before_it_is_taken() {
    let server = TestServer::start();
    for query in [
        "version=1",
        "name=firmware",
        "name=fi%2Frm&version=1",
        "name=firmware&version=..",
        "name=firmware&version=1&format=zip",
        "name=firmware&version=1&colour=red",
        &format!("name={}&version=1", "x".repeat(65)),
        &format!("name=firmware&version=1&note={}", "x".repeat(1025)),
    ] {
        post(&server, query, &[], b"abc").is_problem(400, "bad_query");
    }
    post(&server, "name=firmware&version=1&after=0", &[], b"abc")
        .is_problem(404, "release_not_found");
    let most = (17u64 << 30).to_string();
    let too_long = post_head(&server, &most);
    assert!(too_long.starts_with("HTTP/1.1 413 "), "{too_long}");
    assert_eq!(files(&server), 0);
}

/// Announces an upload of this length, sends nothing, and returns how the answer begins.
fn post_head(server: &TestServer, length: &str) -> String {
    let mut stream = TcpStream::connect(server.http_address()).unwrap();
    let head = format!(
        "POST /api/v1/releases?name=firmware&version=1 HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer {}\r\nContent-Length: {length}\r\n\r\nx",
        server.token()
    );
    stream.write_all(head.as_bytes()).unwrap();
    let mut start = [0; 64];
    let read = stream.read(&mut start).unwrap();
    String::from_utf8_lossy(&start[..read]).into_owned()
}

#[test]
fn a_release_stays_while_a_device_desires_it() {
    let server = TestServer::start();
    add_release(&server, "1.0.0", b"one");
    add_release(&server, "2.0.0", b"two");
    set_release(&server, "lamp-7", "firmware@1.0.0");
    let kept = ask(&server, "DELETE", "/api/v1/releases/firmware/1.0.0", "")
        .is_problem(409, "release_desired");
    assert_eq!(kept["deviceID"], "lamp-7");
    // It can still be desired after the refusal.
    set_release(&server, "lamp-8", "firmware@1.0.0");
    for device in ["lamp-7", "lamp-8"] {
        set_release(&server, device, "firmware@2.0.0");
    }
    ask(&server, "DELETE", "/api/v1/releases/firmware/1.0.0", "").is(204);
    ask(&server, "DELETE", "/api/v1/releases/firmware/1.0.0", "")
        .is_problem(404, "release_not_found");
    get(&server, "/api/v1/releases/firmware/1.0.0").is_problem(404, "release_not_found");
    assert_eq!(files(&server), 1);
    let put = ask(
        &server,
        "PUT",
        "/api/v1/devices/lamp-7/software",
        r#"{"release":"firmware@1.0.0"}"#,
    );
    put.is_problem(422, "unknown_release");
}

#[test]
fn bytes_go_with_the_last_release_that_names_them() {
    let server = TestServer::start();
    add_release(&server, "1.0.0", b"same");
    add_release(&server, "1.0.1", b"same");
    ask(&server, "DELETE", "/api/v1/releases/firmware/1.0.0", "").is(204);
    assert_eq!(files(&server), 1);
    set_release(&server, "lamp-7", "firmware@1.0.1");
    ask(
        &server,
        "PATCH",
        "/api/v1/devices/lamp-7/desired",
        r#"{"softwareURL":null}"#,
    )
    .is(200);
    ask(&server, "DELETE", "/api/v1/releases/firmware/1.0.1", "").is(204);
    assert_eq!(files(&server), 0);
}

#[test]
fn more_uploads_than_can_be_written_are_put_off() {
    let server = TestServer::start();
    let begin = |number: usize| {
        let mut stream = TcpStream::connect(server.http_address()).unwrap();
        let head = format!(
            "POST /api/v1/releases?name=firmware&version={number} HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer {}\r\nContent-Length: 2\r\n\r\nx",
            server.token()
        );
        stream.write_all(head.as_bytes()).unwrap();
        stream
    };
    let mut under_way: Vec<TcpStream> = (0..8).map(begin).collect();
    while files(&server) < 8 {
        std::thread::yield_now();
    }
    let put_off = post(&server, "name=firmware&version=9", &[], b"ab");
    put_off.is_problem(429, "too_many");
    let again: u32 = put_off.header("retry-after").parse().unwrap();
    assert!((10..=30).contains(&again), "{again}");
    under_way[0].write_all(b"y").unwrap();
    let mut start = [0; 12];
    under_way[0].read_exact(&mut start).unwrap();
    assert_eq!(&start, b"HTTP/1.1 201");
    post(&server, "name=firmware&version=9", &[], b"ab").is(201);
}

#[test]
fn releases_are_listed_page_by_page() {
    let server = TestServer::start();
    for version in ["1.0.0", "2.0.0", "3.0.0"] {
        add_release(&server, version, version.as_bytes());
    }
    let mut path = String::from("/api/v1/releases?limit=2");
    let mut versions = Vec::new();
    let mut cursors = Vec::new();
    loop {
        let page = get(&server, &path).is(200);
        let items = page["items"].as_array().unwrap().iter();
        versions.extend(items.map(|item| item["version"].as_str().unwrap().to_owned()));
        let Some(next) = page["nextCursor"].as_str() else {
            break;
        };
        path = format!("/api/v1/releases?limit=2&cursor={next}");
        cursors.push(path.clone());
    }
    assert_eq!(versions, ["1.0.0", "2.0.0", "3.0.0"]);
    assert_eq!(cursors.len(), 1);
    ask(&server, "DELETE", "/api/v1/releases/firmware/2.0.0", "").is(204);
    get(&server, &cursors[0]).is_problem(400, "bad_cursor");
}
