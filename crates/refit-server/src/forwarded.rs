//! From where does a request come, if it comes through proxies? (RFC 7239, and `X-Forwarded-For` before it.)
//!
//! Anybody can write these headers, so they count only on a connection from a trusted proxy, and only as far as trusted
//! proxies wrote them: the answer is the right-most hop that is none. What cannot be read makes the address unknown,
//! never another one.

use std::net::{IpAddr, SocketAddr};

use refit_protocol::network::{Cidr, canonical};

/// How many hops, and how many bytes of such headers, are looked at. A longer way has no known beginning.
const HOPS_MAX: usize = 32;
const BYTES_MAX: usize = 4096;

/// Returns from where a request comes: `connection` is the other end of the connection, the lists are the values of all
/// `Forwarded` and `X-Forwarded-For` headers in their order.
pub fn origin(
    connection: IpAddr,
    forwarded: &[&[u8]],
    x_forwarded_for: &[&[u8]],
    trusted: &[Cidr],
) -> Option<IpAddr> {
    let connection = canonical(connection);
    let is_trusted = |address: IpAddr| trusted.iter().any(|network| network.contains(address));
    if !is_trusted(connection) {
        return Some(connection);
    }
    let by_forwarded = joined(forwarded).map(|text| first_untrusted(&hops(&text?)?, &is_trusted));
    let by_x = joined(x_forwarded_for).map(|text| {
        let text = text?;
        let hops: Vec<_> = text.split(',').map(|hop| node(hop.trim())).collect();
        first_untrusted(&hops, &is_trusted)
    });
    match (by_forwarded, by_x) {
        (Some(address), None) | (None, Some(address)) => address,
        // A proxy that writes the one lets through the other as the client wrote it.
        (Some(one), Some(other)) => one.filter(|_| one == other),
        (None, None) => None,
    }
}

/// Joins the values of a header that is there; the inner value is missing if they cannot be looked at.
fn joined(values: &[&[u8]]) -> Option<Option<String>> {
    if values.is_empty() {
        return None;
    }
    let bytes = values.join(&b","[..]);
    let text = (bytes.len() <= BYTES_MAX && bytes.is_ascii())
        .then(|| String::from_utf8(bytes).ok())
        .flatten();
    Some(text)
}

/// Goes from the right past what is trusted. If all is, the way begins at its left end.
fn first_untrusted(
    hops: &[Option<IpAddr>],
    is_trusted: &impl Fn(IpAddr) -> bool,
) -> Option<IpAddr> {
    if hops.len() > HOPS_MAX {
        return None;
    }
    let mut last = None;
    for hop in hops.iter().rev() {
        let address = (*hop)?;
        last = Some(address);
        if !is_trusted(address) {
            return last;
        }
    }
    last
}

/// Reads the `for` of each element of a `Forwarded` header (RFC 7239 §4): missing in the list is one that hides it,
/// `None` as a whole what is not such a header.
fn hops(text: &str) -> Option<Vec<Option<IpAddr>>> {
    let mut hops = Vec::new();
    for element in split(text, ',')? {
        let mut found = None;
        for pair in split(element, ';')? {
            let (name, value) = match pair.trim() {
                "" => continue,
                pair => pair.split_once('=')?,
            };
            if name.trim().eq_ignore_ascii_case("for")
                && found.replace(node(&unquoted(value.trim())?)).is_some()
            {
                return None;
            }
        }
        hops.push(found.flatten());
    }
    Some(hops)
}

/// Splits at a character outside quotes.
fn split(text: &str, at: char) -> Option<Vec<&str>> {
    let (mut parts, mut start, mut quoted, mut escaped) = (Vec::new(), 0, false, false);
    for (place, c) in text.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            c if c == at && !quoted => {
                parts.push(&text[start..place]);
                start = place + 1;
            }
            _ => {}
        }
    }
    parts.push(&text[start..]);
    (!quoted).then_some(parts)
}

/// Reads a token or a quoted string (RFC 9110 §5.6.4).
fn unquoted(text: &str) -> Option<String> {
    let Some(inner) = text.strip_prefix('"') else {
        return (!text.contains('"')).then(|| text.to_owned());
    };
    let inner = inner.strip_suffix('"')?;
    let (mut value, mut chars) = (String::new(), inner.chars());
    while let Some(c) = chars.next() {
        match c {
            '\\' => value.push(chars.next()?),
            '"' => return None,
            c => value.push(c),
        }
    }
    Some(value)
}

