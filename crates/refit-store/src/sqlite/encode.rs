//! An operation as the writer wants it: texts ready to be bound. This is done on the submitting thread, because
//! every microsecond of the one writer is a microsecond of all.

use refit_access::audit::Entry;
use refit_protocol::device_id::DeviceId;
use refit_protocol::digest::Digest;
use refit_protocol::software_url::depot_digest;
use refit_replica::effect::Event;
use refit_replica::record::JobEntry;
use rusqlite::ToSql;
use rusqlite::types::{ToSqlOutput, ValueRef};
use serde::Serialize;

use crate::rollout::RolloutGuard;
use crate::sqlite::row::{self, Control};
use crate::store::{Failure, Guard, Operation};

/// An operation, ready to be written.
pub(super) struct Write {
    pub(super) device: DeviceId,
    pub(super) from: Option<Guard>,
    pub(super) version: i64,
    pub(super) seen: Option<i64>,
    pub(super) written: i64,
    /// What it desires, if that lies in the depot.
    pub(super) wants: Option<Digest>,
    /// The code of the open job's state.
    pub(super) open: Option<i64>,
    /// Whether it was removed: what was said of it goes with it.
    pub(super) gone: bool,
    pub(super) jobs: Vec<JobEntry>,
    pub(super) events: Vec<Event>,
    pub(super) rollout: Option<RolloutGuard>,
    pub(super) audit: Vec<Entry>,
    /// Desired, reported and control behind each other: one allocation for all three.
    text: Vec<u8>,
    desired_end: usize,
    reported_end: usize,
}

impl Write {
    pub(super) fn of(operation: Operation) -> Result<Self, Failure> {
        let record = &operation.record;
        let mut text = Vec::with_capacity(1024);
        append(&mut text, &record.desired)?;
        let desired_end = text.len();
        append(&mut text, &record.reported)?;
        let reported_end = text.len();
        if let Some(control) = Control::of(record) {
            append(&mut text, &control)?;
        }
        Ok(Self {
            version: record.version.cast_signed(),
            seen: operation.seen.map(|at| at.0.cast_signed()),
            written: operation.at.0.cast_signed(),
            wants: record.desired_software().and_then(depot_digest),
            open: record.job.as_ref().map(|job| row::code(job.status())),
            gone: record.gone,
            device: operation.device,
            from: operation.from,
            jobs: last_of_each(operation.jobs),
            events: operation.events,
            rollout: operation.rollout,
            audit: operation.audit,
            text,
            desired_end,
            reported_end,
        })
    }

    pub(super) fn desired(&self) -> Text<'_> {
        Text(&self.text[..self.desired_end])
    }

    pub(super) fn reported(&self) -> Text<'_> {
        Text(&self.text[self.desired_end..self.reported_end])
    }

    pub(super) fn control(&self) -> Option<Text<'_>> {
        let control = &self.text[self.reported_end..];
        (!control.is_empty()).then_some(Text(control))
    }
}

/// Keeps the last entry of each job, in the order in which the jobs first came. There are one or two, seldom more.
fn last_of_each(entries: Vec<JobEntry>) -> Vec<JobEntry> {
    let mut last: Vec<JobEntry> = Vec::with_capacity(entries.len());
    for entry in entries {
        match last.iter_mut().find(|known| known.id == entry.id) {
            Some(known) => *known = entry,
            None => last.push(entry),
        }
    }
    last
}

fn append(text: &mut Vec<u8>, value: &impl Serialize) -> Result<(), Failure> {
    serde_json::to_writer(text, value)
        .map_err(|error| Failure::Corrupt(format!("it cannot be written as JSON: {error}")))
}

/// JSON just written, which is UTF-8 without a second look.
pub(super) struct Text<'a>(&'a [u8]);

impl ToSql for Text<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(ValueRef::Text(self.0)))
    }
}
