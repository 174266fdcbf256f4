//! What every store can do, in batches and without SQL: correctness is the check of the revision alone.
//!
//! Reading is done by a [`Reader`], of which each thread has its own; writing by [`Store::submit`], which answers on
//! the store's own thread when the batch is durable.

use std::error::Error;
use std::sync::Arc;
use std::sync::mpsc;

use refit_access::audit::Entry;
use refit_protocol::device_id::DeviceId;
use refit_protocol::time::Timestamp;
use refit_replica::effect::Event;
use refit_replica::record::{JobEntry, Record};

use crate::access::{AccessChange, AccessOutcome};
use crate::answer::{Answer, Keeping};
use crate::facts::{FactsChange, FactsOutcome};
use crate::identity::{IdentityChange, IdentityOutcome};
use crate::list::{ListOutcome, NewList};
use crate::reader::Reader;
use crate::release::{Added, NewRelease, Removed};
use crate::rollout::{RolloutChange, RolloutGuard, RolloutOutcome};
use crate::stats::Stats;

/// Durable records of devices, jobs, releases, and of who may do what.
pub trait Store: Send + Sync {
    /// Writes a batch: each operation for itself, all in one commit. Returns at once; never waits for the disk.
    ///
    /// Operations on one device take effect in their order. A batch is not split: whoever has thousands of
    /// operations submits slices of about 2,000, so that others need not wait long (semantics 40).
    fn submit(&self, batch: Vec<Operation>, done: Done);

    /// Writes a batch and waits until it is durable.
    fn commit(&self, batch: Vec<Operation>) -> Result<Vec<Outcome>, Failure> {
        let (answer, answered) = mpsc::sync_channel(1);
        self.submit(batch, Box::new(move |outcomes| drop(answer.send(outcomes))));
        answered.recv().unwrap_or(Err(Failure::Closed))
    }

    /// Opens a reader for the calling thread to keep: it sees what is durable, and never waits for writers.
    fn reader(&self) -> Result<Box<dyn Reader>, Failure>;

    /// Records a release, and waits until it is durable.
    fn add_release(&self, release: NewRelease, audit: Option<Entry>) -> Result<Added, Failure>;

    /// Removes a release unless a device desires its artifact, and waits until that is durable.
    fn remove_release(
        &self,
        name: &str,
        version: &str,
        audit: Option<Entry>,
    ) -> Result<Removed, Failure>;

    /// Changes who may do what, and waits until that is durable.
    fn change_access(
        &self,
        change: AccessChange,
        audit: Option<Entry>,
    ) -> Result<AccessOutcome, Failure>;

    /// Tells what would become of a change of who may do what, and changes nothing.
    fn try_access(&self, change: AccessChange) -> Result<AccessOutcome, Failure>;

    /// Notes when a token was last used, and waits until that is durable.
    fn note_token_use(&self, id: &str, at: Timestamp) -> Result<(), Failure>;

    /// Changes who is a device, and waits until that is durable.
    fn change_identity(
        &self,
        change: IdentityChange,
        audit: Option<Entry>,
    ) -> Result<IdentityOutcome, Failure>;

    /// Tells what would become of a change of identities, and changes nothing.
    fn try_identity(&self, change: IdentityChange) -> Result<IdentityOutcome, Failure>;

    /// Changes what operators say of devices, each for itself, all in one transaction, and waits until it is durable.
    ///
    /// A slice has at most [`FACTS_SLICE_MAX`](crate::facts::FACTS_SLICE_MAX) devices. The line of the audit log speaks
    /// of them all; it is written if one of them is changed.
    fn change_facts(
        &self,
        changes: Vec<FactsChange>,
        at: Timestamp,
        audit: Option<Entry>,
    ) -> Result<Vec<FactsOutcome>, Failure>;

    /// Puts an uploaded list of IDs in the place of the one of that name, and waits until that is durable.
    fn put_list(&self, list: NewList, audit: Option<Entry>) -> Result<ListOutcome, Failure>;

    /// Removes such a list; false if there is none.
    fn remove_list(&self, name: &str, audit: Option<Entry>) -> Result<bool, Failure>;

    /// Makes or changes a rollout, and waits until that is durable.
    fn change_rollout(
        &self,
        change: RolloutChange,
        audit: Option<Entry>,
    ) -> Result<RolloutOutcome, Failure>;

