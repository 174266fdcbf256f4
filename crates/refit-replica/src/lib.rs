//! What follows when something happens to one device?
//!
//! *In*: its record, one input (an update, a subscription, a question, a timer), and the time. *Out*: the record
//! changed in place, and the effects: an answer, whether a delta is due, what its jobs became.
//!
//! *Absent on purpose*: I/O, clocks, randomness, other devices. Whoever calls owns those, and makes the effects
//! visible only when the record is durable.
//!
//! *Start reading at* `record.rs`.
#![no_std]

extern crate alloc;
#[cfg(test)]
#[macro_use]
extern crate std;

pub mod record;
