//! Devices described and found, as an operator types it.

use std::fs;

use refit_testkit::TestServer;
use serde_json::json;

use crate::house::{fails, json, printed};

#[test]
fn devices_are_tagged_and_found() {
    let server = TestServer::start();
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("fleet");
    let lines = r#"{"id": "a", "tags": {"ring": "canary"}, "attributes": {"model": "gw"}}
{"id": "b"}
"#;
    fs::write(&file, lines).unwrap();
    let file = file.to_str().unwrap();
    let said = printed(&server, &["device", "import", file, "--dry-run"]);
    assert_eq!(said, "2 changed, 0 as before, 0 refused\n");
    printed(&server, &["device", "import", file]);
    let said = printed(&server, &["device", "import", file]);
    assert_eq!(said, "0 changed, 2 as before, 0 refused\n");
    let tagged = json(
        &server,
        &["device", "tag", "a", "ring-", "site=north", "frozen"],
    );
    assert_eq!(tagged["tags"], json!({ "site": "north", "frozen": "" }));
    let said = json(
        &server,
        &["device", "attribute", "a", "cores=4", "model=gw-2"],
    );
    assert_eq!(
        said["attributes"]["cores"],
        json!({ "value": 4, "source": "operator" })
    );
    let found = json(
        &server,
        &[
            "device",
            "list",
            "--select",
            "model ~ gw-* and attr.cores >= 4",
        ],
    );
    assert_eq!(found["items"][0]["id"], "a");
    assert_eq!(found["items"].as_array().unwrap().len(), 1);
    let shown = printed(&server, &["device", "show", "a"]);
    assert!(
        shown.contains("frozen site=north") && shown.contains("model=gw-2 (operator)"),
        "{shown}"
    );
    let out = home.path().join("out");
    printed(
        &server,
        &[
            "device",
            "export",
            out.to_str().unwrap(),
            "--select",
            "id = b",
        ],
    );
    let exported = fs::read_to_string(&out).unwrap();
    assert_eq!(exported, "{\"attributes\":{},\"id\":\"b\",\"tags\":{}}\n");
    assert_eq!(printed(&server, &["device", "export"]).lines().count(), 2);
    fs::write(&out, "{\"id\": \"a b\"}\n").unwrap();
    let bad = crate::house::run(&server, &["device", "import", out.to_str().unwrap()]);
    assert_eq!(bad.status.code(), Some(4));
    assert!(String::from_utf8_lossy(&bad.stderr).contains("line 1: "));
}

#[test]
fn a_selector_is_explained_and_a_mistake_is_pointed_at() {
    let server = TestServer::start();
    let explained = json(&server, &["selector", "explain", "tag.ring=canary,online"]);
    assert_eq!(explained["selector"], "tag.ring = canary and online");
    let shown = printed(&server, &["selector", "explain", "model = gw"]);
    assert!(
        shown.ends_with("claimed by devices: model = gw\n0 of 0 devices\n"),
        "{shown}"
    );
    let commands = [
        &["selector", "explain"][..],
        &["device", "list", "--select"],
    ];
    for command in commands {
        let said = fails(&server, 2, &[command, &["online and modle = gw"]].concat());
        assert!(
            said.starts_with("  online and modle = gw\n             ^^^^^\n"),
            "{said}"
        );
        assert!(said.contains("write `model`"), "{said}");
    }
    let said = fails(&server, 2, &["selector", "explain", "in list recall"]);
    assert!(said.contains("there is no list `recall`"), "{said}");
}

#[test]
fn lists_are_put_shown_and_removed() {
    let server = TestServer::start();
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("pilot");
    fs::write(&file, "b\na\n").unwrap();
    let file = file.to_str().unwrap();
    printed(&server, &["list", "put", "pilot", file, "--dry-run"]);
    let none = json(&server, &["list", "list"]);
    assert_eq!(none["items"], json!([]));
    let put = printed(&server, &["list", "put", "pilot", file]);
    assert_eq!(put, "pilot: 2 IDs, 0 of them devices\n");
    assert_eq!(printed(&server, &["list", "show", "pilot"]), "a\nb\n");
    assert_eq!(
        json(&server, &["list", "show", "pilot"])["ids"],
        json!(["a", "b"])
    );
    printed(&server, &["list", "remove", "pilot"]);
    fails(&server, 3, &["list", "remove", "pilot"]);
    fs::write(file, "a\nb b\n").unwrap();
    let said = fails(&server, 4, &["list", "put", "pilot", file]);
    assert!(said.contains("line 2"), "{said}");
}
