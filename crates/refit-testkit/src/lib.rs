//! What does a test need of the world?
//!
//! *In*: nothing. *Out*: real things, on loopback and in temporary directories: a whole server with its store
//! ([`TestServer`]), a device that shares no code with it ([`Device`]), an object store that is nobody's mock
//! ([`ceph::Gateway`]), and a host that is none of the fleet's ([`Stranger`]), and a hundred clients who mean ill ([`Crowd`]).
//!
//! *Absent on purpose*: mocks, fixed ports, sleeps.
//!
//! *Start reading at* [`server::TestServer`].

pub mod ceph;
pub mod crowd;
pub mod device;
pub mod identity;
pub mod server;
pub mod stranger;
pub mod wire;

pub use crowd::Crowd;
pub use device::Device;
pub use identity::Identity;
pub use server::TestServer;
pub use stranger::Stranger;
