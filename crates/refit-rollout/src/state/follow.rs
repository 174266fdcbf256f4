//! What the planner's steps do to a rollout's state. The engine commits this with the step, or neither.

use alloc::vec;
use refit_protocol::time::Timestamp;

use super::{Because, Members, RolloutState, Status, WaveState};
use crate::pace::Bucket;
use crate::plan::Plan;
use crate::step::{Snapshot, Step};

impl RolloutState {
    /// Returns the state after a step, or `None` if it leaves it as it is. A pace is spent before its jobs are opened: a
    /// crash in between opens fewer, never more.
    pub fn follow(&self, step: &Step, snapshot: &Snapshot<'_>, now: Timestamp) -> Option<Self> {
        let mut next = self.clone();
        match step {
            Step::Begin => next.begin(snapshot.plan, snapshot.members, now),
            Step::OpenWave { wave } => next.set_wave(*wave, WaveState::Open { since: now.into() }),
            Step::Open { at_most, .. } => next.spend(*at_most, snapshot, now),
            Step::Soak { wave } => next.set_wave(*wave, WaveState::Soaking { since: now.into() }),
            Step::CloseWave { wave } => next.set_wave(*wave, WaveState::Done { since: now.into() }),
            Step::Pause(because) => next.stop(because, now, false),
            Step::Abort(because) => next.stop(because, now, true),
            Step::Finish { unreached } => {
                next.status = Status::Finished {
                    since: now.into(),
                    unreached: *unreached,
                };
            }
            Step::Wait { .. } => return None,
        }
        Some(next)
    }

    /// Begins with these members, which are frozen in the same commit; or asks again, if others were approved.
    fn begin(&mut self, plan: &Plan, members: Members, now: Timestamp) {
        let approved = self.approvals.last().map(|approval| approval.members);
        if self.needs_approval && approved != Some(members) {
            self.status = Status::AwaitingApproval { since: now.into() };
            return;
        }
        self.members = Some(members);
        self.waves = vec![WaveState::Waiting; plan.all_waves().len()];
        self.bucket = Some(Bucket::new(now));
        self.status = Status::Running { since: now.into() };
    }

    fn spend(&mut self, jobs: u32, snapshot: &Snapshot<'_>, now: Timestamp) {
        if let Some(per_minute) = snapshot.per_minute() {
            let bucket = self.bucket.unwrap_or_else(|| Bucket::new(now));
            self.bucket = Some(bucket.at(per_minute, now).less(jobs));
        }
    }

    fn stop(&mut self, because: &Because, now: Timestamp, for_good: bool) {
        let (because, since, by) = (because.clone(), now.into(), None);
        self.status = if for_good {
            Status::Aborted { because, since, by }
        } else {
            Status::Paused { because, since, by }
        };
    }

    pub(super) fn finish_wave(&mut self, wave: Option<u16>, now: Timestamp) {
        let Some(wave) = wave else { return };
        if !matches!(self.wave(wave), WaveState::Done { .. }) {
            self.set_wave(wave, WaveState::Done { since: now.into() });
        }
    }

    pub(super) fn set_wave(&mut self, wave: u16, state: WaveState) {
        if let Some(slot) = self.waves.get_mut(usize::from(wave)) {
            *slot = state;
        }
    }
}
