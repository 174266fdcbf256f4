//! How many connections come from one place, so that nobody takes all of them.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;

use parking_lot::Mutex;
use refit_protocol::network::Cidr;

use crate::identity::throttle::network;

/// How many connections there may be from one IPv4 address, or one IPv6 network of 64 bits: an eighth of all.
pub(super) const CONNECTIONS_PER_NETWORK_MAX: u32 = 1024;

/// Everybody, by where they come from. Loopback and trusted proxies have no bound: many come through them.
pub(super) struct Neighbours {
    proxies: Vec<Cidr>,
    counts: Mutex<HashMap<IpAddr, u32>>,
}

impl Neighbours {
    pub(super) fn new(proxies: Vec<Cidr>) -> Arc<Self> {
        Arc::new(Self {
            proxies,
            counts: Mutex::default(),
        })
    }

    /// Lets one more in from there, unless there are too many.
    pub(super) fn enter(self: &Arc<Self>, address: IpAddr) -> Option<Neighbour> {
        let address = address.to_canonical();
        if address.is_loopback() || self.proxies.iter().any(|proxy| proxy.contains(address)) {
            return Some(Neighbour(None));
        }
        let network = network(address);
        let mut counts = self.counts.lock();
        let count = counts.entry(network).or_default();
        if *count >= CONNECTIONS_PER_NETWORK_MAX {
            return None;
        }
        *count += 1;
        Some(Neighbour(Some((Arc::clone(self), network))))
    }
}

/// One who came in; dropping it gives the place back.
pub(super) struct Neighbour(Option<(Arc<Neighbours>, IpAddr)>);

impl Drop for Neighbour {
    fn drop(&mut self) {
        let Some((neighbours, network)) = &self.0 else {
            return;
        };
        let mut counts = neighbours.counts.lock();
        match counts.get_mut(network) {
            Some(count) if *count > 1 => *count -= 1,
            Some(_) | None => drop(counts.remove(network)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_network_cannot_take_every_place() {
        let neighbours = Neighbours::new(vec![Cidr::parse("198.51.100.0/24").unwrap()]);
        let enter = |text: &str| neighbours.enter(text.parse().unwrap());
        let crowd: Vec<_> = (0..CONNECTIONS_PER_NETWORK_MAX)
            .map(|n| enter(&format!("2001:db8::{n:x}")).unwrap())
            .collect();
        assert!(enter("2001:db8::ffff:1").is_none());
        let others =
            ["2001:db8:0:1::1", "192.0.2.1", "::ffff:192.0.2.1"].map(|text| enter(text).unwrap());
        for many in ["127.0.0.1", "198.51.100.7"] {
            let all: Vec<_> = (0..=CONNECTIONS_PER_NETWORK_MAX)
                .map(|_| enter(many))
                .collect();
            assert!(all.iter().all(Option::is_some), "{many}");
        }
        drop(crowd);
        assert!(enter("2001:db8::ffff:1").is_some());
        drop(others);
        assert!(neighbours.counts.lock().is_empty());
    }
}
