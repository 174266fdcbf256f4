//! Tokens, users and sessions in their tables. Changes run in the writer's transaction.

use refit_protocol::time::Timestamp;
use rusqlite::{Connection, OptionalExtension, Row, params};

use crate::access::{
    AccessChange, AccessOutcome, SESSIONS_OF_USER_MAX, SessionRow, TOKENS_MAX, TokenRow, USERS_MAX,
    UserRow,
};

/// Reads all tokens that were ever made, in the order of their names; of one name the newest first.
pub(super) const TOKENS: &str =
    "SELECT id, name, role, scope, hash, created, expires, used, revoked
     FROM token ORDER BY name, created DESC, id";
pub(super) const USERS: &str =
    "SELECT name, role, password, disabled, created FROM user ORDER BY name";
pub(super) const SESSIONS: &str = "SELECT hash, user, created, expires FROM session";

/// Makes a change.
pub(super) fn change(
    connection: &Connection,
    change: &AccessChange,
) -> rusqlite::Result<AccessOutcome> {
    match change {
        AccessChange::AddToken(token) => add_token(connection, token),
        AccessChange::RevokeToken { id, at } => done_if(connection.execute(
            "UPDATE token SET revoked = ?2 WHERE id = ?1 AND revoked IS NULL",
            params![id, time(*at)],
        )),
        AccessChange::AddUser(user) => add_user(connection, user),
        AccessChange::SetRole { user, role } => {
            done_if(connection.execute("UPDATE user SET role = ?2 WHERE name = ?1", [user, role]))
        }
        AccessChange::SetPassword { user, password } => {
            end_sessions(connection, user)?;
            done_if(connection.execute(
                "UPDATE user SET password = ?2 WHERE name = ?1",
                [user, &password.0],
            ))
        }
        AccessChange::SetDisabled { user, disabled } => {
            end_sessions(connection, user)?;
            done_if(connection.execute(
                "UPDATE user SET disabled = ?2 WHERE name = ?1",
                params![user, disabled],
            ))
        }
        AccessChange::RemoveUser { user } => {
            end_sessions(connection, user)?;
            done_if(connection.execute("DELETE FROM user WHERE name = ?", [user]))
        }
        AccessChange::AddSession(session) => add_session(connection, session),
        AccessChange::RemoveSession { hash } => {
            done_if(connection.execute("DELETE FROM session WHERE hash = ?", [hash]))
        }
    }
}

/// Notes when a token was used.
pub(super) fn note_use(connection: &Connection, id: &str, at: Timestamp) -> rusqlite::Result<()> {
    let sql = "UPDATE token SET used = ?2 WHERE id = ?1 AND ifnull(used, 0) < ?2";
    connection.execute(sql, params![id, time(at)]).map(drop)
}

fn done_if(changed: rusqlite::Result<usize>) -> rusqlite::Result<AccessOutcome> {
    Ok(match changed? {
        0 => AccessOutcome::Missing,
        _ => AccessOutcome::Done,
    })
}

fn count(connection: &Connection, sql: &str) -> rusqlite::Result<u64> {
    connection.query_row(sql, (), |row| Ok(row.get::<_, i64>(0)?.cast_unsigned()))
}

fn add_token(connection: &Connection, token: &TokenRow) -> rusqlite::Result<AccessOutcome> {
    // Nobody misses a name that only stands for a token that is no longer good.
    connection.execute(
        "UPDATE token SET revoked = expires WHERE name = ?1 AND revoked IS NULL AND expires <= ?2",
        params![token.name, time(token.created)],
    )?;
    let taken: Option<i64> = connection
        .query_row(
            "SELECT 1 FROM token WHERE id = ?1 OR hash = ?2 OR (name = ?3 AND revoked IS NULL)",
            params![token.id, token.hash, token.name],
            |row| row.get(0),
        )
        .optional()?;
    if taken.is_some() {
        return Ok(AccessOutcome::Taken);
    }
    if count(
        connection,
        "SELECT count(*) FROM token WHERE revoked IS NULL",
    )? >= TOKENS_MAX
    {
        return Ok(AccessOutcome::TooMany);
    }
    connection.execute(
        "INSERT INTO token (id, name, role, scope, hash, created, expires) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
        params![
            token.id,
            token.name,
            token.role,
            token.scope,
            token.hash,
            time(token.created),
            token.expires.map(time),
        ],
    )?;
    Ok(AccessOutcome::Done)
}

