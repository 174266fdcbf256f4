//! The audit log as a chain: each line's hash covers the line and the hash before it, so that a line cannot be altered,
//! left out or put in between without every later hash changing (semantics 21).
//!
//! A chain proves that it is consistent *up to a head seen elsewhere*, and no more: whoever owns the store can cut its
//! tail or write all of it anew. Heads therefore go out, and [`Verifier`] takes one that was seen outside.

use std::fmt;

use refit_protocol::time::Timestamp;
use sha2::{Digest, Sha256};

/// The hash of a line: of it, and of all before it.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Head(pub [u8; 32]);

impl Head {
    /// The head of a log without lines.
    pub const EMPTY: Self = Self([0; 32]);

    /// Reads 64 hexadecimal digits.
    pub fn parse(text: &str) -> Option<Self> {
        let bytes = text.as_bytes();
        if bytes.len() != 64 {
            return None;
        }
        let mut head = [0; 32];
        for (byte, pair) in head.iter_mut().zip(bytes.chunks_exact(2)) {
            let [high, low] = [digit(*pair.first()?)?, digit(*pair.get(1)?)?];
            *byte = high << 4 | low;
        }
        Some(Self(head))
    }
}

const fn digit(byte: u8) -> Option<u8> {
    match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        b'A'..=b'F' => Some(byte - b'A' + 10),
        _ => None,
    }
}

impl fmt::Display for Head {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Head {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// What somebody changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// When.
    pub at: Timestamp,
    /// Who: `token:ci`, `user:anna`, `device:lamp-7`, or `server` for what it does by itself.
    pub actor: String,
    /// What, by the name of the operation: `software:assign`.
    pub action: String,
    /// With what: `device:lamp-7`, `release:firmware@2.0.0`, `token:ci`.
    pub target: String,
    /// From which address, if over a network.
    pub source: Option<String>,
    /// In which request, as the answer and the log name it.
    pub request: Option<String>,
    /// What it was, as JSON; never a secret.
    pub before: Option<String>,
    /// What it is now, as JSON; never a secret.
    pub after: Option<String>,
}

/// Returns the head of the chain with this line at its end. `number` counts from 1.
pub fn link(previous: Head, number: u64, entry: &Entry) -> Head {
    let mut hash = Sha256::new();
    hash.update(b"refit-audit-1\0");
    hash.update(previous.0);
    hash.update(number.to_be_bytes());
    hash.update(entry.at.0.to_be_bytes());
    for text in [&entry.actor, &entry.action, &entry.target] {
        field(&mut hash, Some(text));
    }
    for text in [&entry.source, &entry.request, &entry.before, &entry.after] {
        field(&mut hash, text.as_deref());
    }
    Head(hash.finalize().into())
}

/// With its length before it, so that no two lines are the same bytes; what is not there differs from what is empty.
fn field(hash: &mut Sha256, text: Option<&str>) {
    match text {
        None => hash.update([0]),
        Some(text) => {
            hash.update([1]);
            hash.update((text.len() as u64).to_be_bytes());
            hash.update(text.as_bytes());
        }
    }
}

/// Goes through a log from its first line, and tells whether anything was changed in it.
#[derive(Debug)]
pub struct Verifier {
    head: Head,
    lines: u64,
    outside: Option<Head>,
    outside_at: Option<u64>,
}

impl Verifier {
    /// Begins before the first line. `outside` is a head that was noted somewhere else.
    pub fn new(outside: Option<Head>) -> Self {
        Self {
            head: Head::EMPTY,
            lines: 0,
            outside_at: (outside == Some(Head::EMPTY)).then_some(0),
            outside,
        }
    }

    /// Takes the next line with the hash that stands beside it.
    pub fn feed(&mut self, number: u64, entry: &Entry, stated: Head) -> Result<(), Broken> {
        if number != self.lines + 1 {
            return Err(Broken::Missing {
                expected: self.lines + 1,
                found: number,
            });
        }
        let head = link(self.head, number, entry);
        if head != stated {
            return Err(Broken::Altered { number });
        }
        self.head = head;
        self.lines = number;
        if self.outside == Some(head) {
            self.outside_at = Some(number);
        }
        Ok(())
    }

    /// Says what was proven.
    pub fn finish(self) -> Result<Proven, Broken> {
        if let (Some(_), None) = (self.outside, self.outside_at) {
            return Err(Broken::HeadUnknown { lines: self.lines });
        }
        Ok(Proven {
            lines: self.lines,
            head: self.head,
            outside_at: self.outside_at,
        })
    }
}

/// A log that is consistent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Proven {
    /// How many lines it has.
    pub lines: u64,
    /// Its head.
    pub head: Head,
    /// After which line it had the head that was seen outside: up to there it is what it was then. Without one, that
    /// its tail was not cut, and not all of it written anew, is not proven.
    pub outside_at: Option<u64>,
}

