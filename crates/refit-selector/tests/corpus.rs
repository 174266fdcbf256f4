//! Replays the corpus of the fuzz target `selector`; a finding becomes a file there.

use std::fs;
use std::path::Path;

use refit_selector::Selector;

use crate::round_trip::check;

#[test]
fn selectors() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus/selector");
    let (mut good, mut bad) = (0, 0);
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let bytes = fs::read(&path).unwrap();
        let Ok(text) = std::str::from_utf8(&bytes) else {
            continue;
        };
        check(text).unwrap_or_else(|why| panic!("{}: {why}", path.display()));
        match Selector::parse(text) {
            Ok(_) => good += 1,
            Err(_) => bad += 1,
        }
    }
    assert!(good > 10 && bad > 10, "{good} good, {bad} bad");
}
