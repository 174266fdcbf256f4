//! How often an address may ask what anybody may ask: a token bucket for each, and one for all.
//!
//! A whole factory may enrol from one address, so a bucket is generous; it bounds what signing and the disk cost us,
//! not guessing: a claim's secret has 128 bits.

use std::collections::HashMap;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

/// How many questions of one address are taken at once, and then a second.
const BURST: f64 = 100.0;
const PER_SECOND: f64 = 20.0;

/// The same for all addresses together: a third of what one core can sign.
const BURST_ALL: f64 = 1000.0;
const PER_SECOND_ALL: f64 = 500.0;

/// How many addresses are remembered; the fullest buckets are forgotten first.
const ADDRESSES_MAX: usize = 20_000;

pub(crate) struct Throttle {
    known: Mutex<Known>,
}

struct Known {
    addresses: HashMap<IpAddr, Bucket>,
    all: Bucket,
}

#[derive(Clone, Copy)]
struct Bucket {
    left: f64,
    at: Instant,
}

impl Bucket {
    fn fill(&mut self, now: Instant, burst: f64, per_second: f64) {
        let passed = now.saturating_duration_since(self.at).as_secs_f64();
        self.left = passed.mul_add(per_second, self.left).min(burst);
        self.at = now;
    }
}

impl Throttle {
    pub(crate) fn new(now: Instant) -> Self {
        Self {
            known: Mutex::new(Known {
                addresses: HashMap::new(),
                all: Bucket {
                    left: BURST_ALL,
                    at: now,
                },
            }),
        }
    }

    /// Takes one question of this address, or says how long to wait. `None`: nobody knows from where it comes.
    pub(crate) fn take(&self, address: Option<IpAddr>, now: Instant) -> Result<(), Duration> {
        let mut known = self.known.lock();
        known.all.fill(now, BURST_ALL, PER_SECOND_ALL);
        if known.all.left < 1.0 {
            return Err(Duration::from_secs(1));
        }
        if let Some(address) = address {
            if known.addresses.len() >= ADDRESSES_MAX {
                known.forget(now);
            }
            let bucket = known.addresses.entry(network(address)).or_insert(Bucket {
                left: BURST,
                at: now,
            });
            bucket.fill(now, BURST, PER_SECOND);
            if bucket.left < 1.0 {
                return Err(Duration::from_secs(1));
            }
            bucket.left -= 1.0;
        }
        known.all.left -= 1.0;
        Ok(())
    }
}

impl Known {
    /// Forgets those who have not asked for long enough that it makes no difference; if that is nobody, everybody.
    fn forget(&mut self, now: Instant) {
        self.addresses.retain(|_, bucket| {
            bucket.fill(now, BURST, PER_SECOND);
            bucket.left < BURST
        });
        if self.addresses.len() >= ADDRESSES_MAX {
            self.addresses.clear();
        }
    }
}

/// One customer has at least a /64 of IPv6 (RFC 6177), so that is one address here.
pub(crate) fn network(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V6(six) => match six.to_ipv4_mapped() {
            Some(four) => four.into(),
            None => std::net::Ipv6Addr::from(u128::from(six) >> 64 << 64).into(),
        },
        four @ IpAddr::V4(_) => four,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_address_is_bounded_and_the_next_is_served() {
        let begin = Instant::now();
        let throttle = Throttle::new(begin);
        let one: IpAddr = "2001:db8::1".parse().unwrap();
        let near: IpAddr = "2001:db8::2".parse().unwrap();
        let far: IpAddr = "2001:db8:0:1::1".parse().unwrap();
        for _ in 0..100 {
            assert_eq!(throttle.take(Some(one), begin), Ok(()));
        }
        assert!(throttle.take(Some(near), begin).is_err());
        assert_eq!(throttle.take(Some(far), begin), Ok(()));
        let later = begin + Duration::from_secs(1);
        for _ in 0..20 {
            assert_eq!(throttle.take(Some(near), later), Ok(()));
        }
        assert!(throttle.take(Some(one), later).is_err());
    }

    #[test]
    fn many_addresses_are_bounded_together_and_in_memory() {
        let begin = Instant::now();
        let throttle = Throttle::new(begin);
        let asked = |n: u32, now| throttle.take(Some(IpAddr::from(n.to_be_bytes())), now);
        let served = (0..5000).filter(|n| asked(*n, begin).is_ok()).count();
        assert_eq!(served, 1000);
        for n in 0..60_000 {
            let now = begin + Duration::from_secs(1 + u64::from(n) / 400);
            assert_eq!(asked(n, now), Ok(()), "{n}");
            assert!(throttle.known.lock().addresses.len() <= ADDRESSES_MAX);
        }
    }
}