    /// Adds a line to the audit log about something that is not recorded here, and waits until it is durable.
    fn note(&self, entry: Entry) -> Result<(), Failure>;

    /// Sets a small fact about the installation, and waits until it is durable.
    fn put_meta(&self, key: &str, value: &str) -> Result<(), Failure>;

    /// Keeps what was answered under a key, forgets what is too old or too much, and waits until that is durable.
    fn keep_answer(&self, answer: Answer, keeping: Keeping) -> Result<(), Failure>;

    /// Returns how often this store was restored from a copy: the high bits of every version (semantics 22, 34).
    fn epoch(&self) -> u16;

    /// Tells whether writes can be expected to work.
    fn health(&self) -> Health;

    /// Returns what was counted since the store was opened.
    fn stats(&self) -> Stats;
}

/// The dense number of a device in its store; never used again for another device.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DeviceKey(pub u64);

/// A record as it is stored.
#[derive(Clone, Debug, PartialEq)]
pub struct Stored {
    /// The device's number.
    pub key: DeviceKey,
    /// Rises by one with each write of this record, whatever that changes: the guard of a commit.
    pub revision: u64,
    /// When the device itself last spoke, as of the last write.
    pub seen: Option<Timestamp>,
    /// When it was last written.
    pub written: Timestamp,
    /// The record.
    pub record: Record,
}

impl Stored {
    /// Returns what an operation that is decided from this record is guarded by.
    pub const fn guard(&self) -> Guard {
        Guard {
            key: self.key,
            revision: self.revision,
        }
    }
}

/// One record to write, with what must become durable together with it.
#[derive(Clone, Debug)]
pub struct Operation {
    /// The device.
    pub device: DeviceId,
    /// What the record was made from; `None`: there was none, so it is to be made.
    pub from: Option<Guard>,
    /// The record as it shall be.
    pub record: Record,
    /// The jobs that changed with it, as they are now. Of several entries of one job the last counts: several inputs
    /// may have been decided before one commit.
    pub jobs: Vec<JobEntry>,
    /// What came after the end of jobs: it changes as what they are counted.
    pub events: Vec<Event>,
    /// The rollout that opens a job with this, as it was decided from.
    pub rollout: Option<RolloutGuard>,
    /// When the device itself last spoke; `None` leaves what is stored.
    pub seen: Option<Timestamp>,
    /// When it was decided.
    pub at: Timestamp,
    /// What the audit log says of it, if it is written: a line for each change that a person or a token made.
    pub audit: Vec<Entry>,
}

/// The stored record that an operation was decided from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Guard {
    /// The device's number.
    pub key: DeviceKey,
    /// The revision that the record must still have.
    pub revision: u64,
}

/// What became of one operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It is durable; this is the guard for the next one.
    Applied(Guard),
    /// Somebody else was faster: the record has another revision or exists already, or the ID of a new job is
    /// taken. Read it and decide again.
    Conflict,
    /// There is no device of this number.
    Missing,
    /// The rollout that it is for has moved on, or has a job of this attempt on this device already. To decide the same
    /// again is no use: what the rollout wanted is void.
    Overtaken,
}

/// Called once, on the store's thread, with one outcome per operation in their order, or with why the whole batch
/// has none. It must not block: nothing is written until it returns.
pub type Done = Box<dyn FnOnce(Result<Vec<Outcome>, Failure>) + Send>;

/// Why a call as a whole failed.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Failure {
    /// There is no room. Nothing of the batch was written; reads go on, and writes work again when there is room.
    #[error("the disk is full")]
    Full,
    /// So much waits to be written that no more is taken. Nothing of the batch was written.
    #[error("too many writes are waiting")]
    Busy,
    /// It may or may not be durable: acknowledge nothing, reopen, look.
    #[error("the outcome is unknown")]
    Unknown(#[source] Arc<dyn Error + Send + Sync>),
    /// An earlier failure left the store in doubt; nothing was tried. Only reopening helps.
    #[error("the store stopped after an earlier failure: {0}")]
    Broken(Arc<str>),
    /// The store was closed.
    #[error("the store is closed")]
    Closed,
    /// What was read is not what was written.
    #[error("a stored record cannot be read: {0}")]
    Corrupt(String),
}

/// Whether writes can be expected to work.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Health {
    /// The last write worked.
    Healthy,
    /// The last write found no room; it is tried again by itself.
    Full,
    /// The store has stopped, for this reason; the process should stop too.
    Broken(Arc<str>),
}
