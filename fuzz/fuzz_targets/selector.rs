//! Any text, as a selector: no panic, and what is printed reads as the same.
//! `crates/refit-selector/tests/corpus.rs` does the same with the corpus.
#![no_main]

use libfuzzer_sys::fuzz_target;
use refit_selector::Selector;

fuzz_target!(|bytes: &[u8]| {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    match Selector::parse(text) {
        Ok(selector) => {
            let printed = selector.to_string();
            assert_eq!(Selector::parse(&printed).as_ref(), Ok(&selector), "{printed}");
        }
        Err(mistake) => {
            assert!(mistake.caret(text).ends_with('^'));
            if let Some(mended) = mistake.mended(text) {
                assert_ne!(Selector::parse(&mended).err(), Some(mistake));
            }
        }
    }
});
