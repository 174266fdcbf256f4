//! Where the bytes lie: a local directory, `<root>/sha256/ab/<digest>`, with `<root>/staging/` beside it.
//!
//! This file is the seam for object stores. A backend keeps a staged file under a digest, opens, removes and lists;
//! it is never asked to create only if absent. Staging stays local whatever the backend is: the name of an artifact
//! is known only after its last byte. A second backend makes an enum of `Directory`; a trait has nothing to add.

use crate::depot::Held;
use refit_protocol::digest::Digest;
use std::fs::{self, DirBuilder, File, OpenOptions, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process;
use std::sync::atomic::{AtomicU64, Ordering};

/// What the file system refused, where, and why.
#[derive(Debug, thiserror::Error)]
#[error("{act} {}", .path.display())]
pub struct Error {
    act: &'static str,
    path: PathBuf,
    source: io::Error,
}

impl Error {
    /// Makes the closure that gives an I/O error its context.
    pub(crate) fn of(act: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_path_buf();
        move |source| Self { act, path, source }
    }

    /// Returns what kind of failure lies beneath.
    pub fn kind(&self) -> io::ErrorKind {
        self.source.kind()
    }

    /// Tells whether there was no room: a full disk, or a quota that is used up.
    pub fn is_full(&self) -> bool {
        use io::ErrorKind::{QuotaExceeded, StorageFull};
        matches!(self.kind(), StorageFull | QuotaExceeded)
    }

    /// Tells whether an artifact was shorter than its length: it was damaged outside of the depot.
    pub fn is_damage(&self) -> bool {
        self.kind() == io::ErrorKind::UnexpectedEof
    }
}

/// Artifacts in a local directory.
#[derive(Debug)]
pub(crate) struct Directory {
    shelves: PathBuf,
    staging: PathBuf,
}

impl Directory {
    pub(crate) fn open(root: &Path) -> Result<Self, Error> {
        let (shelves, staging) = (root.join("sha256"), root.join("staging"));
        make_dir(&shelves)?;
        make_dir(&staging)?;
        sync_dir(root)?;
        // An artifact is no more durable than the directories above it.
        sync_dir(parent(root))?;
        for entry in entries(&staging)? {
            fs::remove_file(&entry).map_err(Error::of("remove", &entry))?;
        }
        Ok(Self { shelves, staging })
    }

    /// Makes an empty staged file with a name that no other has.
    pub(crate) fn stage(&self) -> Result<Staged, Error> {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let path = self.staging.join(format!("{}-{number}", process::id()));
        let mut options = OpenOptions::new();
        options.write(true).create_new(true).mode(0o600);
        let file = options.open(&path).map_err(Error::of("create", &path))?;
        Ok(Staged { file, path })
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

/// A file that has no name yet. Dropped, it is gone.
#[derive(Debug)]
pub(crate) struct Staged {
    pub(crate) file: File,
    pub(crate) path: PathBuf,
}

impl Staged {
    fn seal(&self) -> Result<(), Error> {
        self.file
            .set_permissions(Permissions::from_mode(0o400))
            .and_then(|()| self.file.sync_all())
            .map_err(Error::of("sync", &self.path))
    }
}

impl Drop for Staged {
    fn drop(&mut self) {
        // After the renaming there is nothing under this name; if the removal fails, `open` repeats it.
        drop(fs::remove_file(&self.path));
    }
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

fn entries(dir: &Path) -> Result<Vec<PathBuf>, Error> {
    fs::read_dir(dir)
        .and_then(|entries| entries.map(|entry| Ok(entry?.path())).collect())
        .map_err(Error::of("list", dir))
}

fn make_dir(dir: &Path) -> Result<(), Error> {
    let mut builder = DirBuilder::new();
    builder.recursive(true).mode(0o700);
    builder.create(dir).map_err(Error::of("create", dir))
}

/// Returns the directory that holds a path, also of a relative path that names none.
pub(crate) fn parent(path: &Path) -> &Path {
    let named = path.parent().filter(|dir| !dir.as_os_str().is_empty());
    named.unwrap_or_else(|| Path::new("."))
}

/// Makes the names in a directory durable.
pub(crate) fn sync_dir(dir: &Path) -> Result<(), Error> {
    File::open(dir)
        .and_then(|dir| dir.sync_all())
        .map_err(Error::of("sync", dir))
}
