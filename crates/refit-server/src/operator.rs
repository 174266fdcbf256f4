//! The first admin's token: made at the first start, kept in a file that only its owner can read. Whoever can read the
//! data directory is an admin; `access/first.rs` records it among the other tokens.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// What every token begins with, so that scanners find one that leaked.
pub const TOKEN_PREFIX: &str = "rft_";

/// The length of a token in bytes: the prefix, and 32 random bytes in base64url.
const TOKEN_BYTES: usize = 4 + 43;

/// Reads the token from a file, or makes one and the file if there is none.
pub(crate) fn load_or_create(path: &Path) -> Result<String, Error> {
    match File::open(path) {
        Ok(file) => load(file, path),
        Err(error) if error.kind() == io::ErrorKind::NotFound => create(path),
        Err(error) => Err(Error::of("open", path)(error)),
    }
}

/// Reads the token out of its file, for a client on the same machine.
pub fn read_token(path: &Path) -> Result<String, Error> {
    let file = File::open(path).map_err(Error::of("open", path))?;
    load(file, path)
}

fn load(file: File, path: &Path) -> Result<String, Error> {
    let mode = file
        .metadata()
        .map_err(Error::of("look at", path))?
        .permissions()
        .mode()
        & 0o777;
    if mode & 0o077 != 0 {
        return Err(Error::Exposed {
            path: path.to_owned(),
            mode,
        });
    }
    let mut text = String::new();
    file.take(1024)
        .read_to_string(&mut text)
        .map_err(Error::of("read", path))?;
    let token = text.trim_end();
    let body = token.strip_prefix(TOKEN_PREFIX);
    if token.len() != TOKEN_BYTES || !body.is_some_and(is_base64url) {
        return Err(Error::Damaged {
            path: path.to_owned(),
        });
    }
    Ok(token.to_owned())
}

fn is_base64url(text: &str) -> bool {
    text.bytes()
        .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'))
}

/// Makes a token, and the file in one step: there is never half a token under this name.
fn create(path: &Path) -> Result<String, Error> {
    let mut secret = [0; 32];
    getrandom::fill(&mut secret)
        .map_err(|error| Error::of("make", path)(io::Error::other(error)))?;
    let token = format!("{TOKEN_PREFIX}{}", URL_SAFE_NO_PAD.encode(secret));
    let draft = path.with_extension("draft");
    write_private(&draft, token.as_bytes()).map_err(Error::of("write", &draft))?;
    fs::rename(&draft, path).map_err(Error::of("name", path))?;
    Ok(token)
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

/// Why there is no token.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Others than the owner may read the file.
    #[error("the token in {} can be read by others (mode {mode:o}): chmod 600 it, or remove it and restart to have another", .path.display())]
    Exposed {
        /// The token's file.
        path: PathBuf,
        /// Its permissions.
        mode: u32,
    },
    /// The file holds no token.
    #[error("{} holds no token: restore it, or remove it and restart to have another", .path.display())]
    Damaged {
        /// The token's file.
        path: PathBuf,
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

impl Error {
    fn of(act: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::File { act, path, source }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_start_makes_a_token_and_the_next_one_finds_it() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("operator.token");
        let token = load_or_create(&path).unwrap();
        assert!(token.starts_with("rft_") && token.len() == TOKEN_BYTES);
        assert_eq!(load_or_create(&path).unwrap(), token);
        assert_eq!(read_token(&path).unwrap(), token);
        assert_eq!(
            fs::metadata(&path).unwrap().permissions().mode() & 0o777,
            0o600
        );
    }

    #[test]
    fn a_token_that_others_can_read_or_that_is_none_is_refused() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("operator.token");
        load_or_create(&path).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        let error = load_or_create(&path).unwrap_err();
        assert!(error.to_string().contains("chmod 600"), "{error}");
        for text in ["", "rft_short", &"x".repeat(TOKEN_BYTES)] {
            write_private(&path, text.as_bytes()).unwrap();
            let error = load_or_create(&path).unwrap_err();
            assert!(matches!(error, Error::Damaged { .. }), "{error}");
        }
    }
}
