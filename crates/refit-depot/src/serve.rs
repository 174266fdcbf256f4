//! What to answer to a download, as data: status, headers, and the bytes to stream (RFC 9110).
//!
//! The server has checked the grant and found the artifact; it turns an [`Answer`] into a response as it stands, and
//! writes bodies of its own for 412 and 416. Preconditions come in the order of §13.2.2. There is no date of last
//! change, so what compares dates never matches.

pub mod range;
pub mod tags;

use range::{Asked, Found};
use refit_protocol::digest::Digest;
use std::ops::Range;

/// What may be done with an answer by who stores answers.
///
/// `private`: it was granted to one device (semantics 2). A digest never changes its meaning, so a copy stays good
/// for as long as anybody wants it; and it must come through as it is, or its digest is wrong.
pub const CACHE_CONTROL: &str = "private, max-age=31536000, immutable, no-transform";

/// A download as it was asked for. Of a header that came several times, the values joined with `, ` (§5.3).
#[derive(Clone, Copy, Debug, Default)]
pub struct Ask<'a> {
    /// Whether the method is HEAD; else it is GET.
    pub head: bool,
    /// `Range` (§14.2).
    pub range: Option<&'a [u8]>,
    /// `If-Range` (§13.1.5).
    pub if_range: Option<&'a [u8]>,
    /// `If-Match` (§13.1.1).
    pub if_match: Option<&'a [u8]>,
    /// `If-None-Match` (§13.1.2).
    pub if_none_match: Option<&'a [u8]>,
}

/// What to answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The status.
    pub status: Status,
    /// The bytes to stream: none for HEAD, and for what is not a success.
    pub body: Option<Range<u64>>,
    headers: Vec<(&'static str, String)>,
}

impl Answer {
    /// Returns names, in lower case, and values.
    pub fn headers(&self) -> &[(&'static str, String)] {
        &self.headers
    }

    /// Returns the value of one header, by its name in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(n, _)| *n == name);
        found.map(|(_, value)| value.as_str())
    }
}

/// The statuses of a download.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// 200: the whole.
    Whole,
    /// 206: the range that was asked for.
    Partial,
    /// 304: the asker has it.
    NotModified,
    /// 412: the asker wanted other bytes than are here.
    PreconditionFailed,
    /// 416: the range lies past the end.
    OutOfRange,
}

impl Status {
    /// Returns the status code (§15).
    pub const fn code(self) -> u16 {
        match self {
            Self::Whole => 200,
            Self::Partial => 206,
            Self::NotModified => 304,
            Self::PreconditionFailed => 412,
            Self::OutOfRange => 416,
        }
    }
}

/// Decides what to answer to `ask`, for an artifact of this digest and length.
pub fn answer(ask: &Ask<'_>, digest: &Digest, length: u64) -> Answer {
    let tag = etag(digest);
    // §13.2.2, steps 1, 3 and 5
    if ask
        .if_match
        .is_some_and(|list| !tags::match_strongly(list, tag.as_bytes()))
    {
        return without_body(Status::PreconditionFailed, tag);
    }
    if ask
        .if_none_match
        .is_some_and(|list| tags::match_weakly(list, tag.as_bytes()))
    {
        return without_body(Status::NotModified, tag);
    }
    match range_that_counts(ask, &tag).map(|range| range::find(&range, length)) {
        None | Some(Found::Whole) => whole(tag, length, ask.head),
        Some(Found::Part(range)) => part(tag, length, range),
        Some(Found::Nothing) => {
            let mut answer = without_body(Status::OutOfRange, tag);
            answer
                .headers
                .push(("content-range", format!("bytes */{length}")));
            answer
        }
    }
}

/// Returns the entity tag of an artifact: strong, for these bytes are these bytes (§8.8.3).
pub fn etag(digest: &Digest) -> String {
    format!("\"sha256-{digest}\"")
}

/// A range counts for GET alone (§14.2), when it can be read, and when `If-Range` is absent or names these bytes.
fn range_that_counts(ask: &Ask<'_>, tag: &str) -> Option<Asked> {
    let same = ask.if_range.is_none_or(|value| value == tag.as_bytes());
    ask.range
        .filter(|_| same && !ask.head)
        .and_then(range::parse)
}

fn whole(tag: String, length: u64, head: bool) -> Answer {
    let mut answer = without_body(Status::Whole, tag);
    answer.body = (!head).then_some(0..length);
    answer.headers.extend(content(length));
    answer
}

