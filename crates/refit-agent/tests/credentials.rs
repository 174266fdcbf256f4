//! The temporary credential, between an agent and a depot that this test plays.

use crate::https::{Answer, Https, Request};
use crate::pki::{Authority, Valid};
use refit_agent::fetch::{Answer as Fetched, Http};
use refit_agent::http::Client;
use refit_agent::identity::current::Current;
use refit_agent::job::Grant;
use refit_protocol::job::JobId;
use serde_json::{Value, json};
use std::sync::{Arc, Mutex};

const HERE: &str = "127.0.0.1";

/// A server, what it answers to the question for a credential, and a client that is at home there.
struct Bench {
    https: Https,
    credential: Arc<Mutex<(u16, Value)>>,
    client: Client,
    current: Arc<Current>,
}

impl Bench {
    /// Starts; a request for anything else is answered by `depot`.
    fn start(
        authority: &Authority,
        depot: impl Fn(&Request) -> Answer + Send + Sync + 'static,
    ) -> Self {
        let credential = Arc::new(Mutex::new((200, json!({}))));
        let given = Arc::clone(&credential);
        let answer = move |request: &Request| match &*request.line {
            "POST /device/v1/credential" => {
                let (status, document) = given.lock().unwrap().clone();
                (status, String::new(), document.to_string().into_bytes())
            }
            _ => depot(request),
        };
        let https = Https::start(&authority.server(HERE, Valid::Now), authority, answer);
        let identity = authority.identity("lamp-7", &https.url(""), "unused");
        let current = Arc::new(Current::new(identity, Vec::new()).unwrap());
        Self {
            client: Client::of(Arc::clone(&current), "").unwrap(),
            current,
            https,
            credential,
        }
    }

    fn give(&self, status: u16, document: Value) {
        *self.credential.lock().unwrap() = (status, document);
    }

    fn fetch(&self) -> Result<Fetched, String> {
        let grant = Grant::Credential(self.https.url("/depot/x"));
        let job = JobId::parse("j1").unwrap();
        self.client.get(&job, &grant, 5, Some("\"tag\""))
    }
}

fn whole(_: &Request) -> Answer {
    (200, String::new(), b"bytes".to_vec())
}

#[test]
fn a_token_is_asked_for_and_used_with_the_same_certificate() {
    let authority = Authority::new("the fleet's authority");
    let bench = Bench::start(&authority, whole);
    bench.give(
        200,
        json!({"url": bench.https.url("/depot/x"), "token": "t0k", "expires": 1}),
    );
    assert_eq!(bench.fetch().unwrap().status, 200);
    let [question, download] = &bench.https.requests()[..] else {
        panic!("two requests");
    };
    assert_eq!(question.text(), r#"{"jobID":"j1"}"#);
    assert_eq!(download.line, "GET /depot/x");
    assert_eq!(download.header("Authorization"), Some("Bearer t0k"));
    assert_eq!(download.header("If-Match"), Some("\"tag\""));
    assert!(question.certificate.is_some() && question.certificate == download.certificate);
}

#[test]
fn a_refused_credential_is_a_refused_download() {
    let bench = Bench::start(&Authority::new("the fleet's authority"), whole);
    for refused in [400, 401, 403, 404, 409] {
        bench.give(refused, json!({"title": "no"}));
        assert_eq!(bench.fetch().unwrap().status, 403, "{refused}");
    }
    bench.give(503, json!({}));
    assert_eq!(bench.fetch().unwrap().status, 503);
}

#[test]
fn a_token_goes_to_a_server_of_the_fleet_and_to_no_other_whatever_the_server_says() {
    let (fleet, world) = (Authority::new("the fleet's"), Authority::new("the world's"));
    let bench = Bench::start(&fleet, whole);
    let depot = Https::start(&fleet.server(HERE, Valid::Now), &fleet, whole);
    bench.give(200, json!({"url": depot.url("/depot/x"), "token": "t0k"}));
    assert_eq!(
        bench.fetch().unwrap().status,
        200,
        "a depot of another name"
    );
    assert!(depot.requests()[0].certificate.is_some());

    let client = Client::of(Arc::clone(&bench.current), &world.pem()).unwrap();
    let fetch = || {
        let grant = Grant::Credential(bench.https.url("/depot/x"));
        client.get(&JobId::parse("j1").unwrap(), &grant, 0, None)
    };
    let stranger = Https::start(&world.server(HERE, Valid::Now), &fleet, whole);
    for url in [stranger.url("/depot/x"), "http://127.0.0.1:9/x".into()] {
        bench.give(200, json!({"url": url, "token": "t0k"}));
        let Err(why) = fetch() else {
            panic!("a token for another host");
        };
        assert!(!why.contains("t0k"), "{why}");
    }
    assert!(stranger.requests().is_empty());
}

#[test]
fn a_depot_of_another_name_is_known_by_the_fleets_authority_or_the_worlds() {
    let (fleet, world) = (Authority::new("the fleet's"), Authority::new("the world's"));
    let bench = Bench::start(&fleet, whole);
    let client = Client::of(Arc::clone(&bench.current), &world.pem()).unwrap();
    let fetch = |server: &Https| {
        let path = format!("/depot/sha256/{}?sig=1", "a".repeat(64));
        let grant = Grant::Presigned(server.url(&path));
        client.get(&JobId::parse("j1").unwrap(), &grant, 0, None)
    };
    let depot = Https::start(&fleet.server(HERE, Valid::Now), &fleet, whole);
    assert_eq!(fetch(&depot).unwrap().status, 200);
    assert!(depot.requests()[0].certificate.is_some());
    let cdn = Https::start(&world.server(HERE, Valid::Now), &fleet, whole);
    assert_eq!(fetch(&cdn).unwrap().status, 200);
    assert!(
        cdn.requests()[0].certificate.is_none(),
        "it is not the fleet's"
    );
}

#[test]
fn a_stranger_that_is_led_to_gets_neither_token_nor_certificate() {
    let (fleet, world) = (Authority::new("the fleet's"), Authority::new("the world's"));
    let other = Https::start(&world.server(HERE, Valid::Now), &fleet, whole);
    let to = other.url("/x");
    let home = Https::start(&fleet.server(HERE, Valid::Now), &fleet, move |request| {
        if request.line.starts_with("POST") {
            let host = request.header("Host").unwrap();
            let document = json!({"url": format!("https://{host}/depot/x"), "token": "t0k"});
            return (200, String::new(), document.to_string().into_bytes());
        }
        (307, format!("Location: {to}\r\n"), Vec::new())
    });
    let identity = fleet.identity("lamp-7", &home.url(""), "unused");
    let current = Arc::new(Current::new(identity, Vec::new()).unwrap());
    let client = Client::of(current, &world.pem()).unwrap();
    let grant = Grant::Credential(home.url("/depot/x"));
    let answer = client.get(&JobId::parse("j1").unwrap(), &grant, 0, None);
    assert_eq!(answer.unwrap().status, 200);
    let [request] = &other.requests()[..] else {
        panic!("one request");
    };
    assert_eq!(request.header("Authorization"), None);
    assert!(request.certificate.is_none());
}
