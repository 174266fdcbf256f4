//! What an error of SQLite means for the store: no room, nothing to worry about, or in doubt.

use std::sync::{Arc, OnceLock};

use rusqlite::ErrorCode;

use crate::sqlite::OnBroken;
use crate::store::{Failure, Health};

use std::sync::atomic::{AtomicBool, Ordering::SeqCst};

/// The condition of the store, known to all its threads.
pub(super) struct Condition {
    full: AtomicBool,
    broken: OnceLock<Arc<str>>,
    on_broken: OnBroken,
}

impl Condition {
    pub(super) fn new(on_broken: OnBroken) -> Self {
        Self {
            full: AtomicBool::new(false),
            broken: OnceLock::new(),
            on_broken,
        }
    }

    /// Returns the failure of any call on a store that has stopped.
    pub(super) fn check(&self) -> Result<(), Failure> {
        match self.broken.get() {
            Some(why) => Err(Failure::Broken(why.clone())),
            None => Ok(()),
        }
    }

    pub(super) fn health(&self) -> Health {
        match self.broken.get() {
            Some(why) => Health::Broken(why.clone()),
            None if self.full.load(SeqCst) => Health::Full,
            None => Health::Healthy,
        }
    }

    pub(super) fn is_full(&self) -> bool {
        self.full.load(SeqCst)
    }

    /// A write became durable.
    pub(super) fn written(&self) {
        if self.full.swap(false, SeqCst) {
            tracing::info!("there is room on the disk again; writes work");
        }
    }

    /// A write failed: returns what that means for its batch, and stops the store if it is left in doubt.
    pub(super) fn failed(&self, during: &str, error: rusqlite::Error) -> Failure {
        if is_full(&error) {
            if !self.full.swap(true, SeqCst) {
                tracing::error!("the disk is full; nothing is acknowledged until there is room");
            }
            return Failure::Full;
        }
        self.stop(&format!("{during}: {error}"));
        Failure::Unknown(Arc::new(error))
    }

    /// Stops the store, once.
    pub(super) fn stop(&self, why: &str) {
        let why: Arc<str> = why.into();
        if self.broken.set(why.clone()).is_ok() {
            tracing::error!(%why, "the store stops: what was in flight is in doubt, reopening will tell");
            (self.on_broken)(&why);
        }
    }
}

/// No room for a page is a clear "no": the transaction is rolled back and nothing of it is on the disk as valid.
/// No room for the shared index of the log comes *after* the log was written, so it is not among these.
fn is_full(error: &rusqlite::Error) -> bool {
    error.sqlite_error_code() == Some(ErrorCode::DiskFull)
}

/// What a failed read means.
pub(super) fn unreadable(error: rusqlite::Error) -> Failure {
    match error {
        rusqlite::Error::FromSqlConversionFailure(_, _, why) => Failure::Corrupt(why.to_string()),
        error => Failure::Unknown(Arc::new(error)),
    }
}
