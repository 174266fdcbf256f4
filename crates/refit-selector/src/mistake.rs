//! What is wrong with a text, where, and what to write instead.

use alloc::string::{String, ToString};
use core::fmt;

/// Why a text is no selector. The message says what to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mistake {
    /// Where it begins, in bytes.
    pub at: usize,
    /// How long it is, in bytes; 0 where something is missing.
    pub length: usize,
    /// What is wrong and what to do, in one sentence without a full stop.
    pub message: String,
    /// What to write in the place of these bytes.
    pub suggestion: Option<String>,
}

impl Mistake {
    pub(crate) fn new(at: usize, length: usize, message: impl Into<String>) -> Self {
        let message = message.into();
        Self {
            at,
            length,
            message,
            suggestion: None,
        }
    }

    pub(crate) fn suggest(mut self, suggestion: impl Into<String>) -> Self {
        self.suggestion = Some(suggestion.into());
        self
    }

    /// Returns the line of `text` with the mistake, and below it a line of carets. Both are of the same width on a terminal
    /// whose characters are; control characters become blanks.
    pub fn caret(&self, text: &str) -> String {
        let shown = |part: &str| {
            part.chars()
                .map(|c| if c.is_control() { ' ' } else { c })
                .collect()
        };
        let before = text.get(..self.at).unwrap_or(text);
        let start = before.rfind('\n').map_or(0, |newline| newline + 1);
        let line = text
            .get(start..)
            .unwrap_or_default()
            .lines()
            .next()
            .unwrap_or_default();
        let before = text.get(start..self.at).unwrap_or(line);
        let marked = text.get(self.at..self.at + self.length).unwrap_or_default();
        let marked = marked
            .lines()
            .next()
            .unwrap_or_default()
            .chars()
            .count()
            .max(1);
        let line: String = shown(line);
        line + "\n" + &" ".repeat(before.chars().count()) + &"^".repeat(marked)
    }

    /// Returns `text` with the suggestion in its place, if there is one.
    pub fn mended(&self, text: &str) -> Option<String> {
        let before = text.get(..self.at)?.to_string();
        let after = text.get(self.at + self.length..)?;
        Some(before + self.suggestion.as_deref()? + after)
    }
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (at byte {})", self.message, self.at)?;
        match &self.suggestion {
            Some(suggestion) => write!(f, "; write `{suggestion}`"),
            None => Ok(()),
        }
    }
}

impl core::error::Error for Mistake {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_caret_stands_below_its_line() {
        let mistake = Mistake::new(11, 3, "x");
        assert_eq!(mistake.caret("ä =\tb and\ncde or f"), "cde or f\n^^^");
        let mistake = Mistake::new(5, 2, "x");
        assert_eq!(mistake.caret("ä =\tb and\ncde or f"), "ä = b and\n    ^^");
        assert_eq!(Mistake::new(3, 0, "x").caret("abc"), "abc\n   ^");
    }
}
