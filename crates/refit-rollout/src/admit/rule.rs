//! The names of all that can stand between a device and its job, in order of precedence.

use core::fmt;

/// A rule, by its stable name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Rule {
    /// An operator, or its fall-back, holds it.
    Held,
    /// A freeze is over it.
    Frozen,
    /// It is pinned to a software.
    Pinned,
    /// An application decides about it.
    Direct,
    /// A rollout of higher priority decides about it.
    Priority,
    /// A newer rollout decides about it.
    Newer,
    /// The selector does not find it.
    NotSelected,
    /// It was found, and could not be taken in.
    LeftOut,
    /// Its group was excluded.
    Excluded,
    /// Its wave is not open.
    WaveNotOpen,
    /// The rollout has not begun.
    NotBegun,
    /// The rollout is paused.
    Paused,
    /// The rollout is over.
    Over,
    /// Its tries are used up.
    Ended,
    /// Its next try comes later.
    BackOff,
    /// The software failed on it as often as it may.
    Capped,
    /// The release does not fit it.
    Unfit,
    /// What it runs is not known.
    FirstContact,
    /// It has a later version.
    Downgrade,
    /// No release leads on.
    NoWay,
    /// The release was withdrawn.
    Withdrawn,
    /// Its grant cannot be bound as the plan wants.
    Grant,
    /// Its window is closed.
    Window,
    /// A budget has no room.
    Budget,
    /// It is away.
    Offline,
}

impl Rule {
    /// All of them, in order of precedence.
    pub const ALL: [Self; 25] = [
        Self::Held,
        Self::Frozen,
        Self::Pinned,
        Self::Direct,
        Self::Priority,
        Self::Newer,
        Self::NotSelected,
        Self::LeftOut,
        Self::Excluded,
        Self::WaveNotOpen,
        Self::NotBegun,
        Self::Paused,
        Self::Over,
        Self::Ended,
        Self::BackOff,
        Self::Capped,
        Self::Unfit,
        Self::FirstContact,
        Self::Downgrade,
        Self::NoWay,
        Self::Withdrawn,
        Self::Grant,
        Self::Window,
        Self::Budget,
        Self::Offline,
    ];

    /// Returns its stable name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Held => "held",
            Self::Frozen => "frozen",
            Self::Pinned => "pinned",
            Self::Direct => "direct",
            Self::Priority => "priority",
            Self::Newer => "newer",
            Self::NotSelected => "not-selected",
            Self::LeftOut => "left-out",
            Self::Excluded => "excluded",
            Self::WaveNotOpen => "wave-not-open",
            Self::NotBegun => "not-begun",
            Self::Paused => "paused",
            Self::Over => "over",
            Self::Ended => "ended",
            Self::BackOff => "back-off",
            Self::Capped => "capped",
            Self::Unfit => "unfit",
            Self::FirstContact => "first-contact",
            Self::Downgrade => "downgrade",
            Self::NoWay => "no-way",
            Self::Withdrawn => "withdrawn",
            Self::Grant => "grant",
            Self::Window => "window",
            Self::Budget => "budget",
            Self::Offline => "offline",
        }
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_is_in_order_of_precedence() {
        assert!(Rule::ALL.is_sorted());
        assert_eq!(Rule::Offline as usize + 1, Rule::ALL.len());
    }
}
