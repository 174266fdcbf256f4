//! Shares and spans of time as operators write them in plans, selectors and the API: `5%`, `90m`, `PT90M`. Whole numbers
//! inside, so that every server counts alike.

use alloc::format;
use alloc::string::String;
use core::fmt;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// How many parts a whole has.
const PARTS: u32 = 1_000_000;

/// The units of a span, the longest first: their letter and seconds.
const UNITS: [(char, u32); 5] = [
    ('w', 604_800),
    ('d', 86_400),
    ('h', 3_600),
    ('m', 60),
    ('s', 1),
];

/// A share of a whole, none to all, in millionths.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Share(u32);

impl Share {
    /// The whole.
    pub const ALL: Self = Self(PARTS);

    /// Returns this many hundredths; more than a hundred is the whole.
    pub const fn percent(percent: u32) -> Self {
        Self(if percent > 100 {
            PARTS
        } else {
            percent * (PARTS / 100)
        })
    }

    /// Returns `part` ÷ `whole`, rounded down; none of nothing.
    pub fn of(part: u32, whole: u32) -> Self {
        let parts = u64::from(part) * u64::from(PARTS) / u64::from(whole.max(1));
        Self(parts.min(u64::from(PARTS)) as u32)
    }

    /// Returns it in millionths.
    pub const fn millionths(self) -> u32 {
        self.0
    }

    /// Returns the smallest count that is at least this share of `whole`.
    pub fn at_least(self, whole: u32) -> u32 {
        (u64::from(self.0) * u64::from(whole)).div_ceil(u64::from(PARTS)) as u32
    }

    /// Returns the largest count that is no more than this share of `whole`.
    pub fn at_most(self, whole: u32) -> u32 {
        (u64::from(self.0) * u64::from(whole) / u64::from(PARTS)) as u32
    }

    /// Reads a percentage with its sign and at most four decimals, such as `5%` or `0.1%`.
    pub fn parse(text: &str) -> Option<Self> {
        let number = text.strip_suffix('%')?;
        let (whole, fraction) = number.split_once('.').unwrap_or((number, "0"));
        let digits = |part: &str| {
            (1..=4).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_digit())
        };
        if !digits(whole) || !digits(fraction) {
            return None;
        }
        let scale = [1_000, 100, 10, 1].get(fraction.len() - 1)?;
        let parts =
            whole.parse::<u32>().ok()? * (PARTS / 100) + fraction.parse::<u32>().ok()? * scale;
        (parts <= PARTS).then_some(Self(parts))
    }
}

impl fmt::Display for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (whole, mut fraction, mut width) = (self.0 / 10_000, self.0 % 10_000, 4);
        if fraction == 0 {
            return write!(f, "{whole}%");
        }
        while fraction.is_multiple_of(10) {
            (fraction, width) = (fraction / 10, width - 1);
        }
        write!(f, "{whole}.{fraction:0width$}%")
    }
}

/// A length of time in whole seconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Span(u32);

impl Span {
    /// Returns this many seconds.
    pub const fn seconds(seconds: u32) -> Self {
        Self(seconds)
    }

    /// Returns this many minutes; what does not fit is the longest span.
    pub const fn minutes(minutes: u32) -> Self {
        Self(minutes.saturating_mul(60))
    }

    /// Returns this many hours; what does not fit is the longest span.
    pub const fn hours(hours: u32) -> Self {
        Self(hours.saturating_mul(3_600))
    }

    /// Returns it in seconds.
    pub const fn as_seconds(self) -> u32 {
        self.0
    }

    /// Returns it in milliseconds.
    pub const fn as_millis(self) -> u64 {
        self.0 as u64 * 1_000
    }

    /// Tells whether it is no time at all.
    pub const fn is_zero(self) -> bool {
        self.0 == 0
    }

    /// Reads numbers with units, the longest first, such as `90m` or `1h30m`; or what [`Span::iso`] reads; or `0`.
    pub fn parse(text: &str) -> Option<Self> {
        if text == "0" {
            return Some(Self(0));
        }
        Self::iso(text).or_else(|| units(text, &UNITS))
    }

    /// Reads an ISO 8601 duration without what has no fixed length, such as `P7D`, `PT90M` or `P1DT12H`: the larger unit
    /// first, each once, natural numbers (§5.5.2.2); weeks stand alone (§5.5.2.3).
    pub fn iso(text: &str) -> Option<Self> {
        let text = text.strip_prefix('P')?;
        if text.ends_with('W') {
            return units(text, &[('W', 604_800)]);
        }
        let (days, time) = match text.split_once('T') {
            Some((days, time)) => (days, Some(time)),
            None => (text, None),
        };
        let days = match days {
            "" if time.is_some() => Self(0),
            days => units(days, &[('D', 86_400)])?,
        };
        let time = time.map_or(Some(Self(0)), |time| {
            units(time, &[('H', 3_600), ('M', 60), ('S', 1)])
        })?;
        days.0.checked_add(time.0).map(Self)
    }
}