fn part(tag: String, length: u64, range: Range<u64>) -> Answer {
    let mut answer = without_body(Status::Partial, tag);
    let (first, last) = (range.start, range.end - 1);
    answer.headers.extend(content(range.end - range.start));
    answer
        .headers
        .push(("content-range", format!("bytes {first}-{last}/{length}")));
    answer.body = Some(range);
    answer
}

fn content(length: u64) -> [(&'static str, String); 2] {
    [
        ("content-type", "application/octet-stream".to_owned()),
        ("content-length", length.to_string()),
    ]
}

/// The headers that a cache would miss on any of these answers (§15.4.5).
fn without_body(status: Status, tag: String) -> Answer {
    let mut headers = vec![("etag", tag), ("accept-ranges", "bytes".to_owned())];
    if matches!(
        status,
        Status::Whole | Status::Partial | Status::NotModified
    ) {
        headers.push(("cache-control", CACHE_CONTROL.to_owned()));
    }
    Answer {
        status,
        body: None,
        headers,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const DIGEST: Digest = Digest::from_bytes([0xab; 32]);

    /// Reads `name: value` pairs divided by `;`, and `HEAD`; writes the answer in a line. `@` is the entity tag.
    fn told(asked: &str, length: u64) -> String {
        let tag = etag(&DIGEST);
        let asked = asked.replace('@', &tag);
        let mut ask = Ask::default();
        for line in asked
            .split(';')
            .map(str::trim)
            .filter(|line| !line.is_empty())
        {
            let (name, value) = line.split_once(": ").unwrap_or((line, ""));
            let value = Some(value.as_bytes());
            match name {
                "HEAD" => ask.head = true,
                "range" => ask.range = value,
                "if-range" => ask.if_range = value,
                "if-match" => ask.if_match = value,
                "if-none-match" => ask.if_none_match = value,
                _ => panic!("{name}"),
            }
        }
        let answer = answer(&ask, &DIGEST, length);
        assert_eq!(answer.header("etag"), Some(tag.as_str()));
        assert_eq!(answer.header("accept-ranges"), Some("bytes"));
        let body = answer
            .body
            .as_ref()
            .map_or_else(|| "no body".to_owned(), |b| format!("{b:?}"));
        let mut line = format!("{} {body}", answer.status.code());
        for name in ["content-length", "content-range"] {
            if let Some(value) = answer.header(name) {
                line += &[", ", name, " ", value].concat();
            }
        }
        line
    }

    #[test]
    fn downloads_of_a_hundred_bytes() {
        for (asked, answered) in [
            ("", "200 0..100, content-length 100"),
            ("HEAD", "200 no body, content-length 100"),
            // ranges: first-last, open, suffix (§14.1.2)
            (
                "range: bytes=0-0",
                "206 0..1, content-length 1, content-range bytes 0-0/100",
            ),
            (
                "range: bytes=10-19",
                "206 10..20, content-length 10, content-range bytes 10-19/100",
            ),
            (
                "range: bytes=0-",
                "206 0..100, content-length 100, content-range bytes 0-99/100",
            ),
            (
                "range: bytes=99-",
                "206 99..100, content-length 1, content-range bytes 99-99/100",
            ),
            (
                "range: bytes=90-500",
                "206 90..100, content-length 10, content-range bytes 90-99/100",
            ),
            (
                "range: bytes=-30",
                "206 70..100, content-length 30, content-range bytes 70-99/100",
            ),
            (
                "range: bytes=-500",
                "206 0..100, content-length 100, content-range bytes 0-99/100",
            ),
            (
                "range: BYTES=5-5",
                "206 5..6, content-length 1, content-range bytes 5-5/100",
            ),
            // past the end (§15.5.17)
            (
                "range: bytes=100-",
                "416 no body, content-range bytes */100",
            ),
            ("range: bytes=-0", "416 no body, content-range bytes */100"),
            (
                "range: bytes=99999999999999999999-",
                "416 no body, content-range bytes */100",
            ),
            // what cannot be read, or means many pieces, is left out of account (§14.2)
            ("range: bytes=20-10", "200 0..100, content-length 100"),
            ("range: bytes=abc", "200 0..100, content-length 100"),
            ("range: lines=1-2", "200 0..100, content-length 100"),
            ("range: bytes=0-1,5-6", "200 0..100, content-length 100"),
            // HEAD has no ranges (§14.2)
            ("HEAD; range: bytes=0-0", "200 no body, content-length 100"),
            ("HEAD; range: bytes=100-", "200 no body, content-length 100"),
            // If-Range: the same bytes, else the whole; a date never matches (§13.1.5)
            (
                "range: bytes=1-1; if-range: @",
                "206 1..2, content-length 1, content-range bytes 1-1/100",
            ),
            (
                "range: bytes=1-1; if-range: \"other\"",
                "200 0..100, content-length 100",
            ),
            (
                "range: bytes=1-1; if-range: W/@",
                "200 0..100, content-length 100",
            ),
            (
                "range: bytes=1-1; if-range: Sat, 29 Oct 1994 19:43:31 GMT",
                "200 0..100, content-length 100",
            ),
            (
                "range: bytes=100-; if-range: \"other\"",
                "200 0..100, content-length 100",
            ),
            // If-None-Match, compared weakly (§13.1.2), before any range
            ("if-none-match: @", "304 no body"),
            ("if-none-match: \"a\", W/@", "304 no body"),
            ("if-none-match: *", "304 no body"),
            ("HEAD; if-none-match: @", "304 no body"),
            ("if-none-match: @; range: bytes=0-0", "304 no body"),
            ("if-none-match: \"other\"", "200 0..100, content-length 100"),
            ("if-none-match: nonsense", "200 0..100, content-length 100"),
            // If-Match, compared strongly (§13.1.1), before all else
            ("if-match: @", "200 0..100, content-length 100"),
            ("if-match: *", "200 0..100, content-length 100"),
            ("if-match: \"other\"", "412 no body"),
            ("if-match: W/@", "412 no body"),
            ("if-match: nonsense", "412 no body"),
            ("if-match: \"other\"; if-none-match: @", "412 no body"),
        ] {
            assert_eq!(told(asked, 100), answered, "{asked}");
        }
    }

    #[test]
    fn downloads_of_nothing() {
        for (asked, answered) in [
            ("", "200 0..0, content-length 0"),
            ("range: bytes=0-", "416 no body, content-range bytes */0"),
            // A suffix of nothing is satisfiable and has no Content-Range to say it with.
            ("range: bytes=-5", "200 0..0, content-length 0"),
        ] {
            assert_eq!(told(asked, 0), answered, "{asked}");
        }
    }

    #[test]
    fn a_success_may_be_kept_by_its_device_alone_and_a_failure_by_nobody() {
        let ask = |if_match| Ask {
            if_match,
            ..Ask::default()
        };
        let success = answer(&ask(None), &DIGEST, 1);
        assert!(
            success
                .header("cache-control")
                .unwrap()
                .starts_with("private")
        );
        assert_eq!(
            success.header("content-type"),
            Some("application/octet-stream")
        );
        let failure = answer(&ask(Some(b"\"other\"")), &DIGEST, 1);
        assert_eq!(failure.header("cache-control"), None);
    }

    proptest! {
        /// The model asks of every single byte whether the range means it.
        #[test]
        fn a_range_covers_the_bytes_it_names(
            length in 0u64..40, first in proptest::option::of(0u64..50), last in proptest::option::of(0u64..50),
        ) {
            let number = |n: Option<u64>| n.map(|n| n.to_string()).unwrap_or_default();
            let value = format!("bytes={}-{}", number(first), number(last));
            let named: Vec<u64> = (0..length).filter(|byte| match (first, last) {
                (Some(first), last) => *byte >= first && last.is_none_or(|last| *byte <= last),
                (None, Some(suffix)) => *byte + suffix >= length,
                (None, None) => false,
            }).collect();
            let readable = match (first, last) {
                (None, None) => false,
                (Some(first), Some(last)) => first <= last,
                _ => true,
            };
            let ask = Ask { range: Some(value.as_bytes()), ..Ask::default() };
            let answer = answer(&ask, &DIGEST, length);
            let suffix_of_nothing = length == 0 && first.is_none() && last != Some(0);
            if !readable || suffix_of_nothing {
                prop_assert_eq!((answer.status, answer.body), (Status::Whole, Some(0..length)));
            } else if named.is_empty() {
                prop_assert_eq!((answer.status, answer.body), (Status::OutOfRange, None));
            } else {
                prop_assert_eq!(answer.status, Status::Partial);
                prop_assert_eq!(answer.body.unwrap().collect::<Vec<_>>(), named);
            }
        }

        #[test]
        fn no_header_leads_past_the_end(
            range in "(bytes=)?[0-9,= -]{0,24}", other in "\\PC{0,20}", length: u64,
        ) {
            let value = Some(other.as_bytes());
            for ask in [
                Ask { range: Some(range.as_bytes()), ..Ask::default() },
                Ask { range: value, if_match: value, if_none_match: value, if_range: value, head: false },
            ] {
                if let Some(body) = answer(&ask, &DIGEST, length).body {
                    prop_assert!(body.start <= body.end && body.end <= length);
                }
            }
        }
    }
}
