//! One server to a data directory: a lock on a file of its own, let go by the system when the process ends.

use std::fs::{File, OpenOptions, TryLockError};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;

use crate::sqlite::OpenError;

/// Holds the data directory until it is dropped.
pub(super) struct Lock {
    _file: File,
}

impl Lock {
    pub(super) fn take(directory: &Path) -> Result<Self, OpenError> {
        let path = directory.join("refit.lock");
        let reached = |source| OpenError::File {
            path: path.clone(),
            source,
        };
        let file = private(&path).map_err(reached)?;
        match file.try_lock() {
            Ok(()) => Ok(Self { _file: file }),
            Err(TryLockError::WouldBlock) => Err(OpenError::InUse(directory.into())),
            Err(TryLockError::Error(source)) => Err(reached(source)),
        }
    }
}

/// Makes the database's file, if there is none, so that only its owner can read it. SQLite gives its companions the
/// same mode. It is closed again before SQLite opens it: closing it later would drop SQLite's own locks.
pub(super) fn make_private(path: &Path) -> Result<(), OpenError> {
    let reached = |source| OpenError::File {
        path: path.into(),
        source,
    };
    if path.exists() {
        let owner_only = std::fs::Permissions::from_mode(0o600);
        return std::fs::set_permissions(path, owner_only).map_err(reached);
    }
    private(path).map_err(reached)?;
    let parent = path.parent().unwrap_or_else(|| Path::new("."));
    File::open(parent)
        .and_then(|directory| directory.sync_all())
        .map_err(reached)
}

fn private(path: &Path) -> std::io::Result<File> {
    OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .mode(0o600)
        .open(path)
}
