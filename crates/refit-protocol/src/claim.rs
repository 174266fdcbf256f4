//! The text of a claim token: what a new device is given so that it can enrol, once.
//!
//! `rfe_` and base64url without padding (RFC 4648 §5) of 57 bytes: a version, the SHA-256 of the certificate at the
//! top of the server's presented chain, the token's ID, its secret. The device pins the server by the second and is
//! believed by the last. One token has one spelling.

use crate::digest::Digest;
use alloc::format;
use alloc::string::String;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use core::fmt;
use core::str;

/// What a claim token begins with, so that people and secret scanners know it.
pub const PREFIX: &str = "rfe_";

/// The length of a claim token, in bytes of text.
pub const CLAIM_TEXT_BYTES: usize = PREFIX.len() + CLAIM_BYTES / 3 * 4;

/// 1 version, 32 fingerprint, 8 ID, 16 secret: divisible by 3, so there is no padding to spell in two ways.
const CLAIM_BYTES: usize = 57;
const VERSION: u8 = 1;

/// A claim token, read. Its `Debug` shows no secret.
#[derive(Clone, PartialEq, Eq)]
pub struct Claim {
    /// The SHA-256 of the DER of the certificate at the top of the server's presented chain.
    pub server: Digest,
    /// Which token it is; no secret.
    pub id: ClaimId,
    /// What proves that its bearer was given it. Compare its hash, in constant time.
    pub secret: [u8; 16],
}

impl Claim {
    /// Reads the text of a token, or says what is wrong with it without repeating it.
    pub fn parse(text: &str) -> Result<Self, InvalidClaim> {
        let encoded = text.strip_prefix(PREFIX).ok_or(InvalidClaim::Prefix)?;
        if text.len() != CLAIM_TEXT_BYTES {
            return Err(InvalidClaim::Length(text.len()));
        }
        let mut bytes = [0; CLAIM_BYTES];
        match URL_SAFE_NO_PAD.decode_slice(encoded, &mut bytes) {
            Ok(CLAIM_BYTES) => {}
            _ => return Err(InvalidClaim::Alphabet),
        }
        let [version, rest @ ..] = bytes;
        if version != VERSION {
            return Err(InvalidClaim::Version(version));
        }
        let part = |at: usize| rest.get(at..).unwrap_or_default();
        Ok(Self {
            server: Digest::from_bytes(array(part(0))),
            id: ClaimId(array(part(32))),
            secret: array(part(40)),
        })
    }

    /// Returns the text that [`Claim::parse`] reads. It is a secret: show it once.
    pub fn to_text(&self) -> String {
        let mut bytes = [VERSION; CLAIM_BYTES];
        let parts = [
            self.server.as_bytes().as_slice(),
            &self.id.0,
            self.secret.as_slice(),
        ];
        for (to, from) in bytes.iter_mut().skip(1).zip(parts.into_iter().flatten()) {
            *to = *from;
        }
        format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(bytes))
    }
}

/// Takes the first `N` bytes; what is missing is 0.
fn array<const N: usize>(bytes: &[u8]) -> [u8; N] {
    let mut out = [0; N];
    for (to, from) in out.iter_mut().zip(bytes) {
        *to = *from;
    }
    out
}

impl fmt::Debug for Claim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Claim")
            .field("server", &self.server)
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}

/// The public name of a claim token: 8 random bytes, written as 16 lower-case hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ClaimId(pub [u8; 8]);

impl ClaimId {
    /// Reads exactly 16 lower-case hexadecimal digits.
    pub fn parse(text: &str) -> Option<Self> {
        let digit = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
        if text.len() != 16 || !text.bytes().all(digit) {
            return None;
        }
        let number = u64::from_str_radix(text, 16).ok()?;
        Some(Self(number.to_be_bytes()))
    }
}

impl fmt::Display for ClaimId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", u64::from_be_bytes(self.0))
    }
}

impl fmt::Debug for ClaimId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Why a text is not a claim token. Nothing of the text is in it: it may be most of a secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InvalidClaim {
    /// It does not begin with [`PREFIX`].
    Prefix,
    /// It has this many bytes, which is not [`CLAIM_TEXT_BYTES`].
    Length(usize),
    /// It holds a byte that is not of base64url.
    Alphabet,
    /// It is of this version, which is not known here.
    Version(u8),
}

impl fmt::Display for InvalidClaim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Prefix => write!(
                f,
                "this is no claim token: it does not begin with {PREFIX}; `refit enrol token new` makes one"
            ),
            Self::Length(n) => write!(
                f,
                "the claim token has {n} bytes instead of {CLAIM_TEXT_BYTES}; copy all of it, on one line"
            ),
            Self::Alphabet => f.write_str(
                "the claim token holds a character that is none of its alphabet; copy it again",
            ),
            Self::Version(n) => write!(
                f,
                "the claim token is of version {n}, which this program does not know; update it"
            ),
        }
    }
}

impl core::error::Error for InvalidClaim {}
