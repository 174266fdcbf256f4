//! One seed is one history.

use refit_sim::options::Options;
use refit_sim::world::{Limits, run};

#[test]
fn a_seed_run_twice_is_the_same_history() {
    for seed in [3, 6, 9] {
        let once = run(Options::of(seed), Limits::default());
        let again = run(Options::of(seed), Limits::default());
        assert_eq!(
            (once.trace, once.events),
            (again.trace, again.events),
            "seed {seed}"
        );
    }
}

#[test]
fn other_seeds_are_other_histories() {
    let one = run(Options::of(3), Limits::default());
    let other = run(Options::of(4), Limits::default());
    assert_ne!(one.trace, other.trace);
}

#[test]
fn two_processes_see_the_same_history() {
    let play = || {
        let binary = env!("CARGO_BIN_EXE_refit-sim");
        let output = std::process::Command::new(binary)
            .args(["--seeds", "1..13"])
            .output()
            .expect("the binary runs");
        let text = String::from_utf8(output.stdout).expect("it prints text");
        text.lines().next().map(str::to_owned)
    };
    let once = play();
    assert!(
        once.as_ref().is_some_and(|line| line.contains("history")),
        "{once:?}"
    );
    assert_eq!(once, play(), "hash order, a clock or a thread is in it");
}
