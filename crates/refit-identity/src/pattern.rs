//! Which device IDs somebody may hand out: a text in which `*` stands for any run of characters and `?` for one.

use refit_protocol::device_id::{DEVICE_ID_BYTES_MAX, DeviceId};
use std::fmt;

/// A pattern of device IDs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdPattern(Box<str>);

/// A text that can be no pattern.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidPattern {
    /// It is empty or longer than an ID.
    #[error("the ID pattern is not 1 to {DEVICE_ID_BYTES_MAX} characters long")]
    Length,
    /// It holds a character that is in no ID.
    #[error(
        "the ID pattern holds {0:?}; use the characters of an ID (A-Z a-z 0-9 : _ - .), * and ?"
    )]
    Character(char),
}

impl IdPattern {
    /// Reads a pattern.
    pub fn parse(text: &str) -> Result<Self, InvalidPattern> {
        let of_an_id = |c: &char| c.is_ascii_alphanumeric() || ":_-.*?".contains(*c);
        if let Some(odd) = text.chars().find(|c| !of_an_id(c)) {
            return Err(InvalidPattern::Character(odd));
        }
        if text.is_empty() || text.len() > DEVICE_ID_BYTES_MAX {
            return Err(InvalidPattern::Length);
        }
        Ok(Self(text.into()))
    }

    /// Returns the text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Tells whether this ID fits. Time: at most pattern × ID bytes.
    pub fn fits(&self, id: &DeviceId) -> bool {
        fits(self.0.as_bytes(), id.as_str().as_bytes())
    }

    /// Returns the one ID that fits, if there is no `*` or `?` in the pattern.
    pub fn only(&self) -> Option<DeviceId> {
        DeviceId::parse(&self.0).ok()
    }
}

/// Goes back to the last `*` alone: an earlier one need never take more than it did.
fn fits(pattern: &[u8], text: &[u8]) -> bool {
    let (mut p, mut t) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while t < text.len() {
        match (pattern.get(p), text.get(t), star) {
            (Some(b'*'), ..) => {
                star = Some((p + 1, t));
                p += 1;
            }
            (Some(b'?'), ..) => (p, t) = (p + 1, t + 1),
            (Some(a), Some(b), _) if a == b => (p, t) = (p + 1, t + 1),
            (.., Some((after, taken))) => {
                star = Some((after, taken + 1));
                (p, t) = (after, taken + 1);
            }
            _ => return false,
        }
    }
    pattern.iter().skip(p).all(|byte| *byte == b'*')
}

impl fmt::Display for IdPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Says the same in the plainest way.
    fn naive(pattern: &[u8], text: &[u8]) -> bool {
        match pattern.split_first() {
            None => text.is_empty(),
            Some((b'*', rest)) => (0..=text.len()).any(|n| naive(rest, &text[n..])),
            Some((b'?', rest)) => !text.is_empty() && naive(rest, &text[1..]),
            Some((byte, rest)) => text.first() == Some(byte) && naive(rest, &text[1..]),
        }
    }

    proptest! {
        #[test]
        fn stars_and_marks_stand_for_what_they_say(pattern in "[ab*?]{1,8}", text in "[ab]{1,8}") {
            let id = DeviceId::parse(&text).unwrap();
            prop_assert_eq!(
                IdPattern::parse(&pattern).unwrap().fits(&id),
                naive(pattern.as_bytes(), text.as_bytes())
            );
        }
    }

    #[test]
    fn what_is_in_no_id_is_in_no_pattern() {
        assert_eq!(IdPattern::parse(""), Err(InvalidPattern::Length));
        assert_eq!(IdPattern::parse("a/*"), Err(InvalidPattern::Character('/')));
        assert_eq!(
            IdPattern::parse("lamp-7").unwrap().only().unwrap().as_str(),
            "lamp-7"
        );
        assert_eq!(IdPattern::parse("lamp-?").unwrap().only(), None);
    }
}
