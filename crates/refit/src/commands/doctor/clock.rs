//! Is it the time that the clocks show? Certificates and grants stand and fall with it.

use refit_protocol::time::Timestamp;

use super::finding::Finding;

const CHECK: &str = "clock";

/// 2024-01-01 and 2100-12-31T24:00: no clock that is right shows less, or as much.
const EARLIEST: Timestamp = Timestamp(1_704_067_200_000);
const LATEST: Timestamp = Timestamp(4_133_980_800_000);

/// How far two clocks may be apart, in seconds: beyond the first, devices' clocks that are as good will soon refuse
/// grants; beyond the second they refuse certificates too.
const APART_WARNING_S: u64 = 30;
const APART_ERROR_S: u64 = 300;

const SET: &str = "set it, and keep it right with NTP (`timedatectl set-ntp true`)";

/// Judges the server's clock, as it stands in the `Date` of an answer, against this machine's.
pub(crate) fn judge(server: Option<Timestamp>, here: Timestamp) -> Finding {
    let is_possible = |time: &Timestamp| (EARLIEST..LATEST).contains(time);
    if !is_possible(&here) {
        let says = format!(
            "the clock of this machine shows {}, which cannot be",
            year(here)
        );
        return Finding::error(CHECK, says).next(SET);
    }
    let Some(server) = server else {
        return Finding::warning(CHECK, "the server does not say what time it has")
            .next("a proxy in front of it takes the Date header away: let it pass");
    };
    if !is_possible(&server) {
        let says = format!("the server's clock shows {}, which cannot be", year(server));
        return Finding::error(CHECK, says).next(SET);
    }
    let apart = server.as_millis().abs_diff(here.as_millis()) / 1000;
    let says = format!("the server's clock and this machine's are {apart} s apart");
    if apart > APART_ERROR_S {
        Finding::error(CHECK, says).next(SET)
    } else if apart > APART_WARNING_S {
        Finding::warning(CHECK, says).next(SET)
    } else {
        Finding::well(CHECK, says)
    }
}

fn year(time: Timestamp) -> String {
    let years = time.as_millis() / 1000 / 31_556_952;
    format!("the year {}", 1970 + years)
}

/// Reads a `Date` (RFC 9110 §5.6.7, the form that is written today): `Tue, 24 Nov 2026 15:30:20 GMT`.
pub(crate) fn parse(date: &str) -> Option<Timestamp> {
    const MONTHS: [&str; 12] = [
        "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
    ];
    let (_, date) = date.split_once(", ")?;
    let words: Vec<&str> = date.split(' ').collect();
    let [day, month, year, time, "GMT"] = words[..] else {
        return None;
    };
    let month = MONTHS.iter().position(|name| *name == month)? as u64;
    let (day, year): (u64, u64) = (day.parse().ok()?, year.parse().ok()?);
    moment(year, month, day, time)
}

/// Reads a time of the API: `2026-11-24T15:30:20.123Z`. What is less than a second is left out.
pub(crate) fn parse_rfc3339(text: &str) -> Option<Timestamp> {
    let (date, time) = text.split_once('T')?;
    let mut date = date.split('-').map(|part| part.parse::<u64>().ok());
    let (year, month, day) = (date.next()??, date.next()??, date.next()??);
    let time = time.split(['.', 'Z']).next()?;
    moment(year, month.checked_sub(1)?, day, time)
}

/// Puts a time together; months are counted from 0.
fn moment(year: u64, month: u64, day: u64, time: &str) -> Option<Timestamp> {
    let mut time = time.split(':').map(|part| part.parse::<u64>().ok());
    let (hour, minute, second) = (time.next()??, time.next()??, time.next()??);
    let is_in_range = (1970..=9999).contains(&year) && (1..=31).contains(&day) && month < 12;
    if !is_in_range || hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    // Years are counted from March, so that the day that some have more comes last.
    let (year, month) = if month < 2 {
        (year - 1, month + 10)
    } else {
        (year, month - 2)
    };
    let days = 365 * year + year / 4 - year / 100 + year / 400 + (153 * month + 2) / 5 + day - 1;
    let seconds = (days - 719_468) * 86_400 + hour * 3600 + minute * 60 + second;
    Some(Timestamp(seconds * 1000))
}

#[cfg(test)]
mod tests {
    use super::super::finding::State::{Error, Warning, Well};
    use super::*;

    #[test]
    fn clocks_that_are_apart_or_impossible_are_told() {
        const NOW: u64 = 1_795_534_220;
        // The server's, this machine's, in seconds since 1970.
        for (server, here, state) in [
            (Some(NOW), NOW, Well),
            (Some(NOW + 30), NOW, Well),
            (Some(NOW - 31), NOW, Warning),
            (Some(NOW + 300), NOW, Warning),
            (Some(NOW - 301), NOW, Error),
            (None, NOW, Warning),
            (Some(0), NOW, Error),
            (Some(4_294_967_295), NOW, Error),
            (Some(NOW), 0, Error),
            (Some(1_704_067_199), 1_704_067_199, Error),
            (Some(4_133_980_800), 4_133_980_800, Error),
            (Some(4_133_980_799), 4_133_980_799, Well),
        ] {
            let server_time = server.map(|seconds| Timestamp(seconds * 1000));
            let found = judge(server_time, Timestamp(here * 1000));
            assert_eq!(found.state, state, "{server:?} {here}: {found:?}");
            assert_eq!(found.next.is_none(), state == Well);
        }
        assert!(
            judge(Some(Timestamp(0)), Timestamp(NOW * 1000))
                .says
                .contains("1970")
        );
    }

    #[test]
    fn dates_are_read_as_they_are_written() {
        // Each was made with `date -u -R -d @N`.
        for (text, seconds) in [
            ("Thu, 01 Jan 1970 00:00:00 GMT", Some(0)),
            ("Tue, 29 Feb 2000 00:00:00 GMT", Some(951_782_400)),
            ("Tue, 24 Nov 2026 15:30:20 GMT", Some(1_795_534_220)),
            ("Mon, 01 Mar 2100 00:00:00 GMT", Some(4_107_542_400)),
            ("Tue, 24 Nov 2026 15:30:20 CET", None),
            ("Tue, 24 Nov 0026 15:30:20 GMT", None),
            ("Tue, 24 Nov 2026 25:30:20 GMT", None),
            ("yesterday", None),
            ("", None),
        ] {
            let read = parse(text).map(|time| time.as_millis() / 1000);
            assert_eq!(read, seconds, "{text}");
        }
        let read = parse_rfc3339("2026-11-24T15:30:20.123Z");
        assert_eq!(read, Some(Timestamp(1_795_534_220_000)));
        assert_eq!(parse_rfc3339("2026-13-24T15:30:20Z"), None);
    }
}