fn add_user(connection: &Connection, user: &UserRow) -> rusqlite::Result<AccessOutcome> {
    if count(connection, "SELECT count(*) FROM user")? >= USERS_MAX {
        return Ok(AccessOutcome::TooMany);
    }
    let added = connection.execute(
        "INSERT INTO user VALUES (?1, ?2, ?3, ?4, ?5) ON CONFLICT DO NOTHING",
        params![
            user.name,
            user.role,
            user.password,
            user.disabled,
            time(user.created)
        ],
    )?;
    Ok(match added {
        0 => AccessOutcome::Taken,
        _ => AccessOutcome::Done,
    })
}

fn end_sessions(connection: &Connection, user: &str) -> rusqlite::Result<()> {
    let ended = connection.execute("DELETE FROM session WHERE user = ?", [user]);
    ended.map(drop)
}

fn add_session(connection: &Connection, session: &SessionRow) -> rusqlite::Result<AccessOutcome> {
    connection.execute(
        "DELETE FROM session WHERE expires <= ?",
        [time(session.created)],
    )?;
    let user: Option<bool> = connection
        .query_row(
            "SELECT disabled FROM user WHERE name = ?",
            [&session.user],
            |row| row.get(0),
        )
        .optional()?;
    // It may have been removed or disabled while the password was looked at.
    if user != Some(false) {
        return Ok(AccessOutcome::Missing);
    }
    connection.execute(
        "DELETE FROM session WHERE hash IN
         (SELECT hash FROM session WHERE user = ?1 ORDER BY created DESC, hash LIMIT -1 OFFSET ?2)",
        params![session.user, (SESSIONS_OF_USER_MAX - 1).cast_signed()],
    )?;
    connection.execute(
        "INSERT INTO session VALUES (?1, ?2, ?3, ?4)",
        params![
            session.hash,
            session.user,
            time(session.created),
            time(session.expires)
        ],
    )?;
    Ok(AccessOutcome::Done)
}

/// Reads the columns of a token.
pub(super) fn token(row: &Row<'_>) -> rusqlite::Result<TokenRow> {
    Ok(TokenRow {
        id: row.get(0)?,
        name: row.get(1)?,
        role: row.get(2)?,
        scope: row.get(3)?,
        hash: row.get(4)?,
        created: read_time(row, 5)?.unwrap_or_default(),
        expires: read_time(row, 6)?,
        used: read_time(row, 7)?,
        revoked: read_time(row, 8)?,
    })
}

/// Reads the columns of a user.
pub(super) fn user(row: &Row<'_>) -> rusqlite::Result<UserRow> {
    Ok(UserRow {
        name: row.get(0)?,
        role: row.get(1)?,
        password: row.get(2)?,
        disabled: row.get(3)?,
        created: read_time(row, 4)?.unwrap_or_default(),
    })
}

/// Reads the columns of a session.
pub(super) fn session(row: &Row<'_>) -> rusqlite::Result<SessionRow> {
    Ok(SessionRow {
        hash: row.get(0)?,
        user: row.get(1)?,
        created: read_time(row, 2)?.unwrap_or_default(),
        expires: read_time(row, 3)?.unwrap_or_default(),
    })
}

const fn time(at: Timestamp) -> i64 {
    at.0.cast_signed()
}

fn read_time(row: &Row<'_>, column: usize) -> rusqlite::Result<Option<Timestamp>> {
    let at: Option<i64> = row.get(column)?;
    Ok(at.map(|at| Timestamp(at.cast_unsigned())))
}
