//! Facts in their table, beside the record: changed in the writer's transaction, a slice of devices at a time.

use std::collections::BTreeMap;

use refit_protocol::device_id::DeviceId;
use refit_protocol::time::Timestamp;
use rusqlite::{Connection, OptionalExtension, Row, params};
use serde_json::{Map, Value};

use crate::facts::{DeviceFacts, Facts, FactsChange, FactsOutcome};
use crate::sqlite::release::unreadable;
use crate::sqlite::row::Unreadable;
use crate::store::DeviceKey;

const FIND: &str =
    "SELECT num, coalesce(json_extract(control, '$.x'), 0), tags, attributes, coalesce(changed, 0)
     FROM device LEFT JOIN facts USING (num) WHERE ext_id = ?";
const MAKE: &str =
    "INSERT INTO device (ext_id, revision, version, written, desired, reported, created)
     VALUES (?1, 1, 0, ?2, '{}', '{}', ?2)";
const PUT: &str = "INSERT INTO facts VALUES (?1, ?2, ?3, ?4)
     ON CONFLICT DO UPDATE SET tags = ?2, attributes = ?3, changed = ?4";
const FACTS: &str = "SELECT facts.tags, facts.attributes, changed, identity.attributes, claimed,
     coalesce(created, first_seen, seen, written), coalesce(first_seen, seen)
     FROM device LEFT JOIN facts USING (num) LEFT JOIN identity ON identity.device = ext_id WHERE ext_id = ?";

/// A device that is known, and what is said of it.
struct Known {
    num: i64,
    gone: bool,
    facts: Facts,
    /// When they were last changed, or 0.
    changed: i64,
}

/// Changes what is said of one device.
pub(super) fn change(
    connection: &Connection,
    change: &FactsChange,
    at: Timestamp,
) -> rusqlite::Result<FactsOutcome> {
    let at = at.0.cast_signed();
    let known = connection
        .prepare_cached(FIND)?
        .query_row([change.device.as_str()], known)
        .optional()?;
    let before = match &known {
        Some(known) if known.gone => return Ok(FactsOutcome::Missing),
        None if !change.make => return Ok(FactsOutcome::Missing),
        Some(known) => known.facts.clone(),
        None => Facts::default(),
    };
    let last = known.as_ref().map_or(0, |known| known.changed);
    if change.from.is_some_and(|from| from.0.cast_signed() != last) {
        return Ok(FactsOutcome::Conflict);
    }
    let facts = match before.edited(change) {
        Ok(facts) => facts,
        Err(error) => return Ok(FactsOutcome::Refused(error)),
    };
    let made = known.is_none();
    let num = match known {
        Some(known) if facts == before => return Ok(FactsOutcome::Same(key(known.num))),
        Some(known) => known.num,
        None => make(connection, &change.device, at)?,
    };
    // Two changes of one millisecond are two: whoever has read the first must not overwrite the second. So the row stays
    // when nothing is said any more.
    let changed = at.max(last + 1);
    let (tags, attributes) = (text(&facts.tags), text(&facts.attributes));
    connection
        .prepare_cached(PUT)?
        .execute(params![num, tags, attributes, changed])?;
    Ok(FactsOutcome::Changed {
        key: key(num),
        made,
        facts,
    })
}

/// Forgets what was said of a device.
pub(super) fn forget(connection: &Connection, num: i64) -> rusqlite::Result<()> {
    connection
        .prepare_cached("DELETE FROM facts WHERE num = ?")?
        .execute([num])
        .map(drop)
}

fn make(connection: &Connection, device: &DeviceId, at: i64) -> rusqlite::Result<i64> {
    connection
        .prepare_cached("UPDATE counter SET n = n + 1 WHERE kind = 0")?
        .execute(())?;
    connection
        .prepare_cached(MAKE)?
        .insert(params![device.as_str(), at])
}

/// Returns what is known of a device beside its record.
pub(super) fn of(
    connection: &Connection,
    device: &DeviceId,
) -> rusqlite::Result<Option<DeviceFacts>> {
    connection
        .prepare_cached(FACTS)?
        .query_row([device.as_str()], |row| {
            Ok(DeviceFacts {
                operator: facts(row, 0)?,
                changed: time(row, 2)?,
                enrolment: document(row, 3)?,
                claimed: document(row, 4)?,
                created: time(row, 5)?.unwrap_or_default(),
                first_seen: time(row, 6)?,
            })
        })
        .optional()
}

fn known(row: &Row<'_>) -> rusqlite::Result<Known> {
    Ok(Known {
        num: row.get(0)?,
        gone: row.get(1)?,
        facts: facts(row, 2)?,
        changed: row.get(4)?,
    })
}

/// Reads tags and attributes from two columns; both are NULL where nothing is said.
pub(super) fn facts(row: &Row<'_>, column: usize) -> rusqlite::Result<Facts> {
    let tags: Option<BTreeMap<String, String>> = json(row, column)?;
    Ok(Facts {
        tags: tags.unwrap_or_default(),
        attributes: document(row, column + 1)?,
    })
}

/// Reads an object; NULL is an empty one.
pub(super) fn document(row: &Row<'_>, column: usize) -> rusqlite::Result<Map<String, Value>> {
    Ok(json(row, column)?.unwrap_or_default())
}

pub(super) fn json<'r, T: serde::Deserialize<'r>>(
    row: &'r Row<'_>,
    column: usize,
) -> rusqlite::Result<Option<T>> {
    let text = row.get_ref(column)?.as_str_or_null()?;
    let read = text.map(serde_json::from_str).transpose();
    read.map_err(|error| unreadable(column, Unreadable(error.to_string())))
}

fn time(row: &Row<'_>, column: usize) -> rusqlite::Result<Option<Timestamp>> {
    let stored: Option<i64> = row.get(column)?;
    Ok(stored.map(|at| Timestamp(at.cast_unsigned())))
}

fn text(facts: &impl serde::Serialize) -> String {
    serde_json::to_string(facts).unwrap_or_default()
}

const fn key(num: i64) -> DeviceKey {
    DeviceKey(num.cast_unsigned())
}
