//! How often somebody may try to sign in: a bucket of tries per account, and one per address. A try costs one of each
//! before the password is looked at, so that many at once gain nothing; a right password gives them back.
//!
//! A bucket fills again by itself, so nobody is locked out for good by somebody else's guesses. Both maps are bounded:
//! when one is full, whoever has most tries left is forgotten, which costs nobody their punishment but the mildest.

use std::collections::HashMap;
use std::hash::Hash;
use std::net::IpAddr;

/// Tries that an account has at once, and how long one takes to come back.
pub const ACCOUNT_TRIES: u32 = 5;
const ACCOUNT_REFILL_MS: u64 = 30_000;

/// The same for an address, behind which there may be an office.
pub const ADDRESS_TRIES: u32 = 20;
const ADDRESS_REFILL_MS: u64 = 6_000;

/// How many accounts, and how many addresses, are remembered.
const REMEMBERED_MAX: usize = 4096;

/// Who tried how often. Times are milliseconds on a clock that does not go back.
#[derive(Debug)]
pub struct Throttle {
    accounts: Buckets<String>,
    addresses: Buckets<IpAddr>,
}

impl Default for Throttle {
    fn default() -> Self {
        Self {
            accounts: Buckets::new(ACCOUNT_TRIES, ACCOUNT_REFILL_MS),
            addresses: Buckets::new(ADDRESS_TRIES, ADDRESS_REFILL_MS),
        }
    }
}

impl Throttle {
    /// Takes a try, or says in how many milliseconds there is one.
    pub fn try_now(&mut self, account: &str, address: IpAddr, now: u64) -> Result<(), u64> {
        let address = network(address);
        let wait = self.addresses.wait(&address, now);
        let wait = wait.max(self.accounts.wait(account, now));
        if wait > 0 {
            return Err(wait);
        }
        self.addresses.take(address, now);
        self.accounts.take(account.to_owned(), now);
        Ok(())
    }

    /// Takes a try of a secret that names nobody, such as a token: the secret is the account. The same one again costs
    /// the address nothing, since it tells a guesser nothing: a program with a revoked token, that comes back for ever,
    /// locks out itself and not its neighbours.
    pub fn try_secret(&mut self, secret: &str, address: IpAddr, now: u64) -> Result<(), u64> {
        if self.accounts.is_full(secret, now) {
            return self.try_now(secret, address, now);
        }
        match self.accounts.wait(secret, now) {
            0 => {
                self.accounts.take(secret.to_owned(), now);
                Ok(())
            }
            wait => Err(wait),
        }
    }

    /// Gives the try back: the password was right.
    pub fn succeeded(&mut self, account: &str, address: IpAddr, now: u64) {
        self.addresses.give_back(&network(address), now);
        self.accounts.give_back(account, now);
    }
}

/// A household has a /64 of IPv6 at least, so an address there says nothing.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => address.into(),
        IpAddr::V6(address) => {
            let bits = u128::from(address) >> 64 << 64;
            IpAddr::V6(bits.into())
        }
    }
}

/// Buckets of tries: each is kept as the moment at which it will be full again, and forgotten when it is.
#[derive(Debug)]
struct Buckets<K> {
    full_at: HashMap<K, u64>,
    size: u32,
    refill_ms: u64,
}

impl<K: Hash + Eq + Clone> Buckets<K> {
    fn new(size: u32, refill_ms: u64) -> Self {
        Self {
            full_at: HashMap::new(),
            size,
            refill_ms,
        }
    }

    /// Returns in how many milliseconds there is a try; 0: now.
    fn wait<Q: Hash + Eq + ?Sized>(&self, key: &Q, now: u64) -> u64
    where
        K: std::borrow::Borrow<Q>,
    {
        let missing = self.full_at.get(key).map_or(0, |at| at.saturating_sub(now));
        let most = u64::from(self.size - 1) * self.refill_ms;
        missing.saturating_sub(most)
    }

    fn is_full<Q: Hash + Eq + ?Sized>(&self, key: &Q, now: u64) -> bool
    where
        K: std::borrow::Borrow<Q>,
    {
        self.full_at.get(key).is_none_or(|at| *at <= now)
    }

    fn take(&mut self, key: K, now: u64) {
        if self.full_at.len() >= REMEMBERED_MAX && !self.full_at.contains_key(&key) {
            self.make_room(now);
        }
        let at = self.full_at.entry(key).or_insert(now);
        *at = (*at).max(now) + self.refill_ms;
    }

