//! The proof that a device still has the key of a certificate that has expired (semantics 17).

use crate::csr::Csr;
use crate::key::Kind;
use crate::peer::{Fault, Peer, parse};
use refit_protocol::enrolment::{NONCE_BYTES, proof_message};

/// Tells whether `signature` is by the key of this certificate over the challenge and the new request.
///
/// That the challenge is ours, new and unused is for the caller to say.
pub fn verify(
    old: &Peer,
    nonce: &[u8; NONCE_BYTES],
    csr: &Csr,
    signature: &[u8],
) -> Result<bool, Fault> {
    let certificate = parse(&old.der)?;
    let key = certificate.public_key();
    let message = proof_message(nonce, &csr.digest);
    Ok(Kind::of(key)?.verifies(key, &message, signature))
}
