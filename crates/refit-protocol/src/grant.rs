//! How a device may download its software: the kind of grant, what it is bound to, and what to do if it cannot be
//! (design §6, semantics 1 and 3). Documents name these things by the words of this file.

use crate::network::Cidr;
use alloc::format;
use alloc::string::String;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The longest that a grant may be good, in seconds: a year and a day, as for any other setting.
pub const LIFETIME_SECONDS_MAX: u32 = 366 * 86_400;

/// What a device is given.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum GrantKind {
    /// A URL that carries its grant.
    #[default]
    Presigned,
    /// A plain URL; the device asks for a credential with its own identity.
    Credential,
}

/// What a grant is bound to, from the weakest.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Strength {
    /// Whoever holds it, until it expires.
    #[default]
    Time,
    /// And only from a network.
    Address,
    /// And only over TLS with that device's certificate.
    Device,
}

/// The network that a grant of strength `address` is bound to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "NetworkWord", into = "NetworkWord")]
pub enum Network {
    /// The address that the device was last seen from: itself in IPv4, its /64 in IPv6.
    #[default]
    Seen,
    /// This one.
    Cidr(Cidr),
}

/// What follows when a grant cannot be bound as it should be, or was refused for its address too often.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Fallback {
    /// Nothing is sent, and `why` says so: a silent weaker grant would be an attacker's choice.
    #[default]
    Stop,
    /// A pre-signed URL that is bound in time only.
    Time,
    /// A temporary credential.
    Credential,
}

/// Which grant a device gets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct GrantPolicy {
    /// What the device is given.
    #[serde(default)]
    pub kind: GrantKind,
    /// What a pre-signed URL is bound to; a credential is always bound to the device.
    #[serde(default)]
    pub strength: Strength,
    /// How long it is good, in seconds; `None`: as long as the artifact takes on a slow link.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lifetime: Option<u32>,
    /// Which network a URL of strength `address` is bound to.
    #[serde(default, skip_serializing_if = "is_default")]
    pub network: Network,
    /// What follows when it cannot be bound so.
    #[serde(default, skip_serializing_if = "is_default")]
    pub fallback: Fallback,
    /// What it must be bound to at the least, the fallback included; else nothing is sent.
    #[serde(default, skip_serializing_if = "is_default")]
    pub min_strength: Strength,
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

impl GrantKind {
    /// Returns the word of the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Presigned => "presigned",
            Self::Credential => "credential",
        }
    }

    /// Reads such a word.
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Presigned, Self::Credential]
            .into_iter()
            .find(|kind| kind.as_str() == text)
    }
}

impl Strength {
    /// Returns the word of the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Time => "time",
            Self::Address => "address",
            Self::Device => "device",
        }
    }

    /// Reads such a word.
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Time, Self::Address, Self::Device]
            .into_iter()
            .find(|strength| strength.as_str() == text)
    }
}

impl Fallback {
    /// Returns the word of the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Stop => "stop",
            Self::Time => "time",
            Self::Credential => "credential",
        }
    }

    /// Reads such a word.
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Stop, Self::Time, Self::Credential]
            .into_iter()
            .find(|fallback| fallback.as_str() == text)
    }
}

impl Network {
    /// Reads `seen`, or a network.
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "seen" => Some(Self::Seen),
            text => Cidr::parse(text).map(Self::Cidr),
        }
    }
}

#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum NetworkWord {
    Cidr(Cidr),
    Seen(Seen),
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Seen {
    Seen,
}

impl From<NetworkWord> for Network {
    fn from(word: NetworkWord) -> Self {
        match word {
            NetworkWord::Cidr(network) => Self::Cidr(network),
            NetworkWord::Seen(Seen::Seen) => Self::Seen,
        }
    }
}

impl From<Network> for NetworkWord {
    fn from(network: Network) -> Self {
        match network {
            Network::Cidr(network) => Self::Cidr(network),
            Network::Seen => Self::Seen(Seen::Seen),
        }
    }
}

impl GrantPolicy {
    /// Reads a policy of a document: the kind alone, or an object of these fields.
    pub fn read(value: &Value) -> Result<Self, String> {
        let policy = match value {
            Value::String(kind) => Self {
                kind: GrantKind::parse(kind).ok_or("grant is neither presigned nor credential")?,
                ..Self::default()
            },
            Value::Object(_) => Self::deserialize(value).map_err(|why| format!("grant: {why}"))?,
            _ => return Err("grant is neither text nor an object".into()),
        };
        policy.checked()
    }

    /// Refuses what can never be had.
    pub fn checked(self) -> Result<Self, String> {
        if let Some(lifetime) = self.lifetime
            && !(1..=LIFETIME_SECONDS_MAX).contains(&lifetime)
        {
            return Err(format!(
                "grant.lifetime is a number of seconds from 1 to {LIFETIME_SECONDS_MAX}"
            ));
        }
        if self.reach() < self.min_strength {
            return Err(format!(
                "grant: a {} of strength {} cannot reach minStrength {}",
                self.kind.as_str(),
                self.strength.as_str(),
                self.min_strength.as_str()
            ));
        }
        Ok(self)
    }

