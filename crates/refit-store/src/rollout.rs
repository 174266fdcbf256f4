//! Rollouts, as they are recorded. Plan and state are texts here: what they mean is `refit-rollout`'s.
//!
//! Whoever decides for a rollout decides from one revision of it, and what is decided counts only while that stands:
//! a change names the revision, and so does each operation that opens a job ([`RolloutGuard`]). So nobody needs to be
//! the leader, and from the commit of an abort on no job is opened.

use refit_protocol::job::Status;
use refit_protocol::rollout::{Assignment, RolloutId, RolloutName};
use refit_protocol::time::Timestamp;

use crate::store::DeviceKey;

/// A rollout to record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewRollout {
    /// What people call it; unique for ever.
    pub name: RolloutName,
    /// What the operator wrote.
    pub plan: String,
    /// Where it stands.
    pub state: String,
    /// The word for that.
    pub status: String,
    /// Its waves, as far as they are known.
    pub waves: Vec<Wave>,
    /// When.
    pub at: Timestamp,
}

/// The members of a wave.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wave {
    /// Which wave, from 0.
    pub wave: u16,
    /// How many members.
    pub size: u64,
    /// Their numbers, as a bitmap.
    pub members: Vec<u8>,
}

/// A change of rollouts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RolloutChange {
    /// Makes one.
    Create(NewRollout),
    /// Changes one, if it still is what the change was made from.
    Update {
        /// Which, and its revision.
        from: RolloutGuard,
        /// Where it stands now, and the word for that.
        state: Option<(String, String)>,
        /// What the operator edited.
        plan: Option<String>,
        /// Waves that are new, or have other members now. The others stay.
        waves: Vec<Wave>,
        /// When.
        at: Timestamp,
    },
}

/// What became of a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RolloutOutcome {
    /// It is durable; this is the guard for the next.
    Done(RolloutGuard),
    /// There is, or was, one of this name; nothing changed.
    Taken,
    /// There is none of this ID; nothing changed.
    Missing,
    /// It has moved on, to this revision; nothing changed.
    Conflict(u64),
}

/// A rollout as it was decided from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RolloutGuard {
    /// Which.
    pub id: RolloutId,
    /// The revision that it must still have: it rises by one with each change, whatever that changes.
    pub revision: u64,
}

/// A rollout, as it is recorded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RolloutRow {
    /// Its number.
    pub id: RolloutId,
    /// What people call it.
    pub name: RolloutName,
    /// What the operator wrote.
    pub plan: String,
    /// Where it stands.
    pub state: String,
    /// The word for that.
    pub status: String,
    /// Rises by one with each change.
    pub revision: u64,
    /// When it was made.
    pub created: Timestamp,
    /// When it last changed.
    pub changed: Timestamp,
}

impl RolloutRow {
    /// Returns what a decision made from this row is guarded by.
    pub const fn guard(&self) -> RolloutGuard {
        RolloutGuard {
            id: self.id,
            revision: self.revision,
        }
    }
}

/// As what a job of a rollout is counted. Each job is of one kind, so that kinds add up to jobs; without those that
/// were retried they add up to devices.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum JobKind {
    /// As the state that it is in, unless one of the others says more.
    In(Status),
    /// It had ended otherwise, and then the device succeeded with it (semantics 9).
    LateSuccess,
    /// It had succeeded, and the device fell back from it.
    Reverted,
    /// A later attempt of the same device was opened.
    Retried,
    /// It succeeded at once: the device ran the software before its turn came.
    AlreadyThere,
    /// It timed out while the device was at work.
    GoneDark,
}

impl JobKind {
    /// How many there are.
    pub const COUNT: usize = Status::ALL.len() + 5;

    /// Returns all of them, in the order of their codes.
    pub fn all() -> impl Iterator<Item = Self> {
        let rest = [
            Self::LateSuccess,
            Self::Reverted,
            Self::Retried,
            Self::AlreadyThere,
            Self::GoneDark,
        ];
        Status::ALL.into_iter().map(Self::In).chain(rest)
    }
}

/// How many jobs of one wave are of which kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct KindCounts([u64; JobKind::COUNT]);

impl KindCounts {
    /// Returns how many are of this kind.
    pub fn of(&self, kind: JobKind) -> u64 {
        let at = JobKind::all().position(|known| known == kind);
        at.and_then(|at| self.0.get(at)).copied().unwrap_or(0)
    }

    /// Returns how many jobs there are.
    pub fn jobs(&self) -> u64 {
        self.0.iter().sum()
    }

    /// Returns how many devices have a job.
    pub fn devices(&self) -> u64 {
        self.jobs() - self.of(JobKind::Retried)
    }

    /// Sets how many are of this kind.
    pub fn set(&mut self, kind: JobKind, count: u64) {
        if let Some(at) = JobKind::all().position(|known| known == kind)
            && let Some(slot) = self.0.get_mut(at)
        {
            *slot = count;
        }
    }
}

/// The counts of one wave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WaveCounts {
    /// Which wave.
    pub wave: u16,
    /// Its jobs.
    pub counts: KindCounts,
}

/// A device that a rollout has reached: its newest job there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AssignedRow {
    /// The device.
    pub key: DeviceKey,
    /// Whose job it is.
    pub assignment: Assignment,
    /// As what it is counted.
    pub kind: JobKind,
}

/// Jobs of a rollout that went wrong in the same way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cluster {
    /// How they ended.
    pub kind: JobKind,
    /// What was said of why.
    pub reason: Option<String>,
    /// The software that the devices came from.
    pub previous: Option<String>,
    /// How many.
    pub jobs: u64,
}
