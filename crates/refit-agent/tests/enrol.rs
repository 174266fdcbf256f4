//! `refit-agent enrol` as a program, against a server that this test plays: HTTPS, tokens, certificates.

use crate::https::{Answer, Https, Request};
use crate::pki::{Authority, Valid};
use crate::program::command;
use refit_agent::files::Real;
use refit_agent::identity::Identity;
use refit_agent::identity::store::Store;
use refit_protocol::claim::{Claim, ClaimId};
use refit_protocol::digest::Digest;
use refit_protocol::enrolment::{Enrol, Issued, TrustBundle};
use refit_protocol::time::Timestamp;
use std::collections::HashMap;
use std::io::Write;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::{Output, Stdio};
use std::sync::{Arc, Mutex};
use tempfile::TempDir;

/// A server that enrols, and how often it loses its answer first.
struct Bench {
    home: TempDir,
    authority: Arc<Authority>,
    https: Https,
    fail: Arc<Mutex<u32>>,
    busy: Arc<Mutex<u32>>,
}

impl Bench {
    fn start() -> Self {
        let authority = Arc::new(Authority::new("the fleet's authority"));
        let fail = Arc::new(Mutex::new(0));
        let (signing, failing) = (Arc::clone(&authority), Arc::clone(&fail));
        let busy = Arc::new(Mutex::new(0));
        let working = Arc::clone(&busy);
        let issued = Mutex::new(HashMap::new());
        let answer = move |request: &Request| {
            let mut busy = working.lock().unwrap();
            if *busy > 0 {
                *busy -= 1;
                return (429, "Retry-After: 0\r\n".into(), Vec::new());
            }
            let answer = enrol(request, &signing, &mut issued.lock().unwrap());
            let mut fail = failing.lock().unwrap();
            if *fail > 0 {
                *fail -= 1;
                return (502, String::new(), b"the answer is lost".to_vec());
            }
            answer
        };
        let leaf = authority.server("127.0.0.1", Valid::Now);
        Self {
            home: TempDir::new().unwrap(),
            https: Https::start(&leaf, &authority, answer),
            authority,
            fail,
            busy,
        }
    }

    fn token(&self) -> String {
        token(&self.authority, 1)
    }

    fn root(&self) -> &Path {
        self.home.path()
    }

    fn enrol(&self, more: &[&str]) -> Output {
        let mut command = command();
        command.arg("enrol").args(["--server", &self.https.url("")]);
        command.arg("--root").arg(self.root()).args(more);
        command.output().unwrap()
    }

    fn identity(&self) -> Option<Identity> {
        Store::new(&Real, self.root()).read().unwrap()
    }
}

fn token(authority: &Authority, secret: u8) -> String {
    let claim = Claim {
        server: Digest::from_bytes(authority.fingerprint()),
        id: ClaimId([7; 8]),
        secret: [secret; 16],
    };
    claim.to_text()
}

/// Certifies the key of a request; a device that has a key gets no other (semantics 17).
fn enrol(
    request: &Request,
    authority: &Authority,
    issued: &mut HashMap<String, (String, Issued)>,
) -> Answer {
    let problem = |status, detail: &str| {
        let body = serde_json::json!({"title": "Refused", "detail": detail});
        (status, String::new(), body.to_string().into_bytes())
    };
    let asked = Enrol::parse(&request.body).unwrap();
    if asked.token.is_none_or(|token| token.secret != [1; 16]) {
        return problem(403, &format!("no such token: {}", request.text()));
    }
    let id = asked.id.unwrap();
    let key = crate::pki::public_key(&asked.csr);
    let (known, answer) = issued.entry(id.as_str().into()).or_insert_with(|| {
        let answer = Issued {
            id: id.clone(),
            certificate: authority.certify_request(&asked.csr),
            trust: TrustBundle {
                number: 3,
                roots: authority.pem(),
                renew: false,
            },
            mqtt: "mqtts://127.0.0.1:8883".into(),
            renew_after: Timestamp(1),
            expires: Timestamp(2),
        };
        (key.clone(), answer)
    });
    if *known != key {
        return problem(409, "this device has another key");
    }
    (
        201,
        String::new(),
        answer.to_json().to_string().into_bytes(),
    )
}

fn said(output: &Output) -> String {
    let all = [&output.stdout[..], &output.stderr[..]].concat();
    String::from_utf8(all).unwrap()
}

