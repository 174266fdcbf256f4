//! The query of a pre-signed URL: what is signed, and how it is read.
//!
//! The string under the HMAC is versioned and unambiguous: each part stands on a line of its own, and no part can
//! hold a line's end. The host is not in it: a CDN in front, or a new name, must not void what was minted.
//!
//! Read strictly: each parameter once, in any order, in its one spelling (nothing is percent-decoded; no part needs
//! it), and no other. An unknown parameter is refused: it could be a restriction that this version does not know.

use super::Refused;
use super::keys::Key;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use refit_protocol::device_id::DeviceId;
use refit_protocol::digest::Digest;
use refit_protocol::grant::Strength;
use refit_protocol::network::Cidr;

/// The first line of what is signed. Another meaning needs another name here, lest an old signature fit it.
const VERSION: &str = "refit-grant-1";

/// The same of a URL that is bound to more than time: a line more, with what it is bound to.
const BOUND_VERSION: &str = "refit-grant-2";

/// The word for a URL that is bound to its device's certificate.
const DEVICE: &str = "device";

/// What a URL is bound to, beside time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bound {
    /// Nothing: whoever holds it may download.
    Time,
    /// A network that the request must come from.
    Network(Cidr),
    /// The device: the request must come over TLS with its certificate.
    Device,
}

impl Bound {
    /// Returns the strength of such a grant.
    pub const fn strength(self) -> Strength {
        match self {
            Self::Time => Strength::Time,
            Self::Network(_) => Strength::Address,
            Self::Device => Strength::Device,
        }
    }

    fn word(self) -> Option<String> {
        match self {
            Self::Time => None,
            Self::Network(network) => Some(network.to_string()),
            Self::Device => Some(DEVICE.to_owned()),
        }
    }

    /// Reads such a word in its one spelling.
    fn read(word: &str) -> Option<Self> {
        if word == DEVICE {
            return Some(Self::Device);
        }
        let network = Cidr::parse(word)?;
        (network.to_string() == word).then_some(Self::Network(network))
    }
}

/// The longest query that is looked at, in bytes: the longest device ID, key ID and network, and all names, need 360.
pub const QUERY_BYTES_MAX: usize = 512;

/// Writes the query that grants `device` the artifact until `expires` (Unix seconds).
pub(crate) fn sign(
    key: &Key,
    digest: &Digest,
    device: &DeviceId,
    bound: Bound,
    expires: u64,
) -> String {
    let signature = key.sign(&to_sign(key.id(), digest, device, bound, expires));
    let signature = URL_SAFE_NO_PAD.encode(signature);
    let key = key.id();
    let bound = bound
        .word()
        .map_or_else(String::new, |word| format!("bound={word}&"));
    format!("{bound}device={device}&expires={expires}&key={key}&signature={signature}")
}

/// Checks the signature, in constant time.
pub(crate) fn verify(key: &Key, digest: &Digest, query: &Query<'_>) -> Result<(), Refused> {
    let signed = to_sign(key.id(), digest, &query.device, query.bound, query.expires);
    let fits = key.verify(&signed, &query.signature);
    fits.then_some(()).ok_or(Refused::BadSignature)
}

fn to_sign(key: &str, digest: &Digest, device: &DeviceId, bound: Bound, expires: u64) -> String {
    match bound.word() {
        None => format!("{VERSION}\n{device}\n{digest}\n{expires}\n{key}\n"),
        Some(word) => format!("{BOUND_VERSION}\n{device}\n{digest}\n{expires}\n{key}\n{word}\n"),
    }
}

/// A query that could be read; whether it is true is for the signature to say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Query<'a> {
    /// The device it claims to be for.
    pub device: DeviceId,
    /// What it claims to be bound to.
    pub bound: Bound,
    /// When it claims to expire, in Unix seconds.
    pub expires: u64,
    /// The key it claims to be signed with.
    pub key: &'a str,
    /// The signature.
    pub signature: [u8; 32],
}

impl<'a> Query<'a> {
    /// Reads the query of a pre-signed URL, without its `?`.
    pub fn parse(query: &'a str) -> Result<Self, Refused> {
        if query.is_empty() {
            return Err(Refused::Missing("grant"));
        }
        if query.len() > QUERY_BYTES_MAX {
            return Err(Refused::Malformed("a query that is too long"));
        }
        let mut parts = Parts::default();
        for parameter in query.split('&') {
            let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
            let part = parts
                .named(name)
                .ok_or(Refused::Malformed("an unknown parameter"))?;
            if part.replace(value).is_some() {
                return Err(Refused::Malformed("a parameter twice"));
            }
        }
        parts.read()
    }
}

#[derive(Default)]
struct Parts<'a> {
    bound: Option<&'a str>,
    device: Option<&'a str>,
    expires: Option<&'a str>,
    key: Option<&'a str>,
    signature: Option<&'a str>,
}

