//! Why does this device not run what it should? All reasons, in order of precedence (semantics 25).
//!
//! The reasons are read from the same fields that [`crate::delta::due`] and the decisions obey, so what is said here
//! and what happens cannot drift apart.

use alloc::format;
use alloc::string::String;

use crate::delta::software_differs;
use crate::marks::{Marks, Unmarked};
use crate::record::{Job, Record, Stage, Withheld};

/// One thing that stands between a device and its desired software.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Blocker {
    /// Its stable name.
    pub rule: &'static str,
    /// What it rests on, and what removes it, as a sentence.
    pub sentence: String,
}

/// Returns what stands between the device and its desired software; empty if it runs it, or nothing is desired.
///
/// A device that is at work is blocked by nothing but its work, connected or not. Else every blocker has to go.
pub fn why(record: &Record, reachable: bool) -> impl Iterator<Item = Blocker> {
    why_under(record, reachable, &Unmarked)
}

/// Returns the same while these marks stand. The record is one that was [read through](crate::marks::through) them.
pub fn why_under(
    record: &Record,
    reachable: bool,
    marks: &dyn Marks,
) -> impl Iterator<Item = Blocker> + use<> {
    let frozen = marks.is_frozen();
    let differs = software_differs(record);
    let job = record.job.as_ref();
    let running = job.and_then(|job| running(job, reachable));
    let blockers = match running {
        Some(running) => [Some(running), None, None, None, None],
        None => [
            held(record),
            frozen.then(frozen_by),
            withheld(record),
            offline(reachable),
            job.filter(|_| reachable && !record.held && !frozen)
                .map(unanswered),
        ],
    };
    blockers.into_iter().flatten().filter(move |_| differs)
}

fn held(record: &Record) -> Option<Blocker> {
    record.held.then(|| Blocker {
        rule: "held",
        sentence: "an operator holds it: release it with `refit device release`".into(),
    })
}

fn frozen_by() -> Blocker {
    Blocker {
        rule: "frozen",
        sentence: "a freeze stops all new jobs and resends: lift it to go on".into(),
    }
}

fn withheld(record: &Record) -> Option<Blocker> {
    let (rule, sentence) = match record.withheld.as_ref()? {
        Withheld::Ended { job, status } => (
            "ended",
            format!(
                "its job {job} ended as {status}: desire the software again, or `refit device retry`"
            ),
        ),
        Withheld::Capped => (
            "capped",
            "this software failed here as often as it may: desire another, or `refit device retry`"
                .into(),
        ),
        Withheld::Planned => (
            "planned",
            "a rollout wants this of it, and its plan alone opens another job: or `refit device retry`"
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

fn offline(reachable: bool) -> Option<Blocker> {
    (!reachable).then(|| Blocker {
        rule: "offline",
        sentence: "it is not connected: it is told when it subscribes".into(),
    })
}

fn unanswered(job: &Job) -> Blocker {
    match job.stage {
        Stage::Queued => Blocker {
            rule: "queued",
            sentence: format!("its job {} is about to be sent", job.id),
        },
        Stage::Sent { .. } | Stage::Running { .. } => Blocker {
            rule: "sent",
            sentence: format!("it was sent job {} and has not answered yet", job.id),
        },
    }
}

fn running(job: &Job, reachable: bool) -> Option<Blocker> {
    let Stage::Running { progress, .. } = &job.stage else {
        return None;
    };
    let phase = progress.phase.as_deref().unwrap_or("at work");
    let percent = progress
        .percent
        .map_or_else(String::new, |p| format!(" {p} %"));
    let away = if reachable {
        ""
    } else {
        "; not connected at the moment"
    };
    Some(Blocker {
        rule: "running",
        sentence: format!(
            "it is updating now (job {}: {phase}{percent}{away})",
            job.id
        ),
    })
}
