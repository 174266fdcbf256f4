//! `refit release`: files and directories become releases, the same ones the same.

use refit_testkit::TestServer;

use crate::house::{add, fails, json, printed, run, text};

#[test]
fn a_file_is_taken_as_it_is() {
    let (server, home) = (TestServer::start(), tempfile::tempdir().unwrap());
    let release = add(&server, home.path(), "2.0.0", b"abc");
    assert_eq!(release["format"], "file");
    assert_eq!(
        release["sha256"],
        "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    );
    let shown = printed(&server, &["release", "show", "firmware@2.0.0"]);
    let url = release["softwareURL"].as_str().unwrap();
    assert!(
        shown.starts_with("firmware@2.0.0\n") && shown.contains(url),
        "{shown}"
    );
    let listed = printed(&server, &["release", "list"]);
    assert!(listed.contains("firmware@2.0.0  file    3 B"), "{listed}");
    assert_eq!(
        json(&server, &["release", "ls", "other"])["items"],
        serde_json::json!([])
    );
}

#[test]
fn a_directory_becomes_the_same_release_twice() {
    let (server, home) = (TestServer::start(), tempfile::tempdir().unwrap());
    let add = |name: &str| {
        let tree = home.path().join(name);
        std::fs::create_dir_all(tree.join("bin")).unwrap();
        std::fs::write(tree.join("bin/run"), "#!/bin/sh\n").unwrap();
        let tree = tree.to_str().unwrap().to_owned();
        run(
            &server,
            &[
                "release",
                "add",
                &tree,
                "--name",
                "app",
                "--version",
                "1.0.0",
                "--note",
                "a word",
            ],
        )
    };
    let first = add("one");
    assert!(
        first.status.success() && first.stderr.is_empty(),
        "{}",
        text(&first.stderr)
    );
    let second = add("two");
    assert_eq!(
        text(&second.stderr),
        "the same bytes were there already; nothing changed\n"
    );
    assert_eq!(first.stdout, second.stdout);
    assert_eq!(
        json(&server, &["release", "show", "app@1.0.0"])["format"],
        "tree"
    );
}

#[test]
fn what_cannot_be_added_or_removed_is_told_with_its_code() {
    let (server, home) = (TestServer::start(), tempfile::tempdir().unwrap());
    add(&server, home.path(), "2.0.0", b"abc");
    let other = home.path().join("other");
    std::fs::write(&other, "xyz").unwrap();
    let other = other.to_str().unwrap();
    let add = |path: &str, name: &str, version: &str, code: i32| {
        fails(
            &server,
            code,
            &["release", "add", path, "--name", name, "--version", version],
        )
    };
    assert!(add(other, "firmware", "2.0.0", 5).contains("use another version"));
    assert!(add(other, "fi/rm", "2.0.0", 2).contains("is not a name"));
    assert!(add("/nonexistent", "firmware", "3.0.0", 1).contains("/nonexistent cannot be read"));
    let empty = home.path().join("empty");
    std::fs::create_dir(&empty).unwrap();
    assert!(add(empty.to_str().unwrap(), "firmware", "3.0.0", 1).contains("which is empty"));
    printed(&server, &["device", "set", "lamp-7", "firmware@2.0.0"]);
    assert!(fails(&server, 5, &["release", "rm", "firmware@2.0.0"]).contains("lamp-7"));
    assert!(
        fails(&server, 3, &["release", "remove", "firmware@9"]).contains("no release firmware@9")
    );
    assert!(fails(&server, 2, &["release", "show", "firmware"]).contains("NAME@VERSION"));
    printed(&server, &["device", "set", "lamp-7", "softwareURL=null"]);
    assert_eq!(
        printed(&server, &["release", "remove", "firmware@2.0.0"]),
        "removed firmware@2.0.0\n"
    );
}

#[test]
fn a_dry_run_shows_what_would_be_and_leaves_it() {
    let (server, home) = (TestServer::start(), tempfile::tempdir().unwrap());
    add(&server, home.path(), "2.0.0", b"abc");
    let dry = |arguments: &[&str]| {
        let output = run(&server, &[arguments, &["--dry-run"]].concat());
        assert!(output.status.success(), "{}", text(&output.stderr));
        let said = text(&output.stderr);
        assert!(said.contains("nothing was changed"), "{said}");
        text(&output.stdout)
    };
    let removed = dry(&["release", "remove", "firmware@2.0.0"]);
    assert_eq!(removed, "would remove firmware@2.0.0, and free 3 B\n");
    let other = home.path().join("other");
    std::fs::write(&other, "xyz").unwrap();
    let other = other.to_str().unwrap();
    let path = [
        "release",
        "add",
        other,
        "--name",
        "firmware",
        "--version",
        "3.0.0",
    ];
    assert!(dry(&path).contains("firmware@3.0.0"));
    let listed = json(&server, &["release", "list"]);
    assert_eq!(listed["items"].as_array().unwrap().len(), 1);
    let wish = dry(&["device", "set", "lamp-7", "firmware@2.0.0"]);
    assert!(wish.contains("dry-run QUEUED"), "{wish}");
    fails(&server, 3, &["device", "show", "lamp-7"]);
    printed(&server, &["device", "set", "lamp-7", "firmware@2.0.0"]);
    assert!(dry(&["device", "cancel", "lamp-7"]).contains("CANCELLED"));
    assert!(dry(&["device", "hold", "lamp-7"]).contains("held"));
    let shown = json(&server, &["device", "show", "lamp-7"]);
    assert_eq!(
        (&shown["job"]["status"], &shown["held"]),
        (&"QUEUED".into(), &false.into())
    );
    let stale = ["device", "hold", "lamp-7", "--if-version", "9"];
    fails(&server, 5, &stale);
}
