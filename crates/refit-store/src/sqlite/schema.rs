//! Opening a connection, and bringing the schema up to date: numbered files, one transaction each, with a checksum
//! of what was run. A schema that is newer than this program, or not what it remembers, is refused.

use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, OpenFlags, TransactionBehavior, params};

use crate::sqlite::OpenError;

/// The oldest library that does not lose commits when one connection writes and another checkpoints.
const OLDEST_LIBRARY: i32 = 3_051_003;

/// The writer's page cache, in KiB.
const WRITER_CACHE_KIB: i32 = 64 * 1024;

/// A reader's page cache, in KiB: the upper levels of the trees. The rest is in the system's cache.
const READER_CACHE_KIB: i32 = 2 * 1024;

/// How long the writer waits for readers of the old log before it starts that anew another time.
const RESTART_PATIENCE: Duration = Duration::from_millis(20);

/// The migrations in their order; the number of each is its place, from 1.
const MIGRATIONS: [&str; 9] = [
    include_str!("../../migrations/sqlite/0001_first.sql"),
    include_str!("../../migrations/sqlite/0002_access.sql"),
    include_str!("../../migrations/sqlite/0003_answer.sql"),
    include_str!("../../migrations/sqlite/0004_identity.sql"),
    include_str!("../../migrations/sqlite/0005_audit.sql"),
    include_str!("../../migrations/sqlite/0006_facts.sql"),
    include_str!("../../migrations/sqlite/0007_rollout.sql"),
    include_str!("../../migrations/sqlite/0008_issuers.sql"),
    include_str!("../../migrations/sqlite/0009_lists.sql"),
];

/// Opens the connection that writes, and brings the schema up to date.
pub(super) fn open_writer(path: &Path) -> Result<Connection, OpenError> {
    check_library(rusqlite::version_number())?;
    let mut connection =
        Connection::open_with_flags(path, flags(OpenFlags::SQLITE_OPEN_READ_WRITE))?;
    // Before the first table: the page size is fixed with it.
    connection.pragma_update(None, "page_size", 4096)?;
    connection.pragma_update_and_check(None, "journal_mode", "WAL", |_| Ok(()))?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "foreign_keys", false)?;
    connection.pragma_update(None, "wal_autocheckpoint", 0)?;
    connection.pragma_update(None, "cache_size", -WRITER_CACHE_KIB)?;
    connection.pragma_update(None, "temp_store", "MEMORY")?;
    connection.set_prepared_statement_cache_capacity(64);
    migrate(&mut connection, &MIGRATIONS)?;
    // From here on only a reader can make it wait, when the log is started anew: not for long.
    connection.busy_timeout(RESTART_PATIENCE)?;
    Ok(connection)
}

/// Opens the connection of the checkpointer: it copies pages and needs no cache.
pub(super) fn open_checkpointer(path: &Path) -> rusqlite::Result<Connection> {
    let connection = Connection::open_with_flags(path, flags(OpenFlags::SQLITE_OPEN_READ_WRITE))?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "wal_autocheckpoint", 0)?;
    Ok(connection)
}

/// Opens the connection of a reader.
pub(super) fn open_reader(path: &Path) -> rusqlite::Result<Connection> {
    let connection = Connection::open_with_flags(path, flags(OpenFlags::SQLITE_OPEN_READ_ONLY))?;
    connection.pragma_update(None, "cache_size", -READER_CACHE_KIB)?;
    connection.set_prepared_statement_cache_capacity(32);
    Ok(connection)
}

/// Each connection belongs to one thread at a time, so SQLite's own mutexes are not needed.
fn flags(mode: OpenFlags) -> OpenFlags {
    mode | OpenFlags::SQLITE_OPEN_NO_MUTEX
}

fn check_library(version: i32) -> Result<(), OpenError> {
    if version < OLDEST_LIBRARY {
        return Err(OpenError::Library(version));
    }
    Ok(())
}

/// Brings the schema up to date.
#[cfg(test)]
pub(super) fn migrate_all(connection: &mut Connection) -> Result<(), OpenError> {
    migrate(connection, &MIGRATIONS)
}

fn migrate(connection: &mut Connection, migrations: &[&str]) -> Result<(), OpenError> {
    connection.execute_batch(
        "CREATE TABLE IF NOT EXISTS migration (number INTEGER PRIMARY KEY, checksum INTEGER NOT NULL) STRICT",
    )?;
    let known = migrations.len() as i64;
    let newest: i64 =
        connection.query_row("SELECT ifnull(max(number), 0) FROM migration", (), |row| {
            row.get(0)
        })?;
    if newest > known {
        return Err(OpenError::Newer { newest, known });
    }
    for (number, sql) in (1..).zip(migrations) {
        run(connection, number, sql)?;
    }
    Ok(())
}

/// Runs a migration, unless it was run; then it must be the one that was.
fn run(connection: &mut Connection, number: i64, sql: &str) -> Result<(), OpenError> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let known = transaction
        .prepare("SELECT checksum FROM migration WHERE number = ?")?
        .query_map([number], |row| row.get::<_, i64>(0))?
        .next()
        .transpose()?;
    match known {
        Some(known) if known == checksum(sql) => return Ok(()),
        Some(_) => return Err(OpenError::Altered(number)),
        None => {}
    }
    transaction.execute_batch(sql)?;
    transaction.execute(
        "INSERT INTO migration VALUES (?, ?)",
        params![number, checksum(sql)],
    )?;
    transaction.commit()?;
    Ok(())
}

/// FNV-1a: enough to notice a migration that was edited after it was run, which is a mistake and not an attack.
fn checksum(sql: &str) -> i64 {
    let hash = sql.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    hash.cast_signed()
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: &str = "CREATE TABLE a (x); INSERT INTO a VALUES (1);";
    const B: &str = "INSERT INTO a VALUES (2);";

    fn rows(connection: &Connection) -> i64 {
        connection
            .query_row("SELECT count(*) FROM a", (), |row| row.get(0))
            .unwrap()
    }

    #[test]
    fn each_migration_runs_once() {
        let mut connection = Connection::open_in_memory().unwrap();
        migrate(&mut connection, &[A]).unwrap();
        migrate(&mut connection, &[A]).unwrap();
        migrate(&mut connection, &[A, B]).unwrap();
        migrate(&mut connection, &[A, B]).unwrap();
        assert_eq!(rows(&connection), 2);
    }

    #[test]
    fn a_newer_or_altered_schema_is_refused() {
        let mut connection = Connection::open_in_memory().unwrap();
        migrate(&mut connection, &[A, B]).unwrap();
        let newer = migrate(&mut connection, &[A]).unwrap_err();
        assert!(matches!(
            newer,
            OpenError::Newer {
                newest: 2,
                known: 1
            }
        ));
        let altered = migrate(&mut connection, &[A, A]).unwrap_err();
        assert!(matches!(altered, OpenError::Altered(2)));
    }

    #[test]
    fn a_migration_that_fails_leaves_nothing() {
        let mut connection = Connection::open_in_memory().unwrap();
        migrate(&mut connection, &[A]).unwrap();
        assert!(migrate(&mut connection, &[A, "INSERT INTO a VALUES (2); nonsense"]).is_err());
        migrate(&mut connection, &[A, B]).unwrap();
        assert_eq!(rows(&connection), 2);
    }

    #[test]
    fn a_library_that_can_lose_commits_is_refused() {
        assert!(check_library(3_051_002).is_err());
        assert!(check_library(3_051_003).is_ok());
        assert!(check_library(rusqlite::version_number()).is_ok());
    }
}
