//! `refit demo`: a server, real agents and simulated devices on this machine, and the checks that it all holds.

use std::path::PathBuf;

use crate::demo::{self, Wanted};
use crate::failure::{Failure, Kind};
use crate::output::Output;

/// How the demo runs.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// How many devices to simulate
    #[arg(long, value_name = "N", default_value_t = 500, value_parser = clap::value_parser!(u32).range(1..=20_000))]
    devices: u32,
    /// How many agents to run, each a process
    #[arg(long, value_name = "N", default_value_t = 12, value_parser = clap::value_parser!(u32).range(2..=64))]
    agents: u32,
    /// What the devices' habits are drawn from
    #[arg(long, value_name = "NUMBER", default_value_t = 7)]
    seed: u64,
    /// Go on after the end, with commands to try
    #[arg(long)]
    stay: bool,
    /// Draw the last screen as SVG
    #[arg(long, value_name = "FILE", hide = true)]
    screenshot: Option<PathBuf>,
    /// Put away what a demo leaves in this directory; the demo starts itself so
    #[arg(long, value_name = "DIR", hide = true)]
    keeper: Option<PathBuf>,
}

/// Runs the demo.
pub(crate) fn run(arguments: &Arguments, output: Output) -> Result<(), Failure> {
    if let Some(home) = &arguments.keeper {
        demo::keep(home);
        return Ok(());
    }
    let wanted = Wanted {
        devices: arguments.devices as usize,
        agents: arguments.agents as usize,
        seed: arguments.seed,
        stay: arguments.stay,
        json: output.json,
        picture: arguments.screenshot.clone(),
    };
    match demo::run(&wanted) {
        Ok(true) => Ok(()),
        Ok(false) => Err(Failure::new(Kind::Error, "not every check held")
            .next("report it, with what is printed above")),
        Err(demo::Failure::Interrupted) => Err(Failure::new(Kind::Interrupted, "stopped")),
        Err(demo::Failure::Broken { what, hint }) => {
            Err(Failure::new(Kind::Error, format!("the demo broke off: {what}")).next(hint))
        }
    }
}
