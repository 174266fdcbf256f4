//! `refit demo`: a server, real agents and simulated devices on this machine, and the checks that it all holds.

use crate::failure::{Failure, Kind};
use crate::output::Output;

/// How the demo runs.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {}

/// Runs the demo.
pub(crate) fn run(_arguments: &Arguments, _output: Output) -> Result<(), Failure> {
    Err(Failure::new(Kind::Error, "there is no demo yet").next("try it by hand: refit serve --dev"))
}
