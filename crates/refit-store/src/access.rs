//! Tokens, users and sessions, as they are recorded. What a role or a scope means is not known here: both are text.
//!
//! Every change goes through one door, [`Store::change_access`](crate::store::Store::change_access), in one transaction.

use std::fmt;

use refit_protocol::time::Timestamp;

/// How many tokens may be good at a time, and how many users there may be.
pub const TOKENS_MAX: u64 = 10_000;
/// How many users there may be.
pub const USERS_MAX: u64 = 10_000;

/// How many sessions one user may have: another one ends the oldest.
pub const SESSIONS_OF_USER_MAX: u64 = 16;

/// A token.
#[derive(Clone, PartialEq, Eq)]
pub struct TokenRow {
    /// What it is spoken of by; never used again.
    pub id: String,
    /// What people call it: unique among those that are not revoked.
    pub name: String,
    /// The name of its role.
    pub role: String,
    /// What it is narrowed to, as it was written down.
    pub scope: Option<String>,
    /// The SHA-256 of its text.
    pub hash: [u8; 32],
    /// When it was made.
    pub created: Timestamp,
    /// From when on it is no longer good; `None`: never.
    pub expires: Option<Timestamp>,
    /// When it was last used, as of the last note: coarse.
    pub used: Option<Timestamp>,
    /// When it was revoked.
    pub revoked: Option<Timestamp>,
}

/// A person who signs in.
#[derive(Clone, PartialEq, Eq)]
pub struct UserRow {
    /// The name: unique, whatever the case of its letters.
    pub name: String,
    /// The name of the role.
    pub role: String,
    /// The hash of the password, with its salt and parameters.
    pub password: String,
    /// Whether signing in is refused for now.
    pub disabled: bool,
    /// When the user was added.
    pub created: Timestamp,
}

/// A user who is signed in.
#[derive(Clone, PartialEq, Eq)]
pub struct SessionRow {
    /// The SHA-256 of the cookie's text.
    pub hash: [u8; 32],
    /// Whose it is.
    pub user: String,
    /// Since when.
    pub created: Timestamp,
    /// Until when.
    pub expires: Timestamp,
}

/// One change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AccessChange {
    /// A token is made. Of the same name there may be one that has expired: that is revoked with this.
    AddToken(TokenRow),
    /// A token is no longer good.
    RevokeToken {
        /// Which.
        id: String,
        /// Since when.
        at: Timestamp,
    },
    /// A user is added.
    AddUser(UserRow),
    /// A user gets another role. Sessions go on, with that role.
    SetRole {
        /// Who.
        user: String,
        /// Which.
        role: String,
    },
    /// A user gets another password; the sessions end.
    SetPassword {
        /// Who.
        user: String,
        /// Its hash.
        password: Redacted,
    },
    /// A user may not sign in, or may again; the sessions end.
    SetDisabled {
        /// Who.
        user: String,
        /// Which of both.
        disabled: bool,
    },
    /// A user is no more; the sessions end.
    RemoveUser {
        /// Who.
        user: String,
    },
    /// A user signed in. Sessions that expired are forgotten with this.
    AddSession(SessionRow),
    /// A user signed out.
    RemoveSession {
        /// The SHA-256 of the cookie's text.
        hash: [u8; 32],
    },
}

/// What became of a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AccessOutcome {
    /// It is durable.
    Done,
    /// The name is taken; nothing changed.
    Taken,
    /// There is no such token, user or session, or the token was revoked before; nothing changed.
    Missing,
    /// There are too many already; nothing changed.
    TooMany,
}

/// A text that `Debug` does not show.
#[derive(Clone, PartialEq, Eq)]
pub struct Redacted(pub String);

impl fmt::Debug for Redacted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("…")
    }
}

impl fmt::Debug for TokenRow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenRow")
            .field("id", &self.id)
            .field("name", &self.name)
            .field("role", &self.role)
            .field("revoked", &self.revoked)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for UserRow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UserRow")
            .field("name", &self.name)
            .field("role", &self.role)
            .field("disabled", &self.disabled)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for SessionRow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SessionRow")
            .field("user", &self.user)
            .field("expires", &self.expires)
            .finish_non_exhaustive()
    }
}