#[test]
fn a_device_enrols_once_and_its_key_is_its_own() {
    let bench = Bench::start();
    let output = bench.enrol(&[
        "--id",
        "lamp-7",
        "--token",
        &bench.token(),
        "--attr",
        "room=2",
    ]);
    assert!(output.status.success(), "{}", said(&output));
    assert!(said(&output).contains("lamp-7 is enrolled; next: refit-agent run --root"));
    let identity = bench.identity().unwrap();
    assert_eq!(
        (identity.device.as_str(), identity.trust.number),
        ("lamp-7", 3)
    );
    assert_eq!(identity.mqtt, "127.0.0.1:8883");
    let key = bench.root().join("identity/key.pem");
    assert_eq!(key.metadata().unwrap().mode() & 0o777, 0o600);
    let [request] = &bench.https.requests()[..] else {
        panic!("one request");
    };
    assert!(request.text().contains(r#""attributes":{"room":"2"}"#));
    assert!(!request.text().contains("PRIVATE KEY"));

    let again = bench.enrol(&["--token", &bench.token()]);
    assert!(
        said(&again).contains("enrolled already") && said(&again).contains("--again"),
        "{}",
        said(&again)
    );
    let other = bench.enrol(&["--id", "lamp-8", "--token", &bench.token()]);
    assert!(!other.status.success() && said(&other).contains("of the device lamp-7"));
    assert_eq!(bench.https.requests().len(), 1, "nothing more was asked");
    assert_eq!(bench.identity(), Some(identity));
}

#[test]
fn a_lost_answer_is_asked_for_again_with_the_same_key() {
    let bench = Bench::start();
    *bench.fail.lock().unwrap() = 2;
    for _ in 0..2 {
        let output = bench.enrol(&["--id", "lamp-7", "--token", &bench.token()]);
        assert!(!output.status.success() && bench.identity().is_none());
        assert!(said(&output).contains("HTTP 502"), "{}", said(&output));
    }
    let output = bench.enrol(&["--id", "lamp-7", "--token", &bench.token()]);
    assert!(output.status.success(), "{}", said(&output));
    // Another root has another key, and the server does not take it for this device's.
    let elsewhere = TempDir::new().unwrap();
    let root = elsewhere.path().to_str().unwrap();
    let token = bench.token();
    let output = bench.enrol(&["--id", "lamp-7", "--token", &token, "--root", root]);
    assert!(said(&output).contains("another key"), "{}", said(&output));
}

#[test]
fn a_server_with_too_much_to_do_is_asked_again_for_a_while() {
    let bench = Bench::start();
    *bench.busy.lock().unwrap() = 2;
    let output = bench.enrol(&["--id", "lamp-7", "--token", &bench.token()]);
    assert!(output.status.success(), "{}", said(&output));
    assert_eq!(bench.https.requests().len(), 3);
}

#[test]
fn a_token_comes_by_file_or_input_and_is_shown_by_no_error() {
    let bench = Bench::start();
    let wrong = token(&bench.authority, 2);
    let output = bench.enrol(&["--id", "lamp-7", "--token", &wrong]);
    assert!(!output.status.success() && said(&output).contains("no such token"));
    assert!(!said(&output).contains(&wrong), "{}", said(&output));
    let cut = &wrong[..20];
    let output = bench.enrol(&["--id", "lamp-7", "--token", cut]);
    assert!(!output.status.success() && !said(&output).contains(cut));

    let file = bench.root().join("token");
    std::fs::write(&file, format!("{}\n", bench.token())).unwrap();
    let enrol = || {
        let mut command = command();
        command.args(["enrol", "--id", "lamp-7", "--server", &bench.https.url("")]);
        command.arg("--root").arg(bench.root());
        command
    };
    let output = enrol().env("REFIT_TOKEN_FILE", &file).output().unwrap();
    assert!(output.status.success(), "{}", said(&output));

    let mut child = enrol()
        .args(["--again", "--token", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    writeln!(child.stdin.take().unwrap(), "{}", bench.token()).unwrap();
    let output = child.wait_with_output().unwrap();
    // A new key for a device that has one is the operator's act.
    assert!(said(&output).contains("another key"), "{}", said(&output));
    assert!(bench.identity().is_some(), "the old identity is untouched");
}

#[test]
fn without_a_token_or_with_another_servers_nothing_is_sent() {
    let bench = Bench::start();
    let output = bench.enrol(&["--id", "lamp-7"]);
    assert!(said(&output).contains("give --token"), "{}", said(&output));
    let stranger = token(&Authority::new("another"), 1);
    let output = bench.enrol(&["--id", "lamp-7", "--token", &stranger]);
    assert!(said(&output).contains("not the server that the token speaks of"));
    assert!(bench.https.requests().is_empty() && bench.identity().is_none());
}
