//! `sample 5%`: a draw that is always the same, and of which a smaller share is always a part.
//!
//! An ID has a *place*, the salt (the rollout) shuffles all places, and a device is drawn if it then stands below the share. So the
//! same rollout draws the same devices on every node and after every restart, those of 5 % are among those of 10 %, and another
//! rollout draws others.

use refit_protocol::measure::Share;
use sha2::{Digest, Sha256};

/// Where an ID stands before it is shuffled. An index keeps it, since it costs a SHA-256.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Place(pub u32);

impl Place {
    /// Returns the place of an ID.
    pub fn of(id: &str) -> Self {
        Self(first(id.as_bytes()) as u32)
    }
}

/// One shuffle of all places and a share of them.
#[derive(Clone, Copy, Debug)]
pub struct Draw {
    salt: u64,
    below: u64,
}

impl Draw {
    /// Prepares the draw of a share. Who draws twice with the same salt draws the same devices.
    pub fn new(share: Share, salt: &str) -> Self {
        // All of them is one more than a u32 counts: that is why places are compared as u64.
        let below = (u64::from(share.millionths()) << 32) / u64::from(Share::ALL.millionths());
        Self {
            salt: first(salt.as_bytes()),
            below,
        }
    }

    /// Tells whether the device at this place is drawn.
    pub const fn has(self, place: Place) -> bool {
        (mix(place.0 as u64 ^ self.salt) >> 32) < self.below
    }
}

/// The first eight bytes of the SHA-256.
fn first(bytes: &[u8]) -> u64 {
    let hash: [u8; 32] = Sha256::digest(bytes).into();
    hash.iter()
        .take(8)
        .fold(0, |all, byte| all << 8 | u64::from(*byte))
}

/// The finaliser of SplitMix64 (Steele, Lea, Flood 2014): each bit of the input moves each of the output with a half's chance.
const fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::format;

    #[test]
    fn a_draw_is_fair_and_others_are_drawn_with_another_salt() {
        let draw = |share: &str, salt: &str| Draw::new(Share::parse(share).unwrap(), salt);
        let count = |draw: Draw| {
            (0..100_000)
                .filter(|n| draw.has(Place::of(&format!("gw-{n}"))))
                .count()
        };
        for salt in ["rollout-1", "rollout-2", ""] {
            let drawn = count(draw("5%", salt));
            // Five standard deviations of a fair draw.
            assert!((4_655..=5_345).contains(&drawn), "{drawn}");
            assert_eq!(count(draw("100%", salt)), 100_000);
        }
        let (a, b) = (draw("50%", "a"), draw("50%", "b"));
        let both = (0..100_000)
            .map(|n| Place::of(&format!("gw-{n}")))
            .filter(|place| a.has(*place) && b.has(*place));
        let both = both.count();
        assert!((24_300..=25_700).contains(&both), "{both}");
    }

    #[test]
    fn the_draw_never_changes() {
        // These figures are a promise: a rollout that goes on after an upgrade keeps its devices.
        assert_eq!(
            Place::of(""),
            Place(0x98fc_1c14),
            "bytes 4 to 7 of the SHA-256"
        );
        let draw = Draw::new(Share::parse("25%").unwrap(), "rollout-1");
        let drawn = (0..24).filter(|n| draw.has(Place::of(&format!("gw-{n}"))));
        let drawn: alloc::vec::Vec<u32> = drawn.collect();
        assert_eq!(drawn, [6, 12, 17, 18, 21]);
    }
}
