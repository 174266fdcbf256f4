//! Applications that look on: who watches which kind of message of which devices (semantics 32).

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use parking_lot::RwLock;
use refit_protocol::device_id::DeviceId;
use refit_protocol::topic::Kind;

use crate::seat::{Outgoing, Seat};

/// Which devices are watched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scope {
    /// All of them.
    Every,
    /// This one.
    One(DeviceId),
}

/// All watches.
#[derive(Default)]
pub(crate) struct Watchers {
    count: AtomicUsize,
    list: RwLock<Vec<Watch>>,
}

struct Watch {
    seat: Arc<Seat>,
    kind: Kind,
    scope: Scope,
}

impl Watchers {
    pub(crate) fn add(&self, seat: &Arc<Seat>, kind: Kind, scope: Scope) {
        let mut list = self.list.write();
        if !list.iter().any(|w| w.is(seat, kind, &scope)) {
            list.push(Watch {
                seat: Arc::clone(seat),
                kind,
                scope,
            });
        }
        self.count.store(list.len(), Ordering::Release);
    }

    pub(crate) fn remove(&self, seat: &Arc<Seat>, kind: Kind, scope: &Scope) {
        self.keep(|w| !w.is(seat, kind, scope));
    }

    pub(crate) fn remove_all(&self, seat: &Arc<Seat>) {
        self.keep(|w| !Arc::ptr_eq(&w.seat, seat));
    }

    fn keep(&self, keep: impl FnMut(&Watch) -> bool) {
        let mut list = self.list.write();
        list.retain(keep);
        self.count.store(list.len(), Ordering::Release);
    }

    /// Publishes to all who watch: changes to everyone, and in any case to `speaker`, whose update this answers. The
    /// payload is made only if somebody is told, and each seat is told once, however many of its watches match.
    pub(crate) fn publish(
        &self,
        message: &Message<'_>,
        speaker: Option<&Arc<Seat>>,
        payload: impl FnOnce() -> Arc<[u8]>,
    ) {
        if self.count.load(Ordering::Acquire) == 0 {
            return;
        }
        let list = self.list.read();
        let mut told: Vec<&Arc<Seat>> = Vec::new();
        for watch in list.iter().filter(|w| w.covers(message)) {
            let spoke = speaker.is_some_and(|s| Arc::ptr_eq(s, &watch.seat));
            let known = told.iter().any(|seat| Arc::ptr_eq(seat, &watch.seat));
            if (message.is_change || spoke) && !known {
                told.push(&watch.seat);
            }
        }
        if told.is_empty() {
            return;
        }
        let payload = payload();
        for seat in told {
            let (device, kind) = (message.device.clone(), message.kind);
            seat.push(Outgoing::Publish {
                device,
                kind,
                payload: Arc::clone(&payload),
            });
        }
    }
}

/// A message that may be watched.
pub(crate) struct Message<'a> {
    pub(crate) device: &'a DeviceId,
    pub(crate) kind: Kind,
    /// Whether it tells of a change.
    pub(crate) is_change: bool,
}

impl Watch {
    fn is(&self, seat: &Arc<Seat>, kind: Kind, scope: &Scope) -> bool {
        Arc::ptr_eq(&self.seat, seat) && self.kind == kind && self.scope == *scope
    }

    fn covers(&self, message: &Message<'_>) -> bool {
        self.kind == message.kind
            && match &self.scope {
                Scope::Every => true,
                Scope::One(one) => one == message.device,
            }
    }
}
