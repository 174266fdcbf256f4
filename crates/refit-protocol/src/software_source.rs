//! Which URLs of other hosts may be desired as software? Whoever may write a wish makes every device of its scope ask
//! there: so never a file, never a host that is the device itself or its cloud's metadata, and never with a password.
//!
//! URLs of Refit's own depot are not asked about here: they are known by their digest, and minted anew.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// What is taken. The default is `https` from any host that is not near the device.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sources {
    /// Whether plain `http` is taken too.
    pub http: bool,
    /// Whether loopback, link-local and metadata addresses are taken too.
    pub near: bool,
    /// If there are any, these hosts alone are taken, wherever they are.
    pub hosts: Vec<HostPattern>,
}

/// A host name or address; `*.example` is any name below `example`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostPattern(String);

impl HostPattern {
    /// Reads one, or returns `None` if no host can be meant.
    pub fn parse(text: &str) -> Option<Self> {
        let name = text.strip_prefix("*.").unwrap_or(text);
        let is_host = Host::parse(name).is_ok();
        let is_name_below = name.len() == text.len() || name.parse::<IpAddr>().is_err();
        (is_host && is_name_below).then(|| Self(text.trim_end_matches('.').to_ascii_lowercase()))
    }

    fn matches(&self, host: &str) -> bool {
        match self.0.strip_prefix("*.") {
            None => self.0 == host,
            Some(above) => host
                .strip_suffix(above)
                .is_some_and(|rest| rest.len() > 1 && rest.ends_with('.')),
        }
    }
}

impl Sources {
    /// What `--dev` takes: it runs on one machine, with devices of the demo on it.
    pub const fn open() -> Self {
        Self {
            http: true,
            near: true,
            hosts: Vec::new(),
        }
    }

    /// Refuses a URL that may not be desired, and says what may.
    pub fn check(&self, url: &str) -> Result<(), String> {
        let taken = if self.http { "https and http" } else { "https" };
        if url.chars().any(is_unseen) {
            return Err(
                "softwareURL holds a blank, a control character, a mark of direction or a backslash: percent-encode it"
                    .into(),
            );
        }
        let scheme = url.split_once(':').map_or("", |(scheme, _)| scheme);
        let is = |known: &str| scheme.eq_ignore_ascii_case(known);
        let is_taken = is("https") || (self.http && is("http"));
        if !is_taken {
            return Err(format!(
                "softwareURL must begin with a scheme that is taken here: {taken}"
            ));
        }
        let rest = url.get(scheme.len()..).and_then(|r| r.strip_prefix("://"));
        let rest = rest.ok_or("softwareURL names no host: write it as https://host/path")?;
        let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
        if authority.contains('@') {
            return Err("softwareURL holds a user name or password, which every device and log would see: use a pre-signed URL".into());
        }
        let host = Host::parse(without_port(authority)?)?;
        if self.hosts.is_empty() {
            if !self.near && host.is_near() {
                return Err(format!(
                    "softwareURL leads to {}, which is the device itself or its neighbourhood: name a host, or list this one in software-hosts",
                    host.text
                ));
            }
            return Ok(());
        }
        if self.hosts.iter().any(|pattern| pattern.matches(&host.text)) {
            return Ok(());
        }
        let listed: Vec<&str> = self.hosts.iter().map(|host| host.0.as_str()).collect();
        Err(format!(
            "softwareURL leads to {}; the hosts that are taken here (software-hosts) are {}, and releases of the depot",
            host.text,
            listed.join(", ")
        ))
    }
}

