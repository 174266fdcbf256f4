//! A temporary credential: a token that reads one artifact, and is good only over a connection with the certificate
//! that it was given to (RFC 8705 §3: the SHA-256 of the certificate is under the MAC).
//!
//! `rfc_` and, in base64url, one version byte, the expiry (8 bytes, Unix seconds), the key's name and the device's ID
//! (each with its length in a byte before it), digest, thumbprint, and the MAC over all that, behind a name of its own.
//! None of it is secret but the MAC. It is all in the token so that a refusal can say which part does not fit.

use super::Refused;
use super::keys::{GrantKeys, Key};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use refit_protocol::device_id::DeviceId;
use refit_protocol::digest::Digest;

/// How each token begins.
pub const PREFIX: &str = "rfc_";

/// The longest token that is looked at, in bytes: the longest device ID and key ID need 360.
pub const TOKEN_BYTES_MAX: usize = 512;

const VERSION: u8 = 1;

/// What comes before the bytes under the MAC, so that no other use of the key can be taken for this one.
const CONTEXT: &str = "refit-credential-1\n";

/// The certificate of a connection, as a grant sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Certificate<'a> {
    /// The device that it names.
    pub device: &'a DeviceId,
    /// The SHA-256 of its DER.
    pub thumbprint: &'a [u8; 32],
}

/// Writes a token.
pub(crate) fn sign(
    key: &Key,
    digest: &Digest,
    certificate: &Certificate<'_>,
    expires: u64,
) -> String {
    let mut bytes = vec![VERSION];
    bytes.extend(expires.to_be_bytes());
    for text in [key.id(), certificate.device.as_str()] {
        // Both are at most 128 bytes long by their own rules.
        bytes.push(text.len() as u8);
        bytes.extend(text.as_bytes());
    }
    bytes.extend(digest.as_bytes());
    bytes.extend(certificate.thumbprint);
    let mac = key.sign(&to_sign(&bytes));
    bytes.extend(mac);
    format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(bytes))
}

fn to_sign(bytes: &[u8]) -> Vec<u8> {
    [CONTEXT.as_bytes(), bytes].concat()
}

/// A token whose MAC is right.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Credential {
    pub(crate) device: DeviceId,
    pub(crate) expires: u64,
    pub(crate) digest: Digest,
    pub(crate) thumbprint: [u8; 32],
}

/// Reads a token and checks its MAC.
pub(crate) fn open(token: &str, keys: &GrantKeys) -> Result<Credential, Refused> {
    const BAD: Refused = Refused::Malformed("an invalid credential");
    if token.len() > TOKEN_BYTES_MAX {
        return Err(BAD);
    }
    let text = token.strip_prefix(PREFIX).ok_or(BAD)?;
    let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| BAD)?;
    let (signed, mac) = bytes.split_last_chunk::<32>().ok_or(BAD)?;
    let (key, credential) = read(signed).ok_or(BAD)?;
    let key = keys.find(key).ok_or(Refused::UnknownKey)?;
    if !key.verify(&to_sign(signed), mac) {
        return Err(Refused::BadSignature);
    }
    Ok(credential)
}

fn read(bytes: &[u8]) -> Option<(&str, Credential)> {
    let (version, rest) = bytes.split_first()?;
    if *version != VERSION {
        return None;
    }
    let (expires, rest) = rest.split_first_chunk::<8>()?;
    let (key, rest) = text(rest)?;
    let (device, rest) = text(rest)?;
    let (digest, rest) = rest.split_first_chunk::<32>()?;
    let thumbprint: [u8; 32] = rest.try_into().ok()?;
    let credential = Credential {
        device: DeviceId::parse(device).ok()?,
        expires: u64::from_be_bytes(*expires),
        digest: Digest::from_bytes(*digest),
        thumbprint,
    };
    Some((key, credential))
}

fn text(bytes: &[u8]) -> Option<(&str, &[u8])> {
    let (length, rest) = bytes.split_first()?;
    let (text, rest) = rest.split_at_checked(usize::from(*length))?;
    Some((std::str::from_utf8(text).ok()?, rest))
}
