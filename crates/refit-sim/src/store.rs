//! The way of a commit: gathered, written, answered; and what a crash makes of it.

use refit_engine::shard::{Broken, Happening};
use refit_protocol::device_id::DeviceId;
use refit_replica::record::{Job, Stage};
use refit_store::store::{Guard, Operation, Outcome, Stored};

use crate::clock::SECOND;
use crate::coverage::Fault;
use crate::disk::Batch;
use crate::planted::Planted;
use crate::transition::Event;
use crate::world::{World, index_of};

/// A batch that was answered before it was written.
pub(crate) struct Early {
    operations: Vec<Operation>,
}

impl World {
    /// Takes a batch in, to be written when the store is free.
    pub(crate) fn commit(&mut self, ticket: u64, operations: Vec<Operation>) {
        for operation in &operations {
            self.server.committing.insert(operation.device.clone());
        }
        if self.options.planted == Some(Planted::DeltaWhileUncommitted) {
            for operation in &operations {
                if let Some(device) = index_of(&operation.device)
                    && let Some(conn) = self.model.reachable_on(device)
                {
                    self.tell_from(&operation.record.clone(), device, conn);
                }
            }
        }
        if self.options.planted == Some(Planted::AcknowledgesBeforeCommit) {
            return self.answer_early(ticket, operations);
        }
        self.disk.waiting.push_back(Batch { ticket, operations });
        let took = self.chances.store.between(0, self.options.commit_ms);
        self.server.store_free = self.server.store_free.max(self.clock.now()) + took;
        let (at, life) = (self.server.store_free, self.server.life);
        self.clock.at(at, Event::StoreWrites { life });
    }

    /// The store writes its oldest batch; the answer takes another moment.
    pub(crate) fn store_writes(&mut self) {
        let dies = !self.calm
            && self
                .chances
                .store
                .permille(self.options.faults.crash_in_commit);
        let when = self.chances.store.below(3);
        if dies && when == 0 {
            return self.crash();
        }
        let Some(batch) = self.disk.waiting.pop_front() else {
            return;
        };
        let unknown = !self.calm && self.chances.store.permille(self.options.faults.unknown);
        let survives = self.chances.store.permille(500);
        let result = if unknown {
            self.coverage.fault(Fault::Unknown);
            if survives {
                drop(self.write(&batch.operations));
            }
            Err(Broken::Unknown("an I/O error".into()))
        } else {
            self.interfere(&batch.operations);
            self.write(&batch.operations)
        };
        self.server.answering += 1;
        if dies && when == 1 {
            return self.crash();
        }
        self.server.dies_after = (dies && when == 2).then(|| self.chances.store.below(6));
        let wait = self.chances.store.between(0, 4);
        let (life, ticket) = (self.server.life, batch.ticket);
        for operation in &batch.operations {
            self.server.committing.remove(&operation.device);
        }
        self.clock.after(
            wait,
            Event::StoreAnswers {
                life,
                ticket,
                result,
            },
        );
    }

    pub(crate) fn store_answers(&mut self, ticket: u64, result: Result<Vec<Outcome>, Broken>) {
        self.server.answering = self.server.answering.saturating_sub(1);
        match &result {
            Err(Broken::Full) => self.coverage.fault(Fault::Full),
            Ok(outcomes) if outcomes.contains(&Outcome::Conflict) => {
                self.coverage.fault(Fault::Conflict);
            }
            Ok(_) | Err(Broken::Unknown(_)) => {}
        }
        self.happens(Happening::Committed { ticket, result });
    }

    /// Makes operations durable; the model and its checkers see each.
    fn write(&mut self, operations: &[Operation]) -> Result<Vec<Outcome>, Broken> {
        let now = self.clock.now();
        let Self {
            disk,
            model,
            checks,
            coverage,
            options,
            trace,
            ..
        } = self;
        disk.write(operations, |written| {
            let Some(device) = index_of(written.device) else {
                return;
            };
            trace.mix(written.record.version);
            trace.say(now, device, || {
                let jobs: Vec<String> = written
                    .jobs
                    .iter()
                    .map(|j| format!("{} {}", j.id, j.status))
                    .collect();
                format!("■ version {} {jobs:?}", written.record.version)
            });
            let found = model.written(device, &written, now, options, coverage);
            checks.found(
                "ends_once",
                found.map_err(|found| format!("d{device}: {found}")),
            );
        })
    }

