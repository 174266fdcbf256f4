//! The server's store, as far as the engine sees one: what is durable, what is on its way, what a crash leaves.

use std::collections::{BTreeMap, VecDeque};

use refit_engine::shard::Broken;
use refit_protocol::device_id::DeviceId;
use refit_protocol::job::JobId;
use refit_replica::record::{JobEntry, Record};
use refit_store::store::{DeviceKey, Guard, Operation, Outcome, Stored};

/// How many versions of a record are kept for the checkers.
const HISTORY_MAX: usize = 24;

/// One batch that the store has and has not written.
pub(crate) struct Batch {
    pub(crate) ticket: u64,
    pub(crate) operations: Vec<Operation>,
}

/// The store.
#[derive(Default)]
pub(crate) struct Disk {
    rows: BTreeMap<DeviceId, Row>,
    /// Waiting to be written, oldest first: there is one writer.
    pub(crate) waiting: VecDeque<Batch>,
    /// Whether there is no room.
    pub(crate) full: bool,
}

/// What is durable of one device.
#[derive(Default)]
pub(crate) struct Row {
    pub(crate) stored: Option<Stored>,
    pub(crate) jobs: BTreeMap<JobId, JobEntry>,
    /// What the record was at its last versions.
    history: VecDeque<Record>,
    /// The row before its last write.
    before: Option<(Stored, BTreeMap<JobId, JobEntry>)>,
}

/// One write as it became durable.
pub(crate) struct Written<'a> {
    pub(crate) device: &'a DeviceId,
    pub(crate) record: &'a Record,
    pub(crate) jobs: &'a [JobEntry],
}

impl Disk {
    pub(crate) fn row(&self, device: &DeviceId) -> Option<&Row> {
        self.rows.get(device)
    }

    pub(crate) fn record(&self, device: &DeviceId) -> Option<&Record> {
        Some(&self.rows.get(device)?.stored.as_ref()?.record)
    }

    pub(crate) fn load(&self, device: &DeviceId) -> Option<Box<Stored>> {
        self.rows.get(device)?.stored.clone().map(Box::new)
    }

    /// Returns how many devices there are.
    pub(crate) fn known(&self) -> u64 {
        self.rows
            .values()
            .filter(|row| row.stored.is_some())
            .count() as u64
    }

    /// Returns the devices with a running job: their timers go on after a restart.
    pub(crate) fn running(&self) -> Vec<DeviceId> {
        let runs = |record: &Record| record.job.as_ref().is_some_and(|job| job.acknowledged());
        self.rows
            .iter()
            .filter(|(_, row)| row.stored.as_ref().is_some_and(|s| runs(&s.record)))
            .map(|(device, _)| device.clone())
            .collect()
    }

    /// Returns the record as it was at a version; `None` if that is not kept.
    pub(crate) fn at_version(&self, device: &DeviceId, version: u64) -> Option<&Record> {
        let row = self.rows.get(device)?;
        row.history.iter().find(|record| record.version == version)
    }

    /// Writes one batch, unless there is no room.
    pub(crate) fn write(
        &mut self,
        operations: &[Operation],
        mut written: impl FnMut(Written<'_>),
    ) -> Result<Vec<Outcome>, Broken> {
        if self.full {
            return Err(Broken::Full);
        }
        let outcomes = operations.iter().map(|operation| {
            let outcome = self.write_one(operation);
            if let Outcome::Applied(_) = outcome {
                written(Written {
                    device: &operation.device,
                    record: &operation.record,
                    jobs: &operation.jobs,
                });
            }
            outcome
        });
        Ok(outcomes.collect())
    }

    fn write_one(&mut self, operation: &Operation) -> Outcome {
        let key = DeviceKey(self.rows.len() as u64 + 1);
        let row = self.rows.entry(operation.device.clone()).or_default();
        let present = row.stored.as_ref().map(|s| s.revision);
        if present != operation.from.map(|guard| guard.revision) {
            return Outcome::Conflict;
        }
        let revision = present.map_or(1, |revision| revision + 1);
        let key = row.stored.as_ref().map_or(key, |s| s.key);
        if let Some(stored) = row.stored.take() {
            row.before = Some((stored, row.jobs.clone()));
        }
        row.put(Stored {
            key,
            revision,
            record: operation.record.clone(),
            written: operation.at,
            seen: None,
        });
        for entry in &operation.jobs {
            row.jobs.insert(entry.id.clone(), entry.clone());
        }
        Outcome::Applied(Guard { key, revision })
    }

    /// Somebody else writes the record, without changing what it says.
    pub(crate) fn touch(&mut self, device: &DeviceId) -> bool {
        let stored = self
            .rows
            .get_mut(device)
            .and_then(|row| row.stored.as_mut());
        let Some(stored) = stored else { return false };
        stored.revision += 1;
        true
    }

    /// Changes a record behind the engine's back: for what is planted.
    pub(crate) fn tamper(&mut self, device: &DeviceId, change: impl FnOnce(&mut Record)) {
        let Some(row) = self.rows.get_mut(device) else {
            return;
        };
        if let Some(mut stored) = row.stored.take() {
            change(&mut stored.record);
            stored.revision += 1;
            row.put(stored);
        }
    }

    /// Forgets the last write of a device, as a disk does that was not flushed: for what is planted.
    pub(crate) fn lose_last(&mut self, device: &DeviceId) {
        if let Some(row) = self.rows.get_mut(device)
            && let Some((mut stored, jobs)) = row.before.take()
        {
            stored.revision += 2;
            row.jobs = jobs;
            row.stored = Some(stored);
        }
    }
}

impl Row {
    fn put(&mut self, stored: Stored) {
        let newest = self.history.back();
        if newest.is_some_and(|record| record.version == stored.record.version) {
            self.history.pop_back();
        }
        if self.history.len() == HISTORY_MAX {
            self.history.pop_front();
        }
        self.history.push_back(stored.record.clone());
        self.stored = Some(stored);
    }
}
