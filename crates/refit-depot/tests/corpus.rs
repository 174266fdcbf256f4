//! Replays the corpus of the fuzz target `grant`; a finding becomes a file there.

use refit_depot::grant::credential::Certificate;
use refit_depot::grant::keys::GrantKeys;
use refit_depot::grant::ring::KeyRing;
use refit_depot::grant::{Asker, Grants};
use refit_protocol::device_id::DeviceId;
use refit_protocol::digest::Digest;
use refit_protocol::time::Timestamp;
use std::fs;
use std::path::Path;

#[test]
fn what_was_never_minted_passes_as_no_grant() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus/grant");
    let grants = Grants::new(
        KeyRing::of(GrantKeys::from_secret("k1", [9; 32])),
        "https://h",
    );
    let device = DeviceId::parse("d").unwrap();
    let asker = Asker {
        address: "203.0.113.7".parse().ok(),
        certificate: Some(Certificate {
            device: &device,
            thumbprint: &[1; 32],
        }),
    };
    let digest = Digest::from_bytes([7; 32]);
    let mut reasons = Vec::new();
    for seed in fs::read_dir(folder).unwrap() {
        let path = seed.unwrap().path();
        let text = fs::read_to_string(&path).unwrap();
        let url = grants.check(&digest, &text, &asker, Timestamp(0));
        let credential = grants.check_credential(&digest, &text, &asker, Timestamp(0));
        assert!(url.is_err() && credential.is_err(), "{}", path.display());
        reasons.extend([url.unwrap_err().reason(), credential.unwrap_err().reason()]);
    }
    // Both get as far as the signature with some seed.
    assert!(
        reasons
            .iter()
            .filter(|reason| **reason == "signature")
            .count()
            >= 4,
        "{reasons:?}"
    );
}
