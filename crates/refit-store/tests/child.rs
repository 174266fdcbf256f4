//! A process that writes in a loop until it is killed, and says on its output what was acknowledged: `device n`.
//!
//! It is this very test binary, asked for the one test below; without the variable that names a directory, that test
//! has nothing to do.

use std::collections::HashMap;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::mpsc;

use refit_store::sqlite::{Options, SqliteStore};
use refit_store::store::{Failure, Guard, Outcome, Store};

use crate::record::report;

const DIRECTORY: &str = "REFIT_TEST_STORE_CHILD";

/// How many devices it writes to, and how many batches are under way.
pub(crate) const DEVICES: u64 = 64;

/// It ends by itself after so many acknowledgements: a fault that never comes must not make a test run for ever.
const ACKNOWLEDGEMENTS_MAX: usize = 50_000;

/// Returns the command that runs it, with its output piped.
pub(crate) fn command(program: Option<&[&str]>, directory: &Path) -> Command {
    let this = std::env::current_exe().unwrap();
    let mut command = match program {
        Some([program, arguments @ ..]) => {
            let mut command = Command::new(program);
            command.args(arguments).arg(this);
            command
        }
        _ => Command::new(this),
    };
    command
        .args([
            "--exact",
            "child::writes_until_it_is_killed",
            "--nocapture",
            "--test-threads=1",
        ])
        .env(DIRECTORY, directory)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

/// Reads what was acknowledged: the highest number of each device. A last line that was torn by the kill counts for
/// nothing.
pub(crate) fn acknowledged(output: &str) -> HashMap<u64, u64> {
    let mut acknowledged = HashMap::new();
    for line in output
        .split_inclusive('\n')
        .filter(|line| line.ends_with('\n'))
    {
        if let Some(words) = line.trim().strip_prefix("ack ") {
            let (device, n) = words.split_once(' ').unwrap();
            acknowledged.insert(device.parse().unwrap(), n.parse().unwrap());
        }
    }
    acknowledged
}

#[test]
fn writes_until_it_is_killed() {
    let Some(directory) = std::env::var_os(DIRECTORY) else {
        return;
    };
    let mut options = Options::new(directory);
    options.on_broken = Box::new(|why| eprintln!("broken: {why}"));
    let store = SqliteStore::open(options).unwrap();
    let (answer, answers) = mpsc::channel();
    let mut reader = store.reader().unwrap();
    let submit = |device: u64, from: Option<Guard>, n: u64| {
        let answer = answer.clone();
        let done = move |outcomes| drop(answer.send((device, n, outcomes)));
        store.submit(vec![report(device, from, n, 300)], Box::new(done));
    };
    for number in 0..DEVICES {
        let stored = reader.load(&crate::record::device(number)).unwrap();
        submit(
            number,
            stored.as_ref().map(|s| s.guard()),
            stored.map_or(1, |s| s.record.version + 1),
        );
    }
    let mut output = std::io::stdout().lock();
    for (device, n, outcomes) in answers.iter().take(ACKNOWLEDGEMENTS_MAX) {
        match outcomes.as_deref() {
            Ok([Outcome::Applied(guard)]) => {
                // One write to the pipe: it is whole there, or not at all.
                output
                    .write_all(format!("ack {device} {n}\n").as_bytes())
                    .unwrap();
                submit(device, Some(*guard), n + 1);
            }
            Err(Failure::Unknown(_) | Failure::Broken(_)) => {
                assert!(matches!(store.commit(Vec::new()), Err(Failure::Broken(_))));
                assert!(matches!(
                    reader.load(&crate::record::device(0)),
                    Err(Failure::Broken(_))
                ));
                eprintln!("stopped in doubt");
                std::process::exit(7);
            }
            other => panic!("{other:?}"),
        }
    }
}
