//! Who is at the other end of this socket, and what may pass between it and the engine?
//!
//! *In*: bytes of MQTT 3.1.1 or 5 from devices and applications, and what the engine puts on their seats. *Out*: calls
//! to [`refit_engine::fleet::Fleet`], and bytes. Nothing is acknowledged before the engine says that it is durable.
//!
//! *Absent on purpose*: any knowledge of updates, jobs and records (a payload passes
//! unread, but for that of somebody who speaks too often: `session/excess.rs`), persistent sessions (the
//! replica is the queue), retained messages, routing between clients, HTTP, SQL. Of a clock, `driver.rs` and
//! `listener.rs` alone know.
//!
//! *Start reading at* [`session::Session`], the rules of a connection without I/O: `session/greet.rs` is CONNECT,
//! `inbound.rs` what is owed to the client, `outbound.rs` what the client owes, `own.rs` and `watched.rs` the
//! subscriptions of a device and of an application. Then `identity.rs` (who is who), `present.rs` (applications whose rights may
//! end), `quota.rs` (limits), `driver.rs`
//! (one task per connection, no buffer while idle), `listener.rs` (accepting and stopping).
//!
//! *Keeps* (design §9): 1 on the wire: a PUBACK or PUBREC leaves after the receipt, in the order of the PUBLISHes
//! (`session/tests`).

mod driver;
pub mod figures;
pub mod identity;
pub mod listener;
pub mod present;
pub mod quota;
pub mod session;
