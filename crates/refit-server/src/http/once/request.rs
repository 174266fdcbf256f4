//! What of a request makes it the same one as another: its key, its head, and the hash of its body.

use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::extract::Request;
use axum::http::{HeaderName, HeaderValue, Method, header};
use http_body_util::BodyExt;
use parking_lot::Mutex;
use sha2::{Digest, Sha256};

use crate::http::error::{Kind, Problem};
use crate::http::{BODY_PAUSE_MAX, ask};

/// How long a key may be.
const KEY_BYTES_MAX: usize = 255;

/// The headers that change what a request does.
const ASKED_BY: [HeaderName; 4] = [
    header::CONTENT_TYPE,
    header::CONTENT_LENGTH,
    header::IF_MATCH,
    HeaderName::from_static("content-digest"),
];

/// Reads a key: a string as RFC 9651 writes it, or the same without quotes.
pub(super) fn key(value: &HeaderValue) -> Result<String, Problem> {
    let text = value.to_str().unwrap_or_default().trim();
    let bare = text
        .strip_prefix('"')
        .and_then(|text| text.strip_suffix('"'))
        .unwrap_or(text);
    let is_plain = |b: u8| b.is_ascii_graphic() && !matches!(b, b'"' | b'\\' | b',');
    if (1..=KEY_BYTES_MAX).contains(&bare.len()) && bare.bytes().all(is_plain) {
        return Ok(bare.to_owned());
    }
    let detail = format!(
        "Idempotency-Key takes 1 to {KEY_BYTES_MAX} printable characters without blank, quote, comma and backslash: a \
         UUID, best of all"
    );
    Err(Problem::new(Kind::BadRequest, detail))
}

/// The hash of everything of a request but its body.
pub(super) fn head(request: &Request) -> [u8; 32] {
    let mut hash = Sha256::new();
    let mut part = |bytes: &[u8]| {
        hash.update((bytes.len() as u64).to_be_bytes());
        hash.update(bytes);
    };
    part(request.method().as_str().as_bytes());
    part(request.uri().path().as_bytes());
    part(request.uri().query().unwrap_or_default().as_bytes());
    for name in ASKED_BY {
        let value = request.headers().get(&name);
        part(value.map_or(b"", HeaderValue::as_bytes));
    }
    hash.finalize().into()
}

pub(super) fn is_upload(request: &Request) -> bool {
    request.method() == Method::POST && request.uri().path() == "/api/v1/releases"
}

/// The hash of a body, which is complete when all of the body has passed.
pub(super) type Passing = Arc<Mutex<Sha256>>;

/// Hashes a body while its handler reads it.
pub(super) fn hashed_as_it_passes(request: Request) -> (Request, Passing) {
    let hash = Passing::default();
    let passing = Arc::clone(&hash);
    let request = request.map(|body| {
        Body::new(body.map_frame(move |frame| {
            if let Some(bytes) = frame.data_ref() {
                passing.lock().update(bytes);
            }
            frame
        }))
    });
    (request, hash)
}

/// Reads a small body, and hashes it.
pub(super) async fn hashed_before(request: Request) -> Result<(Request, Passing), Problem> {
    let (parts, body) = request.into_parts();
    let bytes: Bytes = ask::bytes(body).await?;
    let hash = Arc::new(Mutex::new(Sha256::new_with_prefix(&bytes)));
    Ok((Request::from_parts(parts, Body::from(bytes)), hash))
}

/// Reads a body for its hash alone.
pub(super) async fn hash_of(mut body: Body) -> Result<[u8; 32], Problem> {
    let mut hash = Sha256::new();
    loop {
        match tokio::time::timeout(BODY_PAUSE_MAX, body.frame()).await {
            Err(_) => return Err(Problem::new(Kind::TooSlow, "the body stood still")),
            Ok(Some(Err(error))) => {
                return Err(Problem::new(
                    Kind::BadBody,
                    format!("the body was cut short: {error}"),
                ));
            }
            Ok(Some(Ok(frame))) => {
                if let Some(bytes) = frame.data_ref() {
                    hash.update(bytes);
                }
            }
            Ok(None) => return Ok(hash.finalize().into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_printable_and_of_a_length() {
        for (value, is) in [
            ("a-1", Some("a-1")),
            ("\"a-1\"", Some("a-1")),
            ("", None),
            ("\"\"", None),
            ("a b", None),
            ("\"a", None),
            ("a,b", None),
        ] {
            let read = key(&HeaderValue::from_static(value)).ok();
            assert_eq!(read.as_deref(), is, "{value}");
        }
        let long = |length| key(&"x".repeat(length).parse().unwrap()).is_ok();
        assert!(long(KEY_BYTES_MAX) && !long(KEY_BYTES_MAX + 1));
    }

    #[test]
    fn the_head_is_what_changes_what_is_done() {
        let of = |method: &str, uri: &str, headers: &[(&str, &str)]| {
            let mut request = Request::builder().method(method).uri(uri);
            for (name, value) in headers {
                request = request.header(*name, *value);
            }
            head(&request.body(Body::empty()).unwrap())
        };
        let one = of("POST", "/a?b=c", &[("if-match", "1")]);
        assert_eq!(
            one,
            of("POST", "/a?b=c", &[("if-match", "1"), ("user-agent", "x")])
        );
        for other in [
            of("PUT", "/a?b=c", &[("if-match", "1")]),
            of("POST", "/a?b=d", &[("if-match", "1")]),
            of("POST", "/ab?=c", &[("if-match", "1")]),
            of("POST", "/a?b=c", &[]),
        ] {
            assert_ne!(one, other);
        }
    }
}
