//! Turns what the shard wants said into bytes, and puts them on the seats of those who are to hear them.

use std::cell::OnceCell;
use std::net::IpAddr;
use std::sync::Arc;

use refit_protocol::delta::{Delta, Granted};
use refit_protocol::device_id::DeviceId;
use refit_protocol::diff::SOFTWARE_URL;
use refit_protocol::digest::Digest;
use refit_protocol::grant::{GrantKind, GrantPolicy, Ungranted};
use refit_protocol::job::JobId;
use refit_protocol::reply::{Accepted, Rejected, redacted};
use refit_protocol::software_url::depot_digest;
use refit_protocol::time::Timestamp;
use refit_protocol::topic::Kind;
use serde_json::Value;

use crate::events::{EventKind, Feed, GrantAct, GrantEvent};
use crate::output::{Reply, Telling};
use crate::releases::Releases;
use crate::seat::{Outgoing, Seat, Wants};
use crate::shard::From;
use crate::watchers::{Message, Watchers};
use crate::work::is_change;

/// Mints the permission to download one artifact. It happens when a delta leaves, and is never stored.
pub trait Grantor: Send + Sync {
    /// Returns a URL and the grant that goes with it, or why there can be none as it is wanted.
    fn mint(&self, wanted: &Wanted<'_>, now: Timestamp) -> Result<Minted, Ungranted>;
}

/// What a grant is wanted for.
#[derive(Clone, Copy, Debug)]
pub struct Wanted<'a> {
    /// The artifact.
    pub digest: Digest,
    /// Its length in bytes, if a release knows it.
    pub length: Option<u64>,
    /// Who is to have it.
    pub device: &'a DeviceId,
    /// The job that it is for.
    pub job: Option<&'a JobId>,
    /// Which grant was chosen with the wish; `None`: the server's default.
    pub policy: Option<&'a GrantPolicy>,
    /// From where the device is connected or asks.
    pub address: Option<IpAddr>,
}

/// A grant, and the URL to go with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Minted {
    /// What the device downloads: with its grant in it, or plain if a credential goes with it.
    pub url: String,
    /// What the device is told of it.
    pub grant: Granted,
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
            // Nobody who speaks from outside assigns.
            Reply::Assigned(_) | Reply::Overtaken | Reply::Done => {
                hearers.give_receipt(reply, &Payload::new(|| b"{}".to_vec()))
            }
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
            self.written(telling, &state, now).into()
        });
        if !seat.wants(Wants::of(Kind::Delta)) {
            return;
        }
        let granter = Granter {
            grantor: &*self.grantor,
            releases: &self.releases,
            feed: &self.feed,
        };
        let told = granted(&granter, device, telling, seat.address(), now);
        seat.set_ungranted(told.ungranted);
        let Some(payload) = told.payload else {
            return;
        };
        let payload = payload.into();
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
        now: Timestamp,
    ) -> Vec<u8> {
        written(&self.releases, telling, state, None, now)
    }
}

/// What a grant is minted with.
#[derive(Clone, Copy)]
pub struct Granter<'a> {
    /// Who mints it.
    pub grantor: &'a dyn Grantor,
    /// The releases of the depot.
    pub releases: &'a Releases,
    /// Where it is told.
    pub feed: &'a Feed,
}

/// Writes what a device is told, with a grant for its software. If there can be none, the software and its job
/// are left out; what else there is to tell is told.
pub fn granted(
    granter: &Granter<'_>,
    device: &DeviceId,
    telling: &Telling,
    address: Option<IpAddr>,
    now: Timestamp,
) -> Told {
    let software = telling.state.get(SOFTWARE_URL).and_then(Value::as_str);
    let Some(digest) = software.and_then(depot_digest) else {
        return Told {
            payload: Some(written(
                granter.releases,
                telling,
                &telling.state,
                None,
                now,
            )),
            ungranted: None,
        };
    };
    let wanted = Wanted {
        digest,
        length: granter.releases.find(&digest).map(|known| known.length),
        device,
        job: telling.job.as_ref().map(|(id, _)| id),
        policy: telling.grant.as_ref(),
        address,
    };
    let minted = granter.grantor.mint(&wanted, now);
    note_grant(granter.feed, &wanted, &minted, now);
    let mut state = telling.state.clone();
    match minted {
        Ok(minted) => {
            state.insert(SOFTWARE_URL.into(), minted.url.into());
            Told {
                payload: Some(written(
                    granter.releases,
                    telling,
                    &state,
                    Some(minted.grant),
                    now,
                )),
                ungranted: None,
            }
        }
        Err(why) => {
            state.remove(SOFTWARE_URL);
            let rest = Telling {
                job: None,
                ..telling.clone()
            };
            let payload =
                (!state.is_empty()).then(|| written(granter.releases, &rest, &state, None, now));
            Told {
                payload,
                ungranted: Some(why),
            }
        }
    }
}

fn note_grant(
    feed: &Feed,
    wanted: &Wanted<'_>,
    minted: &Result<Minted, Ungranted>,
    now: Timestamp,
) {
    if matches!(minted, Ok(minted) if minted.grant.kind == GrantKind::Credential) {
        // It is minted, and told, when the device asks for it.
        return;
    }
    let kind = EventKind::Grant(Box::new(GrantEvent {
        job: wanted.job.cloned(),
        kind: minted.as_ref().ok().map(|minted| minted.grant.kind),
        strength: minted.as_ref().ok().map(|minted| minted.grant.strength),
        act: match minted {
            Ok(_) => GrantAct::Minted,
            Err(why) => GrantAct::Withheld(why.as_str()),
        },
    }));
    feed.add(now, Some(wanted.device.clone()), kind);
}

fn written(
    releases: &Releases,
    telling: &Telling,
    state: &serde_json::Map<String, Value>,
    grant: Option<Granted>,
    now: Timestamp,
) -> Vec<u8> {
    let job = telling.job.as_ref();
    let software = job
        .and_then(|(_, url)| depot_digest(url))
        .and_then(|digest| releases.find(&digest));
    Delta {
        version: telling.version,
        timestamp: now,
        job_id: job.map(|(id, _)| id),
        state,
        previous: telling.previous.as_deref(),
        software: software.as_ref(),
        grant,
    }
    .to_json()
}

/// What a device is told, written.
pub struct Told {
    /// The payload, if anything is left to tell.
    pub payload: Option<Vec<u8>>,
    /// Why its software was left out, if it was.
    pub ungranted: Option<Ungranted>,
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
