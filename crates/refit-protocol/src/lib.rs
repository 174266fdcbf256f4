//! What do a device, an application and Refit say to each other, byte for byte?
//!
//! *In*: payloads and topics as they came. *Out*: values that every other room shares, and payloads to send.
//!
//! *Absent on purpose*: I/O, clocks, randomness, and any rule about when something may be said: that is the
//! replica's.
//!
//! *Start reading at* [`update::Update`], then `plain.rs`, `delta.rs`, `reply.rs`; `software_url.rs` says when two
//! URLs are the same software, `rejection.rs` has the one table of codes, `rollout.rs` says whose job a job is,
//! `enrolment.rs` and `claim.rs` are how a device comes by its identity; `measure.rs` is how shares and
//! lengths of time are written, `near.rs` guesses what a wrong name was to be. The contract in prose is
//! `docs/reference/wire.md`.
//!
//! *Keeps*: nothing of design §9 by itself; what it refuses can reach no decision.
#![no_std]

extern crate alloc;
#[cfg(test)]
#[macro_use]
extern crate std;

mod calendar;
pub mod claim;
pub mod delta;
pub mod device_id;
pub mod diff;
pub mod digest;
pub mod document;
pub mod enrolment;
pub mod grant;
pub mod job;
pub mod limits;
pub mod measure;
pub mod merge;
pub mod near;
pub mod network;
pub mod plain;
pub mod rejection;
pub mod reply;
pub mod rollout;
pub mod software_source;
pub mod software_url;
pub mod time;
pub mod topic;
pub mod update;
