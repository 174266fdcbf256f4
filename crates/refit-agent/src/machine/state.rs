//! What the machine knows. A phase carries what is true in it, and only then.

use super::effect::{Facts, Progress, Saying, Update};
use crate::job::{Delta, Finished, Grant, Release, Wanted};
use refit_protocol::digest::Digest;
use refit_protocol::job::JobId;
use refit_protocol::time::Monotonic;

/// The whole state of the agent.
#[derive(Clone, Debug, PartialEq)]
pub struct State {
    /// What the operator allows; it never changes while the agent runs.
    pub policy: Policy,
    /// What outlives a job.
    pub memory: Memory,
    /// The digest of what runs, by the installer's word.
    pub running: Option<Digest>,
    /// What it is doing.
    pub phase: Phase,
    /// The newest delta that came when it could not be begun. It is lost with the process: the subscription of the
    /// next one brings it again.
    pub waiting: Option<Delta>,
    /// Whether the server can be reached.
    pub link: Link,
    /// The facts to report, and those that were accepted.
    pub facts: Reported,
    /// The other state that was last handed to the operator's command, so that a resent delta runs nothing twice.
    pub applied: Option<String>,
    /// Where tokens and jitter come from.
    pub chance: Chance,
}

/// What the operator allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Policy {
    /// Whether software may be installed whose digest nobody promised.
    pub allow_unverified: bool,
    /// The longest artifact that is fetched, in bytes.
    pub length_max: u64,
}

/// What outlives a job, and the process.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Memory {
    /// The release that was last confirmed, if it is what runs.
    pub installed: Option<Release>,
    /// The last job that ended here: the same delta again is answered in the same way.
    pub last: Option<Finished>,
}

/// What the agent is doing.
#[derive(Clone, Debug, PartialEq)]
pub enum Phase {
    /// Nothing.
    Idle,
    /// Bringing the bytes here.
    Fetching(Run, Wanted, Download),
    /// Writing them beside what runs.
    Writing(Run, Release, Tries),
    /// Written; waiting for an answer to RUNNING that is fresh enough (semantics 38).
    Fenced(Run, Release),
    /// Past the point of no return: making the release the one that runs.
    Switching(Run, Trial),
    /// It runs; its health is being checked.
    Checking(Run, Trial),
    /// It is healthy; making the switch final.
    Confirming(Run, Trial),
    /// It is not; going back to what ran before.
    GoingBack(Run, Trial, Retreat),
    /// The end is said, and not answered yet. `memory.last` has it.
    Reporting(Letter),
}

impl Phase {
    /// Returns the job that is being carried out, if there is one.
    pub const fn run(&self) -> Option<&Run> {
        match self {
            Self::Fetching(run, ..)
            | Self::Writing(run, ..)
            | Self::Fenced(run, _)
            | Self::Switching(run, _)
            | Self::Checking(run, _)
            | Self::Confirming(run, _)
            | Self::GoingBack(run, ..) => Some(run),
            Self::Idle | Self::Reporting(_) => None,
        }
    }

    /// The same, to change the talk about it.
    pub const fn run_mut(&mut self) -> Option<&mut Run> {
        match self {
            Self::Fetching(run, ..)
            | Self::Writing(run, ..)
            | Self::Fenced(run, _)
            | Self::Switching(run, _)
            | Self::Checking(run, _)
            | Self::Confirming(run, _)
            | Self::GoingBack(run, ..) => Some(run),
            Self::Idle | Self::Reporting(_) => None,
        }
    }
}

/// A job that is being carried out, and the talk about it.
#[derive(Clone, Debug, PartialEq)]
pub struct Run {
    /// The job.
    pub job: JobId,
    /// Whether the server agreed that it is carried out.
    pub fence: Fence,
    /// The RUNNING that is not answered yet.
    pub letter: Option<Letter>,
    /// What was last said of the progress, and when.
    pub said: Option<(Progress, Monotonic)>,
    /// What there is to say.
    pub progress: Progress,
}

