//! One connection's place in the engine: what is to leave on it, in order, and who to wake for it.
//!
//! A seat is most of what an idle device costs here, so it is small: no channel, no buffer until something waits. Of
//! deltas only the newest is ever kept; everything else is bounded by what the peer itself has outstanding, and an
//! onlooker that does not read is closed.

use std::collections::VecDeque;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, AtomicU64, Ordering};
use std::task::{Context, Poll, Waker};

use parking_lot::Mutex;
use refit_protocol::device_id::DeviceId;
use refit_protocol::grant::Ungranted;
use refit_protocol::rejection::Code;
use refit_protocol::topic::Kind;

use crate::author::Author;

/// How many messages may wait for one onlooker before it is closed as too slow.
const WAITING_MAX: usize = 4096;

/// What leaves on a connection.
#[derive(Clone, Debug)]
pub enum Outgoing {
    /// What was submitted under this receipt is decided, and durable if it changed anything.
    Receipt {
        /// The number that the submitter chose.
        receipt: u32,
        /// Why it does not stand, if it does not.
        refused: Option<Code>,
        /// The answer in JSON, for a seat that asked for it by [`Wants::ANSWER`].
        answer: Option<Arc<[u8]>>,
    },
    /// A message for a topic. The transport sends it if that topic is subscribed.
    Publish {
        /// The device in the topic.
        device: DeviceId,
        /// What follows in the topic.
        kind: Kind,
        /// The payload.
        payload: Arc<[u8]>,
    },
    /// The connection shall end.
    Close(Close),
}

/// Why a connection shall end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Close {
    /// The same client connected again.
    TakenOver,
    /// The server stops.
    ShuttingDown,
    /// It did not read what was sent to it.
    TooSlow,
    /// It may no longer be connected: what it showed when it came was taken from it.
    NotAllowed,
    /// What it sent could not be stored, and only a closed connection makes an MQTT 3.1.1 client repeat it.
    NotStored,
}

/// What a seat is to be told: one bit for each kind that Refit publishes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Wants(u8);

impl Wants {
    /// The whole answer in each receipt.
    pub const ANSWER: Self = Self(1 << 7);

    /// Returns the bit of a kind; none for kinds that Refit does not publish.
    pub const fn of(kind: Kind) -> Self {
        Self(match kind {
            Kind::Delta => 1,
            Kind::Accepted => 1 << 1,
            Kind::Rejected => 1 << 2,
            Kind::GetAccepted => 1 << 3,
            Kind::GetRejected => 1 << 4,
            Kind::Update | Kind::Get => 0,
        })
    }

    /// Returns both.
    pub const fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Tells whether all of `other` is in this.
    pub const fn has(self, other: Self) -> bool {
        self.0 & other.0 == other.0 && other.0 != 0
    }
}

/// One connection's place.
pub struct Seat {
    holder: Holder,
    wants: AtomicU8,
    /// Submitted, and without a receipt yet.
    pending: AtomicU32,
    /// The hash of a report that changed nothing when it was last decided, or 0. See [`Seat::is_quiet`].
    quiet: AtomicU64,
    closed: AtomicBool,
    /// The last delta was larger than the client takes.
    missed_delta: AtomicBool,
    /// Why the software of the last delta was left out: the place in [`Ungranted::ALL`], from 1; 0: it was not.
    ungranted: AtomicU8,
    /// From where the peer is connected.
    address: Option<IpAddr>,
    waiting: Mutex<Waiting>,
}

/// Whose connection it is.
enum Holder {
    Device(DeviceId),
    Author(Arc<Author>),
    Nobody,
}

#[derive(Default)]
struct Waiting {
    queue: VecDeque<Outgoing>,
    waker: Option<Waker>,
}

impl Seat {
    /// Makes the seat of a device's own connection, or of anybody else's.
    pub fn new(device: Option<DeviceId>) -> Arc<Self> {
        Self::at(device, None)
    }

