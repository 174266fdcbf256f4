//! A wave of a plan: how far it reaches, and what must be true before the next one opens.

use alloc::string::String;
use refit_protocol::measure::{Share, Span};
use serde::{Deserialize, Serialize};

/// One wave.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Wave {
    /// What people call it. None: its number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// How far the rollout has come when this wave is through. With neither this nor `select`: everyone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub up_to: Option<UpTo>,
    /// Who is in it: those of the rollout that match this selector and are in no earlier wave.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub select: Option<String>,
    /// What must be true before the next one opens.
    #[serde(default, skip_serializing_if = "super::is_default")]
    pub go_on: GoOn,
}

/// How far a rollout has come at the end of a wave: earlier waves are part of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum UpTo {
    /// This share of the eligible devices.
    Share(Share),
    /// This many devices.
    Count(u32),
}

impl UpTo {
    /// Returns it as a number of devices, of so many that are eligible.
    pub fn of(self, eligible: u32) -> u32 {
        match self {
            Self::Share(share) => share.at_least(eligible),
            Self::Count(count) => count.min(eligible),
        }
    }
}

/// What must be true of a wave before the next one opens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct GoOn {
    /// Which share of its devices that can be reached has succeeded.
    pub succeeded: Share,
    /// Which share of its devices can be reached, or has ended, at the least.
    pub quorum: Share,
    /// How many have succeeded at the least; a smaller wave needs all.
    pub floor: u32,
    /// How long it then still watches them.
    pub soak: Span,
    /// Whether an operator has to open the next one.
    #[serde(skip_serializing_if = "super::is_default")]
    pub manual: bool,
}

impl Default for GoOn {
    fn default() -> Self {
        Self {
            succeeded: Share::percent(90),
            quorum: Share::percent(50),
            floor: 1,
            soak: Span::seconds(0),
            manual: false,
        }
    }
}

/// Devices that are kept back for comparison: drawn by hash before the first wave, of each kind its share.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct HoldOut {
    /// Which share of the eligible devices.
    pub share: Share,
    /// At most this many.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at_most: Option<u32>,
}
