//! The `Range` header (RFC 9110 §14.1, §14.2): one range of bytes, or none.
//!
//! What cannot be read is left out of account, as §14.2 has it; so are several ranges at once, which no client of a
//! depot needs and which cost a server more than they cost the asker.

use std::ops::Range;

/// The longest header value that is looked at, in bytes: two numbers of 20 digits, with room to spare.
pub const RANGE_BYTES_MAX: usize = 128;

/// One range of bytes as it was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asked {
    /// `first-last`, both included.
    Between(u64, u64),
    /// `first-`.
    From(u64),
    /// `-length`: the last so many bytes.
    Last(u64),
}

/// Where in an artifact a range lies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    /// Here, and it is not empty.
    Part(Range<u64>),
    /// Everywhere: no part can be named.
    Whole,
    /// Nowhere: past the end.
    Nothing,
}

/// Reads a header value; `None` for what is not exactly one range of bytes.
pub fn parse(value: &[u8]) -> Option<Asked> {
    let value = std::str::from_utf8(value).ok()?;
    if value.len() > RANGE_BYTES_MAX {
        return None;
    }
    let (unit, range) = value.split_once('=')?;
    let (first, last) = range.trim_matches([' ', '\t']).split_once('-')?;
    if !unit.eq_ignore_ascii_case("bytes") {
        return None;
    }
    match (first, last) {
        ("", last) => number(last).map(Asked::Last),
        (first, "") => number(first).map(Asked::From),
        (first, last) => {
            let (first, last) = (number(first)?, number(last)?);
            (first <= last).then_some(Asked::Between(first, last))
        }
    }
}

/// Finds a range in an artifact of this length (§14.1.2).
pub fn find(asked: &Asked, length: u64) -> Found {
    let range = match *asked {
        Asked::Between(first, last) => first..last.saturating_add(1).min(length),
        Asked::From(first) => first..length,
        Asked::Last(suffix) if length == 0 && suffix > 0 => return Found::Whole,
        Asked::Last(suffix) => length.saturating_sub(suffix)..length,
    };
    if range.is_empty() {
        Found::Nothing
    } else {
        Found::Part(range)
    }
}

/// Reads digits alone. A number too large for us is larger than any artifact.
fn number(digits: &str) -> Option<u64> {
    let valid = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
    valid.then(|| digits.parse().unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_range_of_bytes_is_read() {
        for (value, asked) in [
            ("bytes=0-499", Asked::Between(0, 499)),
            ("bytes=500-", Asked::From(500)),
            ("bytes=-500", Asked::Last(500)),
            ("Bytes= 007-7 ", Asked::Between(7, 7)),
            ("bytes=0-18446744073709551616", Asked::Between(0, u64::MAX)),
        ] {
            assert_eq!(parse(value.as_bytes()), Some(asked), "{value}");
        }
    }

    #[test]
    fn all_else_is_left_out_of_account() {
        let long = format!("bytes={}-", "0".repeat(RANGE_BYTES_MAX));
        for value in [
            "",
            "bytes",
            "bytes=",
            "bytes=-",
            "bytes=1",
            "bytes=2-1",
            "bytes=+1-2",
            "bytes=1- 2",
            "bytes=--1",
            "bytes=0x1-2",
            "bytes=1-2-3",
            "bytes=0-0,2-2",
            "bytes =0-0",
            "items=0-0",
            "bytes=١-٢",
            &long,
        ] {
            assert_eq!(parse(value.as_bytes()), None, "{value}");
        }
        assert_eq!(parse(b"bytes=0-\xff"), None);
    }

    #[test]
    fn the_last_byte_there_can_be_is_found() {
        assert_eq!(
            find(&Asked::Between(u64::MAX - 1, u64::MAX), u64::MAX),
            Found::Part(u64::MAX - 1..u64::MAX)
        );
        assert_eq!(find(&Asked::From(u64::MAX), u64::MAX), Found::Nothing);
    }
}
