//! Uploaded lists of device IDs, each under a name that selectors use.

use std::collections::BTreeSet;

use refit_protocol::device_id::DeviceId;
use refit_protocol::time::Timestamp;

/// How many IDs one list may have: a fleet of a million has room in a few, and one is held in memory while it is read.
pub const LIST_IDS_MAX: usize = 250_000;

/// How many lists there may be: each is asked about every device that comes.
pub const LISTS_MAX: usize = 64;

/// A list to keep.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewList {
    /// Its name, as selectors have it.
    pub name: String,
    /// Its IDs, at most [`LIST_IDS_MAX`].
    pub ids: BTreeSet<DeviceId>,
    /// When it is put.
    pub at: Timestamp,
}

/// What became of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ListOutcome {
    /// It is durable.
    Put {
        /// Whether there was none of that name.
        made: bool,
    },
    /// There are [`LISTS_MAX`] already, or it has too many IDs.
    Full,
}

/// A list, as it is named.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListRow {
    /// Its name.
    pub name: String,
    /// How many IDs it has.
    pub count: u64,
    /// When it was put.
    pub changed: Timestamp,
}
