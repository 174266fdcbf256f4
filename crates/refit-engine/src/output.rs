//! What the shard wants done, as data: the driver, or the simulator, does it in this order.

use std::error::Error;

use refit_protocol::device_id::DeviceId;
use refit_protocol::grant::GrantPolicy;
use refit_protocol::job::JobId;
use refit_protocol::rejection::Code;
use refit_protocol::reply::{Accepted, Rejected};
use refit_replica::delta::{Due, due};
use refit_replica::effect::{Assigned, Event};
use refit_replica::record::{JobEntry, Record};
use refit_store::reader::Wanted;
use refit_store::store::Operation;
use serde_json::{Map, Value};

use crate::shard::From;

/// Something to do.
#[derive(Clone, Debug)]
pub enum Output<P> {
    /// Read this record, and hand it back as `Loaded`.
    Load(Wanted),
    /// Make these durable, and hand back the outcomes as `Committed`.
    Commit {
        /// The number to hand back.
        ticket: u64,
        /// What to write.
        operations: Vec<Operation>,
    },
    /// Close this connection: its device has another one.
    TakeOver {
        /// The older connection.
        peer: P,
    },
    /// A report of this hash, on this connection, changes nothing as things stand; 0: forget it.
    Quiet {
        /// The device's connection.
        peer: P,
        /// The hash.
        hash: u64,
    },
    /// Somebody is answered.
    Answer {
        /// The device that it is about.
        device: DeviceId,
        /// Who asked or said.
        to: From<P>,
        /// The device's own connection.
        peer: Option<P>,
        /// What is answered.
        reply: Reply,
    },
    /// A device is told what it should have.
    Delta {
        /// The device.
        device: DeviceId,
        /// Its connection.
        peer: P,
        /// What it is told.
        telling: Telling,
    },
    /// Jobs are in another state now.
    Jobs {
        /// The device.
        device: DeviceId,
        /// The jobs.
        entries: Vec<JobEntry>,
    },
    /// Something is worth telling.
    Event {
        /// The device.
        device: DeviceId,
        /// What.
        event: Event,
    },
    /// A record could not be read.
    Trouble {
        /// The device.
        device: DeviceId,
        /// Why.
        why: String,
    },
    /// Nothing may be acknowledged any more: stop, and recover by reopening.
    Stop {
        /// The last line of the log.
        why: String,
    },
}

/// What is answered.
#[derive(Clone, Debug, PartialEq)]
pub enum Reply {
    /// The update stands.
    Accepted(Accepted),
    /// It does not.
    Rejected(Rejected),
    /// The record, as the payload of `get/accepted`.
    Shown(Vec<u8>),
    /// There is no record to show.
    NotShown(Rejected),
    /// What became of a rollout's assignment.
    Assigned(Assigned),
    /// A rollout's assignment is void: the rollout has moved on.
    Overtaken,
    /// What an operator wanted is done.
    Done,
}

impl Reply {
    /// Returns why it does not stand, if it does not.
    pub const fn refused(&self) -> Option<Code> {
        match self {
            Self::Rejected(rejected) | Self::NotShown(rejected) => Some(rejected.rejection.code),
            Self::Accepted(_)
            | Self::Shown(_)
            | Self::Assigned(_)
            | Self::Overtaken
            | Self::Done => None,
        }
    }
}

/// What a device is told, before it is written and its grant is minted.
#[derive(Clone, Debug, PartialEq)]
pub struct Telling {
    /// The record's version.
    pub version: u64,
    /// The job, and the software that it is for.
    pub job: Option<(JobId, String)>,
    /// The software that the device last reported.
    pub previous: Option<String>,
    /// Which grant was chosen with the wish.
    pub grant: Option<GrantPolicy>,
    /// The difference.
    pub state: Map<String, Value>,
}

impl Telling {
    /// Returns what a record is due to be told.
    pub fn of(record: &Record) -> Option<Self> {
        let Due { state, job } = due(record)?;
        Some(Self {
            version: record.version,
            job: job.map(|job| (job.id.clone(), job.software_url.clone())),
            previous: record.reported_software().map(Into::into),
            grant: record.grant,
            state,
        })
    }
}

/// Writes an error and what caused it in one line.
pub fn with_sources(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}
