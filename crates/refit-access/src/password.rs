//! Passwords: Argon2id with the parameters that OWASP recommends. One check takes tens of milliseconds and 19 MiB, on
//! purpose: it belongs on a thread that may wait, and only a few at a time.

use std::fmt;

use argon2::password_hash::{PasswordHasher, PasswordVerifier};
use argon2::{Algorithm, Argon2, Params, Version};

/// The shortest password, in characters.
pub const PASSWORD_CHARS_MIN: usize = 12;

/// The longest password, in bytes.
pub const PASSWORD_BYTES_MAX: usize = 256;

/// How many random bytes a salt has.
pub const SALT_BYTES: usize = 16;

/// OWASP's first recommendation for Argon2id in its cheat sheet on password storage: memory, passes, lanes.
const MEMORY_KIB: u32 = 19 * 1024;
const PASSES: u32 = 2;
const LANES: u32 = 1;

/// Says what is wrong with a new password, if anything is. Its length alone counts (NIST SP 800-63B §3.1.1).
pub fn check(password: &str) -> Result<(), InvalidPassword> {
    if password.chars().count() < PASSWORD_CHARS_MIN {
        return Err(InvalidPassword::TooShort);
    }
    if password.len() > PASSWORD_BYTES_MAX {
        return Err(InvalidPassword::TooLong);
    }
    Ok(())
}

/// Hashes a password that was checked. `None`: the library refused, which it does for none that was.
pub fn hash(password: &str, salt: &[u8; SALT_BYTES]) -> Option<String> {
    let hash = argon2()?.hash_password_with_salt(password.as_bytes(), salt);
    hash.ok().map(|hash| hash.to_string())
}

/// Tells whether this is the password that was hashed. It takes the same time whether it is or not, and for one that
/// is too long no time is spent.
pub fn verify(password: &str, hash: &str) -> bool {
    password.len() <= PASSWORD_BYTES_MAX
        && argon2().is_some_and(|argon2| argon2.verify_password(password.as_bytes(), hash).is_ok())
}

fn argon2() -> Option<Argon2<'static>> {
    let params = Params::new(MEMORY_KIB, PASSES, LANES, None).ok()?;
    Some(Argon2::new(Algorithm::Argon2id, Version::V0x13, params))
}

/// Why a password cannot be one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InvalidPassword {
    /// It has less than [`PASSWORD_CHARS_MIN`] characters.
    TooShort,
    /// It has more than [`PASSWORD_BYTES_MAX`] bytes.
    TooLong,
}

impl fmt::Display for InvalidPassword {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooShort => write!(f, "a password has at least {PASSWORD_CHARS_MIN} characters"),
            Self::TooLong => write!(f, "a password has at most {PASSWORD_BYTES_MAX} bytes"),
        }
    }
}

impl std::error::Error for InvalidPassword {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_known_by_its_hash() {
        let password = "correct horse battery";
        let hash = hash(password, &[7; SALT_BYTES]).unwrap();
        assert!(
            hash.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"),
            "{hash}"
        );
        assert!(verify(password, &hash));
        for wrong in [
            "",
            "Correct horse battery",
            "correct horse battery ",
            &"x".repeat(300),
        ] {
            assert!(!verify(wrong, &hash), "{wrong}");
        }
        assert!(!verify(password, "nonsense") && !verify(password, ""));
        let salted = super::hash(password, &[8; SALT_BYTES]).unwrap();
        assert_ne!(hash, salted);
    }

    #[test]
    fn the_length_is_what_counts() {
        assert_eq!(check("elevenchars"), Err(InvalidPassword::TooShort));
        assert_eq!(check("twelve chars"), Ok(()));
        assert_eq!(check(&"ü".repeat(12)), Ok(()));
        assert_eq!(check(&"x".repeat(257)), Err(InvalidPassword::TooLong));
    }
}
