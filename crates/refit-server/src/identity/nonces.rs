//! Challenges that cost no memory until they are answered: each carries its expiry and a MAC.
//!
//! Anybody may ask for one, so a flood of questions must not push out anybody's. Only a challenge that was answered
//! rightly is remembered, until it expires, so that it is good once.

use std::collections::HashMap;

use hmac::{Hmac, KeyInit, Mac};
use parking_lot::Mutex;
use refit_protocol::enrolment::{NONCE_BYTES, Nonce};
use refit_protocol::time::Timestamp;
use sha2::Sha256;

/// How long a challenge is good, in milliseconds: a slow device on a slow link signs within it.
const GOOD_MS: u64 = 5 * 60_000;

/// How many used challenges are remembered; each stands for a certificate that was asked for within five minutes.
const USED_MAX: usize = 100_000;

pub(super) struct Nonces {
    key: [u8; 32],
    used: Mutex<HashMap<[u8; NONCE_BYTES], Timestamp>>,
}

impl Nonces {
    pub(super) fn new(key: [u8; 32]) -> Self {
        Self {
            key,
            used: Mutex::default(),
        }
    }

    /// Makes a challenge out of 8 random bytes.
    pub(super) fn make(&self, random: [u8; 8], now: Timestamp) -> Nonce {
        let expires = Timestamp(now.as_millis().saturating_add(GOOD_MS));
        let mut nonce = [0; NONCE_BYTES];
        let (head, mac) = nonce.split_at_mut(16);
        head.copy_from_slice(&[random, expires.as_millis().to_be_bytes()].concat());
        mac.copy_from_slice(&self.mac(head));
        Nonce { nonce, expires }
    }

    /// Tells whether this challenge is ours and has not expired.
    pub(super) fn is_good(&self, nonce: &[u8; NONCE_BYTES], now: Timestamp) -> bool {
        let (head, mac) = nonce.split_at(16);
        let expires = head
            .iter()
            .skip(8)
            .fold(0_u64, |n, byte| n << 8 | u64::from(*byte));
        let genuine: bool = subtle::ConstantTimeEq::ct_eq(self.mac(head).as_slice(), mac).into();
        genuine && now.as_millis() <= expires
    }

    /// Uses up a challenge that was answered rightly; false if it was used before.
    pub(super) fn use_up(&self, nonce: &[u8; NONCE_BYTES], now: Timestamp) -> bool {
        let mut used = self.used.lock();
        if used.len() >= USED_MAX {
            used.retain(|_, until| *until >= now);
        }
        if used.len() >= USED_MAX {
            return false;
        }
        let until = Timestamp(now.as_millis().saturating_add(GOOD_MS));
        used.insert(*nonce, until).is_none()
    }

    fn mac(&self, head: &[u8]) -> [u8; 16] {
        let mut out = [0; 16];
        // A key of any length is taken; without one nothing is ever genuine.
        if let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(&self.key) {
            mac.update(b"refit-nonce-1\0");
            mac.update(head);
            for (to, from) in out.iter_mut().zip(mac.finalize().into_bytes()) {
                *to = from;
            }
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_challenge_is_ours_in_time_and_good_once() {
        let nonces = Nonces::new([1; 32]);
        let at = Timestamp(1000);
        let made = nonces.make([7; 8], at);
        assert!(nonces.is_good(&made.nonce, at) && nonces.is_good(&made.nonce, made.expires));
        assert!(!nonces.is_good(&made.nonce, Timestamp(made.expires.0 + 1)));
        assert!(!Nonces::new([2; 32]).is_good(&made.nonce, at));
        for place in 0..NONCE_BYTES {
            let mut altered = made.nonce;
            altered[place] ^= 1;
            assert!(!nonces.is_good(&altered, at), "{place}");
        }
        assert!(nonces.use_up(&made.nonce, at));
        assert!(!nonces.use_up(&made.nonce, at));
    }
}
