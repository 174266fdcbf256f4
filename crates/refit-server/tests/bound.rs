//! Grants that are bound to a device's certificate, over real TLS: A's is good for A, and for nobody else.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::sync::Arc;

use refit_testkit::device::PATIENCE;
use refit_testkit::identity::nobody;
use refit_testkit::server::Wishes;
use refit_testkit::{Identity, TestServer};
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, StreamOwned};
use serde_json::{Value, json};

const YEAR_MS: u64 = 365 * 86_400_000;

struct Answer {
    status: u16,
    body: Vec<u8>,
}

impl Answer {
    #[track_caller]
    fn json(&self, status: u16) -> Value {
        assert_eq!(
            self.status,
            status,
            "{}",
            String::from_utf8_lossy(&self.body)
        );
        serde_json::from_slice(&self.body).unwrap()
    }

    #[track_caller]
    fn refused(&self) -> String {
        self.json(403)["reason"].as_str().unwrap().to_owned()
    }
}

/// Asks over HTTPS as whoever `config` has a certificate of.
fn ask(
    server: &TestServer,
    config: &Arc<ClientConfig>,
    method: &str,
    path: &str,
    bearer: Option<&str>,
    body: &str,
) -> Answer {
    let stream = TcpStream::connect(server.http_address()).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let name = ServerName::try_from("localhost").unwrap();
    let client = ClientConnection::new(Arc::clone(config), name).unwrap();
    let mut stream = StreamOwned::new(client, stream);
    let bearer = bearer.map_or_else(String::new, |token| {
        format!("authorization: Bearer {token}\r\n")
    });
    write!(
        stream,
        "{method} {path} HTTP/1.1\r\nhost: localhost\r\n{bearer}if-match: *\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
        body.len()
    )
    .unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    let end = answer
        .windows(4)
        .position(|four| four == b"\r\n\r\n")
        .unwrap();
    let head = String::from_utf8(answer[..end].to_vec()).unwrap();
    Answer {
        status: head[9..12].parse().unwrap(),
        body: answer[end + 4..].to_vec(),
    }
}

/// A server with a release, and two devices that know each other.
struct House {
    server: TestServer,
    a: Arc<ClientConfig>,
    b: Arc<ClientConfig>,
    nobody: Arc<ClientConfig>,
}

impl House {
    fn new() -> Self {
        let server = TestServer::start_with(&Wishes {
            is_secure: true,
            ..Wishes::default()
        });
        let client = |id| Identity::signed(server.data(), id, YEAR_MS).client();
        let root = server.places().root.as_ref().unwrap();
        let nobody = nobody(&std::fs::read_to_string(root).unwrap());
        let house = Self {
            a: client("lamp-a"),
            b: client("lamp-b"),
            nobody,
            server,
        };
        for version in ["1", "2"] {
            let path = format!("/api/v1/releases?name=firmware&version={version}");
            house.operate("POST", &path, &format!("firmware {version}"), 201);
        }
        house
    }

    fn operate(&self, method: &str, path: &str, body: &str, status: u16) -> Value {
        let token = Some(self.server.token());
        ask(&self.server, &self.nobody, method, path, token, body).json(status)
    }

    fn wish(&self, device: &str, version: &str, grant: Value) {
        let path = format!("/api/v1/devices/{device}/software");
        let body = json!({"release": format!("firmware@{version}"), "grant": grant});
        self.operate("PUT", &path, &body.to_string(), 200);
    }

    fn delta(&self, device: &Arc<ClientConfig>) -> Value {
        ask(&self.server, device, "GET", "/device/v1/delta", None, "").json(200)
    }

    fn credential(&self, device: &Arc<ClientConfig>, job: &Value) -> Answer {
        let body = json!({ "jobID": job }).to_string();
        ask(
            &self.server,
            device,
            "POST",
            "/device/v1/credential",
            None,
            &body,
        )
    }

    fn get(&self, device: &Arc<ClientConfig>, url: &Value, token: Option<&str>) -> Answer {
        let url = url.as_str().unwrap();
        let path = &url[url.find("/depot/").unwrap()..];
        ask(&self.server, device, "GET", path, token, "")
    }
}