    /// Somebody else is faster.
    fn interfere(&mut self, operations: &[Operation]) {
        if !self.calm
            && self
                .chances
                .store
                .permille(self.options.faults.second_writer)
            && let Some(operation) = self.chances.store.pick(operations)
        {
            self.disk.touch(&operation.device);
        }
    }

    /// What the crash makes of commits on their way: the one being written may be durable, the others are not.
    pub(crate) fn crash_store(&mut self) {
        let waiting = std::mem::take(&mut self.disk.waiting);
        let survives = self.chances.store.permille(500);
        for (place, batch) in waiting.into_iter().enumerate() {
            if place == 0 && survives {
                self.coverage.fault(Fault::CommitSurvives);
                drop(self.write(&batch.operations));
            } else {
                self.coverage.fault(Fault::CommitLost);
            }
        }
        if std::mem::take(&mut self.server.answering) > 0 {
            self.coverage.fault(Fault::AnswerLost);
        }
        self.server.early.clear();
        if self.options.planted == Some(Planted::LosesTheLastCommit) {
            for device in &self.devices {
                self.disk.lose_last(&device.id);
            }
        }
    }

    pub(crate) fn room(&mut self, full: bool) {
        self.disk.full = full && !self.calm;
        if self.calm {
            return;
        }
        let wait = if full {
            Some(self.chances.store.between(SECOND, 120 * SECOND))
        } else {
            self.fault_wait(self.options.faults.full_every_ms)
        };
        if let Some(wait) = wait {
            self.clock.after(wait, Event::Room { full: !full });
        }
    }

    /// Reads a record for the shard; what is planted changes it on the way.
    pub(crate) fn load(&mut self, device: &DeviceId) -> Option<Box<Stored>> {
        let mut stored = self.disk.load(device)?;
        match self.options.planted {
            Some(Planted::ForgetsPastJobs) => stored.record.past.clear(),
            Some(Planted::TimersRunWhileDown) => self.age(device, &mut stored),
            Some(Planted::EndsTwice) => self.revive(device, &mut stored),
            _ => {}
        }
        Some(stored)
    }

    /// Takes the time that the server was away from the timers, once.
    fn age(&self, device: &DeviceId, stored: &mut Stored) {
        let Some(job) = stored.record.job.as_mut() else {
            return;
        };
        let away = index_of(device).map_or(0, |index| {
            self.model.away_since(index, &job.id, self.clock.now())
        });
        job.end_left_ms = job.end_left_ms.saturating_sub(away);
    }

    /// Opens a job again that had ended.
    fn revive(&mut self, device: &DeviceId, stored: &mut Stored) {
        if stored.record.job.is_some() || !self.chances.store.permille(100) {
            return;
        }
        let Some(past) = stored.record.past.pop() else {
            return;
        };
        let entry = self.disk.row(device).and_then(|row| row.jobs.get(&past.id));
        stored.record.withheld = None;
        stored.record.job = entry.map(|entry| Job {
            id: past.id,
            software_url: past.software_url,
            previous: entry.previous.clone(),
            origin: entry.origin.clone(),
            assignment: entry.assignment,
            priority: 0,
            stage: Stage::Sent { at: entry.opened },
            opened: entry.opened,
            start_left_ms: None,
            end_left_ms: 60_000,
            resends: 0,
        });
    }

    /// Answers before anything is durable, and writes a little later, if there is a later (planted).
    fn answer_early(&mut self, ticket: u64, operations: Vec<Operation>) {
        let outcomes = operations.iter().map(|operation| {
            self.server.committing.remove(&operation.device);
            let from = operation.from;
            Outcome::Applied(from.map_or(
                Guard {
                    key: refit_store::store::DeviceKey(1),
                    revision: 1,
                },
                |guard| Guard {
                    revision: guard.revision + 1,
                    ..guard
                },
            ))
        });
        let result = Ok(outcomes.collect());
        self.server.early.push(Early { operations });
        let (life, batch) = (self.server.life, self.server.early.len() - 1);
        self.clock.after(
            0,
            Event::StoreAnswers {
                life,
                ticket,
                result,
            },
        );
        let wait = self.chances.store.between(1, 50);
        self.clock.after(wait, Event::WritesLate { life, batch });
    }

    pub(crate) fn writes_late(&mut self, batch: usize) {
        if let Some(early) = self.server.early.get_mut(batch) {
            let operations = std::mem::take(&mut early.operations);
            drop(self.write(&operations));
        }
    }
}
