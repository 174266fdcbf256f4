//! What a rollout waits for, as data and as sentences: console and `refit rollout status` print exactly these.

use alloc::string::String;
use alloc::vec;
use core::fmt;
use refit_protocol::time::Timestamp;

use super::Step;
use crate::admit::Rule;

/// One thing that a rollout waits for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Waiting {
    /// An operator starts it.
    Start,
    /// A second person approves it.
    Approval,
    /// Its time comes.
    Schedule,
    /// An operator resumes it.
    Resume,
    /// It is over.
    Nothing,
    /// Devices that something keeps from their job.
    Blocked {
        /// The wave.
        wave: u16,
        /// What keeps them.
        rule: Rule,
        /// How many.
        count: u32,
    },
    /// The pace is used up for the moment.
    Pace {
        /// Jobs a minute.
        per_minute: u32,
    },
    /// As many as may are at work.
    InFlight {
        /// So many.
        max: u32,
    },
    /// More devices of the wave succeed.
    Succeeded {
        /// The wave.
        wave: u16,
        /// So many have,
        have: u32,
        /// so many must.
        need: u32,
    },
    /// More devices of the wave can be reached.
    Quorum {
        /// The wave.
        wave: u16,
        /// So many can,
        have: u32,
        /// so many must.
        need: u32,
    },
    /// The wave is watched for its time.
    Soak {
        /// The wave.
        wave: u16,
    },
    /// The wave has not shown that it is well.
    Evidence {
        /// The wave.
        wave: u16,
        /// What is missing.
        what: String,
    },
    /// An operator opens the next wave.
    Advance {
        /// The wave that would open.
        wave: u16,
    },
    /// Devices end their work.
    Work {
        /// So many.
        open: u32,
    },
    /// Devices come back.
    Away {
        /// So many.
        count: u32,
    },
    /// Devices begin to match.
    Joining,
}

impl fmt::Display for Waiting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Start => f.write_str("an operator has to start it"),
            Self::Approval => f.write_str("a second person has to approve it"),
            Self::Schedule => f.write_str("its time has not come"),
            Self::Resume => f.write_str("it is paused: an operator has to resume it"),
            Self::Nothing => f.write_str("it is over"),
            Self::Blocked { wave, rule, count } => {
                write!(f, "wave {}: {count} devices: {rule}", wave + 1)
            }
            Self::Pace { per_minute } => write!(f, "its pace of {per_minute} a minute is used up"),
            Self::InFlight { max } => write!(f, "{max} devices are at work, as many as may be"),
            Self::Succeeded { wave, have, need } => {
                write!(
                    f,
                    "wave {}: {have} devices have succeeded, {need} have to",
                    wave + 1
                )
            }
            Self::Quorum { wave, have, need } => {
                write!(
                    f,
                    "wave {}: {have} devices can be reached, {need} have to",
                    wave + 1
                )
            }
            Self::Soak { wave } => write!(f, "wave {} is watched for its soak time", wave + 1),
            Self::Evidence { wave, what } => {
                write!(f, "wave {} has not shown that it is well: {what}", wave + 1)
            }
            Self::Advance { wave } => write!(f, "an operator has to open wave {}", wave + 1),
            Self::Work { open } => write!(f, "{open} devices are at work"),
            Self::Away { count } => write!(f, "{count} devices are away"),
            Self::Joining => {
                f.write_str("devices may join until an operator or its schedule ends it")
            }
        }
    }
}

pub(super) fn one(why: Waiting, until: Option<Timestamp>) -> Step {
    Step::Wait {
        why: vec![why],
        until,
    }
}