#[test]
fn a_url_of_strength_device_is_good_with_its_certificate_alone() {
    let house = House::new();
    house.wish("lamp-a", "1", json!({"strength": "device"}));
    let delta = house.delta(&house.a);
    assert_eq!(
        (&delta["grant"], &delta["strength"]),
        (&json!("presigned"), &json!("device"))
    );
    let url = &delta["state"]["softwareURL"];
    assert_eq!(house.get(&house.a, url, None).body, b"firmware 1");
    assert_eq!(house.get(&house.b, url, None).refused(), "other-device");
    assert_eq!(
        house.get(&house.nobody, url, None).refused(),
        "no-certificate"
    );
}

#[test]
fn a_credential_is_good_for_its_device_and_artifact_alone() {
    let house = House::new();
    house.wish("lamp-a", "1", json!("credential"));
    let delta = house.delta(&house.a);
    assert_eq!(
        (&delta["grant"], &delta["strength"]),
        (&json!("credential"), &json!("device"))
    );
    let url = &delta["state"]["softwareURL"];
    assert!(!url.as_str().unwrap().contains('?'), "{url}");
    // The plain URL is none without a credential, and no job no credential.
    assert_eq!(house.get(&house.a, url, None).refused(), "missing");
    assert_eq!(house.credential(&house.b, &delta["jobID"]).status, 404);
    assert_eq!(house.credential(&house.a, &json!("0-never")).status, 404);
    assert_eq!(house.credential(&house.nobody, &delta["jobID"]).status, 401);
    let given = house.credential(&house.a, &delta["jobID"]).json(200);
    let token = given["token"].as_str();
    assert_eq!((&given["url"], &given["strength"]), (url, &json!("device")));
    assert_eq!(house.get(&house.a, url, token).body, b"firmware 1");
    assert_eq!(house.get(&house.b, url, token).refused(), "other-device");
    assert_eq!(
        house.get(&house.nobody, url, token).refused(),
        "no-certificate"
    );
    // Another artifact, and another certificate of the same device.
    let other = house.operate("GET", "/api/v1/releases/firmware/2", "", 200);
    assert_eq!(
        house.get(&house.a, &other["softwareURL"], token).refused(),
        "other-artifact"
    );
    let renewed = Identity::signed(house.server.data(), "lamp-a", YEAR_MS).client();
    assert_eq!(
        house.get(&renewed, url, token).refused(),
        "other-certificate"
    );
    // When the job has ended there is no other.
    let said = format!("jobID:{} SUCCESS", delta["jobID"].as_str().unwrap());
    ask(
        &house.server,
        &house.a,
        "POST",
        "/device/v1/update",
        None,
        &said,
    )
    .json(200);
    assert_eq!(house.credential(&house.a, &delta["jobID"]).status, 404);
}

#[test]
fn a_job_that_is_given_by_a_url_has_no_credential() {
    let house = House::new();
    house.wish("lamp-a", "1", json!("presigned"));
    let delta = house.delta(&house.a);
    assert_eq!(
        house.credential(&house.a, &delta["jobID"]).refused(),
        "not-by-credential"
    );
    // The honest negative: a URL of strength time is a bearer secret.
    let url = &delta["state"]["softwareURL"];
    assert_eq!(house.get(&house.nobody, url, None).body, b"firmware 1");
}

#[test]
fn a_credential_ends() {
    let house = House::new();
    house.wish("lamp-a", "1", json!({"kind": "credential", "lifetime": 1}));
    let delta = house.delta(&house.a);
    let given = house.credential(&house.a, &delta["jobID"]).json(200);
    let ended = loop {
        let answer = house.get(&house.a, &given["url"], given["token"].as_str());
        if answer.status != 200 {
            break answer;
        }
        std::thread::yield_now();
    };
    assert_eq!(ended.refused(), "expired");
}

#[test]
fn who_polls_is_whom_the_certificate_names() {
    let house = House::new();
    house.wish("lamp-a", "1", json!("presigned"));
    let asked = ask(&house.server, &house.b, "GET", "/device/v1/delta", None, "");
    assert_eq!(asked.status, 204);
    let asked = ask(
        &house.server,
        &house.nobody,
        "GET",
        "/device/v1/delta",
        None,
        "",
    );
    assert_eq!(asked.status, 401);
}

