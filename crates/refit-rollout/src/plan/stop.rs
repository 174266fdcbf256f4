//! When a rollout stops by itself, and when a device is tried again.

use alloc::vec;
use alloc::vec::Vec;
use refit_protocol::measure::{Share, Span};
use serde::{Deserialize, Serialize};

/// A way in which a device did not succeed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Cause {
    /// The device tried and failed.
    Failed,
    /// The device would not try.
    Rejected,
    /// It did not begin or end in time, and was never at work.
    TimedOut,
    /// It began, and was not heard of again.
    GoneDark,
    /// It succeeded and fell back.
    Reverted,
}

impl Cause {
    /// All of them.
    pub const ALL: [Self; 5] = [
        Self::Failed,
        Self::Rejected,
        Self::TimedOut,
        Self::GoneDark,
        Self::Reverted,
    ];

    /// Returns the word of plans.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Failed => "failed",
            Self::Rejected => "rejected",
            Self::TimedOut => "timed-out",
            Self::GoneDark => "gone-dark",
            Self::Reverted => "reverted",
        }
    }
}

/// A line that may not be crossed: either a share after a minimum count, or a count.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Threshold {
    /// What is counted, together.
    pub of: Vec<Cause>,
    /// Stops when more than this share ended so,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub share: Option<Share>,
    /// once this many have ended: with few, one failure is a large share. Default 100.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<u32>,
    /// Stops when this many ended so,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub count: Option<u32>,
    /// of the first so many, or as often as that would be of more. None: however many have ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first: Option<u32>,
    /// What happens then.
    #[serde(default)]
    pub then: Then,
}

/// What a threshold does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Then {
    /// Opens no more jobs until an operator says so.
    #[default]
    Pause,
    /// Takes back what has not begun.
    Abort,
}

impl Threshold {
    /// How many must have ended before a share says something (semantics 11).
    pub const AFTER: u32 = 100;

    /// Returns the line at a share, after the usual minimum count.
    pub fn share(of: &[Cause], share: Share) -> Self {
        Self {
            of: of.to_vec(),
            share: Some(share),
            after: None,
            count: None,
            first: None,
            then: Then::Pause,
        }
    }

    /// Returns the line at a count among the first so many.
    pub fn early(of: &[Cause], count: u32, first: u32) -> Self {
        Self {
            of: of.to_vec(),
            share: None,
            after: None,
            count: Some(count),
            first: Some(first),
            then: Then::Pause,
        }
    }

    /// Returns the two lines that `--max-failed` means: the share, and a fast stop before it counts.
    pub fn max_failed(share: Share) -> Vec<Self> {
        vec![
            Self::early(&Cause::ALL, 5, 20),
            Self::share(&Cause::ALL, share),
        ]
    }
}

/// Returns the lines of a plan that names none: 5 of the first 20, or more than 5 % after 100 (semantics 11).
pub fn default_thresholds() -> Vec<Threshold> {
    Threshold::max_failed(Share::percent(5))
}

/// What follows a job without success.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Retry {
    /// How often a device is tried again.
    pub times: u8,
    /// How long after the first failure; each next time twice as long.
    pub back_off: Span,
    /// After which ends.
    pub after: Vec<Cause>,
}

impl Default for Retry {
    fn default() -> Self {
        Self {
            times: 0,
            back_off: Span::minutes(10),
            after: vec![Cause::Failed, Cause::TimedOut],
        }
    }
}

impl Retry {
    /// The longest back-off: a day.
    const BACK_OFF_MAX: Span = Span::hours(24);

    /// Returns how long after the end of try number `attempt` (from 0) the next one begins; `None`: there is none.
    pub fn next(&self, cause: Cause, attempt: u8) -> Option<Span> {
        (attempt < self.times && self.after.contains(&cause)).then(|| {
            let doubled = u64::from(self.back_off.as_seconds()) << attempt.min(31);
            Span::seconds(doubled.min(u64::from(Self::BACK_OFF_MAX.as_seconds())) as u32)
        })
    }
}