/// A log that is not what it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Broken {
    /// A line, or the hash beside it, is not what was written.
    #[error("line {number} is not what was written, or one before it is not")]
    Altered {
        /// Which.
        number: u64,
    },
    /// Lines are not there, or not in their order.
    #[error("line {expected} is missing: line {found} follows")]
    Missing {
        /// The number that should follow.
        expected: u64,
        /// The number that does.
        found: u64,
    },
    /// No line has the head that was seen outside.
    #[error(
        "none of its {lines} lines has that head: its end was cut off, or all of it was written anew"
    )]
    HeadUnknown {
        /// How many lines there are.
        lines: u64,
    },
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn entry(text: &str) -> Entry {
        Entry {
            at: Timestamp(5),
            actor: "token:ci".into(),
            action: "software:assign".into(),
            target: format!("device:{text}"),
            source: Some("192.0.2.1".into()),
            request: None,
            before: None,
            after: Some(format!("{{\"softwareURL\":\"{text}\"}}")),
        }
    }

    fn log(texts: &[&str]) -> Vec<(u64, Entry, Head)> {
        let mut head = Head::EMPTY;
        let lines = (1..).zip(texts).map(|(number, text)| {
            head = link(head, number, &entry(text));
            (number, entry(text), head)
        });
        lines.collect()
    }

    fn verify(log: &[(u64, Entry, Head)], outside: Option<Head>) -> Result<Proven, Broken> {
        let mut verifier = Verifier::new(outside);
        for (number, entry, head) in log {
            verifier.feed(*number, entry, *head)?;
        }
        verifier.finish()
    }

    #[test]
    fn a_log_that_nobody_touched_is_proven() {
        let log = log(&["a", "b", "c"]);
        let proven = verify(&log, None).unwrap();
        assert_eq!((proven.lines, proven.outside_at), (3, None));
        assert_eq!(proven.head, log[2].2);
        assert_eq!(verify(&log, Some(log[1].2)).unwrap().outside_at, Some(2));
        assert!(verify(&log, Some(Head::EMPTY)).is_ok());
        assert!(verify(&[], None).is_ok());
    }

    #[test]
    fn a_line_left_out_or_moved_is_found() {
        let whole = log(&["a", "b", "c"]);
        let mut less = whole.clone();
        less.remove(1);
        let missing = Broken::Missing {
            expected: 2,
            found: 3,
        };
        assert_eq!(verify(&less, None), Err(missing));
        let mut renumbered = less;
        renumbered[1].0 = 2;
        assert_eq!(
            verify(&renumbered, None),
            Err(Broken::Altered { number: 2 })
        );
    }

    #[test]
    fn a_cut_tail_and_a_full_rewrite_are_found_with_a_head_seen_outside() {
        let whole = log(&["a", "b", "c"]);
        let head = whole[2].2;
        assert!(verify(&whole[..2], None).is_ok());
        let cut = verify(&whole[..2], Some(head));
        assert_eq!(cut, Err(Broken::HeadUnknown { lines: 2 }));
        let anew = log(&["a", "x", "c"]);
        assert!(verify(&anew, None).is_ok());
        assert!(verify(&anew, Some(head)).is_err());
    }

    #[test]
    fn the_chain_stays_what_it_was() {
        // Made once with another implementation (Python's hashlib): a log of today must verify with the program of next year.
        let head = link(Head::EMPTY, 1, &entry("a"));
        assert_eq!(Head::parse(&head.to_string()), Some(head));
        assert_eq!(
            head.to_string(),
            "05be79313822034f117ae11bceac857dc8a3b8095e8d607157ecdcca1b02194d"
        );
    }

    proptest! {
        #[test]
        fn one_altered_byte_anywhere_is_found(line in 0..3_usize, part in 0..7_usize, at: prop::sample::Index, to in "[ -~]") {
            let mut log = log(&["a", "b", "c"]);
            let entry = &mut log[line].1;
            let mut none = String::new();
            let text = match part {
                0 => &mut entry.actor,
                1 => &mut entry.action,
                2 => &mut entry.target,
                3 => entry.source.as_mut().unwrap_or(&mut none),
                4 => entry.after.as_mut().unwrap_or(&mut none),
                5 => { entry.at.0 ^= 1 << at.index(64); &mut none }
                _ => { entry.request = Some(String::new()); &mut none }
            };
            if !text.is_empty() {
                let at = at.index(text.len());
                prop_assume!(text[at..=at] != to);
                text.replace_range(at..=at, &to);
            }
            prop_assert_eq!(verify(&log, None), Err(Broken::Altered { number: line as u64 + 1 }));
        }
    }
}