impl<'a> Parts<'a> {
    fn named(&mut self, name: &str) -> Option<&mut Option<&'a str>> {
        match name {
            "bound" => Some(&mut self.bound),
            "device" => Some(&mut self.device),
            "expires" => Some(&mut self.expires),
            "key" => Some(&mut self.key),
            "signature" => Some(&mut self.signature),
            _ => None,
        }
    }

    fn read(self) -> Result<Query<'a>, Refused> {
        let device = self.device.ok_or(Refused::Missing("device"))?;
        let expires = self.expires.ok_or(Refused::Missing("expiry"))?;
        let key = self.key.ok_or(Refused::Missing("key"))?;
        let signature = self.signature.ok_or(Refused::Missing("signature"))?;
        let bound = self.bound.map_or(Some(Bound::Time), Bound::read);
        Ok(Query {
            bound: bound.ok_or(Refused::Malformed("an invalid bound"))?,
            device: DeviceId::parse(device).map_err(|_| Refused::Malformed("an invalid device"))?,
            expires: number(expires).ok_or(Refused::Malformed("an invalid expiry"))?,
            key,
            signature: bytes(signature).ok_or(Refused::Malformed("an invalid signature"))?,
        })
    }
}

/// Reads a number in its one spelling: digits, no sign, no leading zero.
fn number(text: &str) -> Option<u64> {
    let number: u64 = text.parse().ok()?;
    (number.to_string() == text).then_some(number)
}

/// Reads base64url without padding (RFC 4648 §5); left-over bits that are not zero would be a second spelling.
fn bytes(text: &str) -> Option<[u8; 32]> {
    URL_SAFE_NO_PAD.decode(text).ok()?.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIGNATURE: &str = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

    /// A query in which `S` stands for a signature that can be read.
    fn parse(query: &str) -> Result<(String, u64, String), Refused> {
        let query = query.replace('S', SIGNATURE);
        Query::parse(&query).map(|q| (q.device.to_string(), q.expires, q.key.to_owned()))
    }

    #[test]
    fn each_parameter_once_in_any_order() {
        let read = Ok(("d".to_owned(), 5, "k".to_owned()));
        assert_eq!(parse("device=d&expires=5&key=k&signature=S"), read);
        assert_eq!(parse("signature=S&key=k&expires=5&device=d"), read);
    }

    #[test]
    fn any_other_spelling_is_refused() {
        use Refused::{Malformed, Missing};
        for (query, why) in [
            ("", Missing("grant")),
            ("expires=5&key=k&signature=S", Missing("device")),
            ("device=d&key=k&signature=S", Missing("expiry")),
            ("device=d&expires=5&signature=S", Missing("key")),
            ("device=d&expires=5&key=k", Missing("signature")),
            (
                "device=d&expires=5&key=k&signature=S&",
                Malformed("an unknown parameter"),
            ),
            (
                "device=d&expires=5&key=k&signature=S&utm=1",
                Malformed("an unknown parameter"),
            ),
            (
                "Device=d&expires=5&key=k&signature=S",
                Malformed("an unknown parameter"),
            ),
            (
                "device=d&device=d&expires=5&key=k&signature=S",
                Malformed("a parameter twice"),
            ),
            (
                "bound=&device=d&expires=5&key=k&signature=S",
                Malformed("an invalid bound"),
            ),
            (
                "bound=time&device=d&expires=5&key=k&signature=S",
                Malformed("an invalid bound"),
            ),
            (
                "bound=203.0.113.7&device=d&expires=5&key=k&signature=S",
                Malformed("an invalid bound"),
            ),
            (
                "bound=203.0.113.7/24&device=d&expires=5&key=k&signature=S",
                Malformed("an invalid bound"),
            ),
            (
                "device=&expires=5&key=k&signature=S",
                Malformed("an invalid device"),
            ),
            (
                "device=a/b&expires=5&key=k&signature=S",
                Malformed("an invalid device"),
            ),
            (
                "device=a%3Ab&expires=5&key=k&signature=S",
                Malformed("an invalid device"),
            ),
            (
                "device=d&expires=05&key=k&signature=S",
                Malformed("an invalid expiry"),
            ),
            (
                "device=d&expires=+5&key=k&signature=S",
                Malformed("an invalid expiry"),
            ),
            (
                "device=d&expires=-5&key=k&signature=S",
                Malformed("an invalid expiry"),
            ),
            (
                "device=d&expires=&key=k&signature=S",
                Malformed("an invalid expiry"),
            ),
            (
                "device=d&expires=99999999999999999999&key=k&signature=S",
                Malformed("an invalid expiry"),
            ),
            (
                "device=d&expires=5&key=k&signature=",
                Malformed("an invalid signature"),
            ),
            (
                "device=d&expires=5&key=k&signature=S=",
                Malformed("an invalid signature"),
            ),
            (
                "device=d&expires=5&key=k&signature=AAAA",
                Malformed("an invalid signature"),
            ),
            (
                "device=d&expires=5&key=k&signature=%41",
                Malformed("an invalid signature"),
            ),
        ] {
            assert_eq!(parse(query), Err(why), "{query}");
        }
        let last_bits = SIGNATURE.strip_suffix('A').unwrap().to_owned() + "B";
        let query = format!("device=d&expires=5&key=k&signature={last_bits}");
        assert_eq!(parse(&query), Err(Malformed("an invalid signature")));
        let long = format!("device={}", "d".repeat(QUERY_BYTES_MAX));
        assert_eq!(parse(&long), Err(Malformed("a query that is too long")));
    }
}
