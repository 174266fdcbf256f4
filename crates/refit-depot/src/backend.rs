//! Where the bytes lie: a local directory, or an object store. Staging is local whatever it is, since the name of an
//! artifact is known only after its last byte.
//!
//! A backend keeps a staged file under a digest, opens, removes and lists; it is never asked to create only if
//! absent. There are two, so it is an enum; a trait has nothing to add.

mod credentials;
pub(crate) mod directory;
mod probe;
pub mod settings;
pub(crate) mod store;
pub mod trouble;

pub use probe::Probed;

use crate::depot::Held;
use directory::{Directory, KEEPING};
use refit_protocol::digest::Digest;
use settings::Settings;
use std::fs::{self, DirBuilder, File, OpenOptions, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use store::Store;
use trouble::Trouble;

/// What a disk or an object store refused, where, and why.
#[derive(Debug, thiserror::Error)]
#[error("{act} {place}")]
pub struct Error {
    act: &'static str,
    place: String,
    source: Cause,
}

#[derive(Debug, thiserror::Error)]
enum Cause {
    #[error(transparent)]
    File(#[from] io::Error),
    #[error(transparent)]
    Store(#[from] Trouble),
}

impl Error {
    /// Makes the closure that gives an I/O error its context.
    pub(crate) fn of(act: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let place = path.display().to_string();
        move |error| Self {
            act,
            place,
            source: error.into(),
        }
    }

    /// Makes the closure that gives trouble with an object store its context.
    pub(crate) fn store(act: &'static str, place: impl ToString) -> impl FnOnce(Trouble) -> Self {
        let place = place.to_string();
        move |trouble| Self {
            act,
            place,
            source: trouble.into(),
        }
    }

    /// Returns what is wrong with the object store, if that is what failed.
    pub const fn trouble(&self) -> Option<&Trouble> {
        match &self.source {
            Cause::Store(trouble) => Some(trouble),
            Cause::File(_) => None,
        }
    }

    /// Tells whether there was no room: a full disk, or a quota that is used up.
    pub fn is_full(&self) -> bool {
        use io::ErrorKind::{QuotaExceeded, StorageFull};
        match &self.source {
            Cause::File(error) => matches!(error.kind(), StorageFull | QuotaExceeded),
            Cause::Store(trouble) => matches!(trouble, Trouble::Full(_)),
        }
    }

    /// Tells whether an artifact was shorter than its length: it was damaged outside of the depot.
    pub fn is_damage(&self) -> bool {
        match &self.source {
            Cause::File(error) => error.kind() == io::ErrorKind::UnexpectedEof,
            Cause::Store(trouble) => {
                matches!(trouble, Trouble::WrongLength { .. } | Trouble::WrongBytes)
            }
        }
    }
}

/// Staging, and where artifacts are kept.
#[derive(Debug)]
pub(crate) struct Backend {
    staging: Staging,
    pub(crate) kept: Kept,
}

/// Where artifacts are kept.
#[derive(Debug)]
pub(crate) enum Kept {
    Directory(Arc<Directory>),
    Store(Box<Store>),
}

impl Backend {
    pub(crate) fn directory(root: &Path) -> Result<Self, Error> {
        let staging = Staging::open(root)?;
        let kept = Kept::Directory(Arc::new(Directory::open(root)?));
        Ok(Self { staging, kept })
    }

    pub(crate) async fn store(
        root: &Path,
        settings: Settings,
    ) -> Result<(Self, Result<Probed, Error>), Error> {
        let root = root.to_path_buf();
        let staging = blocking(move || Staging::open(&root)).await?;
        let store = Store::connect(settings).await?;
        let probed = store.probe().await;
        let kept = Kept::Store(Box::new(store));
        Ok((Self { staging, kept }, probed))
    }

    pub(crate) fn stage(&self) -> Result<Staged, Error> {
        self.staging.stage()
    }

    /// Keeps a staged file under its digest; tells whether it was there before.
    pub(crate) async fn keep(
        &self,
        staged: Staged,
        digest: Digest,
        length: u64,
    ) -> Result<bool, Error> {
        match &self.kept {
            Kept::Store(store) => {
                let already = store.look(&digest).await?.is_some();
                store.keep(&staged, &digest, length).await?;
                Ok(already)
            }
            Kept::Directory(directory) => {
                let directory = Arc::clone(directory);
                blocking(move || {
                    let already = directory.holds(&digest)?;
                    for step in KEEPING {
                        directory.keep(step, &staged, &digest)?;
                    }
                    Ok(already)
                })
                .await
            }
        }
    }

    pub(crate) async fn remove(&self, digest: Digest) -> Result<bool, Error> {
        match &self.kept {
            Kept::Store(store) => store.remove(&digest).await,
            Kept::Directory(directory) => {
                let directory = Arc::clone(directory);
                blocking(move || directory.remove(&digest)).await
            }
        }
    }

    pub(crate) async fn list(&self) -> Result<Vec<Held>, Error> {
        match &self.kept {
            Kept::Store(store) => store.list().await,
            Kept::Directory(directory) => {
                let directory = Arc::clone(directory);
                blocking(move || directory.list()).await
            }
        }
    }
}

/// Runs what touches the disk off the event loop.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Error> + Send + 'static,
) -> Result<T, Error> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(io::Error::other)
        .map_err(Error::of("work on", Path::new("the depot")))?
}

/// The directory in which artifacts come in.
#[derive(Debug)]
struct Staging {
    path: PathBuf,
}

impl Staging {
    fn open(root: &Path) -> Result<Self, Error> {
        let path = root.join("staging");
        make_dir(&path)?;
        sync_dir(root)?;
        // An artifact is no more durable than the directories above it.
        sync_dir(parent(root))?;
        for entry in entries(&path)? {
            fs::remove_file(&entry).map_err(Error::of("remove", &entry))?;
        }
        Ok(Self { path })
    }

    /// Makes an empty staged file with a name that no other has.
    fn stage(&self) -> Result<Staged, Error> {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let path = self.path.join(format!("{}-{number}", process::id()));
        let mut options = OpenOptions::new();
        options.read(true).write(true).create_new(true).mode(0o600);
        let file = options.open(&path).map_err(Error::of("create", &path))?;
        Ok(Staged { file, path })
    }
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
