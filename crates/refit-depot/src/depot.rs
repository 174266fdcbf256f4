//! The depot: artifacts under their digests, immutable (design §6).
//!
//! A digest never changes meaning, so storing the same bytes again is harmless, a URL can be cached anywhere, and
//! nothing here needs "create only if absent". Whether an artifact may be removed is not decided here: the caller
//! knows what is desired, reported, or a way back (semantics 24).

use crate::artifact::Artifact;
use crate::backend::{Directory, Error};
use crate::intake::{self, Expected, Intake};
use refit_protocol::digest::Digest;
use std::path::Path;
use std::sync::Arc;

/// The artifacts of one installation. Cloning it copies a pointer.
#[derive(Clone, Debug)]
pub struct Depot {
    directory: Arc<Directory>,
}

impl Depot {
    /// Opens the depot below `root`; makes it (mode 0700) if it is not there, and removes what unfinished intakes
    /// of an earlier process left behind. One process at a time: the server's lock on its data sees to that.
    pub fn open(root: &Path) -> Result<Self, Error> {
        let directory = Arc::new(Directory::open(root)?);
        Ok(Self { directory })
    }

    /// Begins to take in an artifact.
    pub fn intake(&self, expected: Expected) -> Result<Intake, intake::Error> {
        Intake::begin(Arc::clone(&self.directory), expected)
    }

    /// Opens an artifact for reading, or tells that it is not here. Removal does not disturb who reads already.
    pub fn artifact(&self, digest: &Digest) -> Result<Option<Artifact>, Error> {
        match self.directory.file(digest)? {
            Some((file, path)) => Artifact::new(*digest, file, path).map(Some),
            None => Ok(None),
        }
    }

    /// Removes an artifact; false if it was not there. It stays removed after a crash.
    pub fn remove(&self, digest: &Digest) -> Result<bool, Error> {
        self.directory.remove(digest)
    }

    /// Lists what is held, in the order of the digests.
    pub fn list(&self) -> Result<Vec<Held>, Error> {
        self.directory.list()
    }

    /// Counts what is held.
    pub fn usage(&self) -> Result<Usage, Error> {
        let usage = Usage::default();
        Ok(self.list()?.iter().fold(usage, |sum, held| Usage {
            artifacts: sum.artifacts + 1,
            bytes: sum.bytes + held.length,
        }))
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
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    fn store(depot: &Depot, bytes: &[u8]) -> Digest {
        let mut intake = depot.intake(Expected::default()).unwrap();
        intake.write(bytes).unwrap();
        intake.commit().unwrap().digest
    }

    #[test]
    fn what_was_stored_is_there_after_reopening() {
        let home = tempfile::tempdir().unwrap();
        let root = home.path().join("data/depot");
        let digest = store(&Depot::open(&root).unwrap(), b"abc");
        // FIPS 180-4, the example of appendix B.1
        let expected = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(digest.to_hex(), expected);
        let depot = Depot::open(&root).unwrap();
        assert_eq!(depot.artifact(&digest).unwrap().unwrap().length(), 3);
        assert!(root.join("sha256/ba").join(expected).is_file());
    }

    #[test]
    fn the_depot_is_private_and_its_artifacts_read_only() {
        let home = tempfile::tempdir().unwrap();
        let root = home.path().join("depot");
        let digest = store(&Depot::open(&root).unwrap(), b"abc");
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&root), 0o700);
        assert_eq!(mode(&root.join("sha256/ba").join(digest.to_hex())), 0o400);
    }

    #[test]
    fn list_and_usage_count_artifacts_and_ignore_strangers() {
        let home = tempfile::tempdir().unwrap();
        let depot = Depot::open(home.path()).unwrap();
        assert_eq!(depot.usage().unwrap(), Usage::default());
        let mut digests = [
            store(&depot, b"abc"),
            store(&depot, b"de"),
            store(&depot, b""),
        ];
        digests.sort();
        fs::write(home.path().join("sha256/README"), "x").unwrap();
        fs::write(home.path().join("sha256/ba/notes.txt"), "x").unwrap();
        let listed: Vec<_> = depot.list().unwrap().iter().map(|h| h.digest).collect();
        assert_eq!(listed, digests);
        assert_eq!(
            depot.usage().unwrap(),
            Usage {
                artifacts: 3,
                bytes: 5
            }
        );
    }

    #[test]
    fn removal_leaves_readers_alone_and_is_told_apart_from_absence() {
        let home = tempfile::tempdir().unwrap();
        let depot = Depot::open(home.path()).unwrap();
        let digest = store(&depot, b"abc");
        let reader = depot.artifact(&digest).unwrap().unwrap();
        assert!(depot.remove(&digest).unwrap());
        assert!(!depot.remove(&digest).unwrap());
        assert!(depot.artifact(&digest).unwrap().is_none());
        let mut bytes = [0; 3];
        reader.read_at(0, &mut bytes).unwrap();
        assert_eq!(&bytes, b"abc");
        assert_eq!(store(&depot, b"abc"), digest);
    }

    #[test]
    fn a_root_that_is_a_file_is_refused_with_its_path() {
        let home = tempfile::tempdir().unwrap();
        let root = home.path().join("depot");
        fs::write(&root, "").unwrap();
        let error = Depot::open(&root).unwrap_err();
        assert!(error.to_string().contains("/depot"), "{error}");
    }
}
