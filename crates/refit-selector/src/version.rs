//! The order of versions: that of semantic versioning (2.0.0, clause 11), where both are such.

use alloc::format;
use core::cmp::Ordering;
use semver::Version;

/// Reads a version. `1.4` means 1.4.0, and a leading `v` is left out, since both are what people write.
pub fn parse(text: &str) -> Option<Version> {
    let text = match text.strip_prefix(['v', 'V']) {
        Some(rest) if rest.starts_with(|c: char| c.is_ascii_digit()) => rest,
        _ => text,
    };
    // `2026-01-01` is not a version 2026.0.0, so only plain digits are filled up.
    let plain = text
        .bytes()
        .all(|byte| byte.is_ascii_digit() || byte == b'.');
    match text.bytes().filter(|byte| *byte == b'.').count() {
        0 if plain => Version::parse(&format!("{text}.0.0")).ok(),
        1 if plain => Version::parse(&format!("{text}.0")).ok(),
        _ => Version::parse(text).ok(),
    }
}

/// Returns how a text stands to a version; `None` if it is not one, and then no comparison holds. Build metadata does not count.
pub fn order(text: &str, than: &Version) -> Option<Ordering> {
    parse(text).map(|version| version.cmp_precedence(than))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_stand_in_the_order_of_their_precedence() {
        let rising = [
            "0.9",
            "1.0.0-alpha",
            "1.0.0-alpha.1",
            "1.0.0-beta.2",
            "1.0.0-beta.11",
            "v1.0.0",
            "1.4",
            "1.10.0",
            "2",
        ];
        for pair in rising.windows(2) {
            assert_eq!(
                order(pair[0], &parse(pair[1]).unwrap()),
                Some(Ordering::Less),
                "{pair:?}"
            );
        }
        assert_eq!(
            order("1.4.0+build.7", &parse("1.4").unwrap()),
            Some(Ordering::Equal)
        );
        for text in [
            "",
            "v",
            "one",
            "1.4-rc1",
            "2026-01-01",
            "1.2.3.4",
            "2024.03.1",
            "vv1.0.0",
            "1..0",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
