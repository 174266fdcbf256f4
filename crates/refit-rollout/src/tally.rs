//! How the jobs of a wave stand, as counts: every figure of a rollout is read from these (design §9.6).

use refit_protocol::job::Status;
use serde::{Deserialize, Serialize};

use crate::plan::Cause;

/// What a job counts as. Finer than its status: silence has two kinds, and what happened after the end has two more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// Opened, the device was not told yet.
    Queued,
    /// The device was told.
    Sent,
    /// The device is at work.
    Running,
    /// The device runs the release.
    Succeeded,
    /// It ran the release before its turn came.
    AlreadyThere,
    /// The device tried and failed.
    Failed,
    /// The device could not get the bytes: our fault, not the release's (semantics 10).
    Delivery,
    /// The device would not try.
    Rejected,
    /// A timer ran out before it was at work.
    TimedOut,
    /// A timer ran out while it was at work.
    GoneDark,
    /// An operator ended it.
    Cancelled,
    /// Another desired software took its place.
    Superseded,
    /// It had ended otherwise, and the device runs the release after all (semantics 9).
    LateSuccess,
    /// The device succeeded and fell back (design §5).
    Reverted,
}

impl Kind {
    /// All of them, in their order.
    pub const ALL: [Self; 14] = [
        Self::Queued,
        Self::Sent,
        Self::Running,
        Self::Succeeded,
        Self::AlreadyThere,
        Self::Failed,
        Self::Delivery,
        Self::Rejected,
        Self::TimedOut,
        Self::GoneDark,
        Self::Cancelled,
        Self::Superseded,
        Self::LateSuccess,
        Self::Reverted,
    ];

    /// Returns the word of API, console and store.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Sent => "sent",
            Self::Running => "running",
            Self::Succeeded => "succeeded",
            Self::AlreadyThere => "already-there",
            Self::Failed => "failed",
            Self::Delivery => "delivery",
            Self::Rejected => "rejected",
            Self::TimedOut => "timed-out",
            Self::GoneDark => "gone-dark",
            Self::Cancelled => "cancelled",
            Self::Superseded => "superseded",
            Self::LateSuccess => "late-success",
            Self::Reverted => "reverted",
        }
    }

    /// Reads such a word.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text)
    }

    /// Returns the kind of a job by its status alone; `ran` tells whether it was ever at work.
    pub const fn of(status: Status, ran: bool) -> Self {
        match status {
            Status::Queued => Self::Queued,
            Status::Sent => Self::Sent,
            Status::Running => Self::Running,
            Status::Succeeded => Self::Succeeded,
            Status::Failed => Self::Failed,
            Status::Rejected => Self::Rejected,
            Status::TimedOut if ran => Self::GoneDark,
            Status::TimedOut => Self::TimedOut,
            Status::Cancelled => Self::Cancelled,
            Status::Superseded => Self::Superseded,
        }
    }

    /// Returns what thresholds count it as, if they do.
    pub const fn cause(self) -> Option<Cause> {
        match self {
            Self::Failed => Some(Cause::Failed),
            Self::Rejected => Some(Cause::Rejected),
            Self::TimedOut => Some(Cause::TimedOut),
            Self::GoneDark => Some(Cause::GoneDark),
            Self::Reverted => Some(Cause::Reverted),
            Self::Queued
            | Self::Sent
            | Self::Running
            | Self::Succeeded
            | Self::AlreadyThere
            | Self::Delivery
            | Self::Cancelled
            | Self::Superseded
            | Self::LateSuccess => None,
        }
    }

    /// Tells whether a device with this newest job runs the release.
    pub const fn is_success(self) -> bool {
        matches!(
            self,
            Self::Succeeded | Self::AlreadyThere | Self::LateSuccess
        )
    }

    /// Tells whether the job is still open.
    pub const fn is_open(self) -> bool {
        matches!(self, Self::Queued | Self::Sent | Self::Running)
    }
}

/// How many jobs are of each kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Tally([u32; Kind::ALL.len()]);

impl Tally {
    /// Returns how many are of this kind.
    pub fn get(&self, kind: Kind) -> u32 {
        self.0.get(kind as usize).copied().unwrap_or_default()
    }

    /// Counts so many more of a kind.
    pub fn add(&mut self, kind: Kind, more: u32) {
        if let Some(count) = self.0.get_mut(kind as usize) {
            *count = count.saturating_add(more);
        }
    }

    /// Moves one job from a kind to another.
    pub fn turn(&mut self, from: Kind, to: Kind) {
        if let Some(count) = self.0.get_mut(from as usize) {
            debug_assert!(*count > 0, "a job that was never counted leaves {from:?}");
            *count = count.saturating_sub(1);
        }
        self.add(to, 1);
    }

    /// Returns the sum over the kinds that fit.
    pub fn sum(&self, fits: impl Fn(Kind) -> bool) -> u32 {
        Kind::ALL
            .into_iter()
            .filter(|kind| fits(*kind))
            .fold(0, |all: u32, kind| all.saturating_add(self.get(kind)))
    }

    /// Returns how many jobs there are.
    pub fn jobs(&self) -> u32 {
        self.sum(|_| true)
    }

    /// Returns how many are open.
    pub fn open(&self) -> u32 {
        self.sum(Kind::is_open)
    }

    /// Returns how many devices run the release.
    pub fn succeeded(&self) -> u32 {
        self.sum(Kind::is_success)
    }

    /// Returns how many ended for one of these causes.
    pub fn ended_by(&self, causes: &[Cause]) -> u32 {
        self.sum(|kind| kind.cause().is_some_and(|cause| causes.contains(&cause)))
    }

    /// Returns how many have ended in a way that says something of the release: not those that we or others ended, and
    /// not those that never got the bytes.
    pub fn ended(&self) -> u32 {
        self.sum(|kind| kind.is_success() || kind.cause().is_some())
    }

    /// Returns both together.
    #[must_use]
    pub fn plus(mut self, other: &Self) -> Self {
        for (count, more) in self.0.iter_mut().zip(other.0) {
            *count = count.saturating_add(more);
        }
        self
    }

    /// Returns what has come since `earlier`. A kind that shrank since then counts as none.
    #[must_use]
    pub fn since(mut self, earlier: &Self) -> Self {
        for (count, less) in self.0.iter_mut().zip(earlier.0) {
            *count = count.saturating_sub(less);
        }
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_has_its_place_and_its_word() {
        for (at, kind) in Kind::ALL.into_iter().enumerate() {
            assert_eq!(kind as usize, at);
            assert_eq!(Kind::parse(kind.as_str()), Some(kind));
        }
    }

    #[test]
    fn a_late_success_leaves_the_failures() {
        let mut tally = Tally::default();
        tally.add(Kind::TimedOut, 2);
        tally.turn(Kind::TimedOut, Kind::LateSuccess);
        assert_eq!(
            (
                tally.ended_by(&Cause::ALL),
                tally.succeeded(),
                tally.ended()
            ),
            (1, 1, 2)
        );
    }

    #[test]
    fn delivery_and_cancelled_jobs_say_nothing_of_the_release() {
        let mut tally = Tally::default();
        for kind in [
            Kind::Delivery,
            Kind::Cancelled,
            Kind::Superseded,
            Kind::Running,
        ] {
            tally.add(kind, 3);
        }
        assert_eq!((tally.ended(), tally.open(), tally.jobs()), (0, 3, 12));
    }
}
