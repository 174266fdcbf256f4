//! What the conductor does to devices, slice by slice: jobs are opened, and what an abort left is folded in.

use std::time::Duration;

use crossbeam_channel::Receiver;
use hashbrown::HashMap;
use refit_protocol::job::Status;
use refit_protocol::rollout::Assignment;
use refit_protocol::time::Timestamp;
use refit_replica::effect::Assigned;
use refit_replica::input::{Assign, Input};
use refit_replica::why::Blocker;
use refit_rollout::admit::Last;
use refit_rollout::tally::Kind;
use refit_store::rollout::JobKind;
use refit_store::store::Failure;

use super::Told;
use super::course::{Course, Ready};
use super::member::Declined;
use super::turn::Turn;
use crate::output::Reply;

/// How long all answers of a slice may take: a commit takes milliseconds; this is a store that stands still.
const ANSWERS_MAX: Duration = Duration::from_secs(30);

/// How many jobs are folded at a time.
const SLICE_FOLDS: usize = 2_000;

/// How long it is believed what a device's record said against a job, unless the record changes.
const DECLINED_MS: u64 = 60_000;

impl Turn {
    /// Opens jobs, and waits until each is durable or declined; tells whether all were answered. The pace is spent already: a crash in between opens fewer.
    pub(super) fn open(
        &mut self,
        course: &mut Course,
        wave: u16,
        ready: &[Ready],
        told: &Receiver<Told>,
    ) -> bool {
        let mut waited_for = HashMap::with_capacity(ready.len());
        let first = self.first_of(ready.len());
        for (number, Ready { key, attempt }) in (first..).zip(ready) {
            let Some(member) = course.member(*key) else {
                continue;
            };
            let Some((digest, _)) = &member.facts.to else {
                continue;
            };
            let timers = &course.plan.timers;
            let assign = Assign {
                assignment: Assignment {
                    rollout: course.guard.id,
                    wave,
                    attempt: *attempt,
                },
                origin: course.name.origin(),
                priority: course.plan.priority,
                software_url: (self.conductor.parts().url)(digest),
                grant: course.plan.grant,
                start_ms: timers.start.map(refit_protocol::measure::Span::as_millis),
                end_ms: timers.end.as_millis(),
                past_revert: false,
            };
            let input = Input::Assign(Box::new(assign));
            let fleet = &self.conductor.parts().fleet;
            fleet.conduct(&member.id, input, number, course.guard);
            waited_for.insert(number, (*key, *attempt));
        }
        let answers = self.answers((first, waited_for.len()), told);
        let now = self.now().wall;
        for (number, reply) in answers {
            if let Some((key, attempt)) = waited_for.remove(&number) {
                self.answered(course, key, attempt, reply, now);
            }
        }
        // Whose answer did not come is looked at again.
        let all = waited_for.is_empty();
        self.moved
            .extend(waited_for.into_values().map(|(key, _)| key));
        all
    }

    fn answered(
        &mut self,
        course: &mut Course,
        key: u32,
        attempt: u8,
        reply: Reply,
        now: Timestamp,
    ) {
        let Some(member) = course.member_mut(key) else {
            return;
        };
        let mut opened = |kind| {
            let at = now;
            member.last = Some(Last { attempt, kind, at });
        };
        match reply {
            Reply::Assigned(Assigned::Opened(_)) => opened(Kind::Queued),
            Reply::Assigned(Assigned::AlreadyThere(_)) => opened(Kind::AlreadyThere),
            Reply::Assigned(Assigned::Declined(by)) => {
                let until = Timestamp(now.as_millis().saturating_add(DECLINED_MS));
                member.declined = Some(Declined { by, until });
                return;
            }
            Reply::Assigned(Assigned::Stands(_)) => {}
            // The rollout has moved on.
            Reply::Overtaken => self.conductor.look(),
            Reply::Rejected(rejected) => {
                // It could not be stored, or is no device any more: not now.
                let by = Blocker {
                    rule: "attempt",
                    sentence: rejected.rejection.message,
                };
                let until = Timestamp(now.as_millis().saturating_add(DECLINED_MS / 10));
                member.declined = Some(Declined { by, until });
                return;
            }
            Reply::Accepted(_) | Reply::Shown(_) | Reply::NotShown(_) | Reply::Done => {}
        }
        self.moved.insert(key);
    }

    /// Takes numbers for a slice: an answer that comes after it was given up is none of the next slice's.
    fn first_of(&mut self, count: usize) -> u32 {
        let first = self.next_number;
        self.next_number = match first.checked_add(count as u32) {
            Some(next) if next < u32::MAX / 2 => next,
            Some(_) | None => 0,
        };
        first
    }

    /// Waits for so many answers to what has numbers from the first on, and takes in what else happens.
    fn answers(
        &mut self,
        (first, count): (u32, usize),
        told: &Receiver<Told>,
    ) -> Vec<(u32, Reply)> {
        let mut answers = Vec::with_capacity(count);
        while answers.len() < count && !self.stopping {
            match told.recv_timeout(ANSWERS_MAX) {
                Ok(Told::Answered { number, reply }) if number >= first => {
                    answers.push((number, *reply));
                }
                Ok(other) => self.take_in(other),
                Err(_) => {
                    tracing::warn!(
                        "some jobs of a rollout were not answered for; they are looked at again"
                    );
                    break;
                }
            }
        }
        answers
    }

    /// Folds in what aborts left: jobs that had not begun are CANCELLED in their records too.
    pub(super) fn sweep(&mut self, told: &Receiver<Told>) -> Result<(), Failure> {
        let sweeping = std::mem::take(&mut self.sweeping);
        for (id, row) in sweeping {
            let mut folded = 0;
            for status in [Status::Queued, Status::Sent] {
                let mut before = None;
                loop {
                    let kind = Some(JobKind::In(status));
                    let jobs = self.reader.rollout_jobs(id, kind, before, SLICE_FOLDS)?;
                    let Some(last) = jobs.last() else { break };
                    before = Some(last.number);
                    folded += jobs.len();
                    self.hear(true);
                    let fleet = self.conductor.parts().fleet.clone();
                    let first = self.first_of(jobs.len());
                    for (number, job) in (first..).zip(&jobs) {
                        fleet.conduct(&job.device, Input::Fold, number, row.guard());
                    }
                    self.answers((first, jobs.len()), told);
                    if self.stopping {
                        return Ok(());
                    }
                }
            }
            // What was committed while it was read is seen the next time.
            if folded == 0 {
                self.swept.insert(id);
            } else {
                self.sweeping.insert(id, row);
            }
        }
        Ok(())
    }
}
