//! The checkers: one file for each thing that must always hold, and the first breach that any of them found.

pub(crate) mod acknowledged_is_durable;
pub(crate) mod boots_verified;
pub(crate) mod converges;
pub(crate) mod delta_waits;
pub(crate) mod few_messages;
pub(crate) mod job_is_its_own;
pub(crate) mod why_names;

use std::collections::BTreeMap;
use std::fmt;

use acknowledged_is_durable::Acknowledged;

/// Something that must always hold, and did not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Breach {
    /// The checker that found it.
    pub checker: &'static str,
    /// What it found.
    pub found: String,
}

impl fmt::Display for Breach {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.checker, self.found)
    }
}

/// What the checkers keep.
#[derive(Default)]
pub(crate) struct Checks {
    pub(crate) first: Option<Breach>,
    acknowledged: BTreeMap<usize, Acknowledged>,
    /// The place of the newest job that each device was sent.
    told: BTreeMap<usize, usize>,
    asked: BTreeMap<usize, u64>,
    sent: BTreeMap<usize, u64>,
    /// How many deltas with a job left for each device.
    commands: BTreeMap<usize, u64>,
}

impl Checks {
    /// Returns how many deltas with a job left for a device.
    pub(crate) fn commands(&self, device: usize) -> u64 {
        self.commands.get(&device).copied().unwrap_or(0)
    }

    /// Notes a breach; the first one counts.
    pub(crate) fn breach(&mut self, checker: &'static str, found: String) {
        self.first.get_or_insert(Breach { checker, found });
    }

    /// Notes what a checker found, if it found something.
    pub(crate) fn found(&mut self, checker: &'static str, found: Result<(), String>) {
        if let Err(found) = found {
            self.breach(checker, found);
        }
    }
}
