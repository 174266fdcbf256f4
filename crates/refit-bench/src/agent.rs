//! What the agent costs a device: its stripped size, and its memory while it is connected and idle.

use std::io;
use std::path::Path;

use crate::process::{Agent, Server};
use crate::report::plain;

/// Measures and prints the lines.
pub(crate) fn run(home: &Path) -> io::Result<()> {
    let program = Agent::program();
    let size = std::fs::metadata(&program).map_err(|why| {
        let hint = "build it first: cargo build --profile agent -p refit-agent";
        io::Error::new(why.kind(), format!("{}: {why}; {hint}", program.display()))
    })?;
    plain("agent_stripped_size", mib(size.len()), "MiB");
    let server = Server::refit(&home.join("data"))?;
    let root = home.join("root");
    std::fs::create_dir_all(&root)?;
    let agent = Agent::start(&server, &root)?;
    plain("agent_idle_memory", mib(agent.resident_bytes()?), "MiB");
    Ok(())
}

fn mib(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}
