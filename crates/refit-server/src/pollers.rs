//! Devices that poll over HTTP: each is as if connected from when it asks until half as long again as it was told to
//! wait (semantics 41), so that timers run, and `why` is right, as for any other device.
//!
//! A device that is connected over MQTT as well stays what it is there.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use refit_engine::fleet::Fleet;
use refit_engine::seat::{Outgoing, Seat};
use refit_protocol::device_id::DeviceId;
use tokio::sync::watch;

/// How many there may be; each costs about 300 bytes here and in the engine.
const POLLERS_MAX: usize = 200_000;

/// How often it is looked whose time is over.
const SWEEP: Duration = Duration::from_secs(1);

/// How much sooner a device is to come that has something to do.
const BUSY: Duration = Duration::from_secs(60);

/// The devices that poll.
#[derive(Default)]
pub(crate) struct Pollers {
    present: Mutex<HashMap<DeviceId, Poller>>,
}

struct Poller {
    seat: Arc<Seat>,
    until: Instant,
}

impl Pollers {
    /// Returns the seat of a device that is here already.
    pub(crate) fn seat(&self, device: &DeviceId) -> Option<Arc<Seat>> {
        let mut present = self.present.lock();
        let seat = Arc::clone(&present.get(device)?.seat);
        if is_taken_over(&seat) {
            present.remove(device);
            return None;
        }
        Some(seat)
    }

    /// Takes in a device that is not connected otherwise; nothing if there are too many.
    pub(crate) fn arrive(&self, fleet: &Fleet, device: &DeviceId) -> Option<Arc<Seat>> {
        let seat = Seat::new(Some(device.clone()));
        {
            let mut present = self.present.lock();
            if present.len() >= POLLERS_MAX {
                return None;
            }
            let poller = Poller {
                seat: Arc::clone(&seat),
                until: Instant::now() + BUSY,
            };
            present.insert(device.clone(), poller);
        }
        fleet.attach(&seat);
        fleet.subscribe(&seat);
        Some(seat)
    }

    /// Notes for how long a device was told to wait.
    pub(crate) fn waits(&self, device: &DeviceId, next: Duration) {
        if let Some(poller) = self.present.lock().get_mut(device) {
            poller.until = Instant::now() + next + next / 2;
        }
    }

    /// Returns how many there are.
    pub(crate) fn len(&self) -> usize {
        self.present.lock().len()
    }

    fn sweep(&self, fleet: &Fleet, now: Instant) {
        let mut gone = Vec::new();
        self.present.lock().retain(|_, poller| {
            let stays = poller.until > now && !is_taken_over(&poller.seat);
            if !stays {
                gone.push(Arc::clone(&poller.seat));
            }
            stays
        });
        for seat in gone {
            fleet.detach(&seat);
        }
    }
}

/// Nobody reads what is put on this seat but the word that another connection took its place.
fn is_taken_over(seat: &Seat) -> bool {
    std::iter::from_fn(|| seat.try_next()).any(|next| matches!(next, Outgoing::Close(_)))
}

/// Lets devices go whose time is over, until the server stops.
pub(crate) async fn sweep(
    pollers: Arc<Pollers>,
    fleet: Fleet,
    mut stopping: watch::Receiver<bool>,
) {
    let mut tick = tokio::time::interval(SWEEP);
    loop {
        tokio::select! {
            _ = tick.tick() => pollers.sweep(&fleet, Instant::now()),
            _ = stopping.wait_for(|stopping| *stopping) => return,
        }
    }
}

/// Chooses when a device is to come again: sooner if it has a job, and a fifth sooner or later by chance, so that those
/// that came together do not come together again.
pub(crate) fn next_poll(interval: Duration, has_job: bool, random: u32) -> Duration {
    let interval = if has_job {
        interval.min(BUSY)
    } else {
        interval
    };
    let seconds = interval.as_secs().max(1);
    let fifth = seconds / 5;
    Duration::from_secs(seconds - fifth + u64::from(random) % (2 * fifth + 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_poll_is_spread_by_a_fifth_and_sooner_with_a_job() {
        let seconds =
            |interval, job, random| next_poll(Duration::from_secs(interval), job, random).as_secs();
        assert_eq!(
            (seconds(300, false, 0), seconds(300, false, 120)),
            (240, 360)
        );
        assert_eq!((seconds(300, true, 0), seconds(300, true, 24)), (48, 72));
        assert_eq!(seconds(10, true, 0), 8);
        assert_eq!(seconds(1, false, 7), 1);
    }
}
