//! What goes wrong is told with what to do next, and has an exit code.

use refit_testkit::TestServer;

use crate::house::{fails, printed, refit, run, text};

#[test]
fn without_a_server_it_says_how_to_have_one() {
    let home = tempfile::tempdir().unwrap();
    let output = refit()
        .current_dir(home.path())
        .args(["device", "list"])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(
        text(&output.stderr),
        "error: no server was found\n  why: none was named, and none serves from refit-data\n  next: start one with `refit serve --dev`, or name one: --server URL, REFIT_SERVER, or REFIT_DATA\n"
    );
}

#[test]
fn the_token_of_this_machine_goes_to_no_other_server() {
    let (server, other) = (TestServer::start(), TestServer::start());
    let ask = |url: &str, token: Option<&str>| {
        let mut command = refit();
        command
            .env("REFIT_DATA", server.data())
            .args(["device", "list", "--server", url]);
        token.map(|token| command.env("REFIT_TOKEN", token));
        command.output().unwrap()
    };
    assert!(ask(&server.url("/"), None).status.success());
    let refused = ask(&other.url(""), None);
    assert_eq!(refused.status.code(), Some(4), "{}", text(&refused.stderr));
    assert!(text(&refused.stderr).contains("REFIT_TOKEN"));
    assert!(ask(&other.url(""), Some(other.token())).status.success());
    let wrong = ask(&other.url(""), Some("rft_wrong"));
    assert_eq!(wrong.status.code(), Some(4));
    assert!(
        text(&wrong.stderr).contains("operator.token"),
        "{}",
        text(&wrong.stderr)
    );
    for url in ["ftp://h", "h:8080", "http://", "http://me@h", "http://h/?x"] {
        assert_eq!(ask(url, None).status.code(), Some(2), "{url}");
    }
}

#[test]
fn a_server_that_has_gone_is_told_as_such() {
    let mut server = TestServer::start();
    let url = server.url("");
    server.stop();
    let output = refit()
        .args(["device", "list", "--server", &url, "--token", "x"])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(
        text(&output.stderr).contains("cannot be reached"),
        "{}",
        text(&output.stderr)
    );
}

#[test]
fn what_is_not_there_is_not_found() {
    let server = TestServer::start();
    for arguments in [
        vec!["device", "show", "nobody"],
        vec!["device", "why", "nobody"],
        vec!["device", "watch", "nobody"],
        vec!["device", "hold", "nobody"],
        vec!["job", "show", "nothing"],
        vec!["job", "list", "--device", "nobody"],
    ] {
        let said = fails(&server, 3, &arguments);
        assert!(said.starts_with("error: there is no such "), "{said}");
        assert!(
            said.contains("list` lists") && !said.contains("GET /"),
            "{said}"
        );
    }
    fails(&server, 2, &["job", "list", "--status", "DONE"]);
    fails(&server, 2, &["devices"]);
    fails(&server, 2, &["device", "set", "lamp-7", "firmware@"]);
}

#[test]
fn lists_without_anything_say_what_to_do() {
    let server = TestServer::start();
    assert_eq!(
        printed(&server, &["device", "list", "--json"]),
        "{\n  \"items\": [],\n  \"more\": false\n}\n"
    );
    for (list, next) in [
        ("device", "refit device set"),
        ("job", "refit device set"),
        ("release", "refit release add"),
    ] {
        let output = run(&server, &[list, "list"]);
        assert!(output.status.success() && output.stdout.is_empty());
        let said = text(&output.stderr);
        assert!(
            said.starts_with("there are no ") && said.contains(next),
            "{said}"
        );
    }
    let help = text(&refit().output().unwrap().stderr);
    for command in ["serve", "release", "device", "job", "events", "Exit codes"] {
        assert!(help.contains(command), "{help}");
    }
}
