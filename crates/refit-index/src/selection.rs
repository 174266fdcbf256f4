//! The devices that were meant, by their keys.

use crate::bits::{Bits, DEVICES};

/// The keys of some devices, in their order: half a kilobyte for each 4096 keys among which there is one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Selection {
    /// Chunks by their number, none empty.
    chunks: Vec<(u64, Bits)>,
}

impl Selection {
    /// Adds a chunk, whose number is greater than those before.
    pub(crate) fn push(&mut self, number: u64, bits: Bits) {
        if !bits.is_empty() {
            self.chunks.push((number, bits));
        }
    }

    /// Returns how many there are.
    pub fn len(&self) -> u64 {
        self.chunks
            .iter()
            .map(|(_, bits)| bits.count() as u64)
            .sum()
    }

    /// Tells whether there is none.
    pub const fn is_empty(&self) -> bool {
        self.chunks.is_empty()
    }

    /// Tells whether the device with this key is one of them.
    pub fn has(&self, key: u64) -> bool {
        let (number, slot) = place(key);
        let found = self
            .chunks
            .binary_search_by_key(&number, |(number, _)| *number);
        found
            .ok()
            .and_then(|at| self.chunks.get(at))
            .is_some_and(|(_, bits)| bits.get(slot))
    }

    /// Returns the keys in their order.
    pub fn keys(&self) -> impl Iterator<Item = u64> + '_ {
        self.chunks
            .iter()
            .flat_map(|(number, bits)| keys(*number, bits))
    }
}

/// Returns the chunk of a key and its slot there.
pub(crate) const fn place(key: u64) -> (u64, usize) {
    (key / DEVICES as u64, key as usize % DEVICES)
}

pub(crate) fn keys(number: u64, bits: &Bits) -> impl Iterator<Item = u64> + '_ {
    bits.slots()
        .map(move |slot| number * DEVICES as u64 + slot as u64)
}
