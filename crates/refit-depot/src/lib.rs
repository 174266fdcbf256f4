//! Which bytes are there, and who may have them?
//!
//! *In*: the bytes of artifacts as a stream; digests; the headers and the query of a download as text; the time.
//! *Out*: artifacts under their SHA-256 digests, pre-signed URLs, and decisions about downloads as plain data.
//!
//! *Absent on purpose*: HTTP (the server has it), release records (the store has them), devices' state, a clock, an
//! async runtime. What touches the disk does so in small blocking steps, for a caller's blocking pool.
//!
//! *Start reading at* [`depot::Depot`]; then how bytes come in (`intake.rs`, over `backend.rs`), how they go out
//! (`artifact.rs`, and `serve.rs` for the HTTP rules), who may have them (`grant.rs`, with `grant/presigned.rs` and
//! `grant/keys.rs`), and how a directory becomes one artifact (`pack.rs`).
//!
//! *Keeps*, of design §9: what was acknowledged is there after any crash (1): an intake that was committed is whole
//! and durable, one that was not leaves nothing (`intake::tests::a_crash_between_any_two_steps_…`).
//!
//! ```
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use refit_depot::{depot::Depot, intake::Expected};
//! # let home = tempfile::tempdir()?;
//! let depot = Depot::open(&home.path().join("depot"))?;
//! let mut intake = depot.intake(Expected::default())?;
//! intake.write(b"firmware 2.0.0")?;
//! let stored = intake.commit()?;
//! assert_eq!(depot.artifact(&stored.digest)?.map(|a| a.length()), Some(14));
//! # Ok(()) }
//! ```

pub mod artifact;
pub mod backend;
pub mod depot;
pub mod grant;
pub mod intake;
pub mod pack;
pub mod serve;
