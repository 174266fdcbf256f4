//! How fast: a bucket of tokens that fills with time. It reads no clock.

use std::num::NonZeroU32;
use std::time::Duration;

/// How fast something may happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pace {
    /// So often in each second, in the long run.
    pub per_s: NonZeroU32,
    /// So often at once, after a time of rest.
    pub burst: NonZeroU32,
}

/// How fast private connections are accepted, at each listener: what two cores can do, and a second of that at once.
pub const HANDSHAKES: Pace = Pace {
    per_s: NonZeroU32::MIN.saturating_add(3_999),
    burst: NonZeroU32::MIN.saturating_add(3_999),
};

/// A bucket. A token is a thousand parts, so that each millisecond brings `per_s` of them.
#[derive(Clone, Copy, Debug)]
pub struct Bucket {
    pace: Pace,
    parts: u64,
    filled_ms: u64,
}

const PARTS: u64 = 1000;

impl Bucket {
    /// Makes a full one.
    pub const fn new(pace: Pace, now_ms: u64) -> Self {
        Self {
            pace,
            parts: Self::full(pace),
            filled_ms: now_ms,
        }
    }

    const fn full(pace: Pace) -> u64 {
        pace.burst.get() as u64 * PARTS
    }

    /// Tells whether nothing was taken for so long that it is full again.
    pub fn is_full(&self, now_ms: u64) -> bool {
        let passed = now_ms.saturating_sub(self.filled_ms);
        let came = passed.saturating_mul(u64::from(self.pace.per_s.get()));
        self.parts.saturating_add(came) >= Self::full(self.pace)
    }

    /// Returns how many tokens there were after the last take, and how long it is from then until it is full.
    pub const fn left(&self) -> (u64, Duration) {
        let missing = Self::full(self.pace).saturating_sub(self.parts);
        let until_full = missing.div_ceil(self.pace.per_s.get() as u64);
        (self.parts / PARTS, Duration::from_millis(until_full))
    }

    /// Takes a token, or says how long it is until there is one.
    pub fn take(&mut self, now_ms: u64) -> Result<(), Duration> {
        let passed = now_ms.saturating_sub(self.filled_ms);
        let per_s = u64::from(self.pace.per_s.get());
        self.filled_ms = self.filled_ms.max(now_ms);
        self.parts = passed
            .saturating_mul(per_s)
            .saturating_add(self.parts)
            .min(Self::full(self.pace));
        match self.parts.checked_sub(PARTS) {
            Some(rest) => {
                self.parts = rest;
                Ok(())
            }
            None => {
                let missing = PARTS - self.parts;
                Err(Duration::from_millis(missing.div_ceil(per_s)))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn pace(per_s: u32, burst: u32) -> Pace {
        Pace {
            per_s: per_s.try_into().unwrap(),
            burst: burst.try_into().unwrap(),
        }
    }

    #[test]
    fn a_burst_at_once_and_then_its_pace() {
        let mut bucket = Bucket::new(pace(10, 3), 5000);
        assert_eq!(bucket.left(), (3, Duration::ZERO));
        assert!((0..3).all(|_| bucket.take(5000).is_ok()));
        assert_eq!(bucket.left(), (0, Duration::from_millis(300)));
        assert_eq!(bucket.take(5000), Err(Duration::from_millis(100)));
        assert_eq!(bucket.take(5099), Err(Duration::from_millis(1)));
        assert_eq!(bucket.take(5100), Ok(()));
        // A clock that goes back gives nothing, and takes nothing.
        assert_eq!(bucket.take(100), Err(Duration::from_millis(100)));
        assert!((0..3).all(|_| bucket.take(90_000).is_ok()));
        assert!(bucket.take(90_000).is_err());
    }

    proptest! {
        #[test]
        fn never_more_than_burst_and_pace_and_no_longer_than_it_says(
            per_s in 1u32..5000,
            burst in 1u32..50,
            steps in prop::collection::vec(0u64..400, 1..300),
        ) {
            let mut bucket = Bucket::new(pace(per_s, burst), 0);
            let (mut now, mut taken) = (0u64, 0u64);
            for step in steps {
                now += step;
                match bucket.take(now) {
                    Ok(()) => taken += 1,
                    Err(wait) => {
                        now += wait.as_millis() as u64;
                        prop_assert_eq!(bucket.take(now), Ok(()));
                        taken += 1;
                    }
                }
                prop_assert!(taken <= u64::from(burst) + now * u64::from(per_s) / 1000);
            }
        }
    }
}
