//! What is kept of one device: the whole durable truth about it, and nothing that can be computed.

use alloc::string::String;
use alloc::vec::Vec;
use refit_protocol::diff::SOFTWARE_URL;
use refit_protocol::grant::GrantPolicy;
use refit_protocol::job::{JobId, Progress, Status};
use refit_protocol::rollout::{Assignment, RolloutId};
use refit_protocol::time::Timestamp;
use serde_json::{Map, Value};

/// How many ended jobs a record remembers, so that a late or repeated word of the device is understood (semantics 28).
pub const PAST_JOBS_MAX: usize = 4;

/// The replica of one device.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Record {
    /// Rises with each change of desired or reported: epoch · 2^40 + counter (semantics 34). 0 is "never changed".
    pub version: u64,
    /// What the device should be.
    pub desired: Map<String, Value>,
    /// What it last said it is.
    pub reported: Map<String, Value>,
    /// Which grant the desired software is given by; `None`: the server's default. It changes with the wish.
    pub grant: Option<GrantPolicy>,
    /// The open job: the device's way from the reported to the desired software.
    pub job: Option<Job>,
    /// The last jobs that were sent and have ended, oldest first; at most [`PAST_JOBS_MAX`].
    pub past: Vec<PastJob>,
    /// Why the software part of the difference is not sent although no job is open (semantics 27).
    pub withheld: Option<Withheld>,
    /// How often which software failed here; bounds the jobs per device and software (semantics 33).
    pub failures: Vec<Failures>,
    /// The rollout whose wish the desired software is; `None`: somebody's own. What a rollout wishes is tried again by
    /// its plan alone.
    pub rollout: Option<RolloutId>,
    /// An operator wants it to keep the software that it has, or that an operator desires: nobody else may desire other.
    pub pinned: bool,
    /// An operator keeps software deltas from this device.
    pub held: bool,
    /// The device was removed: only its version is left, so that a new record goes on above it (semantics 34).
    pub gone: bool,
}

/// One execution of one change of software.
#[derive(Clone, Debug, PartialEq)]
pub struct Job {
    /// Its globally unique ID; a resend keeps it.
    pub id: JobId,
    /// The software that the device should run, as it was desired, without a grant.
    pub software_url: String,
    /// The software that it reported when the job was opened.
    pub previous: Option<String>,
    /// Who wanted it: `direct/<application>`, or a rollout.
    pub origin: String,
    /// Whose it is, if a rollout's.
    pub assignment: Option<Assignment>,
    /// The priority of that rollout when it was opened; the higher goes before.
    pub priority: i32,
    /// How far it is.
    pub stage: Stage,
    /// When it was opened.
    pub opened: Timestamp,
    /// What is left of the start timer, in milliseconds, when the record was last written; `None`: it is off.
    pub start_left_ms: Option<u64>,
    /// What is left of the end timer, in milliseconds, when the record was last written.
    pub end_left_ms: u64,
    /// How often its delta was sent again by a timer, when the record was last written.
    pub resends: u8,
}

/// How far an open job is.
#[derive(Clone, Debug, PartialEq)]
pub enum Stage {
    /// The device was not told yet.
    Queued,
    /// The delta left.
    Sent {
        /// When it first left.
        at: Timestamp,
    },
    /// The device said that it is at work.
    Running {
        /// When the delta first left; a device may know of a job before the server noted that it sent it.
        sent: Option<Timestamp>,
        /// When the device first said so.
        at: Timestamp,
        /// What it last said of it.
        progress: Progress,
    },
}

/// A job that has ended, as far as a late word about it needs.
#[derive(Clone, Debug, PartialEq)]
pub struct PastJob {
    /// Its ID.
    pub id: JobId,
    /// The software that it was for.
    pub software_url: String,
    /// Whose it was, if a rollout's.
    pub assignment: Option<Assignment>,
    /// How it ended.
    pub status: Status,
    /// Whether the device ever spoke of it.
    pub acknowledged: bool,
    /// Whether a SUCCESS came after it had ended otherwise, and was taken for what the device runs.
    pub late_success: bool,
}

