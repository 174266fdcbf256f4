//! Those who have not said who they are: how many, and how many from one place.
//!
//! A stranger costs a socket and a TLS session until its deadline. In a crowd the deadline comes sooner, so that those
//! who say nothing make room for those who do.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;

use super::Quota;

/// The time for a greeting when more than half of the places of strangers are taken, as a part of the usual one.
const CROWD_DIVISOR: u32 = 4;

/// All of them.
pub(crate) struct Strangers {
    max: usize,
    per_network_max: u32,
    greeting: Duration,
    counts: Mutex<Counts>,
}

#[derive(Default)]
struct Counts {
    all: usize,
    networks: HashMap<Network, u32>,
}

/// An IPv4 address, or the first 64 bits of an IPv6 address: what one subscriber has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Network(u64);

impl Network {
    /// `None` for loopback.
    fn of(address: IpAddr) -> Option<Self> {
        match address.to_canonical() {
            address if address.is_loopback() => None,
            // No global IPv6 network begins with 32 bits of zero.
            IpAddr::V4(address) => Some(Self(u64::from(address.to_bits()))),
            IpAddr::V6(address) => Some(Self((address.to_bits() >> 64) as u64)),
        }
    }
}

impl Strangers {
    pub(crate) fn new(quota: &Quota) -> Self {
        Self {
            max: quota.strangers_max,
            per_network_max: quota.strangers_per_network_max,
            greeting: quota.greeting,
            counts: Mutex::default(),
        }
    }

    /// Lets one in, if there is room for it; with how long it has to say who it is.
    pub(crate) fn enter(self: &Arc<Self>, address: IpAddr) -> Option<(Stranger, Duration)> {
        let network = Network::of(address);
        let mut counts = self.counts.lock();
        if counts.all >= self.max {
            return None;
        }
        if let Some(network) = network {
            let count = counts.networks.entry(network).or_default();
            if *count >= self.per_network_max {
                return None;
            }
            *count += 1;
        }
        counts.all += 1;
        let greeting = if counts.all > self.max / 2 {
            self.greeting / CROWD_DIVISOR
        } else {
            self.greeting
        };
        let stranger = Stranger {
            strangers: Arc::clone(self),
            network,
        };
        Some((stranger, greeting))
    }
}

/// One place; dropping it, because somebody is known or gone, gives it back.
pub(crate) struct Stranger {
    strangers: Arc<Strangers>,
    network: Option<Network>,
}

impl Drop for Stranger {
    fn drop(&mut self) {
        let mut counts = self.strangers.counts.lock();
        counts.all -= 1;
        if let Some(network) = self.network
            && let Some(count) = counts.networks.get_mut(&network)
        {
            *count -= 1;
            if *count == 0 {
                counts.networks.remove(&network);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn strangers(max: usize, per_network: u32) -> Arc<Strangers> {
        Arc::new(Strangers::new(&Quota {
            strangers_max: max,
            strangers_per_network_max: per_network,
            ..Quota::default()
        }))
    }

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn one_network_cannot_take_the_places_of_others() {
        let strangers = strangers(100, 2);
        let enter = |text| strangers.enter(address(text));
        let first = [enter("192.0.2.1"), enter("::ffff:192.0.2.1")];
        assert!(first.iter().all(Option::is_some));
        assert!(enter("192.0.2.1").is_none());
        assert!(enter("192.0.2.2").is_some());
        let second = [enter("2001:db8:1:2::1"), enter("2001:db8:1:2:ffff::9")];
        assert!(second.iter().all(Option::is_some));
        assert!(enter("2001:db8:1:2:3::1").is_none());
        assert!(enter("2001:db8:1:3::1").is_some());
        drop((first, second));
        assert!(enter("192.0.2.1").is_some());
        let local: Vec<_> = (0..9).map(|_| enter("127.0.0.1")).collect();
        assert!(local.iter().all(Option::is_some));
        drop(local);
        assert!(strangers.counts.lock().networks.is_empty());
        assert_eq!(strangers.counts.lock().all, 0);
    }

    #[test]
    fn in_a_crowd_there_is_less_time() {
        let strangers = strangers(4, 9);
        let mut there = Vec::new();
        let mut times = Vec::new();
        while let Some((stranger, greeting)) = strangers.enter(address("192.0.2.1")) {
            there.push(stranger);
            times.push(greeting.as_millis());
        }
        assert_eq!(times, [10_000, 10_000, 2500, 2500]);
    }
}
