//! When to come back, for whoever cannot be served now: not all at once.

/// Returns a number of seconds for `Retry-After`: at least `least`, at most three times as much.
pub(crate) fn seconds(least: u32) -> u32 {
    let mut bytes = [0; 4];
    // Without randomness all come back at the same time, and are put off again.
    let _ = getrandom::fill(&mut bytes);
    spread(least, u32::from_ne_bytes(bytes))
}

const fn spread(least: u32, chance: u32) -> u32 {
    let more = least.saturating_mul(2).saturating_add(1);
    least.saturating_add(chance % more)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn they_come_back_spread_over_thrice_the_time_and_none_before() {
        let all: std::collections::BTreeSet<_> =
            (0..1000).map(|chance| spread(5, chance)).collect();
        assert_eq!(all, (5..=15).collect());
        assert_eq!(spread(u32::MAX, 1), u32::MAX);
    }
}
