//! `refit demo` holds what it promises, says so if it does not, and leaves nothing behind.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use serde_json::Value;

use crate::house::{program, wait_for};

const AGENTS: u64 = 4;
const DEVICES: u64 = 60;

/// A small demo whose temporary directory is ours.
struct Demo {
    child: Child,
    lines: Box<dyn Iterator<Item = Value>>,
    home: tempfile::TempDir,
}

impl Demo {
    fn start() -> Self {
        let home = tempfile::tempdir().unwrap();
        let mut child = Command::new(program("refit"))
            .args(["demo", "--json", "--agents", &AGENTS.to_string()])
            .args(["--devices", &DEVICES.to_string()])
            .env("TMPDIR", home.path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let lines = lines.map(|line| serde_json::from_str(&line.unwrap()).unwrap());
        Self {
            child,
            lines: Box::new(lines),
            home,
        }
    }

    /// Reads on until something happens whose text contains this.
    fn until(&mut self, text: &str) {
        let is_it = |line: &Value| line["text"].as_str().is_some_and(|t| t.contains(text));
        assert!(self.lines.any(|line| is_it(&line)), "{text} never came");
    }

    /// Reads the checks and the last line, and returns them with the exit code.
    fn end(mut self) -> (Vec<Value>, Value, Option<i32>) {
        let lines: Vec<Value> = self.lines.by_ref().collect();
        let checks = lines.iter().filter(|line| line.get("check").is_some());
        let (checks, last) = (checks.cloned().collect(), lines.last().cloned());
        let status = self.child.wait().unwrap();
        assert!(is_empty(self.home.path()), "it left something behind");
        (checks, last.unwrap_or_default(), status.code())
    }
}

impl Drop for Demo {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

fn is_empty(folder: &Path) -> bool {
    std::fs::read_dir(folder).unwrap().next().is_none()
}

#[test]
fn every_check_of_the_demo_holds() {
    let (checks, last, code) = Demo::start().end();
    let failed: Vec<&Value> = checks.iter().filter(|c| c["held"] != true).collect();
    assert!(failed.is_empty(), "{failed:#?}");
    assert_eq!(last["result"], "held");
    assert_eq!(code, Some(0));
    let ends = &checks[0];
    assert_eq!(ends["check"], "nothing acknowledged was lost");
    // Two releases for everybody.
    assert_eq!(ends["kept"], 2 * (AGENTS + DEVICES));
    assert!(checks.len() >= 8, "{checks:#?}");
}

#[test]
fn a_promise_that_is_broken_is_found_and_named() {
    let mut demo = Demo::start();
    demo.until("run 1.0.0 and have said so");
    // The agent that will go back to 1.0.0 finds it altered: nobody looks again, but the demo does.
    let homes = std::fs::read_dir(demo.home.path()).unwrap();
    let home = homes.map(|entry| entry.unwrap().path()).next().unwrap();
    let versions = std::fs::read_dir(home.join("agents/gateway-03/versions")).unwrap();
    for version in versions.map(|entry| entry.unwrap().path()) {
        std::fs::write(version.join("parts/07.bin"), b"something else").unwrap();
    }
    let (checks, last, code) = demo.end();
    let failed: Vec<&Value> = checks.iter().filter(|c| c["held"] != true).collect();
    assert_eq!(failed.len(), 1, "{failed:#?}");
    assert_eq!(failed[0]["found"][0], "gateway-03: parts/07.bin is altered");
    assert_eq!((&last["result"], code), (&"failed".into(), Some(1)));
}

#[test]
fn a_demo_that_is_killed_leaves_nothing_behind() {
    let mut demo = Demo::start();
    demo.until("are connected");
    let homes = std::fs::read_dir(demo.home.path()).unwrap();
    let home = homes.map(|entry| entry.unwrap().path()).next().unwrap();
    let places = std::fs::read(home.join("server/server.json")).unwrap();
    let places: Value = serde_json::from_slice(&places).unwrap();
    let server = Path::new("/proc").join(places["pid"].to_string());
    assert!(server.exists());
    demo.child.kill().unwrap();
    demo.child.wait().unwrap();
    wait_for("everything to be put away", || {
        (is_empty(demo.home.path()) && !server.exists()).then_some(())
    });
}
