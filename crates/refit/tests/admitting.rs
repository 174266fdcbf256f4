//! `refit token` and `refit user`: who is let in.

use std::fs::File;
use std::io::{self, Read, Write};
use std::process::{Output, Stdio};

use refit_testkit::TestServer;
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};

use crate::house::{fails, json, printed, refit, run, text};

const PASSWORD: &str = "correct horse battery";

#[test]
fn a_tokens_text_alone_is_on_stdout_and_it_lets_in() {
    let server = TestServer::start();
    let new = [
        "token",
        "new",
        "--name",
        "shop",
        "--role",
        "application",
        "--devices",
        "lamp-*",
        "door-17",
        "--may",
        "device:read",
        "state:write",
        "--expires",
        "90d",
    ];
    let made = run(&server, &new);
    let token = text(&made.stdout);
    assert!(
        token.starts_with("rft_") && token.lines().count() == 1,
        "{token}"
    );
    assert!(!text(&made.stderr).contains("rft_"), "{made:?}");
    let device = ["device", "show", "lamp-7", "--token", token.trim_end()];
    fails(&server, 3, &device);
    let listed = json(&server, &["token", "list"]);
    let items = listed["items"].as_array().unwrap();
    let shop = items.iter().find(|one| one["name"] == "shop").unwrap();
    assert_eq!(shop["devices"], serde_json::json!(["lamp-*", "door-17"]));
    assert_eq!(
        shop["may"],
        serde_json::json!(["device:read", "state:write"])
    );
    assert_eq!(shop["good"], true);
    let shown = printed(&server, &["token", "ls"]);
    assert!(
        shown.contains("first-admin") && shown.contains("lamp-* door-17"),
        "{shown}"
    );
    assert!(!shown.contains("rft_"), "{shown}");
    let revoked = printed(&server, &["token", "revoke", "shop"]);
    assert!(revoked.starts_with("revoked shop ("), "{revoked}");
    fails(&server, 4, &device);
    fails(&server, 3, &["token", "revoke", "shop"]);
    assert!(printed(&server, &["token", "list"]).contains("revoked"));
}

#[test]
fn a_token_is_revoked_by_its_id_and_its_name_is_free_again() {
    let server = TestServer::start();
    let new = ["token", "new", "--name", "ci", "--role", "operator"];
    let first = json(&server, &new);
    fails(&server, 5, &new);
    let id = first["id"].as_str().unwrap();
    let revoked = json(&server, &["token", "revoke", id]);
    assert_eq!(
        (&revoked["id"], &revoked["name"]),
        (&first["id"], &first["name"])
    );
    let second = json(&server, &new);
    assert_ne!(second["id"], first["id"]);
    assert!(second["token"].as_str().unwrap().starts_with("rft_"));
}

