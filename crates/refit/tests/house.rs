//! How the tests run the program.

use std::path::Path;
use std::process::{Command, Output};

use refit_testkit::TestServer;
use serde_json::Value;

/// Makes the program ready to run, without anything of the environment that it would listen to.
pub(crate) fn refit() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_refit"));
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("REFIT_") {
            command.env_remove(name);
        }
    }
    command.env("NO_COLOR", "1");
    command
}

/// Runs the program on the machine of a server, with its data directory in the environment.
pub(crate) fn run(server: &TestServer, arguments: &[&str]) -> Output {
    refit()
        .env("REFIT_DATA", server.data())
        .args(arguments)
        .output()
        .unwrap()
}

/// Runs it, which must succeed, and returns what it prints.
#[track_caller]
pub(crate) fn printed(server: &TestServer, arguments: &[&str]) -> String {
    let output = run(server, arguments);
    assert!(
        output.status.success(),
        "{arguments:?}: {}",
        text(&output.stderr)
    );
    text(&output.stdout)
}

/// Runs it with `--json`, which must succeed, and returns what it prints.
#[track_caller]
pub(crate) fn json(server: &TestServer, arguments: &[&str]) -> Value {
    let printed = printed(server, &[arguments, &["--json"]].concat());
    serde_json::from_str(&printed).unwrap_or_else(|_| panic!("no JSON: {printed}"))
}

/// Runs it, which must fail with this code, and returns what it says.
#[track_caller]
pub(crate) fn fails(server: &TestServer, code: i32, arguments: &[&str]) -> String {
    let output = run(server, arguments);
    let said = text(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{arguments:?}: {said}");
    assert!(
        output.stdout.is_empty(),
        "{arguments:?}: {}",
        text(&output.stdout)
    );
    said
}

/// Writes a file, and adds it as a release.
pub(crate) fn add(server: &TestServer, home: &Path, version: &str, bytes: &[u8]) -> Value {
    let file = home.join(format!("firmware-{version}"));
    std::fs::write(&file, bytes).unwrap();
    let file = file.to_str().unwrap();
    json(
        server,
        &[
            "release",
            "add",
            file,
            "--name",
            "firmware",
            "--version",
            version,
        ],
    )
}

pub(crate) fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
