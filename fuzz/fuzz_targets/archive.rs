//! Any bytes, as the archive of a release, packed and plain: no panic, and nothing outside its folder.
//! `crates/refit-agent/tests/corpus.rs` does the same with the corpus.
#![no_main]

use libfuzzer_sys::fuzz_target;
use refit_agent::files::Files;
use refit_agent::files::fragile::Fragile;
use refit_agent::unpack::{Limits, unpack};
use std::path::Path;

fuzz_target!(|bytes: &[u8]| {
    attempt(bytes);
    // As one raw block of zstd (RFC 8878 §3.1.1), so that what is inside is reached too.
    if bytes.len() < 1 << 17 {
        let header = ((bytes.len() as u32) << 3 | 1).to_le_bytes();
        let frame = [&[0x28, 0xb5, 0x2f, 0xfd, 0x00, 0x58], &header[..3], bytes].concat();
        attempt(&frame);
    }
});

fn attempt(bytes: &[u8]) {
    let limits = Limits {
        bytes: 1 << 20,
        items: 100,
        depth: 8,
    };
    let disk = Fragile::default();
    assert!(disk.make_folder(Path::new("/here")).is_ok());
    drop(unpack(bytes, &disk, Path::new("/here"), &limits));
    assert_eq!(disk.names(Path::new("/")).ok(), Some(vec!["here".to_owned()]));
}
