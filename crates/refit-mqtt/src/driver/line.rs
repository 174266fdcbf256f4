//! A connection's way to the engine.

use std::cell::Cell;
use std::net::IpAddr;
use std::sync::Arc;

use refit_engine::author::Author;
use refit_engine::fleet::Submitted;
use refit_engine::seat::{Seat, Wants};
use refit_engine::watchers::Scope;
use refit_protocol::device_id::DeviceId;
use refit_protocol::time::Timestamp;
use refit_protocol::topic::Kind;
use refit_replica::speaker::Speaker;

use super::House;
use crate::figures::rise;
use crate::identity::Who;
use crate::quota::{Share, Spent, TICK};
use crate::session::{Calls, Note};

/// A session's way to the engine. Dropping it ends the connection there.
pub(super) struct Line {
    house: Arc<House>,
    pub(super) seat: Arc<Seat>,
    /// What it has used of how often a device may speak.
    common: Spent,
    /// When the last whole packet came, in ticks: in milliseconds a connection would be 8 bytes larger.
    heard: Cell<u32>,
}

impl Line {
    pub(super) fn open(house: &Arc<House>, who: Who, address: IpAddr, now: u64) -> Self {
        let seat = match who {
            Who::Device(device) => Seat::at(Some(device), Some(address)),
            Who::Application(application) => {
                let author = Author {
                    actor: format!("token:{}", application.name),
                    source: Some(address),
                    request: None,
                };
                let seat = Seat::of(author, Some(address));
                house.present.enter(&seat, application.rights);
                seat
            }
        };
        house.fleet.attach(&seat);
        let common = seat.device().map(|device| house.excess.arrive(device));
        Self {
            house: Arc::clone(house),
            seat,
            common: common.unwrap_or_default(),
            heard: Cell::new(ticks(now)),
        }
    }

    /// Returns when the last whole packet came, or up to a tick later.
    pub(super) fn heard(&self) -> u64 {
        u64::from(self.heard.get()) * TICK.as_millis() as u64
    }

    pub(super) fn note_heard(&self, now: u64) {
        self.heard.set(ticks(now));
    }

    fn with_device(&self, device: &str, then: impl FnOnce(&DeviceId)) {
        match self.seat.device() {
            Some(own) => then(own),
            None => {
                if let Ok(device) = DeviceId::parse(device) {
                    then(&device);
                }
            }
        }
    }
}

/// Rounded up, so that nobody is held to be silent too early.
const fn ticks(now: u64) -> u32 {
    now.div_ceil(TICK.as_millis() as u64) as u32
}

impl Drop for Line {
    fn drop(&mut self) {
        if let Some(device) = self.seat.device() {
            if let Some(pace) = self.house.quota.device_pace {
                let now = self.house.now();
                self.house.excess.leave(device, &self.common, pace, now);
            }
            self.house.fleet.detach(&self.seat);
        } else {
            self.house.present.leave(&self.seat);
            self.house.fleet.unwatch_all(&self.seat);
        }
    }
}

impl Calls for Line {
    fn device(&self) -> Option<&DeviceId> {
        self.seat.device()
    }

    fn pending(&self) -> u32 {
        self.seat.pending()
    }

    fn takes_turn(&self, share: Share) -> bool {
        let quota = &self.house.quota;
        let now = self.house.now();
        match (self.seat.device(), self.seat.author()) {
            (Some(device), _) => quota.device_pace.is_none_or(|pace| match share {
                Share::Common => self.common.take(pace, 0, now),
                beyond => self.house.excess.take(device, beyond, pace, now),
            }),
            (None, Some(author)) => quota
                .application_pace
                .is_none_or(|pace| self.house.shared.take(&author.actor, share, pace, now)),
            (None, None) => true,
        }
    }

    fn wall(&self) -> Timestamp {
        self.house.wall()
    }

    fn submit(&self, who: Speaker, device: &str, payload: &[u8], receipt: u32) -> Submitted {
        self.house.figures.messages_in.rise(Kind::Update);
        let mut submitted = Submitted::Quiet;
        self.with_device(device, |device| {
            submitted = self
                .house
                .fleet
                .submit(&self.seat, who, device, payload, receipt);
        });
        submitted
    }

    fn ask(&self, who: Speaker, device: &str, receipt: u32) {
        self.house.figures.messages_in.rise(Kind::Get);
        self.with_device(device, |device| {
            self.house.fleet.ask(&self.seat, who, device, receipt);
        });
    }

    fn wants(&self, wants: Wants) {
        self.seat.set_wants(wants);
    }

    fn subscribe(&self) {
        self.house.fleet.subscribe(&self.seat);
    }

    fn unsubscribe(&self) {
        self.house.fleet.unsubscribe(&self.seat);
    }

    fn watch(&self, kind: Kind, scope: Scope) {
        self.house.fleet.watch(&self.seat, kind, scope);
    }

    fn unwatch(&self, kind: Kind, scope: &Scope) {
        self.house.fleet.unwatch(&self.seat, kind, scope);
    }

    fn note(&self, note: Note) {
        if let Note::Sent(Kind::Delta) | Note::TooLarge(Kind::Delta) = note {
            let missed = note == Note::TooLarge(Kind::Delta);
            self.seat.set_missed_delta(missed);
        }
        match note {
            Note::Sent(kind) => self.house.figures.messages_out.rise(kind),
            Note::TooLarge(kind) => {
                rise(&self.house.figures.too_large_for_client);
                let device = self.seat.device();
                tracing::warn!(
                    ?device,
                    kind = kind.path(),
                    "larger than the client takes, not sent"
                );
            }
            Note::TooOften => rise(&self.house.figures.too_often),
            Note::Refused => rise(&self.house.figures.messages_refused),
        }
    }
}
