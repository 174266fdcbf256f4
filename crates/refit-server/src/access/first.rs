//! The first admin: whoever can read the token file in the data directory.

use refit_access::role::Role;
use refit_access::token::{Purpose, SecretHash};
use refit_protocol::time::Timestamp;
use refit_store::access::{AccessChange, AccessOutcome, TokenRow};
use refit_store::store::Store;

use super::{OpenError, random};

/// What the token of the file is called.
const NAME: &str = "first-admin";

/// Records the token of the file as an admin's, unless it is recorded: also one that was revoked is, and stays revoked.
/// If the file has another one than before, whoever could read the old file no longer counts.
pub(super) fn admit(store: &dyn Store, file_token: &str, now: Timestamp) -> Result<(), OpenError> {
    let Some(hash) = SecretHash::read(Purpose::Token, file_token.as_bytes()) else {
        // It was read from its file, which takes nothing else.
        return Ok(());
    };
    let known = store.reader()?.tokens()?;
    if known.iter().any(|token| token.hash == hash.0) {
        return Ok(());
    }
    let before = known
        .into_iter()
        .find(|t| t.name == NAME && t.revoked.is_none());
    if let Some(TokenRow { id, .. }) = before {
        store.change_access(AccessChange::RevokeToken { id, at: now }, None)?;
    }
    let first = TokenRow {
        id: new_id().map_err(OpenError::Random)?,
        name: NAME.into(),
        role: Role::Admin.as_str().into(),
        scope: None,
        hash: hash.0,
        created: now,
        expires: None,
        used: None,
        revoked: None,
    };
    match store.change_access(AccessChange::AddToken(first), None)? {
        AccessOutcome::Done => {}
        outcome => tracing::error!("the token of the data directory is not good: {outcome:?}"),
    }
    Ok(())
}

/// Makes the ID of a token.
pub(crate) fn new_id() -> Result<String, getrandom::Error> {
    let bytes: [u8; 8] = random()?;
    Ok(format!("{:016x}", u64::from_be_bytes(bytes)))
}
