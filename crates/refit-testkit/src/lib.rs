//! What does a test need of the world?
//!
//! *In*: nothing. *Out*: real things, on loopback and in temporary directories: a whole server with its store
//! ([`TestServer`]), and a device that shares no code with it ([`Device`]).
//!
//! *Absent on purpose*: mocks, fixed ports, sleeps.
//!
//! *Start reading at* [`server::TestServer`].

pub mod device;
pub mod server;

pub use device::Device;
pub use server::TestServer;
