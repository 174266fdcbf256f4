//! Why a server does not start.

use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use refit_store::sqlite;
use refit_store::store::Failure;

use crate::identity::authority;
use crate::{access, privacy, secret_file};

/// Why a server did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The data directory cannot be used.
    #[error("failed to use the data directory {}", .path.display())]
    Data {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Others may change what is in the data directory.
    #[error("others can write to {} (mode {mode:o}): chmod 700 it, or choose another with --data", .path.display())]
    Exposed {
        /// Which.
        path: PathBuf,
        /// Its permissions.
        mode: u32,
    },
    /// It is `--dev` on what was served privately.
    #[error(
        "{} is of a fleet that was served without --dev: with it any program on this machine could speak as one of them. Start without --dev, or choose another directory with --data", .0.display()
    )]
    Certified(PathBuf),
    /// An address cannot be listened on.
    #[error(
        "failed to serve {what} on {at}: stop what else uses it, or choose another with --{flag} (port 0 takes a free one)"
    )]
    Listen {
        /// What was to be served.
        what: &'static str,
        /// The flag for it.
        flag: &'static str,
        /// Where.
        at: SocketAddr,
        /// Why not.
        source: io::Error,
    },
    /// The store cannot be opened.
    #[error("failed to open the store: {0}")]
    Store(#[from] sqlite::OpenError),
    /// The store cannot be read.
    #[error("failed to read the store")]
    Read(#[from] Failure),
    /// The depot cannot be opened.
    #[error("failed to open the depot")]
    Depot(#[from] refit_depot::backend::Error),
    /// The keys of grants cannot be had.
    #[error("failed to {0}")]
    Keys(#[from] refit_depot::grant::keys::Error),
    /// Connections cannot be private.
    #[error("{0}")]
    Privacy(#[from] privacy::Error),
    /// The fleet's CA cannot be had.
    #[error("{0}")]
    Authority(#[from] authority::Error),
    /// It cannot be read who may do what.
    #[error("{0}")]
    Access(#[from] access::OpenError),
    /// The first admin's token, or the key of cursors, cannot be had.
    #[error("{0}")]
    Secret(#[from] secret_file::Error),
}

impl StartError {
    /// Tells whether somebody else holds what is needed: the data directory, or an address.
    pub fn is_in_use(&self) -> bool {
        match self {
            Self::Store(sqlite::OpenError::InUse(_)) => true,
            Self::Listen { source, .. } => source.kind() == io::ErrorKind::AddrInUse,
            _ => false,
        }
    }

    pub(super) fn listen(
        what: &'static str,
        flag: &'static str,
        at: SocketAddr,
    ) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Listen {
            what,
            flag,
            at,
            source,
        }
    }

    pub(crate) fn data(path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Data { path, source }
    }
}
