//! The buffers of a thread, lent to whichever connection has its turn.
//!
//! A buffer is taken away while it is used and put back after: a stream over a stream finds none, and makes its own.

use std::cell::Cell;
use std::ops::{Deref, DerefMut};
use std::thread::LocalKey;

use super::session::UNREAD_BYTES_MAX;

/// Input: what was kept, and 16 KiB more, so that each read has room for a usual packet.
pub(super) const INPUT_BYTES: usize = UNREAD_BYTES_MAX + (16 << 10);

/// A buffer that grew beyond this is not kept.
const OUTPUT_BYTES_MAX: usize = 64 << 10;

thread_local! {
    static INPUT: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
    static OUTPUT: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

/// A borrowed buffer.
pub(super) struct Room {
    bytes: Vec<u8>,
    home: &'static LocalKey<Cell<Vec<u8>>>,
}

impl Room {
    /// Lends the buffer for input: [`INPUT_BYTES`] long, its content is what was there.
    pub(super) fn input() -> Self {
        let mut room = Self::of(&INPUT);
        if room.bytes.len() != INPUT_BYTES {
            room.bytes = vec![0; INPUT_BYTES];
        }
        room
    }

    /// Lends the buffer for output, empty.
    pub(super) fn output() -> Self {
        let mut room = Self::of(&OUTPUT);
        room.bytes.clear();
        room
    }

    fn of(home: &'static LocalKey<Cell<Vec<u8>>>) -> Self {
        // Without a home, when the thread ends, it is a buffer of its own.
        let bytes = home.try_with(Cell::take).unwrap_or_default();
        Self { bytes, home }
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        let bytes = std::mem::take(&mut self.bytes);
        if bytes.capacity() <= OUTPUT_BYTES_MAX {
            // Without a home there is nobody to use it again.
            self.home.try_with(|home| home.set(bytes)).ok();
        }
    }
}

impl Deref for Room {
    type Target = Vec<u8>;

    fn deref(&self) -> &Vec<u8> {
        &self.bytes
    }
}

impl DerefMut for Room {
    fn deref_mut(&mut self) -> &mut Vec<u8> {
        &mut self.bytes
    }
}
