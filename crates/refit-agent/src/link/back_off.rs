//! How long to wait before the next connection: so that a fleet that was cut off together does not return together.

use std::time::Duration;

/// The bounds of the back-off; each wait is drawn from all below its bound (full jitter).
const FIRST: Duration = Duration::from_secs(1);
const LAST: Duration = Duration::from_secs(5 * 60);

/// The least bound after a server has said that it has too much to do.
const BUSY: Duration = Duration::from_secs(60);

/// The most that a server can ask for, so that a slip of its pen does not silence a device.
const ASKED_MAX: Duration = Duration::from_secs(60 * 60);

/// The waits of a device that was revoked: about an hour. It may be taken back, and then it is still there.
const REVOKED: Duration = Duration::from_secs(45 * 60);
const REVOKED_SPREAD: Duration = Duration::from_secs(30 * 60);

/// A device that started together with its whole street comes within this time, if nothing else is configured.
const AFTER_BOOT: Duration = Duration::from_secs(10);

/// A start this long after the boot has nothing to do with it.
const BOOTING: Duration = Duration::from_secs(5 * 60);

/// How a connection ended, or that none was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lost {
    /// Why, for a person.
    pub reason: String,
    /// What that means for the next one.
    pub then: Then,
}

/// What the end of a connection means for the next one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Then {
    /// It is made again in a while.
    Again,
    /// The same; but the server did not take the identity, which may have expired by its clock.
    Refused,
    /// The server has too much to do, and may have said for how long.
    Busy(Option<Duration>),
    /// The server does not want this device any more.
    Revoked,
}

impl From<String> for Lost {
    fn from(reason: String) -> Self {
        let then = Then::Again;
        Self { reason, then }
    }
}

impl From<&str> for Lost {
    fn from(reason: &str) -> Self {
        reason.to_owned().into()
    }
}

/// The waits between connections.
#[derive(Clone, Copy, Debug)]
pub struct BackOff(Duration);

impl Default for BackOff {
    fn default() -> Self {
        Self(FIRST)
    }
}

impl BackOff {
    /// A connection lasted: the next waits are short again.
    pub const fn lasted(&mut self) {
        self.0 = FIRST;
    }

    /// Returns the next wait. `draw` gives a number below its argument.
    pub fn next(&mut self, then: Then, draw: &mut dyn FnMut(u64) -> u64) -> Duration {
        let mut below = |bound: Duration| Duration::from_millis(draw(bound.as_millis() as u64));
        let wait = match then {
            Then::Again | Then::Refused => below(self.0),
            Then::Busy(asked) => {
                self.0 = self.0.max(BUSY);
                // The server's own wait, and then not all of those whom it told the same at once.
                asked.unwrap_or_default().min(ASKED_MAX) + below(self.0)
            }
            Then::Revoked => REVOKED + below(REVOKED_SPREAD),
        };
        self.0 = (self.0 * 2).min(LAST);
        wait
    }
}

/// Returns the wait before the first connection: always the same for a device, and spread evenly over a fleet.
pub fn first(device: &str, since_boot: Duration, configured: Option<Duration>) -> Duration {
    let spread = match configured {
        Some(spread) => spread,
        None if since_boot < BOOTING => AFTER_BOOT,
        None => Duration::ZERO,
    };
    let spread = spread.as_millis() as u64;
    Duration::from_millis(share(device).checked_rem(spread).unwrap_or(0))
}

/// A number that is always the same for a device, and spreads devices evenly (FNV-1a).
pub fn share(device: &str) -> u64 {
    let step = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    device.bytes().fold(0xcbf2_9ce4_8422_2325, step)
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn s(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    /// The longest waits that chance can give.
    fn longest(back_off: &mut BackOff, then: Then) -> Duration {
        back_off.next(then, &mut |end| end)
    }

    #[test]
    fn waits_are_drawn_below_a_bound_that_doubles() {
        let mut back_off = BackOff::default();
        assert_eq!(back_off.next(Then::Again, &mut |_| 0), s(0), "full jitter");
        for bound in [2, 4, 8, 16, 32, 64, 128, 256, 300, 300] {
            assert_eq!(longest(&mut back_off, Then::Again), s(bound));
        }
        back_off.lasted();
        assert_eq!(longest(&mut back_off, Then::Again), s(1));
    }

    #[test]
    fn a_busy_server_is_left_alone_for_as_long_as_it_asks() {
        let mut back_off = BackOff::default();
        assert_eq!(longest(&mut back_off, Then::Busy(None)), s(60));
        assert_eq!(back_off.next(Then::Busy(Some(s(90))), &mut |_| 0), s(90));
        let week = Then::Busy(Some(s(7 * 24 * 3600)));
        assert_eq!(back_off.next(week, &mut |_| 0), s(3600));
    }

    #[test]
    fn who_was_revoked_asks_about_hourly() {
        let mut back_off = BackOff::default();
        assert_eq!(back_off.next(Then::Revoked, &mut |_| 0), s(45 * 60));
        assert_eq!(longest(&mut back_off, Then::Revoked), s(75 * 60));
    }

    #[test]
    fn power_that_returns_to_a_city_is_spread() {
        let waits: Vec<_> = (0..1000)
            .map(|n| first(&format!("lamp-{n}"), s(20), None))
            .collect();
        for second in 0..10 {
            let within = waits.iter().filter(|wait| wait.as_secs() == second).count();
            assert!((60..=140).contains(&within), "{within} in second {second}");
        }
        assert!(waits.iter().all(|wait| *wait < s(10)));
        assert_eq!(first("lamp-1", s(20), None), waits[1]);
        assert_eq!(first("lamp-1", s(3600), None), s(0), "a restart is no boot");
        assert_eq!(first("lamp-1", s(20), Some(s(0))), s(0));
        assert_ne!(first("lamp-1", s(3600), Some(s(600))), s(0));
    }
}
