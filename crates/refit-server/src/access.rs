//! Who there is, in memory: tokens and sessions by the hash of their text, made anew from the store at each change.
//!
//! Looking somebody up is one look into a map, by the hash alone; why that tells nothing by its time is said in
//! [`refit_access::token`]. Whoever holds a stream or a connection open is told of changes (`Access::changes`) and
//! looks itself up again, so that what is taken away is gone at once.

pub(crate) mod application;
mod first;
mod sign_in;
mod table;

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Instant;

use parking_lot::{Mutex, RwLock};
use refit_access::audit::Entry;
use refit_access::rights::Rights;
use refit_access::throttle::Throttle;
use refit_access::token::{Purpose, SECRET_BYTES, Secret, SecretHash};
use refit_protocol::digest::Digest;
use refit_protocol::time::Timestamp;
use refit_store::access::{AccessChange, AccessOutcome};
use refit_store::store::{Failure, Store};
use tokio::sync::{Semaphore, watch};

use crate::http::error::Problem;
use crate::wall;

pub(crate) use first::new_id;
pub(crate) use sign_in::SESSION_LIFETIME_MS;
pub(crate) use table::{Pass, Who};

use table::Table;

/// How many passwords are looked at, at a time: each look takes a core and 19 MiB for some ten milliseconds.
const HASHING_MAX: usize = 2;

/// How coarsely it is noted when a token was used, in milliseconds.
const USED_COARSE_MS: u64 = 3_600_000;

/// Everybody who may do something here.
pub(crate) struct Access {
    store: Arc<dyn Store>,
    table: RwLock<Arc<Table>>,
    /// Held from the store's change until the table shows it, so that the table never goes back.
    changing: Mutex<()>,
    changes: watch::Sender<u64>,
    throttle: Mutex<Throttle>,
    /// Tries of wrong tokens over MQTT: apart, so that a program with an old one keeps nobody from signing in.
    token_throttle: Mutex<Throttle>,
    tokens_put_off: AtomicU64,
    hashing: Semaphore,
    /// What a password is compared with where there is no such user, so that it takes as long.
    decoy: String,
    started: Instant,
}

/// What somebody shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Credential {
    /// A token.
    Token(SecretHash),
    /// The cookie of a session.
    Session(SecretHash),
}

impl Credential {
    /// Reads the text of a token.
    pub(crate) fn of_token(text: &[u8]) -> Option<Self> {
        SecretHash::read(Purpose::Token, text).map(Self::Token)
    }

    /// Reads the text of a session's cookie.
    pub(crate) fn of_session(text: &[u8]) -> Option<Self> {
        SecretHash::read(Purpose::Session, text).map(Self::Session)
    }
}

impl Access {
    /// Reads who there is. The token of the data directory's file is made an admin's if it is not known at all; one
    /// that was revoked stays so.
    pub(crate) fn open(store: Arc<dyn Store>, file_token: &str) -> Result<Arc<Self>, OpenError> {
        first::admit(&*store, file_token, wall::now())?;
        let table = Table::read(&mut *store.reader()?)?;
        let salt = random().map_err(OpenError::Random)?;
        let secret = new_secret(Purpose::Session).map_err(OpenError::Random)?;
        let decoy = refit_access::password::hash(secret.expose(), &salt);
        Ok(Arc::new(Self {
            store,
            table: RwLock::new(Arc::new(table)),
            changing: Mutex::new(()),
            changes: watch::Sender::new(0),
            throttle: Mutex::default(),
            token_throttle: Mutex::default(),
            tokens_put_off: AtomicU64::new(0),
            hashing: Semaphore::new(HASHING_MAX),
            decoy: decoy.unwrap_or_default(),
            started: Instant::now(),
        }))
    }

    /// Tells who shows this, and what they may do, now.
    pub(crate) fn find(&self, credential: Credential) -> Option<Arc<Pass>> {
        let pass = self.table().find(credential)?;
        pass.is_good(wall::now()).then_some(pass)
    }

    /// Notes, coarsely, that a token is used.
    pub(crate) fn note_use(&self, pass: &Pass) {
        let Who::Token { id, .. } = &pass.who else {
            return;
        };
        let now = wall::now();
        if pass.is_to_be_noted(now, USED_COARSE_MS) {
            let (store, id) = (Arc::clone(&self.store), id.clone());
            // Nobody waits for it: a note that is lost is one hour of a coarse time.
            drop(tokio::task::spawn_blocking(move || {
                if let Err(failure) = store.note_token_use(&id, now) {
                    tracing::debug!("the use of token {id} was not noted: {failure}");
                }
            }));
        }
    }

