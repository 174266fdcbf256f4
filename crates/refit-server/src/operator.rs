//! The first admin's token: made at the first start, kept in a file that only its owner can read. Whoever can read the
//! data directory is an admin; `access/first.rs` records it among the other tokens.

use std::io;
use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::secret_file::{Error, SecretFile};
use zeroize::Zeroizing;

/// What every token begins with, so that scanners find one that leaked.
pub const TOKEN_PREFIX: &str = "rft_";

/// The length of a token in bytes: the prefix, and 32 random bytes in base64url.
const TOKEN_BYTES: usize = 4 + 43;

/// The file of the token.
const fn file(path: &Path) -> SecretFile<'_> {
    SecretFile {
        path,
        what: "token",
        anew: "restart to have another",
    }
}

/// Reads the token from a file, or makes one and the file if there is none.
pub(crate) fn load_or_create(path: &Path) -> Result<Zeroizing<String>, Error> {
    let file = file(path);
    match file.read()? {
        Some(text) => checked(file, &text),
        None => create(file),
    }
}

/// Reads the token out of its file, for a client on the same machine.
pub fn read_token(path: &Path) -> Result<String, Error> {
    let file = file(path);
    let missing = || file.failed("open")(io::ErrorKind::NotFound.into());
    let token = checked(file, &file.read()?.ok_or_else(missing)?)?;
    Ok(token.as_str().to_owned())
}

fn checked(file: SecretFile<'_>, token: &str) -> Result<Zeroizing<String>, Error> {
    let body = token.strip_prefix(TOKEN_PREFIX);
    if token.len() != TOKEN_BYTES || !body.is_some_and(is_base64url) {
        return Err(file.damaged());
    }
    Ok(Zeroizing::new(token.to_owned()))
}

fn is_base64url(text: &str) -> bool {
    text.bytes()
        .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'))
}

fn create(file: SecretFile<'_>) -> Result<Zeroizing<String>, Error> {
    let mut secret = Zeroizing::new([0; 32]);
    getrandom::fill(&mut *secret).map_err(|error| file.failed("make")(io::Error::other(error)))?;
    let encoded = Zeroizing::new(URL_SAFE_NO_PAD.encode(*secret));
    let token = Zeroizing::new([TOKEN_PREFIX, &encoded].concat());
    file.create(&token)?;
    Ok(token)
}

#[cfg(test)]
mod tests {
    use std::fs::{self, Permissions};
    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use crate::secret_file::write_private;

    #[test]
    fn the_first_start_makes_a_token_and_the_next_one_finds_it() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("operator.token");
        let token = load_or_create(&path).unwrap();
        assert!(token.starts_with("rft_") && token.len() == TOKEN_BYTES);
        assert_eq!(load_or_create(&path).unwrap(), token);
        assert_eq!(read_token(&path).unwrap(), *token);
    }

    #[test]
    fn a_token_that_others_can_read_or_that_is_none_is_refused() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("operator.token");
        load_or_create(&path).unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o644)).unwrap();
        let error = load_or_create(&path).unwrap_err();
        assert!(error.to_string().contains("chmod 600"), "{error}");
        for text in ["", "rft_short", &"x".repeat(TOKEN_BYTES)] {
            write_private(&path, text.as_bytes()).unwrap();
            let error = load_or_create(&path).unwrap_err();
            assert!(matches!(error, Error::Damaged { .. }), "{error}");
        }
    }
}
