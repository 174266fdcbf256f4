//! `refit enrol`, `refit ca`, and what is done with a device's identity.

use std::fmt::Write as _;

use refit_testkit::TestServer;

use crate::house::{fails, json, printed, run, text};

#[test]
fn a_token_is_made_listed_and_revoked() {
    let server = TestServer::start();
    let new = [
        "enrol",
        "token",
        "new",
        "--devices",
        "3",
        "--expires",
        "12h",
    ];
    let more = [
        "--id-pattern",
        "lamp-*",
        "--attr",
        "site=north",
        "--attr",
        "rack=7",
    ];
    let token = printed(&server, &[new.as_slice(), &more].concat());
    assert!(
        token.starts_with("rfe_") && token.trim_end().len() == 80,
        "{token}"
    );
    let listed = json(&server, &["enrol", "token", "list"]);
    let claim = &listed["items"][0];
    assert_eq!(
        claim["attributes"],
        serde_json::json!({"site": "north", "rack": 7})
    );
    let id = claim["id"].as_str().unwrap();
    let shown = printed(&server, &["enrol", "token", "ls"]);
    assert!(
        shown.contains("good") && shown.contains("3 of 3"),
        "{shown}"
    );
    assert_eq!(
        printed(&server, &["enrol", "token", "revoke", id]),
        format!("revoked {id}\n")
    );
    assert!(printed(&server, &["enrol", "token", "list"]).contains("revoked"));
    fails(&server, 3, &["enrol", "token", "revoke", id]);
    fails(&server, 2, &["enrol", "token", "new", "--expires", "soon"]);
    fails(
        &server,
        4,
        &["enrol", "token", "new", "--id-pattern", "a/b"],
    );
}

#[test]
fn a_list_of_ids_is_imported_and_what_is_refused_is_named() {
    let (server, home) = (TestServer::start(), tempfile::tempdir().unwrap());
    let file = home.path().join("ids");
    let mut list = String::new();
    for n in 0..1234 {
        writeln!(list, r#"{{"id":"d{n}"}}"#).unwrap();
    }
    std::fs::write(&file, format!("{list}not json\n")).unwrap();
    let path = file.to_str().unwrap();
    let output = run(&server, &["enrol", "import", path]);
    assert_eq!(output.status.code(), Some(4));
    assert_eq!(
        text(&output.stdout),
        "1234 registered, 0 known before, 1 refused\n"
    );
    assert!(text(&output.stderr).contains("line 1235: "), "{output:?}");
    std::fs::write(&file, list).unwrap();
    let more = home.path().join("more");
    std::fs::write(&more, r#"{"id":"other"}"#).unwrap();
    let tried = ["enrol", "import", more.to_str().unwrap(), "--dry-run"];
    let said = "1 registered, 0 known before, 0 refused\n";
    assert_eq!(printed(&server, &tried), said);
    fails(&server, 3, &["device", "identity", "other"]);
    let again = printed(&server, &["enrol", "import", path]);
    assert_eq!(again, "0 registered, 1234 known before, 0 refused\n");
    fails(&server, 2, &["enrol", "import", "/nowhere"]);
}

#[test]
fn a_device_is_revoked_and_let_in_anew() {
    let (server, home) = (TestServer::start(), tempfile::tempdir().unwrap());
    let file = home.path().join("ids");
    std::fs::write(&file, r#"{"id":"lamp-7","attributes":{"site":"north"}}"#).unwrap();
    printed(&server, &["enrol", "import", file.to_str().unwrap()]);
    let shown = printed(&server, &["device", "identity", "lamp-7"]);
    assert!(
        shown.contains("registered") && shown.contains("north"),
        "{shown}"
    );
    fails(&server, 3, &["device", "re-enrol", "lamp-7"]);
    let shown = json(&server, &["device", "revoke", "lamp-7"]);
    assert_eq!(shown["standing"], "revoked");
    assert!(printed(&server, &["device", "re-enrol", "lamp-7"]).contains("yes, once"));
    let shown = json(&server, &["device", "retire", "lamp-7"]);
    assert_eq!(shown["standing"], "retired");
    fails(&server, 3, &["device", "identity", "lamp-8"]);
    let status = printed(&server, &["ca", "status"]);
    assert!(status.starts_with("trust bundle 1"), "{status}");
}
