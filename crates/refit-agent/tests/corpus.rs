//! The corpora of the fuzz targets `archive` and `journal`, replayed.

use refit_agent::files::Files;
use refit_agent::files::fragile::Fragile;
use refit_agent::journal::{decode, encode, sealed};
use refit_agent::unpack::{Limits, unpack};
use std::path::Path;

fn corpus(target: &str) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../fuzz/corpus")
        .join(target);
    let seeds = std::fs::read_dir(folder).unwrap();
    let seeds: Vec<_> = seeds
        .map(|seed| std::fs::read(seed.unwrap().path()).unwrap())
        .collect();
    assert!(!seeds.is_empty(), "the corpus of {target} is empty");
    seeds
}

#[test]
fn no_archive_leaves_its_folder() {
    for seed in corpus("archive") {
        let header = ((seed.len() as u32) << 3 | 1).to_le_bytes();
        let frame = [&[0x28, 0xb5, 0x2f, 0xfd, 0x00, 0x58], &header[..3], &seed].concat();
        for bytes in [seed, frame] {
            let disk = Fragile::default();
            disk.make_folder(Path::new("/here")).unwrap();
            drop(unpack(
                &bytes[..],
                &disk,
                Path::new("/here"),
                &Limits::default(),
            ));
            assert_eq!(disk.names(Path::new("/")).unwrap(), ["here"]);
        }
    }
}

#[test]
fn what_a_record_says_is_written_the_same_again() {
    for seed in corpus("journal") {
        for record in [seed.clone(), sealed(7, &seed)] {
            if let Some((number, entry)) = decode(&record) {
                assert_eq!(decode(&encode(number, &entry)), Some((number, entry)));
            }
        }
    }
}
