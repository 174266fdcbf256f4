//! From when to when a certificate is good, and its serial number.
//!
//! A clock that is far off makes certificates that nobody accepts, or that nobody can take back. So a time outside of
//! [`EARLIEST`] to [`LATEST`] is refused: it is a clock, not a time.

use refit_protocol::time::Timestamp;
use std::fmt;

const HOUR_MS: u64 = 3_600_000;

/// A day, in milliseconds.
pub const DAY_MS: u64 = 24 * HOUR_MS;

/// How long a device's certificate is good, unless configured, in milliseconds.
pub const DEVICE_MS: u64 = 365 * DAY_MS;

/// How long a server's certificate is good, in milliseconds.
pub const SERVER_MS: u64 = 90 * DAY_MS;

/// How long the root is good, in milliseconds.
pub const ROOT_MS: u64 = 20 * 365 * DAY_MS;

/// How long an issuer is good, in milliseconds.
pub const ISSUER_MS: u64 = 5 * 365 * DAY_MS;

/// How far a certificate begins before it was made, in milliseconds: clocks that are a little behind accept it.
const BACKDATED_MS: u64 = HOUR_MS;

/// 2026-01-01: no clock that is right can show less to this program.
pub const EARLIEST: Timestamp = Timestamp(1_767_225_600_000);

/// 2100-01-01: a clock that shows more is wrong.
pub const LATEST: Timestamp = Timestamp(4_102_444_800_000);

/// From when to when a certificate is good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Validity {
    /// Before this it is not.
    pub not_before: Timestamp,
    /// After this it is not.
    pub not_after: Timestamp,
}

/// A clock that cannot be right.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the clock shows {} s since 1970, which cannot be; set it (NTP), then start again", .0.as_millis() / 1000)]
pub struct WrongClock(pub Timestamp);

impl WrongClock {
    /// Complains about a time that no clock can show which is right.
    pub fn check(now: Timestamp) -> Result<(), Self> {
        if (EARLIEST..=LATEST).contains(&now) {
            Ok(())
        } else {
            Err(Self(now))
        }
    }
}

impl Validity {
    /// Begins an hour ago, ends after `millis`.
    pub fn from(now: Timestamp, millis: u64) -> Result<Self, WrongClock> {
        WrongClock::check(now)?;
        Ok(Self {
            not_before: Timestamp(now.as_millis() - BACKDATED_MS),
            not_after: Timestamp(now.as_millis().saturating_add(millis)),
        })
    }

    /// Returns the time after which a new one should be fetched: two thirds have passed.
    pub const fn renew_after(&self) -> Timestamp {
        let lasts = self
            .not_after
            .as_millis()
            .saturating_sub(self.not_before.as_millis());
        Timestamp(self.not_before.as_millis() + lasts / 3 * 2)
    }

    /// Tells whether `now` lies within.
    pub fn holds(&self, now: Timestamp) -> bool {
        self.not_before <= now && now <= self.not_after
    }
}

/// A serial number: 1 to 20 bytes, big-endian (RFC 5280 §4.1.2.2).
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Serial(Box<[u8]>);

impl Serial {
    /// Makes one from 128 random bits; it is positive and never 0.
    pub fn random(mut bits: [u8; 16]) -> Self {
        bits[0] = bits[0] & 0x7f | 0x40;
        Self(bits.into())
    }

    /// Takes the bytes of a certificate's serial number.
    pub fn from_slice(bytes: &[u8]) -> Option<Self> {
        (1..=20).contains(&bytes.len()).then(|| Self(bytes.into()))
    }

    /// Returns the bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Display for Serial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Serial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_that_cannot_be_right_makes_nothing() {
        for wrong in [0, EARLIEST.0 - 1, LATEST.0 + 1, 4_291_747_200_000, u64::MAX] {
            let said = Validity::from(Timestamp(wrong), DEVICE_MS);
            assert_eq!(said, Err(WrongClock(Timestamp(wrong))));
        }
        assert!(Validity::from(EARLIEST, DEVICE_MS).is_ok());
        assert!(Validity::from(LATEST, u64::MAX).is_ok());
    }

    #[test]
    fn renewal_comes_after_two_thirds() {
        let made = Timestamp(EARLIEST.0 + HOUR_MS);
        let validity = Validity::from(made, 30 * DAY_MS - HOUR_MS).unwrap();
        assert_eq!(validity.renew_after(), Timestamp(EARLIEST.0 + 20 * DAY_MS));
        assert!(validity.holds(made) && validity.holds(validity.not_after));
        assert!(!validity.holds(Timestamp(validity.not_after.0 + 1)));
    }

    #[test]
    fn a_serial_number_is_positive() {
        for bits in [[0; 16], [0xff; 16], [0x80; 16]] {
            let serial = Serial::random(bits);
            assert!((0x40..0x80).contains(&serial.as_bytes()[0]));
            assert_eq!(serial.as_bytes().len(), 16);
        }
    }
}