    /// Makes the seat of a connection from this address.
    pub fn at(device: Option<DeviceId>, address: Option<IpAddr>) -> Arc<Self> {
        Self::held_by(device.map_or(Holder::Nobody, Holder::Device), address)
    }

    /// Makes the seat of somebody whose changes are in the audit log.
    pub fn of(author: Author, address: Option<IpAddr>) -> Arc<Self> {
        Self::held_by(Holder::Author(Arc::new(author)), address)
    }

    fn held_by(holder: Holder, address: Option<IpAddr>) -> Arc<Self> {
        Arc::new(Self {
            holder,
            address,
            ungranted: AtomicU8::new(0),
            wants: AtomicU8::new(0),
            pending: AtomicU32::new(0),
            quiet: AtomicU64::new(0),
            closed: AtomicBool::new(false),
            missed_delta: AtomicBool::new(false),
            waiting: Mutex::new(Waiting::default()),
        })
    }

    /// Returns the device whose own connection this is.
    pub const fn device(&self) -> Option<&DeviceId> {
        match &self.holder {
            Holder::Device(device) => Some(device),
            Holder::Author(_) | Holder::Nobody => None,
        }
    }

    /// Returns whose changes the audit log is to tell.
    pub fn author(&self) -> Option<Arc<Author>> {
        match &self.holder {
            Holder::Author(author) => Some(Arc::clone(author)),
            Holder::Device(_) | Holder::Nobody => None,
        }
    }

    /// Says what this seat is to be told. A transport keeps it in line with the subscriptions.
    pub fn set_wants(&self, wants: Wants) {
        self.wants.store(wants.0, Ordering::Release);
    }

    /// Tells whether this seat is to be told such messages.
    pub fn wants(&self, what: Wants) -> bool {
        Wants(self.wants.load(Ordering::Acquire)).has(what)
    }

    /// Notes whether the last delta was larger than the client takes, so that it was not sent (semantics 34).
    pub fn set_missed_delta(&self, missed: bool) {
        self.missed_delta.store(missed, Ordering::Release);
    }

    /// Tells whether the last delta was not sent because it was larger than the client takes.
    pub(crate) fn missed_delta(&self) -> bool {
        self.missed_delta.load(Ordering::Acquire)
    }

    /// Returns from where the peer is connected, if that is known.
    pub const fn address(&self) -> Option<IpAddr> {
        self.address
    }

    /// Notes why the software of the last delta was left out, if it was.
    pub fn set_ungranted(&self, why: Option<Ungranted>) {
        let place = why.and_then(|why| Ungranted::ALL.iter().position(|other| *other == why));
        let code = place.map_or(0, |place| place as u8 + 1);
        self.ungranted.store(code, Ordering::Release);
    }

    /// Tells why the software of the last delta was left out, if it was.
    pub(crate) fn ungranted(&self) -> Option<Ungranted> {
        let code = usize::from(self.ungranted.load(Ordering::Acquire));
        Ungranted::ALL.get(code.checked_sub(1)?).copied()
    }

    /// Returns how many submissions have no receipt yet.
    pub fn pending(&self) -> u32 {
        self.pending.load(Ordering::Acquire)
    }

    /// Takes the next message, or leaves the waker to be woken for it.
    pub fn poll_next(&self, context: &mut Context<'_>) -> Poll<Outgoing> {
        let mut waiting = self.waiting.lock();
        if let Some(next) = waiting.queue.pop_front() {
            if waiting.queue.is_empty() {
                // An idle seat keeps no buffer.
                waiting.queue = VecDeque::new();
            }
            return Poll::Ready(next);
        }
        match &mut waiting.waker {
            Some(waker) => waker.clone_from(context.waker()),
            none => *none = Some(context.waker().clone()),
        }
        Poll::Pending
    }

    /// Takes the next message if one waits.
    pub fn try_next(&self) -> Option<Outgoing> {
        self.waiting.lock().queue.pop_front()
    }

