//! Limits of the endpoint: how many connections, how large, how slow.
//!
//! What protects others from one client is here and in `session/limits.rs`: the former can be set, the latter are
//! parts of what is agreed at CONNECT.

mod fights;
mod strangers;
mod turns;

use std::num::NonZeroU32;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Weak};
use std::task::Waker;
use std::time::Duration;

use parking_lot::Mutex;
use refit_engine::seat::{Close, Seat};
use refit_tls::pace::Pace;
use tokio::sync::Notify;

pub use fights::Fights;
pub(crate) use strangers::{Stranger, Strangers};
pub(crate) use turns::{Excess, Shared, Spent};
pub use turns::{RESERVE, Share};

use crate::figures::{Figures, rise};
use crate::session::Terms;

/// What can be set.
#[derive(Clone, Debug)]
pub struct Quota {
    /// Open connections, also those that said nothing yet. More are closed at once.
    pub connections_max: usize,
    /// How fast connections are accepted; `None`: as fast as they come.
    pub pace: Option<Pace>,
    /// Connections that have not said who they are. More are closed at once.
    pub strangers_max: usize,
    /// The same for one IPv4 address, or one IPv6 network of 64 bits. Loopback has no bound of its own: a proxy in front
    /// connects from there.
    pub strangers_per_network_max: u32,
    /// From being accepted to a whole CONNECT, with the TLS handshake, however its bytes trickle in.
    pub greeting: Duration,
    /// How long what was sent may wait for the client to read it.
    pub stall: Duration,
    /// How long a connection that Refit ends may stay for the client to read why.
    pub linger: Duration,
    /// The longest CONNECT: what somebody unknown can make us keep.
    pub connect_bytes_max: usize,
    /// How often a device may speak, updates and questions together; `None`: as often as it likes.
    pub device_pace: Option<Pace>,
    /// The same for all connections of one application's token.
    pub application_pace: Option<Pace>,
    /// What is agreed at CONNECT.
    pub terms: Terms,
}

/// Far more than a device that reports its progress needs, and far less than one that keeps the disk busy.
pub const DEVICE_PACE: Pace = Pace {
    per_s: NonZeroU32::MIN.saturating_add(99),
    burst: NonZeroU32::MIN.saturating_add(999),
};

/// A program that gives each of a hundred thousand devices a wish takes less than a minute for it.
pub const APPLICATION_PACE: Pace = Pace {
    per_s: NonZeroU32::MIN.saturating_add(1_999),
    burst: NonZeroU32::MIN.saturating_add(19_999),
};

impl Default for Quota {
    fn default() -> Self {
        Self {
            connections_max: 1_000_000,
            pace: None,
            strangers_max: 16_384,
            strangers_per_network_max: 512,
            greeting: Duration::from_secs(10),
            stall: Duration::from_secs(60),
            linger: Duration::from_secs(1),
            connect_bytes_max: 4 * 1024,
            device_pace: Some(DEVICE_PACE),
            application_pace: Some(APPLICATION_PACE),
            terms: Terms::default(),
        }
    }
}

/// How often alarms are looked at. A deadline may be met by twice this too late, never too early.
pub(crate) const TICK: Duration = Duration::from_millis(250);

/// An alarm that is not set.
const NEVER: u32 = u32::MAX;

/// The open connections: how many, when each wants to be woken, and the seats of those that are welcome, to close them
/// when the server stops.
pub(crate) struct Register {
    figures: Arc<Figures>,
    connections_max: usize,
    slots: Mutex<Slots>,
    /// Told when the last connection ended after the stop.
    pub(crate) empty: Notify,
}

/// For each connection 28 bytes, where a timer of the runtime takes 120. The alarms stand by themselves, so that
/// looking at a million of them is reading 4 MB.
#[derive(Default)]
struct Slots {
    alarms: Vec<u32>,
    wakers: Vec<Option<Waker>>,
    seats: Vec<Weak<Seat>>,
    free: Vec<u32>,
    taken: usize,
    stopping: bool,
}

impl Register {
    pub(crate) fn new(figures: Arc<Figures>, connections_max: usize) -> Self {
        Self {
            figures,
            connections_max,
            slots: Mutex::new(Slots::default()),
            empty: Notify::new(),
        }
    }

    /// Lets a connection in, if there is room.
    pub(crate) fn enter(self: &Arc<Self>) -> Option<Ticket> {
        let slot = {
            let mut slots = self.slots.lock();
            if slots.taken >= self.connections_max || slots.stopping {
                None
            } else {
                Some(slots.take())
            }
        };
        let Some(slot) = slot else {
            rise(&self.figures.turned_away);
            return None;
        };
        rise(&self.figures.live);
        Some(Ticket {
            register: Arc::clone(self),
            slot,
            alarm: NEVER,
        })
    }

