//! Moments in whole seconds: finer than any question about a fleet, and half the size.

use core::fmt;
use refit_protocol::measure::Span;
use refit_protocol::time::Timestamp;

/// A moment, in seconds since the Unix epoch, UTC. The last one, in 2106, stands for all after it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Second(u32);

impl Second {
    /// The last moment. The number after it is free: an index marks with it what never happened.
    pub const MAX: Self = Self(u32::MAX - 1);

    /// Returns the second in which this lies.
    pub fn of(moment: Timestamp) -> Self {
        Self::new(moment.as_millis() / 1000)
    }

    fn new(seconds: u64) -> Self {
        u32::try_from(seconds).map_or(Self::MAX, |seconds| Self(seconds).min(Self::MAX))
    }

    /// Returns the seconds since the Unix epoch.
    pub const fn as_u32(self) -> u32 {
        self.0
    }

    /// Returns the moment that lies this far back.
    pub const fn before(self, span: Span) -> Self {
        Self(self.0.saturating_sub(span.as_seconds()))
    }

    /// Reads a date (`2026-03-01`, its first second) or a time of RFC 3339 in whole seconds (`2026-03-01T12:00:00Z`, also
    /// without the seconds, and with an offset). Years are 1970 to 2105.
    pub fn parse(text: &str) -> Option<Self> {
        let (date, time) = match text.split_once(['T', 't']) {
            Some((date, time)) => (date, Some(time)),
            None => (text, None),
        };
        let day = day(date)?;
        let seconds = time.map_or(Some(0), seconds)?;
        let moment = u32::try_from(day * 86_400 + seconds).ok()?;
        (moment <= Self::MAX.0).then_some(Self(moment))
    }
}

/// Counts the days from 1970-01-01 to a date.
fn day(date: &str) -> Option<i64> {
    let mut parts = date.split('-');
    let (year, month, day) = (
        digits(parts.next()?, 4)?,
        digits(parts.next()?, 2)?,
        digits(parts.next()?, 2)?,
    );
    if parts.next().is_some() || !(1970..=2105).contains(&year) || day == 0 {
        return None;
    }
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let lengths = [
        31,
        if leap { 29 } else { 28 },
        31,
        30,
        31,
        30,
        31,
        31,
        30,
        31,
        30,
        31,
    ];
    let before = usize::try_from(month).ok()?.checked_sub(1)?;
    if day > *lengths.get(before)? {
        return None;
    }
    let years = year - 1970;
    // Between 1970 and 2105 only 2100 leaves its leap day out.
    let leap_days = (years + 1) / 4 - i64::from(year > 2100);
    Some(years * 365 + leap_days + lengths.iter().take(before).sum::<i64>() + day - 1)
}

/// Counts the seconds of a time of day with its offset.
fn seconds(time: &str) -> Option<i64> {
    let (clock, offset) = match time.strip_suffix(['Z', 'z']) {
        Some(clock) => (clock, 0),
        None => {
            let at = time.rfind(['+', '-'])?;
            let (clock, offset) = time.split_at_checked(at)?;
            let (sign, offset) = offset.split_at_checked(1)?;
            let (hours, minutes) = offset.split_once(':')?;
            let (hours, minutes) = (digits(hours, 2)?, digits(minutes, 2)?);
            if hours > 23 || minutes > 59 {
                return None;
            }
            (
                clock,
                (hours * 3600 + minutes * 60) * if sign == "-" { -1 } else { 1 },
            )
        }
    };
    let mut parts = clock.split(':');
    let (hours, minutes) = (digits(parts.next()?, 2)?, digits(parts.next()?, 2)?);
    let seconds = parts.next().map_or(Some(0), |part| digits(part, 2))?;
    let valid = parts.next().is_none() && hours < 24 && minutes < 60 && seconds < 60;
    valid.then(|| hours * 3600 + minutes * 60 + seconds - offset)
}

fn digits(text: &str, count: usize) -> Option<i64> {
    let valid = text.len() == count && text.bytes().all(|byte| byte.is_ascii_digit());
    valid.then(|| text.parse().ok()).flatten()
}

impl fmt::Display for Second {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = Timestamp(u64::from(self.0) * 1000).rfc3339();
        match self.0 % 86_400 {
            0 => f.write_str(text.split('T').next().unwrap_or_default()),
            _ => write!(f, "{}Z", text.split('.').next().unwrap_or_default()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;

    #[test]
    fn dates_and_times_are_read_and_printed_in_one_form() {
        for (text, seconds, printed) in [
            ("1970-01-01", 0, "1970-01-01"),
            ("2000-02-29", 951_782_400, "2000-02-29"),
            (
                "2026-03-01T12:30:05Z",
                1_772_368_205,
                "2026-03-01T12:30:05Z",
            ),
            (
                "2026-03-01T00:00:00+02:00",
                1_772_316_000,
                "2026-02-28T22:00:00Z",
            ),
            ("2026-02-28T19:00-05:00", 1_772_323_200, "2026-03-01"),
            ("2100-03-01", 4_107_542_400, "2100-03-01"),
        ] {
            let moment = Second::parse(text).unwrap();
            assert_eq!(
                (moment.as_u32(), moment.to_string().as_str()),
                (seconds, printed),
                "{text}"
            );
        }
        for text in [
            "",
            "2026",
            "2026-3-1",
            "2026-02-29",
            "2100-02-29",
            "2026-13-01",
            "2026-00-10",
            "2026-01-00",
            "1969-12-31",
            "2106-01-01",
            "2026-01-01T",
            "2026-01-01T24:00Z",
            "2026-01-01T12:00",
            "2026-01-01T12:00:60Z",
            "2026-01-01T12:00:00.5Z",
            "1970-01-01T00:00+01:00",
            "2026-01-01T12:00+24:00",
            "2026-01-01T12:00é",
            "2026-01-01-01",
        ] {
            assert_eq!(Second::parse(text), None, "{text}");
        }
    }

    #[test]
    fn every_day_prints_as_it_is_read() {
        for day in 0..49_670 {
            let moment = Second(day * 86_400 + day % 3);
            assert_eq!(Second::parse(&moment.to_string()), Some(moment));
        }
        assert_eq!(Second::of(Timestamp(u64::MAX)), Second::MAX);
        assert_eq!(Second::of(Timestamp(1999)), Second(1));
    }
}
