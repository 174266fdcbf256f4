//! Everything that can be typed, by group.

mod audit;
mod ca;
mod demo;
mod device;
mod doctor;
mod enrol;
mod events;
mod grant;
mod job;
mod lines;
mod list;
#[cfg(test)]
mod reference;
mod release;
mod rollout;
mod selector;
mod serve;
mod token;
mod user;

use clap::{Parser, Subcommand};

use crate::client::Client;
use crate::failure::Failure;
use crate::find::{EVERYWHERE, Wanted, find};
use crate::output::{Output, hint};

/// Updates the software of device fleets
#[derive(Debug, Parser)]
#[command(name = "refit", version, arg_required_else_help = true, after_help = EXAMPLE)]
pub(crate) struct Cli {
    #[command(flatten)]
    wanted: Wanted,
    /// Write JSON, in the shape of the API
    #[arg(long, global = true, help_heading = EVERYWHERE)]
    json: bool,
    #[command(subcommand)]
    command: Command,
}

const EXAMPLE: &str = "For a start, in two terminals:
  refit serve --dev
  refit release add ./build --name firmware --version 2.0.0
  refit device set lamp-7 firmware@2.0.0
  refit device watch lamp-7

Exit codes: 0 done, 1 error, 2 usage, 3 not found, 4 refused, 5 conflict, 10 a rollout has paused,
11 a rollout was aborted, 124 waited in vain, 130 interrupted";

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve devices, applications and operators
    Serve(serve::Arguments),
    /// Show it all at work on this machine
    Demo(demo::Arguments),
    /// Releases of software
    #[command(subcommand)]
    Release(release::Command),
    /// Devices, and what they should run
    #[command(subcommand)]
    Device(device::Command),
    /// Selectors: which devices are meant
    #[command(subcommand)]
    Selector(selector::Command),
    /// Lists of device IDs, which selectors name
    #[command(subcommand)]
    List(list::Command),
    /// Rollouts: who gets what, how fast, and when to stop
    #[command(subcommand)]
    Rollout(rollout::Command),
    /// Jobs: changes of software, one device each
    #[command(subcommand)]
    Job(job::Command),
    /// Keys of grants: what may download is signed with them
    #[command(subcommand)]
    Grant(grant::Command),
    /// How devices are let into the fleet
    #[command(subcommand)]
    Enrol(enrol::Command),
    /// The fleet's certificate authority
    #[command(subcommand)]
    Ca(ca::Command),
    /// Tokens, with which programs are let in
    #[command(subcommand)]
    Token(token::Command),
    /// Users, who sign in with a password
    #[command(subcommand)]
    User(user::Command),
    /// Who changed what, and the proof that nobody changed that
    #[command(subcommand)]
    Audit(audit::Command),
    /// Look whether a running server is well, as its devices see it, and say what to do
    ///
    /// Some things can be seen on the server's machine alone; elsewhere they are skipped. The exit code is 1 if there is
    /// an error; warnings change nothing.
    Doctor,
    /// Follow what happens
    Events(events::Arguments),
}

/// Does what was typed.
pub(crate) fn run(cli: Cli) -> Result<(), Failure> {
    let output = Output { json: cli.json };
    let client = || find(&cli.wanted).and_then(Client::new);
    match cli.command {
        Command::Serve(arguments) => serve::run(&arguments, output),
        Command::Demo(arguments) => demo::run(&arguments, output),
        Command::Release(command) => release::run(command, &client()?, output),
        Command::Device(command) => device::run(command, &client()?, output),
        Command::Selector(command) => selector::run(command, &client()?, output),
        Command::List(command) => list::run(command, &client()?, output),
        Command::Rollout(command) => rollout::run(command, &client()?, output),
        Command::Job(command) => job::run(command, &client()?, output),
        Command::Grant(command) => grant::run(&command, &client()?, output),
        Command::Enrol(command) => enrol::run(command, &client()?, output),
        Command::Ca(command) => ca::run(command, &client()?, output),
        Command::Token(command) => token::run(command, &client()?, output),
        Command::User(command) => user::run(command, &client()?, output),
        Command::Audit(command) => audit::run(command, client, output),
        Command::Doctor => doctor::run(&cli.wanted, output),
        Command::Events(arguments) => events::run(&arguments, &client()?, output),
    }
}

/// Whether a change is only tried.
#[derive(Clone, Copy, Debug, clap::Args)]
struct Dry {
    /// Change nothing, and show what would be
    #[arg(long)]
    dry_run: bool,
}

impl Dry {
    /// Adds the wish to a path.
    fn path(self, path: String) -> String {
        let sign = if path.contains('?') { '&' } else { '?' };
        if self.dry_run {
            format!("{path}{sign}dryRun=true")
        } else {
            path
        }
    }

    /// Says beside the data that nothing was changed.
    fn hint(self) {
        if self.dry_run {
            hint("nothing was changed: this is what would be");
        }
    }
}

/// Checks that a text can be a device ID, before anything is asked of a server.
fn device_id(text: &str) -> Result<String, String> {
    refit_protocol::device_id::check(text).map_err(|why| why.to_string())?;
    Ok(text.to_owned())
}

/// Reads a time like `7d`, in seconds.
fn seconds(written: &str) -> Result<u64, String> {
    let units = [("s", 1), ("m", 60), ("h", 3600), ("d", 86_400)];
    units
        .iter()
        .find_map(|(unit, seconds)| {
            let count: u64 = written.strip_suffix(unit)?.parse().ok()?;
            count.checked_mul(*seconds).filter(|total| *total > 0)
        })
        .ok_or_else(|| "write a number and s, m, h or d, like 7d".into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_commands_are_consistent() {
        Cli::command().debug_assert();
    }

    /// `clap` takes two of one name for one: a `--token` of every command would have the word of this one.
    #[test]
    fn no_command_takes_a_word_for_an_option_of_every_command() {
        let root = Cli::command();
        let everywhere: Vec<_> = root
            .get_arguments()
            .filter(|arg| arg.is_global_set())
            .map(|arg| arg.get_id().clone())
            .collect();
        assert!(!everywhere.is_empty());
        let mut commands: Vec<_> = root.get_subcommands().collect();
        while let Some(command) = commands.pop() {
            commands.extend(command.get_subcommands());
            for arg in command.get_arguments() {
                let (name, id) = (command.get_name(), arg.get_id());
                assert!(!everywhere.contains(id), "{name}: {id}");
            }
        }
    }

    #[test]
    fn times_are_read_as_they_are_typed() {
        assert_eq!(seconds("7d"), Ok(604_800));
        assert_eq!(seconds("90s"), Ok(90));
        for bad in ["", "7", "d", "-1d", "0h", "1w", "99999999999999999999d"] {
            assert!(seconds(bad).is_err(), "{bad}");
        }
    }
}
