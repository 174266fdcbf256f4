//! What follows from a decision. Nothing of it may be seen by anyone before the record is durable.

use alloc::vec::Vec;
use refit_protocol::job::JobId;
use refit_protocol::reply::{Accepted, Rejected};

use crate::record::JobEntry;
use crate::why::Blocker;

/// What follows from one input.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Decision {
    /// Whether the record is another one now, and must be stored.
    pub changed: bool,
    /// What is answered, if the input was one that is answered.
    pub answer: Option<Answer>,
    /// Whether the device is due its delta. What is in it is computed when it leaves ([`crate::delta::due`]).
    pub delta: bool,
    /// The jobs that changed, as they are now.
    pub jobs: Vec<JobEntry>,
    /// What else is worth telling.
    pub events: Vec<Event>,
}

/// What is answered.
#[derive(Clone, Debug, PartialEq)]
pub enum Answer {
    /// The update stands.
    Accepted(Accepted),
    /// It does not.
    Rejected(Rejected),
    /// The record was asked for: it is shown as it is when the answer leaves.
    Shown,
    /// What became of a rollout's assignment.
    Assigned(Assigned),
}

/// What became of a rollout's assignment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Assigned {
    /// This job is open.
    Opened(JobId),
    /// The device had the software already: this job has opened and ended.
    AlreadyThere(JobId),
    /// It was assigned before: this is the job of this attempt, or of a later one.
    Stands(JobId),
    /// No job was opened.
    Declined(Blocker),
}

/// What is worth telling beside the states of jobs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// The device fell back from the software that this job had succeeded with.
    Reverted(JobId),
    /// The device succeeded with a job that had ended otherwise.
    LateSuccess(JobId),
}
