//! Group commit as data: operations gather while commits are under way, and leave together.

use hashbrown::HashMap;
use refit_protocol::device_id::DeviceId;
use refit_store::store::Operation;

/// How many operations one batch holds.
const BATCH_OPERATIONS_MAX: usize = 256;

/// How many batches are under way at once: one is written while the next one gathers its outcomes' effects.
const BATCHES_IN_FLIGHT_MAX: usize = 2;

#[derive(Default)]
pub(crate) struct Commits {
    gathered: Vec<Operation>,
    in_flight: HashMap<u64, Batch>,
    next_ticket: u64,
    /// How many operations were added, ever.
    decided: u64,
}

/// A batch under way.
struct Batch {
    /// How many operations were added before its first.
    first: u64,
    devices: Vec<DeviceId>,
}

impl Commits {
    pub(crate) fn add(&mut self, operation: Operation) {
        self.gathered.push(operation);
        self.decided += 1;
    }

    /// Returns how many operations were added, ever.
    pub(crate) const fn decided(&self) -> u64 {
        self.decided
    }

    /// Returns how many of the first of these have come back.
    pub(crate) fn settled(&self) -> u64 {
        let under_way = self.in_flight.values().map(|batch| batch.first);
        under_way.min().unwrap_or_else(|| self.first_gathered())
    }

    const fn first_gathered(&self) -> u64 {
        self.decided - self.gathered.len() as u64
    }

    /// Takes the next batch, if there is one and it may leave.
    pub(crate) fn take_batch(&mut self) -> Option<(u64, Vec<Operation>)> {
        if self.gathered.is_empty() || self.in_flight.len() >= BATCHES_IN_FLIGHT_MAX {
            return None;
        }
        let first = self.first_gathered();
        let rest = self
            .gathered
            .split_off(self.gathered.len().min(BATCH_OPERATIONS_MAX));
        let batch = std::mem::replace(&mut self.gathered, rest);
        let ticket = self.next_ticket;
        self.next_ticket += 1;
        let devices = batch
            .iter()
            .map(|operation| operation.device.clone())
            .collect();
        self.in_flight.insert(ticket, Batch { first, devices });
        Some((ticket, batch))
    }

    /// Tells whether nothing gathers and nothing is under way.
    pub(crate) fn is_empty(&self) -> bool {
        self.gathered.is_empty() && self.in_flight.is_empty()
    }

    /// Returns the devices of a batch that came back, in the order of its operations.
    pub(crate) fn came_back(&mut self, ticket: u64) -> Vec<DeviceId> {
        let batch = self.in_flight.remove(&ticket);
        batch.map_or_else(Vec::new, |batch| batch.devices)
    }
}
