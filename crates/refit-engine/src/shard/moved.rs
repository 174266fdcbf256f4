//! Which devices came, went or changed: numbers, for whoever looks again at those that concern it.

use refit_store::store::DeviceKey;

use super::live::RowHint;

/// The devices that moved, if somebody listens: one write each, and nothing otherwise.
#[derive(Default)]
pub(super) struct Moved {
    listens: bool,
    keys: Vec<DeviceKey>,
}

impl Moved {
    pub(super) const fn new(listens: bool) -> Self {
        Self {
            listens,
            keys: Vec::new(),
        }
    }

    pub(super) fn note(&mut self, row: RowHint) {
        if self.listens {
            self.keys.extend(row.key());
        }
    }

    pub(super) fn take(&mut self) -> Vec<DeviceKey> {
        std::mem::take(&mut self.keys)
    }
}
