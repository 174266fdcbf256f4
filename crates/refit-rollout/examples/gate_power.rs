//! How soon does the health gate see a bad release, and let a good one go on? Prints the table of decision 11:
//! `cargo run --release -p refit-rollout --example gate_power`.

#[path = "../tests/chance.rs"]
mod chance;

use chance::Chance;
use refit_protocol::time::Timestamp;
use refit_rollout::gate::{Gate, Hour, Metric, Settings, Tally, Verdict};

const ROLLOUTS: u64 = 1_000;
const HOURS: u64 = 72;
const START: Timestamp = Timestamp(0);
/// Of a healthy device: half a point within a day.
const BASE: f64 = 0.005 / 24.0;

fn main() {
    println!("| canary | hold-out | worse by 0 | 1 point | 2 | 5 | 10 | 20 |");
    println!("| ---: | ---: | --- | --- | --- | --- | --- | --- |");
    for (canary, held_out) in [
        (100, 300),
        (300, 300),
        (300, 1_000),
        (1_000, 1_000),
        (3_000, 1_000),
        (10_000, 3_000),
    ] {
        let cells: Vec<String> = [0.0, 0.01, 0.02, 0.05, 0.1, 0.2]
            .into_iter()
            .map(|points| cell(canary, held_out, BASE + points / 24.0))
            .collect();
        println!("| {canary} | {held_out} | {} |", cells.join(" | "));
    }
}

/// Returns in which share of rollouts it stopped, in which it would have gone on, and the median hour of each.
fn cell(canary: u64, held_out: u64, rate: f64) -> String {
    let (mut stops, mut goes) = (Vec::new(), Vec::new());
    for seed in 0..ROLLOUTS {
        match end(&mut Chance(seed << 32 | 0x5eed), canary, held_out, rate) {
            Some((true, hour)) => stops.push(hour),
            Some((false, hour)) => goes.push(hour),
            None => {}
        }
    }
    let parts: Vec<String> = [("stop", stops), ("go", goes)]
        .into_iter()
        .filter(|(_, hours)| !hours.is_empty())
        .map(|(word, mut hours)| {
            hours.sort_unstable();
            let share = hours.len() as f64 / ROLLOUTS as f64 * 100.0;
            let median = hours.get(hours.len() / 2).copied().unwrap_or_default();
            format!("{word} {share:.1} %, {median} h")
        })
        .collect();
    if parts.is_empty() {
        "waits".into()
    } else {
        parts.join("; ")
    }
}

/// The first end of a rollout of three waves with three metrics, of which this one has the events.
fn end(chance: &mut Chance, canary: u64, held_out: u64, rate: f64) -> Option<(bool, u64)> {
    let settings = Settings {
        waves: 3,
        ..Settings::default()
    };
    let mut gate = Gate::new(settings, START);
    for hour in 0..HOURS {
        for metric in Metric::ALL {
            let bad = if metric == Metric::Reboots { rate } else { 0.0 };
            let normal = if metric == Metric::Reboots { BASE } else { 0.0 };
            let seen = Hour {
                updated: tally(chance.events(canary, bad), canary),
                baseline: tally(chance.events(held_out, normal), held_out),
            };
            gate.observe(metric, hour, seen);
        }
        match gate.verdict(START) {
            Verdict::Stop { .. } => return Some((true, hour + 1)),
            Verdict::GoOn => return Some((false, hour + 1)),
            Verdict::Wait { .. } | Verdict::Insufficient { .. } => {}
        }
    }
    None
}

const fn tally(events: u64, device_hours: u64) -> Tally {
    Tally {
        events,
        device_hours,
    }
}