/// A connection that stays open from one request to the next.
struct Line(BufReader<StreamOwned<ClientConnection, TcpStream>>);

impl Line {
    fn open(house: &House, config: &Arc<ClientConfig>) -> Self {
        let stream = TcpStream::connect(house.server.http_address()).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let name = ServerName::try_from("localhost").unwrap();
        let client = ClientConnection::new(Arc::clone(config), name).unwrap();
        Self(BufReader::new(StreamOwned::new(client, stream)))
    }

    /// Asks, and reads the status and the length of what follows.
    fn ask(&mut self, path: &str, from: u64) -> (u16, usize) {
        write!(
            self.0.get_mut(),
            "GET {path} HTTP/1.1\r\nhost: localhost\r\nrange: bytes={from}-\r\n\r\n"
        )
        .unwrap();
        let (mut status, mut length) = (0, 0);
        loop {
            let mut line = String::new();
            assert!(self.0.read_line(&mut line).unwrap() > 0, "the line is cut");
            let line = line.to_ascii_lowercase();
            match line.trim_end().split_once(' ') {
                Some(("http/1.1", answer)) => status = answer[..3].parse().unwrap(),
                Some(("content-length:", value)) => length = value.parse().unwrap(),
                None if line == "\r\n" => return (status, length),
                _ => {}
            }
        }
    }

    fn read(&mut self, length: usize) -> Vec<u8> {
        let mut bytes = vec![0; length];
        self.0.read_exact(&mut bytes).unwrap();
        bytes
    }
}

#[test]
fn who_is_revoked_between_two_polls_or_in_a_download_is_refused_at_the_next_request() {
    let house = House::new();
    let bytes = "0123456789abcdef".repeat(1 << 18);
    let path = "/api/v1/releases?name=firmware&version=3";
    house.operate("POST", path, &bytes, 201);
    house.wish("lamp-a", "3", json!({"strength": "device"}));
    let (mut polls, mut downloads) = (Line::open(&house, &house.a), Line::open(&house, &house.a));
    let (status, length) = polls.ask("/device/v1/delta", 0);
    let delta: Value = serde_json::from_slice(&polls.read(length)).unwrap();
    assert_eq!((status, &delta["strength"]), (200, &json!("device")));
    let url = delta["state"]["softwareURL"].as_str().unwrap();
    let path = &url[url.find("/depot/").unwrap()..];
    let (status, length) = downloads.ask(path, 1000);
    assert_eq!((status, length), (206, bytes.len() - 1000));
    assert_eq!(downloads.read(24), bytes.as_bytes()[1000..1024]);

    house.operate("POST", "/api/v1/devices/lamp-a/revoke", "", 200);
    // The connections were opened before, and are not asked for a certificate again.
    let (status, length) = polls.ask("/device/v1/delta", 0);
    let problem: Value = serde_json::from_slice(&polls.read(length)).unwrap();
    assert_eq!((status, &problem["code"]), (403, &json!("device_barred")));
    // What is under way may come to its end; going on from a later byte is a request.
    downloads.read(bytes.len() - 1024);
    let (status, length) = downloads.ask(path, 1024);
    let problem: Value = serde_json::from_slice(&downloads.read(length)).unwrap();
    assert_eq!(status, 403, "{problem}");
    assert_eq!(problem["reason"], "no-certificate");
    let again = house.get(&house.a, &json!(url), None);
    assert_eq!(again.refused(), "no-certificate");
}

#[test]
fn what_a_revoked_device_was_given_before_is_void_whoever_shows_it() {
    let house = House::new();
    house.wish("lamp-a", "1", json!({"strength": "time"}));
    let url = house.delta(&house.a)["state"]["softwareURL"].clone();
    assert_eq!(house.get(&house.nobody, &url, None).body, b"firmware 1");
    house.operate("POST", "/api/v1/devices/lamp-a/revoke", "", 200);
    for asker in [&house.a, &house.b, &house.nobody] {
        let refused = house.get(asker, &url, None).json(403);
        assert_eq!(refused["code"], "device_barred");
    }
}
