//! Who is at the other end?
//!
//! *In*: certificates, signing requests and keys as bytes, the time, random serial numbers. *Out*: the one device that
//! a certificate names, or why it names none; certificates of devices and of servers, signed.
//!
//! *Absent on purpose*: files, clocks, sockets, the record of what was issued or revoked (the store's), and the
//! verification of a TLS chain (the TLS library's). Randomness is handed in but for keys and ECDSA nonces: the
//! cryptographic library takes those from the system and from nowhere else.
//!
//! *Start reading at* [`Peer::read`], then `csr.rs`, `ca.rs`, `proof.rs`. `key.rs` says which keys are strong enough.
//!
//! *Keeps*: an ID comes from a certificate alone, exactly one, exactly valid (`tests/oddities.rs`); what a signing
//! request says of its subject never reaches a certificate (`tests/requests.rs`).

pub mod bundle;
pub mod ca;
pub mod csr;
pub mod key;
pub mod pattern;
pub mod peer;
pub mod pem;
pub mod proof;
pub mod validity;

pub use bundle::Bundle;
pub use ca::{Ca, CaFiles, Issued};
pub use csr::Csr;
pub use pattern::IdPattern;
pub use peer::{Peer, Thumbprint};
pub use validity::{Serial, Validity};

use sha2::{Digest as _, Sha256};

/// Returns the SHA-256 of these bytes: of a certificate's DER it is its thumbprint (RFC 8705 §3.1).
pub fn thumbprint(der: &[u8]) -> Thumbprint {
    Thumbprint::from_bytes(Sha256::digest(der).into())
}
