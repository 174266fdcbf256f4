//! Networks as a grant can be bound to them: a CIDR (RFC 4632, RFC 4291 §2.3) in its one spelling, and which
//! addresses are public at all.

use alloc::string::{String, ToString};
use core::fmt;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The longest text that is looked at: `ffff:…:ffff/128`, with room for an IPv4 tail.
const CIDR_BYTES_MAX: usize = 49;

/// The prefix of IPv6 that one subscriber has to itself: within it a device changes its address as it likes.
const IPV6_SITE_BITS: u8 = 64;

/// A network: an address and how many of its first bits count. The others are zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Cidr {
    address: IpAddr,
    bits: u8,
}

impl Cidr {
    /// Makes a network of the first `bits` of an address; `None` if the address has fewer.
    pub fn new(address: IpAddr, bits: u8) -> Option<Self> {
        let address = canonical(address);
        (bits <= width(address)).then(|| Self {
            address: masked(address, bits),
            bits,
        })
    }

    /// Returns what a grant is bound to that is for this address: itself in IPv4, its /64 in IPv6 (semantics 3).
    pub fn around(address: IpAddr) -> Self {
        let address = canonical(address);
        let bits = match address {
            IpAddr::V4(_) => 32,
            IpAddr::V6(_) => IPV6_SITE_BITS,
        };
        Self {
            address: masked(address, bits),
            bits,
        }
    }

    /// Reads `203.0.113.0/24`, `2001:db8::/32`, or an address alone, in its one spelling: bits beyond the prefix are
    /// zero, and nothing is abbreviated otherwise than here.
    pub fn parse(text: &str) -> Option<Self> {
        if text.len() > CIDR_BYTES_MAX {
            return None;
        }
        let (address, bits) = match text.split_once('/') {
            Some((address, bits)) => (address, Some(bits)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().ok()?;
        if canonical(address) != address {
            return None;
        }
        let bits = match bits {
            Some(bits) => bits
                .parse()
                .ok()
                .filter(|n: &u8| *n <= width(address) && n.to_string() == bits)?,
            None => width(address),
        };
        (masked(address, bits) == address).then_some(Self { address, bits })
    }

    /// Tells whether an address lies in this network.
    pub fn contains(&self, address: IpAddr) -> bool {
        let address = canonical(address);
        width(address) == width(self.address) && masked(address, self.bits) == self.address
    }
}

impl fmt::Display for Cidr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.bits)
    }
}

