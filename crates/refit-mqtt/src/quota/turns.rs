//! How often one device may speak: the bucket of [`refit_tls::pace`], in four bytes, because each connection has one.
//!
//! Kept is not what is left, but when the bucket will be full again, in milliseconds since the endpoint started. That
//! goes round after 49 days: somebody who was silent for just as long may find a bucket that is not full.

use std::cell::Cell;

use refit_tls::pace::Pace;

/// The turns of one connection.
#[derive(Debug, Default)]
pub(crate) struct Turns {
    full_at: Cell<u32>,
}

impl Turns {
    /// Takes a turn, if there is one.
    pub(crate) fn take(&self, pace: Pace, now_ms: u64) -> bool {
        let now = now_ms as u32;
        let each = (1000 / pace.per_s.get()).max(1);
        let owed = self.full_at.get().wrapping_sub(now);
        let full = each.saturating_mul(pace.burst.get());
        // More than a bucket is never owed: then that moment lies in the past, however long ago.
        let owed = if owed > full { 0 } else { owed };
        if owed > full - each {
            return false;
        }
        self.full_at.set(now.wrapping_add(owed + each));
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_at_once_and_then_its_pace_also_when_the_clock_goes_round() {
        let pace = Pace {
            per_s: 10.try_into().unwrap(),
            burst: 3.try_into().unwrap(),
        };
        let last = u32::MAX - 50;
        for (start, full_at) in [
            (0, 0),
            (5000, 0),
            (3 << 30, 0),
            (u64::from(last), last),
            (1 << 40, 0),
        ] {
            let turns = Turns {
                full_at: Cell::new(full_at),
            };
            let taken = |after: u64| turns.take(pace, start + after);
            assert_eq!([0; 4].map(taken), [true, true, true, false]);
            assert_eq!([99, 100, 101].map(taken), [false, true, false]);
            assert_eq!([9000; 4].map(taken), [true, true, true, false]);
        }
    }
}
