//! How the tests ask: over real HTTP, and answers as data.

use std::time::Duration;

use refit_testkit::TestServer;
use serde_json::Value;
use ureq::http::{Method, Request, Response};
use ureq::{AsSendBody, Body};

/// An answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: ureq::http::HeaderMap,
    pub(crate) bytes: Vec<u8>,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.bytes)
            .unwrap_or_else(|_| panic!("no JSON: {}", String::from_utf8_lossy(&self.bytes)))
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .map_or("", |value| value.to_str().unwrap())
    }

    /// Checks that this is a problem document of this status and code.
    #[track_caller]
    pub(crate) fn is_problem(&self, status: u16, code: &str) -> Value {
        assert_eq!(
            self.header("content-type"),
            "application/problem+json",
            "{self:?}"
        );
        let problem = self.json();
        assert_eq!(
            (self.status, problem["code"].as_str()),
            (status, Some(code)),
            "{problem}"
        );
        assert_eq!(problem["status"], status);
        assert_eq!(
            problem["type"],
            format!("https://refit.dev/problems/{code}")
        );
        let request = format!("urn:refit:request:{}", self.header("x-request-id"));
        assert_eq!(problem["instance"], request);
        assert!(!problem["detail"].as_str().unwrap().is_empty());
        problem
    }

    #[track_caller]
    pub(crate) fn is(&self, status: u16) -> Value {
        assert_eq!(
            self.status,
            status,
            "{}",
            String::from_utf8_lossy(&self.bytes)
        );
        if self.bytes.is_empty() {
            Value::Null
        } else {
            self.json()
        }
    }
}

fn agent() -> ureq::Agent {
    let config = ureq::Agent::config_builder()
        .http_status_as_error(false)
        .proxy(None);
    config.allow_non_standard_methods(true).build().new_agent()
}

/// Asks with these headers.
pub(crate) fn ask_with(
    method: &str,
    url: &str,
    headers: &[(&str, &str)],
    body: impl AsSendBody,
) -> Answer {
    let method = Method::from_bytes(method.as_bytes()).unwrap();
    let mut request = Request::builder().method(method).uri(url);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let response: Response<Body> = agent().run(request.body(body).unwrap()).unwrap();
    let (parts, mut body) = response.into_parts();
    let bytes = body.with_config().limit(64 << 20).read_to_vec().unwrap();
    Answer {
        status: parts.status.as_u16(),
        headers: parts.headers,
        bytes,
    }
}

/// Asks as the operator, to whom any version of a record will do.
pub(crate) fn ask(server: &TestServer, method: &str, path: &str, body: &str) -> Answer {
    let bearer = format!("Bearer {}", server.token());
    let headers = [("authorization", bearer.as_str()), ("if-match", "*")];
    match body {
        "" => ask_with(method, &server.url(path), &headers, ()),
        body => ask_with(method, &server.url(path), &headers, body),
    }
}

pub(crate) fn get(server: &TestServer, path: &str) -> Answer {
    let bearer = format!("Bearer {}", server.token());
    ask_with("GET", &server.url(path), &[("authorization", &bearer)], ())
}

/// Adds a release made of these bytes; returns what the server shows of it.
pub(crate) fn add_release(server: &TestServer, version: &str, bytes: &[u8]) -> Value {
    let bearer = format!("Bearer {}", server.token());
    let url = server.url(&format!("/api/v1/releases?name=firmware&version={version}"));
    ask_with("POST", &url, &[("authorization", &bearer)], bytes).is(201)
}

/// Says what a device should run.
pub(crate) fn set_release(server: &TestServer, device: &str, release: &str) -> Value {
    let body = format!(r#"{{"release":"{release}"}}"#);
    ask(
        server,
        "PUT",
        &format!("/api/v1/devices/{device}/software"),
        &body,
    )
    .is(200)
}

/// How long to wait before asking again: far below the pace that a token has.
const ASK_AGAIN: Duration = Duration::from_millis(20);

/// Asks again and again until the answer is as wanted.
pub(crate) fn until(server: &TestServer, path: &str, wanted: impl Fn(&Value) -> bool) -> Value {
    let give_up = std::time::Instant::now() + refit_testkit::device::PATIENCE;
    loop {
        let answer = get(server, path);
        assert_ne!(answer.status, 429, "{path} was asked too often");
        let answer = answer.json();
        if wanted(&answer) {
            return answer;
        }
        assert!(
            std::time::Instant::now() < give_up,
            "{path} never was as wanted: {answer}"
        );
        std::thread::sleep(ASK_AGAIN);
    }
}
