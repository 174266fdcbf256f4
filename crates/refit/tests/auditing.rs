//! `refit audit`: every change is in it, and nobody takes one out or alters it unseen, even with the database in hand.

use refit_access::audit::{Entry, Head, link};
use refit_protocol::time::Timestamp;
use refit_testkit::TestServer;
use rusqlite::Connection;
use serde_json::Value;

use crate::house::{add, fails, json, printed};

/// A server on which some changes were made.
fn changed() -> (TestServer, tempfile::TempDir) {
    let server = TestServer::start();
    let home = tempfile::tempdir().unwrap();
    add(&server, home.path(), "1.0.0", b"one");
    printed(&server, &["device", "set", "lamp-7", "firmware@1.0.0"]);
    printed(&server, &["device", "hold", "lamp-7"]);
    (server, home)
}

fn actions(server: &TestServer) -> Vec<String> {
    let lines = json(server, &["audit", "list"]);
    let lines = lines["items"].as_array().unwrap().iter();
    lines
        .map(|line| line["action"].as_str().unwrap().to_owned())
        .collect()
}

/// Does something to the database as its owner would: what keeps lines is taken away first.
fn tamper(server: &TestServer, sql: &str) {
    let database = Connection::open(server.data().join("refit.db")).unwrap();
    let sql = format!("DROP TRIGGER audit_stays; DROP TRIGGER audit_is_whole; {sql}");
    database.execute_batch(&sql).unwrap();
}

fn head(server: &TestServer) -> String {
    printed(server, &["audit", "head"]).trim().to_owned()
}

#[test]
fn every_change_is_told_with_who_and_from_where() {
    let (server, _home) = changed();
    assert_eq!(
        actions(&server),
        ["device:hold", "software:assign", "release:add"]
    );
    let assigned = json(&server, &["audit", "list", "--action", "software:assign"]);
    let line = &assigned["items"][0];
    assert_eq!(line["actor"], "token:first-admin");
    assert_eq!(line["target"], "device:lamp-7");
    assert_eq!(line["source"], "127.0.0.1");
    assert!(line["at"].as_str().unwrap().starts_with("20"), "{line}");
    let after: Value = serde_json::from_str(line["after"].as_str().unwrap()).unwrap();
    assert!(
        after["softwareURL"]
            .as_str()
            .unwrap()
            .contains("/depot/sha256/")
    );
    printed(&server, &["audit", "verify"]);
}

#[test]
fn one_altered_byte_is_found() {
    let (server, _home) = changed();
    printed(&server, &["audit", "verify"]);
    tamper(
        &server,
        "UPDATE audit SET target = 'device:lamp-8' WHERE number = 2",
    );
    let said = fails(&server, 4, &["audit", "verify"]);
    assert!(said.contains("line 2 is not what was written"), "{said}");
}

#[test]
fn a_line_taken_out_is_found() {
    let (server, _home) = changed();
    tamper(&server, "DELETE FROM audit WHERE number = 2");
    let said = fails(&server, 4, &["audit", "verify"]);
    assert!(said.contains("line 2 is missing"), "{said}");
}

#[test]
fn a_cut_tail_is_found_with_a_head_that_was_noted() {
    let (server, _home) = changed();
    let noted = head(&server);
    printed(&server, &["audit", "verify", "--head", &noted]);
    tamper(&server, "DELETE FROM audit WHERE number = 3");
    printed(&server, &["audit", "verify"]);
    let said = fails(&server, 4, &["audit", "verify", "--head", &noted]);
    assert!(said.contains("cut off"), "{said}");
}

#[test]
fn a_full_rewrite_is_found_with_a_head_that_was_noted() {
    let (server, _home) = changed();
    let noted = head(&server);
    let entry = Entry {
        at: Timestamp(1),
        actor: "server".into(),
        action: "release:add".into(),
        target: "release:other@1".into(),
        source: None,
        request: None,
        before: None,
        after: None,
    };
    let hash = link(Head::EMPTY, 1, &entry).to_string();
    tamper(
        &server,
        &format!(
            "DELETE FROM audit; INSERT INTO audit VALUES \
             (1, 1, 'server', 'release:add', 'release:other@1', NULL, NULL, NULL, NULL, x'{hash}')"
        ),
    );
    printed(&server, &["audit", "verify"]);
    fails(&server, 4, &["audit", "verify", "--head", &noted]);
}

#[test]
fn an_export_is_verified_without_a_server() {
    let (server, home) = changed();
    let export = home.path().join("audit.jsonl");
    std::fs::write(&export, printed(&server, &["audit", "export"])).unwrap();
    let noted = head(&server);
    drop(server);
    let file = export.to_str().unwrap();
    let nobody = TestServer::start();
    printed(
        &nobody,
        &["audit", "verify", "--file", file, "--head", &noted],
    );
    let altered = std::fs::read_to_string(&export).unwrap();
    std::fs::write(&export, altered.replace("lamp-7", "lamp-9")).unwrap();
    fails(&nobody, 4, &["audit", "verify", "--file", file]);
}
