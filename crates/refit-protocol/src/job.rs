//! The words about jobs: IDs, what a device says of one, and the states one can be in. The rules are the replica's.

use crate::limits::{JOB_ID_BYTES_MAX, REASON_BYTES_MAX};
use alloc::string::String;
use alloc::sync::Arc;
use core::fmt;

/// The globally unique ID of a job: opaque, 1 to 64 of `A-Z a-z 0-9 -` (semantics 34).
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct JobId(Arc<str>);

impl JobId {
    /// Reads a job ID; `None` if it is not one.
    pub fn parse(text: &str) -> Option<Self> {
        let valid = (1..=JOB_ID_BYTES_MAX).contains(&text.len())
            && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
        valid.then(|| Self(Arc::from(text)))
    }

    /// Makes the ID of a new job from the store's epoch and 80 random bits. The epoch in it keeps IDs from
    /// repeating after a restore.
    pub fn new(epoch: u16, random: u128) -> Self {
        const DIGITS: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";
        let mut text = alloc::format!("{epoch}-");
        for place in 0..16 {
            text.push(char::from(DIGITS[(random >> (5 * place)) as usize & 31]));
        }
        Self(Arc::from(text))
    }

    /// Returns the ID as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for JobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

impl fmt::Display for JobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What a device says of its job.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Saying {
    /// It is at work.
    Running,
    /// It runs the software of the job.
    Success,
    /// It tried, and does not.
    Failure,
    /// It will not try.
    Rejected,
}

impl Saying {
    /// Reads the word of the wire, which is in capitals.
    pub fn parse(text: &str) -> Option<Self> {
        Some(match text {
            "RUNNING" => Self::Running,
            "SUCCESS" => Self::Success,
            "FAILURE" => Self::Failure,
            "REJECTED" => Self::Rejected,
            _ => return None,
        })
    }
}

/// The state of a job: `QUEUED → SENT → RUNNING →` one of six ends (design §5).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Status {
    /// Opened; the device was not told yet.
    Queued,
    /// The delta left for the device.
    Sent,
    /// The device said that it is at work.
    Running,
    /// The device runs the software of the job.
    Succeeded,
    /// The device tried and failed.
    Failed,
    /// The device will not try.
    Rejected,
    /// A timer ran out: the device did not start, or has gone dark.
    TimedOut,
    /// An operator ended it, or took the wish back.
    Cancelled,
    /// Another desired software took its place.
    Superseded,
}

impl Status {
    /// All states, in their order.
    pub const ALL: [Self; 9] = [
        Self::Queued,
        Self::Sent,
        Self::Running,
        Self::Succeeded,
        Self::Failed,
        Self::Rejected,
        Self::TimedOut,
        Self::Cancelled,
        Self::Superseded,
    ];

    /// Returns the word of the wire, the API and the console.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "QUEUED",
            Self::Sent => "SENT",
            Self::Running => "RUNNING",
            Self::Succeeded => "SUCCEEDED",
            Self::Failed => "FAILED",
            Self::Rejected => "REJECTED",
            Self::TimedOut => "TIMED_OUT",
            Self::Cancelled => "CANCELLED",
            Self::Superseded => "SUPERSEDED",
        }
    }

    /// Reads such a word.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.as_str() == text)
    }

    /// Tells whether a job in this state has ended.
    pub const fn is_final(self) -> bool {
        !matches!(self, Self::Queued | Self::Sent | Self::Running)
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// How far a device says it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// What it is doing, in its own word.
    pub phase: Option<String>,
    /// How much of that is done, 0 to 100.
    pub percent: Option<u8>,
}

/// Cuts a reason to [`REASON_BYTES_MAX`] at a character: a failure is too important to refuse for its length.
pub fn cut_reason(mut reason: String) -> String {
    if reason.len() > REASON_BYTES_MAX {
        let end = reason.floor_char_boundary(REASON_BYTES_MAX);
        reason.truncate(end);
    }
    reason
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_of_their_alphabet_and_carry_the_epoch() {
        assert_eq!(JobId::new(3, 0).as_str(), "3-aaaaaaaaaaaaaaaa");
        assert_ne!(JobId::new(3, 1), JobId::new(3, 1 << 79));
        assert!(JobId::parse(JobId::new(u16::MAX, u128::MAX).as_str()).is_some());
        for bad in ["", "a b", "a/b", "é", &"x".repeat(65)] {
            assert!(JobId::parse(bad).is_none(), "{bad}");
        }
    }

    #[test]
    fn statuses_read_back_what_they_write() {
        for status in Status::ALL {
            assert_eq!(Status::parse(status.as_str()), Some(status));
        }
    }

    #[test]
    fn a_long_reason_is_cut_at_a_character() {
        let cut = cut_reason("é".repeat(1000));
        assert!(cut.len() <= REASON_BYTES_MAX && cut.chars().all(|c| c == 'é'));
    }
}
