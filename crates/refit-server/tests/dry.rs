//! `?dryRun=true`: the answer is that of the change, and nothing is changed.

use refit_testkit::{Device, TestServer};
use serde_json::{Value, json};

use crate::asking::{Answer, add_release, ask, ask_with, get, set_release, until};

/// Everything that the API shows.
fn everything(server: &TestServer) -> Vec<Value> {
    let lists = ["/api/v1/devices", "/api/v1/jobs", "/api/v1/releases"];
    lists.map(|list| get(server, list).is(200)).to_vec()
}

/// Tries a change, then makes it: both must answer the same but for IDs, times and the mark.
#[track_caller]
fn tried_then_done(server: &TestServer, method: &str, path: &str, body: &str) -> Value {
    let before = everything(server);
    let tried = ask(server, method, &format!("{path}?dryRun=true"), body);
    assert_eq!(tried.header("etag"), "");
    assert_eq!(everything(server), before, "{method} {path}");
    let mut tried = tried.is(200);
    assert_eq!(
        tried.as_object_mut().unwrap().remove("dryRun"),
        Some(json!(true))
    );
    let done = ask(server, method, path, body).is(200);
    let plain = |value: &Value| {
        let mut value = value.clone();
        value["why"] = value["why"][0]["rule"].take();
        // When a device was last heard is written with the next change.
        value["seenAt"].take();
        // A device that is tried to be made is made a moment later.
        value["facts"]["createdAt"].take();
        for job in ["job", "lastJob"] {
            if let Some(job) = value[job].as_object_mut() {
                for what in ["id", "openedAt", "endedAt", "sentAt"] {
                    let is_there = !job[what].is_null();
                    job.insert(what.into(), is_there.into());
                }
            }
        }
        value
    };
    assert_eq!(plain(&tried), plain(&done), "{method} {path}");
    tried
}

#[test]
fn what_is_tried_on_a_device_is_what_is_done() {
    let server = TestServer::start();
    add_release(&server, "2.0.0", b"new");
    let software = "/api/v1/devices/lamp-7/software";
    let wish = r#"{"release":"firmware@2.0.0"}"#;
    let tried = tried_then_done(&server, "PUT", software, wish);
    assert_eq!(tried["job"]["id"], "dry-run");
    for (method, what, body) in [
        ("PATCH", "desired", r#"{"light":{"red":1}}"#),
        ("POST", "hold", ""),
        ("POST", "release", ""),
        ("POST", "cancel", ""),
        ("POST", "retry", ""),
    ] {
        let path = format!("/api/v1/devices/lamp-7/{what}");
        tried_then_done(&server, method, &path, body);
    }
    // A device that listens would be sent it at once.
    let mut device = Device::connect(server.mqtt_address(), "lamp-8").unwrap();
    device.subscribe("update/delta").unwrap();
    // Its record is made beside that.
    until(&server, "/api/v1/devices/lamp-8", |shown| {
        shown["online"] == true
    });
    let tried = tried_then_done(&server, "PUT", "/api/v1/devices/lamp-8/software", wish);
    assert_eq!(tried["job"]["status"], "SENT");
}

#[test]
fn what_would_be_refused_is_refused_in_a_trial() {
    let server = TestServer::start();
    add_release(&server, "2.0.0", b"new");
    let try_it = |method: &str, path: &str, body: &str| -> Answer {
        ask(&server, method, &format!("/api/v1{path}?dryRun=true"), body)
    };
    let hold = try_it("POST", "/devices/nobody/hold", "");
    hold.is_problem(404, "device_not_found");
    let unknown = r#"{"release":"firmware@3.0.0"}"#;
    let wish = try_it("PUT", "/devices/nobody/software", unknown);
    wish.is_problem(422, "unknown_release");
    get(&server, "/api/v1/devices/nobody").is_problem(404, "device_not_found");
    ask(
        &server,
        "PATCH",
        "/api/v1/devices/lamp-7/desired",
        r#"{"a":1}"#,
    )
    .is(200);
    let cancel = try_it("POST", "/devices/lamp-7/cancel", "");
    cancel.is_problem(409, "conflict");
    let bearer = format!("Bearer {}", server.token());
    let url = server.url("/api/v1/devices/lamp-7/hold?dryRun=true");
    let headers = [("authorization", bearer.as_str()), ("if-match", "\"9\"")];
    ask_with("POST", &url, &headers, ()).is_problem(412, "version_conflict");
    ask_with("POST", &url, &headers[..1], ()).is_problem(428, "precondition_required");
    for query in ["dryRun=yes", "dryrun=true"] {
        let path = format!("/api/v1/devices/lamp-7/hold?{query}");
        ask(&server, "POST", &path, "").is_problem(400, "bad_query");
    }
}

#[test]
fn adding_and_removing_a_release_can_be_tried() {
    let server = TestServer::start();
    let bearer = format!("Bearer {}", server.token());
    let add = |version: &str, more: &str, bytes: &'static [u8]| {
        let path = format!("/api/v1/releases?name=firmware&version={version}{more}");
        ask_with(
            "POST",
            &server.url(&path),
            &[("authorization", &bearer)],
            bytes,
        )
    };
    let tried = add("2.0.0", "&dryRun=true", b"new").is(201);
    assert_eq!(tried["dryRun"], true);
    assert_eq!(everything(&server)[2]["items"], json!([]));
    let depot = server.data().join("depot");
    let files = || walk(&depot);
    let before = files();
    let done = add("2.0.0", "", b"new").is(201);
    for what in [
        "name",
        "version",
        "sha256",
        "length",
        "softwareURL",
        "format",
    ] {
        assert_eq!(tried[what], done[what], "{what}");
    }
    assert!(files() > before);
    let again = add("2.0.0", "&dryRun=true", b"new").is(200);
    assert_eq!(again["addedAt"], done["addedAt"]);
    add("2.0.0", "&dryRun=true", b"old").is_problem(409, "release_exists");
    let after = add("1.0.0", "&after=9&dryRun=true", b"old");
    after.is_problem(404, "release_not_found");

    let remove = |more: &str| {
        let path = format!("/api/v1/releases/firmware/2.0.0{more}");
        ask(&server, "DELETE", &path, "")
    };
    set_release(&server, "lamp-7", "firmware@2.0.0");
    remove("?dryRun=true").is_problem(409, "release_desired");
    let nothing = r#"{"softwareURL":null}"#;
    ask(&server, "PATCH", "/api/v1/devices/lamp-7/desired", nothing).is(200);
    let tried = remove("?dryRun=true").is(200);
    assert_eq!(
        (&tried["freed"], &tried["dryRun"]),
        (&json!(3), &json!(true))
    );
    assert_eq!(tried["sha256"], done["sha256"]);
    remove("").is(204);
    remove("?dryRun=true").is_problem(404, "release_not_found");
}

/// Counts the files below a directory.
fn walk(path: &std::path::Path) -> usize {
    let entries = std::fs::read_dir(path)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    entries
        .map(|path| if path.is_dir() { walk(&path) } else { 1 })
        .sum()
}