/// Tells whether a character is not what it seems to whoever reads the URL in a log or on a page: controls, blanks, and
/// what has no width or turns the direction of writing. Other letters are the application's own business.
fn is_unseen(c: char) -> bool {
    c.is_control()
        || c.is_whitespace()
        || matches!(c, '\\' | '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

fn without_port(authority: &str) -> Result<&str, &'static str> {
    let colon = match authority.rfind(']') {
        Some(bracket) => authority
            .get(bracket + 1..)
            .and_then(|r| r.find(':'))
            .map(|at| bracket + 1 + at),
        None => authority.find(':'),
    };
    let Some((host, port)) = colon.and_then(|at| authority.split_at_checked(at)) else {
        return Ok(authority);
    };
    // Digits alone: Rust would read "+443" too.
    let digits = port
        .get(1..)
        .filter(|p| p.bytes().all(|b| b.is_ascii_digit()));
    match digits.map(str::parse::<u16>) {
        Some(Ok(1..)) => Ok(host),
        _ => Err("softwareURL has a port that is none"),
    }
}

/// A host, in lower case.
struct Host {
    text: String,
    address: Option<IpAddr>,
}

impl Host {
    fn parse(text: &str) -> Result<Self, &'static str> {
        const NONE: &str = "softwareURL names no host: write a name (in punycode), or an address as 192.0.2.1 or [2001:db8::1]";
        let bracketed = text.strip_prefix('[').and_then(|t| t.strip_suffix(']'));
        if let Some(address) = bracketed {
            let address: Ipv6Addr = address.parse().map_err(|_| NONE)?;
            return Ok(Self {
                text: format!("[{address}]"),
                address: Some(address.into()),
            });
        }
        let name = text.strip_suffix('.').unwrap_or(text);
        let of_host = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_');
        let labels = || name.split('.');
        if name.len() > 253
            || labels().any(|l| l.is_empty() || l.len() > 63 || !l.bytes().all(of_host))
        {
            return Err(NONE);
        }
        // What ends in a number is an address for a resolver, in forms like 127.1 or 0x7f000001: only the usual one.
        let last = labels().next_back().unwrap_or_default();
        let is_number = last.bytes().all(|b| b.is_ascii_digit())
            || last.starts_with("0x")
            || last.starts_with("0X");
        let address = match is_number {
            true => Some(name.parse::<Ipv4Addr>().map_err(|_| NONE)?.into()),
            false => None,
        };
        Ok(Self {
            text: name.to_ascii_lowercase(),
            address,
        })
    }

    /// Tells whether this is the device itself, its link, or a cloud's metadata service.
    fn is_near(&self) -> bool {
        match self.address {
            Some(address) => match address.to_canonical() {
                IpAddr::V4(address) => is_near_v4(address),
                IpAddr::V6(address) => is_near_v6(address),
            },
            None => {
                let last = self.text.rsplit('.').next();
                last == Some("localhost")
                    || LOOPBACK_NAMES.contains(&self.text.as_str())
                    || METADATA_NAMES.contains(&self.text.as_str())
            }
        }
    }
}

/// Names of the machine itself in `/etc/hosts` of common systems, beside `localhost` (RFC 6761 §6.3).
const LOOPBACK_NAMES: [&str; 4] = [
    "localhost.localdomain",
    "localhost6.localdomain6",
    "ip6-localhost",
    "ip6-loopback",
];

/// Names of metadata services, as the clouds' own documents have them: Google's, and AWS's old one.
const METADATA_NAMES: [&str; 5] = [
    "metadata.google.internal",
    "metadata.goog",
    "metadata",
    "instance-data",
    "instance-data.ec2.internal",
];

/// Addresses of metadata services outside 169.254.0.0/16: Alibaba's and Oracle's.
const METADATA_V4: [Ipv4Addr; 2] = [
    Ipv4Addr::new(100, 100, 100, 200),
    Ipv4Addr::new(192, 0, 0, 192),
];

/// AWS's.
const METADATA_V6: Ipv6Addr = Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254);

fn is_near_v4(address: Ipv4Addr) -> bool {
    // 0.0.0.0/8 is "this host" (RFC 1122 §3.2.1.3), which many systems route to themselves.
    address.is_loopback()
        || address.is_link_local()
        || address.octets()[0] == 0
        || address.is_multicast()
        || address.is_broadcast()
        || METADATA_V4.contains(&address)
}

fn is_near_v6(address: Ipv6Addr) -> bool {
    let [first, ..] = address.segments();
    address.is_loopback()
        || first & 0xffc0 == 0xfe80
        // Site-local, which was deprecated (RFC 3879) and is still routed by some.
        || first & 0xffc0 == 0xfec0
        || address.is_multicast()
        || address == METADATA_V6
        || carried(address).is_some_and(is_near_v4)
}

