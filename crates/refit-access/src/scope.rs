//! What an application's token is narrowed to: devices, by ID or pattern, and operations.

use std::collections::{BTreeSet, HashSet};
use std::fmt;

use refit_protocol::device_id::{self, DEVICE_ID_BYTES_MAX, DeviceId};
use serde::{Deserialize, Serialize};

use crate::matrix::Operation;
use crate::span::{self, Span};

/// How many IDs and patterns a scope may have.
pub const PATTERNS_MAX: usize = 256;

/// A scope. It is written down as JSON, `{"devices": […], "may": […]}`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scope {
    text: ScopeText,
    ids: HashSet<String>,
    globs: Vec<String>,
    spans: Vec<Span>,
    may: BTreeSet<Operation>,
}

/// A scope as it is written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ScopeText {
    /// Device IDs, or patterns: `*` stands for anything, `?` for one character.
    pub devices: Vec<String>,
    /// Names of operations.
    pub may: Vec<String>,
}

impl Scope {
    /// Makes a scope. Without operations it has those that the table gives every application.
    pub fn new<T: AsRef<str>>(devices: &[T], may: Option<&[T]>) -> Result<Self, InvalidScope> {
        let devices: Vec<String> = devices.iter().map(|d| d.as_ref().to_owned()).collect();
        let may = match may {
            None => Operation::of_every_scope().collect(),
            Some(may) => operations(may)?,
        };
        if devices.is_empty() {
            return Err(InvalidScope::NoDevices);
        }
        if devices.len() > PATTERNS_MAX {
            return Err(InvalidScope::TooMany);
        }
        if may.is_empty() {
            return Err(InvalidScope::NoOperations);
        }
        for pattern in &devices {
            check(pattern)?;
        }
        let (globs, ids): (Vec<String>, Vec<String>) =
            devices.iter().cloned().partition(|d| is_glob(d));
        let text = ScopeText {
            may: may.iter().map(|one| one.as_str().to_owned()).collect(),
            devices,
        };
        let of_ids = ids.iter().map(|id| Span::of_id(id));
        let of_globs = globs.iter().map(|glob| Span::of_glob(glob));
        let spans = span::union(of_ids.chain(of_globs).collect());
        Ok(Self {
            text,
            spans,
            ids: ids.into_iter().collect(),
            globs,
            may,
        })
    }

    /// Reads a scope as it was written down.
    pub fn parse(json: &str) -> Result<Self, InvalidScope> {
        let text: ScopeText = serde_json::from_str(json).map_err(|_| InvalidScope::Unreadable)?;
        Self::new(&text.devices, Some(&text.may))
    }

    /// Writes it down.
    pub fn to_json(&self) -> String {
        serde_json::to_string(&self.text).unwrap_or_default()
    }

    /// Returns it as it is written.
    pub const fn text(&self) -> &ScopeText {
        &self.text
    }

    /// Tells whether this device is in it.
    pub fn has_device(&self, device: &DeviceId) -> bool {
        let id = device.as_str();
        self.ids.contains(id) || self.globs.iter().any(|glob| matches(glob, id))
    }

    /// Returns where in the order of IDs its devices are: in order, none overlapping. Others may be there too.
    pub fn spans(&self) -> &[Span] {
        &self.spans
    }

    /// Tells whether this operation is in it.
    pub fn has(&self, operation: Operation) -> bool {
        self.may.contains(&operation)
    }
}

fn operations<T: AsRef<str>>(names: &[T]) -> Result<BTreeSet<Operation>, InvalidScope> {
    let read = |name: &T| {
        let name = name.as_ref();
        Operation::parse(name)
            .filter(|one| one.is_for_scopes())
            .ok_or_else(|| InvalidScope::Operation(shown(name)))
    };
    names.iter().map(read).collect()
}

fn is_glob(pattern: &str) -> bool {
    pattern.contains(['*', '?'])
}

fn check(pattern: &str) -> Result<(), InvalidScope> {
    let plain: String = pattern.replace(['*', '?'], "x");
    let is_short = pattern.len() <= DEVICE_ID_BYTES_MAX;
    if is_short
        && device_id::check(&plain).is_ok()
        && device_id::check(pattern_or_id(pattern, &plain)).is_ok()
    {
        Ok(())
    } else {
        Err(InvalidScope::Pattern(shown(pattern)))
    }
}

/// What has no wildcard must be an ID itself.
fn pattern_or_id<'a>(pattern: &'a str, plain: &'a str) -> &'a str {
    if is_glob(pattern) { plain } else { pattern }
}

