//! Any bytes, as a client's certificate, a signing request and a CA's: no panic, and an ID that is read is one.
//! `crates/refit-identity/tests/corpus.rs` does the same with the corpus.
#![no_main]

use libfuzzer_sys::fuzz_target;
use refit_identity::ca::{signed_by, validity_of};
use refit_identity::peer::CERTIFICATE_BYTES_MAX;
use refit_identity::{Bundle, Csr, Peer, pem};
use refit_protocol::device_id;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(peer) = Peer::read(bytes) {
        assert!(bytes.len() <= CERTIFICATE_BYTES_MAX);
        assert!(device_id::check(peer.device.as_str()).is_ok());
        assert!(peer.not_before <= peer.not_after);
    }
    if let Ok(csr) = Csr::from_der(bytes) {
        assert_eq!(csr.digest, refit_identity::thumbprint(bytes));
    }
    let _ = validity_of(bytes);
    let _ = signed_by(bytes, bytes);
    if let Ok(text) = std::str::from_utf8(bytes) {
        drop(pem::certificates(text));
        drop(Csr::from_pem(text));
        drop(Bundle::read(1, text));
    }
});
