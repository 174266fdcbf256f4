//! A job as the device knows it: what is wanted, what came of it, and the delta that commands it.

use refit_protocol::delta::Software;
use refit_protocol::digest::Digest;
use refit_protocol::job::JobId;

/// A release: where it came from, and what it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Release {
    /// The software URL without its grant: what the device reports.
    pub url: String,
    /// Its name, version, digest, length and format.
    pub software: Software,
}

impl Release {
    /// Returns the digest, which names the release on the disk.
    pub const fn digest(&self) -> &Digest {
        &self.software.digest
    }
}

/// What a job wants on the device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// A release of the depot: its bytes are known before they come.
    Known(Release),
    /// A file of somebody else's store: nothing says which bytes are right.
    Foreign {
        /// The software URL without its grant.
        url: String,
    },
}

impl Wanted {
    /// Returns the release, if its bytes are known.
    pub const fn release(&self) -> Option<&Release> {
        match self {
            Self::Known(release) => Some(release),
            Self::Foreign { url: _ } => None,
        }
    }
}

/// The delta, as far as it concerns the agent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delta {
    /// The version of the record.
    pub version: u64,
    /// The software to install, if the difference holds any.
    pub command: Option<Command>,
    /// The rest of the difference as JSON, if there is any.
    pub other: Option<String>,
}

/// The order to install software.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Command {
    /// The job that this is.
    pub job: JobId,
    /// How it can be had.
    pub grant: Grant,
    /// What is wanted, or why that cannot be understood.
    pub wanted: Result<Wanted, String>,
}

/// How the software can be had. A URL that carries permission is a secret: neither logged nor journalled.
#[derive(Clone, PartialEq, Eq)]
pub enum Grant {
    /// By this URL, as it is, for a while.
    Presigned(String),
    /// At this plain URL, with a credential that the device asks for.
    Credential(String),
}

impl Grant {
    /// Returns the URL.
    pub fn url(&self) -> &str {
        match self {
            Self::Presigned(url) | Self::Credential(url) => url,
        }
    }
}

impl std::fmt::Debug for Grant {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&refit_protocol::software_url::without_grant(self.url()))
    }
}

/// How a job ended on this device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The device runs this release.
    Success(Release),
    /// It tried, and runs what it ran before. Why, for a person.
    Failure(String),
    /// It did not try. Why, for a person.
    Rejected(String),
}

/// A job that ended on this device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finished {
    /// The job.
    pub job: JobId,
    /// Its end.
    pub outcome: Outcome,
}
