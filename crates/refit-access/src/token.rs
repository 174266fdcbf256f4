//! The text of a token, and of a session's cookie: a prefix that scanners of leaked secrets find, and 32 random bytes.
//! Only the SHA-256 of the text is ever kept.
//!
//! A plain hash is enough here, and a slow one would only cost: there is nothing to guess in 256 random bits. A table
//! may be searched by the hash without care for time: whoever could measure how far the search came would learn bits of
//! a hash, and has no way from there to a text that has it.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

/// How many random bytes a secret has.
pub const SECRET_BYTES: usize = 32;

/// What a secret is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// A token: `rft_…`.
    Token,
    /// A session's cookie: `rfs_…`.
    Session,
}

impl Purpose {
    /// Returns what the text begins with.
    pub const fn prefix(self) -> &'static str {
        match self {
            Self::Token => "rft_",
            Self::Session => "rfs_",
        }
    }
}

/// The text of a secret. It is wiped when it is dropped, and `Debug` does not show it.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Zeroizing<String>);

impl Secret {
    /// Makes a secret of these random bytes.
    pub fn of(purpose: Purpose, random: &[u8; SECRET_BYTES]) -> Self {
        let encoded = Zeroizing::new(URL_SAFE_NO_PAD.encode(random));
        Self(Zeroizing::new([purpose.prefix(), &encoded].concat()))
    }

    /// Returns the text, for whoever it was made for.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Returns its hash.
    pub fn hash(&self) -> SecretHash {
        SecretHash::of_text(self.0.as_bytes())
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}

/// The SHA-256 of a secret's text.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct SecretHash(pub [u8; 32]);

impl SecretHash {
    /// Hashes what somebody gives, if it is written as a secret of this purpose is.
    pub fn read(purpose: Purpose, text: &[u8]) -> Option<Self> {
        let encoded = text.strip_prefix(purpose.prefix().as_bytes())?;
        let mut secret = Zeroizing::new([0; SECRET_BYTES]);
        let length = URL_SAFE_NO_PAD
            .decode_slice(encoded, secret.as_mut())
            .ok()?;
        (length == SECRET_BYTES).then(|| Self::of_text(text))
    }

    fn of_text(text: &[u8]) -> Self {
        Self(Sha256::digest(text).into())
    }
}

impl fmt::Debug for SecretHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretHash")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_known_by_its_hash() {
        let secret = Secret::of(Purpose::Token, &[7; 32]);
        assert!(secret.expose().starts_with("rft_") && secret.expose().len() == 47);
        let text = secret.expose().as_bytes();
        assert_eq!(SecretHash::read(Purpose::Token, text), Some(secret.hash()));
        assert_eq!(SecretHash::read(Purpose::Session, text), None);
        let other = Secret::of(Purpose::Token, &[8; 32]);
        assert_ne!(secret.hash(), other.hash());
        assert_eq!(
            format!("{secret:?} {:?}", secret.hash()),
            "Secret SecretHash"
        );
    }

    #[test]
    fn what_is_no_token_is_not_hashed() {
        let secret = Secret::of(Purpose::Token, &[7; 32]);
        let text = secret.expose();
        for bad in [
            "",
            "rft_",
            "rft_short",
            &text[1..],
            &text[..46],
            &format!("{text}="),
            &format!("{text}A"),
            &format!("{text} "),
            &text.replace("rft_", "RFT_"),
        ] {
            assert_eq!(
                SecretHash::read(Purpose::Token, bad.as_bytes()),
                None,
                "{bad}"
            );
        }
    }
}
