//! Artifacts in a local directory: `<root>/sha256/ab/<digest>`.

use super::{Error, Staged, entries, make_dir, sync_dir};
use crate::depot::Held;
use refit_protocol::digest::Digest;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

/// Artifacts in a local directory.
#[derive(Debug)]
pub(crate) struct Directory {
    shelves: PathBuf,
}

impl Directory {
    pub(crate) fn open(root: &Path) -> Result<Self, Error> {
        let shelves = root.join("sha256");
        make_dir(&shelves)?;
        sync_dir(root)?;
        Ok(Self { shelves })
    }

    /// Takes one step of keeping `staged` under `digest`; the caller takes all of [`KEEPING`], in order.
    pub(crate) fn keep(&self, step: Keep, staged: &Staged, digest: &Digest) -> Result<(), Error> {
        let shelf = self.shelf(digest);
        match step {
            Keep::Seal => staged.seal(),
            Keep::Shelf => make_dir(&shelf).and_then(|()| sync_dir(&self.shelves)),
            Keep::Name => {
                let path = self.path(digest);
                fs::rename(&staged.path, &path).map_err(Error::of("rename to", &path))
            }
            Keep::Sync => sync_dir(&shelf),
        }
    }

    pub(crate) fn holds(&self, digest: &Digest) -> Result<bool, Error> {
        let path = self.path(digest);
        path.try_exists().map_err(Error::of("look for", &path))
    }

    pub(crate) fn file(&self, digest: &Digest) -> Result<Option<(File, PathBuf)>, Error> {
        let path = self.path(digest);
        match File::open(&path) {
            Ok(file) => Ok(Some((file, path))),
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(e) => Err(Error::of("open", &path)(e)),
        }
    }

    pub(crate) fn remove(&self, digest: &Digest) -> Result<bool, Error> {
        let path = self.path(digest);
        match fs::remove_file(&path) {
            Ok(()) => sync_dir(&self.shelf(digest)).map(|()| true),
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(e) => Err(Error::of("remove", &path)(e)),
        }
    }

    pub(crate) fn list(&self) -> Result<Vec<Held>, Error> {
        let mut held = Vec::new();
        for shelf in entries(&self.shelves)? {
            if shelf.is_dir() {
                held.extend(entries(&shelf)?.iter().filter_map(|path| held_at(path)));
            }
        }
        held.sort_unstable();
        Ok(held)
    }

    fn shelf(&self, digest: &Digest) -> PathBuf {
        self.shelves.join(&digest.to_hex()[..2])
    }

    fn path(&self, digest: &Digest) -> PathBuf {
        self.shelf(digest).join(digest.to_hex())
    }
}

/// The steps by which a staged file becomes an artifact. A crash after any of them leaves nothing, or the whole:
/// the bytes are durable before they have the name, and the name before anybody is told.
pub(crate) const KEEPING: [Keep; 4] = [Keep::Seal, Keep::Shelf, Keep::Name, Keep::Sync];

/// One step of [`KEEPING`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Keep {
    /// Makes the bytes read-only and durable.
    Seal,
    /// Makes the directory for the name, and makes that durable.
    Shelf,
    /// Gives the bytes their name, over the same bytes if they were there: that also mends a damaged copy.
    Name,
    /// Makes the name durable.
    Sync,
}

fn held_at(path: &Path) -> Option<Held> {
    let digest = Digest::parse(path.file_name()?.to_str()?)?;
    // Gone between listing and looking, or not a file: not held.
    let metadata = fs::metadata(path).ok()?;
    metadata.is_file().then_some(Held {
        digest,
        length: metadata.len(),
    })
}
