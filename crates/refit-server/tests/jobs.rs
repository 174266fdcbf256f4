//! Jobs: the history, of all devices and of one.

use refit_testkit::TestServer;
use serde_json::Value;

use crate::asking::{add_release, get, set_release};

fn ids(page: &Value) -> Vec<String> {
    let items = page["items"].as_array().unwrap();
    items
        .iter()
        .map(|job| job["id"].as_str().unwrap().to_owned())
        .collect()
}

#[test]
fn the_newest_comes_first_and_pages_join() {
    let server = TestServer::start();
    for version in ["1.0.0", "2.0.0", "3.0.0"] {
        add_release(&server, version, version.as_bytes());
        set_release(&server, "lamp-7", &format!("firmware@{version}"));
    }
    set_release(&server, "lamp-8", "firmware@1.0.0");
    let all = get(&server, "/api/v1/jobs").is(200);
    assert_eq!(all["items"][0]["deviceID"], "lamp-8");
    assert_eq!(all["items"][1]["software"]["release"], "firmware@3.0.0");
    assert_eq!(ids(&all).len(), 4);
    let first = get(&server, "/api/v1/jobs?limit=3").is(200);
    let next = format!(
        "/api/v1/jobs?limit=3&cursor={}",
        first["nextCursor"].as_str().unwrap()
    );
    let second = get(&server, &next).is(200);
    assert_eq!([ids(&first), ids(&second)].concat(), ids(&all));
    assert_eq!(second["nextCursor"], Value::Null);
    let of_one = get(&server, "/api/v1/devices/lamp-7/jobs").is(200);
    assert_eq!(ids(&of_one), ids(&all)[1..]);
    let open = get(&server, "/api/v1/jobs?status=QUEUED").is(200);
    assert_eq!(ids(&open), ids(&all)[..2]);
}

#[test]
fn a_job_is_shown_by_its_id() {
    let server = TestServer::start();
    add_release(&server, "1.0.0", b"one");
    let device = set_release(&server, "lamp-7", "firmware@1.0.0");
    let id = device["job"]["id"].as_str().unwrap();
    let job = get(&server, &format!("/api/v1/jobs/{id}")).is(200);
    assert_eq!(
        (job["deviceID"].as_str(), job["status"].as_str()),
        (Some("lamp-7"), Some("QUEUED"))
    );
    assert!(job["openedAt"].as_str().unwrap().ends_with('Z'));
    for id in ["0-nobody", "not%20an%20id"] {
        get(&server, &format!("/api/v1/jobs/{id}")).is_problem(404, "job_not_found");
    }
}

#[test]
fn a_list_is_asked_for_precisely() {
    let server = TestServer::start();
    for query in [
        "status=DONE",
        "limit=0",
        "limit=501",
        "limit=x",
        "stauts=FAILED",
    ] {
        get(&server, &format!("/api/v1/jobs?{query}")).is_problem(400, "bad_query");
    }
    add_release(&server, "1.0.0", b"one");
    set_release(&server, "lamp-7", "firmware@1.0.0");
    let page = get(&server, "/api/v1/jobs?limit=1").is(200);
    let cursor = page["nextCursor"].as_str().unwrap();
    let refused = |path: &str| {
        let problem = get(&server, path).is_problem(400, "bad_cursor");
        problem["reason"].as_str().unwrap().to_owned()
    };
    for other in [
        "/api/v1/jobs?status=FAILED&",
        "/api/v1/devices?",
        "/api/v1/devices/lamp-7/jobs?",
    ] {
        assert_eq!(refused(&format!("{other}cursor={cursor}")), "other_filter");
    }
    let altered = format!(
        "{}{}",
        if cursor.starts_with('A') { 'B' } else { 'A' },
        &cursor[1..]
    );
    for bad in ["garbage", &altered, &cursor[1..]] {
        assert_eq!(refused(&format!("/api/v1/jobs?cursor={bad}")), "altered");
    }
}
