//! What the index is told of one commit: taken from the operation as it leaves for the store, which keeps the record.
//!
//! This is on the way of every acknowledgement, so it copies two short texts at most and reads nothing else twice.

use std::hash::BuildHasher;

use hashbrown::DefaultHashBuilder;
use refit_protocol::job::Status;
use refit_protocol::software_url;
use refit_protocol::time::Timestamp;
use refit_replica::record::{JobEntry, Record};
use refit_store::store::Operation;

/// The member of reported state that holds what a device says of itself.
pub(super) const ATTRIBUTES: &str = "attributes";

/// What a commit changes in the index.
pub(crate) struct Note {
    /// The software that is reported now.
    pub(super) software: Option<Box<str>>,
    /// Whether other software is desired.
    pub(super) drifting: bool,
    /// The latest job, if this commit moved it.
    pub(super) job: Option<(Status, Option<Box<str>>)>,
    /// When the device spoke, if it did.
    pub(super) seen: Option<Timestamp>,
    /// By which hash its own attributes are known again; 0: it has none.
    pub(super) attributes: u64,
    /// Whether the device was removed.
    pub(super) gone: bool,
}

impl Note {
    pub(crate) fn of(operation: &Operation, hasher: &DefaultHashBuilder) -> Self {
        let record = &operation.record;
        Self {
            software: record.reported_software().map(Into::into),
            drifting: drifts(record),
            job: latest(record, &operation.jobs),
            seen: operation.seen,
            attributes: record
                .reported
                .get(ATTRIBUTES)
                .map_or(0, |attributes| hasher.hash_one(attributes).max(1)),
            gone: record.gone,
        }
    }
}

/// Most devices report, letter by letter, what is desired of them.
fn drifts(record: &Record) -> bool {
    match (record.desired_software(), record.reported_software()) {
        (None, _) => false,
        (Some(_), None) => true,
        (Some(desired), Some(reported)) => {
            desired != reported && !software_url::same(desired, reported)
        }
    }
}

/// The open job is the latest. Without one, it is the one that just ended: of several, the one that was opened last.
fn latest(record: &Record, jobs: &[JobEntry]) -> Option<(Status, Option<Box<str>>)> {
    if jobs.is_empty() {
        return None;
    }
    if let Some(job) = &record.job {
        return Some((job.status(), None));
    }
    let entry = jobs.iter().max_by_key(|entry| entry.opened)?;
    Some((entry.status, entry.reason.as_deref().map(Into::into)))
}
