//! The index for one writer and many readers.
//!
//! What holds: a reader sees the fleet as it is between two batches of changes, never within one, and for as long as it reads. The
//! writer waits for readers that are at it, a millisecond or a few; readers that come while it waits come after it. Copies of
//! chunks for each reader (copy on write) were weighed: a busy fleet touches every chunk in each batch, and would copy all.

use crate::index::Index;
use parking_lot::RwLock;

/// An [`Index`] behind a lock.
#[derive(Default)]
pub struct Shared(RwLock<Index>);

impl Shared {
    /// Shares an index.
    pub const fn new(index: Index) -> Self {
        Self(RwLock::new(index))
    }

    /// Asks: everything asked within one call is answered from the same state. Do no I/O in it, since the writer waits.
    pub fn read<T>(&self, ask: impl FnOnce(&Index) -> T) -> T {
        ask(&self.0.read())
    }

    /// Applies the changes of one commit as one.
    pub fn write<T>(&self, change: impl FnOnce(&mut Index) -> T) -> T {
        change(&mut self.0.write())
    }
}
