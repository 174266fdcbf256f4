//! A fixed set of seeds, those that once failed first; and together they must have met every fault.

use refit_sim::coverage::Coverage;
use refit_sim::options::Options;
use refit_sim::world::{Limits, run};

fn number(name: &str, default: u64) -> u64 {
    std::env::var(name)
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or(default)
}

fn hold(seed: u64) -> Coverage {
    let outcome = run(Options::of(seed), Limits::default());
    if let Some(breach) = outcome.breach {
        panic!(
            "seed {seed}, event {}: {breach}\nreplay: cargo run -p refit-sim --release -- {seed}",
            outcome.events
        );
    }
    outcome.coverage
}

#[test]
fn seeds_that_once_found_something_hold() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("regressions");
    let mut seeds: Vec<u64> = std::fs::read_dir(folder)
        .expect("there is a folder of regressions")
        .filter_map(|entry| entry.ok()?.path().file_stem()?.to_str()?.parse().ok())
        .collect();
    seeds.sort_unstable();
    seeds.into_iter().for_each(|seed| drop(hold(seed)));
}

#[test]
fn seeds_hold_and_meet_every_fault() {
    let from = number("REFIT_SIM_FROM", 1);
    let count = number("REFIT_SIM_SEEDS", 150);
    let mut met = Coverage::default();
    for seed in from..from + count {
        met.add(&hold(seed));
    }
    // A handful of seeds need not meet everything; a whole run must, or it has stopped injecting.
    if count >= 100 {
        assert_eq!(met.missing(), Vec::<String>::new(), "never met");
    }
}
