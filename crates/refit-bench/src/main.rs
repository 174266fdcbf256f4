//! Benchmarks: each goal as a ratio to a yardstick that runs beside it, one line each.
//!
//! Each runs the programs themselves, so build them first: `cargo build --release --workspace --bins`. Then
//! `target/release/refit-bench` with one of
//!
//! - `mqtt`: the device endpoint beside mosquitto; `idle`: of that, the memory of an idle device alone
//! - `mtls`: the same endpoint over mutual TLS, beside mosquitto with the same certificates
//! - `store [devices [seconds]]`: the store, and the whole engine, beside a bare SQLite loop; `engine`: of that, the
//!   whole engine alone
//! - `index [devices]`: questions about the whole fleet, beside a plain scan of its rows
//! - `attack`: how fast a good device is acknowledged under a flood of each kind
//! - `agent`: size and memory of the agent (`cargo build --profile agent -p refit-agent`)

mod agent;
mod attack;
mod engine;
mod identities;
mod index;
mod load;
mod measure;
mod mqtt;
mod private;
mod process;
mod report;
mod store;

use std::process::ExitCode;

/// The same allocator as the server's, so that the engine is measured as it runs there.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let home = std::env::temp_dir().join(format!("refit-bench-{}", std::process::id()));
    let done =
        std::fs::create_dir_all(&home).and_then(|()| match std::env::args().nth(1).as_deref() {
            Some("agent") => agent::run(&home),
            Some("attack") => attack::run(&home),
            Some("flood") => attack::flood(&std::env::args().skip(2).collect::<Vec<_>>()),
            Some("engine") => store::run_engine(&home).map_err(std::io::Error::other),
            Some("idle") => mqtt::run_idle(&home),
            Some("index") => index::run().map_err(std::io::Error::other),
            Some("mqtt") => mqtt::run(&home),
            Some("mtls") => private::run(&home),
            Some("store") => store::run(&home).map_err(std::io::Error::other),
            _ => Err(std::io::Error::other(
                "usage: refit-bench agent | attack | idle | index [devices] | mqtt | mtls | engine | store [devices [seconds]]",
            )),
        });
    drop(std::fs::remove_dir_all(&home));
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("{why}");
            ExitCode::FAILURE
        }
    }
}
