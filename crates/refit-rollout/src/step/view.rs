//! One wave as it stands: its counts, and what became of each of its members that has no job yet.

use alloc::vec::Vec;
use refit_protocol::time::Timestamp;

use crate::admit::{Blocker, Rule, Standing};
use crate::tally::Tally;

/// One wave as it stands.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WaveView {
    /// How many devices it has.
    pub members: u32,
    /// How many of them have had a job of this rollout.
    pub opened: u32,
    /// Its jobs.
    pub tally: Tally,
    /// How many open jobs started longer ago than the median job took.
    pub overdue: u32,
    /// Of its members without an open job that shall get one, so many may get it now,
    pub ready: u32,
    /// and the others may not, each counted by the first of its blockers.
    pub blocked: Vec<Blocked>,
    /// How many have neither succeeded nor ended for good, and are away.
    pub away: u32,
    /// How many ended without success and get no other try.
    pub settled: u32,
    /// How many are out of its hands: excluded, pinned, cancelled, superseded, or not fit for the release.
    pub left: u32,
}

/// Devices that something keeps from their job, and will not for ever.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Blocked {
    /// What.
    pub rule: Rule,
    /// How many.
    pub count: u32,
    /// When the first of them may go on, if that is known.
    pub until: Option<Timestamp>,
}

impl WaveView {
    /// Counts one member, by what [`crate::admit::admit`] says of it. Its jobs are counted apart, in the tally.
    pub fn count(&mut self, standing: &Standing, had_job: bool, away: bool) {
        self.members += 1;
        self.opened += u32::from(had_job);
        let waits = match standing {
            Standing::Done => false,
            Standing::AtWork => true,
            Standing::Admitted { .. } => {
                self.ready += 1;
                true
            }
            Standing::Blocked(blockers) => self.blocked(blockers),
        };
        self.away += u32::from(waits && away);
    }

    /// Counts a blocked member, and tells whether the wave waits for it.
    fn blocked(&mut self, blockers: &[Blocker]) -> bool {
        match blockers.iter().find(|blocker| !blocker.passes()) {
            Some(Blocker::Ended { kind, .. }) if kind.cause().is_some() => self.settled += 1,
            Some(Blocker::Capped) => self.settled += 1,
            Some(_) => self.left += 1,
            None => {
                if let Some(first) = blockers.first() {
                    self.waits_for(first);
                }
                return true;
            }
        }
        false
    }

    fn waits_for(&mut self, blocker: &Blocker) {
        let (rule, until) = (blocker.rule(), blocker.until());
        match self.blocked.iter_mut().find(|blocked| blocked.rule == rule) {
            Some(blocked) => {
                blocked.count += 1;
                blocked.until = blocked.until.into_iter().chain(until).min();
            }
            None => self.blocked.push(Blocked {
                rule,
                count: 1,
                until,
            }),
        }
    }

    /// Returns how many of its members shall still get a job.
    pub fn to_do(&self) -> u32 {
        let blocked = self.blocked.iter().map(|blocked| blocked.count);
        blocked.fold(self.ready, u32::saturating_add)
    }

    /// Returns how many of its members are its own to judge it by.
    pub fn ours(&self) -> u32 {
        self.members.saturating_sub(self.left)
    }
}
