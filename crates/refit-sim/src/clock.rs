//! Simulated time: what happens next, in the order of time, and of its planning where times are equal.

use std::cmp::{Ordering, Reverse};
use std::collections::BinaryHeap;

use crate::transition::Event;

/// Milliseconds since the simulation began.
pub(crate) type Millis = u64;

/// One second, in [`Millis`].
pub(crate) const SECOND: Millis = 1_000;
/// One minute.
pub(crate) const MINUTE: Millis = 60 * SECOND;
/// One hour.
pub(crate) const HOUR: Millis = 60 * MINUTE;

/// All that is planned.
#[derive(Default)]
pub(crate) struct Clock {
    now: Millis,
    planned: u64,
    queue: BinaryHeap<Reverse<Planned>>,
}

struct Planned {
    at: Millis,
    number: u64,
    event: Event,
}

impl Clock {
    /// Returns the time.
    pub(crate) const fn now(&self) -> Millis {
        self.now
    }

    /// Plans an event so many milliseconds ahead.
    pub(crate) fn after(&mut self, wait: Millis, event: Event) {
        self.at(self.now + wait, event);
    }

    /// Plans an event; not before now.
    pub(crate) fn at(&mut self, at: Millis, event: Event) {
        self.planned += 1;
        self.queue.push(Reverse(Planned {
            at: at.max(self.now),
            number: self.planned,
            event,
        }));
    }

    /// Lets time go on to the next event.
    pub(crate) fn next(&mut self) -> Option<Event> {
        let Reverse(planned) = self.queue.pop()?;
        self.now = planned.at;
        Some(planned.event)
    }
}

impl PartialEq for Planned {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Planned {}

impl PartialOrd for Planned {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Planned {
    fn cmp(&self, other: &Self) -> Ordering {
        (self.at, self.number).cmp(&(other.at, other.number))
    }
}
