//! Does the whole of it work here, and what does that look like?
//!
//! *In*: how many devices and agents, a seed. *Out*: a fleet that goes from one release to the next before the
//! reader's eyes, with a server and an agent killed on the way; the checks that were made; an exit code.
//!
//! *Absent on purpose*: any shortcut. The server is `refit serve`, a process of its own; the agents are
//! `refit-agent`, enrolled by a claim token; the simulated devices are simulated in what they are, not in how they
//! speak: each has a key and a certificate that it enrolled for, a TLS connection, its own MQTT session and downloads.
//!
//! *Start reading at* [`story::STEPS`]: what happens, in order. `stage.rs` is what it plays on and how it waits;
//! `world.rs` is what is known at any moment; `screen.rs` turns that into lines, which `teller.rs` shows in a terminal
//! and `picture.rs` draws. `fleet.rs` and below are the simulated devices, `process.rs` and `keeper.rs` the real ones.
//!
//! *Keeps*: it shows numbers 1, 3, 4, 7 and 8 of design §9 to whoever asks, with real processes
//! (`refit-e2e`, module `demo`).

mod api;
mod badge;
mod bundle;
mod check;
mod enrolling;
mod fleet;
mod interrupt;
mod keeper;
mod ledger;
mod news;
mod picture;
mod process;
mod screen;
mod stage;
mod story;
mod teller;
mod thief;
mod world;

pub(crate) use keeper::keep;
pub(crate) use story::run;

use std::fmt;
use std::path::PathBuf;

/// What was asked for.
#[derive(Clone, Debug)]
pub(crate) struct Wanted {
    /// How many devices are simulated.
    pub(crate) devices: usize,
    /// How many agents run.
    pub(crate) agents: usize,
    /// What the simulated devices' habits are drawn from.
    pub(crate) seed: u64,
    /// Whether all of it goes on after the end.
    pub(crate) stay: bool,
    /// Whether events are printed as JSON lines.
    pub(crate) json: bool,
    /// Where to draw the screen.
    pub(crate) picture: Option<PathBuf>,
}

/// Why the story could not be told to its end.
#[derive(Debug)]
pub(crate) enum Failure {
    /// Somebody asked it to stop.
    Interrupted,
    /// Something is missing, or went wrong.
    Broken {
        /// What, with what it rests on.
        what: String,
        /// What to do about it.
        hint: String,
    },
}

impl Failure {
    fn broken(what: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::Broken {
            what: what.into(),
            hint: hint.into(),
        }
    }

    /// For what the system refuses: no file, no process, no port.
    fn system(doing: &str) -> impl FnOnce(std::io::Error) -> Self {
        let what = format!("failed to {doing}");
        move |error| {
            Self::broken(
                format!("{what}: {error}"),
                "the demo needs free disk space in the temporary directory, processes and loopback ports",
            )
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Interrupted => f.write_str("stopped"),
            Self::Broken { what, .. } => f.write_str(what),
        }
    }
}

/// Writes a number as people read it: 1,024.
fn grouped(number: usize) -> String {
    let digits = number.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::grouped;

    #[test]
    fn numbers_are_grouped_by_thousands() {
        let written = [0, 12, 512, 1024, 100_000, 1_234_567].map(grouped);
        assert_eq!(written, ["0", "12", "512", "1,024", "100,000", "1,234,567"]);
    }
}
