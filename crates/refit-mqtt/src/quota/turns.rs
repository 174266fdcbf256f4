//! How often one may speak: the bucket of [`refit_tls::pace`], in four bytes, because each connection has one.
//!
//! Kept is not what is left, but when the bucket will be full again, in tenths of a millisecond since the endpoint
//! started. That goes round after five days: somebody who was silent for just as long may find a bucket not full.

use std::cell::Cell;
use std::collections::HashMap;
use std::num::NonZeroU32;

use parking_lot::Mutex;
use refit_protocol::device_id::DeviceId;
use refit_protocol::job::Saying;
use refit_tls::pace::{Bucket, Pace};

/// What a message is charged to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Share {
    /// What everything is charged to first.
    Common,
    /// Beyond it, a device that is still at work on its job: half of the reserve.
    Progress,
    /// Beyond it, a device that ends its job: all of the reserve.
    Ending,
    /// Beyond all of these, the answer that it was too often. When these are used up too, the connection ends.
    Refusal,
}

impl Share {
    /// Returns what this is charged to when the common share is used up; `None`: it has to wait.
    pub const fn reserved_for(saying: Option<Saying>) -> Option<Self> {
        match saying {
            Some(Saying::Running) => Some(Self::Progress),
            Some(Saying::Success | Saying::Failure | Saying::Rejected) => Some(Self::Ending),
            None => None,
        }
    }
}

/// What a device has beyond its pace, for the words of its job alone. One job takes a handful.
pub const RESERVE: Pace = Pace {
    per_s: NonZeroU32::MIN,
    burst: NonZeroU32::MIN.saturating_add(31),
};

/// A bucket, by what was taken of it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Spent {
    full_at: Cell<u32>,
}

const TENTHS_PER_MS: u64 = 10;

/// How long one token takes, and a whole bucket.
fn sizes(pace: Pace) -> (u32, u32) {
    let each = (10_000 / pace.per_s.get()).max(1);
    (each, each.saturating_mul(pace.burst.get()))
}

impl Spent {
    /// Takes a token, if more than these are there.
    pub(crate) fn take(&self, pace: Pace, spare: u32, now_ms: u64) -> bool {
        let (each, full) = sizes(pace);
        let owed = self.owed(pace, now_ms);
        let most = full.saturating_sub(each.saturating_mul(spare.saturating_add(1)));
        if owed > most {
            return false;
        }
        self.full_at
            .set(tenths(now_ms).wrapping_add(owed.saturating_add(each)));
        true
    }

    fn is_half_spent(&self, pace: Pace, now_ms: u64) -> bool {
        self.owed(pace, now_ms) > sizes(pace).1 / 2
    }

    /// Returns how long it takes until the bucket is full.
    fn owed(&self, pace: Pace, now_ms: u64) -> u32 {
        let owed = self.full_at.get().wrapping_sub(tenths(now_ms));
        // More than a bucket is never owed: then that moment lies in the past, however long ago.
        if owed > sizes(pace).1 { 0 } else { owed }
    }
}

const fn tenths(now_ms: u64) -> u32 {
    now_ms.wrapping_mul(TENTHS_PER_MS) as u32
}

/// What is known of devices that speak too often: nothing of all others.
#[derive(Debug, Default)]
pub(crate) struct Excess(Mutex<HashMap<DeviceId, Beyond>>);

/// Of so many devices it is known at a time; beyond, the whole list is begun anew.
const DEVICES_MAX: usize = 16_384;

#[derive(Clone, Debug, Default)]
struct Beyond {
    /// What it had left of the common share when it went: a new connection is no new bucket.
    common: Spent,
    reserve: Spent,
    refusals: Spent,
}

impl Beyond {
    fn is_at_rest(&self, pace: Pace, now_ms: u64) -> bool {
        let owed = [
            self.common.owed(pace, now_ms),
            self.reserve.owed(RESERVE, now_ms),
            self.refusals.owed(pace, now_ms),
        ];
        owed == [0; 3]
    }
}

impl Excess {
    /// Takes a turn beyond the common share, if there is one.
    pub(crate) fn take(&self, device: &DeviceId, share: Share, pace: Pace, now_ms: u64) -> bool {
        self.with(device, pace, now_ms, |beyond| match share {
            Share::Common => false,
            Share::Progress => beyond
                .reserve
                .take(RESERVE, RESERVE.burst.get() / 2, now_ms),
            Share::Ending => beyond.reserve.take(RESERVE, 0, now_ms),
            Share::Refusal => beyond.refusals.take(pace, 0, now_ms),
        })
    }

    /// Returns what a device has of the common share as it comes.
    pub(crate) fn arrive(&self, device: &DeviceId) -> Spent {
        let known = self.0.lock();
        known
            .get(device)
            .map_or_else(Spent::default, |beyond| beyond.common.clone())
    }

