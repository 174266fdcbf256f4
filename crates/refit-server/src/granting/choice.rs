//! The grant that a policy gives a device, as things are.

use std::net::IpAddr;

use refit_depot::grant::presigned::Bound;
use refit_protocol::grant::{Fallback, GrantKind, GrantPolicy, Network, Strength, Ungranted};
use refit_protocol::network::{Cidr, is_public};

/// How often a URL is minted again for one job after one was refused for its address (semantics 3).
pub(super) const MINTED_AGAIN_MAX: u8 = 3;

/// How things are.
#[derive(Clone, Copy, Debug)]
pub(super) struct Circumstances {
    /// Whether devices have certificates here.
    pub(super) certificates: bool,
    /// From where the device was last seen.
    pub(super) address: Option<IpAddr>,
    /// How often a URL of this job was minted anew because one had been refused for its address, the one that is
    /// wanted now included.
    pub(super) refusals: u8,
}

/// What is given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Choice {
    /// A URL with its grant in it.
    Url(Bound),
    /// A plain URL, and the permission to ask for a credential.
    Credential,
}

impl Choice {
    const fn strength(self) -> Strength {
        match self {
            Self::Url(bound) => bound.strength(),
            Self::Credential => Strength::Device,
        }
    }
}

/// Chooses. `least` is the server's own minimum, whatever the policy says.
pub(super) fn choose(
    policy: &GrantPolicy,
    least: Strength,
    circumstances: &Circumstances,
) -> Result<Choice, Ungranted> {
    let least = policy.min_strength.max(least);
    let wanted = match (policy.kind, policy.strength) {
        (GrantKind::Credential, _) => Ok(Choice::Credential),
        (GrantKind::Presigned, Strength::Time) => Ok(Choice::Url(Bound::Time)),
        (GrantKind::Presigned, Strength::Device) => Ok(Choice::Url(Bound::Device)),
        (GrantKind::Presigned, Strength::Address) => {
            network(policy, circumstances).map(|network| Choice::Url(Bound::Network(network)))
        }
    };
    let choice = match (wanted, policy.fallback) {
        (Ok(choice), _) => choice,
        (Err(why), Fallback::Stop) => return Err(why),
        (Err(_), Fallback::Time) => Choice::Url(Bound::Time),
        (Err(_), Fallback::Credential) => Choice::Credential,
    };
    if choice.strength() == Strength::Device && !circumstances.certificates {
        return Err(Ungranted::NoCertificates);
    }
    if choice.strength() < least {
        return Err(wanted.err().unwrap_or(Ungranted::Weak));
    }
    Ok(choice)
}

