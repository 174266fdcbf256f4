//! The two clocks that decisions are given: wall time for people, remaining time for timers.

/// Wall-clock time in milliseconds since the Unix epoch, UTC. Shown and recorded; no timer is kept in it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(pub u64);

impl Timestamp {
    /// Returns the milliseconds since the Unix epoch.
    pub const fn as_millis(self) -> u64 {
        self.0
    }
}

/// A point on a clock that never goes back, in milliseconds since the process began. It means nothing after a
/// restart, so only remaining times are stored (semantics 33).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Monotonic(pub u64);

impl Monotonic {
    /// Returns the milliseconds from `earlier` to this point; 0 if it lies ahead.
    pub const fn since(self, earlier: Self) -> u64 {
        self.0.saturating_sub(earlier.0)
    }

    /// Returns the point that lies this many milliseconds ahead.
    pub const fn after(self, millis: u64) -> Self {
        Self(self.0.saturating_add(millis))
    }
}

/// Both clocks, read together by whoever does the I/O.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Now {
    /// What a calendar shows.
    pub wall: Timestamp,
    /// What a stopwatch shows.
    pub mono: Monotonic,
}
