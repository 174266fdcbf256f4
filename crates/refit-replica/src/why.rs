//! Why does this device not run what it should? All reasons, in order of precedence (semantics 25).
//!
//! The reasons are read from the same fields that [`crate::delta::due`] and the decisions obey, so what is said here
//! and what happens cannot drift apart.

use alloc::format;
use alloc::string::String;
use refit_protocol::job::Status;

use crate::delta::software_differs;
use crate::record::{Record, Stage, Withheld};

/// One thing that stands between a device and its desired software.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Blocker {
    /// Its stable name.
    pub rule: &'static str,
    /// What it rests on, and what removes it, as a sentence.
    pub sentence: String,
}

/// Returns what stands between the device and its desired software; empty if it runs it, or nothing is desired.
pub fn why(record: &Record, reachable: bool) -> impl Iterator<Item = Blocker> {
    let differs = software_differs(record);
    [
        held(record),
        withheld(record),
        offline(record, reachable),
        in_flight(record, reachable),
    ]
    .into_iter()
    .flatten()
    .filter(move |_| differs)
}

fn held(record: &Record) -> Option<Blocker> {
    record.held.then(|| Blocker {
        rule: "held",
        sentence: "an operator holds it: release it with `refit device release`".into(),
    })
}

fn withheld(record: &Record) -> Option<Blocker> {
    let withheld = record.withheld.as_ref()?;
    let (rule, sentence) = match withheld {
        Withheld::Ended { job, status } => (
            "ended",
            format!("its job {job} ended as {status}, and nobody has desired the software again"),
        ),
        Withheld::Capped => (
            "capped",
            "this software failed here as often as it may: desire another, or `refit device retry`"
                .into(),
        ),
        Withheld::Reverted { job } => (
            "reverted",
            format!(
                "it fell back after job {job} had succeeded: desire the software again to go on"
            ),
        ),
    };
    Some(Blocker { rule, sentence })
}

fn offline(record: &Record, reachable: bool) -> Option<Blocker> {
    let waits = record.job.is_some() && !reachable;
    waits.then(|| Blocker {
        rule: "offline",
        sentence: "it is not connected: it is told when it subscribes".into(),
    })
}

fn in_flight(record: &Record, reachable: bool) -> Option<Blocker> {
    let job = record.job.as_ref().filter(|_| reachable && !record.held)?;
    let (rule, sentence) = match &job.stage {
        Stage::Queued => ("queued", format!("its job {} is about to be sent", job.id)),
        Stage::Sent { .. } => (
            "sent",
            format!("it was sent job {} and has not answered yet", job.id),
        ),
        Stage::Running { progress, .. } => {
            let phase = progress.phase.as_deref().unwrap_or("at work");
            let percent = progress
                .percent
                .map_or_else(String::new, |p| format!(" {p} %"));
            (
                "running",
                format!("it is updating now (job {}: {phase}{percent})", job.id),
            )
        }
    };
    debug_assert!(
        job.status() != Status::Succeeded,
        "an open job has not ended"
    );
    Some(Blocker { rule, sentence })
}
