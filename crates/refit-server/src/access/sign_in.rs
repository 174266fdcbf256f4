//! Signing in: a name and a password for a session. Whoever fails is told one thing, after one and the same work.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::http::header;
use refit_access::token::{Purpose, Secret};
use refit_access::{name, password};
use refit_protocol::time::Timestamp;
use refit_store::access::SessionRow;
use zeroize::Zeroizing;

use super::{Access, new_secret};
use crate::http::error::{Kind, Problem};
use crate::wall;

/// How long a session lasts, in milliseconds.
pub(crate) const SESSION_LIFETIME_MS: u64 = 12 * 3_600_000;

/// How long somebody waits until their password is looked at, when many sign in.
const WAIT_MAX: Duration = Duration::from_secs(10);

/// Somebody whose password was right.
pub(crate) struct SignedIn {
    /// The session to record.
    pub(crate) session: SessionRow,
    /// The text of its cookie.
    pub(crate) secret: Secret,
}

impl Access {
    /// Looks at a password, away from the threads that serve.
    pub(crate) async fn sign_in(
        self: &Arc<Self>,
        user: &str,
        given: Zeroizing<String>,
        address: IpAddr,
    ) -> Result<SignedIn, Problem> {
        // What cannot be a name is nobody's, and all of it is one account.
        let account = if name::check(user).is_ok() { user } else { "?" };
        self.try_now(account, address)?;
        let turn = tokio::time::timeout(WAIT_MAX, self.hashing.acquire());
        let Ok(Ok(_turn)) = turn.await else {
            return Err(throttled(1000));
        };
        let known = self.table().user(user).cloned();
        let hash = known
            .as_ref()
            .map_or_else(|| self.decoy.clone(), |user| user.password.clone());
        let looked = tokio::task::spawn_blocking(move || password::verify(&given, &hash));
        let is_right = looked
            .await
            .map_err(|_| Problem::internal("a look at a password was abandoned"))?;
        let user = known.filter(|user| is_right && !user.disabled);
        let user = user.ok_or_else(refused)?;
        let now = self.ticks();
        self.throttle.lock().succeeded(account, address, now);
        let secret = new_secret(Purpose::Session)
            .map_err(|_| Problem::internal("the system gives no random bytes"))?;
        let now = wall::now();
        let session = SessionRow {
            hash: secret.hash().0,
            user: user.name,
            created: now,
            expires: Timestamp(now.0 + SESSION_LIFETIME_MS),
        };
        Ok(SignedIn { session, secret })
    }
}

/// The one answer to whoever is not let in.
pub(crate) fn refused() -> Problem {
    let detail = "the name or the password is wrong, or the user is disabled";
    Problem::new(Kind::Unauthenticated, detail)
}

/// Says that there were too many tries, and when there is another.
pub(super) fn throttled(wait_ms: u64) -> Problem {
    let seconds = wait_ms.div_ceil(1000).max(1);
    let detail = format!(
        "somebody tried to sign in too often, from there or as this user: try again in {seconds} s"
    );
    Problem::new(Kind::TooMany, detail).header(header::RETRY_AFTER, &seconds.to_string())
}
