//! What the index takes, counted by what is held and not by what the allocator rounds it up to.

use crate::bits::DEVICES;
use crate::chunk::Chunk;
use crate::codes::Codes;
use crate::index::{FIXED_COLUMNS, Index};

/// Bytes by what they are for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Memory {
    /// What every device has: state, moments, model, software, place in draws, and where its ID stands.
    pub columns: usize,
    /// The texts of the IDs.
    pub ids: usize,
    /// Tags and attributes.
    pub labels: usize,
    /// Distinct values and their counts, and lists.
    pub values: usize,
}

impl Index {
    /// Counts what it takes.
    pub fn memory(&self) -> Memory {
        let mut memory = Memory::default();
        for chunk in self.chunks.values() {
            let (fixed, labels) = chunk.codes.split_at(chunk.codes.len().min(FIXED_COLUMNS));
            // Flags, and four words: place, two moments, and where the ID stands.
            memory.columns += size_of::<Chunk>() + DEVICES * (1 + 4 * 4);
            memory.columns += fixed.iter().map(Codes::bytes).sum::<usize>();
            memory.ids += chunk.ids.bytes_of_text();
            memory.labels += labels.iter().map(Codes::bytes).sum::<usize>();
        }
        memory.values = self
            .columns
            .iter()
            .map(|column| column.dictionary.bytes())
            .sum::<usize>()
            + self
                .lists
                .values()
                .map(crate::list::List::bytes)
                .sum::<usize>();
        memory
    }
}
