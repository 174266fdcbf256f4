//! Rules broken on purpose: each must be found, by the checker that watches it, in the seed that stands here.

use refit_sim::options::Options;
use refit_sim::planted::Planted;
use refit_sim::world::{Limits, run};

/// The broken rule, the seed that finds it, the checker. When a change shifts the histories, look for another seed:
/// `cargo run -p refit-sim --release -- --seeds 1..200 --planted RULE` stops at the first.
const FOUND: [(Planted, u64, &str); 11] = [
    (
        Planted::AcknowledgesBeforeCommit,
        4,
        "acknowledged_is_durable",
    ),
    (Planted::LosesTheLastCommit, 47, "acknowledged_is_durable"),
    (Planted::ForgetsToSupersede, 40, "job_is_its_own"),
    (Planted::DeltaWhileUncommitted, 24, "delta_waits"),
    (Planted::DeltaAtOnceOnSubscribe, 31, "delta_waits"),
    (Planted::DeltaToAnother, 3, "job_is_its_own"),
    (Planted::JournalsAfterTheAct, 99, "journal_before_act"),
    (Planted::ForgetsPastJobs, 83, "converges"),
    (Planted::TimersRunWhileDown, 4, "ends_once"),
    (Planted::EndsTwice, 57, "ends_once"),
    (Planted::SwitchesToHalfARelease, 23, "boots_verified"),
];

#[test]
fn every_broken_rule_is_found_by_its_checker() {
    for (planted, seed, checker) in FOUND {
        let name = planted.name();
        let mut options = Options::of(seed);
        options.planted = Some(planted);
        let Some(breach) = run(options, Limits::default()).breach else {
            panic!("{name}: seed {seed} does not find it");
        };
        assert_eq!(breach.checker, checker, "{name}, seed {seed}: {breach}");
        let sound = run(Options::of(seed), Limits::default()).breach;
        assert_eq!(sound, None, "{name}: seed {seed} fails without it");
    }
}

#[test]
fn no_rule_is_left_out() {
    for planted in Planted::ALL {
        assert!(
            FOUND.iter().any(|(known, ..)| *known == planted),
            "{}",
            planted.name()
        );
    }
}
