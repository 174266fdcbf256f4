//! What does an operator type?
//!
//! *In*: arguments, variables, and what `refit serve` left in its data directory. *Out*: data on stdout, hints and
//! progress on stderr, and an exit code: 0 done, 1 error, 2 usage, 3 not found, 4 refused, 5 conflict, 10 a rollout has
//! paused, 11 a rollout was aborted, 124 waited in
//! vain.
//!
//! *Absent on purpose*: anything that the API cannot do. Each command but `serve` and `demo` is a few requests.
//!
//! *Start reading at* [`commands`], with one file per group; `find.rs` says which server is meant, `client.rs` speaks
//! with it, `failure.rs` is what goes wrong, `output.rs` how things look.

mod client;
mod commands;
mod core_dumps;
mod demo;
mod failure;
mod find;
mod open_files;
mod output;
mod password;
mod stream;

use std::process::ExitCode;

use clap::Parser;

/// A server's threads hand much to each other; with the system's allocator a fifth of the engine's time was its own.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let cli = commands::Cli::parse();
    match commands::run(cli) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(),
    }
}
