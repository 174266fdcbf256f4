//! The depot: artifacts under their digests, immutable (design §6).
//!
//! A digest never changes meaning, so storing the same bytes again is harmless, a URL can be cached anywhere, and
//! nothing here needs "create only if absent". Whether an artifact may be removed is not decided here: the caller
//! knows what is desired, reported, or a way back (semantics 24).

use crate::artifact::Artifact;
use crate::backend::settings::Settings;
use crate::backend::store::Store;
use crate::backend::{Backend, Error, Kept, Probed, blocking};
use crate::intake::{self, Expected, Intake};
use refit_protocol::digest::Digest;
use std::path::Path;
use std::sync::Arc;

/// The artifacts of one installation. Cloning it copies a pointer.
#[derive(Clone, Debug)]
pub struct Depot {
    backend: Arc<Backend>,
}

impl Depot {
    /// Opens the depot in the directory `root`; makes it (mode 0700) if it is not there, and removes what unfinished
    /// intakes of an earlier process left behind. One process at a time: the server's lock on its data sees to that.
    ///
    /// Blocks on the disk.
    pub fn open(root: &Path) -> Result<Self, Error> {
        let backend = Arc::new(Backend::directory(root)?);
        Ok(Self { backend })
    }

    /// Opens the depot in an object store, with `root` for what is on its way in, and probes the store. Settings
    /// that cannot be used are an error; what the probe found is told beside the depot, for the caller to judge: a
    /// store that was there yesterday and is away today is no reason to leave devices alone.
    pub async fn open_store(
        root: &Path,
        settings: Settings,
    ) -> Result<(Self, Result<Probed, Error>), Error> {
        let (backend, probed) = Backend::store(root, settings).await?;
        let backend = Arc::new(backend);
        Ok((Self { backend }, probed))
    }

    /// Begins to take in an artifact. Blocks on the disk.
    pub fn intake(&self, expected: Expected) -> Result<Intake, intake::Error> {
        Intake::begin(Arc::clone(&self.backend), expected)
    }

    /// Opens an artifact for reading, or tells that it is not here. In a directory, removal does not disturb who
    /// reads already.
    pub async fn artifact(&self, digest: &Digest) -> Result<Option<Artifact>, Error> {
        let digest = *digest;
        if let Kept::Directory(directory) = &self.backend.kept {
            let directory = Arc::clone(directory);
            return blocking(move || match directory.file(&digest)? {
                Some((file, path)) => Artifact::file(digest, file, path).map(Some),
                None => Ok(None),
            })
            .await;
        }
        Artifact::object(Arc::clone(&self.backend), digest).await
    }

    /// Removes an artifact; false if it was not there. It stays removed after a crash.
    pub async fn remove(&self, digest: &Digest) -> Result<bool, Error> {
        self.backend.remove(*digest).await
    }

    /// Lists what is held, in the order of the digests.
    pub async fn list(&self) -> Result<Vec<Held>, Error> {
        self.backend.list().await
    }

    /// Counts what is held.
    pub async fn usage(&self) -> Result<Usage, Error> {
        let usage = Usage::default();
        Ok(self.list().await?.iter().fold(usage, |sum, held| Usage {
            artifacts: sum.artifacts + 1,
            bytes: sum.bytes + held.length,
        }))
    }

    pub(crate) fn store(&self) -> Option<&Store> {
        match &self.backend.kept {
            Kept::Store(store) => Some(store),
            Kept::Directory(_) => None,
        }
    }
}

/// An artifact that the depot holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Held {
    /// Its name.
    pub digest: Digest,
    /// How many bytes it has.
    pub length: u64,
}

/// How much the depot holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// The number of artifacts.
    pub artifacts: u64,
    /// The sum of their lengths.
    pub bytes: u64,
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::TryStreamExt;
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    async fn store(depot: &Depot, bytes: &[u8]) -> Digest {
        let mut intake = depot.intake(Expected::default()).unwrap();
        intake.write(bytes).unwrap();
        intake.commit().await.unwrap().digest
    }

    #[tokio::test]
    async fn what_was_stored_is_there_after_reopening() {
        let home = tempfile::tempdir().unwrap();
        let root = home.path().join("data/depot");
        let digest = store(&Depot::open(&root).unwrap(), b"abc").await;
        // FIPS 180-4, the example of appendix B.1
        let expected = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(digest.to_hex(), expected);
        let depot = Depot::open(&root).unwrap();
        assert_eq!(depot.artifact(&digest).await.unwrap().unwrap().length(), 3);
        assert!(root.join("sha256/ba").join(expected).is_file());
    }

    #[tokio::test]
    async fn the_depot_is_private_and_its_artifacts_read_only() {
        let home = tempfile::tempdir().unwrap();
        let root = home.path().join("depot");
        let digest = store(&Depot::open(&root).unwrap(), b"abc").await;
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&root), 0o700);
        assert_eq!(mode(&root.join("sha256/ba").join(digest.to_hex())), 0o400);
    }

    #[tokio::test]
    async fn list_and_usage_count_artifacts_and_ignore_strangers() {
        let home = tempfile::tempdir().unwrap();
        let depot = Depot::open(home.path()).unwrap();
        assert_eq!(depot.usage().await.unwrap(), Usage::default());
        let mut digests = [
            store(&depot, b"abc").await,
            store(&depot, b"de").await,
            store(&depot, b"").await,
        ];
        digests.sort();
        fs::write(home.path().join("sha256/README"), "x").unwrap();
        fs::write(home.path().join("sha256/ba/notes.txt"), "x").unwrap();
        let listed: Vec<_> = depot
            .list()
            .await
            .unwrap()
            .iter()
            .map(|h| h.digest)
            .collect();
        assert_eq!(listed, digests);
        assert_eq!(
            depot.usage().await.unwrap(),
            Usage {
                artifacts: 3,
                bytes: 5
            }
        );
    }

    #[tokio::test]
    async fn removal_leaves_readers_alone_and_is_told_apart_from_absence() {
        let home = tempfile::tempdir().unwrap();
        let depot = Depot::open(home.path()).unwrap();
        let digest = store(&depot, b"abc").await;
        let reader = depot.artifact(&digest).await.unwrap().unwrap();
        assert!(depot.remove(&digest).await.unwrap());
        assert!(!depot.remove(&digest).await.unwrap());
        assert!(depot.artifact(&digest).await.unwrap().is_none());
        let bytes: Vec<_> = reader.stream(0..3).try_collect().await.unwrap();
        assert_eq!(bytes.concat(), b"abc");
        assert_eq!(store(&depot, b"abc").await, digest);
    }

    #[tokio::test]
    async fn a_root_that_is_a_file_is_refused_with_its_path() {
        let home = tempfile::tempdir().unwrap();
        let root = home.path().join("depot");
        fs::write(&root, "").unwrap();
        let error = Depot::open(&root).unwrap_err();
        assert!(error.to_string().contains("/depot"), "{error}");
    }
}
