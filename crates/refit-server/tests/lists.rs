//! Lists: every one comes in pages, and is counted for whoever asks.

use refit_testkit::TestServer;
use serde_json::{Value, json};

use crate::access::made;
use crate::asking::{add_release, ask, ask_with, get, set_release};

/// A server with a few of everything.
fn full() -> TestServer {
    let server = TestServer::start();
    for version in ["1.0.0", "1.1.0", "1.2.0"] {
        add_release(&server, version, version.as_bytes());
    }
    for device in ["lamp-1", "lamp-2", "pump-1"] {
        set_release(&server, device, "firmware@1.0.0");
    }
    set_release(&server, "lamp-1", "firmware@1.1.0");
    for name in ["anna", "bert", "carl"] {
        let user = json!({"name": name, "role": "viewer", "password": "correct horse battery"});
        ask(&server, "POST", "/api/v1/users", &user.to_string()).is(201);
        let token = json!({"name": name, "role": "viewer"});
        ask(&server, "POST", "/api/v1/tokens", &token.to_string()).is(201);
        ask(&server, "POST", "/api/v1/enrolment-tokens", "{}").is(201);
    }
    server
}

#[test]
fn every_list_comes_in_pages_and_is_counted_if_asked() {
    let server = full();
    for (path, count) in [
        ("/api/v1/devices?", 3),
        ("/api/v1/jobs?", 4),
        ("/api/v1/jobs?status=SUPERSEDED&", 1),
        ("/api/v1/devices/lamp-1/jobs?", 2),
        ("/api/v1/releases?", 3),
        // The admin's of the data directory is one.
        ("/api/v1/tokens?", 4),
        ("/api/v1/users?", 3),
        ("/api/v1/enrolment-tokens?", 3),
        ("/api/v1/audit?action=user:write&", 3),
        ("/api/v1/audit?action=user:write&order=oldest&", 3),
    ] {
        let all = get(&server, path).is(200);
        assert!(all.get("count").is_none(), "{path}");
        assert_eq!(all["nextCursor"], Value::Null, "{path}");
        let all = all["items"].as_array().unwrap().clone();
        assert_eq!(all.len(), count, "{path}");
        let (mut items, mut next) = (Vec::new(), format!("{path}limit=1&count=exact"));
        loop {
            let answer = get(&server, &next);
            let page = answer.is(200);
            let exact = json!({"value": count, "relation": "exact"});
            assert_eq!(page["count"], exact, "{path}");
            items.extend(page["items"].as_array().unwrap().clone());
            let link = answer.header("link");
            match page["nextCursor"].as_str() {
                Some(cursor) => {
                    assert!(
                        link.contains(cursor) && link.contains("count=exact"),
                        "{link}"
                    );
                    next = link[1..link.find('>').unwrap()].to_owned();
                }
                None => break,
            }
        }
        assert_eq!(items, all, "{path}");
        let about = get(&server, &format!("{path}count=estimate")).is(200);
        assert_eq!(about["count"]["value"], count, "{path}");
        let bad = get(&server, &format!("{path}count=yes")).is_problem(400, "bad_query");
        assert_eq!(bad["errors"][0]["parameter"], "count");
    }
}

#[test]
fn a_removed_device_is_not_counted_exactly() {
    let server = full();
    ask(&server, "DELETE", "/api/v1/devices/pump-1", "").is(204);
    let counted = get(&server, "/api/v1/devices?count=exact").is(200);
    let exact = json!({"value": 2, "relation": "exact"});
    assert_eq!(counted["count"], exact);
    let about = get(&server, "/api/v1/devices?count=estimate").is(200);
    assert_eq!(about["count"]["relation"], "estimate");
}

#[test]
fn what_is_not_seen_is_not_counted() {
    let server = full();
    let app = json!({"name": "app", "role": "application", "devices": ["lamp-*"]});
    let bearer = format!("Bearer {}", made(&server, &app).1);
    for (path, count) in [("/api/v1/devices", 2), ("/api/v1/jobs", 3)] {
        for how in ["exact", "estimate"] {
            let url = server.url(&format!("{path}?limit=1&count={how}"));
            let counted = ask_with("GET", &url, &[("authorization", &bearer)], ());
            let exact = json!({"value": count, "relation": "exact"});
            assert_eq!(counted.is(200)["count"], exact, "{path} {how}");
        }
    }
}