/// Reads an address, alone or with a port; `unknown` and made-up names are none.
fn node(text: &str) -> Option<IpAddr> {
    if let Ok(address) = text.parse::<IpAddr>() {
        return Some(canonical(address));
    }
    if let Ok(address) = text.parse::<SocketAddr>() {
        return Some(canonical(address.ip()));
    }
    let inner = text.strip_prefix('[')?.strip_suffix(']')?;
    let address: std::net::Ipv6Addr = inner.parse().ok()?;
    Some(canonical(address.into()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn trusted() -> Vec<Cidr> {
        ["10.0.0.0/8", "2001:db8:ffff::/48"]
            .map(|network| Cidr::parse(network).unwrap())
            .to_vec()
    }

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    fn by(connection: &str, forwarded: &[&str], x: &[&str]) -> String {
        let bytes =
            |values: &[&'static str]| values.iter().map(|v| v.as_bytes()).collect::<Vec<_>>();
        let (forwarded, x): (Vec<&'static str>, Vec<&'static str>) = (
            forwarded.iter().map(|v| &*v.to_string().leak()).collect(),
            x.iter().map(|v| &*v.to_string().leak()).collect(),
        );
        let origin = origin(ip(connection), &bytes(&forwarded), &bytes(&x), &trusted());
        origin.map_or_else(|| "unknown".into(), |address| address.to_string())
    }

    #[test]
    fn headers_count_from_trusted_proxies_alone() {
        assert_eq!(by("203.0.113.9", &[], &["198.51.100.1"]), "203.0.113.9");
        assert_eq!(by("203.0.113.9", &["for=198.51.100.1"], &[]), "203.0.113.9");
        assert_eq!(by("10.0.0.1", &[], &["198.51.100.1"]), "198.51.100.1");
        assert_eq!(
            by("::ffff:10.0.0.1", &[], &["198.51.100.1"]),
            "198.51.100.1"
        );
        assert_eq!(by("10.0.0.1", &[], &[]), "unknown");
    }

    #[test]
    fn the_right_most_hop_that_is_not_trusted_counts() {
        for (x, origin) in [
            ("1.1.1.1, 198.51.100.1", "198.51.100.1"),
            ("1.1.1.1, 198.51.100.1, 10.2.3.4", "198.51.100.1"),
            ("10.9.9.9, 10.2.3.4", "10.9.9.9"),
            ("198.51.100.1:4711", "198.51.100.1"),
            ("[2001:db8::1]:4711", "2001:db8::1"),
            ("2001:db8::1", "2001:db8::1"),
            ("::ffff:198.51.100.1", "198.51.100.1"),
            ("198.51.100.1, unknown", "unknown"),
            ("198.51.100.1, ", "unknown"),
            ("localhost", "unknown"),
            ("", "unknown"),
        ] {
            assert_eq!(by("10.0.0.1", &[], &[x]), origin, "{x}");
        }
        assert_eq!(
            by("10.0.0.1", &[], &["1.1.1.1", "198.51.100.1"]),
            "198.51.100.1"
        );
    }

    #[test]
    fn forwarded_is_read_as_its_rfc_writes_it() {
        for (forwarded, origin) in [
            ("for=198.51.100.1", "198.51.100.1"),
            (
                "For=\"198.51.100.1:47011\";proto=https;by=203.0.113.43",
                "198.51.100.1",
            ),
            ("for=\"[2001:db8:cafe::17]:4711\"", "2001:db8:cafe::17"),
            ("for=\"[2001:db8:cafe::17]\"", "2001:db8:cafe::17"),
            (
                "for=1.1.1.1, for=198.51.100.1;by=10.0.0.1, for=10.0.0.2",
                "198.51.100.1",
            ),
            (
                "for=1.1.1.1;x=\"a,for=2.2.2.2\\\"\", for=198.51.100.1",
                "198.51.100.1",
            ),
            ("for=unknown", "unknown"),
            ("for=_hidden", "unknown"),
            ("for=198.51.100.1, by=10.0.0.1", "unknown"),
            ("for=198.51.100.1;for=198.51.100.2", "unknown"),
            ("for=\"198.51.100.1", "unknown"),
            ("198.51.100.1", "unknown"),
        ] {
            assert_eq!(by("10.0.0.1", &[forwarded], &[]), origin, "{forwarded}");
        }
    }

    #[test]
    fn two_kinds_of_headers_count_if_they_agree() {
        let agreed = by("10.0.0.1", &["for=198.51.100.1"], &["198.51.100.1"]);
        assert_eq!(agreed, "198.51.100.1");
        assert_eq!(
            by("10.0.0.1", &["for=1.1.1.1"], &["198.51.100.1"]),
            "unknown"
        );
    }

    #[test]
    fn a_way_that_is_too_long_has_no_beginning() {
        let hops = vec!["10.0.0.1"; HOPS_MAX + 1].join(",");
        assert_eq!(by("10.0.0.1", &[], &[&hops]), "unknown");
        let long = "1".repeat(BYTES_MAX + 1);
        assert_eq!(by("10.0.0.1", &[], &[&long]), "unknown");
    }

    proptest! {
        /// Whatever a client writes before what the proxy adds changes nothing, or makes the address unknown.
        #[test]
        fn a_client_cannot_choose_its_address(written in "[ -~]{0,80}") {
            let x = format!("{written}, 198.51.100.1");
            prop_assert_eq!(by("10.0.0.1", &[], &[&x]), "198.51.100.1");
            let forwarded = format!("{written}, for=198.51.100.1");
            let origin = by("10.0.0.1", &[&forwarded], &[]);
            prop_assert!(origin == "198.51.100.1" || origin == "unknown", "{}", origin);
        }

        #[test]
        fn any_bytes_are_read_without_harm(
            forwarded in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..60), 0..4),
            x in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..60), 0..4),
        ) {
            let forwarded: Vec<&[u8]> = forwarded.iter().map(Vec::as_slice).collect();
            let x: Vec<&[u8]> = x.iter().map(Vec::as_slice).collect();
            let _ = origin(ip("10.0.0.1"), &forwarded, &x, &trusted());
        }
    }
}
