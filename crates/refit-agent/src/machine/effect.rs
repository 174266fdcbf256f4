//! What the machine wants done. Effects are carried out in their order, and one at a time.

use crate::job::{Grant, Outcome, Release, Wanted};
use crate::journal::Entry;
use refit_protocol::digest::Digest;
use refit_protocol::job::JobId;

/// One thing to do.
#[derive(Clone, Debug, PartialEq)]
pub enum Effect {
    /// Makes this durable before anything that follows is done. If that fails, nothing that follows may be done.
    Journal(Box<Entry>),
    /// Starts a download, going on where an earlier one of the same bytes stopped. It answers `Fetched`.
    Fetch {
        /// For this job.
        job: JobId,
        /// From this URL.
        grant: Grant,
        /// Of these bytes.
        wanted: Wanted,
    },
    /// Stops the download, if one runs. It need not answer.
    StopFetch,
    /// Writes a release that was fetched beside what runs. It answers `Written`.
    Write(JobId, Release),
    /// Makes a written release the one that runs. It answers `Switched`.
    Switch(JobId, Release),
    /// Runs the health command of a release. It answers `Checked`.
    Check(JobId, Release),
    /// Makes the switch final, and forgets what is not needed any more. It answers `Confirmed`.
    Confirm {
        /// For this job.
        job: JobId,
        /// What runs from now on.
        to: Digest,
        /// What ran before, and is kept.
        former: Option<Digest>,
    },
    /// Goes back to what ran before. It answers `WentBack`.
    GoBack {
        /// For this job.
        job: JobId,
        /// What is given up.
        from: Digest,
        /// What ran before; `None` if nothing did.
        to: Option<Digest>,
    },
    /// Publishes on `update`.
    Publish(Update),
    /// Publishes on `get`: the delta comes again, with a fresh grant.
    Ask,
    /// Hands other differing state to the operator's own command, as JSON.
    ApplyState(String),
}

/// A message to `update`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Update {
    /// Echoed in the answer; the same when the update is repeated.
    pub token: String,
    /// What it says.
    pub saying: Saying,
}

/// What the agent says of itself and its job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Saying {
    /// At work, and how far.
    Running(JobId, Progress),
    /// Done, or not.
    Ended(JobId, Outcome),
    /// Facts about the device; and the release it runs, when no job is open.
    Facts(Facts, Option<Release>),
}

/// What the agent is doing for a job, and how much of it is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// What it is doing.
    pub stage: &'static str,
    /// How much of that is done, if that is known.
    pub percent: Option<u8>,
}

/// Facts about the device; all but the last change only when the agent starts anew.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Facts {
    /// The version of the agent.
    pub agent: String,
    /// What identifies this boot of the device.
    pub boot: String,
    /// The number of the trust bundle, if it has an identity.
    pub trust: Option<u64>,
}