impl Run {
    /// Begins to talk about a job.
    pub const fn new(job: JobId, progress: Progress) -> Self {
        Self {
            job,
            fence: Fence::Unheard,
            letter: None,
            said: None,
            progress,
        }
    }
}

/// The server's word on a job: the last answer to its RUNNING.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fence {
    /// None since the agent started.
    Unheard,
    /// `accepted`, then, on this connection.
    Agreed {
        /// When the answer came.
        at: Monotonic,
        /// The number of the connection that brought it.
        connection: u64,
    },
    /// 409: the job is not wanted any more.
    Withdrawn,
}

/// How a download goes.
#[derive(Clone, Debug, PartialEq)]
pub struct Download {
    /// The newest grant; none after a restart, or when the last one was refused.
    pub grant: Option<Grant>,
    /// Whether bytes are coming, or what for it waits.
    pub going: Going,
    /// Tries in a row that brought nothing.
    pub barren: u8,
    /// Times that the bytes were wrong.
    pub wrong: u8,
    /// Times that a fresh grant was asked for.
    pub asked: u8,
}

/// What a download does now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Going {
    /// Bytes are coming.
    On,
    /// It tries again at this time.
    Again(Monotonic),
    /// It waits for a fresh grant, and asks again at this time.
    Asking(Monotonic),
    /// It is not connected, and waits for the delta that subscribing brings.
    Hoping,
}

/// How often the process died, or was stopped, in one stage.
pub type Tries = u8;

/// A release on trial.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trial {
    /// The release.
    pub release: Release,
    /// What ran before it, and is gone back to.
    pub former: Option<Digest>,
    /// How often this stage was begun anew.
    pub tries: Tries,
}

/// The way back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Retreat {
    /// Why.
    pub reason: String,
    /// When the next try is due; `None` while one is under way.
    pub again: Option<Monotonic>,
}

/// An update on its way: repeated, word for word, until it is answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Letter {
    /// The update.
    pub update: Update,
    /// How often it was sent on this connection.
    pub sent: u8,
    /// When it is sent again, if the link is up by then.
    pub again: Monotonic,
}

impl Letter {
    /// Tells whether it says the end of this job.
    pub fn ends(&self, job: &JobId) -> bool {
        matches!(&self.update.saying, Saying::Ended(ended, _) if ended == job)
    }
}

/// Whether the server can be reached.
#[derive(Clone, Debug, PartialEq)]
pub enum Link {
    /// It cannot. So many connections there were.
    Down(u64),
    /// It can.
    Up {
        /// The number of this connection.
        connection: u64,
        /// The highest version of the record that a delta on this connection had: an older one is of no interest.
        newest: u64,
    },
}

/// The facts to report.
#[derive(Clone, Debug, PartialEq)]
pub struct Reported {
    /// What is true now.
    pub facts: Facts,
    /// Whether the server knows.
    pub known: Known,
}

/// Whether the server knows the facts.
#[expect(clippy::large_enum_variant, reason = "an agent has one of these")]
#[derive(Clone, Debug, PartialEq)]
pub enum Known {
    /// It was not told.
    No,
    /// It was told, and did not answer yet.
    Told(Letter),
    /// It answered.
    Yes,
}

/// The source of tokens and jitter: a seed, and how often it was used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Chance {
    /// Different for every start of the agent.
    pub seed: u64,
    /// How many numbers were drawn.
    pub drawn: u64,
}

impl Chance {
    /// Draws a number (splitmix64: good enough for jitter and tokens; nothing here is a secret).
    pub const fn draw(&mut self) -> u64 {
        self.drawn += 1;
        let z = self
            .seed
            .wrapping_add(self.drawn.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Draws a number below `end`; 0 if `end` is 0.
    pub fn below(&mut self, end: u64) -> u64 {
        self.draw().checked_rem(end).unwrap_or(0)
    }

    /// Draws a token that no other update of this device has.
    pub fn token(&mut self) -> String {
        let number = self.drawn;
        format!("{:016x}-{number}", self.draw())
    }
}