    /// Wakes whoever is due, this many milliseconds after the start.
    pub(crate) fn ring(&self, now: u64) {
        let tick = (now / TICK_MS) as u32;
        let mut due = Vec::new();
        {
            let mut slots = self.slots.lock();
            let Slots { alarms, wakers, .. } = &mut *slots;
            for (alarm, waker) in alarms.iter_mut().zip(wakers) {
                if *alarm <= tick {
                    *alarm = NEVER;
                    due.extend(waker.take());
                }
            }
        }
        due.into_iter().for_each(Waker::wake);
    }

    /// Closes all seats, now and as they come.
    pub(crate) fn stop(&self) {
        let seats: Vec<Arc<Seat>> = {
            let mut slots = self.slots.lock();
            slots.stopping = true;
            slots.seats.iter().filter_map(Weak::upgrade).collect()
        };
        for seat in seats {
            seat.close(Close::ShuttingDown);
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.slots.lock().taken
    }
}

impl Slots {
    fn take(&mut self) -> u32 {
        self.taken += 1;
        self.free.pop().unwrap_or_else(|| {
            self.alarms.push(NEVER);
            self.wakers.push(None);
            self.seats.push(Weak::new());
            // `connections_max` is far below what this cuts off.
            (self.seats.len() - 1) as u32
        })
    }
}

/// A connection's place in the register; dropping it gives the place back.
pub(crate) struct Ticket {
    register: Arc<Register>,
    slot: u32,
    /// What the alarm was last set for. It may ring too early for what is due by now, never too late.
    alarm: u32,
}

const TICK_MS: u64 = TICK.as_millis() as u64;

impl Ticket {
    /// Sees to it that the task is woken at this time, or before.
    pub(crate) fn wake_at(&mut self, due: u64, now: u64, waker: &Waker) {
        let due = due.div_ceil(TICK_MS) as u32;
        let has_rung = self.alarm <= (now / TICK_MS) as u32;
        if due >= self.alarm && !has_rung {
            return;
        }
        self.alarm = due;
        let mut slots = self.register.slots.lock();
        slots.alarms[self.slot as usize] = due;
        // Another waker of the same task, if there is one, does as well.
        slots.wakers[self.slot as usize].get_or_insert_with(|| waker.clone());
    }

    /// Notes the seat, so that stopping reaches it.
    pub(crate) fn seated(&self, seat: &Arc<Seat>) {
        let stopping = {
            let mut slots = self.register.slots.lock();
            slots.seats[self.slot as usize] = Arc::downgrade(seat);
            slots.stopping
        };
        if stopping {
            seat.close(Close::ShuttingDown);
        }
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.register.figures.live.fetch_sub(1, Ordering::Relaxed);
        let (waker, empty) = {
            let mut slots = self.register.slots.lock();
            slots.alarms[self.slot as usize] = NEVER;
            let waker = slots.wakers[self.slot as usize].take();
            slots.seats[self.slot as usize] = Weak::new();
            slots.free.push(self.slot);
            slots.taken -= 1;
            (waker, slots.stopping && slots.taken == 0)
        };
        drop(waker);
        if empty {
            self.register.empty.notify_waiters();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_given_back_and_used_again() {
        let register = Arc::new(Register::new(Arc::default(), 2));
        let first = register.enter().unwrap();
        let second = register.enter().unwrap();
        assert!(register.enter().is_none());
        drop(first);
        let third = register.enter().unwrap();
        assert_eq!((third.slot, register.len()), (0, 2));
        drop((second, third));
        assert_eq!(register.len(), 0);
    }

    struct Count(std::sync::atomic::AtomicU32);

    impl std::task::Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    #[test]
    fn an_alarm_rings_once_and_not_before_its_time() {
        let register = Arc::new(Register::new(Arc::default(), 2));
        let mut ticket = register.enter().unwrap();
        let count = Arc::new(Count(0.into()));
        let waker = Waker::from(Arc::clone(&count));
        let rings = |now| {
            let before = count.0.load(Ordering::Relaxed);
            register.ring(now);
            count.0.load(Ordering::Relaxed) - before
        };
        ticket.wake_at(1001, 0, &waker);
        // Later than it is set for: it rings first, and is set anew then.
        ticket.wake_at(2000, 900, &waker);
        assert_eq!([rings(1000), rings(1250), rings(1500)], [0, 1, 0]);
        ticket.wake_at(2000, 1500, &waker);
        ticket.wake_at(1600, 1500, &waker);
        assert_eq!([rings(1700), rings(1750), rings(9000)], [0, 1, 0]);
        ticket.wake_at(9500, 9000, &waker);
        drop(ticket);
        assert_eq!(rings(10_000), 0);
    }

    #[test]
    fn stopping_reaches_seats_of_before_and_after() {
        let register = Arc::new(Register::new(Arc::default(), 9));
        let (early, late) = (register.enter().unwrap(), register.enter().unwrap());
        let (seat, later) = (Seat::new(None), Seat::new(None));
        early.seated(&seat);
        register.stop();
        late.seated(&later);
        assert!(seat.try_next().is_some() && later.try_next().is_some());
        assert!(register.enter().is_none());
    }
}
