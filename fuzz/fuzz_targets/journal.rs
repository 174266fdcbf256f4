//! Any bytes, as a record of the agent's journal: no panic, and what is read is written the same again.
//! `crates/refit-agent/tests/corpus.rs` does the same with the corpus.
#![no_main]

use libfuzzer_sys::fuzz_target;
use refit_agent::journal::{decode, encode, sealed};

fuzz_target!(|bytes: &[u8]| {
    // The check would keep a fuzzer out: the body is tried with a right one as well.
    for record in [bytes.to_vec(), sealed(7, bytes)] {
        if let Some((number, entry)) = decode(&record) {
            let again = encode(number, &entry);
            assert_eq!(decode(&again), Some((number, entry)));
        }
    }
});
