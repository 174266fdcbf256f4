//! Replays the corpora of the fuzz targets `update` and `topic`; a finding becomes a file there.

use std::fs;
use std::path::Path;

use refit_protocol::claim::Claim;
use refit_protocol::device_id;
use refit_protocol::document::json_bytes;
use refit_protocol::enrolment::{Enrol, Issued, Nonce, Renew, RenewExpired, TrustBundle};
use refit_protocol::limits::UPDATE_BYTES_MAX;
use refit_protocol::topic::{self, Topic};
use refit_protocol::update::Update;

fn corpus(target: &str) -> Vec<(String, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../fuzz/corpus")
        .join(target);
    let seeds: Vec<_> = fs::read_dir(folder)
        .expect("the corpus of the target")
        .map(|entry| entry.expect("a seed").path())
        .map(|path| (path.display().to_string(), fs::read(&path).expect("a seed")))
        .collect();
    assert!(!seeds.is_empty(), "the corpus of {target} is empty");
    seeds
}

#[test]
fn updates() {
    for (name, bytes) in corpus("update") {
        if let Ok(update) = Update::parse(&bytes) {
            assert!(bytes.len() <= UPDATE_BYTES_MAX, "{name}");
            assert!(
                update.reported.as_ref().map_or(0, json_bytes) <= UPDATE_BYTES_MAX,
                "{name}"
            );
            assert!(update.job_id.is_some() || update.saying.is_none(), "{name}");
        }
    }
}

#[test]
fn topics() {
    for (name, bytes) in corpus("topic") {
        let Ok(text) = std::str::from_utf8(&bytes) else {
            continue;
        };
        let (filter, text) = text.split_once('\n').unwrap_or(("#", text));
        if let Some(topic) = Topic::parse(text) {
            assert_eq!(
                format!("state/{}/{}", topic.device, topic.kind.path()),
                text,
                "{name}"
            );
            assert!(device_id::check(topic.device).is_ok(), "{name}");
            assert!(
                topic::matches("state/#", text) && topic::matches(text, text),
                "{name}"
            );
        }
        let _ = topic::matches(filter, text);
    }
}

#[test]
fn enrolments() {
    let (mut claims, mut bodies) = (0, 0);
    for (name, bytes) in corpus("enrolment") {
        if let Ok(text) = std::str::from_utf8(&bytes)
            && let Ok(claim) = Claim::parse(text)
        {
            claims += 1;
            assert_eq!(claim.to_text(), text, "{name}");
        }
        if let Ok(body) = Enrol::parse(&bytes) {
            bodies += 1;
            assert_eq!(Enrol::parse(body.to_json().as_bytes()), Ok(body), "{name}");
        }
        if let Ok(body) = RenewExpired::parse(&bytes) {
            bodies += 1;
            let again = RenewExpired::parse(body.to_json().as_bytes());
            assert_eq!(again, Ok(body), "{name}");
        }
        if let Ok(issued) = Issued::parse(&bytes) {
            bodies += 1;
            let again = Issued::parse(issued.to_json().to_string().as_bytes());
            assert_eq!(again, Ok(issued), "{name}");
        }
        drop(Renew::parse(&bytes));
        drop(Nonce::parse(&bytes));
        drop(TrustBundle::parse(&bytes));
    }
    assert_eq!((claims, bodies), (1, 4), "what is good is read as such");
}
