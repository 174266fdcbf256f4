//! The stream of events: in order, resumed where it was, and honest about what is gone.

use std::io::{BufRead, BufReader};

use refit_testkit::TestServer;
use refit_testkit::server::Wishes;
use serde_json::{Value, json};

use crate::access::made;
use crate::asking::{add_release, ask, ask_with, get, set_release};

/// A stream that is being followed.
pub(crate) struct Stream {
    lines: std::io::Lines<BufReader<ureq::BodyReader<'static>>>,
    last: String,
}

impl Stream {
    pub(crate) fn open(server: &TestServer, query: &str, after: Option<&str>) -> Self {
        Self::open_as(server, server.token(), query, after)
    }

    fn open_as(server: &TestServer, token: &str, query: &str, after: Option<&str>) -> Self {
        let bearer = format!("Bearer {token}");
        Self::open_with(server, ("authorization", &bearer), query, after)
    }

    fn open_with(
        server: &TestServer,
        shown: (&str, &str),
        query: &str,
        after: Option<&str>,
    ) -> Self {
        let agent = ureq::Agent::config_builder()
            .proxy(None)
            .build()
            .new_agent();
        let mut request = agent
            .get(server.url(&format!("/api/v1/events{query}")))
            .header(shown.0, shown.1);
        if let Some(after) = after {
            request = request.header("last-event-id", after);
        }
        let response = request.call().unwrap();
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        let reader = BufReader::new(response.into_body().into_reader());
        Self {
            lines: reader.lines(),
            last: String::new(),
        }
    }

    fn next(&mut self) -> Option<Value> {
        for line in self.lines.by_ref() {
            let line = line.ok()?;
            if let Some(id) = line.strip_prefix("id: ") {
                self.last = id.to_owned();
            }
            if let Some(data) = line.strip_prefix("data: ") {
                return Some(serde_json::from_str(data).unwrap());
            }
        }
        None
    }

    /// Reads on to the next event of a type.
    pub(crate) fn until(&mut self, kind: &str) -> Value {
        std::iter::from_fn(|| self.next())
            .find(|event| event["type"] == kind)
            .unwrap()
    }
}

#[test]
fn what_happens_is_told_in_order() {
    let server = TestServer::start();
    let mut stream = Stream::open(&server, "", None);
    add_release(&server, "2.0.0", b"new");
    set_release(&server, "lamp-7", "firmware@2.0.0");
    let added = stream.next().unwrap();
    assert_eq!(
        (&added["type"], &added["name"], &added["version"]),
        (&json!("release.added"), &json!("firmware"), &json!("2.0.0"))
    );
    let job = stream.until("job.changed");
    assert_eq!(
        (&job["deviceID"], &job["job"]["status"]),
        (&json!("lamp-7"), &json!("QUEUED"))
    );
    assert_eq!(job["id"], stream.last.as_str());
    assert!(job["at"].as_str().unwrap().ends_with('Z'));
}

#[test]
fn a_follower_comes_back_to_where_it_was() {
    let server = TestServer::start();
    let mut stream = Stream::open(&server, "", None);
    add_release(&server, "1.0.0", b"one");
    stream.next().unwrap();
    let last = stream.last.clone();
    drop(stream);
    add_release(&server, "2.0.0", b"two");
    add_release(&server, "3.0.0", b"three");
    let mut stream = Stream::open(&server, "", Some(&last));
    assert_eq!(stream.next().unwrap()["version"], "2.0.0");
    assert_eq!(stream.next().unwrap()["version"], "3.0.0");
    let mut stream = Stream::open(&server, &format!("?after={last}"), None);
    assert_eq!(stream.next().unwrap()["version"], "2.0.0");
}

#[test]
fn one_device_can_be_followed_alone() {
    let server = TestServer::start();
    let mut stream = Stream::open(&server, "?device=lamp-8", None);
    for device in ["lamp-7", "lamp-8"] {
        ask(
            &server,
            "PATCH",
            &format!("/api/v1/devices/{device}/desired"),
            r#"{"a":1}"#,
        )
        .is(200);
    }
    assert_eq!(stream.next().unwrap()["deviceID"], "lamp-8");
}

