//! What a store counts of itself, for metrics: written by its threads without a lock, read as a snapshot.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

/// How many bounds a histogram has.
const BOUNDS: usize = 24;

/// The upper bounds of the buckets of a duration, in microseconds; the last bucket is all that is longer. They are
/// close where a commit is expected to lie, so that a quantile is known to half a millisecond.
pub const DURATION_BOUNDS_US: [u64; BOUNDS] = [
    100, 250, 500, 700, 1_000, 1_500, 2_000, 2_500, 3_000, 3_500, 4_000, 4_500, 5_000, 6_000,
    7_000, 8_000, 10_000, 15_000, 25_000, 50_000, 100_000, 250_000, 500_000, 1_000_000,
];

/// The upper bounds of the buckets of a size; the last bucket is all that is larger.
pub const SIZE_BOUNDS: [u64; BOUNDS] = [
    1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512, 768, 1_024, 1_536,
    2_048, 3_072, 4_096,
];

/// A snapshot of what was counted since the store was opened.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Transactions that became durable.
    pub commits: u64,
    /// Operations that were applied.
    pub applied: u64,
    /// Operations that met a conflict or no device.
    pub refused: u64,
    /// Transactions that found no room.
    pub full: u64,
    /// Operations that wait to be written.
    pub waiting: u64,
    /// How long a transaction took, from its first statement to its durable end, in microseconds.
    pub commit_us: Histogram,
    /// How many operations a transaction had.
    pub batch: Histogram,
    /// Passes of the checkpointer.
    pub passes: u64,
    /// How long the writer stood still to start the log anew, in microseconds.
    pub restart_us: Histogram,
    /// The length of the write-ahead log, in bytes, as of the last pass.
    pub wal_bytes: u64,
}

/// How often a value fell into which bucket.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Histogram {
    /// Values at most as large as the bound of the same index, and larger than the one before; then the rest.
    pub buckets: [u64; BOUNDS + 1],
    /// All values together.
    pub sum: u64,
    /// The largest value.
    pub max: u64,
}

impl Histogram {
    /// Returns how many values there were.
    pub fn count(&self) -> u64 {
        self.buckets.iter().sum()
    }
}

/// The counters themselves.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) commits: AtomicU64,
    pub(crate) applied: AtomicU64,
    pub(crate) refused: AtomicU64,
    pub(crate) full: AtomicU64,
    pub(crate) waiting: AtomicU64,
    pub(crate) commit_us: Buckets,
    pub(crate) batch: Buckets,
    pub(crate) passes: AtomicU64,
    pub(crate) restart_us: Buckets,
    pub(crate) wal_bytes: AtomicU64,
}

impl Counters {
    pub(crate) fn snapshot(&self) -> Stats {
        Stats {
            commits: self.commits.load(Relaxed),
            applied: self.applied.load(Relaxed),
            refused: self.refused.load(Relaxed),
            full: self.full.load(Relaxed),
            waiting: self.waiting.load(Relaxed),
            commit_us: self.commit_us.snapshot(),
            batch: self.batch.snapshot(),
            passes: self.passes.load(Relaxed),
            restart_us: self.restart_us.snapshot(),
            wal_bytes: self.wal_bytes.load(Relaxed),
        }
    }
}

/// A histogram that is written to.
#[derive(Debug, Default)]
pub(crate) struct Buckets {
    buckets: [AtomicU64; BOUNDS + 1],
    sum: AtomicU64,
    max: AtomicU64,
}

impl Buckets {
    pub(crate) fn duration(&self, duration: Duration) {
        let micros = u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
        self.note(micros, &DURATION_BOUNDS_US);
    }

    pub(crate) fn size(&self, size: usize) {
        self.note(size as u64, &SIZE_BOUNDS);
    }

    fn note(&self, value: u64, bounds: &[u64; BOUNDS]) {
        let bucket = bounds.partition_point(|bound| *bound < value);
        self.buckets[bucket].fetch_add(1, Relaxed);
        self.sum.fetch_add(value, Relaxed);
        self.max.fetch_max(value, Relaxed);
    }

    fn snapshot(&self) -> Histogram {
        Histogram {
            buckets: std::array::from_fn(|bucket| self.buckets[bucket].load(Relaxed)),
            sum: self.sum.load(Relaxed),
            max: self.max.load(Relaxed),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_falls_into_the_first_bucket_that_holds_it() {
        let sizes = Buckets::default();
        for size in [0, 1, 2, 3, 4_096, 4_097] {
            sizes.size(size);
        }
        let seen = sizes.snapshot();
        assert_eq!(seen.buckets[..4], [2, 1, 1, 0]);
        assert_eq!(seen.buckets[BOUNDS - 1..], [1, 1]);
        assert_eq!((seen.count(), seen.max), (6, 4_097));
    }
}