    /// Keeps what a device has of the common share as it goes, if that is little.
    pub(crate) fn leave(&self, device: &DeviceId, common: &Spent, pace: Pace, now_ms: u64) {
        if common.is_half_spent(pace, now_ms) {
            self.with(device, pace, now_ms, |beyond| {
                beyond.common = common.clone()
            });
        }
    }

    fn with<T>(
        &self,
        device: &DeviceId,
        pace: Pace,
        now_ms: u64,
        then: impl FnOnce(&mut Beyond) -> T,
    ) -> T {
        let mut known = self.0.lock();
        if known.len() >= DEVICES_MAX && !known.contains_key(device) {
            known.retain(|_, beyond| !beyond.is_at_rest(pace, now_ms));
            if known.len() >= DEVICES_MAX {
                known.clear();
            }
        }
        then(known.entry(device.clone()).or_default())
    }
}

/// The buckets of applications: one token's connections share them, however many it opens.
#[derive(Debug, Default)]
pub(crate) struct Shared(Mutex<HashMap<String, [Bucket; 2]>>);

impl Shared {
    /// Takes a turn, if there is one. An application ends no jobs, so it has no reserve.
    pub(crate) fn take(&self, who: &str, share: Share, pace: Pace, now_ms: u64) -> bool {
        let mut buckets = self.0.lock();
        if !buckets.contains_key(who) {
            // Tokens are few; those of yesterday need not stay.
            buckets.retain(|_, both| !both.iter().all(|bucket| bucket.is_full(now_ms)));
            buckets.insert(who.to_owned(), [Bucket::new(pace, now_ms); 2]);
        }
        let Some([common, refusals]) = buckets.get_mut(who) else {
            return true;
        };
        match share {
            Share::Common => common.take(now_ms).is_ok(),
            Share::Refusal => refusals.take(now_ms).is_ok(),
            Share::Progress | Share::Ending => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pace(per_s: u32, burst: u32) -> Pace {
        Pace {
            per_s: per_s.try_into().unwrap(),
            burst: burst.try_into().unwrap(),
        }
    }

    #[test]
    fn a_burst_at_once_and_then_its_pace_also_when_the_clock_goes_round() {
        let round_ms = (1_u64 << 32) / TENTHS_PER_MS;
        for (start, full_at) in [
            (0, 0),
            (5000, 0),
            (round_ms - 500, 0),
            (round_ms - 500, tenths(round_ms - 500)),
            (1 << 40, 0),
        ] {
            let spent = Spent {
                full_at: Cell::new(full_at),
            };
            let taken = |after: u64| spent.take(pace(10, 3), 0, start + after);
            assert_eq!([0; 4].map(taken), [true, true, true, false]);
            assert_eq!([99, 100, 101].map(taken), [false, true, false]);
            assert_eq!([9000; 4].map(taken), [true, true, true, false]);
        }
    }

    #[test]
    fn the_end_of_a_job_is_heard_when_its_progress_is_no_longer() {
        let (excess, device) = (Excess::default(), DeviceId::parse("lamp-7").unwrap());
        let taken = |share| {
            let taken = (0..100).filter(|_| excess.take(&device, share, pace(1, 3), 7));
            taken.count()
        };
        assert_eq!(taken(Share::Common), 0);
        assert_eq!(taken(Share::Progress), 16);
        assert_eq!(taken(Share::Ending), 16);
        assert_eq!(taken(Share::Refusal), 3);
    }

    #[test]
    fn a_new_connection_is_no_new_bucket() {
        let (excess, device) = (Excess::default(), DeviceId::parse("lamp-7").unwrap());
        let (pace, other) = (pace(10, 4), DeviceId::parse("lamp-8").unwrap());
        let taken = |common: &Spent, now| (0..9).filter(|_| common.take(pace, 0, now)).count();
        let common = excess.arrive(&device);
        assert_eq!(taken(&common, 0), 4);
        excess.leave(&device, &common, pace, 100);
        assert_eq!(taken(&excess.arrive(&other), 100), 4);
        assert_eq!(taken(&excess.arrive(&device), 100), 1);
        // One that has rested is nothing to remember.
        excess.leave(&other, &common, pace, 10_000);
        assert_eq!(excess.0.lock().len(), 1);
        assert!(excess.0.lock()[&device].is_at_rest(pace, 10_000));
    }

    #[test]
    fn the_connections_of_one_token_share_its_bucket() {
        let shared = Shared::default();
        let taken = |who, share| {
            (0..9)
                .filter(|_| shared.take(who, share, pace(1, 2), 0))
                .count()
        };
        assert_eq!(taken("shop", Share::Common), 2);
        assert_eq!(taken("shop", Share::Ending), 0);
        assert_eq!(taken("shop", Share::Refusal), 2);
        assert_eq!(taken("other", Share::Common), 2);
        assert!(shared.take("shop", Share::Common, pace(1, 2), 1000));
    }
}
