//! Is it the release, or is it us? Silence that also comes over devices that nobody touched is an outage (semantics 10).

use alloc::vec::Vec;
use refit_protocol::measure::Share;
use refit_protocol::time::Timestamp;

/// How many untouched devices must be silent before it says something.
const QUIET_MIN: u32 = 20;

/// By how much more than usual, in hundredths of all.
const RISE: Share = Share::percent(5);

/// Who is silent: devices that were connected or polling not long ago, and are not heard now. Those that are away by
/// nature are not counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Silence {
    /// Devices without a job of any rollout in this interval.
    pub untouched: u32,
    /// Those of them that are silent.
    pub untouched_quiet: u32,
    /// Which share of them is silent at this hour as a rule.
    pub usual: Option<Share>,
}

impl Silence {
    /// Tells whether an outage is suspected: among the untouched at least twice as many as usual are silent, five in a
    /// hundred more, and twenty.
    pub fn is_outage(&self) -> bool {
        let usual = self
            .usual
            .unwrap_or(Share::percent(0))
            .at_least(self.untouched);
        let line = usual
            .saturating_mul(2)
            .max(usual.saturating_add(RISE.at_least(self.untouched)));
        self.untouched_quiet >= line.max(QUIET_MIN)
    }
}

/// Returns how long Refit itself was away after `since`, in milliseconds: what is added to a deadline that began then.
/// The intervals may overlap and come in any order; one that ends before it begins is none.
pub fn away_ms(downtimes: &[(Timestamp, Timestamp)], since: Timestamp) -> u64 {
    let mut spans: Vec<_> = downtimes
        .iter()
        .filter(|(from, to)| from < to && *to > since)
        .collect();
    spans.sort();
    let (mut all, mut counted) = (0_u64, since);
    for (from, to) in spans {
        let from = (*from).max(counted);
        all = all.saturating_add(to.as_millis().saturating_sub(from.as_millis()));
        counted = counted.max(*to);
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn silence_among_the_untouched_is_an_outage() {
        let silence = |untouched_quiet, usual| Silence {
            untouched: 1_000,
            untouched_quiet,
            usual: Some(Share::percent(usual)),
        };
        for (quiet, usual, expected) in [
            (19, 0, false),
            (50, 0, true),
            (49, 0, false),
            (199, 10, false),
            (200, 10, true),
            (69, 2, false),
            (70, 2, true),
        ] {
            assert_eq!(
                silence(quiet, usual).is_outage(),
                expected,
                "{quiet} at {usual} %"
            );
        }
        assert!(!Silence::default().is_outage());
    }

    #[test]
    fn downtime_counts_once_and_from_the_beginning_of_the_timer() {
        let t = Timestamp;
        let downtimes = [
            (t(50), t(60)),
            (t(0), t(20)),
            (t(55), t(70)),
            (t(90), t(80)),
        ];
        assert_eq!(away_ms(&downtimes, t(10)), 10 + 20);
        assert_eq!(away_ms(&downtimes, t(65)), 5);
        assert_eq!(away_ms(&downtimes, t(70)), 0);
    }
}
