//! When may what was decided be seen?
//!
//! This room runs the pure rooms: it loads a device's record, lets the replica decide, commits, and only then lets
//! the effects out. It is the one place where decisions meet durability.
//!
//! *In*: what happens on connections ([`fleet::Fleet`]), and time. *Out*: messages on each connection's
//! [`seat::Seat`], and events.
//!
//! *Absent on purpose*: transports (MQTT, HTTP), SQL, and any rule about devices: those are the replica's.
//!
//! *Start reading at* [`shard::Shard`], which is without I/O and runs in the simulator as it is: `shard/presence.rs` says
//! who is there, `shard/outcome.rs` what follows when the store came back. `work.rs` is one device's way through it,
//! `commit.rs` the grouping, `driver.rs` the thread, `send.rs` the bytes; `indexing.rs` keeps the index of the whole fleet.
//!
//! *Keeps* (design §9): 1, acknowledged is durable; 2, a device is sent only its own newest job. The index is the one that would be
//! built from the store (`tests/indexing.rs`).

pub mod author;
mod commit;
pub mod conductor;
pub mod driver;
pub mod events;
pub mod fleet;
pub mod indexing;
mod jump;
pub mod marks;
pub mod output;
pub mod releases;
pub mod seat;
pub mod send;
pub mod shard;
pub mod watchers;
mod work;
