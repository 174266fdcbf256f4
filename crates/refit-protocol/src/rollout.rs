//! The words about rollouts that other rooms carry along: which one, what it is called, and whose job a job is.
//! What a rollout does is the planner's.

use alloc::format;
use alloc::string::String;
use alloc::sync::Arc;
use core::fmt;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// The longest name of a rollout, in bytes.
pub const ROLLOUT_NAME_BYTES_MAX: usize = 64;

/// What a job's origin begins with when a rollout opened it; its name follows.
const ORIGIN: &str = "rollout/";

/// The number of a rollout: small, dense, and never given again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RolloutId(pub u32);

impl fmt::Display for RolloutId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

/// What people call a rollout: 1 to 64 of `a-z 0-9 . _ -`, beginning with a letter or a digit. It is safe in a path, a
/// command line and a label of a metric.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RolloutName(Arc<str>);

impl RolloutName {
    /// Reads a name, or says what is wrong with it.
    pub fn parse(text: &str) -> Result<Self, InvalidRolloutName> {
        let Some(first) = text.chars().next() else {
            return Err(InvalidRolloutName::Empty);
        };
        if text.len() > ROLLOUT_NAME_BYTES_MAX {
            return Err(InvalidRolloutName::TooLong);
        }
        if let Some(other) = text.chars().find(|c| !allowed(*c)) {
            return Err(InvalidRolloutName::Character(other));
        }
        match first.is_ascii_alphanumeric() {
            true => Ok(Self(Arc::from(text))),
            false => Err(InvalidRolloutName::First(first)),
        }
    }

    /// Returns the name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns what the jobs of this rollout name as their origin: `rollout/NAME`.
    pub fn origin(&self) -> String {
        format!("{ORIGIN}{self}")
    }

    /// Reads the name out of a job's origin; `None` if no rollout opened it.
    pub fn of_origin(origin: &str) -> Option<Self> {
        Self::parse(origin.strip_prefix(ORIGIN)?).ok()
    }
}

const fn allowed(c: char) -> bool {
    matches!(c, 'a'..='z' | '0'..='9' | '.' | '_' | '-')
}

/// Why a text is not the name of a rollout.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InvalidRolloutName {
    /// There is nothing in it.
    Empty,
    /// It has more than [`ROLLOUT_NAME_BYTES_MAX`] bytes.
    TooLong,
    /// It begins with this, which is neither a letter nor a digit.
    First(char),
    /// It holds this, which is not of `a-z 0-9 . _ -`.
    Character(char),
}

impl fmt::Display for InvalidRolloutName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("the rollout's name is empty"),
            Self::TooLong => write!(
                f,
                "the rollout's name is longer than {ROLLOUT_NAME_BYTES_MAX} bytes"
            ),
            Self::First(c) => write!(
                f,
                "the rollout's name begins with {c:?}; begin with a letter or a digit"
            ),
            Self::Character(c) => write!(f, "the rollout's name holds {c:?}; use a-z 0-9 . _ -"),
        }
    }
}

impl core::error::Error for InvalidRolloutName {}

impl fmt::Debug for RolloutName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

impl fmt::Display for RolloutName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Serialize for RolloutName {
    fn serialize<S: Serializer>(&self, out: S) -> Result<S::Ok, S::Error> {
        out.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for RolloutName {
    fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        let text = String::deserialize(input)?;
        Self::parse(&text).map_err(de::Error::custom)
    }
}

/// Whose job a job is: the rollout that opened it, the wave that the device belongs to, and which try it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Assignment {
    /// The rollout.
    pub rollout: RolloutId,
    /// The wave, from 0.
    pub wave: u16,
    /// The try, from 0; a retry after a failure is a new job with the next number.
    pub attempt: u8,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_are_safe_everywhere_are_valid() {
        for name in ["a", "7", "firmware-2.0_eu", "x".repeat(64).as_str()] {
            assert_eq!(
                RolloutName::parse(name).map(|n| n.as_str().len()),
                Ok(name.len())
            );
        }
    }

    #[test]
    fn other_names_are_refused_with_the_reason() {
        use InvalidRolloutName::*;
        for (name, why) in [
            ("", Empty),
            ("-a", First('-')),
            (".", First('.')),
            ("..", First('.')),
            ("_a", First('_')),
            ("Firmware", Character('F')),
            ("a/b", Character('/')),
            ("a b", Character(' ')),
            ("ä", Character('ä')),
        ] {
            assert_eq!(RolloutName::parse(name), Err(why), "{name:?}");
        }
        assert_eq!(RolloutName::parse(&"x".repeat(65)), Err(TooLong));
    }

    #[test]
    fn an_origin_reads_back_to_its_rollout() {
        let name = RolloutName::parse("spring").unwrap();
        assert_eq!(name.origin(), "rollout/spring");
        assert_eq!(RolloutName::of_origin("rollout/spring"), Some(name));
        assert_eq!(RolloutName::of_origin("direct/spring"), None);
        assert_eq!(RolloutName::of_origin("rollout/"), None);
    }

    #[test]
    fn documents_hold_names_as_text_and_refuse_bad_ones() {
        let name: RolloutName = serde_json::from_str("\"spring\"").unwrap();
        assert_eq!(serde_json::to_string(&name).unwrap(), "\"spring\"");
        let why = serde_json::from_str::<RolloutName>("\"a b\"").unwrap_err();
        assert!(format!("{why}").contains("use a-z"), "{why}");
    }
}