#[test]
fn what_cannot_be_a_token_is_refused_with_what_could() {
    let server = TestServer::start();
    let new = |more: &[&'static str]| [&["token", "new", "--name", "a"], more].concat();
    let said = fails(&server, 4, &new(&["--role", "root"]));
    assert!(said.contains("viewer, operator, admin"), "{said}");
    fails(&server, 4, &new(&["--role", "application"]));
    fails(
        &server,
        4,
        &new(&["--role", "viewer", "--devices", "lamp-*"]),
    );
    let may = [
        "--role",
        "application",
        "--devices",
        "*",
        "--may",
        "token:write",
    ];
    fails(&server, 4, &new(&may));
    fails(
        &server,
        2,
        &new(&["--role", "application", "--may", "device:read"]),
    );
    fails(&server, 2, &new(&["--role", "viewer", "--expires", "soon"]));
    fails(&server, 2, &new(&[]));
}

/// Runs the program with this on its standard input.
fn piped(server: &TestServer, arguments: &[&str], given: &str) -> Output {
    let mut child = refit()
        .env("REFIT_DATA", server.data())
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // One that ends before it has read is not a fault of this.
    drop(child.stdin.take().unwrap().write_all(given.as_bytes()));
    child.wait_with_output().unwrap()
}

/// Tells whether somebody can sign in.
fn signs_in(server: &TestServer, user: &str, password: &str) -> bool {
    let body = serde_json::json!({ "user": user, "password": password });
    let sent = ureq::post(server.url("/api/v1/session"))
        .content_type("application/json")
        .send(body.to_string());
    match sent {
        Ok(_) => true,
        Err(ureq::Error::StatusCode(401)) => false,
        Err(error) => panic!("{error}"),
    }
}

#[test]
fn a_user_is_added_changed_and_removed() {
    let server = TestServer::start();
    assert_eq!(printed(&server, &["user", "list"]), "");
    let add = ["user", "add", "ada", "--role", "viewer", "--password-stdin"];
    let added = piped(&server, &add, &format!("{PASSWORD}\n"));
    assert!(added.status.success(), "{added:?}");
    assert!(signs_in(&server, "ada", PASSWORD));
    assert_eq!(
        piped(&server, &add, PASSWORD).status.code(),
        Some(5),
        "a name is there once"
    );
    let shown = json(&server, &["user", "role", "ada", "operator"]);
    assert_eq!(shown["role"], "operator");
    fails(&server, 4, &["user", "role", "ada", "application"]);
    let passwd = ["user", "passwd", "ada", "--password-stdin"];
    assert!(
        piped(&server, &passwd, "another horse battery")
            .status
            .success()
    );
    assert!(!signs_in(&server, "ada", PASSWORD));
    assert!(printed(&server, &["user", "disable", "ada"]).contains("no"));
    assert!(!signs_in(&server, "ada", "another horse battery"));
    assert!(printed(&server, &["user", "enable", "ada"]).contains("yes"));
    assert!(signs_in(&server, "ada", "another horse battery"));
    let listed = printed(&server, &["user", "ls"]);
    assert!(
        listed.contains("ada") && listed.contains("operator"),
        "{listed}"
    );
    assert_eq!(printed(&server, &["user", "rm", "ada"]), "removed ada\n");
    let said = fails(&server, 3, &["user", "disable", "ada"]);
    assert!(said.contains("refit user list"), "{said}");
}

#[test]
fn a_password_that_is_none_is_refused_before_the_server_is_asked() {
    let server = TestServer::start();
    let add = ["user", "add", "ada", "--role", "viewer", "--password-stdin"];
    let long = "x".repeat(1 << 20);
    for (given, code) in [
        ("", 4),
        ("short\n", 4),
        (long.as_str(), 4),
        ("correct horse\nbattery staple\n", 2),
    ] {
        let refused = piped(&server, &add, given);
        assert_eq!(refused.status.code(), Some(code), "{refused:?}");
    }
    // Without a terminal there is nobody to ask.
    let refused = piped(&server, &add[..5], PASSWORD);
    assert_eq!(refused.status.code(), Some(2));
    assert!(
        text(&refused.stderr).contains("--password-stdin"),
        "{refused:?}"
    );
    assert_eq!(printed(&server, &["user", "list"]), "");
}

/// A terminal: what somebody types into and sees, and what a program has of it.
fn terminal() -> (File, File) {
    let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY;
    let seen = openpt(flags).unwrap();
    grantpt(&seen).unwrap();
    unlockpt(&seen).unwrap();
    let path = ptsname(&seen, Vec::new()).unwrap();
    let path = path.into_string().unwrap();
    let program = File::options().read(true).write(true).open(path).unwrap();
    (File::from(seen), program)
}

/// Types these at a terminal, each when it is asked for; returns the exit code and what was seen there.
fn typed(server: &TestServer, arguments: &[&str], lines: &[&str]) -> (Option<i32>, String) {
    let (mut seen, program) = terminal();
    let mut child = refit()
        .env("REFIT_DATA", server.data())
        .args(arguments)
        .stdin(program.try_clone().unwrap())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut said = child.stderr.take().unwrap();
    for line in lines {
        let mut byte = [0];
        while said.read_exact(&mut byte).is_ok() && byte != *b":" {}
        seen.write_all(line.as_bytes()).unwrap();
    }
    io::copy(&mut said, &mut io::sink()).unwrap();
    let code = child.wait().unwrap().code();
    // The terminal is as it was: what is typed now is seen, and so it is known where to stop.
    seen.write_all(b"end\n").unwrap();
    let mut shown = Vec::new();
    while !shown.ends_with(b"end\r\n") {
        let mut byte = [0];
        seen.read_exact(&mut byte).unwrap();
        shown.push(byte[0]);
    }
    drop(program);
    (code, text(&shown))
}

#[test]
fn a_password_is_typed_twice_and_never_seen() {
    let server = TestServer::start();
    let line = format!("{PASSWORD}\n");
    let add = ["user", "add", "ada", "--role", "viewer"];
    let (code, seen) = typed(&server, &add, &[&line, &line]);
    assert_eq!((code, seen.as_str()), (Some(0), "end\r\n"));
    assert!(signs_in(&server, "ada", PASSWORD));
    let passwd = ["user", "passwd", "ada"];
    for (lines, expected) in [
        (&["another horse\n", "another house\n"][..], 4),
        (&["short\n"], 4),
        (&["another h\u{3}"], 130),
        (&["\u{4}"], 1),
    ] {
        let (code, seen) = typed(&server, &passwd, lines);
        assert_eq!((code, seen.as_str()), (Some(expected), "end\r\n"));
    }
    assert!(signs_in(&server, "ada", PASSWORD));
}

#[test]
fn a_trial_shows_what_would_be_and_lets_nobody_in_or_out() {
    let server = TestServer::start();
    let lists = ["token", "user"].map(|what| [what, "list"]);
    let known = || {
        lists.map(|list| {
            let shown = json(&server, &list);
            let items = shown["items"].as_array().unwrap().iter();
            let name = |item: &serde_json::Value| {
                (
                    item["name"].clone(),
                    item["role"].clone(),
                    item["revokedAt"].clone(),
                )
            };
            items.map(name).collect::<Vec<_>>()
        })
    };
    let before = known();
    let dry = |arguments: &[&str]| {
        let output = run(&server, &[arguments, &["--dry-run"]].concat());
        assert!(output.status.success(), "{}", text(&output.stderr));
        let said = text(&output.stderr);
        assert!(said.contains("nothing was changed"), "{said}");
        text(&output.stdout)
    };
    let made = dry(&["token", "new", "--name", "ci", "--role", "viewer"]);
    assert_eq!(made, "would make ci (viewer)\n");
    let revoked = dry(&["token", "revoke", "first-admin"]);
    assert!(
        revoked.starts_with("would revoke first-admin ("),
        "{revoked}"
    );
    fails(&server, 3, &["user", "disable", "ada", "--dry-run"]);
    let claim = dry(&["enrol", "token", "new", "--devices", "3"]);
    assert!(
        claim.starts_with("would make a claim token for 3 devices"),
        "{claim}"
    );
    let keys = dry(&["grant", "rotate"]);
    assert!(keys.contains("dry-run"), "{keys}");
    let barred = dry(&["device", "revoke", "lamp-7"]);
    assert!(barred.contains("revoked"), "{barred}");
    fails(&server, 3, &["device", "identity", "lamp-7"]);
    fails(&server, 3, &["device", "remove", "lamp-7", "--dry-run"]);
    assert_eq!(known(), before);
}
