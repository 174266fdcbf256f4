//! Kept answers in their table: what is too old, or too much, goes with each that comes.

use refit_protocol::time::Timestamp;
use rusqlite::{Connection, Row, params};

use crate::answer::{Answer, Keeping};

/// The columns of an answer, as [`read`] takes them.
pub(super) const COLUMNS: &str = "caller, key, head, body, status, headers, content, at";

/// Keeps an answer, in place of an older one under the same key. Runs in the writer's transaction.
pub(super) fn keep(
    connection: &Connection,
    answer: &Answer,
    keeping: Keeping,
) -> rusqlite::Result<()> {
    let since = keeping.since.0.cast_signed();
    connection
        .prepare_cached("DELETE FROM answer WHERE at < ?1 OR (caller = ?2 AND key = ?3)")?
        .execute(params![since, answer.caller, answer.key])?;
    connection
        .prepare_cached(
            "INSERT INTO answer (caller, key, head, body, status, headers, content, at)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
        )?
        .execute(params![
            answer.caller,
            answer.key,
            answer.head,
            answer.body,
            answer.status,
            answer.headers,
            answer.content,
            answer.at.0.cast_signed(),
        ])?;
    connection
        .prepare_cached(
            "DELETE FROM answer WHERE caller = ?1 AND seq <=
             (SELECT seq FROM answer WHERE caller = ?1 ORDER BY seq DESC LIMIT 1 OFFSET ?2)",
        )?
        .execute(params![answer.caller, keeping.per_caller_max])?;
    Ok(())
}

/// Reads an answer from the [`COLUMNS`].
pub(super) fn read(row: &Row<'_>) -> rusqlite::Result<Answer> {
    Ok(Answer {
        caller: row.get(0)?,
        key: row.get(1)?,
        head: row.get(2)?,
        body: row.get(3)?,
        status: row.get(4)?,
        headers: row.get(5)?,
        content: row.get(6)?,
        at: Timestamp(row.get::<_, i64>(7)?.cast_unsigned()),
    })
}
