//! What goes wrong when everything that can go wrong does, in every order?
//!
//! One seed is one history of a server and its devices: the engine's shard, the replica, the wire and the agent's
//! machine as they are, over a fake network, disk and clock.
//!
//! *In*: a seed ([`options::Options`] are what it decides). *Out*: what did not hold, if anything ([`world::Outcome`]),
//! the number of the history, and which faults were met.
//!
//! *Absent on purpose*: real time, threads, sockets, files, and any order that a hash decides.
//!
//! *Start reading at* [`world::run`], then `transition.rs` (all that can happen), `server.rs` (drives the shard),
//! `device.rs`, `model.rs` (what must be true, from the documents), `checks.rs`. `docs/simulation.md` says how to
//! replay a seed and how to add a checker.
//!
//! *Keeps* watch over design §9: 1, 2, 3, 4, 7 and 8 have a checker each.

mod chance;
mod checks;
mod clock;
pub mod coverage;
mod device;
mod disk;
mod model;
mod net;
mod operator;
pub mod options;
pub mod planted;
mod releases;
mod server;
mod speech;
mod store;
mod trace;
mod transition;
mod workload;
pub mod world;

pub use checks::Breach;
