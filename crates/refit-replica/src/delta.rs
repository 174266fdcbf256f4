//! What a device is due to be told, computed from its record alone.
//!
//! The software part of the difference is told only under an open job, so that whoever withholds a job (an end
//! without success, a hold, a cap) withholds the command with it, on change, subscribe, ask and resend alike.

use alloc::string::String;
use refit_protocol::diff::{SOFTWARE_URL, difference};
use serde_json::{Map, Value};

use crate::marks::{Marks, Unmarked, is_aborted};
use crate::record::{Job, Record};

/// What a device is due.
#[derive(Clone, Debug, PartialEq)]
pub struct Due<'a> {
    /// The difference that it is told.
    pub state: Map<String, Value>,
    /// The job, if `state` holds a `softwareURL`.
    pub job: Option<&'a Job>,
}

/// Returns what the device is due, or `None` if it has all that it should and may have; no mark stands.
pub fn due(record: &Record) -> Option<Due<'_>> {
    due_under(record, &Unmarked)
}

/// Returns what the device is due while these marks stand. Whoever writes a delta asks this at that moment: an abort
/// may have been committed since the decision (design §9.2).
pub fn due_under<'a>(record: &'a Record, marks: &dyn Marks) -> Option<Due<'a>> {
    if record.desired.is_empty() {
        return None;
    }
    let mut state = difference(&record.desired, &record.reported);
    let mut job = None;
    if state.contains_key(SOFTWARE_URL) {
        let kept_back = record.held || marks.is_frozen() || is_aborted(record, marks);
        job = record.job.as_ref().filter(|_| !kept_back);
        if job.is_none() {
            state.remove(SOFTWARE_URL);
        }
    }
    (!state.is_empty()).then_some(Due { state, job })
}

/// Tells whether the reported software is not the desired one.
pub fn software_differs(record: &Record) -> bool {
    record.desired_software().is_some_and(|desired| {
        record
            .reported_software()
            .is_none_or(|reported| !refit_protocol::software_url::same(desired, reported))
    })
}
