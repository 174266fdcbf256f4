//! When are two software URLs the same software? (semantics 31)
//!
//! A URL into Refit's own depot is known by the digest in its path: `…/depot/sha256/<64 hex digits>`, whatever the
//! scheme, host, prefix or query. A new host name, a CDN in front or a fresh signature therefore starts no update.
//! Any other URL is the application's own: opaque, equal when equal without its fragment and without the
//! parameters that are known to be signatures.

use crate::digest::Digest;
use alloc::string::String;

/// The path of the depot under the public URL; an artifact follows it as its digest in hexadecimal.
pub const DEPOT_PATH: &str = "/depot/sha256/";

/// The longest software URL, in bytes, as it is desired, reported and kept: without a grant.
pub const SOFTWARE_URL_BYTES_MAX: usize = 2048;

/// The longest URL with a grant in it that a device is sent, in bytes. A store's own signature carries the session that
/// signed it: AWS bounds such a token nowhere, and 1.4 KiB is usual, percent-encoded on top.
pub const GRANTED_URL_BYTES_MAX: usize = 8192;

/// Returns the digest that a depot URL names, or `None` for a URL that is not the depot's.
pub fn depot_digest(url: &str) -> Option<Digest> {
    let (path, _) = split(url);
    let at = path.rfind(DEPOT_PATH)?;
    // The pattern must stand in the path, not in the host or before the scheme.
    let scheme_ends = path.find("://").map(|i| i + 3)?;
    (at >= scheme_ends).then(|| Digest::parse(&path[at + DEPOT_PATH.len()..]))?
}

/// Returns the stable URL of an artifact in the depot, without a grant.
pub fn depot_url(public_url: &str, digest: &Digest) -> String {
    let mut url = String::from(public_url.trim_end_matches('/'));
    url.push_str(DEPOT_PATH);
    url.push_str(&digest.to_hex());
    url
}

/// Tells whether two URLs mean the same software.
pub fn same(a: &str, b: &str) -> bool {
    if a == b {
        return true;
    }
    match (depot_digest(a), depot_digest(b)) {
        (Some(a), Some(b)) => a == b,
        (None, None) => same_foreign(a, b),
        _ => false,
    }
}

/// Returns the URL without its grant, for logs, watchers and `get`: a depot URL loses its whole query, another's
/// loses its known signature parameters and its fragment.
pub fn without_grant(url: &str) -> String {
    let (path, query) = split(url);
    let mut kept = String::from(path);
    if depot_digest(url).is_none() {
        let mut sign = '?';
        for parameter in unsigned_parameters(query) {
            kept.push(sign);
            kept.push_str(parameter);
            sign = '&';
        }
    }
    kept
}

fn same_foreign(a: &str, b: &str) -> bool {
    let ((a, a_query), (b, b_query)) = (split(a), split(b));
    a == b && unsigned_parameters(a_query).eq(unsigned_parameters(b_query))
}

/// Splits a URL into what stands before the query, and the query; the fragment is dropped.
fn split(url: &str) -> (&str, &str) {
    let url = url.split_once('#').map_or(url, |(before, _)| before);
    url.split_once('?').unwrap_or((url, ""))
}

fn unsigned_parameters(query: &str) -> impl Iterator<Item = &str> {
    let azure = has(query, "sig");
    let cloudfront = has(query, "Signature") && has(query, "Key-Pair-Id");
    query.split('&').filter(move |parameter| {
        let name = name_of(parameter);
        !(parameter.is_empty()
            || has_prefix(name, "X-Amz-")
            || has_prefix(name, "X-Goog-")
            || azure && AZURE.contains(&name)
            || cloudfront && CLOUDFRONT.contains(&name))
    })
}

/// The parameters of Azure's service and account signatures, in the order of its reference. Names as short as these
/// may mean anything elsewhere, so they count only beside `sig`.
const AZURE: [&str; 21] = [
    "sv", "st", "se", "sr", "sp", "sip", "spr", "sig", "ss", "srt", "si", "skoid", "sktid", "skt",
    "ske", "sks", "skv", "saoid", "suoid", "scid", "sdd",
];

/// The parameters of CloudFront's signed URLs, which always hold the last two.
const CLOUDFRONT: [&str; 4] = ["Expires", "Policy", "Signature", "Key-Pair-Id"];

fn has(query: &str, name: &str) -> bool {
    query.split('&').any(|parameter| name_of(parameter) == name)
}

fn name_of(parameter: &str) -> &str {
    parameter
        .split_once('=')
        .map_or(parameter, |(name, _)| name)
}

fn has_prefix(name: &str, prefix: &str) -> bool {
    name.get(..prefix.len())
        .is_some_and(|start| start.eq_ignore_ascii_case(prefix))
}

#[cfg(test)]
mod tests {
    use super::*;

    const D: &str = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
    const E: &str = "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb";

    #[test]
    fn a_depot_url_is_its_digest() {
        let a = format!("http://127.0.0.1:8080/depot/sha256/{D}");
        let b = format!("https://cdn.example/fleet/depot/sha256/{D}?exp=1&sig=x#y");
        assert!(same(&a, &b));
        assert!(!same(
            &a,
            &format!("http://127.0.0.1:8080/depot/sha256/{E}")
        ));
        assert_eq!(
            without_grant(&b),
            format!("https://cdn.example/fleet/depot/sha256/{D}")
        );
    }

    #[test]
    fn what_only_looks_like_a_depot_url_is_foreign() {
        for url in [
            format!("/depot/sha256/{D}"),
            format!("https://h/depot/sha256/{D}/x"),
            format!("https://h/depot/sha256/{}", D.to_uppercase()),
            format!("https://h/?/depot/sha256/{D}"),
            format!("https://h/x#/depot/sha256/{D}"),
        ] {
            assert_eq!(depot_digest(&url), None, "{url}");
        }
    }

    #[test]
    fn of_foreign_urls_only_known_signatures_are_ignored() {
        let same_pairs = [
            ("https://s/f?X-Amz-Signature=1&X-Amz-Date=2", "https://s/f"),
            ("https://s/f?v=1&x-amz-expires=9", "https://s/f?v=1"),
            ("https://s/f?sv=2&sig=3", "https://s/f?sig=4#frag"),
            (
                "https://s/f?Expires=1&Signature=s&Key-Pair-Id=k",
                "https://s/f",
            ),
        ];
        for (a, b) in same_pairs {
            assert!(same(a, b), "{a} {b}");
        }
        for (a, b) in [
            ("https://s/f?v=1", "https://s/f?v=2"),
            ("https://s/f", "http://s/f"),
            ("https://s/f", "https://s/F"),
            ("https://s/f?signature=1", "https://s/f"),
            // Without a signature beside them these are the application's own.
            ("https://s/f?sv=1", "https://s/f?sv=2"),
            ("https://s/f?Policy=1&Signature=2", "https://s/f"),
        ] {
            assert!(!same(a, b), "{a} {b}");
        }
    }

    #[test]
    fn a_depot_url_is_never_a_foreign_one() {
        assert!(!same(&format!("https://h/depot/sha256/{D}"), "https://h/f"));
    }
}
