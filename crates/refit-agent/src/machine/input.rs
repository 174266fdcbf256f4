//! What can happen to the machine.

use crate::job::{Delta, Release};
use refit_protocol::job::JobId;

/// One thing that happened. What cannot be, in the state that it meets, is ignored there by name.
#[derive(Clone, Debug, PartialEq)]
pub enum Input {
    /// The link is up, and the device has subscribed.
    Connected,
    /// The link is down.
    Disconnected,
    /// A delta came.
    Delta(Delta),
    /// `accepted` came.
    Accepted(Answer),
    /// `rejected` came.
    Rejected(Answer, Refusal),
    /// Work for a job went on or ended.
    Work(JobId, Work),
    /// The device trusts the bundle with this number from now on.
    Trust(u64),
    /// A deadline of [`next_due`](super::next_due) may have come.
    Tick,
}

/// What an answer says of the update that it answers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Answer {
    /// The token of the update, if it is one of ours.
    pub token: Option<String>,
}

/// Why an update was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The code, as in HTTP.
    pub code: u16,
    /// Why, for a person.
    pub message: String,
}

/// News from the hands that do the work.
#[derive(Clone, Debug, PartialEq)]
pub enum Work {
    /// So much of the download is here, in percent.
    Progress(u8),
    /// The download ended: verified, durable, and known by its digest; or not.
    Fetched(Result<Release, FetchFailure>),
    /// The installer wrote the release beside what runs, durably; or not.
    Written(Result<(), String>),
    /// The installer made the release the one that runs; or not.
    Switched(Result<(), String>),
    /// The health command ended.
    Checked(Result<(), String>),
    /// The installer made the switch final; or not.
    Confirmed(Result<(), String>),
    /// The installer went back to what ran before; or not.
    WentBack(Result<(), String>),
}

/// Why a download ended early.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FetchFailure {
    /// 400, 401 or 403: the grant is not good any more; stores differ in how they say so.
    Refused,
    /// The network or the store failed: what is here stays, and it is worth another try. `gained` says whether
    /// bytes came.
    Broken {
        /// Whether this try brought anything.
        gained: bool,
        /// How long the store asked to be left alone, in milliseconds.
        wait: u64,
        /// Why, for a person.
        reason: String,
    },
    /// The bytes are not those that were promised; they are gone again.
    Wrong(String),
    /// The device cannot hold them.
    Disk(String),
}