    fn give_back<Q: Hash + Eq + ?Sized>(&mut self, key: &Q, now: u64)
    where
        K: std::borrow::Borrow<Q>,
    {
        if let Some(at) = self.full_at.get_mut(key) {
            *at = at.saturating_sub(self.refill_ms);
            if *at <= now {
                self.full_at.remove(key);
            }
        }
    }

    fn make_room(&mut self, now: u64) {
        self.full_at.retain(|_, at| *at > now);
        if self.full_at.len() >= REMEMBERED_MAX {
            let mildest = self.full_at.iter().min_by_key(|(_, at)| **at);
            if let Some(key) = mildest.map(|(key, _)| key.clone()) {
                self.full_at.remove(&key);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

    fn other(n: u32) -> IpAddr {
        IpAddr::V4((0x0a00_0000 + n).into())
    }

    #[test]
    fn an_account_has_a_few_tries_and_gets_them_back_in_time() {
        let mut throttle = Throttle::default();
        for n in 0..ACCOUNT_TRIES {
            assert_eq!(throttle.try_now("ada", other(n), 1_000), Ok(()));
        }
        assert_eq!(
            throttle.try_now("ada", other(99), 1_000),
            Err(ACCOUNT_REFILL_MS)
        );
        assert_eq!(throttle.try_now("bob", other(0), 1_000), Ok(()));
        let later = 1_000 + ACCOUNT_REFILL_MS;
        assert_eq!(throttle.try_now("ada", other(99), later - 1), Err(1));
        assert_eq!(throttle.try_now("ada", other(99), later), Ok(()));
        assert_eq!(
            throttle.try_now("ada", other(99), later),
            Err(ACCOUNT_REFILL_MS)
        );
    }

    #[test]
    fn an_address_has_more_whatever_the_account() {
        let mut throttle = Throttle::default();
        for n in 0..ADDRESS_TRIES {
            assert_eq!(throttle.try_now(&format!("u{n}"), HERE, 0), Ok(()));
        }
        assert_eq!(throttle.try_now("new", HERE, 0), Err(ADDRESS_REFILL_MS));
        assert_eq!(throttle.try_now("new", other(1), 0), Ok(()));
    }

    #[test]
    fn one_wrong_secret_again_and_again_locks_out_itself_alone() {
        let mut throttle = Throttle::default();
        let tried = (0..99).filter(|_| throttle.try_secret("old", HERE, 0).is_ok());
        assert_eq!(tried.count(), ACCOUNT_TRIES as usize);
        let tried = (1..99).filter(|n| throttle.try_secret(&format!("guess {n}"), HERE, 0).is_ok());
        assert_eq!(tried.count(), ADDRESS_TRIES as usize - 1);
        assert!(throttle.try_secret("right", HERE, 0).is_err());
        assert!(throttle.try_secret("right", other(1), 0).is_ok());
    }

    #[test]
    fn a_network_of_ipv6_is_one_address() {
        let mut throttle = Throttle::default();
        for n in 0..ADDRESS_TRIES {
            let address = format!("2001:db8::{n:x}").parse().unwrap();
            assert_eq!(throttle.try_now(&format!("u{n}"), address, 0), Ok(()));
        }
        assert!(
            throttle
                .try_now("new", "2001:db8::ffff:1".parse().unwrap(), 0)
                .is_err()
        );
        assert!(
            throttle
                .try_now("new", "2001:db8:0:1::1".parse().unwrap(), 0)
                .is_ok()
        );
        assert_eq!(network("::ffff:10.0.0.1".parse().unwrap()), other(1));
    }

    #[test]
    fn a_right_password_costs_nothing() {
        let mut throttle = Throttle::default();
        for now in 0..100 {
            assert_eq!(throttle.try_now("ada", HERE, now), Ok(()));
            throttle.succeeded("ada", HERE, now);
        }
        assert!(throttle.accounts.full_at.is_empty() && throttle.addresses.full_at.is_empty());
    }

    #[test]
    fn a_flood_of_names_is_bounded_and_frees_nobody_who_guesses() {
        let mut throttle = Throttle::default();
        for n in 0..ACCOUNT_TRIES {
            assert_eq!(throttle.try_now("ada", other(n), 0), Ok(()));
        }
        for n in 0..2 * REMEMBERED_MAX as u32 {
            assert_eq!(
                throttle.try_now(&format!("u{n}"), other(1000 + n), 0),
                Ok(())
            );
        }
        assert!(throttle.accounts.full_at.len() <= REMEMBERED_MAX);
        assert!(throttle.try_now("ada", other(0), 0).is_err());
    }
}
