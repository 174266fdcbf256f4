//! `refit-sim`: runs seeds, and prints for one that fails the command that replays it.

use std::process::ExitCode;

use lexopt::prelude::*;
use refit_sim::coverage::Coverage;
use refit_sim::options::Options;
use refit_sim::planted::Planted;
use refit_sim::world::{Limits, Outcome, run};

const HELP: &str = "\
Runs histories of a server and its devices, each from one seed, and says what did not hold.

    refit-sim SEED               one seed
    refit-sim --seeds A..B       all seeds from A to B - 1
    --until N                    stop after N events
    --trace DEVICE               print the life of this device, by its number
    --devices N                  that many devices, whatever the seed says
    --planted RULE               break a rule on purpose
    --coverage                   print how often each fault and each edge of a job was met
";

struct Wanted {
    seeds: std::ops::Range<u64>,
    limits: Limits,
    devices: Option<usize>,
    planted: Option<Planted>,
    coverage: bool,
}

fn main() -> ExitCode {
    match wanted() {
        Ok(Some(wanted)) => simulate(&wanted),
        Ok(None) => {
            print!("{HELP}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("refit-sim: {error}\n\n{HELP}");
            ExitCode::from(2)
        }
    }
}

fn wanted() -> Result<Option<Wanted>, lexopt::Error> {
    let mut wanted = Wanted {
        seeds: 0..0,
        limits: Limits::default(),
        devices: None,
        planted: None,
        coverage: false,
    };
    let mut parser = lexopt::Parser::from_env();
    while let Some(argument) = parser.next()? {
        match argument {
            Long("help") | Short('h') => return Ok(None),
            Long("seeds") => wanted.seeds = range(&parser.value()?.string()?)?,
            Long("until") => wanted.limits.until = Some(parser.value()?.parse()?),
            Long("trace") => wanted.limits.follows = Some(parser.value()?.parse()?),
            Long("devices") => wanted.devices = Some(parser.value()?.parse()?),
            Long("coverage") => wanted.coverage = true,
            Long("planted") => {
                let name = parser.value()?.string()?;
                let known = || Planted::ALL.map(Planted::name).join(", ");
                let planted = Planted::parse(&name);
                wanted.planted =
                    Some(planted.ok_or_else(|| format!("{name} is none of {}", known()))?);
            }
            Value(seed) => {
                let seed: u64 = seed.parse()?;
                wanted.seeds = seed..seed + 1;
            }
            other => return Err(other.unexpected()),
        }
    }
    Ok((!wanted.seeds.is_empty()).then_some(wanted))
}

fn range(text: &str) -> Result<std::ops::Range<u64>, lexopt::Error> {
    let ends = text.split_once("..");
    let ends = ends.and_then(|(a, b)| Some(a.parse().ok()?..b.parse().ok()?));
    ends.ok_or_else(|| format!("{text} is not A..B").into())
}

fn simulate(wanted: &Wanted) -> ExitCode {
    let mut total = Total::default();
    for seed in wanted.seeds.clone() {
        let mut options = Options::of(seed);
        options.devices = wanted.devices.unwrap_or(options.devices);
        options.planted = wanted.planted;
        let outcome = run(options.clone(), wanted.limits);
        if let Some(breach) = &outcome.breach {
            eprintln!("seed {seed}, event {}: {breach}", outcome.events);
            eprintln!("options: {options:#?}");
            eprintln!("replay: {}", replay(seed, wanted));
            return ExitCode::FAILURE;
        }
        total.add(&options, &outcome);
    }
    total.print(wanted);
    ExitCode::SUCCESS
}

fn replay(seed: u64, wanted: &Wanted) -> String {
    let devices = wanted
        .devices
        .map(|devices| format!(" --devices {devices}"));
    let planted = wanted
        .planted
        .map(|planted| format!(" --planted {}", planted.name()));
    let devices = devices.unwrap_or_default();
    let planted = planted.unwrap_or_default();
    format!("cargo run -p refit-sim --release -- {seed}{devices}{planted}")
}

#[derive(Default)]
struct Total {
    seeds: u64,
    events: u64,
    device_ms: u64,
    trace: u64,
    coverage: Coverage,
}

impl Total {
    fn add(&mut self, options: &Options, outcome: &Outcome) {
        self.seeds += 1;
        self.events += outcome.events;
        self.device_ms += outcome.simulated_ms * options.devices as u64;
        self.trace = self.trace.rotate_left(1) ^ outcome.trace;
        self.coverage.add(&outcome.coverage);
    }

    fn print(&self, wanted: &Wanted) {
        let cpu = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
        let cpu = cpu.tv_sec as f64 + cpu.tv_nsec as f64 / 1e9;
        let hours = self.device_ms as f64 / 3_600_000.0;
        println!("{} seeds hold; history {:016x}", self.seeds, self.trace);
        println!(
            "{} events, {hours:.0} device-hours, {cpu:.2} CPU s",
            self.events
        );
        println!(
            "{:.0} events and {:.0} device-hours per CPU s",
            self.events as f64 / cpu,
            hours / cpu
        );
        if wanted.coverage {
            self.coverage
                .lines()
                .iter()
                .for_each(|line| println!("{line}"));
            self.coverage
                .missing()
                .iter()
                .for_each(|what| println!("never met: {what}"));
        }
    }
}
