//! The README's way to a first secure device, as it is written there: each of its commands is run.

use std::process::{Command, Stdio};

use crate::enrolled::Running;
use crate::house::{Server, program, text, wait_for};

const README: &str = include_str!("../../../README.md");

/// The commands of a section's code blocks, without what follows as a comment.
fn commands(section: &str) -> Vec<&'static str> {
    let (_, rest) = README.split_once(&format!("\n## {section}\n")).unwrap();
    let section = rest.split("\n## ").next().unwrap();
    let blocks = section.split("```sh\n").skip(1);
    let lines = blocks.flat_map(|block| block.split("```").next().unwrap().lines());
    lines.filter(|line| line.starts_with("refit")).collect()
}

#[test]
fn the_first_secure_device_is_five_commands_away() {
    let [serve, token, enrol, run] = commands("A first secure device")[..] else {
        panic!("the README has other commands than this test knows");
    };
    // Other ports and another directory; else as it is typed.
    assert_eq!(serve, "refit serve &");
    let server = Server::private(&[]);
    let made = server.refit(&words(token)[1..]);
    assert!(made.status.success(), "{}", text(&made.stderr));
    let made = text(&made.stdout);

    let home = tempfile::tempdir().unwrap();
    let agent = |line: &str| {
        let line = line.replace("rfe_…", made.trim());
        let line = line.replace("https://localhost:8443", &server.api);
        let mut agent = Command::new(program("refit-agent"));
        agent.args(&words(&line)[1..]).current_dir(home.path());
        agent.stdout(Stdio::null()).stderr(Stdio::null());
        agent
    };
    assert!(agent(enrol).status().unwrap().success());
    let _running = Running(agent(run).spawn().unwrap());

    server.add_release("2.0.0", b"software");
    server.refit_json(&["device", "set", "lamp-7", "firmware@2.0.0"]);
    wait_for("the device to run its release", || {
        let why = server.refit(&["device", "why", "lamp-7"]);
        text(&why.stdout).contains("as it should").then_some(())
    });
}

fn words(line: &str) -> Vec<&str> {
    line.split_whitespace().collect()
}
