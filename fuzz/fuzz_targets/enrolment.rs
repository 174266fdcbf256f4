//! Any bytes, as a claim token and as each body of enrolment: no panic, and what is read is written to the same again.
//! `crates/refit-protocol/tests/corpus.rs` does the same with the corpus.
#![no_main]

use libfuzzer_sys::fuzz_target;
use refit_protocol::claim::Claim;
use refit_protocol::enrolment::{Enrol, Issued, Nonce, Renew, RenewExpired, TrustBundle};

fuzz_target!(|bytes: &[u8]| {
    if let Ok(text) = std::str::from_utf8(bytes)
        && let Ok(claim) = Claim::parse(text)
    {
        assert_eq!(claim.to_text(), text);
    }
    if let Ok(body) = Enrol::parse(bytes) {
        assert_eq!(Enrol::parse(body.to_json().as_bytes()), Ok(body));
    }
    if let Ok(body) = Renew::parse(bytes) {
        assert_eq!(Renew::parse(body.to_json().as_bytes()), Ok(body));
    }
    if let Ok(body) = RenewExpired::parse(bytes) {
        assert_eq!(RenewExpired::parse(body.to_json().as_bytes()), Ok(body));
    }
    if let Ok(issued) = Issued::parse(bytes) {
        assert_eq!(Issued::parse(issued.to_json().to_string().as_bytes()), Ok(issued));
    }
    drop(Nonce::parse(bytes));
    drop(TrustBundle::parse(bytes));
});
