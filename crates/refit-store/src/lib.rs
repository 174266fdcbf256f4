//! Where are the records, and are they durable?
//!
//! In and out: [`Operation`](store::Operation)s decided elsewhere go in, in batches; one
//! [`Outcome`](store::Outcome) for each comes out when the whole batch is durable, never before. Records, histories,
//! releases and kept answers are read beside it through [`Reader`](reader::Reader)s.
//!
//! Absent on purpose: decisions. A store does not know what a device should be told; it knows whether a record still
//! is the one that a decision was made from. No SQL and no transaction leave this room.
//!
//! Start reading at [`Store`](store::Store); then `reader.rs`, `release.rs`, `access.rs`, `identity.rs`, `facts.rs`, `list.rs` and `rollout.rs`, then `sqlite.rs`, whose first page
//! draws the threads, and `conformance.rs`: what any other store must do as well.
//!
//! Keeps: an acknowledged operation survives a kill at any moment (`tests/kill.rs`); a full disk fails what waits,
//! acknowledges nothing, and heals (`tests/full.rs`); an I/O error stops the store, in doubt and saying so
//! (`tests/outside.rs`); of two that decided from the same record, one is told so (`conformance/races.rs`); counters
//! equal a recount (`conformance/jobs.rs`); what operators say of a device stays apart from its record and within bounds (`conformance/facts.rs`); the log stays short (`tests/queue.rs`).

pub mod access;
pub mod answer;
pub mod audit;
#[cfg(feature = "conformance")]
pub mod conformance;
pub mod facts;
pub mod identity;
pub mod list;
pub mod reader;
pub mod release;
pub mod rollout;
pub mod sqlite;
pub mod stats;
pub mod store;
