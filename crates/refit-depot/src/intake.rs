//! How an artifact comes in: hashed while it streams, named by its digest, durable before anybody is told.
//!
//! What was promised of it (length, digest) is checked before it is kept. An [`Intake`] that is dropped, or whose
//! process dies, leaves nothing behind.

use crate::backend::{self, Backend, Staged};
use refit_protocol::digest::Digest;
use sha2::{Digest as _, Sha256};
use std::io::Write;
use std::sync::Arc;

/// The longest artifact unless the caller says otherwise, in bytes: 16 GiB.
pub const ARTIFACT_BYTES_MAX: u64 = 16 << 30;

/// What is known of an artifact before it comes.
#[derive(Clone, Copy, Debug)]
pub struct Expected {
    /// Its length, if it was announced.
    pub length: Option<u64>,
    /// Its digest, if it was announced.
    pub digest: Option<Digest>,
    /// The length at which it is refused.
    pub length_max: u64,
}

impl Default for Expected {
    fn default() -> Self {
        Self {
            length: None,
            digest: None,
            length_max: ARTIFACT_BYTES_MAX,
        }
    }
}

/// An artifact on its way in.
#[derive(Debug)]
pub struct Intake {
    backend: Arc<Backend>,
    staged: Staged,
    hash: Sha256,
    length: u64,
    expected: Expected,
    /// After a failed write the file may hold bytes that the hash has not seen.
    broken: bool,
}

impl Intake {
    pub(crate) fn begin(backend: Arc<Backend>, expected: Expected) -> Result<Self, Error> {
        if expected
            .length
            .is_some_and(|length| length > expected.length_max)
        {
            return Err(Error::TooLong {
                max: expected.length_max,
            });
        }
        let staged = backend.stage()?;
        Ok(Self {
            backend,
            staged,
            hash: Sha256::new(),
            length: 0,
            expected,
            broken: false,
        })
    }

    /// Takes the next bytes. After an error the intake can only be dropped.
    pub fn write(&mut self, bytes: &[u8]) -> Result<(), Error> {
        let taken = self.take(bytes);
        self.broken |= taken.is_err();
        taken
    }

    fn take(&mut self, bytes: &[u8]) -> Result<(), Error> {
        let length = self.length.saturating_add(bytes.len() as u64);
        if length > self.expected.length_max {
            return Err(Error::TooLong {
                max: self.expected.length_max,
            });
        }
        if let Some(expected) = self.expected.length.filter(|expected| length > *expected) {
            return Err(Error::LengthDiffers {
                expected,
                got: length,
            });
        }
        let written = self.staged.file.write_all(bytes);
        written.map_err(backend::Error::of("write", &self.staged.path))?;
        self.hash.update(bytes);
        self.length = length;
        Ok(())
    }

    /// Returns how many bytes came so far.
    pub fn length(&self) -> u64 {
        self.length
    }

    /// Keeps what came under its digest, if it is what was expected. When this returns, it is durable.
    ///
    /// An object store was given it, and gave it back. A future that is dropped before its end leaves nothing in a
    /// directory; in an object store it may leave parts of an upload, which the bucket's lifecycle rule clears away.
    pub async fn commit(self) -> Result<Stored, Error> {
        let (digest, length) = (self.checked()?, self.length);
        let already = self.backend.keep(self.staged, digest, length).await?;
        Ok(Stored {
            digest,
            length,
            already,
        })
    }

    /// Returns the digest of what came, if it is what was expected.
    pub fn checked(&self) -> Result<Digest, Error> {
        if self.broken {
            return Err(Error::Broken);
        }
        let got = self.length;
        if let Some(expected) = self.expected.length.filter(|expected| got != *expected) {
            return Err(Error::LengthDiffers { expected, got });
        }
        let got = Digest::from_bytes(self.hash.clone().finalize().into());
        match self.expected.digest {
            Some(expected) if expected != got => Err(Error::DigestDiffers { expected, got }),
            _ => Ok(got),
        }
    }
}

/// An artifact that is now in the depot, durably.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stored {
    /// Its name.
    pub digest: Digest,
    /// How many bytes it has.
    pub length: u64,
    /// Whether it was there before: worth telling, never worth deciding by.
    pub already: bool,
}