impl Serialize for Cidr {
    fn serialize<S: Serializer>(&self, out: S) -> Result<S::Ok, S::Error> {
        out.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Cidr {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = String::deserialize(from)?;
        Self::parse(&text).ok_or_else(|| {
            serde::de::Error::custom("a network is written as 203.0.113.0/24 or 2001:db8::/48")
        })
    }
}

/// An IPv4 address that came mapped into IPv6 (RFC 4291 §2.5.5.2) is that IPv4 address.
pub fn canonical(address: IpAddr) -> IpAddr {
    address.to_canonical()
}

/// Tells whether a grant can be bound to this address: others may share it, but not everybody has one like it.
///
/// Private (RFC 1918), shared (RFC 6598), unique local (RFC 4193), link-local and loopback addresses are not, nor what
/// is no address of one host (semantics 3).
pub fn is_public(address: IpAddr) -> bool {
    match canonical(address) {
        IpAddr::V4(address) => {
            let [first, second, ..] = address.octets();
            let is_shared = first == 100 && second & 0xc0 == 64;
            !(address.is_private()
                || is_shared
                || address.is_loopback()
                || address.is_link_local()
                || address.is_broadcast()
                || address.is_multicast()
                || first == 0
                || first >= 240)
        }
        IpAddr::V6(address) => {
            !(address.is_loopback()
                || address.is_unspecified()
                || address.is_unique_local()
                || address.is_unicast_link_local()
                || address.is_multicast())
        }
    }
}

const fn width(address: IpAddr) -> u8 {
    match address {
        IpAddr::V4(_) => 32,
        IpAddr::V6(_) => 128,
    }
}

fn masked(address: IpAddr, bits: u8) -> IpAddr {
    match address {
        IpAddr::V4(address) => {
            let kept = u32::MAX
                .checked_shl(32 - u32::from(bits.min(32)))
                .unwrap_or(0);
            Ipv4Addr::from_bits(address.to_bits() & kept).into()
        }
        IpAddr::V6(address) => {
            let kept = u128::MAX
                .checked_shl(128 - u32::from(bits.min(128)))
                .unwrap_or(0);
            Ipv6Addr::from_bits(address.to_bits() & kept).into()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn a_network_holds_its_addresses_and_no_other() {
        for (network, inside, outside) in [
            ("203.0.113.0/24", "203.0.113.255", "203.0.114.0"),
            ("203.0.113.7", "203.0.113.7", "203.0.113.6"),
            ("203.0.113.7", "::ffff:203.0.113.7", "::ffff:203.0.113.8"),
            ("2001:db8:1:2::/64", "2001:db8:1:2::ff", "2001:db8:1:3::"),
            ("0.0.0.0/0", "8.8.8.8", "2001:db8::1"),
            ("::/0", "2001:db8::1", "8.8.8.8"),
        ] {
            let read = Cidr::parse(network).unwrap();
            assert!(read.contains(ip(inside)), "{network} {inside}");
            assert!(!read.contains(ip(outside)), "{network} {outside}");
        }
    }

    #[test]
    fn another_spelling_of_a_network_is_none() {
        for text in [
            "203.0.113.7/24",
            "203.0.113.0/024",
            "203.0.113.0/33",
            "203.0.113.0/",
            "203.0.113/24",
            "2001:db8::/129",
            "2001:db8::1/64",
            "::ffff:203.0.113.7/128",
            "",
            "/",
            "fe80::1%eth0",
            " 203.0.113.7",
        ] {
            assert_eq!(Cidr::parse(text), None, "{text}");
        }
    }

    #[test]
    fn around_an_address_is_itself_or_its_site() {
        let around = |text| Cidr::around(ip(text)).to_string();
        assert_eq!(around("203.0.113.7"), "203.0.113.7/32");
        assert_eq!(around("::ffff:203.0.113.7"), "203.0.113.7/32");
        assert_eq!(around("2001:db8:1:2:3:4:5:6"), "2001:db8:1:2::/64");
    }

    #[test]
    fn addresses_that_many_have_are_not_public() {
        for text in [
            "10.1.2.3",
            "172.16.0.1",
            "192.168.1.1",
            "100.64.0.1",
            "100.127.255.255",
            "127.0.0.1",
            "169.254.1.1",
            "0.0.0.0",
            "255.255.255.255",
            "224.0.0.1",
            "::1",
            "::",
            "fd00::1",
            "fe80::1",
            "ff02::1",
            "::ffff:10.0.0.1",
        ] {
            assert!(!is_public(ip(text)), "{text}");
        }
        for text in [
            "8.8.8.8",
            "100.63.0.1",
            "100.128.0.1",
            "203.0.113.7",
            "2001:db8::1",
            "2a00::1",
        ] {
            assert!(is_public(ip(text)), "{text}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_again(address: u128, v4: bool, bits in 0u8..=128) {
            let address = if v4 { IpAddr::V4((address as u32).into()) } else { IpAddr::V6(address.into()) };
            prop_assume!(canonical(address) == address);
            let Some(network) = Cidr::new(address, bits) else { return Ok(()) };
            prop_assert!(network.contains(address));
            prop_assert_eq!(Cidr::parse(&network.to_string()), Some(network));
        }

        #[test]
        fn any_text_is_read_or_refused(text in "[0-9a-f:./ ]{0,60}") {
            if let Some(network) = Cidr::parse(&text) {
                prop_assert_eq!(Cidr::parse(&network.to_string()), Some(network));
            }
        }
    }
}
