//! The audit log in its table. Lines are added in the writer's transaction, which alone knows the line before.

use refit_access::audit::{Entry, Head, link};
use refit_protocol::time::Timestamp;
use rusqlite::{Connection, OptionalExtension, Row, params};

use crate::audit::{AuditFilter, AuditFrom, AuditLine};
use crate::sqlite::release::unreadable;
use crate::sqlite::row::Unreadable;

const LAST: &str = "SELECT number, hash FROM audit ORDER BY number DESC LIMIT 1";
const ADD: &str =
    "INSERT INTO audit (number, at, actor, action, target, source, request, before, after, hash)
     VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)";

/// Adds a line.
pub(super) fn append(connection: &Connection, entry: &Entry) -> rusqlite::Result<()> {
    let (last, previous) = head(connection)?;
    let number = last + 1;
    let head = link(previous, number, entry);
    connection
        .prepare_cached(ADD)?
        .execute(params![
            number.cast_signed(),
            entry.at.0.cast_signed(),
            entry.actor,
            entry.action,
            entry.target,
            entry.source,
            entry.request,
            entry.before,
            entry.after,
            head.0,
        ])
        .map(drop)
}

/// Adds a line, if what it speaks of was done.
pub(super) fn append_if(
    changed: bool,
    connection: &Connection,
    entry: Option<&Entry>,
) -> rusqlite::Result<()> {
    match entry {
        Some(entry) if changed => append(connection, entry),
        _ => Ok(()),
    }
}

/// Returns the number of the last line, and the head of the chain.
pub(super) fn head(connection: &Connection) -> rusqlite::Result<(u64, Head)> {
    let last = connection.prepare_cached(LAST)?.query_row((), |row| {
        Ok((row.get::<_, i64>(0)?.cast_unsigned(), Head(row.get(1)?)))
    });
    Ok(last.optional()?.unwrap_or((0, Head::EMPTY)))
}

/// Lists lines.
pub(super) fn list(
    connection: &Connection,
    from: AuditFrom,
    filter: &AuditFilter,
    limit: usize,
) -> rusqlite::Result<Vec<AuditLine>> {
    let (edge, order) = match from {
        AuditFrom::After(number) => (("number >", number.cast_signed()), "ASC"),
        AuditFrom::Before(number) => {
            let number = number.map_or(i64::MAX, u64::cast_signed);
            (("number <", number), "DESC")
        }
    };
    let sql = format!(
        "SELECT number, at, actor, action, target, source, request, before, after, hash FROM audit
         WHERE {} ?1 AND (?2 IS NULL OR actor = ?2) AND (?3 IS NULL OR action = ?3)
         AND (?4 IS NULL OR target = ?4) ORDER BY number {order} LIMIT ?5",
        edge.0
    );
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let AuditFilter {
        actor,
        action,
        target,
    } = filter;
    connection
        .prepare_cached(&sql)?
        .query_map(params![edge.1, actor, action, target, limit], read)?
        .collect()
}

fn read(row: &Row<'_>) -> rusqlite::Result<AuditLine> {
    let hash: Vec<u8> = row.get(9)?;
    let head = <[u8; 32]>::try_from(hash.as_slice());
    let head = head.map_err(|_| unreadable(9, Unreadable("a hash has 32 bytes".into())))?;
    Ok(AuditLine {
        number: row.get::<_, i64>(0)?.cast_unsigned(),
        entry: Entry {
            at: Timestamp(row.get::<_, i64>(1)?.cast_unsigned()),
            actor: row.get(2)?,
            action: row.get(3)?,
            target: row.get(4)?,
            source: row.get(5)?,
            request: row.get(6)?,
            before: row.get(7)?,
            after: row.get(8)?,
        },
        head: Head(head),
    })
}
