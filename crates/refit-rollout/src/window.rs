//! When may a device be told? Maintenance windows by the clock on the device's wall.
//!
//! A window is open while the wall clock shows a time in it. So a window of which spring's jump skips a part is that
//! much shorter, one that lies wholly in the jump does not open that day, and one in autumn's repeated hour is open
//! both times. Nothing else needs to be known of DST.
//!
//! The rules of time zones are compiled in: no file is read, and two servers on different systems agree.

mod text;
mod zone;

use alloc::vec::Vec;
use refit_protocol::time::Timestamp;
use serde::{Deserialize, Serialize};

pub(crate) use self::text::DAYS;
pub use self::text::WindowError;
pub use self::zone::{UnknownZone, Zone};

const DAY: i64 = 86_400;
const WEEK: i64 = 7 * DAY;

/// Zones change their clocks about twice a year; past eight years a window that has not opened never will.
const CHANGES_MAX: usize = 16;

/// A window of each week, such as `mon-fri 22:00-05:00`. One that ends earlier in the day than it begins ends on the
/// day after; its days are those on which it begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "alloc::string::String", into = "alloc::string::String")]
pub struct Window {
    /// Bit 0 is Monday. Never empty.
    days: u8,
    /// Minutes after midnight at which it opens.
    from: u16,
    /// Minutes after midnight at which it closes, up to 1,440; not `from`.
    to: u16,
}

/// The next time that one of some windows is open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Opening {
    /// From here on: now, if it is open.
    pub from: Timestamp,
    /// Until here; `None` if it does not close within eight years.
    pub until: Option<Timestamp>,
}

/// Tells whether one of the windows is open.
pub fn is_open(windows: &[Window], zone: &Zone, now: Timestamp) -> bool {
    let at = seconds(now);
    left(windows, local(zone, at)).is_some()
}

/// Returns when one of the windows is open next, which may be now; `None` if none ever is.
pub fn next(windows: &[Window], zone: &Zone, now: Timestamp) -> Option<Opening> {
    let from = walk(zone, seconds(now), |local| until_open(windows, local))?;
    let until = walk(zone, from, |local| Some(left(windows, local).unwrap_or(0)))
        .filter(|until| left(windows, local(zone, *until)).is_none());
    let timestamp = |at: i64| Timestamp(at.unsigned_abs().saturating_mul(1_000));
    Some(Opening {
        from: timestamp(from).max(now),
        until: until.map(timestamp),
    })
}

/// Tells whether none of the windows opens from `start` until before `end`, or ever: what `check` complains of.
pub fn never_opens(
    windows: &[Window],
    zone: &Zone,
    start: Timestamp,
    end: Option<Timestamp>,
) -> bool {
    next(windows, zone, start).is_none_or(|opening| end.is_some_and(|end| opening.from >= end))
}

/// Goes from one point to the next that `step` asks for, in seconds of wall-clock time, until it asks for none, and
/// sees to it that no step goes past a change of the clock: there it asks again.
fn walk(zone: &Zone, start: i64, step: impl Fn(i64) -> Option<i64>) -> Option<i64> {
    let mut at = start;
    let mut change = zone.change_after(at);
    let mut changes = 0;
    // Windows that abut are several steps; a week has at most two for each minute.
    while changes < CHANGES_MAX {
        let ahead = step(local(zone, at))?;
        if ahead == 0 {
            return Some(at);
        }
        match change {
            Some(next) if at + ahead >= next => {
                at = next;
                change = zone.change_after(at);
                changes += 1;
            }
            None if at - start > 2 * WEEK => return None,
            _ if at - start > CHANGES_MAX as i64 * 26 * WEEK => return None,
            _ => at += ahead,
        }
    }
    None
}

/// Returns the wall clock's time, in seconds since Monday 00:00.
fn local(zone: &Zone, at: i64) -> i64 {
    // The epoch was a Thursday.
    (at + zone.offset(at) + 3 * DAY).rem_euclid(WEEK)
}

/// Returns for how long one of the windows stays open; `None` if none is.
fn left(windows: &[Window], local: i64) -> Option<i64> {
    spans(windows)
        .filter_map(|(from, long)| {
            let into = (local - from).rem_euclid(WEEK);
            (into < long).then_some(long - into)
        })
        .max()
}

/// Returns how long it is until one is open: 0 if one is.
fn until_open(windows: &[Window], local: i64) -> Option<i64> {
    if left(windows, local).is_some() {
        return Some(0);
    }
    spans(windows)
        .map(|(from, _)| (from - local).rem_euclid(WEEK))
        .min()
}

/// Returns when each opens, in seconds since Monday 00:00, and for how long.
fn spans(windows: &[Window]) -> impl Iterator<Item = (i64, i64)> {
    windows.iter().flat_map(|window| {
        let (from, to) = (i64::from(window.from) * 60, i64::from(window.to) * 60);
        let long = if to > from {
            to - from
        } else {
            to + DAY - from
        };
        (0..7)
            .filter(|day| window.days >> day & 1 == 1)
            .map(move |day| (day * DAY + from, long))
    })
}

fn seconds(at: Timestamp) -> i64 {
    i64::try_from(at.as_millis() / 1_000).unwrap_or(i64::MAX)
}

/// Reads windows as a plan has them; all that is wrong is said at once.
pub fn read<'a>(texts: impl IntoIterator<Item = &'a str>) -> Result<Vec<Window>, Vec<WindowError>> {
    let (mut windows, mut wrong) = (Vec::new(), Vec::new());
    for text in texts {
        match text.parse() {
            Ok(window) => windows.push(window),
            Err(why) => wrong.push(why),
        }
    }
    if wrong.is_empty() {
        Ok(windows)
    } else {
        Err(wrong)
    }
}
