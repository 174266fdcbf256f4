//! How long lists are, counted no further than a bound.

use refit_protocol::device_id::DeviceId;
use refit_protocol::job::Status;
use rusqlite::{Connection, params};

use crate::audit::AuditFilter;
use crate::reader::Counts;
use crate::sqlite::row;
use crate::store::Failure;

const DEVICES: &str = "SELECT count(*) FROM
     (SELECT 1 FROM device WHERE coalesce(json_extract(control, '$.x'), 0) = 0 LIMIT ?)";
const JOBS_OF: &str = "SELECT count(*) FROM
     (SELECT 1 FROM job WHERE num = (SELECT num FROM device WHERE ext_id = ?) LIMIT ?)";
/// Only the newest lines are looked at: nothing but the number is indexed.
const AUDIT: &str = "SELECT count(*) FROM audit
     WHERE number > (SELECT ifnull(max(number), 0) FROM audit) - ?1
     AND (?2 IS NULL OR actor = ?2) AND (?3 IS NULL OR action = ?3) AND (?4 IS NULL OR target = ?4)";

pub(super) fn devices(connection: &Connection, most: usize) -> rusqlite::Result<u64> {
    let mut count = connection.prepare_cached(DEVICES)?;
    count
        .query_row([bound(most)], |row| row.get(0))
        .map(natural)
}

pub(super) fn jobs_of(
    connection: &Connection,
    device: &DeviceId,
    most: usize,
) -> rusqlite::Result<u64> {
    let mut count = connection.prepare_cached(JOBS_OF)?;
    let params = params![device.as_str(), bound(most)];
    count.query_row(params, |row| row.get(0)).map(natural)
}

pub(super) fn audit(
    connection: &Connection,
    filter: &AuditFilter,
    newest: usize,
) -> rusqlite::Result<u64> {
    let AuditFilter {
        actor,
        action,
        target,
    } = filter;
    let mut count = connection.prepare_cached(AUDIT)?;
    let params = params![bound(newest), actor, action, target];
    count.query_row(params, |row| row.get(0)).map(natural)
}

fn bound(most: usize) -> i64 {
    i64::try_from(most).unwrap_or(i64::MAX)
}

const fn natural(count: i64) -> u64 {
    count.cast_unsigned()
}

/// Notes how many jobs are in the state of this code.
pub(super) fn put(counts: &mut Counts, code: i64, count: i64) -> Result<(), Failure> {
    let status = row::status(code).map_err(|why| Failure::Corrupt(why.to_string()))?;
    for (state, slot) in Status::ALL.iter().zip(&mut counts.jobs) {
        if *state == status {
            *slot = count.cast_unsigned();
        }
    }
    Ok(())
}
