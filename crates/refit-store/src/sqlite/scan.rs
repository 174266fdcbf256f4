//! The whole fleet, in the order of its numbers, with all that an index needs. Most of a record is skipped over, not
//! read: a start of a server waits for this.

use std::borrow::Cow;

use refit_protocol::claim::ClaimId;
use refit_protocol::device_id::DeviceId;
use refit_protocol::job::Status;
use refit_protocol::time::Timestamp;
use rusqlite::{CachedStatement, Connection, OptionalExtension, Row, params};
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::facts::{ScanRow, SoftwareRef};
use crate::identity::{CertificateState, Standing};
use crate::sqlite::facts;
use crate::sqlite::identity::{certificate_state, standing};
use crate::sqlite::release::{device_id, unreadable};
use crate::sqlite::row::{self, Control, Unreadable};
use crate::store::DeviceKey;

const SCAN: &str = "SELECT device.num, ext_id, desired, reported, control, open, seen,
     coalesce(created, first_seen, seen, written), tags, facts.attributes
     FROM device LEFT JOIN facts USING (num) WHERE device.num > ?1 ORDER BY device.num LIMIT ?2";
const IDENTITY: &str = "SELECT standing, attributes, claim FROM identity WHERE device = ?";
const ENDED: &str = "SELECT status, reason FROM job WHERE num = ? ORDER BY seq DESC LIMIT 1";
const NUMBER: &str = "SELECT num FROM device WHERE ext_id = ?";
const CERTIFICATE: &str =
    "SELECT state, not_after FROM certificate WHERE device = ? ORDER BY seq DESC LIMIT 1";

/// What of a state is read; the rest is skipped.
#[derive(Deserialize)]
struct Part<'a> {
    #[serde(rename = "softwareURL", borrow, default)]
    software: Option<Loose<'a>>,
    #[serde(default)]
    attributes: Option<Value>,
}

/// A text, or something else that a device put in its place.
#[derive(Deserialize)]
#[serde(untagged)]
enum Loose<'a> {
    Text(#[serde(borrow)] Cow<'a, str>),
    Other(serde::de::IgnoredAny),
}

/// Reads the devices after `after`.
pub(super) fn scan(
    connection: &Connection,
    after: DeviceKey,
    limit: i64,
) -> rusqlite::Result<Vec<ScanRow>> {
    let mut beside = Beside {
        identity: connection.prepare_cached(IDENTITY)?,
        certificate: connection.prepare_cached(CERTIFICATE)?,
        ended: connection.prepare_cached(ENDED)?,
    };
    connection
        .prepare_cached(SCAN)?
        .query_map(params![after.0.cast_signed(), limit], |row| {
            read(row, &mut beside)
        })?
        .collect()
}

/// Returns the numbers of devices, in the order asked.
pub(super) fn keys(
    connection: &Connection,
    devices: &[DeviceId],
) -> rusqlite::Result<Vec<Option<DeviceKey>>> {
    let mut number = connection.prepare_cached(NUMBER)?;
    let read = |row: &Row<'_>| row.get::<_, i64>(0);
    devices
        .iter()
        .map(|device| {
            let found = number.query_row([device.as_str()], read).optional()?;
            Ok(found.map(|num| DeviceKey(num.cast_unsigned())))
        })
        .collect()
}

/// The tables that are looked into for each row.
struct Beside<'c> {
    identity: CachedStatement<'c>,
    certificate: CachedStatement<'c>,
    ended: CachedStatement<'c>,
}

/// Where a device's identity stands, what it was enrolled with, and by which claim token.
type Identity = (Standing, Map<String, Value>, Option<ClaimId>);

impl Beside<'_> {
    fn identity(&mut self, device: &DeviceId) -> rusqlite::Result<Option<Identity>> {
        let read = |row: &Row<'_>| {
            let claim = row.get::<_, Option<[u8; 8]>>(2)?.map(ClaimId);
            Ok((standing(row, 0)?, facts::document(row, 1)?, claim))
        };
        self.identity.query_row([device.as_str()], read).optional()
    }

    fn certificate(
        &mut self,
        device: &DeviceId,
    ) -> rusqlite::Result<Option<(CertificateState, Timestamp)>> {
        let read = |row: &Row<'_>| Ok((certificate_state(row, 0)?, time(row.get(1)?)));
        self.certificate
            .query_row([device.as_str()], read)
            .optional()
    }

    fn ended(&mut self, num: i64) -> rusqlite::Result<Option<(Status, Option<String>)>> {
        let read = |row: &Row<'_>| {
            let status = row::status(row.get(0)?).map_err(|why| unreadable(0, why))?;
            Ok((status, row.get(1)?))
        };
        self.ended.query_row([num], read).optional()
    }
}

fn read(row: &Row<'_>, beside: &mut Beside<'_>) -> rusqlite::Result<ScanRow> {
    let id = device_id(row, 1)?;
    let desired = part(row, 2)?;
    let reported = part(row, 3)?;
    let control: Option<Control<'_>> = facts::json(row, 4)?;
    let bars = control.map(Control::bars).transpose();
    let bars = bars.map_err(|why| unreadable(4, why))?.unwrap_or_default();
    let job = row.get::<_, Option<i64>>(5)?.map(row::status).transpose();
    let job = job.map_err(|why| unreadable(5, why))?;
    let identity = beside.identity(&id)?;
    let certificate = match identity {
        Some(_) => beside.certificate(&id)?,
        None => None,
    };
    let num: i64 = row.get(0)?;
    let ended = match job {
        Some(_) => None,
        None => beside.ended(num)?,
    };
    let (standing, enrolment, claim) = match identity {
        Some((standing, enrolment, claim)) => (Some(standing), enrolment, claim),
        None => (None, Map::new(), None),
    };
    Ok(ScanRow {
        key: DeviceKey(num.cast_unsigned()),
        desired: desired.software(),
        reported: reported.software(),
        job: job.map(|job| (job, bars.assignment)),
        ended,
        rollout: bars.rollout,
        pinned: bars.pinned,
        withheld: bars.withheld,
        held: bars.held,
        gone: bars.gone,
        seen: row.get::<_, Option<i64>>(6)?.map(time),
        created: time(row.get(7)?),
        operator: facts::facts(row, 8)?,
        enrolment,
        attributes: reported.attributes(),
        standing,
        certificate,
        claim,
        id,
    })
}

fn part<'r>(row: &'r Row<'_>, column: usize) -> rusqlite::Result<Part<'r>> {
    let text = row.get_ref(column)?.as_str()?;
    serde_json::from_str(text).map_err(|error| unreadable(column, Unreadable(error.to_string())))
}

impl Part<'_> {
    fn software(&self) -> Option<SoftwareRef> {
        match &self.software {
            Some(Loose::Text(url)) => Some(SoftwareRef::of(url)),
            Some(Loose::Other(_)) | None => None,
        }
    }

    /// The flat ones: what is nested is state, and no attribute.
    fn attributes(self) -> Map<String, Value> {
        let Some(Value::Object(mut attributes)) = self.attributes else {
            return Map::new();
        };
        attributes.retain(|_, value| value.is_string() || value.is_number() || value.is_boolean());
        attributes
    }
}

const fn time(at: i64) -> Timestamp {
    Timestamp(at.cast_unsigned())
}
