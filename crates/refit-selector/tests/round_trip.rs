//! What is printed reads as the same selector, and no text does harm.

use proptest::prelude::*;
use refit_selector::Selector;
use refit_selector::limits::{DEPTH_MAX, TERMS_MAX, TEXT_BYTES_MAX};

use crate::generate::{Style, question};

/// What must hold of any text.
pub(crate) fn check(text: &str) -> Result<(), TestCaseError> {
    match Selector::parse(text) {
        Ok(selector) => {
            let printed = selector.to_string();
            prop_assert!(printed.len() <= TEXT_BYTES_MAX && selector.terms().len() <= TERMS_MAX);
            prop_assert!(!printed.contains(char::is_control), "{:?}", printed);
            let again = Selector::parse(&printed);
            prop_assert_eq!(again.as_ref(), Ok(&selector), "{}", &printed);
            prop_assert_eq!(again.map(|again| again.to_string()), Ok(printed));
        }
        Err(mistake) => {
            let (from, to) = (mistake.at, mistake.at + mistake.length);
            prop_assert!(text.get(from..to).is_some(), "{:?} of {:?}", mistake, text);
            prop_assert!(mistake.caret(text).ends_with('^'));
            // Following a suggestion leads on: it may show the next mistake, never the same again.
            if let Some(mended) = mistake.mended(text) {
                prop_assert_ne!(Selector::parse(&mended).err(), Some(mistake), "{:?}", text);
            }
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn what_is_printed_reads_as_the_same(question in question(), one: u64, other: u64) {
        let one = question.write(&mut Style(one));
        let other = question.write(&mut Style(other));
        check(&one)?;
        // However it is written, it is one selector with one text.
        let read = |text: &str| Selector::parse(text).map(|selector| selector.to_string());
        prop_assert_eq!(read(&one).unwrap(), read(&other).unwrap());
    }

    #[test]
    fn random_text_is_read_or_refused(text in "\\PC{0,60}") {
        check(&text)?;
    }

    #[test]
    fn random_words_are_read_or_refused(
        words in prop::collection::vec(prop::sample::select(&[
            "and", "or", "not", "(", ")", ",", "=", "!=", "<", ">=", "~", "in", "notin", "list", "within", "has", "sample", "all",
            "online", "id", "model", "version", "seen", "created", "state", "cert", "tag.a", "attr.b", "1", "1.4", "2d", "5%",
            "gw-*", "\"a b\"", "'", "\"", "\\", "!", "==", "FAILED", "2026-01-01", "é", "&&", "\n", "007", "tag.", "ring",
        ][..]), 0..14),
        glue in prop::sample::select(&["", " "][..]),
    ) {
        check(&words.join(glue))?;
    }
}

#[test]
fn every_limit_is_reached_and_not_passed() {
    let terms = |count: usize| vec!["online"; count].join(",");
    let nested = |depth: usize| "(".repeat(depth) + "online" + &")".repeat(depth);
    let nots = |depth: usize| "not ".repeat(depth) + "online";
    // `id = ` and the value; what is printed is as long.
    let long = |bytes: usize| format!("id = {}", "x".repeat(bytes - 5));
    for (fits, too_much) in [
        (terms(TERMS_MAX), terms(TERMS_MAX + 1)),
        (nested(DEPTH_MAX), nested(DEPTH_MAX + 1)),
        (nots(DEPTH_MAX), nots(DEPTH_MAX + 1)),
        (long(TEXT_BYTES_MAX), long(TEXT_BYTES_MAX + 1)),
    ] {
        check(&fits).unwrap();
        assert!(Selector::parse(&fits).is_ok(), "{fits}");
        let mistake = Selector::parse(&too_much).unwrap_err();
        assert!(
            mistake.message.contains("16")
                || mistake.message.contains("64")
                || mistake.message.contains("4096"),
            "{mistake}"
        );
    }
    // Short enough as it is written, and too long with the blanks of its printed form.
    let dense = format!(
        "id in (a{})",
        (0..1000).map(|n| format!(",{n}")).collect::<String>()
    );
    assert!(dense.len() <= TEXT_BYTES_MAX);
    assert!(
        Selector::parse(&dense)
            .unwrap_err()
            .message
            .contains("in list")
    );
}

#[test]
fn deep_nesting_of_any_length_is_refused_without_recursion() {
    for opener in ["(", "not ", "!"] {
        assert!(Selector::parse(&opener.repeat(TEXT_BYTES_MAX / opener.len())).is_err());
    }
}
