//! What follows when something happens to one device?
//!
//! *In*: its record, one input (an update, a subscription, a question, a timer), and the time. *Out*: the record
//! changed in place, and the effects: an answer, whether a delta is due, what its jobs became.
//!
//! *Absent on purpose*: I/O, clocks, randomness, other devices. Whoever calls owns those, and makes the effects
//! visible only when the record is durable.
//!
//! *Start reading at* [`record::Record`], then [`decide::decide`], whose match has one line per input; `job.rs` has the
//! life of a job, `delta.rs` what a device is due, `watch.rs` the timers, `why.rs` the reasons, `marks.rs` what
//! an abort or a freeze makes of a record, `decide/assign.rs` what goes before what.
//!
//! *Keeps* (design §9): 2, a device is sent only its own newest job; 3, a job ends once; 4, an online device
//! converges or ends in a named failure; 8, why names the reasons.
#![no_std]

extern crate alloc;
#[cfg(test)]
#[macro_use]
extern crate std;

pub mod decide;
pub mod delta;
pub mod effect;
pub mod input;
mod job;
pub mod marks;
pub mod record;
pub mod speaker;
pub mod watch;
pub mod why;
