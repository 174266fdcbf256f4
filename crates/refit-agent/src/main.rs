//! The agent as a program: what is typed goes to the driver.

use refit_agent::command_line::{Asked, read};
use rustix::process::{Resource, Rlimit, setrlimit};
use std::io::Write;
use std::process::ExitCode;

fn main() -> ExitCode {
    // A core dump would hold the device's key. Where it cannot be forbidden, the agent does its work all the same.
    let _ = setrlimit(
        Resource::Core,
        Rlimit {
            current: Some(0),
            maximum: Some(0),
        },
    );
    let asked = match read(std::env::args_os().skip(1)) {
        Ok(asked) => asked,
        Err(why) => return failed(&why, 2),
    };
    match asked {
        Asked::Print(text) => {
            // A closed pipe is the reader's own wish.
            drop(std::io::stdout().write_all(text.as_bytes()));
            ExitCode::SUCCESS
        }
        Asked::Enrol(order) => match refit_agent::enrol::run(&order) {
            Ok(line) => {
                drop(writeln!(std::io::stdout(), "{line}"));
                ExitCode::SUCCESS
            }
            Err(why) => failed(&why, 1),
        },
        Asked::Run(start) => match refit_agent::driver::run(*start) {
            Ok(()) => ExitCode::SUCCESS,
            Err(why) => failed(&why, 1),
        },
    }
}

fn failed(why: &str, code: u8) -> ExitCode {
    drop(writeln!(std::io::stderr(), "refit-agent: {why}"));
    ExitCode::from(code)
}