    /// Asks for the connection to end; what waits before it is still sent.
    pub fn close(&self, why: Close) {
        if !self.closed.swap(true, Ordering::AcqRel) {
            self.put(Outgoing::Close(why));
        }
    }

    /// Puts a message in line.
    pub(crate) fn push(&self, message: Outgoing) {
        if let Outgoing::Receipt { .. } = message {
            self.pending.fetch_sub(1, Ordering::AcqRel);
        }
        if self.waiting.lock().queue.len() >= WAITING_MAX {
            self.close(Close::TooSlow);
            return;
        }
        self.put(message);
    }

    fn put(&self, message: Outgoing) {
        let waker = {
            let mut waiting = self.waiting.lock();
            if is_delta(&message) {
                waiting
                    .queue
                    .retain(|other| !(is_delta(other) && same_device(other, &message)));
            }
            waiting.queue.push_back(message);
            waiting.waker.take()
        };
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    /// Counts a submission, and forgets what was quiet: until its receipt nothing is known of what will be.
    pub(crate) fn submitted(&self) {
        self.pending.fetch_add(1, Ordering::AcqRel);
    }

    /// Tells whether a report of this hash would change nothing: it did not when it was last decided, the record is
    /// the same, and nothing is on its way that could change it.
    pub(crate) fn is_quiet(&self, hash: u64) -> bool {
        hash != 0 && self.quiet.load(Ordering::Acquire) == hash && self.pending() == 0
    }

    /// Notes the hash of a report that changed nothing, or 0 when the record changes.
    pub(crate) fn set_quiet(&self, hash: u64) {
        self.quiet.store(hash, Ordering::Release);
    }
}

const fn is_delta(message: &Outgoing) -> bool {
    matches!(
        message,
        Outgoing::Publish {
            kind: Kind::Delta,
            ..
        }
    )
}

fn same_device(a: &Outgoing, b: &Outgoing) -> bool {
    match (a, b) {
        (Outgoing::Publish { device: a, .. }, Outgoing::Publish { device: b, .. }) => a == b,
        _ => false,
    }
}

/// A seat is itself and no other.
impl PartialEq for Seat {
    fn eq(&self, other: &Self) -> bool {
        std::ptr::eq(self, other)
    }
}

impl Eq for Seat {}

impl std::fmt::Debug for Seat {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Seat")
            .field("device", &self.device())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn delta(text: &str) -> Outgoing {
        Outgoing::Publish {
            device: DeviceId::parse("d").unwrap(),
            kind: Kind::Delta,
            payload: Arc::from(text.as_bytes()),
        }
    }

    #[test]
    fn of_deltas_only_the_newest_waits() {
        let seat = Seat::new(None);
        seat.push(delta("1"));
        seat.push(delta("2"));
        let Some(Outgoing::Publish { payload, .. }) = seat.try_next() else {
            unreachable!()
        };
        assert_eq!(&payload[..], b"2");
        assert!(seat.try_next().is_none());
    }

    #[test]
    fn who_does_not_read_is_closed() {
        let seat = Seat::new(None);
        for receipt in 0..=WAITING_MAX as u32 {
            seat.submitted();
            seat.push(Outgoing::Receipt {
                receipt,
                refused: None,
                answer: None,
            });
        }
        let last = std::iter::from_fn(|| seat.try_next()).last();
        assert!(matches!(last, Some(Outgoing::Close(Close::TooSlow))));
    }

    #[test]
    fn a_report_is_quiet_only_while_nothing_is_on_its_way() {
        let seat = Seat::new(None);
        seat.set_quiet(7);
        assert!(seat.is_quiet(7) && !seat.is_quiet(8));
        seat.submitted();
        assert!(!seat.is_quiet(7));
        seat.push(Outgoing::Receipt {
            receipt: 1,
            refused: None,
            answer: None,
        });
        assert!(seat.is_quiet(7));
    }
}
