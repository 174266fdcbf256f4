//! The planner: what happens next to a rollout, or what it waits for. Start here.
//!
//! A step is made from one snapshot by plain code, and committed only if the rollout's row still is the one that the
//! snapshot was of. So it may be made anywhere, by two servers at once, and again after a crash.

mod ahead;
mod stop;
mod view;
mod waiting;

use alloc::vec::Vec;
use refit_protocol::rollout::RolloutId;
use refit_protocol::time::{Now, Timestamp};

pub use self::view::{Blocked, WaveView};
pub use self::waiting::Waiting;
use crate::describe;
use crate::gate::{Settings, Verdict};
use crate::outage::Silence;
use crate::plan::Plan;
use crate::state::{Because, Members, RolloutState, Status};
use crate::tally::Tally;

/// The most jobs of one step: a slice that the writer commits within 50 ms.
pub const SLICE_JOBS_MAX: u32 = 2_000;

/// A rollout as it stands.
#[derive(Clone, Copy, Debug)]
pub struct Snapshot<'a> {
    /// Which one.
    pub id: RolloutId,
    /// What it was asked for.
    pub plan: &'a Plan,
    /// Where it stands.
    pub state: &'a RolloutState,
    /// Its waves, one for each of the state's; none before it begins.
    pub waves: &'a [WaveView],
    /// Whom its selector finds: before it begins all, afterwards those of its waves and the newcomers.
    pub members: Members,
    /// How many of its devices may be at work: jobs that are not released (semantics 8).
    pub in_flight: u32,
    /// Who is silent in the fleet.
    pub silence: Silence,
    /// What the health gate says of the wave that is under way.
    pub health: &'a Health,
}

/// What the health gate says of a wave.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Health {
    /// The plan has no gate.
    #[default]
    Off,
    /// It is shown that the updated devices are not worse off.
    GoOn,
    /// There is not enough evidence; this is missing.
    Wait(alloc::string::String),
    /// There was not, for as long as the gate waits; this is missing.
    Insufficient(alloc::string::String),
    /// They are worse off, in this.
    Stop(alloc::string::String),
}

impl Health {
    /// Returns what a gate's verdict means to the planner.
    pub fn of(verdict: &Verdict, settings: &Settings) -> Self {
        let said = describe::gate(verdict, settings).unwrap_or_default();
        match verdict {
            Verdict::GoOn => Self::GoOn,
            Verdict::Wait { .. } => Self::Wait(said),
            Verdict::Insufficient { .. } => Self::Insufficient(said),
            Verdict::Stop { .. } => Self::Stop(said),
        }
    }
}

/// What happens next.
#[derive(Clone, Debug, PartialEq)]
pub enum Step {
    /// Freeze the members and begin.
    Begin,
    /// Open the next wave.
    OpenWave {
        /// Which.
        wave: u16,
    },
    /// Open jobs for devices of an open wave.
    Open {
        /// Which.
        wave: u16,
        /// No more than this.
        at_most: u32,
    },
    /// Enough of a wave have succeeded: watch them.
    Soak {
        /// Which.
        wave: u16,
    },
    /// A wave is through.
    CloseWave {
        /// Which.
        wave: u16,
    },
    /// Open no more jobs until an operator says so.
    Pause(Because),
    /// Take back what has not begun, for good.
    Abort(Because),
    /// It is over.
    Finish {
        /// How many devices were never reached.
        unreached: u32,
    },
    /// Nothing, because of these.
    Wait {
        /// What it waits for; never empty.
        why: Vec<Waiting>,
        /// When to look again even if nothing happens.
        until: Option<Timestamp>,
    },
}

impl Snapshot<'_> {
    /// Returns how many jobs a minute may be opened now; `None`: any number.
    pub fn per_minute(&self) -> Option<u32> {
        let succeeded = self.all().succeeded();
        self.state
            .pace_of(self.plan)
            .map(|pace| pace.after(succeeded))
    }

    /// Returns the jobs of all waves.
    pub fn all(&self) -> Tally {
        self.waves
            .iter()
            .fold(Tally::default(), |all, wave| all.plus(&wave.tally))
    }
}

/// Returns what happens next.
pub fn step(snapshot: &Snapshot<'_>, now: Now) -> Step {
    let now = now.wall;
    match &snapshot.state.status {
        Status::Draft => waiting::one(Waiting::Start, None),
        Status::AwaitingApproval { .. } => waiting::one(Waiting::Approval, None),
        Status::Scheduled { at } if now >= (*at).into() => Step::Begin,
        Status::Scheduled { at } => waiting::one(Waiting::Schedule, Some((*at).into())),
        Status::Paused { .. } => {
            stop::while_paused(snapshot).unwrap_or_else(|| waiting::one(Waiting::Resume, None))
        }
        Status::Aborted { .. } | Status::Finished { .. } => waiting::one(Waiting::Nothing, None),
        Status::Running { .. } => {
            stop::while_running(snapshot, now).unwrap_or_else(|| ahead::ahead(snapshot, now))
        }
    }
}
