//! The JSON bodies of `/device/v1`: how a device gets, renews and proves its identity. Strict and bounded.
//!
//! Each body is read by the side that did not write it, and written by the other: the server reads requests, the
//! agent reads answers. A member that is not known is refused in a request and ignored in an answer.

pub mod answer;
pub mod request;

pub use answer::{Issued, Nonce, TrustBundle};
pub use request::{Enrol, Renew, RenewExpired};

use crate::digest::Digest;
use alloc::vec::Vec;

/// The longest body of an enrolment request, in bytes. A longer one is answered 413.
pub const ENROLMENT_BYTES_MAX: usize = 16 * 1024;

/// The longest certificate signing request, in bytes of PEM. RSA with 8192 bits needs 3 KiB.
pub const CSR_PEM_BYTES_MAX: usize = 8 * 1024;

/// The longest certificate that a device sends, in bytes of PEM.
pub const CERTIFICATE_PEM_BYTES_MAX: usize = 8 * 1024;

/// The longest answer that is read, in bytes: a chain of three and a bundle of ten roots.
pub const ANSWER_BYTES_MAX: usize = 64 * 1024;

/// The length of a nonce, in bytes.
pub const NONCE_BYTES: usize = 32;

/// The longest signature, in bytes: RSA with 8192 bits.
pub const SIGNATURE_BYTES_MAX: usize = 1024;

/// What is signed by the old key to renew an expired certificate. A signature made for anything else cannot fit it.
const PROOF_CONTEXT: &[u8] = b"refit-renew-1\0";

/// Returns the bytes that the old key signs: which server's challenge, and for which new key.
///
/// `csr` is the SHA-256 of the signing request's DER.
pub fn proof_message(nonce: &[u8; NONCE_BYTES], csr: &Digest) -> Vec<u8> {
    let mut message = PROOF_CONTEXT.to_vec();
    message.extend_from_slice(nonce);
    message.extend_from_slice(csr.as_bytes());
    message
}
