//! How often a healthy release is stopped by chance (semantics 11): simulated, with a fixed seed.

use refit_protocol::measure::Share;
use refit_rollout::plan::{Cause, Threshold, default_thresholds};
use refit_rollout::tally::{Kind, Tally};
use refit_rollout::threshold::{Figures, crossed};

use crate::fleet::Chance;

const RUNS: u32 = 500;
const DEVICES: u32 = 1_000;

/// In how many of a thousand rollouts a release that fails with this chance (in a thousand) is stopped, looked at after each result.
fn stopped(lines: &[Threshold], fails: u64, seed: u64) -> u32 {
    let mut chance = Chance(seed);
    let mut stopped = 0;
    for _ in 0..RUNS {
        let mut tally = Tally::default();
        stopped += u32::from((0..DEVICES).any(|_| {
            let failed = chance.below(1_000) < fails;
            tally.add(
                if failed {
                    Kind::Failed
                } else {
                    Kind::Succeeded
                },
                1,
            );
            crossed(lines, &Figures { tally, overdue: 0 }, &[]).is_some()
        }));
    }
    stopped * 1_000 / RUNS
}

#[test]
fn a_minimum_count_keeps_a_healthy_release_going() {
    let after = |after| {
        let line = Threshold {
            after: Some(after),
            ..Threshold::share(&[Cause::Failed], Share::percent(5))
        };
        stopped(&[line], 30, 11)
    };
    // 45 %, 21 % and 4.5 % of the rollouts, as semantics 11 says.
    assert!((420..=490).contains(&after(20)), "{}", after(20));
    assert!((180..=240).contains(&after(100)), "{}", after(100));
    assert!((30..=60).contains(&after(300)), "{}", after(300));
}

#[test]
fn the_usual_lines_stop_a_bad_release_and_let_a_good_one_pass() {
    let usual = |fails| stopped(&default_thresholds(), fails, 12);
    // One that fails on 1 % of devices passes, one that fails on 15 % does not; at 3 % it is the minimum count's 21 %.
    assert!(usual(10) <= 5, "{}", usual(10));
    assert!((180..=260).contains(&usual(30)), "{}", usual(30));
    assert_eq!(usual(150), 1_000);
}