fn network(policy: &GrantPolicy, circumstances: &Circumstances) -> Result<Cidr, Ungranted> {
    if circumstances.refusals > MINTED_AGAIN_MAX {
        return Err(Ungranted::AddressRefused);
    }
    match (policy.network, circumstances.address) {
        (Network::Cidr(network), _) => Ok(network),
        (Network::Seen, Some(address)) if is_public(address) => Ok(Cidr::around(address)),
        (Network::Seen, _) => Err(Ungranted::NoAddress),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Writes a choice in a word: of `kind strength network fallback min`, seen from an address, refused so often.
    fn chosen(policy: &str, address: &str, refusals: u8, certificates: bool) -> String {
        let words: Vec<&str> = policy.split(' ').collect();
        let policy = GrantPolicy {
            kind: GrantKind::parse(words[0]).unwrap(),
            strength: Strength::parse(words[1]).unwrap(),
            network: Network::parse(words[2]).unwrap(),
            fallback: Fallback::parse(words[3]).unwrap(),
            min_strength: Strength::parse(words[4]).unwrap(),
            lifetime: None,
        };
        let circumstances = Circumstances {
            certificates,
            address: address.parse().ok(),
            refusals,
        };
        match choose(&policy, Strength::Time, &circumstances) {
            Ok(Choice::Credential) => "credential".into(),
            Ok(Choice::Url(Bound::Time)) => "time".into(),
            Ok(Choice::Url(Bound::Device)) => "device".into(),
            Ok(Choice::Url(Bound::Network(network))) => network.to_string(),
            Err(why) => why.as_str().into(),
        }
    }

    #[test]
    fn the_choice_by_policy_and_circumstances() {
        for (policy, address, refusals, certificates, choice) in [
            ("presigned time seen stop time", "", 0, false, "time"),
            ("presigned device seen stop time", "", 0, true, "device"),
            ("credential time seen stop time", "", 0, true, "credential"),
            (
                "credential time seen stop device",
                "",
                0,
                true,
                "credential",
            ),
            // without certificates nothing can be bound to one
            (
                "presigned device seen stop time",
                "",
                0,
                false,
                "no-certificates",
            ),
            (
                "credential time seen stop time",
                "",
                0,
                false,
                "no-certificates",
            ),
            (
                "presigned address seen credential time",
                "10.0.0.1",
                0,
                false,
                "no-certificates",
            ),
            // the address seen, if it is public
            (
                "presigned address seen stop time",
                "203.0.113.7",
                0,
                false,
                "203.0.113.7/32",
            ),
            (
                "presigned address seen stop time",
                "2001:db8:1:2:3::4",
                0,
                false,
                "2001:db8:1:2::/64",
            ),
            (
                "presigned address seen stop time",
                "10.0.0.1",
                0,
                false,
                "no-address",
            ),
            (
                "presigned address seen stop time",
                "",
                0,
                false,
                "no-address",
            ),
            (
                "presigned address seen time time",
                "10.0.0.1",
                0,
                false,
                "time",
            ),
            (
                "presigned address seen credential time",
                "",
                0,
                true,
                "credential",
            ),
            // a network that is given, whatever was seen
            (
                "presigned address 203.0.113.0/24 stop time",
                "10.0.0.1",
                0,
                false,
                "203.0.113.0/24",
            ),
            // minted again three times after a refusal, then the fallback
            (
                "presigned address seen stop time",
                "203.0.113.7",
                3,
                false,
                "203.0.113.7/32",
            ),
            (
                "presigned address seen stop time",
                "203.0.113.7",
                4,
                false,
                "address",
            ),
            (
                "presigned address 203.0.113.0/24 time time",
                "10.0.0.1",
                4,
                false,
                "time",
            ),
            // the minimum counts for the fallback too
            (
                "presigned address seen time address",
                "10.0.0.1",
                0,
                false,
                "no-address",
            ),
            (
                "presigned address seen credential address",
                "10.0.0.1",
                0,
                true,
                "credential",
            ),
        ] {
            let said = chosen(policy, address, refusals, certificates);
            assert_eq!(said, choice, "{policy} {address} {refusals} {certificates}");
        }
    }

    #[test]
    fn the_servers_minimum_counts_for_every_policy() {
        let circumstances = Circumstances {
            certificates: true,
            address: None,
            refusals: 0,
        };
        let policy = GrantPolicy::default();
        assert_eq!(
            choose(&policy, Strength::Device, &circumstances),
            Err(Ungranted::Weak)
        );
    }

    proptest! {
        /// Whatever is chosen is at least as strong as it must be, and never a guess about an address.
        #[test]
        fn nothing_weaker_is_chosen(
            kind in prop::sample::select(vec!["presigned", "credential"]),
            strength in prop::sample::select(vec!["time", "address", "device"]),
            fallback in prop::sample::select(vec!["stop", "time", "credential"]),
            least in prop::sample::select(vec!["time", "address", "device"]),
            address: Option<IpAddr>, refusals in 0u8..6, certificates: bool,
        ) {
            let policy = GrantPolicy {
                kind: GrantKind::parse(kind).unwrap(),
                strength: Strength::parse(strength).unwrap(),
                fallback: Fallback::parse(fallback).unwrap(),
                ..GrantPolicy::default()
            };
            let least = Strength::parse(least).unwrap();
            let circumstances = Circumstances { certificates, address, refusals };
            if let Ok(choice) = choose(&policy, least, &circumstances) {
                prop_assert!(choice.strength() >= least);
                prop_assert!(choice.strength() >= policy.reach() || fallback != "stop");
                if let Choice::Url(Bound::Network(network)) = choice {
                    prop_assert!(network.contains(address.unwrap()) && is_public(address.unwrap()));
                }
            }
        }
    }
}
