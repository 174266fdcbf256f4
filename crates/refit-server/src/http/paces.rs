//! How often each device, and each token or user, may ask over HTTP.

use std::collections::HashMap;
use std::hash::Hash;
use std::num::NonZeroU32;
use std::time::{Duration, Instant};

use axum::http::HeaderName;
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

const POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");
const LIMIT: HeaderName = HeaderName::from_static("ratelimit");

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
        self.told(who).0
    }

    /// The same, and how it stands then.
    pub(crate) fn told(&self, who: &K) -> (Result<(), Duration>, Standing) {
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
        let taken = bucket.take(now);
        let (left, until_full) = bucket.left();
        let standing = Standing {
            pace: self.pace,
            left,
            until_full,
        };
        (taken, standing)
    }
}

/// How often somebody may still ask.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Standing {
    pace: Pace,
    left: u64,
    until_full: Duration,
}

impl Standing {
    /// Writes `RateLimit-Policy` and `RateLimit` (draft-ietf-httpapi-ratelimit-headers-10): of a bucket, the quota is what
    /// it holds, the window the time in which it fills, and the reset when it is full again.
    pub(super) fn headers(&self, policy: &str) -> [(HeaderName, String); 2] {
        let Pace { per_s, burst } = self.pace;
        let window = burst.get().div_ceil(per_s.get());
        let reset = self.until_full.as_millis().div_ceil(1000);
        let left = self.left;
        [
            (POLICY, format!("\"{policy}\";q={burst};w={window}")),
            (LIMIT, format!("\"{policy}\";r={left};t={reset}")),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_headers_tell_what_is_left_and_when_all_of_it_is_there_again() {
        let paces = Paces::new(CALLER);
        let (taken, standing) = paces.told(&"ada");
        assert_eq!(taken, Ok(()));
        let [policy, limit] = standing.headers("caller");
        assert_eq!(policy, (POLICY, "\"caller\";q=1000;w=5".into()));
        assert_eq!(limit, (LIMIT, "\"caller\";r=999;t=1".into()));
    }
}
