//! What every store must do, as functions on a fresh store that the caller makes: one suite for all of them.
//!
//! A [`Place`] is where a store lies, so that a test can close one and open it again. Each public function of the
//! modules is one test; a runner names them all (`tests/conformance.rs` is SQLite's).

#![expect(
    clippy::panic,
    reason = "this is a test suite, in a library so that every store can run it"
)]

pub mod access;
pub mod answers;
pub mod audit;
pub mod crash;
pub mod facts;
pub mod identity;
pub mod jobs;
pub mod lists;
pub mod races;
pub mod records;
pub mod releases;
pub mod rollouts;

use refit_protocol::device_id::DeviceId;
use refit_protocol::digest::Digest;
use refit_protocol::job::{JobId, Progress, Status};
use refit_protocol::software_url::depot_url;
use refit_protocol::time::Timestamp;
use refit_replica::record::{Job, JobEntry, Record, Stage};
use serde_json::{Map, Value, json};

use crate::reader::Reader;
use crate::store::{Failure, Guard, Operation, Outcome, Store, Stored};

/// Where a store lies: opening it twice, one after the other, shows the same records.
pub trait Place {
    /// Opens the store that lies here.
    fn open(&self) -> Box<dyn Store>;
}

/// Returns a device ID.
pub(crate) fn device(name: &str) -> DeviceId {
    DeviceId::parse(name).unwrap_or_else(|why| panic!("{name}: {why}"))
}

/// Returns a job ID.
pub(crate) fn job_id(name: &str) -> JobId {
    JobId::parse(name).unwrap_or_else(|| panic!("{name} is no job ID"))
}

/// Returns the digest whose bytes all are this one.
pub(crate) const fn digest(byte: u8) -> Digest {
    Digest::from_bytes([byte; 32])
}

/// Returns the URL of an artifact in the depot.
pub(crate) fn url(byte: u8) -> String {
    depot_url("http://127.0.0.1:8080", &digest(byte))
}

/// Returns the object that a JSON value is.
pub(crate) fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(map) => map,
        other => panic!("{other} is no object"),
    }
}

/// Returns a record of this version that desires and reports these.
pub(crate) fn record(version: u64, desired: Value, reported: Value) -> Record {
    Record {
        version,
        desired: object(desired),
        reported: object(reported),
        ..Record::default()
    }
}

/// Returns a record of this version with nothing particular in it.
pub(crate) fn plain(version: u64) -> Record {
    record(version, json!({}), json!({ "n": version }))
}

/// Returns an operation without jobs.
pub(crate) fn write(id: &DeviceId, from: Option<Guard>, record: Record) -> Operation {
    Operation {
        device: id.clone(),
        from,
        at: Timestamp(1_000 + record.version),
        seen: None,
        record,
        jobs: Vec::new(),
        events: Vec::new(),
        rollout: None,
        audit: Vec::new(),
    }
}

/// Returns an open job for an artifact.
pub(crate) fn open_job(name: &str, artifact: u8, stage: Stage) -> Job {
    Job {
        id: job_id(name),
        software_url: url(artifact),
        previous: None,
        origin: "direct/app".into(),
        assignment: None,
        priority: 0,
        stage,
        opened: Timestamp(7),
        start_left_ms: None,
        end_left_ms: 86_400_000,
        resends: 0,
    }
}

/// Returns the line of the history of a job in this state.
pub(crate) fn entry(name: &str, status: Status) -> JobEntry {
    JobEntry {
        id: job_id(name),
        software_url: url(1),
        previous: Some(url(0)),
        origin: "direct/app".into(),
        assignment: None,
        status,
        opened: Timestamp(7),
        sent: None,
        started: None,
        ended: None,
        progress: Progress::default(),
        reason: None,
    }
}

/// Commits one operation and returns its outcome.
pub(crate) fn commit_one(store: &dyn Store, operation: Operation) -> Outcome {
    match must(store.commit(vec![operation])).as_slice() {
        [outcome] => *outcome,
        other => panic!("one operation gave {other:?}"),
    }
}

/// Commits one operation that must be applied, and returns the guard for the next.
pub(crate) fn applied(store: &dyn Store, operation: Operation) -> Guard {
    match commit_one(store, operation) {
        Outcome::Applied(guard) => guard,
        refused => panic!("it should have been applied: {refused:?}"),
    }
}

/// Makes a device, and returns its guard.
pub(crate) fn made(store: &dyn Store, id: &DeviceId) -> Guard {
    applied(store, write(id, None, plain(1)))
}

/// Loads a device that must be there.
pub(crate) fn loaded(store: &dyn Store, id: &DeviceId) -> Stored {
    must(reader(store).load(id)).unwrap_or_else(|| panic!("{id} should be there"))
}

/// Opens a reader that must be had.
pub(crate) fn reader(store: &dyn Store) -> Box<dyn Reader> {
    must(store.reader())
}

/// Returns what a call on a healthy store gave.
#[track_caller]
pub(crate) fn must<T>(given: Result<T, Failure>) -> T {
    given.unwrap_or_else(|failure| panic!("a healthy store: {failure}"))
}
