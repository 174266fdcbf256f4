//! Where a rollout stands: everything that is kept of it but its plan, its members and its jobs.
//!
//! ```text
//! DRAFT ─start─▶ AWAITING_APPROVAL ─approve─▶ SCHEDULED ─begin─▶ RUNNING ─▶ FINISHED
//!                                                          pause ▼ ▲ resume
//!                                                              PAUSED           any but FINISHED ─abort─▶ ABORTED
//! ```
//! What operators may do is in `state/act.rs`, what the planner does in `state/follow.rs`.

mod act;
mod because;
mod follow;

use alloc::string::String;
use alloc::vec::Vec;
use serde::{Deserialize, Serialize};

pub use self::act::{Act, Refusal, Scene, Toll};
pub use self::because::Because;
use crate::cluster::Group;
use crate::pace::{Bucket, Pace};
use crate::plan::{Millis, Plan};
use crate::tally::Tally;

/// Where a rollout stands.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RolloutState {
    /// What it is doing.
    pub status: Status,
    /// Its waves, one for each of [`Plan::all_waves`]; empty until it begins.
    #[serde(default)]
    pub waves: Vec<WaveState>,
    /// What is left of its pace.
    #[serde(default)]
    pub bucket: Option<Bucket>,
    /// The pace that an operator gave it since; it takes the place of the plan's.
    #[serde(default)]
    pub pace: Option<Pace>,
    /// Who gets no more jobs.
    #[serde(default)]
    pub excluded: Vec<Exclusion>,
    /// Whose failures were forgiven, and when.
    #[serde(default)]
    pub retried: Vec<Retried>,
    /// Who started it.
    #[serde(default)]
    pub started_by: Option<String>,
    /// Whether a second person has to approve it.
    #[serde(default)]
    pub needs_approval: bool,
    /// Who approved what.
    #[serde(default)]
    pub approvals: Vec<Approval>,
    /// The members that it began with, or that were last approved.
    #[serde(default)]
    pub members: Option<Members>,
    /// The counts when it was last resumed, one for each wave: thresholds count from there. What an operator has seen and
    /// accepted must not stop it again at once.
    #[serde(default)]
    pub seen: Vec<Tally>,
}

/// What a rollout is doing.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(
    tag = "is",
    rename_all = "SCREAMING_SNAKE_CASE",
    rename_all_fields = "camelCase"
)]
pub enum Status {
    /// It can be edited, and does nothing.
    #[default]
    Draft,
    /// A second person has to agree.
    AwaitingApproval {
        /// Since when.
        since: Millis,
    },
    /// It begins then.
    Scheduled {
        /// Not before this.
        at: Millis,
    },
    /// It opens jobs.
    Running {
        /// Since when; a resumed one runs anew.
        since: Millis,
    },
    /// It opens none until an operator says so. Jobs that are open go on.
    Paused {
        /// Why.
        because: Because,
        /// Since when.
        since: Millis,
        /// Who; `None`: it stopped by itself.
        by: Option<String>,
    },
    /// It is over: what had not begun was taken back.
    Aborted {
        /// Why.
        because: Because,
        /// Since when.
        since: Millis,
        /// Who; `None`: it stopped by itself.
        by: Option<String>,
    },
    /// It is over.
    Finished {
        /// Since when.
        since: Millis,
        /// How many devices were never reached.
        unreached: u32,
    },
}

impl Status {
    /// Returns the word of API, CLI and console.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Draft => "DRAFT",
            Self::AwaitingApproval { .. } => "AWAITING_APPROVAL",
            Self::Scheduled { .. } => "SCHEDULED",
            Self::Running { .. } => "RUNNING",
            Self::Paused { .. } => "PAUSED",
            Self::Aborted { .. } => "ABORTED",
            Self::Finished { .. } => "FINISHED",
        }
    }

    /// Returns why it stopped, if it did.
    pub const fn because(&self) -> Option<&Because> {
        match self {
            Self::Paused { because, .. } | Self::Aborted { because, .. } => Some(because),
            _ => None,
        }
    }

    /// Tells whether nothing more can happen to it.
    pub const fn is_over(&self) -> bool {
        matches!(self, Self::Aborted { .. } | Self::Finished { .. })
    }
}

/// How far a wave is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "lowercase", rename_all_fields = "camelCase")]
pub enum WaveState {
    /// Its turn has not come.
    #[default]
    Waiting,
    /// Its devices get their jobs.
    Open {
        /// Since when.
        since: Millis,
    },
    /// Enough have succeeded; they are watched.
    Soaking {
        /// Since when.
        since: Millis,
    },
    /// The next one may open. Those of its devices that come late still get their job.
    Done {
        /// Since when.
        since: Millis,
    },
}

impl WaveState {
    /// Tells whether its devices may get jobs.
    pub const fn is_open(self) -> bool {
        !matches!(self, Self::Waiting)
    }
}

/// A group of devices that gets no more jobs of this rollout.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Exclusion {
    /// Which.
    pub group: Group,
    /// Why.
    pub reason: String,
    /// Who said so.
    pub by: String,
    /// When.
    pub at: Millis,
}

/// An operator's word that those who failed until then get one more try.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Retried {
    /// Which of them; `None`: all.
    pub group: Option<Group>,
    /// When: a job that ended before this is forgiven.
    pub at: Millis,
}

/// A second person's agreement.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Approval {
    /// Who.
    pub by: String,
    /// When.
    pub at: Millis,
    /// Of which members.
    pub members: Members,
}

/// A set of devices, as far as it takes to see that it is another one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Members {
    /// How many.
    pub count: u32,
    /// The exclusive or of their hashes ([`crate::waves::place`]): the same for the same set in any order.
    pub digest: u64,
}

impl Members {
    /// Tells whether this set has grown from `before` by more than a tenth (semantics 14).
    pub const fn outgrew(self, before: Self) -> bool {
        self.count as u64 * 10 > before.count as u64 * 11
    }
}

impl RolloutState {
    /// Returns the pace that holds now.
    pub fn pace_of(&self, plan: &Plan) -> Option<Pace> {
        self.pace.or(plan.pace)
    }

    /// Returns how far a wave is; one that is not known waits.
    pub fn wave(&self, wave: u16) -> WaveState {
        self.waves
            .get(usize::from(wave))
            .copied()
            .unwrap_or_default()
    }

    /// Returns the wave that is under way, or was last: the newest that is open.
    pub fn current(&self) -> Option<u16> {
        let open = self.waves.iter().rposition(|wave| wave.is_open())?;
        u16::try_from(open).ok()
    }

    /// Returns the first wave whose turn has not come.
    pub fn next_wave(&self) -> Option<u16> {
        let waiting = self.waves.iter().position(|wave| !wave.is_open())?;
        u16::try_from(waiting).ok()
    }

    /// Returns the counts at which thresholds begin for a wave.
    pub fn seen(&self, wave: usize) -> Tally {
        self.seen.get(wave).copied().unwrap_or_default()
    }

    /// Returns why a device with these facts was excluded, if it was.
    pub fn exclusion(&self, device: &Group) -> Option<&Exclusion> {
        self.excluded
            .iter()
            .find(|exclusion| exclusion.group.has(device))
    }

    /// Tells whether an operator forgave this device's failure.
    pub fn forgiven(&self, device: &Group, ended: Millis) -> bool {
        self.retried.iter().any(|retried| {
            ended < retried.at && retried.group.as_ref().is_none_or(|group| group.has(device))
        })
    }
}
