//! Chance with a seed, and counts drawn from it.

/// SplitMix64 (Steele, Lea, Flood 2014).
pub(crate) struct Chance(pub(crate) u64);

impl Chance {
    fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// From 0 to just under 1.
    pub(crate) fn unit(&mut self) -> f64 {
        (self.bits() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// How many of `n` have an event, by jumps from one to the next: as quick as there are events.
    pub(crate) fn events(&mut self, n: u64, probability: f64) -> u64 {
        let (mut at, mut events) = (0.0, 0);
        let gap = (1.0 - probability).ln();
        if gap == 0.0 {
            return 0;
        }
        loop {
            at += ((1.0 - self.unit()).ln() / gap).floor() + 1.0;
            if at > n as f64 {
                return events;
            }
            events += 1;
        }
    }
}
