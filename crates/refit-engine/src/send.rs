//! Turns what the shard wants said into bytes, and puts them on the seats of those who are to hear them.

use std::cell::OnceCell;
use std::sync::Arc;

use refit_protocol::delta::Delta;
use refit_protocol::device_id::DeviceId;
use refit_protocol::diff::SOFTWARE_URL;
use refit_protocol::digest::Digest;
use refit_protocol::reply::{Accepted, Rejected, redacted};
use refit_protocol::software_url::depot_digest;
use refit_protocol::time::Timestamp;
use refit_protocol::topic::Kind;
use serde_json::Value;

use crate::events::{EventKind, Feed};
use crate::output::{Reply, Telling};
use crate::releases::Releases;
use crate::seat::{Outgoing, Seat, Wants};
use crate::shard::From;
use crate::watchers::{Message, Watchers};
use crate::work::is_change;

/// Mints the permission to download one artifact. It happens when a delta leaves, and is never stored.
pub trait Grantor: Send + Sync {
    /// Returns a URL that this device can download the artifact with, and until when.
    fn mint(&self, digest: &Digest, device: &DeviceId, now: Timestamp) -> (String, Timestamp);
}

/// Everything that is needed to say something.
pub(crate) struct Speech {
    pub(crate) grantor: Arc<dyn Grantor>,
    pub(crate) releases: Arc<Releases>,
    pub(crate) watchers: Arc<Watchers>,
    pub(crate) feed: Arc<Feed>,
}

/// Who is concerned by an answer.
struct Hearers<'a> {
    device: &'a DeviceId,
    speaker: &'a Arc<Seat>,
    receipt: u32,
    /// The device's own connection.
    own: Option<&'a Arc<Seat>>,
}

impl Speech {
    /// Answers: first the receipt, then the messages.
    pub(crate) fn answer(
        &self,
        device: &DeviceId,
        to: &From<Arc<Seat>>,
        own: Option<&Arc<Seat>>,
        reply: &Reply,
        now: Timestamp,
    ) {
        let From::Peer {
            peer: speaker,
            receipt,
            ..
        } = to
        else {
            return;
        };
        let hearers = Hearers {
            device,
            speaker,
            receipt: *receipt,
            own,
        };
        match reply {
            Reply::Accepted(accepted) => self.accepted(&hearers, accepted, now),
            Reply::Rejected(rejected) => {
                let payload = Payload::new(|| rejected.to_json());
                hearers.give_receipt(reply, &payload);
                // A device hears what is refused to itself, not what is refused to others about it.
                hearers.tell_device(Kind::Rejected, &payload, false);
                self.tell_watchers(&hearers, Kind::Rejected, true, &payload);
            }
            Reply::Shown(json) => {
                let payload = Payload::new(|| json.clone());
                hearers.give_receipt(reply, &payload);
                hearers.tell_device(Kind::GetAccepted, &payload, false);
                self.tell_watchers(&hearers, Kind::GetAccepted, false, &payload);
            }
            Reply::NotShown(rejected) => self.not_shown(&hearers, reply, rejected),
            Reply::Done => hearers.give_receipt(reply, &Payload::new(|| b"{}".to_vec())),
        }
    }

    fn accepted(&self, hearers: &Hearers<'_>, accepted: &Accepted, now: Timestamp) {
        let payload = Payload::new(|| accepted.to_json());
        let is_change = is_change(accepted);
        hearers.give_receipt(&Reply::Done, &payload);
        hearers.tell_device(Kind::Accepted, &payload, is_change);
        self.tell_watchers(hearers, Kind::Accepted, is_change, &payload);
        if is_change && self.feed.is_followed() {
            let kind = EventKind::StateChanged {
                version: accepted.version,
            };
            self.feed.add(now, Some(hearers.device.clone()), kind);
        }
    }

    fn not_shown(&self, hearers: &Hearers<'_>, reply: &Reply, rejected: &Rejected) {
        let payload = Payload::new(|| rejected.to_json());
        hearers.give_receipt(reply, &payload);
        hearers.tell_device(Kind::GetRejected, &payload, false);
        self.tell_watchers(hearers, Kind::GetRejected, false, &payload);
    }

    fn tell_watchers(
        &self,
        hearers: &Hearers<'_>,
        kind: Kind,
        is_change: bool,
        payload: &Payload<impl Fn() -> Vec<u8>>,
    ) {
        let message = Message {
            device: hearers.device,
            kind,
            is_change,
        };
        self.watchers
            .publish(&message, Some(hearers.speaker), || payload.bytes());
    }

    /// Tells a device what it should have, with a grant of its own; watchers see it without.
    pub(crate) fn delta(
        &self,
        device: &DeviceId,
        seat: &Arc<Seat>,
        telling: &Telling,
        now: Timestamp,
    ) {
        let message = Message {
            device,
            kind: Kind::Delta,
            is_change: true,
        };
        self.watchers.publish(&message, None, || {
            let state = redacted(&telling.state);
            self.written(telling, &state, None, now).into()
        });
        if !seat.wants(Wants::of(Kind::Delta)) {
            return;
        }
        let mut state = telling.state.clone();
        let mut grant_expires = None;
        if let Some(Value::String(url)) = state.get_mut(SOFTWARE_URL)
            && let Some(digest) = depot_digest(url)
        {
            let (granted, expires) = self.grantor.mint(&digest, device, now);
            *url = granted;
            grant_expires = Some(expires);
        }
        let payload = self.written(telling, &state, grant_expires, now).into();
        seat.push(Outgoing::Publish {
            device: device.clone(),
            kind: Kind::Delta,
            payload,
        });
    }

    fn written(
        &self,
        telling: &Telling,
        state: &serde_json::Map<String, Value>,
        grant_expires: Option<Timestamp>,
        now: Timestamp,
    ) -> Vec<u8> {
        let job = telling.job.as_ref();
        let software = job
            .and_then(|(_, url)| depot_digest(url))
            .and_then(|digest| self.releases.find(&digest));
        Delta {
            version: telling.version,
            timestamp: now,
            job_id: job.map(|(id, _)| id),
            state,
            previous: telling.previous.as_deref(),
            software: software.as_ref(),
            grant_expires,
        }
        .to_json()
    }
}

impl Hearers<'_> {
    fn give_receipt(&self, reply: &Reply, payload: &Payload<impl Fn() -> Vec<u8>>) {
        let answer = self.speaker.wants(Wants::ANSWER).then(|| payload.bytes());
        let refused = reply.refused();
        self.speaker.push(Outgoing::Receipt {
            receipt: self.receipt,
            refused,
            answer,
        });
    }

    /// Publishes to the device: answers to itself, and changes whoever made them.
    fn tell_device(&self, kind: Kind, payload: &Payload<impl Fn() -> Vec<u8>>, others_too: bool) {
        let Some(own) = self.own else { return };
        if (others_too || Arc::ptr_eq(own, self.speaker)) && own.wants(Wants::of(kind)) {
            let device = self.device.clone();
            own.push(Outgoing::Publish {
                device,
                kind,
                payload: payload.bytes(),
            });
        }
    }
}

/// A payload that is written only if somebody is to have it, and once.
struct Payload<F> {
    make: F,
    made: OnceCell<Arc<[u8]>>,
}

impl<F: Fn() -> Vec<u8>> Payload<F> {
    const fn new(make: F) -> Self {
        Self {
            make,
            made: OnceCell::new(),
        }
    }

    fn bytes(&self) -> Arc<[u8]> {
        Arc::clone(self.made.get_or_init(|| (self.make)().into()))
    }
}
