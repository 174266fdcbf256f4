//! What a shard takes in: what happens on connections, and what comes back from the store.

use std::sync::Arc;

use refit_protocol::device_id::DeviceId;
use refit_replica::input::Input;
use refit_replica::speaker::Speaker;
use refit_store::rollout::RolloutGuard;
use refit_store::store::{Failure, Outcome, Stored};

use crate::author::Author;
use crate::output::with_sources;

/// Something that happened. `P` names a connection; the shard only compares it and hands it back.
#[derive(Clone, Debug)]
pub enum Happening<P> {
    /// A device connected.
    Attach {
        /// The device.
        device: DeviceId,
        /// Its connection.
        peer: P,
    },
    /// A connection of a device ended.
    Detach {
        /// The device.
        device: DeviceId,
        /// The connection that ended; an older one than the present says nothing.
        peer: P,
    },
    /// A device subscribed to its delta.
    Subscribe {
        /// The device.
        device: DeviceId,
        /// Its connection.
        peer: P,
    },
    /// A device is connected, but no longer subscribed to its delta.
    Unsubscribe {
        /// The device.
        device: DeviceId,
        /// Its connection.
        peer: P,
    },
    /// Somebody says or wants something about a device.
    Submit {
        /// The device.
        device: DeviceId,
        /// What.
        what: What,
        /// Who is to hear the answer.
        from: From<P>,
    },
    /// A record was read.
    Loaded {
        /// The device.
        device: DeviceId,
        /// What is stored; `None`: nothing.
        stored: Option<Box<Stored>>,
    },
    /// A record could not be read.
    LoadFailed {
        /// The device.
        device: DeviceId,
        /// Why, for the log.
        why: String,
    },
    /// A commit came back.
    Committed {
        /// The number that [`Output::Commit`](crate::output::Output::Commit) had.
        ticket: u64,
        /// One outcome per operation, or why there is none.
        result: Result<Vec<Outcome>, Broken>,
    },
    /// A job of a device that is not connected runs on; its timers go on.
    Resume {
        /// The device.
        device: DeviceId,
    },
}

/// Why a whole batch came to nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Broken {
    /// Nothing was written, for want of room on the disk or in the store's queue; it may work later.
    Full,
    /// It may or may not be durable.
    Unknown(String),
}

impl std::convert::From<Failure> for Broken {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Full | Failure::Busy => Self::Full,
            other => Self::Unknown(with_sources(&other)),
        }
    }
}

/// What is submitted.
#[derive(Clone, Debug)]
pub enum What {
    /// The payload of an update, as it came.
    Payload {
        /// Who says it.
        speaker: Speaker,
        /// The bytes.
        payload: Box<[u8]>,
        /// By which hash it is known again if it changes nothing; 0: not at all.
        hash: u64,
    },
    /// Something that is already read.
    Input(Box<Input>),
}

/// Who is to hear the answer.
#[derive(Clone, Debug)]
pub enum From<P> {
    /// This connection, under this receipt.
    Peer {
        /// The connection.
        peer: P,
        /// Its number for the submission.
        receipt: u32,
        /// Who makes the change, if that is to be in the audit log.
        author: Option<Arc<Author>>,
    },
    /// The conductor.
    Conductor {
        /// Its number for the submission.
        number: u32,
        /// The rollout that it speaks for, as it was decided from.
        guard: RolloutGuard,
    },
    /// Nobody: the shard itself wanted it.
    Nobody,
}