/// Returns the IPv4 address that such an address leads to through a translator or a tunnel: NAT64 (RFC 6052 §2.1, and
/// its local prefix of RFC 8215), SIIT (RFC 2765 §2.1), 6to4 (RFC 3056 §2), and the compatible form that ::/96 once was.
fn carried(address: Ipv6Addr) -> Option<Ipv4Addr> {
    let of = |high: u16, low: u16| Some(Ipv4Addr::from(u32::from(high) << 16 | u32::from(low)));
    match address.segments() {
        [0x64, 0xff9b, 0, 0, 0, 0, high, low]
        | [0x64, 0xff9b, 1, _, _, _, high, low]
        | [0, 0, 0, 0, 0xffff, 0, high, low]
        | [0, 0, 0, 0, 0, 0, high, low]
        | [0x2002, high, low, ..] => of(high, low),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(hosts: &[&str]) -> Sources {
        let hosts = hosts.iter().map(|host| HostPattern::parse(host).unwrap());
        Sources {
            hosts: hosts.collect(),
            ..Sources::default()
        }
    }

    #[test]
    fn any_far_host_is_taken_over_https() {
        for url in [
            "https://bucket.s3.eu-central-1.amazonaws.com/fw%20v2.bin?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Signature=aa/b@c#f",
            "https://s3.example:9000/bucket/fw.bin",
            "HTTPS://Downloads.Example./fw",
            "https://203.0.113.7/fw",
            "https://10.1.2.3/an/intranet",
            "https://[2001:db8::7]:8443/fw",
            "https://xn--bcher-kva.example?x=1",
            "https://h.example/b\u{fc}cher",
            "https://[2002:cb00:7107::1]/fw",
            "https://[64:ff9b::cb00:7107]/fw",
        ] {
            assert_eq!(Sources::default().check(url), Ok(()), "{url}");
            assert_eq!(Sources::open().check(url), Ok(()), "{url}");
        }
    }

    #[test]
    fn other_schemes_and_what_hides_a_host_are_never_taken() {
        for url in [
            "file:///etc/passwd",
            "javascript:alert(1)",
            "data:text/plain,x",
            "ftp://h/x",
            "s3://bucket/key",
            "//h/x",
            "/x",
            "x",
            "https:x",
            "https:/h/x",
            "https:///x",
            "https://",
            "https://user@h/x",
            "https://user:pw@h/x",
            "https://h/a b",
            "https://h/a\n",
            "https://h/\u{7f}",
            "https://h\\@evil/x",
            "https://h:/x",
            "https://h:0/x",
            "https://h:99999/x",
            "https://h:+443/x",
            "https://h/\u{85}x",
            "https://h/\u{2028}x",
            "https://h/\u{202e}nib.wf",
            "https://h/\u{200b}x",
            "https://[::1/x",
            "https://::1/x",
            "https://h..x/",
            "https://b\u{fc}cher.example/x",
            "https://%6c/x",
            "https://127.1/x",
            "https://2130706433/x",
            "https://0x7f000001/x",
            "https://0177.0.0.1/x",
        ] {
            assert!(Sources::open().check(url).is_err(), "{url}");
        }
        let refused = Sources::default().check("http://h/x").unwrap_err();
        assert!(refused.ends_with("taken here: https"), "{refused}");
        let refused = Sources::open().check("file:///x").unwrap_err();
        assert!(refused.ends_with("https and http"), "{refused}");
    }

    #[test]
    fn the_device_itself_and_its_neighbourhood_are_taken_in_dev_alone() {
        for host in [
            "127.0.0.1",
            "127.9.9.9",
            "localhost",
            "a.LOCALHOST.",
            "0.0.0.0",
            "169.254.169.254",
            "100.100.100.200",
            "192.0.0.192",
            "224.0.0.1",
            "255.255.255.255",
            "[::1]",
            "[::]",
            "[fe80::1]",
            "[::ffff:127.0.0.1]",
            "[::7f00:1]",
            "[64:ff9b::a9fe:a9fe]",
            "[fd00:ec2::254]",
            "[64:ff9b:1::7f00:1]",
            "[::ffff:0:7f00:1]",
            "[2002:a9fe:a9fe::1]",
            "[fec0::1]",
            "ip6-localhost",
            "localhost.localdomain",
            "metadata.google.internal",
            "metadata.goog",
            "instance-data.ec2.internal",
        ] {
            let url = format!("https://{host}:8443/x");
            assert!(Sources::default().check(&url).is_err(), "{url}");
            assert_eq!(Sources::open().check(&url), Ok(()), "{url}");
        }
    }

    #[test]
    fn a_list_of_hosts_is_all_that_is_taken() {
        let sources = of(&["downloads.example", "*.s3.example", "127.0.0.1"]);
        for (host, is) in [
            ("downloads.example", true),
            ("DOWNLOADS.example.:443", true),
            ("b.s3.example", true),
            ("127.0.0.1", true),
            ("s3.example", false),
            ("bs3.example", false),
            ("x.downloads.example", false),
            ("downloads.example.evil", false),
        ] {
            let checked = sources.check(&format!("https://{host}/x"));
            assert_eq!(checked.is_ok(), is, "{host}");
        }
        assert!(sources.check("http://127.0.0.1/x").is_err());
        for bad in [
            "",
            "*",
            "*.",
            "a b",
            "https://h",
            "h:1",
            "h/x",
            "*.10.0.0.1",
        ] {
            assert_eq!(HostPattern::parse(bad), None, "{bad}");
        }
    }
}
