//! A time zone by its IANA name, and which one was probably meant by a name that does not exist.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::fmt;
use core::str::FromStr;
use jiff::Timestamp as Instant;
use jiff::tz::{TimeZone, TimeZoneDatabase};
use refit_protocol::near::nearest;
use serde::{Deserialize, Serialize};

/// A time zone that exists; stored by its name.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Zone {
    name: String,
    rules: TimeZone,
}

/// A name that no time zone has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownZone {
    /// What was written.
    pub name: String,
    /// What was probably meant.
    pub suggestion: Option<String>,
}

impl Zone {
    /// Universal time.
    pub fn utc() -> Self {
        Self {
            name: "UTC".into(),
            rules: TimeZone::UTC,
        }
    }

    /// Returns the zone that a device's attribute names, or the plan's for a device without one.
    pub fn of_device(attribute: Option<&str>, otherwise: &Self) -> Result<Self, UnknownZone> {
        attribute.map_or_else(|| Ok(otherwise.clone()), str::parse)
    }

    /// Returns the name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns by how many seconds the wall clock is ahead of UTC at this second since the epoch.
    pub(super) fn offset(&self, at: i64) -> i64 {
        self.rules.to_offset(instant(at)).seconds().into()
    }

    /// Returns the first second after this one at which the wall clock is changed.
    pub(super) fn change_after(&self, at: i64) -> Option<i64> {
        let next = self.rules.following(instant(at)).next()?;
        Some(next.timestamp().as_second()).filter(|next| *next > at)
    }

    /// Returns the wall clock's date and time.
    pub(crate) fn wall(&self, at: refit_protocol::time::Timestamp) -> jiff::civil::DateTime {
        self.rules.to_datetime(instant(super::seconds(at)))
    }
}

/// Years past 9999 are its last moment: such a clock is wrong, and must not panic.
fn instant(at: i64) -> Instant {
    Instant::from_second(at).unwrap_or(Instant::MAX)
}

impl PartialEq for Zone {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Eq for Zone {}

impl fmt::Display for Zone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

impl FromStr for Zone {
    type Err = UnknownZone;

    fn from_str(name: &str) -> Result<Self, UnknownZone> {
        let rules = TimeZoneDatabase::bundled()
            .get(name)
            .map_err(|_| UnknownZone {
                name: name.into(),
                suggestion: suggest(name),
            })?;
        let name = rules.iana_name().unwrap_or(name).to_string();
        Ok(Self { name, rules })
    }
}

impl TryFrom<String> for Zone {
    type Error = UnknownZone;

    fn try_from(name: String) -> Result<Self, UnknownZone> {
        name.parse()
    }
}

impl From<Zone> for String {
    fn from(zone: Zone) -> Self {
        zone.name
    }
}

impl fmt::Display for UnknownZone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "there is no time zone `{}`: ", self.name)?;
        match &self.suggestion {
            Some(near) => write!(f, "did you mean {near}?"),
            None => f.write_str("write an IANA name, such as Europe/Berlin or UTC"),
        }
    }
}

impl core::error::Error for UnknownZone {}

/// Longer than any zone's name: what is longer is not compared with all of them.
const NAME_BYTES_MAX: usize = 48;

/// Returns a zone for an offset (`UTC+2`), for a city alone (`Berlin`), or for a slip of the pen.
fn suggest(wrong: &str) -> Option<String> {
    if wrong.len() > NAME_BYTES_MAX {
        return None;
    }
    if let Some(zone) = offset(wrong) {
        return Some(zone);
    }
    let wrong = wrong.trim().replace(' ', "_").to_ascii_lowercase();
    let database = TimeZoneDatabase::bundled();
    let names: Vec<String> = database.available().map(|name| name.to_string()).collect();
    let is_city = |name: &&String| {
        name.rsplit('/')
            .next()
            .is_some_and(|city| city.eq_ignore_ascii_case(&wrong))
    };
    names
        .iter()
        .find(is_city)
        .map(String::as_str)
        .or_else(|| nearest(&wrong, names.iter().map(String::as_str)))
        .map(ToString::to_string)
}

/// Returns `Etc/GMT-2` for `UTC+2`, `GMT+02:00` and `+2`: in names the sign is that of POSIX, which is the other one.
fn offset(wrong: &str) -> Option<String> {
    let upper = wrong.trim().to_ascii_uppercase();
    let rest = upper.trim_start_matches("UTC").trim_start_matches("GMT");
    let hours = rest.strip_suffix(":00").unwrap_or(rest);
    let sign = match hours.as_bytes().first()? {
        b'+' => '-',
        b'-' => '+',
        _ => return None,
    };
    let number: u8 = hours.get(1..)?.parse().ok()?;
    (1..=12)
        .contains(&number)
        .then(|| format!("Etc/GMT{sign}{number}"))
}
