//! A time as people and other programs write it: RFC 3339, UTC.

use alloc::format;
use alloc::string::String;

use crate::time::Timestamp;

/// The last moment of the year 9999, which is the last that RFC 3339 can write.
const LAST_MILLIS: u64 = 253_402_300_799_999;

impl Timestamp {
    /// Writes it as `2026-11-24T11:38:18.123Z`. Later ones than the year 9999 are written as its last moment.
    pub fn rfc3339(self) -> String {
        let millis = self.as_millis().min(LAST_MILLIS);
        let (day, rest) = (millis / 86_400_000, millis % 86_400_000);
        let (year, month, date) = civil(day);
        let (hour, minute) = (rest / 3_600_000, rest / 60_000 % 60);
        let (second, milli) = (rest / 1000 % 60, rest % 1000);
        format!("{year:04}-{month:02}-{date:02}T{hour:02}:{minute:02}:{second:02}.{milli:03}Z")
    }
}

/// The Gregorian calendar, from days since 1970. Years are counted from March, so that the day that some have more
/// comes last; 146,097 days are 400 years, after which everything repeats.
const fn civil(days: u64) -> (u64, u64, u64) {
    let days = days + 719_468;
    let (era, day) = (days / 146_097, days % 146_097);
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let date = day - (153 * month + 2) / 5 + 1;
    let (year, month) = if month < 10 {
        (year, month + 3)
    } else {
        (year + 1, month - 9)
    };
    (era * 400 + year, month, date)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_as_a_calendar_has_them() {
        // Each was made with `date -u -d @N`.
        for (seconds, text) in [
            (0, "1970-01-01T00:00:00.000Z"),
            (951_782_400, "2000-02-29T00:00:00.000Z"),
            (951_868_800, "2000-03-01T00:00:00.000Z"),
            (1_709_251_199, "2024-02-29T23:59:59.000Z"),
            (4_107_542_400, "2100-03-01T00:00:00.000Z"),
            (253_402_300_799, "9999-12-31T23:59:59.000Z"),
        ] {
            assert_eq!(Timestamp(seconds * 1000).rfc3339(), text);
        }
        assert_eq!(Timestamp(1_234).rfc3339(), "1970-01-01T00:00:01.234Z");
        assert_eq!(Timestamp(u64::MAX).rfc3339(), "9999-12-31T23:59:59.999Z");
    }
}
