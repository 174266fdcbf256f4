//! Releases in their table: adding in order, removing only what nobody desires.

use refit_protocol::delta::{Format, Software};
use refit_protocol::device_id::DeviceId;
use refit_protocol::digest::Digest;
use refit_protocol::time::Timestamp;
use rusqlite::{Connection, OptionalExtension, Row, params};

use crate::reader::Desires;
use crate::release::{Added, NewRelease, Release, Removed, Spot, spot, spread};
use crate::sqlite::row::Unreadable;

/// The columns of a release, as [`read`] takes them.
pub(super) const COLUMNS: &str = "name, version, digest, length, format, place, note, added";

/// Records a release. Runs in the writer's transaction.
pub(super) fn add(connection: &Connection, new: &NewRelease) -> rusqlite::Result<Added> {
    let software = &new.software;
    if let Some(known) = find(connection, &software.name, &software.version)? {
        let same = known.software.digest == software.digest;
        return Ok(if same {
            Added::Already(known)
        } else {
            Added::Conflict(known)
        });
    }
    let Some(place) = place(connection, new)? else {
        return Ok(Added::NoSuchVersion(new.after.clone().unwrap_or_default()));
    };
    connection.execute(
        "INSERT INTO release (name, version, digest, length, format, place, note, added)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
        params![
            software.name,
            software.version,
            software.digest.as_bytes(),
            software.length.cast_signed(),
            software.format.as_str(),
            place,
            new.note,
            new.added.0.cast_signed(),
        ],
    )?;
    Ok(Added::New(Release {
        software: software.clone(),
        place,
        note: new.note.clone(),
        added: new.added,
    }))
}

/// Removes a release unless a device desires its artifact. Runs in the writer's transaction, so that nobody can
/// begin to desire it meanwhile.
pub(super) fn remove(
    connection: &Connection,
    name: &str,
    version: &str,
) -> rusqlite::Result<Removed> {
    let Some(release) = find(connection, name, version)? else {
        return Ok(Removed::Missing);
    };
    let desires = desires(connection, release.digest())?;
    if let Some(first) = desires.first {
        return Ok(Removed::Desired {
            devices: desires.devices,
            first,
        });
    }
    connection.execute(
        "DELETE FROM release WHERE name = ? AND version = ?",
        (name, version),
    )?;
    let others: bool = connection.query_row(
        "SELECT EXISTS (SELECT 1 FROM release WHERE digest = ?)",
        [release.digest().as_bytes()],
        |row| row.get(0),
    )?;
    Ok(Removed::Gone {
        release,
        last: !others,
    })
}

/// Tells who desires an artifact.
pub(super) fn desires(connection: &Connection, digest: &Digest) -> rusqlite::Result<Desires> {
    let artifact: Option<i64> = connection
        .query_row(
            "SELECT num FROM artifact WHERE digest = ?",
            [digest.as_bytes()],
            |row| row.get(0),
        )
        .optional()?;
    let Some(artifact) = artifact else {
        return Ok(Desires::default());
    };
    let first: Option<DeviceId> = connection
        .query_row(
            "SELECT ext_id FROM device WHERE wants = ? ORDER BY num LIMIT 1",
            [artifact],
            |row| device_id(row, 0),
        )
        .optional()?;
    let devices: i64 = connection.query_row(
        "SELECT count(*) FROM device WHERE wants = ?",
        [artifact],
        |row| row.get(0),
    )?;
    Ok(Desires {
        devices: devices.cast_unsigned(),
        first,
    })
}

/// Returns a release.
pub(super) fn find(
    connection: &Connection,
    name: &str,
    version: &str,
) -> rusqlite::Result<Option<Release>> {
    let sql = format!("SELECT {COLUMNS} FROM release WHERE name = ? AND version = ?");
    connection
        .prepare_cached(&sql)?
        .query_row((name, version), read)
        .optional()
}

/// Reads the columns of a release.
pub(super) fn read(row: &Row<'_>) -> rusqlite::Result<Release> {
    let format: String = row.get(4)?;
    Ok(Release {
        software: Software {
            name: row.get(0)?,
            version: row.get(1)?,
            digest: Digest::from_bytes(row.get(2)?),
            length: row.get::<_, i64>(3)?.cast_unsigned(),
            format: Format::parse(&format)
                .ok_or_else(|| unreadable(4, Unreadable(format!("{format:?} is no format"))))?,
        },
        place: row.get(5)?,
        note: row.get(6)?,
        added: Timestamp(row.get::<_, i64>(7)?.cast_unsigned()),
    })
}

/// Reads a device ID.
pub(super) fn device_id(row: &Row<'_>, column: usize) -> rusqlite::Result<DeviceId> {
    let text = row.get_ref(column)?.as_str()?;
    DeviceId::parse(text).map_err(|why| unreadable(column, Unreadable(format!("{text:?}: {why}"))))
}

/// What was read from a column cannot be what was written.
pub(super) fn unreadable(column: usize, why: Unreadable) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(column, rusqlite::types::Type::Text, Box::new(why))
}

fn place(connection: &Connection, new: &NewRelease) -> rusqlite::Result<Option<i64>> {
    let name = &new.software.name;
    loop {
        let known: Vec<(String, i64)> = connection
            .prepare_cached("SELECT version, place FROM release WHERE name = ? ORDER BY place")?
            .query_map([name], |row| Ok((row.get(0)?, row.get(1)?)))?
            .collect::<Result<_, _>>()?;
        match spot(&known, &new.software.version, new.after.as_deref()) {
            None => return Ok(None),
            Some(Spot::At(place)) => return Ok(Some(place)),
            Some(Spot::Spread) => respread(connection, name, &known)?,
        }
    }
}

/// Gives all releases of a name places far apart. They are first moved out of the way, so that no two ever share one.
fn respread(connection: &Connection, name: &str, known: &[(String, i64)]) -> rusqlite::Result<()> {
    let lowest = known.first().map_or(0, |(_, place)| (*place).min(0));
    let aside = (1..).map(|index| lowest - index);
    let mut update =
        connection.prepare_cached("UPDATE release SET place = ? WHERE name = ? AND version = ?")?;
    for ((version, _), place) in known.iter().zip(aside) {
        update.execute(params![place, name, version])?;
    }
    for ((version, _), place) in known.iter().zip(spread(known.len())) {
        update.execute(params![place, name, version])?;
    }
    Ok(())
}
