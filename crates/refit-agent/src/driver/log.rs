//! What the agent tells a person, on standard error: plain lines, and never a grant.

use crate::job::Outcome;
use crate::journal::{Entry, Stage};
use std::io::Write;

pub(super) fn say(line: &str) {
    // Whether anybody reads it changes nothing.
    drop(writeln!(std::io::stderr(), "refit-agent: {line}"));
}

/// One line for a person about a step.
pub(super) fn told(entry: &Entry) -> String {
    // `refit demo` reads these lines (its `world.rs`).
    let (job, what) = match &entry.stage {
        Stage::Idle => return "idle".into(),
        Stage::Reporting => match &entry.memory.last {
            Some(last) => return format!("job {}: {}", last.job, outcome(&last.outcome)),
            None => return "reporting".into(),
        },
        Stage::Fetching(job, wanted) => {
            let what = wanted.release().map_or_else(
                || "unverified software".into(),
                |release| format!("{} {}", release.software.name, release.software.version),
            );
            (job, what)
        }
        Stage::Writing(job, release, _) | Stage::Fenced(job, release) => (
            job,
            format!("{} {}", release.software.name, release.software.version),
        ),
        Stage::Switching(job, trial)
        | Stage::Checking(job, trial)
        | Stage::Confirming(job, trial) => {
            let software = &trial.release.software;
            (job, format!("{} {}", software.name, software.version))
        }
        Stage::GoingBack(job, _, reason) => (job, reason.clone()),
    };
    format!("job {job}: {} {what}", entry.stage.name())
}

fn outcome(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Success(release) => {
            format!(
                "SUCCESS, {} {}",
                release.software.name, release.software.version
            )
        }
        Outcome::Failure(reason) => format!("FAILURE: {reason}"),
        Outcome::Rejected(reason) => format!("REJECTED: {reason}"),
    }
}
