//! What a server keeps in memory of a device with an open job: running timers and the next resend.
//!
//! Timers are remaining time (semantics 33): the record holds what was left when it was last written, the watch
//! since when it runs. After a crash the watch is gone and the time since the last write is given back to the
//! device; no wall clock is involved.

use refit_protocol::time::Monotonic;

use crate::input::{Context, Policy};
use crate::record::{Job, Record, Stage};

/// The volatile side of one open job. The default is that of a device with none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Watch {
    /// Since when the record's remaining times run, if they do.
    since: Option<Monotonic>,
    /// When the delta is sent again.
    resend_at: Option<Monotonic>,
    /// When [`Input::Due`](crate::input::Input::Due) is wanted next.
    next_due: Option<Monotonic>,
    /// How often the delta was sent again by a timer.
    resends: u8,
}

/// What has come due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Came {
    /// Nothing yet.
    Nothing,
    /// The device did not start in time.
    Start,
    /// The job did not end in time.
    End,
    /// The delta is to be sent again.
    Resend,
}

impl Watch {
    /// Returns when this device wants [`Input::Due`](crate::input::Input::Due) next.
    pub const fn next_due(&self) -> Option<Monotonic> {
        self.next_due
    }

    /// Tells whether there is anything to keep: a device without an open job needs no watch.
    pub const fn is_idle(&self) -> bool {
        self.since.is_none() && self.resend_at.is_none()
    }

    /// Tells whether a job waits for its first delta, or was sent and no timer would send it again.
    pub(crate) fn waits_untold(&self, record: &Record) -> bool {
        record.job.as_ref().is_some_and(|job| match job.stage {
            Stage::Queued => true,
            Stage::Sent { .. } => self.resend_at.is_none(),
            Stage::Running { .. } => false,
        })
    }

    /// Tells whether the record does not yet hold what ran off or was sent again.
    pub(crate) fn has_news(&self, record: &Record, now: Monotonic) -> bool {
        let ran = self.since.is_some_and(|since| now.since(since) > 0);
        record
            .job
            .as_ref()
            .is_some_and(|job| ran || self.resends > job.resends)
    }

    /// Writes the time that has run off into the record. Call before the record is stored.
    pub(crate) fn note(&mut self, record: &mut Record, now: Monotonic) {
        let Some(job) = record.job.as_mut() else {
            return;
        };
        job.resends = job.resends.max(self.resends);
        let Some(since) = self.since else {
            return;
        };
        let ran = now.since(since);
        job.end_left_ms = job.end_left_ms.saturating_sub(ran);
        job.start_left_ms = job.start_left_ms.map(|left| left.saturating_sub(ran));
        self.since = Some(now);
    }

    /// Brings the watch in line with the record and the circumstances, after every decision.
    pub(crate) fn follow(&mut self, record: &Record, context: &Context<'_>) {
        let Some(job) = &record.job else {
            *self = Self::default();
            return;
        };
        let now = context.now.mono;
        let told = context.reachable && !record.held && !context.marks.is_frozen();
        let runs = timers_run(job, told);
        self.since = runs.then(|| self.since.unwrap_or(now));
        self.resends = self.resends.max(job.resends);
        if !awaits_start(job) || !told {
            self.resend_at = None;
        }
        let since = self.since;
        let end = since.map(|since| since.after(job.end_left_ms));
        let start = since
            .filter(|_| awaits_start(job))
            .and_then(|since| Some(since.after(job.start_left_ms?)));
        self.next_due = [end, start, self.resend_at].into_iter().flatten().min();
    }

    /// Forgets what belonged to another job.
    pub(crate) fn start_over(&mut self) {
        *self = Self::default();
    }

    /// Plans the next resend, now that the delta leaves.
    pub(crate) fn delta_leaves(&mut self, record: &Record, context: &mut Context<'_>) {
        let job = record.job.as_ref();
        let awaits = job.is_some_and(awaits_start);
        // After a crash the watch has forgotten what the record remembers.
        self.resends = self.resends.max(job.map_or(0, |job| job.resends));
        self.resend_at = (awaits && self.resends < context.policy.resends_max).then(|| {
            context
                .now
                .mono
                .after(pause_ms(self.resends, context.policy, (context.random)()))
        });
    }

    /// Tells what has come due, the gravest first.
    pub(crate) fn came(&self, record: &Record, now: Monotonic) -> Came {
        let Some(job) = &record.job else {
            return Came::Nothing;
        };
        let ran = self.since.map_or(0, |since| now.since(since));
        if self.since.is_some() && ran >= job.end_left_ms {
            return Came::End;
        }
        if self.since.is_some()
            && awaits_start(job)
            && job.start_left_ms.is_some_and(|left| ran >= left)
        {
            return Came::Start;
        }
        match self.resend_at {
            Some(at) if at <= now => Came::Resend,
            Some(_) | None => Came::Nothing,
        }
    }

    /// Counts a resend; the next one is planned when the delta leaves.
    pub(crate) const fn resent(&mut self) {
        self.resends = self.resends.saturating_add(1);
        self.resend_at = None;
    }
}

const fn awaits_start(job: &Job) -> bool {
    matches!(job.stage, Stage::Sent { .. })
}

/// While SENT, silence counts only while the device is reachable and may be told again; from RUNNING on it always does
/// (design §5).
const fn timers_run(job: &Job, told: bool) -> bool {
    match job.stage {
        Stage::Queued => false,
        Stage::Sent { .. } => told,
        Stage::Running { .. } => true,
    }
}

/// Doubles from the first pause to the longest, then spreads by a fifth to either side, so that devices that were
/// told together are not told again together.
fn pause_ms(resends: u8, policy: &Policy, random: u128) -> u64 {
    let doubled = policy.resend_first_ms.saturating_mul(1 << resends.min(32));
    let pause = doubled.min(policy.resend_longest_ms);
    let fifth = pause / 5;
    let spread = (random % (u128::from(fifth) * 2 + 1)) as u64;
    pause - fifth + spread
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_to_an_hour_with_a_fifth_of_jitter() {
        let policy = Policy::default();
        for (resends, pause) in [
            (0, 30_000),
            (1, 60_000),
            (6, 1_920_000),
            (7, 3_600_000),
            (200, 3_600_000),
        ] {
            assert_eq!(pause_ms(resends, &policy, 0), pause * 4 / 5);
            let widest = u128::from(pause / 5 * 2);
            assert_eq!(pause_ms(resends, &policy, widest), pause * 6 / 5);
        }
    }
}
