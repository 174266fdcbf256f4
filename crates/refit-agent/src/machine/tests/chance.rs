//! Any inputs in any order: what must hold after each.

use super::bench::Bench;
use crate::machine::state::Chance;

/// The words of `Bench`, as likely as they stand here.
const INPUTS: [&str; 32] = [
    "up",
    "up",
    "down",
    "restart",
    "restart",
    "+1s",
    "+9s",
    "+60s",
    "+700s",
    "delta j1 v2",
    "delta j2 v3",
    "delta j3 v1",
    "delta j4 foreign",
    "accepted RUNNING",
    "accepted RUNNING",
    "accepted RUNNING",
    "rejected RUNNING 409",
    "rejected end 409",
    "accepted end",
    "accepted end",
    "accepted facts",
    "progress 10",
    "fetched v2",
    "fetched v3",
    "fetched broken",
    "fetched refused",
    "written ok",
    "switched ok",
    "checked ok",
    "checked fail",
    "confirmed ok",
    "went-back ok",
];

#[test]
fn work_follows_its_journal_entry_and_a_switch_follows_an_answer() {
    for seed in 0..400 {
        let mut chance = Chance { seed, drawn: 0 };
        let mut bench = Bench::new();
        let (mut stage, mut agreed, mut told) = (String::from("idle"), false, Vec::new());
        bench.take("delta j0 v9"); // ignored: the link is down; names a job for the work that follows
        for _ in 0..300 {
            let input = INPUTS[chance.below(INPUTS.len() as u64) as usize];
            let did = bench.take(input);
            told.push(format!("{input} => {did}"));
            agreed = match input {
                "restart" => false,
                "accepted RUNNING" => true,
                _ => agreed,
            };
            for effect in did.split(", ").filter(|e| !e.is_empty()) {
                let (verb, rest) = effect.split_once(' ').unwrap_or((effect, ""));
                let due = match verb {
                    "journal" => {
                        stage = rest.split(' ').next().unwrap_or_default().into();
                        continue;
                    }
                    "write" => "writing",
                    "switch" => "switching",
                    "check" => "checking",
                    "confirm" => "confirming",
                    "back" => "going-back",
                    "fetch" => "fetching",
                    _ => continue,
                };
                assert_eq!(stage, due, "seed {seed}: {told:#?}");
                let fenced = verb != "switch" || agreed || input == "restart";
                assert!(fenced, "seed {seed}: a switch without an answer: {told:#?}");
            }
        }
    }
}
