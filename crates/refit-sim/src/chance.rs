//! Chance, in separate streams: one more number drawn for the network shifts none that is drawn for the operators.

/// One stream of chance.
#[derive(Clone, Debug)]
pub(crate) struct Chance(fastrand::Rng);

impl Chance {
    /// Opens the stream of this name.
    pub(crate) fn of(seed: u64, name: &str) -> Self {
        let named = name.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        });
        Self(fastrand::Rng::with_seed(
            named ^ seed.wrapping_mul(0x9e37_79b9_7f4a_7c15),
        ))
    }

    /// Draws a number below `end`; 0 if there is none.
    pub(crate) fn below(&mut self, end: u64) -> u64 {
        if end == 0 { 0 } else { self.0.u64(..end) }
    }

    /// Draws a number from `low` to `high`, both included.
    pub(crate) fn between(&mut self, low: u64, high: u64) -> u64 {
        self.0.u64(low..=high.max(low))
    }

    /// Draws a wait that is `mean` on average.
    pub(crate) fn around(&mut self, mean: u64) -> u64 {
        1 + self.below(mean.saturating_mul(2))
    }

    /// Tells whether something happens that happens so many times in a thousand.
    pub(crate) fn permille(&mut self, often: u16) -> bool {
        often > 0 && self.below(1000) < u64::from(often)
    }

    /// Picks one; `None` of none.
    pub(crate) fn pick<'a, T>(&mut self, of: &'a [T]) -> Option<&'a T> {
        of.get(self.below(of.len() as u64) as usize)
    }

    /// Draws any number.
    pub(crate) fn any(&mut self) -> u64 {
        self.0.u64(..)
    }

    /// Draws any large number.
    pub(crate) fn any_wide(&mut self) -> u128 {
        self.0.u128(..)
    }
}

/// The streams of one run, one per kind of thing.
#[derive(Clone, Debug)]
pub(crate) struct Chances {
    /// Delays, losses, cuts.
    pub(crate) net: Chance,
    /// The server's store: how long a commit takes, what a crash leaves.
    pub(crate) store: Chance,
    /// The server's own: job IDs and jitter.
    pub(crate) server: Chance,
    /// When the server dies, and for how long.
    pub(crate) outage: Chance,
    /// What devices do.
    pub(crate) device: Chance,
    /// When devices lose power or are killed, and what their disks keep.
    pub(crate) power: Chance,
    /// What operators do.
    pub(crate) operator: Chance,
}

impl Chances {
    /// Opens all streams of a seed.
    pub(crate) fn of(seed: u64) -> Self {
        Self {
            net: Chance::of(seed, "net"),
            store: Chance::of(seed, "store"),
            server: Chance::of(seed, "server"),
            outage: Chance::of(seed, "outage"),
            device: Chance::of(seed, "device"),
            power: Chance::of(seed, "power"),
            operator: Chance::of(seed, "operator"),
        }
    }
}
