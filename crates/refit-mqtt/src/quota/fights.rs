//! Two clients with one identity: each takes the other's place, for ever. So that is paced, and counted.
//!
//! Nothing is kept of a device that is not taken over, and a device that merely comes back over a dead connection now
//! and then is never held up.

use std::collections::HashMap;
use std::num::NonZeroU32;

use parking_lot::Mutex;
use refit_protocol::device_id::DeviceId;
use refit_tls::pace::{Bucket, Pace};

/// So often in a row a device may take its own place.
const BURST: NonZeroU32 = NonZeroU32::MIN.saturating_add(7);

/// And then once in so many seconds.
const SECONDS: u64 = 10;

/// Of so many devices it is known at a time; beyond, the whole list is begun anew.
const DEVICES_MAX: usize = 16_384;

/// Who was taken over lately.
#[derive(Debug, Default)]
pub struct Fights {
    buckets: Mutex<HashMap<DeviceId, Bucket>>,
}

impl Fights {
    /// Notes that a connection of this device was taken over by another. The time is in milliseconds on a clock of the
    /// caller's. Tells whether it is only now too often.
    pub fn note(&self, device: &DeviceId, now_ms: u64) -> bool {
        let now = now_ms / SECONDS;
        let mut buckets = self.buckets.lock();
        if buckets.len() >= DEVICES_MAX && !buckets.contains_key(device) {
            buckets.clear();
        }
        let pace = Pace {
            per_s: NonZeroU32::MIN,
            burst: BURST,
        };
        let bucket = buckets
            .entry(device.clone())
            .or_insert_with(|| Bucket::new(pace, now));
        let had_one = bucket.take(now).is_ok();
        // A look at a copy: this takeover happened, the next one is the question.
        had_one && { *bucket }.take(now).is_err()
    }

    /// Tells whether a new connection of this device has to wait.
    pub fn must_wait(&self, device: &DeviceId, now_ms: u64) -> bool {
        let mut buckets = self.buckets.lock();
        let Some(bucket) = buckets.get(device) else {
            return false;
        };
        let now = now_ms / SECONDS;
        if bucket.is_full(now) {
            buckets.remove(device);
            return false;
        }
        { *bucket }.take(now).is_err()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fight_is_paced_and_forgotten() {
        let fights = Fights::default();
        let (lamp, pump) = (
            DeviceId::parse("lamp-7").unwrap(),
            DeviceId::parse("pump-1").unwrap(),
        );
        let mut told = 0;
        for round in 0..8 {
            assert!(!fights.must_wait(&lamp, round));
            told += u32::from(fights.note(&lamp, round));
        }
        assert_eq!(told, 1);
        assert!(fights.must_wait(&lamp, 9) && !fights.must_wait(&pump, 9));
        assert!(fights.must_wait(&lamp, 9_980) && !fights.must_wait(&lamp, 10_020));
        fights.note(&lamp, 10_020);
        assert!(fights.must_wait(&lamp, 10_030));
        assert!(!fights.must_wait(&lamp, 200_000));
        assert!(fights.buckets.lock().is_empty());
    }
}
