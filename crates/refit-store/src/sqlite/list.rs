//! Uploaded lists of IDs in their table, each in one row.

use refit_protocol::device_id::DeviceId;
use refit_protocol::time::Timestamp;
use rusqlite::{Connection, OptionalExtension, Row, params};

use crate::list::{LIST_IDS_MAX, LISTS_MAX, ListOutcome, ListRow, NewList};
use crate::sqlite::release::unreadable;
use crate::sqlite::row::Unreadable;

const PUT: &str = "INSERT INTO list (name, count, changed, ids) VALUES (?1, ?2, ?3, ?4)
     ON CONFLICT DO UPDATE SET count = ?2, changed = ?3, ids = ?4";

/// Puts a list in the place of the one of that name.
pub(super) fn put(connection: &Connection, list: &NewList) -> rusqlite::Result<ListOutcome> {
    let others: i64 = connection
        .prepare_cached("SELECT count(*) FROM list WHERE name <> ?")?
        .query_row([&list.name], |row| row.get(0))?;
    if others >= LISTS_MAX as i64 || list.ids.len() > LIST_IDS_MAX {
        return Ok(ListOutcome::Full);
    }
    let made = ids(connection, &list.name)?.is_none();
    let texts: Vec<&str> = list.ids.iter().map(DeviceId::as_str).collect();
    let (count, at) = (texts.len() as i64, list.at.0.cast_signed());
    connection
        .prepare_cached(PUT)?
        .execute(params![list.name, count, at, texts.join("\n")])?;
    Ok(ListOutcome::Put { made })
}

/// Removes a list; false if there is none.
pub(super) fn remove(connection: &Connection, name: &str) -> rusqlite::Result<bool> {
    let removed = connection
        .prepare_cached("DELETE FROM list WHERE name = ?")?
        .execute([name])?;
    Ok(removed > 0)
}

/// Names all lists.
pub(super) fn all(connection: &Connection) -> rusqlite::Result<Vec<ListRow>> {
    let read = |row: &Row<'_>| {
        Ok(ListRow {
            name: row.get(0)?,
            count: row.get::<_, i64>(1)?.cast_unsigned(),
            changed: Timestamp(row.get::<_, i64>(2)?.cast_unsigned()),
        })
    };
    connection
        .prepare_cached("SELECT name, count, changed FROM list ORDER BY name")?
        .query_map((), read)?
        .collect()
}

/// Returns the IDs of a list.
pub(super) fn ids(connection: &Connection, name: &str) -> rusqlite::Result<Option<Vec<DeviceId>>> {
    let text: Option<String> = connection
        .prepare_cached("SELECT ids FROM list WHERE name = ?")?
        .query_row([name], |row| row.get(0))
        .optional()?;
    let read = |line: &str| {
        DeviceId::parse(line).map_err(|why| unreadable(0, Unreadable(why.to_string())))
    };
    text.map(|text| text.lines().map(read).collect())
        .transpose()
}
