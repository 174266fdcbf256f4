//! Which bytes are there, and who may have them?
//!
//! *In*: the bytes of artifacts as a stream; digests; the headers and the query of a download as text; the time.
//! *Out*: artifacts under their SHA-256 digests, in a local directory or an object store (S3 and what speaks it, GCS,
//! Azure); pre-signed URLs, temporary credentials, and decisions about downloads as plain data.
//!
//! *Absent on purpose*: serving HTTP (the server does), release records (the store has them), devices' state. Taking
//! bytes in writes to the local disk and blocks, for a caller's blocking pool; whatever may go over a network is async,
//! needs tokio, and ends within the deadlines of [`backend::settings::Patience`]; signing only computes.
//!
//! *Start reading at* [`depot::Depot`]; then how bytes come in (`intake.rs`, over `backend.rs`, which is
//! `backend/directory.rs` or `backend/store.rs`), how they go out (`artifact.rs`, and `serve.rs` for the HTTP rules),
//! who may have them (`grant.rs`, with `grant/presigned.rs` and `grant/keys.rs`; `grant/cloud.rs` where the store
//! grants), and how a directory becomes one artifact (`pack.rs`).
//!
//! *Keeps*, of design §9: what was acknowledged is there after any crash (1): an intake that was committed is whole
//! and durable, one that was not leaves nothing (`intake::tests::a_crash_between_any_two_steps_…`).
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use refit_depot::{depot::Depot, intake::Expected};
//! # let home = tempfile::tempdir()?;
//! let depot = Depot::open(&home.path().join("depot"))?;
//! let mut intake = depot.intake(Expected::default())?;
//! intake.write(b"firmware 2.0.0")?;
//! let stored = intake.commit().await?;
//! assert_eq!(depot.artifact(&stored.digest).await?.map(|a| a.length()), Some(14));
//! # Ok(()) }
//! ```

pub mod artifact;
pub mod backend;
pub mod conformance;
pub mod depot;
pub mod grant;
pub mod intake;
pub mod pack;
pub mod serve;
