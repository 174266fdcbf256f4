//! `refit device watch`: one line for each change, until the device is where it should be, or for ever.
//!
//! Each event only says that there is something new; the state is read again. So a lost event heals with the next.

use std::time::{Duration, Instant};

use serde_json::Value;

use super::{Id, online};
use crate::client::Client;
use crate::commands::job::progress;
use crate::failure::{Failure, Kind};
use crate::output::{Output, cell, printable, software, text};
use crate::stream::Stream;

/// How often the state is read although nothing is told: that a device came or went is no event.
const LOOK_EVERY: Duration = Duration::from_secs(5);

/// How to follow.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    id: Id,
    /// End when it runs what it should (exit code 0), or its job has ended otherwise (1)
    #[arg(long)]
    wait: bool,
    /// How long to wait at most: 90s, 10m, 2h (exit code 124)
    #[arg(long, requires = "wait", value_parser = duration, value_name = "TIME")]
    timeout: Option<Duration>,
}

impl Arguments {
    pub(super) fn run(&self, client: &Client, output: Output) -> Result<(), Failure> {
        let deadline = self
            .timeout
            .and_then(|timeout| Instant::now().checked_add(timeout));
        let mut stream = Stream::open(client, Some(&self.id.id), &[], deadline)?;
        let mut said = String::new();
        loop {
            let device = client.get(&self.id.path())?;
            let line = line(&device);
            if line != said {
                output.item(&device, || line.clone())?;
                said = line;
            }
            if self.wait
                && let Some(end) = end(&device)
            {
                return end;
            }
            stream.next(LOOK_EVERY)?;
            if deadline.is_some_and(|deadline| Instant::now() >= deadline) {
                let what = format!("{} is not there yet", self.id.id);
                return Err(
                    Failure::new(Kind::WaitedInVain, what).why(super::why::sentence(&device))
                );
            }
        }
    }
}

/// Tells whether there is nothing more to wait for.
fn end(device: &Value) -> Option<Result<(), Failure>> {
    if device["converged"] == true && device["job"].is_null() {
        return Some(Ok(()));
    }
    let ended = device["job"].is_null() && device["lastJob"]["ended"] == true;
    ended.then(|| Err(Failure::new(Kind::Error, super::why::sentence(device))))
}

fn line(device: &Value) -> String {
    let runs = software(device, "reportedSoftware").unwrap_or_else(|| "-".into());
    let wanted = software(device, "desiredSoftware").unwrap_or_else(|| "-".into());
    let (of, job) = if device["job"].is_null() {
        ("last job", &device["lastJob"])
    } else {
        ("job", &device["job"])
    };
    let status = text(job, "status").map_or_else(String::new, |status| {
        let more = text(job, "reason")
            .or_else(|| progress(job))
            .map(|more| format!(": {more}"));
        format!(
            "  {of} {} {status}{}",
            cell(job, "id"),
            more.unwrap_or_default()
        )
    });
    printable(&format!(
        "online {:3}  runs {runs}  should run {wanted}{status}",
        online(device)
    ))
}

fn duration(text: &str) -> Result<Duration, String> {
    let number = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit = match &text[number.len()..] {
        "s" => 1,
        "m" => 60,
        "h" => 3600,
        _ => return Err("write it as 90s, 10m or 2h".into()),
    };
    let number: u32 = number.parse().map_err(|_| "write it as 90s, 10m or 2h")?;
    Ok(Duration::from_secs(u64::from(number) * unit))
}
