//! One thing that stands between a device and its job: as data while jobs are opened, as a sentence for a person.

use alloc::string::String;
use core::fmt;
use refit_protocol::grant::Strength;
use refit_protocol::rollout::RolloutName;
use refit_protocol::time::Timestamp;

use super::{LeftOut, Rule};
use crate::budget::Full;
use crate::state::Because;
use crate::tally::Kind;

/// Who knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// Refit's own records.
    Server,
    /// What the device last said of itself.
    Device,
}

/// One thing that stands between a device and its job. Its `Display` is a sentence without a full stop.
#[derive(Clone, Debug, PartialEq)]
pub enum Blocker {
    /// It is held, for this.
    Held(String),
    /// A freeze is over it.
    Frozen,
    /// It is pinned to this.
    Pinned(String),
    /// This application decides about it.
    Direct(String),
    /// This rollout of that higher priority decides about it.
    Priority(RolloutName, i32),
    /// This newer rollout decides about it.
    Newer(RolloutName),
    /// The selector does not find it.
    NotSelected,
    /// It was found, and could not be taken in.
    LeftOut(LeftOut),
    /// Its group was excluded, for this.
    Excluded(String),
    /// This wave, which it is in, is not open.
    WaveNotOpen(u16),
    /// The rollout has not begun, and begins then.
    NotBegun(Option<Timestamp>),
    /// The rollout is paused.
    Paused(Because),
    /// The rollout is over.
    Over,
    /// Its tries are used up.
    Ended {
        /// How the last one ended.
        kind: Kind,
        /// How many there were.
        tries: u8,
    },
    /// Its next try comes then.
    BackOff(Timestamp),
    /// The software failed on it as often as it may.
    Capped,
    /// The release does not fit it, since.
    Unfit(String),
    /// What it runs is not known.
    FirstContact,
    /// It has a later version.
    Downgrade,
    /// No release leads on.
    NoWay,
    /// The release was withdrawn.
    Withdrawn,
    /// Its grant cannot be bound as the plan wants.
    Grant {
        /// What it can be bound to.
        can: Strength,
        /// What it must be bound to.
        must: Strength,
    },
    /// Its window is closed until then; `None`: it never opens.
    Closed(Option<Timestamp>),
    /// A budget has no room.
    Budget(Full),
    /// It is away since then.
    Offline(Option<Timestamp>),
}

impl Blocker {
    /// Returns the rule.
    pub const fn rule(&self) -> Rule {
        match self {
            Self::Held(_) => Rule::Held,
            Self::Frozen => Rule::Frozen,
            Self::Pinned(_) => Rule::Pinned,
            Self::Direct(_) => Rule::Direct,
            Self::Priority(..) => Rule::Priority,
            Self::Newer(_) => Rule::Newer,
            Self::NotSelected => Rule::NotSelected,
            Self::LeftOut(_) => Rule::LeftOut,
            Self::Excluded(_) => Rule::Excluded,
            Self::WaveNotOpen(_) => Rule::WaveNotOpen,
            Self::NotBegun(_) => Rule::NotBegun,
            Self::Paused(_) => Rule::Paused,
            Self::Over => Rule::Over,
            Self::Ended { .. } => Rule::Ended,
            Self::BackOff(_) => Rule::BackOff,
            Self::Capped => Rule::Capped,
            Self::Unfit(_) => Rule::Unfit,
            Self::FirstContact => Rule::FirstContact,
            Self::Downgrade => Rule::Downgrade,
            Self::NoWay => Rule::NoWay,
            Self::Withdrawn => Rule::Withdrawn,
            Self::Grant { .. } => Rule::Grant,
            Self::Closed(_) => Rule::Window,
            Self::Budget(_) => Rule::Budget,
            Self::Offline(_) => Rule::Offline,
        }
    }

    /// Returns who knows it: what a device last said can be out of date.
    pub const fn source(&self) -> Source {
        match self {
            Self::FirstContact | Self::Downgrade | Self::NoWay | Self::Unfit(_) => Source::Device,
            _ => Source::Server,
        }
    }

