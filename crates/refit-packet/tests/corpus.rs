//! Replays what the fuzzer starts from and what it once found: no panic, and whatever decodes
//! encodes to something that decodes equal. The fuzz target does the same with new bytes.

use std::fs;
use std::path::Path;

use refit_packet::{PACKET_BYTES_MAX, Version, announced_version, frame};

use crate::bytes::{From, decode};

const CORPUS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../fuzz/corpus/packet");

#[test]
fn every_seed_is_judged_and_what_decodes_comes_back() {
    let mut seeds = 0;
    let mut decoded = 0;
    for entry in fs::read_dir(Path::new(CORPUS)).expect("fuzz/corpus/packet") {
        let path = entry.expect("a seed").path();
        let raw = fs::read(&path).expect("a readable seed");
        let _judged = (frame(&raw, PACKET_BYTES_MAX), announced_version(&raw));
        for from in [From::Client, From::Server] {
            for version in [Version::V311, Version::V5] {
                decoded += u32::from(comes_back(&raw, from, version));
            }
        }
        seeds += 1;
    }
    assert!(seeds >= 36, "a few dozen seeds, found {seeds}");
    assert!(decoded >= 36, "most seeds are packets, decoded {decoded}");
}

fn comes_back(raw: &[u8], from: From, version: Version) -> bool {
    let Ok(packet) = decode(raw, from, version) else {
        return false;
    };
    let mut again = Vec::new();
    packet
        .encode(version, &mut again)
        .expect("what decodes can be encoded");
    assert_eq!(decode(&again, from, version), Ok(packet), "{raw:02x?}");
    true
}
