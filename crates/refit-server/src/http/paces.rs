//! How often each device may ask over HTTP.

use std::collections::HashMap;
use std::num::NonZeroU32;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use refit_protocol::device_id::DeviceId;
use refit_tls::pace::{Bucket, Pace};

/// So often a second in the long run, and at once: reports of progress come every few seconds at the most.
const PACE: Pace = Pace {
    per_s: NonZeroU32::new(2).unwrap(),
    burst: NonZeroU32::new(60).unwrap(),
};

/// How many devices are remembered; when there are more, those that have rested are forgotten, else all.
const DEVICES_MAX: usize = 100_000;

/// A bucket for each device.
pub(crate) struct Paces {
    started: Instant,
    buckets: Mutex<HashMap<DeviceId, Bucket>>,
}

impl Default for Paces {
    fn default() -> Self {
        Self {
            started: Instant::now(),
            buckets: Mutex::default(),
        }
    }
}

impl Paces {
    /// Lets a device ask, or says how long it must wait.
    pub(crate) fn take(&self, device: &DeviceId) -> Result<(), Duration> {
        let now = self.started.elapsed().as_millis() as u64;
        let mut buckets = self.buckets.lock();
        if buckets.len() >= DEVICES_MAX && !buckets.contains_key(device) {
            buckets.retain(|_, bucket| !bucket.is_full(now));
            if buckets.len() >= DEVICES_MAX {
                buckets.clear();
            }
        }
        let bucket = buckets
            .entry(device.clone())
            .or_insert_with(|| Bucket::new(PACE, now));
        bucket.take(now)
    }
}
