//! Files that only their owner may read: written in one step, and refused if others could have read them.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

/// The longest secret that is read, in bytes.
const SECRET_BYTES_MAX: u64 = 1024;

/// A file with one secret in it, which can be made anew.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SecretFile<'a> {
    /// Where it lies.
    pub(crate) path: &'a Path,
    /// What is in it: "token".
    pub(crate) what: &'static str,
    /// What follows if it is removed: "restart to have another".
    pub(crate) anew: &'static str,
}

impl SecretFile<'_> {
    /// Reads the secret, without blanks at its end; `None`: there is no such file.
    pub(crate) fn read(self) -> Result<Option<Zeroizing<String>>, Error> {
        let file = match File::open(self.path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(self.failed("open")(error)),
        };
        let mode = file.metadata().map_err(self.failed("look at"))?;
        let mode = mode.permissions().mode() & 0o777;
        if mode & 0o077 != 0 {
            return Err(Error::Exposed {
                path: self.path.to_owned(),
                what: self.what,
                anew: self.anew,
                mode,
            });
        }
        let mut text = Zeroizing::new(String::new());
        file.take(SECRET_BYTES_MAX)
            .read_to_string(&mut text)
            .map_err(self.failed("read"))?;
        let length = text.trim_end().len();
        text.truncate(length);
        Ok(Some(text))
    }

    /// Makes the file in one step: there is never half a secret under this name.
    pub(crate) fn create(self, secret: &str) -> Result<(), Error> {
        let draft = self.path.with_extension("draft");
        write_private(&draft, secret.as_bytes()).map_err(self.failed("write"))?;
        fs::rename(&draft, self.path).map_err(self.failed("name"))
    }

    /// Says that what was read is no such secret.
    pub(crate) fn damaged(self) -> Error {
        Error::Damaged {
            path: self.path.to_owned(),
            what: self.what,
            anew: self.anew,
        }
    }

    /// Says that something did not work with the file.
    pub(crate) fn failed(self, act: &'static str) -> impl FnOnce(io::Error) -> Error {
        let path = self.path.to_owned();
        move |source| Error::File { act, path, source }
    }
}

/// Writes a file that only its owner can read, durably, in place of one of this name.
pub(crate) fn write_private(path: &Path, bytes: &[u8]) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        Ok(()) | Err(_) => {}
    }
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)?;
    file.write_all(bytes)?;
    file.write_all(b"\n")?;
    file.sync_all()
}

/// Why there is no secret.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Others than the owner may read the file.
    #[error("the {what} in {} can be read by others (mode {mode:o}): chmod 600 it, or remove it and {anew}", .path.display())]
    Exposed {
        /// The file.
        path: PathBuf,
        /// What is in it.
        what: &'static str,
        /// What follows if it is removed.
        anew: &'static str,
        /// Its permissions.
        mode: u32,
    },
    /// The file holds no such secret.
    #[error("{} holds no {what}: restore it, or remove it and {anew}", .path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What should be in it.
        what: &'static str,
        /// What follows if it is removed.
        anew: &'static str,
    },
    /// The file system failed.
    #[error("failed to {act} {}", .path.display())]
    File {
        /// What was tried.
        act: &'static str,
        /// With which file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_read_as_it_was_made_and_by_its_owner_alone() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("a.key");
        let file = SecretFile {
            path: &path,
            what: "key",
            anew: "restart",
        };
        assert!(file.read().unwrap().is_none());
        file.create("abc").unwrap();
        assert_eq!(
            file.read().unwrap().as_deref().map(String::as_str),
            Some("abc")
        );
        let mode = fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        for mode in [0o640, 0o604, 0o610] {
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            let error = file.read().unwrap_err();
            assert!(error.to_string().contains("chmod 600"), "{error}");
        }
    }
}
