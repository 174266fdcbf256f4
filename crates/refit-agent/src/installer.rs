//! How software gets onto the device: write it beside what runs, switch to it, confirm it, or roll back.
//!
//! Each verb is idempotent, and durable when it returns: after a power cut the journal says which one to repeat.

mod tree;

pub use tree::Tree;

use crate::job::Release;
use refit_protocol::digest::Digest;
use std::fmt;
use std::path::Path;

/// A place for software, and the choice of what runs.
pub trait Installer: Send + Sync {
    /// Returns what runs, by the place's own account and not by any notes.
    fn running(&self) -> Result<Option<Digest>, InstallError>;
    /// Writes a release beside what runs, from verified bytes.
    fn write(&self, release: &Release, bytes: &Path) -> Result<(), InstallError>;
    /// Makes a written release the one that runs, in one step.
    fn switch(&self, to: &Digest) -> Result<(), InstallError>;
    /// Makes the switch final: what is needed neither now nor to go back may be forgotten.
    fn confirm(&self, to: &Digest, former: Option<&Digest>) -> Result<(), InstallError>;
    /// Goes back to what ran before, to nothing if nothing did; what is given up may be forgotten.
    fn roll_back(&self, from: &Digest, to: Option<&Digest>) -> Result<(), InstallError>;
}

/// Why software could not be installed: one line for a person.
#[derive(Debug)]
pub struct InstallError(String);

impl InstallError {
    /// Says what failed, and why.
    pub fn new(doing: &str, why: impl fmt::Display) -> Self {
        Self(format!("{doing}: {why}"))
    }
}

impl fmt::Display for InstallError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for InstallError {}