    /// Returns what tells of changes.
    pub(crate) fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    /// Returns when the next of all tokens and sessions expires.
    pub(crate) fn next_expiry(&self) -> Option<Timestamp> {
        self.table().next_expiry(wall::now())
    }

    /// Makes a change durable, and has it count. It waits for the disk. Only [`crate::desk`] calls it, with whoever
    /// makes the change.
    pub(crate) fn change(
        &self,
        change: AccessChange,
        mut line: Entry,
    ) -> Result<AccessOutcome, Failure> {
        let _one = self.changing.lock();
        // Nobody else changes the store, so the table is what it holds.
        let table = self.table();
        line.before = table.before(&change).map(|was| was.to_string());
        if let AccessChange::RevokeToken { id, .. } = &change
            && let Some(name) = table.name_of_token(id)
        {
            // As when it was made, so that both are found by it.
            line.target = format!("token:{name}");
        }
        let outcome = self.store.change_access(change, Some(line))?;
        if outcome == AccessOutcome::Done {
            let table = Table::read(&mut *self.store.reader()?)?;
            *self.table.write() = Arc::new(table);
            self.changes.send_modify(|changes| *changes += 1);
        }
        Ok(outcome)
    }

    fn table(&self) -> Arc<Table> {
        Arc::clone(&self.table.read())
    }

    /// Milliseconds on a clock that does not go back.
    fn ticks(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// Tells who has this token. A wrong one costs a try of its address, and once too many came from there it is told
    /// so: then in how many milliseconds to come back. A right one is never put off, whoever else guesses behind the same
    /// address: nobody guesses 256 bits, so a lock would keep out only those who belong.
    fn try_token(
        &self,
        credential: Option<Credential>,
        address: IpAddr,
    ) -> Result<Option<(Arc<Pass>, Credential)>, u64> {
        let found = credential.and_then(|one| Some((self.find(one)?, one)));
        if found.is_some() {
            return Ok(found);
        }
        // What cannot be a token is one secret.
        let secret = match credential {
            Some(Credential::Token(hash)) => Digest::from_bytes(hash.0).to_hex(),
            Some(Credential::Session(_)) | None => String::new(),
        };
        let now = self.ticks();
        let tried = self.token_throttle.lock().try_secret(&secret, address, now);
        tried.map(|()| None).inspect_err(|_| {
            self.tokens_put_off.fetch_add(1, Relaxed);
        })
    }

    /// Returns how many wrong tokens were put off.
    pub(crate) fn tokens_put_off(&self) -> u64 {
        self.tokens_put_off.load(Relaxed)
    }

    /// Takes a try to sign in, or says when there is one.
    fn try_now(&self, account: &str, address: IpAddr) -> Result<(), Problem> {
        let now = self.ticks();
        let tried = self.throttle.lock().try_now(account, address, now);
        tried.map_err(sign_in::throttled)
    }
}

/// Whoever is asked for, of the whole process: rights of whoever shows this, as they are now.
#[derive(Clone)]
pub(crate) struct Live {
    access: Arc<Access>,
    credential: Credential,
}

impl Live {
    pub(crate) const fn new(access: Arc<Access>, credential: Credential) -> Self {
        Self { access, credential }
    }

    /// Returns the rights as they are now; none if they have ended.
    pub(crate) fn rights(&self) -> Option<Arc<Rights>> {
        let pass = self.access.find(self.credential)?;
        Some(Arc::clone(&pass.rights))
    }
}

/// Makes a secret that nobody can guess.
pub(crate) fn new_secret(purpose: Purpose) -> Result<Secret, getrandom::Error> {
    let bytes: [u8; SECRET_BYTES] = random()?;
    Ok(Secret::of(purpose, &bytes))
}

/// Returns random bytes.
pub(crate) fn random<const N: usize>() -> Result<[u8; N], getrandom::Error> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes)?;
    Ok(bytes)
}

/// Why it cannot be read who there is.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The store failed.
    #[error("failed to read who may do what: {0}")]
    Store(#[from] Failure),
    /// There is no randomness.
    #[error("the system gives no random bytes")]
    Random(#[source] getrandom::Error),
}
