//! How often each device, and each token or user, may ask over HTTP.

use std::collections::HashMap;
use std::hash::Hash;
use std::num::NonZeroU32;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use refit_mqtt::quota::{RESERVE, Share};
use refit_protocol::device_id::DeviceId;
use refit_protocol::update::Update;
use refit_tls::pace::{Bucket, Pace};

/// What a device asks, so often a second in the long run, and at once: it is told when to come again.
pub(super) const DEVICE: Pace = Pace {
    per_s: NonZeroU32::new(2).unwrap(),
    burst: NonZeroU32::new(60).unwrap(),
};

/// A token or a user: a program that works through a fleet one by one is not held up, one that went mad is.
pub(super) const CALLER: Pace = Pace {
    per_s: NonZeroU32::new(200).unwrap(),
    burst: NonZeroU32::new(1000).unwrap(),
};

/// How many are remembered; when there are more, those that have rested are forgotten, else all.
const REMEMBERED_MAX: usize = 100_000;

/// What devices say: as often as over MQTT, and with a reserve for the words of a job as there.
pub(crate) struct Updates {
    common: Paces<DeviceId>,
    progress: Paces<DeviceId>,
    ending: Paces<DeviceId>,
}

impl Updates {
    pub(super) fn new(pace: Pace) -> Self {
        let half = NonZeroU32::new(RESERVE.burst.get() / 2).unwrap_or(RESERVE.burst);
        let reserve = Pace {
            burst: half,
            ..RESERVE
        };
        Self {
            common: Paces::new(pace),
            progress: Paces::new(reserve),
            ending: Paces::new(reserve),
        }
    }

    /// Lets a device say this, or says how long it must wait.
    pub(super) fn take(&self, device: &DeviceId, payload: &[u8]) -> Result<(), Duration> {
        self.common.take(device).or_else(|wait| {
            let update = Update::parse(payload).ok();
            let reserve = match Share::reserved_for(update.and_then(|update| update.saying)) {
                Some(Share::Progress) => &self.progress,
                Some(Share::Ending) => &self.ending,
                Some(Share::Common | Share::Refusal) | None => return Err(wait),
            };
            reserve.take(device)
        })
    }
}

/// A bucket for each.
pub(crate) struct Paces<K> {
    pace: Pace,
    started: Instant,
    buckets: Mutex<HashMap<K, Bucket>>,
}

impl<K: Clone + Eq + Hash> Paces<K> {
    pub(super) fn new(pace: Pace) -> Self {
        Self {
            pace,
            started: Instant::now(),
            buckets: Mutex::default(),
        }
    }

    /// Lets one ask, or says how long it must wait.
    pub(crate) fn take(&self, who: &K) -> Result<(), Duration> {
        let now = self.started.elapsed().as_millis() as u64;
        let mut buckets = self.buckets.lock();
        if buckets.len() >= REMEMBERED_MAX && !buckets.contains_key(who) {
            buckets.retain(|_, bucket| !bucket.is_full(now));
            if buckets.len() >= REMEMBERED_MAX {
                buckets.clear();
            }
        }
        let bucket = buckets
            .entry(who.clone())
            .or_insert_with(|| Bucket::new(self.pace, now));
        bucket.take(now)
    }
}
