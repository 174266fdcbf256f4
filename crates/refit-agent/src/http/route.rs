//! Where a URL leads, and where it may lead on to (semantics 4).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use ureq::http::Uri;
use ureq::http::uri::Scheme;

/// A scheme, a host and a port: what a certificate or a token is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    /// With TLS.
    pub secure: bool,
    /// In small letters.
    pub host: String,
    /// The port, named or usual.
    pub port: u16,
}

impl Origin {
    /// Reads the origin of an `http` or `https` URL; `None` if it is none, or names a user.
    pub fn of(url: &str) -> Option<Self> {
        let uri: Uri = url.parse().ok()?;
        let authority = uri.authority()?;
        if authority.as_str().contains('@') {
            return None;
        }
        let secure = match uri.scheme()? {
            scheme if *scheme == Scheme::HTTPS => true,
            scheme if *scheme == Scheme::HTTP => false,
            _ => return None,
        };
        let host = authority.host().to_ascii_lowercase();
        let usual = if secure { 443 } else { 80 };
        (!host.is_empty()).then(|| Self {
            secure,
            host,
            port: authority.port_u16().unwrap_or(usual),
        })
    }

    /// Tells whether this is the device itself, by its usual names.
    pub fn is_here(&self) -> bool {
        let bare = self.host.trim_start_matches('[').trim_end_matches(']');
        bare == "localhost" || bare.parse().is_ok_and(is_local)
    }
}

/// Returns where a redirect leads. `Err` says why it is not followed; the URLs are not in it.
pub fn follow(from: &str, location: &str) -> Result<String, &'static str> {
    let origin = Origin::of(from).ok_or("it is not a URL that can be fetched")?;
    let base = from.split(['?', '#']).next().unwrap_or_default();
    let scheme = if origin.secure { "https" } else { "http" };
    let (_, behind) = base.split_once("://").unwrap_or_default();
    let (authority, path) = behind.split_once('/').unwrap_or((behind, ""));
    let to = if location.contains("://") && !location.starts_with(['/', '?']) {
        location.to_owned()
    } else if location.starts_with("//") {
        format!("{scheme}:{location}")
    } else if location.starts_with('/') {
        format!("{scheme}://{authority}{location}")
    } else {
        let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
        let slash = if folder.is_empty() { "" } else { "/" };
        format!("{scheme}://{authority}/{folder}{slash}{location}")
    };
    let to = to.split('#').next().unwrap_or_default();
    match Origin::of(to) {
        None => Err("it leads to what is no http or https URL"),
        Some(next) if origin.secure && !next.secure => Err("it leads from https to http"),
        Some(_) => Ok(to.into()),
    }
}

/// Tells whether an address is this machine, or one that only its own link knows, as a cloud's metadata service is.
pub fn is_local(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => is_local_v4(v4),
        IpAddr::V6(v6) => match v6.to_ipv4_mapped().or_else(|| translated(v6)) {
            Some(v4) => is_local_v4(v4),
            None => {
                v6.is_loopback()
                    || v6.is_unspecified()
                    || v6.is_multicast()
                    || v6.is_unicast_link_local()
                    || v6 == METADATA_V6
            }
        },
    }
}

/// The metadata service of a large cloud, at an address of its own (fd00:ec2::254).
const METADATA_V6: Ipv6Addr = Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254);

const fn is_local_v4(v4: Ipv4Addr) -> bool {
    let [first, ..] = v4.octets();
    first == 0 || v4.is_loopback() || v4.is_link_local() || v4.is_multicast() || v4.is_broadcast()
}

/// An IPv4 address behind the well-known prefix of translators, 64:ff9b::/96 (RFC 6052).
fn translated(v6: Ipv6Addr) -> Option<Ipv4Addr> {
    match v6.segments() {
        [0x64, 0xff9b, 0, 0, 0, 0, high, low] => {
            Some(Ipv4Addr::from(u32::from(high) << 16 | u32::from(low)))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_is_scheme_host_and_port() {
        let of = |url| Origin::of(url).map(|o| (o.secure, o.host, o.port));
        let some = |secure, host: &str, port| Some((secure, host.to_owned(), port));
        assert_eq!(of("https://H.example/a?b"), some(true, "h.example", 443));
        assert_eq!(of("http://h:81"), some(false, "h", 81));
        assert_eq!(of("https://[::1]:8443/"), some(true, "[::1]", 8443));
        for bad in [
            "",
            "h",
            "ftp://h/",
            "https://u@h/",
            "https://u:p@h/",
            "https:///a",
            "/a",
        ] {
            assert_eq!(of(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_redirect_is_followed_within_its_bounds() {
        let from = "https://h:1/a/b?sig=secret#f";
        for (location, to) in [
            ("https://g/x?y#z", "https://g/x?y"),
            ("//g/x", "https://g/x"),
            ("/x", "https://h:1/x"),
            ("x", "https://h:1/a/x"),
            ("HTTPS://g/", "HTTPS://g/"),
        ] {
            assert_eq!(follow(from, location).as_deref(), Ok(to), "{location}");
        }
        assert_eq!(follow("http://h", "x").as_deref(), Ok("http://h/x"));
        assert_eq!(
            follow("http://h/", "https://g/").as_deref(),
            Ok("https://g/")
        );
        for bad in [
            "http://h:1/a",
            "HTTP://g/",
            "ftp://g/",
            "file:///etc/passwd",
            "https://u@g/",
        ] {
            assert!(follow(from, bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn local_addresses_are_known_in_all_their_forms() {
        for local in [
            "127.0.0.1",
            "127.9.9.9",
            "0.0.0.0",
            "0.1.2.3",
            "169.254.169.254",
            "224.0.0.1",
            "255.255.255.255",
            "::1",
            "::",
            "fe80::1",
            "ff02::1",
            "::ffff:127.0.0.1",
            "::ffff:169.254.169.254",
            "fd00:ec2::254",
            "64:ff9b::7f00:1",
            "64:ff9b::a9fe:a9fe",
        ] {
            assert!(is_local(local.parse().unwrap()), "{local}");
        }
        for other in [
            "10.0.0.1",
            "192.168.1.1",
            "8.8.8.8",
            "2001:db8::1",
            "fd00::1",
            "64:ff9b::808:808",
        ] {
            assert!(!is_local(other.parse().unwrap()), "{other}");
        }
    }

    #[test]
    fn a_device_knows_itself_by_name_and_address() {
        for here in [
            "http://localhost:1/",
            "http://127.0.0.1/",
            "https://[::1]/",
            "http://LOCALHOST/",
        ] {
            assert!(Origin::of(here).unwrap().is_here(), "{here}");
        }
        assert!(!Origin::of("https://refit.example/").unwrap().is_here());
    }
}
