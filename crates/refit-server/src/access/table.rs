//! Tokens, users and sessions as they were last read from the store.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use refit_access::rights::Rights;
use refit_access::role::Role;
use refit_access::scope::Scope;
use refit_access::token::SecretHash;
use refit_protocol::time::Timestamp;
use refit_store::access::{AccessChange, TokenRow, UserRow};
use refit_store::reader::Reader;
use refit_store::store::Failure;
use serde_json::{Value, json};

use super::Credential;

/// Somebody, and what they may do.
#[derive(Debug)]
pub(crate) struct Pass {
    pub(crate) who: Who,
    pub(crate) rights: Arc<Rights>,
    pub(crate) expires: Option<Timestamp>,
    /// When it was last noted that it was used, in milliseconds since the Unix epoch.
    noted: AtomicU64,
}

/// Whose rights they are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Who {
    /// A token's.
    Token {
        /// The ID, which is never used again.
        id: String,
        /// The name, which may be.
        name: String,
    },
    /// A user's.
    User {
        /// The name.
        name: String,
    },
}

impl Who {
    /// Returns what nobody else was or will be called, for what is kept of a caller.
    pub(crate) fn key(&self) -> String {
        match self {
            Self::Token { id, .. } => format!("token-id:{id}"),
            Self::User { name } => format!("user:{name}"),
        }
    }

    /// Returns the name, for the history of jobs.
    pub(crate) fn name(&self) -> &str {
        match self {
            Self::Token { name, .. } | Self::User { name } => name,
        }
    }
}

impl fmt::Display for Who {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Token { name, .. } => write!(f, "token:{name}"),
            Self::User { name } => write!(f, "user:{name}"),
        }
    }
}

impl Pass {
    /// Tells whether it has not expired.
    pub(crate) fn is_good(&self, now: Timestamp) -> bool {
        self.expires.is_none_or(|expires| now < expires)
    }

    /// Tells whether its use is to be noted now; says so to one who asks only.
    pub(super) fn is_to_be_noted(&self, now: Timestamp, coarse_ms: u64) -> bool {
        let noted = self.noted.load(Ordering::Relaxed);
        let is_old = noted == 0 || now.0.saturating_sub(noted) >= coarse_ms;
        let order = Ordering::Relaxed;
        is_old
            && self
                .noted
                .compare_exchange(noted, now.0, order, order)
                .is_ok()
    }
}

/// Everybody.
#[derive(Default)]
pub(super) struct Table {
    passes: HashMap<Credential, Arc<Pass>>,
    users: HashMap<String, UserRow>,
}

impl Table {
    /// Reads everybody who is not revoked. Who cannot be read may do nothing, and the others go on.
    pub(super) fn read(reader: &mut dyn Reader) -> Result<Self, Failure> {
        let mut table = Self::default();
        for token in reader.tokens()? {
            if token.revoked.is_some() {
                continue;
            }
            match pass_of(&token) {
                Some(pass) => {
                    let credential = Credential::Token(SecretHash(token.hash));
                    table.passes.insert(credential, Arc::new(pass));
                }
                None => tracing::error!(
                    "the token {} has a role or scope that this version does not know; it is not good",
                    token.name
                ),
            }
        }
        let users = reader.users()?;
        table.users = users
            .into_iter()
            .map(|user| (user.name.clone(), user))
            .collect();
        for session in reader.sessions()? {
            let Some((rights, name)) = table.rights_of_user(&session.user) else {
                continue;
            };
            let pass = Pass {
                who: Who::User { name },
                rights: Arc::new(rights),
                expires: Some(session.expires),
                noted: AtomicU64::new(0),
            };
            let credential = Credential::Session(SecretHash(session.hash));
            table.passes.insert(credential, Arc::new(pass));
        }
        Ok(table)
    }

    fn rights_of_user(&self, name: &str) -> Option<(Rights, String)> {
        let user = self.users.get(name).filter(|user| !user.disabled)?;
        let rights = Rights::new(Role::parse(&user.role)?, None).ok()?;
        Some((rights, user.name.clone()))
    }

    pub(super) fn find(&self, credential: Credential) -> Option<Arc<Pass>> {
        self.passes.get(&credential).cloned()
    }

    pub(super) fn user(&self, name: &str) -> Option<&UserRow> {
        self.users.get(name)
    }

    /// Says what it is that a change changes, as the audit log tells it: no secret, and no hash of one.
    pub(super) fn before(&self, change: &AccessChange) -> Option<Value> {
        match change {
            AccessChange::AddToken(_)
            | AccessChange::AddUser(_)
            | AccessChange::SetPassword { .. }
            | AccessChange::AddSession(_)
            | AccessChange::RemoveSession { .. } => None,
            AccessChange::RevokeToken { id, .. } => self.token(id),
            AccessChange::SetRole { user, .. } => {
                Some(json!({ "role": self.users.get(user)?.role }))
            }
            AccessChange::SetDisabled { user, .. } => {
                Some(json!({ "disabled": self.users.get(user)?.disabled }))
            }
            AccessChange::RemoveUser { user } => {
                let user = self.users.get(user)?;
                Some(json!({ "role": user.role, "disabled": user.disabled }))
            }
        }
    }

    /// Returns what a token is called that is good or has expired.
    pub(super) fn name_of_token(&self, wanted: &str) -> Option<&str> {
        self.passes.values().find_map(|pass| match &pass.who {
            Who::Token { id, name } if id == wanted => Some(name.as_str()),
            _ => None,
        })
    }

    fn token(&self, wanted: &str) -> Option<Value> {
        self.passes.values().find_map(|pass| match &pass.who {
            Who::Token { id, name } if id == wanted => Some(json!({
                "name": name,
                "role": pass.rights.role().as_str(),
                "scope": pass.rights.scope().map(Scope::text),
                "expires": pass.expires.map(|at| at.0),
            })),
            Who::Token { .. } | Who::User { .. } => None,
        })
    }

    pub(super) fn next_expiry(&self, now: Timestamp) -> Option<Timestamp> {
        let expiries = self.passes.values().filter_map(|pass| pass.expires);
        expiries.filter(|expires| *expires > now).min()
    }
}

fn pass_of(token: &TokenRow) -> Option<Pass> {
    let scope = match &token.scope {
        None => None,
        Some(scope) => Some(Scope::parse(scope).ok()?),
    };
    Some(Pass {
        who: Who::Token {
            id: token.id.clone(),
            name: token.name.clone(),
        },
        rights: Arc::new(Rights::new(Role::parse(&token.role)?, scope).ok()?),
        expires: token.expires,
        noted: AtomicU64::new(token.used.unwrap_or_default().0),
    })
}