/// Why no job is open for a difference of software.
#[derive(Clone, Debug, PartialEq)]
pub enum Withheld {
    /// The last job for it ended so; another begins when the software is desired again.
    Ended {
        /// That job.
        job: JobId,
        /// FAILED, REJECTED, TIMED_OUT or CANCELLED.
        status: Status,
    },
    /// This software failed as often as it may on this device.
    Capped,
    /// It is a rollout's wish, and only its plan opens another job for it.
    Planned,
    /// The device fell back from what it had succeeded with (design §5).
    Reverted {
        /// The job that had succeeded.
        job: JobId,
    },
}

/// How often one software failed on this device.
#[derive(Clone, Debug, PartialEq)]
pub struct Failures {
    /// The software.
    pub software_url: String,
    /// The number of failed jobs.
    pub count: u8,
}

/// A job as its own history shows it: what is written beside the record in the same commit.
#[derive(Clone, Debug, PartialEq)]
pub struct JobEntry {
    /// Its ID.
    pub id: JobId,
    /// The software that it is for.
    pub software_url: String,
    /// The software that the device reported when it was opened.
    pub previous: Option<String>,
    /// Who wanted it.
    pub origin: String,
    /// Whose it is, if a rollout's.
    pub assignment: Option<Assignment>,
    /// Its state.
    pub status: Status,
    /// When it was opened.
    pub opened: Timestamp,
    /// When its delta first left.
    pub sent: Option<Timestamp>,
    /// When the device said that it is at work.
    pub started: Option<Timestamp>,
    /// When it ended.
    pub ended: Option<Timestamp>,
    /// What the device last said of its progress.
    pub progress: Progress,
    /// Why it ended so, for a person.
    pub reason: Option<String>,
}

impl Record {
    /// Returns the software that is desired.
    pub fn desired_software(&self) -> Option<&str> {
        self.desired.get(SOFTWARE_URL).and_then(Value::as_str)
    }

    /// Returns the software that was last reported.
    pub fn reported_software(&self) -> Option<&str> {
        self.reported.get(SOFTWARE_URL).and_then(Value::as_str)
    }

    /// Returns the ended job of this ID, if it is remembered.
    pub fn past_job(&self, id: &JobId) -> Option<&PastJob> {
        self.past.iter().find(|job| job.id == *id)
    }
}

/// Why a job of a rollout ended as it opened: the device had the software before.
pub(crate) const ALREADY_THERE: &str = "already there";

impl JobEntry {
    /// Tells whether the device had the software before the job opened, and so was told nothing.
    pub fn was_already_there(&self) -> bool {
        self.sent.is_none() && self.reason.as_deref() == Some(ALREADY_THERE)
    }
}

impl Job {
    /// Returns the state of the wire.
    pub const fn status(&self) -> Status {
        match self.stage {
            Stage::Queued => Status::Queued,
            Stage::Sent { .. } => Status::Sent,
            Stage::Running { .. } => Status::Running,
        }
    }

    /// Returns when the delta first left, if it did.
    pub const fn sent(&self) -> Option<Timestamp> {
        match self.stage {
            Stage::Queued => None,
            Stage::Sent { at } => Some(at),
            Stage::Running { sent, .. } => sent,
        }
    }

    /// Tells whether the device has spoken of it.
    pub const fn acknowledged(&self) -> bool {
        matches!(self.stage, Stage::Running { .. })
    }

    /// Returns its line of the history while it is open.
    pub fn entry(&self) -> JobEntry {
        let (started, progress) = match &self.stage {
            Stage::Running { at, progress, .. } => (Some(*at), progress.clone()),
            Stage::Queued | Stage::Sent { .. } => (None, Progress::default()),
        };
        JobEntry {
            id: self.id.clone(),
            software_url: self.software_url.clone(),
            previous: self.previous.clone(),
            origin: self.origin.clone(),
            assignment: self.assignment,
            status: self.status(),
            opened: self.opened,
            sent: self.sent(),
            started,
            ended: None,
            progress,
            reason: None,
        }
    }
}
