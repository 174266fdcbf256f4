//! What every store can do, in batches and without SQL (research: correctness is the revision check alone).
//!
//! Reading is done by a [`Reader`], of which each thread has its own; writing by [`Store::submit`], which answers on
//! the store's own thread when the batch is durable.

use refit_protocol::delta::Format;
use refit_protocol::device_id::DeviceId;
use refit_protocol::digest::Digest;
use refit_protocol::job::{JobId, Status};
use refit_protocol::time::Timestamp;
use refit_replica::record::{JobEntry, Record};

/// The dense number of a device in its store; never used again for another device.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DeviceKey(pub u64);

/// A record as it is stored.
#[derive(Clone, Debug, PartialEq)]
pub struct Stored {
    /// The device's number.
    pub key: DeviceKey,
    /// Rises with each write of this record, whatever it changes: the guard of a commit.
    pub revision: u64,
    /// The record.
    pub record: Record,
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
    /// The jobs that changed with it, as they are now.
    pub jobs: Vec<JobEntry>,
    /// When it was decided.
    pub at: Timestamp,
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
    /// Somebody else was faster: the record has another revision, or exists already. Read it and decide again.
    Conflict,
    /// The device is gone.
    Missing,
}

/// Called once, on the store's thread, with one outcome per operation in their order, or with why the whole batch
/// has none.
pub type Done = Box<dyn FnOnce(Result<Vec<Outcome>, Failure>) + Send>;

/// Why a call as a whole failed.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// There is no room. Nothing of the batch was written; reads go on.
    #[error("the disk is full")]
    Full,
    /// It may or may not be durable: acknowledge nothing, reopen, look (research: store §5).
    #[error("the outcome is unknown")]
    Unknown(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The store was closed.
    #[error("the store is closed")]
    Closed,
    /// What was read is not what was written.
    #[error("a stored record cannot be read: {0}")]
    Corrupt(String),
}