#[test]
fn some_types_can_be_followed_alone() {
    let server = TestServer::start();
    let mut stream = Stream::open(&server, "?types=release.added,job.changed", None);
    desire(&server, "lamp-7");
    add_release(&server, "2.0.0", b"new");
    set_release(&server, "lamp-7", "firmware@2.0.0");
    assert_eq!(stream.next().unwrap()["type"], "release.added");
    assert_eq!(stream.next().unwrap()["type"], "job.changed");
    for (types, wrong, near) in [
        ("job.change", "job.change", "did you mean job.changed?"),
        ("release.added,x", "x", "there are device.state, "),
        ("", "", "there are device.state, "),
    ] {
        let refused = get(&server, &format!("/api/v1/events?types={types}"));
        let problem = refused.is_problem(400, "bad_query");
        assert_eq!(problem["errors"][0]["parameter"], "types");
        let detail = problem["detail"].as_str().unwrap();
        assert!(
            detail.contains(&format!("{wrong:?}")) && detail.contains(near),
            "{detail}"
        );
    }
}

#[test]
fn events_of_another_run_are_gone() {
    let mut server = TestServer::start();
    let mut stream = Stream::open(&server, "", None);
    add_release(&server, "1.0.0", b"one");
    stream.next().unwrap();
    let last = stream.last.clone();
    server.restart(&Wishes::default());
    // The stream ended with the server.
    assert!(stream.next().is_none());
    let bearer = format!("Bearer {}", server.token());
    for id in [last.as_str(), "garbage", "1", "-", "x-99999999999999999999"] {
        let headers = [("authorization", bearer.as_str()), ("last-event-id", id)];
        let gone = ask_with("GET", &server.url("/api/v1/events"), &headers, ());
        gone.is_problem(410, "events_gone");
    }
}

fn desire(server: &TestServer, device: &str) {
    let path = format!("/api/v1/devices/{device}/desired");
    ask(server, "PATCH", &path, r#"{"a":1}"#).is(200);
}

#[test]
fn a_stream_ends_when_its_token_is_revoked() {
    let server = TestServer::start();
    let (id, token) = made(&server, &json!({ "name": "watch", "role": "viewer" }));
    let (_, other) = made(&server, &json!({ "name": "other", "role": "viewer" }));
    let mut stream = Stream::open_as(&server, &token, "", None);
    let mut stays = Stream::open_as(&server, &other, "", None);
    desire(&server, "lamp-7");
    assert_eq!(stream.next().unwrap()["deviceID"], "lamp-7");
    ask(&server, "DELETE", &format!("/api/v1/tokens/{id}"), "").is(204);
    // What happens from now on is not for it.
    desire(&server, "lamp-8");
    let rest: Vec<Value> = std::iter::from_fn(|| stream.next()).collect();
    assert!(
        rest.iter().all(|event| event["deviceID"] != "lamp-8"),
        "{rest:?}"
    );
    let told = std::iter::from_fn(|| stays.next()).any(|event| event["deviceID"] == "lamp-8");
    assert!(told, "others go on");
}

#[test]
fn a_stream_ends_when_its_token_expires() {
    let server = TestServer::start();
    let body = json!({ "name": "watch", "role": "viewer", "expiresIn": "PT2S" });
    let (_, token) = made(&server, &body);
    let mut stream = Stream::open_as(&server, &token, "", None);
    // Nothing happens but that: only time ends it.
    assert!(stream.next().is_none());
    let bearer = format!("Bearer {token}");
    let headers = [("authorization", bearer.as_str())];
    let answer = ask_with("GET", &server.url("/api/v1/events"), &headers, ());
    answer.is_problem(401, "unauthenticated");
}

#[test]
fn a_stream_ends_with_the_session_that_opened_it() {
    let server = TestServer::start();
    let user = r#"{"name":"ada","role":"viewer","password":"correct horse battery"}"#;
    ask(&server, "POST", "/api/v1/users", user).is(201);
    let signed_in = ask_with(
        "POST",
        &server.url("/api/v1/session"),
        &[],
        r#"{"user":"ada","password":"correct horse battery"}"#,
    );
    signed_in.is(200);
    let cookie = signed_in.header("set-cookie").split(';').next().unwrap();
    let mut stream = Stream::open_with(&server, ("cookie", cookie), "", None);
    desire(&server, "lamp-7");
    assert_eq!(stream.next().unwrap()["deviceID"], "lamp-7");
    let disabled = r#"{"disabled":true}"#;
    ask(&server, "PATCH", "/api/v1/users/ada", disabled).is(200);
    while stream.next().is_some() {}
}
