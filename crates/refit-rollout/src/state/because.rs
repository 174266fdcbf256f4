//! Why a rollout stopped: the rule, the value and the line that it crossed, as data and as a sentence.

use alloc::format;
use alloc::string::String;
use core::fmt;
use refit_protocol::measure::Share;
use serde::{Deserialize, Serialize};

use crate::state::Members;
use crate::threshold::Crossed;

/// Why a rollout paused or aborted.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(
    tag = "rule",
    rename_all = "kebab-case",
    rename_all_fields = "camelCase"
)]
pub enum Because {
    /// A person said so.
    Operator {
        /// In these words.
        reason: Option<String>,
    },
    /// The store was restored: what devices report comes first (semantics 22).
    Restored,
    /// Too many did not succeed.
    Threshold(Crossed),
    /// Devices that were not touched went silent as well (semantics 10).
    Outage {
        /// So many of them are silent,
        quiet: u32,
        /// of so many.
        of: u32,
    },
    /// Devices cannot get the bytes (semantics 10).
    Delivery {
        /// So many could not,
        count: u32,
        /// of so many jobs.
        of: u32,
    },
    /// The updated devices are worse off than those that were not (semantics 12).
    Health {
        /// The wave.
        wave: u16,
        /// What is worse.
        what: String,
    },
    /// There was no evidence that they are not, for as long as the plan waits.
    Evidence {
        /// The wave.
        wave: u16,
        /// What is missing.
        what: String,
    },
    /// The wave cannot reach its share of success any more.
    OutOfReach {
        /// The wave.
        wave: u16,
        /// So many can still succeed,
        possible: u32,
        /// and so many would have to.
        needed: u32,
    },
    /// More devices match than when it began or was approved (semantics 14).
    Grew {
        /// Those it had.
        from: Members,
        /// Those it has.
        to: Members,
    },
}

impl Because {
    /// Returns the stable name of the rule.
    pub const fn rule(&self) -> &'static str {
        match self {
            Self::Operator { .. } => "operator",
            Self::Restored => "restored",
            Self::Threshold(_) => "threshold",
            Self::Outage { .. } => "outage",
            Self::Delivery { .. } => "delivery",
            Self::Health { .. } => "health",
            Self::Evidence { .. } => "evidence",
            Self::OutOfReach { .. } => "out-of-reach",
            Self::Grew { .. } => "grew",
        }
    }
}

impl fmt::Display for Because {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Operator { reason: None } => f.write_str("an operator said so"),
            Self::Operator {
                reason: Some(reason),
            } => write!(f, "an operator said: {reason}"),
            Self::Restored => {
                f.write_str("the store was restored; resume it when devices have reported")
            }
            Self::Threshold(crossed) => threshold(f, crossed),
            Self::Outage { quiet, of } => write!(
                f,
                "an outage is suspected: {quiet} of {of} devices that were not touched are silent"
            ),
            Self::Delivery { count, of } => write!(
                f,
                "{count} of {of} devices could not download: check the depot, the release is not to blame"
            ),
            Self::Health { wave, what } => write!(
                f,
                "wave {} is worse off than the hold-out: {what}",
                wave + 1
            ),
            Self::Evidence { wave, what } => {
                write!(f, "wave {} has not shown that it is well: {what}", wave + 1)
            }
            Self::OutOfReach {
                wave,
                possible,
                needed,
            } => write!(
                f,
                "wave {} cannot succeed any more: {possible} of its devices can, {needed} have to",
                wave + 1
            ),
            Self::Grew { from, to } => write!(
                f,
                "{} devices match, and {} did when it began: look at them, and approve or resume it",
                to.count, from.count
            ),
        }
    }
}

fn threshold(f: &mut fmt::Formatter<'_>, crossed: &Crossed) -> fmt::Result {
    let line = &crossed.threshold;
    let scope = crossed
        .wave
        .map_or_else(String::new, |wave| format!(" in wave {}", wave + 1));
    for (at, cause) in line.of.iter().enumerate() {
        write!(f, "{}{}", if at == 0 { "" } else { ", " }, cause.as_str())?;
    }
    let share = Share::of(crossed.count, crossed.of);
    write!(
        f,
        ": {} of {} ended so{scope} ({share}",
        crossed.count, crossed.of
    )?;
    match (line.share, line.count, line.first) {
        (Some(limit), ..) => write!(f, ", more than {limit})"),
        (None, Some(count), Some(first)) => write!(f, ", the line is {count} of {first})"),
        (None, Some(count), None) => write!(f, ", the line is {count})"),
        (None, None, _) => f.write_str(")"),
    }
}
