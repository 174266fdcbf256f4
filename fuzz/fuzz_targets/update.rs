//! Any bytes, as an update: no panic, and what is read is bounded and consistent.
//! `crates/refit-protocol/tests/corpus.rs` does the same with the corpus.
#![no_main]

use libfuzzer_sys::fuzz_target;
use refit_protocol::document::json_bytes;
use refit_protocol::limits::UPDATE_BYTES_MAX;
use refit_protocol::update::Update;

fuzz_target!(|bytes: &[u8]| {
    match Update::parse(bytes) {
        Ok(update) => {
            assert!(bytes.len() <= UPDATE_BYTES_MAX);
            assert!(update.reported.as_ref().map_or(0, json_bytes) <= UPDATE_BYTES_MAX);
            assert!(update.job_id.is_some() || update.saying.is_none());
        }
        Err(refused) => assert!(refused.rejection.message.len() <= 512),
    }
});
