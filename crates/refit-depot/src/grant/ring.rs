//! The keys while they are in use: read by many, and changed by a rotation, by another hand in the file, or when a
//! grant is minted that is good for longer than is noted of its key.

use super::keys::{Error, GrantKeys, Key, Known as Told};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::SystemTime;

pub use super::keys::Known;

/// The keys in use.
#[derive(Debug)]
pub struct KeyRing {
    keys: RwLock<Arc<GrantKeys>>,
    /// One at a time changes the keys; and what the file looked like when it was last read or written.
    file: Mutex<FileSeen>,
}

#[derive(Debug)]
struct FileSeen {
    /// `None`: the keys are kept elsewhere.
    path: Option<PathBuf>,
    stamp: Option<(SystemTime, u64)>,
}

impl KeyRing {
    /// Reads the keys from a file, or makes one key and the file if there is none.
    pub fn open(path: &Path) -> Result<Self, Error> {
        let stamp = stamp(path);
        let keys = GrantKeys::load_or_create(path)?;
        let stamp = stamp.or_else(|| self::stamp(path));
        Ok(Self::with(keys, Some(path.to_path_buf()), stamp))
    }

    /// Wraps keys that the caller keeps elsewhere.
    pub fn of(keys: GrantKeys) -> Self {
        Self::with(keys, None, None)
    }

    fn with(keys: GrantKeys, path: Option<PathBuf>, stamp: Option<(SystemTime, u64)>) -> Self {
        Self {
            keys: RwLock::new(Arc::new(keys)),
            file: Mutex::new(FileSeen { path, stamp }),
        }
    }

    /// Returns all keys as they are now.
    pub(super) fn all(&self) -> Arc<GrantKeys> {
        Arc::clone(&self.keys.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Signs something that is good until then. Before a key signs for longer than its file says, the file is written
    /// anew: a rotation must know for how long to keep the key, whatever was restarted meanwhile.
    pub(super) fn signing<T>(&self, expires: u64, sign: impl FnOnce(&Key) -> T) -> T {
        let keys = self.all();
        if keys.covers(expires) {
            return sign(keys.current());
        }
        let covering = self.change(|keys| Ok(keys.covering(expires)));
        // If it cannot be written the grant is good all the same; only a rotation may cut it short.
        sign(covering.unwrap_or(keys).current())
    }

    pub(super) fn rotate(&self, now: u64) -> Result<(), Error> {
        self.change(|keys| keys.rotated(now)).map(drop)
    }

    /// Changes the keys, first in the file: no key signs that a crash could lose.
    fn change(
        &self,
        change: impl FnOnce(GrantKeys) -> Result<GrantKeys, Error>,
    ) -> Result<Arc<GrantKeys>, Error> {
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        let keys = change(GrantKeys::clone(&self.all()))?;
        if let Some(path) = &file.path {
            keys.write(path)?;
            file.stamp = stamp(path);
        }
        Ok(self.put(keys))
    }

    /// Reads the file again if it is another one now, and returns whether it was.
    pub(super) fn reload(&self) -> Result<bool, Error> {
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(path) = file.path.clone() else {
            return Ok(false);
        };
        let now = stamp(&path);
        // A file that is gone is not made anew: that would void every grant unseen.
        if now.is_none() || now == file.stamp {
            return Ok(false);
        }
        // What cannot be read is told once, not each time.
        file.stamp = now;
        self.put(GrantKeys::load_or_create(&path)?);
        Ok(true)
    }

    fn put(&self, keys: GrantKeys) -> Arc<GrantKeys> {
        let keys = Arc::new(keys);
        *self.keys.write().unwrap_or_else(PoisonError::into_inner) = Arc::clone(&keys);
        keys
    }

    /// Returns what may be told of the keys.
    pub fn list(&self) -> Vec<Told> {
        self.all().list()
    }
}

fn stamp(path: &Path) -> Option<(SystemTime, u64)> {
    let metadata = fs::metadata(path).ok()?;
    Some((metadata.modified().ok()?, metadata.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: u64 = 1_700_000_000;

    fn ids(ring: &KeyRing) -> Vec<String> {
        ring.list().into_iter().map(|key| key.id).collect()
    }

    #[test]
    fn a_rotated_key_is_kept_until_all_it_signed_has_expired() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("grant.keys");
        let ring = KeyRing::open(&path).unwrap();
        let old = ring.signing(NOW + 100, |key| (key.id().to_owned(), key.sign("x")));
        // Another process, which knows of that grant by the file alone.
        let ring = KeyRing::open(&path).unwrap();
        ring.rotate(NOW).unwrap();
        assert_eq!(ids(&ring).len(), 2);
        assert_ne!(ids(&ring)[0], old.0);
        let keys = ring.all();
        assert!(keys.find(&old.0).unwrap().verify("x", &old.1));
        assert_eq!(ids(&KeyRing::open(&path).unwrap()), ids(&ring));
        ring.rotate(NOW + 99).unwrap();
        assert!(ids(&ring).contains(&old.0));
        ring.rotate(NOW + 100 + 86_400).unwrap();
        assert!(!ids(&ring).contains(&old.0));
    }

    #[test]
    fn a_key_that_signed_nothing_is_forgotten_at_once() {
        let home = tempfile::tempdir().unwrap();
        let ring = KeyRing::open(&home.path().join("grant.keys")).unwrap();
        let old = ids(&ring);
        ring.rotate(NOW).unwrap();
        assert_eq!(ids(&ring).len(), 1);
        assert_ne!(ids(&ring), old);
    }

    #[test]
    fn a_rotation_too_many_is_refused_and_loses_no_key() {
        let home = tempfile::tempdir().unwrap();
        let ring = KeyRing::open(&home.path().join("grant.keys")).unwrap();
        let mut done = 0;
        let refused = loop {
            ring.signing(NOW + 100, |_| ());
            match ring.rotate(NOW) {
                Ok(()) => done += 1,
                Err(error) => break error,
            }
        };
        assert!(
            matches!(refused, Error::Full { until: Some(_) }),
            "{refused}"
        );
        assert_eq!((done, ids(&ring).len()), (15, 16));
    }

    #[test]
    fn another_hand_in_the_file_counts_unless_it_damages_it() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("grant.keys");
        let ring = KeyRing::open(&path).unwrap();
        assert!(!ring.reload().unwrap());
        let other = KeyRing::open(&path).unwrap();
        other.signing(NOW, |_| ());
        other.rotate(NOW).unwrap();
        assert!(ring.reload().unwrap());
        assert_eq!(ids(&ring), ids(&other));
        assert!(!ring.reload().unwrap());
        fs::write(&path, "damaged").unwrap();
        assert!(ring.reload().is_err());
        assert_eq!(ids(&ring), ids(&other));
        fs::remove_file(&path).unwrap();
        assert!(!ring.reload().unwrap());
        assert_eq!(ids(&ring), ids(&other));
    }
}