/// Reads one or more `number unit`, each unit at most once and the longest first.
fn units(text: &str, mut units: &[(char, u32)]) -> Option<Span> {
    let (mut rest, mut all) = (text, 0_u32);
    while !rest.is_empty() {
        let end = rest.find(|c: char| !c.is_ascii_digit())?;
        let (number, tail) = rest.split_at_checked(end)?;
        let letter = tail.chars().next()?;
        let at = units.iter().position(|(unit, _)| *unit == letter)?;
        let (_, seconds) = units.get(at)?;
        all = all.checked_add(number.parse::<u32>().ok()?.checked_mul(*seconds)?)?;
        units = units.get(at + 1..)?;
        rest = tail.get(letter.len_utf8()..)?;
    }
    (!text.is_empty()).then_some(Span(all))
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0 == 0 {
            return f.write_str("0s");
        }
        let mut rest = self.0;
        // Weeks are read but not printed: an operator thinks of 14 days as days.
        for (letter, seconds) in UNITS.iter().skip(1) {
            if rest >= *seconds {
                write!(f, "{}{letter}", rest / seconds)?;
                rest %= seconds;
            }
        }
        Ok(())
    }
}

impl Serialize for Share {
    fn serialize<S: Serializer>(&self, out: S) -> Result<S::Ok, S::Error> {
        out.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Share {
    fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        let text = String::deserialize(input)?;
        Self::parse(&text).ok_or_else(|| {
            de::Error::custom(format!(
                "{text:?} is no share; write it as \"5%\" or \"0.5%\""
            ))
        })
    }
}

impl Serialize for Span {
    fn serialize<S: Serializer>(&self, out: S) -> Result<S::Ok, S::Error> {
        out.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        let text = String::deserialize(input)?;
        Self::parse(&text).ok_or_else(|| {
            de::Error::custom(format!(
                "{text:?} is no length of time; write it as \"90s\", \"1h30m\" or \"PT1H30M\""
            ))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;

    #[test]
    fn shares_are_read_printed_and_counted_exactly() {
        for (text, printed) in [
            ("5%", "5%"),
            ("0.10%", "0.1%"),
            ("0.0001%", "0.0001%"),
            ("012.50%", "12.5%"),
            ("3.05%", "3.05%"),
            ("100%", "100%"),
            ("0%", "0%"),
        ] {
            assert_eq!(Share::parse(text).unwrap().to_string(), printed);
        }
        for text in ["5", "%", "101%", "-1%", "1.00001%", "1.%", ".5%", "ä%"] {
            assert_eq!(Share::parse(text), None, "{text}");
        }
        let five = Share::percent(5);
        assert_eq!((five.at_least(101), five.at_most(101)), (6, 5));
        assert_eq!((five.at_least(100), five.at_most(100)), (5, 5));
        assert_eq!(Share::ALL.at_least(u32::MAX), u32::MAX);
        assert_eq!(Share::of(1, 3).to_string(), "33.3333%");
    }

    #[test]
    fn spans_are_read_in_both_forms_and_printed_in_one() {
        for (text, seconds, printed) in [
            ("90m", 5_400, "1h30m"),
            ("1h30m", 5_400, "1h30m"),
            ("PT1H30M", 5_400, "1h30m"),
            ("P2W", 1_209_600, "14d"),
            ("P1DT1S", 86_401, "1d1s"),
            ("PT0S", 0, "0s"),
            ("0", 0, "0s"),
            ("0s", 0, "0s"),
        ] {
            let span = Span::parse(text).unwrap();
            assert_eq!(
                (span.as_seconds(), span.to_string().as_str()),
                (seconds, printed)
            );
        }
        for text in [
            "",
            "5",
            "h",
            "30m1h",
            "1m1m",
            "PT",
            "P",
            "1x",
            "99999999999s",
            "1é",
            "P1DT",
            "P1Y",
            "P1M",
            "PT1.5S",
            "PT-1S",
            "P+1D",
            "PT1S2H",
            "PT1H1H",
            "P1WT1H",
            "P1W1D",
            "p7d",
            "P7d",
            "P99999999999999999999D",
            "PT1é",
        ] {
            assert_eq!(Span::parse(text), None, "{text}");
        }
        assert_eq!(Span::iso("P7D"), Some(Span::hours(168)));
        assert_eq!((Span::iso("7d"), Span::iso("0")), (None, None));
    }
}
