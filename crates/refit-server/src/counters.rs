//! What the server counts itself; the engine and the store have their own figures.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// What a download, or the attempt at one, came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Download {
    /// It was granted by a pre-signed URL.
    Granted,
    /// It was granted by the operator's token.
    Operator,
    /// It was refused.
    Refused,
    /// It was put off, because too many others were under way.
    PutOff,
}

/// What was not served, to keep others served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shed {
    /// A connection of a network that has too many.
    Network,
    /// A peer that did not read what it asked for.
    SlowReader,
    /// A request whose body did not come.
    SlowBody,
    /// A request of a token or user who asks too often.
    Caller,
    /// A request of a device that asks too often.
    Device,
    /// A request beyond those that may be under way.
    Requests,
}

/// The counters. They are written without a lock, and read one by one.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    /// Requests by the first digit of their status.
    requests: [AtomicU64; 6],
    downloads: [AtomicU64; 4],
    pub(crate) sent_bytes: AtomicU64,
    pub(crate) received_bytes: AtomicU64,
    pub(crate) connections: AtomicU64,
    /// Connections closed because there were too many.
    pub(crate) turned_away: AtomicU64,
    /// Times that accepting paused because connections came too fast.
    pub(crate) paced: AtomicU64,
    shed: [AtomicU64; 6],
    /// Requests for certificates that were put off.
    throttled: AtomicU64,
}

impl Counters {
    pub(crate) fn request(&self, status: u16) {
        if let Some(counter) = self.requests.get(usize::from(status / 100)) {
            counter.fetch_add(1, Relaxed);
        }
    }

    pub(crate) fn requests(&self) -> impl Iterator<Item = (usize, u64)> {
        self.requests
            .iter()
            .map(|counter| counter.load(Relaxed))
            .enumerate()
            .skip(2)
    }

    pub(crate) fn shed(&self, why: Shed) {
        self.shed[why as usize].fetch_add(1, Relaxed);
    }

    pub(crate) fn all_shed(&self) -> impl Iterator<Item = (&'static str, u64)> {
        [
            ("network", Shed::Network),
            ("slow_reader", Shed::SlowReader),
            ("slow_body", Shed::SlowBody),
            ("caller", Shed::Caller),
            ("device", Shed::Device),
            ("requests", Shed::Requests),
        ]
        .into_iter()
        .map(|(name, why)| (name, self.shed[why as usize].load(Relaxed)))
    }

    pub(crate) fn throttled(&self) {
        self.throttled.fetch_add(1, Relaxed);
    }

    pub(crate) fn put_off(&self) -> u64 {
        self.throttled.load(Relaxed)
    }

    pub(crate) fn download(&self, came_to: Download) {
        self.downloads[came_to as usize].fetch_add(1, Relaxed);
    }

    pub(crate) fn downloads(&self) -> [(&'static str, u64); 4] {
        let of = |came_to: Download| self.downloads[came_to as usize].load(Relaxed);
        [
            ("granted", of(Download::Granted)),
            ("operator", of(Download::Operator)),
            ("refused", of(Download::Refused)),
            ("put_off", of(Download::PutOff)),
        ]
    }
}

/// Counts one of several at a time for as long as it lives.
pub(crate) struct Gauge<'a>(&'a AtomicU64);

impl<'a> Gauge<'a> {
    pub(crate) fn up(counter: &'a AtomicU64) -> Self {
        counter.fetch_add(1, Relaxed);
        Self(counter)
    }
}

impl Drop for Gauge<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Relaxed);
    }
}
