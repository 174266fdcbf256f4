//! What happened, as one number for all and as lines for one device.

use crate::clock::Millis;

/// The trace of a run.
#[derive(Debug)]
pub(crate) struct Trace {
    hash: u64,
    follows: Option<usize>,
}

impl Trace {
    /// Begins a trace that prints what happens to one device, if one is given.
    pub(crate) const fn new(follows: Option<usize>) -> Self {
        Self {
            hash: 0xcbf2_9ce4_8422_2325,
            follows,
        }
    }

    /// Returns the number: the same for the same history, and for no other that is likely to be met.
    pub(crate) const fn hash(&self) -> u64 {
        self.hash
    }

    /// Mixes a number in.
    pub(crate) const fn mix(&mut self, number: u64) {
        self.hash = (self.hash ^ number)
            .wrapping_mul(0x9e37_79b9_7f4a_7c15)
            .rotate_left(23);
    }

    /// Mixes bytes in.
    pub(crate) fn mix_bytes(&mut self, bytes: &[u8]) {
        for chunk in bytes.chunks(8) {
            let mut word = [0; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            self.mix(u64::from_le_bytes(word));
        }
        self.mix(bytes.len() as u64);
    }

    /// Prints a line if it is about the device that is followed.
    pub(crate) fn say(&self, now: Millis, device: usize, line: impl FnOnce() -> String) {
        if self.follows == Some(device) {
            let (seconds, millis) = (now / 1000, now % 1000);
            println!("{seconds:>8}.{millis:03} d{device} {}", line());
        }
    }
}
