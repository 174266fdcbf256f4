//! Replays the corpus of the fuzz target `certificate`; a finding becomes a file there.

use std::fs;
use std::path::Path;

use refit_identity::ca::{signed_by, validity_of};
use refit_identity::{Bundle, Csr, Peer, pem};
use refit_protocol::device_id;

#[test]
fn certificates() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus/certificate");
    let (mut peers, mut requests) = (0, 0);
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let bytes = fs::read(&path).unwrap();
        if let Ok(peer) = Peer::read(&bytes) {
            peers += 1;
            assert!(device_id::check(peer.device.as_str()).is_ok(), "{path:?}");
        }
        if let Ok(csr) = Csr::from_der(&bytes) {
            requests += 1;
            assert_eq!(csr.digest, refit_identity::thumbprint(&bytes), "{path:?}");
        }
        let _ = validity_of(&bytes);
        let _ = signed_by(&bytes, &bytes);
        if let Ok(text) = std::str::from_utf8(&bytes) {
            drop(pem::certificates(text));
            drop(Csr::from_pem(text));
            drop(Bundle::read(1, text));
        }
    }
    assert_eq!((peers, requests), (2, 2), "what is good is read as such");
}