    /// Returns what this policy's own grant, before any fallback, is bound to.
    pub const fn reach(&self) -> Strength {
        match self.kind {
            GrantKind::Presigned => self.strength,
            GrantKind::Credential => Strength::Device,
        }
    }

    /// Tells whether a device that gets this needs a certificate.
    pub const fn needs_certificate(&self) -> bool {
        matches!(self.reach(), Strength::Device) || matches!(self.fallback, Fallback::Credential)
    }
}

/// Why no grant can be had that a policy allows. Nothing is sent then, and `why` says so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ungranted {
    /// The device has no public address to bind to, as far as is known here.
    NoAddress,
    /// Grants that were bound to its address were refused for another address, as often as may be.
    AddressRefused,
    /// Devices have no certificates here.
    NoCertificates,
    /// The store of the artifact cannot bind as it is asked to.
    Weak,
    /// The store of the artifact did not grant.
    Unavailable,
}

impl Ungranted {
    /// All of them; the place of each is the code by which it is kept.
    pub const ALL: [Self; 5] = [
        Self::NoAddress,
        Self::AddressRefused,
        Self::NoCertificates,
        Self::Weak,
        Self::Unavailable,
    ];

    /// Returns it in one word, for events and metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NoAddress => "no-address",
            Self::AddressRefused => "address",
            Self::NoCertificates => "no-certificates",
            Self::Weak => "weak",
            Self::Unavailable => "unavailable",
        }
    }

    /// Says what stands in the way, and what removes it.
    pub const fn sentence(self) -> &'static str {
        match self {
            Self::NoAddress => {
                "its grant is to be bound to its address, and it has no public one that is known here: name its \
                 network, or allow a fallback (time or credential)"
            }
            Self::AddressRefused => {
                "its downloads come from another address than its grants are bound to, and were refused as often as \
                 may be: name its network, or allow a fallback (time or credential)"
            }
            Self::NoCertificates => {
                "its grant is to be bound to its certificate, and devices have none here: serve with TLS (without \
                 --dev), or choose strength time or address"
            }
            Self::Weak => {
                "no grant that its policy allows reaches the minimum strength: lower min-strength, or choose a \
                 stronger grant"
            }
            Self::Unavailable => {
                "the store of its artifact gives no grant at the moment: it is asked again"
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn read(value: Value) -> Result<GrantPolicy, String> {
        GrantPolicy::read(&value)
    }

    #[test]
    fn a_policy_is_a_word_or_an_object() {
        let credential = GrantPolicy {
            kind: GrantKind::Credential,
            ..GrantPolicy::default()
        };
        assert_eq!(read(json!("credential")), Ok(credential));
        assert_eq!(read(json!({"kind": "credential"})), Ok(credential));
        let bound = GrantPolicy {
            strength: Strength::Address,
            lifetime: Some(60),
            network: Network::parse("203.0.113.0/24").unwrap(),
            fallback: Fallback::Time,
            ..GrantPolicy::default()
        };
        let written = json!({"kind": "presigned", "strength": "address", "lifetime": 60,
            "network": "203.0.113.0/24", "fallback": "time", "minStrength": "time"});
        assert_eq!(read(written), Ok(bound));
        let again = serde_json::to_value(bound).unwrap();
        assert_eq!(read(again), Ok(bound));
    }

    #[test]
    fn what_cannot_be_had_is_refused() {
        for (value, why) in [
            (json!("maybe"), "neither presigned nor credential"),
            (json!(7), "neither text nor an object"),
            (json!({"strength": "strong"}), "unknown variant"),
            (json!({"strenght": "time"}), "unknown field"),
            (json!({"lifetime": 0}), "from 1 to"),
            (json!({"lifetime": -1}), "grant:"),
            (json!({"network": "203.0.113.7/24"}), "grant:"),
            (
                json!({"strength": "time", "minStrength": "device"}),
                "cannot reach",
            ),
        ] {
            let refused = read(value.clone()).unwrap_err();
            assert!(refused.contains(why), "{value}: {refused}");
        }
        assert!(read(json!({"kind": "credential", "minStrength": "device"})).is_ok());
    }

    #[test]
    fn strengths_are_in_order() {
        assert!(Strength::Time < Strength::Address && Strength::Address < Strength::Device);
    }

    #[test]
    fn words_are_read_as_they_are_written() {
        for strength in [Strength::Time, Strength::Address, Strength::Device] {
            assert_eq!(Strength::parse(strength.as_str()), Some(strength));
            assert_eq!(
                serde_json::to_value(strength).unwrap(),
                json!(strength.as_str())
            );
        }
        for fallback in [Fallback::Stop, Fallback::Time, Fallback::Credential] {
            assert_eq!(Fallback::parse(fallback.as_str()), Some(fallback));
            assert_eq!(
                serde_json::to_value(fallback).unwrap(),
                json!(fallback.as_str())
            );
        }
        for kind in [GrantKind::Presigned, GrantKind::Credential] {
            assert_eq!(GrantKind::parse(kind.as_str()), Some(kind));
            assert_eq!(serde_json::to_value(kind).unwrap(), json!(kind.as_str()));
        }
    }
}
