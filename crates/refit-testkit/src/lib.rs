//! What does a test need of the world?
//!
//! *In*: nothing. *Out*: real things, on loopback and in temporary directories: a whole server with its store
//! ([`TestServer`]).
//!
//! *Absent on purpose*: mocks, fixed ports, sleeps.
//!
//! *Start reading at* [`server::TestServer`].

pub mod server;

pub use server::TestServer;