/// Why an artifact was not taken in. Nothing of it is left.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// It is longer than is allowed.
    #[error("take an artifact of more than {max} bytes: raise the limit, or make it smaller")]
    TooLong {
        /// The longest that is allowed.
        max: u64,
    },
    /// More, or fewer, bytes came than were announced.
    #[error("take {got} bytes where {expected} were announced: send the artifact again")]
    LengthDiffers {
        /// What was announced.
        expected: u64,
        /// What had come when it was noticed.
        got: u64,
    },
    /// Other bytes came than were announced.
    #[error("take an artifact with SHA-256 {got} where {expected} was announced: send it again")]
    DigestDiffers {
        /// What was announced.
        expected: Digest,
        /// What came.
        got: Digest,
    },
    /// There is no room for it (HTTP 507).
    #[error("store the artifact, for want of room: free some space where the depot is")]
    Full(#[source] backend::Error),
    /// An earlier write failed, and the caller went on.
    #[error("commit an intake after a failed write: send the artifact again")]
    Broken,
    /// The file system, or the object store, failed.
    #[error("store the artifact")]
    Backend(#[source] backend::Error),
}

impl From<backend::Error> for Error {
    fn from(error: backend::Error) -> Self {
        if error.is_full() {
            Self::Full(error)
        } else {
            Self::Backend(error)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backend::Kept;
    use crate::backend::directory::{KEEPING, Keep};
    use crate::depot::Depot;
    use futures_util::TryStreamExt;
    use std::fs::{self, File};
    use std::mem;
    use std::path::Path;

    fn sha256(bytes: &[u8]) -> Digest {
        Digest::from_bytes(Sha256::digest(bytes).into())
    }

    fn left_in_staging(root: &Path) -> usize {
        fs::read_dir(root.join("staging")).unwrap().count()
    }

    fn begin(root: &Path, expected: Expected) -> Intake {
        Depot::open(root).unwrap().intake(expected).unwrap()
    }

    #[tokio::test]
    async fn the_same_again_is_harmless() {
        let home = tempfile::tempdir().unwrap();
        let depot = Depot::open(home.path()).unwrap();
        for already in [false, true, true] {
            let mut intake = depot.intake(Expected::default()).unwrap();
            intake.write(b"fir").unwrap();
            intake.write(b"").unwrap();
            intake.write(b"mware").unwrap();
            let stored = Stored {
                digest: sha256(b"firmware"),
                length: 8,
                already,
            };
            assert_eq!(intake.commit().await.unwrap(), stored);
        }
        assert_eq!(depot.usage().await.unwrap().artifacts, 1);
        assert_eq!(left_in_staging(home.path()), 0);
    }

    #[tokio::test]
    async fn the_same_again_mends_a_damaged_copy() {
        let home = tempfile::tempdir().unwrap();
        let shelf = home
            .path()
            .join("sha256")
            .join(&sha256(b"good").to_hex()[..2]);
        fs::create_dir_all(&shelf).unwrap();
        fs::write(shelf.join(sha256(b"good").to_hex()), b"gone").unwrap();
        let mut intake = begin(home.path(), Expected::default());
        intake.write(b"good").unwrap();
        assert!(intake.commit().await.unwrap().already);
        assert_eq!(
            fs::read(shelf.join(sha256(b"good").to_hex())).unwrap(),
            b"good"
        );
    }

    #[tokio::test]
    async fn an_intake_that_is_dropped_leaves_nothing() {
        let home = tempfile::tempdir().unwrap();
        let mut intake = begin(home.path(), Expected::default());
        intake.write(b"half of it").unwrap();
        assert_eq!(left_in_staging(home.path()), 1);
        drop(intake);
        assert_eq!(left_in_staging(home.path()), 0);
    }

    #[tokio::test]
    async fn what_was_announced_is_checked_before_anything_is_kept() {
        let home = tempfile::tempdir().unwrap();
        let depot = Depot::open(home.path()).unwrap();
        let length = |length| Expected {
            length: Some(length),
            ..Expected::default()
        };
        let digest = Some(sha256(b"other"));

        let mut short = depot.intake(length(4)).unwrap();
        short.write(b"abc").unwrap();
        let error = short.commit().await.unwrap_err();
        assert!(
            matches!(
                error,
                Error::LengthDiffers {
                    expected: 4,
                    got: 3
                }
            ),
            "{error}"
        );

        let error = depot.intake(length(2)).unwrap().write(b"abc").unwrap_err();
        assert!(
            matches!(
                error,
                Error::LengthDiffers {
                    expected: 2,
                    got: 3
                }
            ),
            "{error}"
        );

        let mut wrong = depot
            .intake(Expected {
                digest,
                ..Expected::default()
            })
            .unwrap();
        wrong.write(b"abc").unwrap();
        let error = wrong.commit().await.unwrap_err();
        assert!(matches!(error, Error::DigestDiffers { .. }), "{error}");

        assert_eq!(depot.usage().await.unwrap().artifacts, 0);
        assert_eq!(left_in_staging(home.path()), 0);
    }

    #[tokio::test]
    async fn too_long_is_refused_at_the_limit_and_at_once_if_announced() {
        let home = tempfile::tempdir().unwrap();
        let depot = Depot::open(home.path()).unwrap();
        let expected = Expected {
            length_max: 3,
            ..Expected::default()
        };
        let mut intake = depot.intake(expected).unwrap();
        intake.write(b"abc").unwrap();
        assert!(matches!(intake.write(b"d"), Err(Error::TooLong { max: 3 })));
        assert!(matches!(intake.commit().await, Err(Error::Broken)));
        let announced = Expected {
            length: Some(4),
            ..expected
        };
        assert!(matches!(
            depot.intake(announced),
            Err(Error::TooLong { max: 3 })
        ));
    }

    #[tokio::test]
    async fn a_full_disk_has_a_name_and_cannot_be_committed_over() {
        let home = tempfile::tempdir().unwrap();
        let mut intake = begin(home.path(), Expected::default());
        intake.staged.file = File::options().write(true).open("/dev/full").unwrap();
        let error = intake.write(b"abc").unwrap_err();
        assert!(matches!(&error, Error::Full(_)), "{error:?}");
        assert!(matches!(intake.commit().await, Err(Error::Broken)));
        assert_eq!(left_in_staging(home.path()), 0);
    }

    #[tokio::test]
    async fn a_crash_between_any_two_steps_leaves_nothing_or_the_whole() {
        for steps in 0..=KEEPING.len() {
            let home = tempfile::tempdir().unwrap();
            let mut intake = begin(home.path(), Expected::default());
            intake.write(b"firmware").unwrap();
            let digest = intake.checked().unwrap();
            let Kept::Directory(directory) = &intake.backend.kept else {
                panic!("a directory")
            };
            for step in &KEEPING[..steps] {
                directory.keep(*step, &intake.staged, &digest).unwrap();
            }
            mem::forget(intake);

            let depot = Depot::open(home.path()).unwrap();
            assert_eq!(left_in_staging(home.path()), 0, "after {steps} steps");
            let named = KEEPING[..steps].contains(&Keep::Name);
            match depot.artifact(&digest).await.unwrap() {
                Some(artifact) => {
                    let length = artifact.length();
                    let bytes: Vec<_> = artifact.stream(0..length).try_collect().await.unwrap();
                    assert!(named && bytes.concat() == b"firmware");
                }
                None => assert!(!named, "after {steps} steps"),
            }
            // Whatever was left, the same again ends well.
            let mut again = depot.intake(Expected::default()).unwrap();
            again.write(b"firmware").unwrap();
            assert_eq!(
                again.commit().await.unwrap(),
                Stored {
                    digest,
                    length: 8,
                    already: named
                }
            );
        }
    }

    #[tokio::test]
    async fn bytes_are_durable_before_they_have_a_name() {
        let at = |step| KEEPING.iter().position(|s| *s == step).unwrap();
        assert!(at(Keep::Seal) < at(Keep::Name));
        assert!(at(Keep::Shelf) < at(Keep::Name));
        assert_eq!(at(Keep::Sync), KEEPING.len() - 1);
    }
}
