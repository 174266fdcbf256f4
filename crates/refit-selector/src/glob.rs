//! Patterns with `*` for any run of characters, and nothing else: no `?`, no classes, no escape.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

/// A pattern with at least one `*` or none; `**` is `*`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Glob {
    /// What stands between the stars; one piece without a star is the whole text.
    pieces: Vec<String>,
}

impl Glob {
    /// Reads a pattern.
    pub fn new(pattern: &str) -> Self {
        let mut pieces: Vec<String> = Vec::new();
        let count = pattern.split('*').count();
        for (at, piece) in pattern.split('*').enumerate() {
            let at_an_end = at == 0 || at + 1 == count;
            if at_an_end || !piece.is_empty() {
                pieces.push(piece.into());
            }
        }
        Self { pieces }
    }

    /// Returns what every match begins with: where that is not empty, the pattern is anchored, and an index can look it up.
    pub fn prefix(&self) -> &str {
        self.pieces.first().map_or("", String::as_str)
    }

    /// Tells whether the prefix decides alone, as in `berlin-*`.
    pub fn is_prefix(&self) -> bool {
        matches!(self.pieces.as_slice(), [_, last] if last.is_empty())
    }

    /// Tells whether `text` is of this pattern. The first place where a piece fits is always good enough, so this takes one
    /// pass and never goes back.
    pub fn matches(&self, text: &str) -> bool {
        let (first, rest) = match self.pieces.as_slice() {
            [] => return text.is_empty(),
            [only] => return text == only,
            [first, rest @ ..] => (first, rest),
        };
        let Some((last, middle)) = rest.split_last() else {
            return false;
        };
        let Some(text) = text.strip_prefix(first.as_str()) else {
            return false;
        };
        let Some(mut text) = text.strip_suffix(last.as_str()) else {
            return false;
        };
        for piece in middle {
            match text.split_once(piece.as_str()) {
                Some((_, after)) => text = after,
                None => return false,
            }
        }
        true
    }
}

impl fmt::Display for Glob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, piece) in self.pieces.iter().enumerate() {
            f.write_str(if at == 0 { "" } else { "*" })?;
            f.write_str(piece)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;

    #[test]
    fn stars_stand_for_any_run() {
        for (pattern, text, fits) in [
            ("berlin-*", "berlin-", true),
            ("berlin-*", "xberlin-", false),
            ("*a", "a", true),
            ("a*a", "a", false),
            ("a*b*c", "a-b-b-c", true),
            ("*ab*ab*", "xabyabz", true),
            ("*ab*ab*", "xabz", false),
            ("abc", "abc", true),
            ("abc", "abcd", false),
            ("*", "", true),
        ] {
            assert_eq!(Glob::new(pattern).matches(text), fits, "{pattern} {text}");
        }
        assert_eq!(Glob::new("a**b***").to_string(), "a*b*");
        assert_eq!(Glob::new("***"), Glob::new("*"));
        assert!(
            Glob::new("a*").is_prefix()
                && !Glob::new("a*b").is_prefix()
                && !Glob::new("a").is_prefix()
        );
        assert_eq!(
            (Glob::new("ab*c").prefix(), Glob::new("*c").prefix()),
            ("ab", "")
        );
    }
}