/// What somebody wrote, as far as it can stand in an error.
fn shown(text: &str) -> String {
    text.chars()
        .take(64)
        .flat_map(char::escape_default)
        .collect()
}

/// Matches without recursion: after a star, only the last one is ever taken back, so the time is at most the product
/// of both lengths.
fn matches(glob: &str, id: &str) -> bool {
    let (glob, id) = (glob.as_bytes(), id.as_bytes());
    let (mut g, mut i) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while i < id.len() {
        match glob.get(g) {
            Some(b'*') => {
                star = Some((g, i));
                g += 1;
            }
            Some(&byte) if byte == b'?' || Some(&byte) == id.get(i) => {
                g += 1;
                i += 1;
            }
            _ => match &mut star {
                Some((at, taken)) => {
                    *taken += 1;
                    (g, i) = (*at + 1, *taken);
                }
                None => return false,
            },
        }
    }
    glob.get(g..)
        .unwrap_or_default()
        .iter()
        .all(|byte| *byte == b'*')
}

/// Why a scope cannot be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum InvalidScope {
    /// It has no devices.
    NoDevices,
    /// It has no operations.
    NoOperations,
    /// It has too many IDs and patterns.
    TooMany,
    /// This is neither a device ID nor a pattern.
    Pattern(String),
    /// This is no operation, or none that an application may have.
    Operation(String),
    /// It is not written as scopes are.
    Unreadable,
}

impl fmt::Display for InvalidScope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoDevices => f.write_str(
                "an application needs a scope of devices: name IDs or patterns, `*` for all of them",
            ),
            Self::NoOperations => f.write_str("the scope names no operations"),
            Self::TooMany => write!(f, "a scope has at most {PATTERNS_MAX} IDs and patterns"),
            Self::Pattern(text) => write!(
                f,
                "`{text}` is neither a device ID nor a pattern: use A-Z a-z 0-9 : _ - . and the wildcards * and ?"
            ),
            Self::Operation(text) => {
                let all = Operation::ALL.into_iter().filter(|one| one.is_for_scopes());
                let all: Vec<&str> = all.map(Operation::as_str).collect();
                write!(f, "`{text}` is nothing that an application may do; it is one of {}", all.join(", "))
            }
            Self::Unreadable => f.write_str("the scope is not written as scopes are"),
        }
    }
}

impl std::error::Error for InvalidScope {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_whole_ids() {
        for (glob, id, expected) in [
            ("*", "lamp-7", true),
            ("lamp-*", "lamp-7", true),
            ("lamp-*", "lamp-", true),
            ("lamp-*", "clamp-7", false),
            ("*-7", "lamp-7", true),
            ("*-7", "lamp-77", false),
            ("l?mp-?", "lamp-7", true),
            ("l?mp", "lmp", false),
            ("*a*b*", "xaxxbx", true),
            ("*a*b*", "xbxa", false),
            ("a*a*a*a*a*a*a*b", &"a".repeat(128), false),
            ("Lamp-*", "lamp-7", false),
        ] {
            assert_eq!(matches(glob, id), expected, "{glob} {id}");
        }
    }

    #[test]
    fn a_scope_is_read_as_it_was_written() {
        let scope =
            Scope::new(&["lamp-*", "door:1"], Some(&["state:write", "device:read"])).unwrap();
        assert_eq!(Scope::parse(&scope.to_json()), Ok(scope));
    }

    #[test]
    fn what_cannot_be_a_scope_is_refused() {
        let none: [&str; 0] = [];
        assert_eq!(Scope::new(&none, None), Err(InvalidScope::NoDevices));
        assert_eq!(
            Scope::new(&["*"], Some(&[])),
            Err(InvalidScope::NoOperations)
        );
        let many = vec!["d"; PATTERNS_MAX + 1];
        assert_eq!(Scope::new(&many, None), Err(InvalidScope::TooMany));
        for bad in [
            "",
            "a/b",
            "a b",
            "lamp-[0-9]",
            "ä",
            ".",
            "..",
            &"x".repeat(129),
        ] {
            let refused = Scope::new(&[bad], None);
            assert!(matches!(refused, Err(InvalidScope::Pattern(_))), "{bad}");
        }
        for bad in ["token:write", "release:remove", "state:*", "*", ""] {
            let refused = Scope::new(&["*"], Some(&[bad]));
            assert!(matches!(refused, Err(InvalidScope::Operation(_))), "{bad}");
        }
        for bad in ["", "[]", "{}", r#"{"devices":["*"],"may":["x"],"more":1}"#] {
            assert!(Scope::parse(bad).is_err(), "{bad}");
        }
    }
}
