//! Any bytes, as the query of a pre-signed URL and as a credential: no panic, and nothing that was not minted passes.
//! `crates/refit-depot/tests/corpus.rs` does the same with the corpus.
#![no_main]

use libfuzzer_sys::fuzz_target;
use refit_depot::grant::credential::Certificate;
use refit_depot::grant::keys::GrantKeys;
use refit_depot::grant::ring::KeyRing;
use refit_depot::grant::{Asker, Grants};
use refit_protocol::device_id::DeviceId;
use refit_protocol::digest::Digest;
use refit_protocol::time::Timestamp;

fuzz_target!(|bytes: &[u8]| {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    // The secret is drawn anew each time: what passes was guessed, or not checked.
    let mut secret = [0; 32];
    getrandom::fill(&mut secret).unwrap();
    let grants = Grants::new(KeyRing::of(GrantKeys::from_secret("k1", secret)), "https://h");
    let device = DeviceId::parse("d").unwrap();
    let asker = Asker {
        address: "203.0.113.7".parse().ok(),
        certificate: Some(Certificate { device: &device, thumbprint: &[1; 32] }),
    };
    let digest = Digest::from_bytes([7; 32]);
    assert!(grants.check(&digest, text, &asker, Timestamp(0)).is_err());
    assert!(grants.check_credential(&digest, text, &asker, Timestamp(0)).is_err());
});
