//! Who is updated next, and when does a rollout have to stop?
//!
//! *In*: the plan, figures of the fleet, the time. *Out*: the next step, or what it waits for.
//!
//! *Absent on purpose*: I/O, clocks, randomness, SQL. The same figures give the same verdict on every server, to the bit.
#![no_std]

extern crate alloc;
#[cfg(test)]
#[macro_use]
extern crate std;

pub mod measure;
pub mod pace;
pub mod plan;
pub mod tally;
pub mod threshold;