    /// Tells whether a rollout waits for it to go away. What else stands in the way is for a person to judge, and the
    /// device is out of the rollout's hands until then: one pinned device must not keep a wave open for ever.
    pub const fn passes(&self) -> bool {
        matches!(
            self,
            Self::Frozen
                | Self::Direct(_)
                | Self::Priority(..)
                | Self::WaveNotOpen(_)
                | Self::NotBegun(_)
                | Self::Paused(_)
                | Self::BackOff(_)
                | Self::FirstContact
                | Self::Closed(Some(_))
                | Self::Budget(_)
                | Self::Offline(_)
        )
    }

    /// Returns when it goes away by itself, if that is known.
    pub const fn until(&self) -> Option<Timestamp> {
        match self {
            Self::BackOff(until) => Some(*until),
            Self::NotBegun(until) | Self::Closed(until) => *until,
            _ => None,
        }
    }
}

impl fmt::Display for Blocker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Held(why) => write!(f, "it is held: {why}"),
            Self::Frozen => f.write_str("a freeze is over it: lift it with `refit freeze --lift`"),
            Self::Pinned(to) => write!(f, "it is pinned to {to}"),
            Self::Direct(application) => write!(
                f,
                "the application {application} decides about its software"
            ),
            Self::Priority(name, priority) => {
                write!(f, "the rollout {name} has the higher priority, {priority}")
            }
            Self::Newer(name) => write!(f, "the rollout {name} is newer"),
            Self::NotSelected => {
                f.write_str("the selector does not find it, or did not when the rollout began")
            }
            Self::LeftOut(why) => write!(f, "it was left out when the rollout began: {why}"),
            Self::Excluded(why) => write!(f, "an operator excluded devices like it: {why}"),
            Self::WaveNotOpen(wave) => {
                write!(f, "it is in wave {}, which is not open yet", wave + 1)
            }
            Self::NotBegun(_) => f.write_str("the rollout has not begun"),
            Self::Paused(because) => write!(f, "the rollout is paused: {because}"),
            Self::Over => f.write_str("the rollout is over"),
            Self::Ended { kind, tries } => write!(
                f,
                "its {tries}. try, the last, ended as {}: try again with `refit rollout retry`",
                kind.as_str()
            ),
            Self::BackOff(_) => f.write_str("its next try comes later"),
            Self::Capped => f.write_str(
                "this software failed on it as often as it may: free it with `refit device retry`",
            ),
            Self::Unfit(why) => write!(f, "the release does not fit it: {why}"),
            Self::FirstContact => f.write_str("it has not said what it runs"),
            Self::Downgrade => {
                f.write_str("it has a later version, and the plan does not permit to go back")
            }
            Self::NoWay => {
                f.write_str("no release that it can install leads to the one of the plan")
            }
            Self::Withdrawn => f.write_str("the release was withdrawn"),
            Self::Grant { can, must } => write!(
                f,
                "its download can be bound to {}, and the plan wants {} at the least",
                can.as_str(),
                must.as_str()
            ),
            Self::Closed(Some(_)) => f.write_str("its window is closed"),
            Self::Closed(None) => f.write_str("its window never opens"),
            Self::Budget(full) => write!(
                f,
                "{} of {} = {} are at work, and no more than {} may be",
                full.at_work,
                full.label,
                if full.value.is_empty() {
                    "(none)"
                } else {
                    &full.value
                },
                full.limit
            ),
            Self::Offline(_) => f.write_str("it is away"),
        }
    }
}

impl fmt::Display for LeftOut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::UpdatesOff => "its updates were switched off",
            Self::Retired => "it was retired",
            Self::Incompatible => "the release did not fit it",
            Self::Held => "it was held",
            Self::Downgrade => "it had a later version",
            Self::NoWay => "no release that it could install led on",
            Self::Unknown => "what it ran was not known",
        })
    }
}
