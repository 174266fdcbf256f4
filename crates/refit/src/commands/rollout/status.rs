//! `refit rollout status`: one line for each change, until it is over.
//!
//! Each event only says that there is something new; the rollout is read again. So a lost event heals with the next.

use std::time::{Duration, Instant};

use serde_json::Value;

use super::path;
use super::shown::{counted, shown};
use crate::client::Client;
use crate::failure::{Failure, Kind};
use crate::output::{Output, cell, printable, text};

/// How often it is looked at.
const LOOK_EVERY: Duration = Duration::from_secs(1);

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// The rollout's name
    name: String,
    /// End when it has finished (exit code 0), has paused by itself (10), or was aborted (11)
    #[arg(long)]
    wait: bool,
    /// How long to wait at most: 90s, 10m, 2h (exit code 124)
    #[arg(long, requires = "wait", value_parser = super::super::seconds, value_name = "TIME")]
    timeout: Option<u64>,
}

impl Arguments {
    pub(super) fn run(&self, client: &Client, output: Output) -> Result<(), Failure> {
        let timeout = self.timeout.map(Duration::from_secs);
        let deadline = timeout.and_then(|timeout| Instant::now().checked_add(timeout));
        if !self.wait {
            let rollout = client.get(&path(&self.name))?;
            output.document(&rollout, || shown(&rollout))?;
            return end(&rollout).unwrap_or(Ok(()));
        }
        let mut said = String::new();
        loop {
            let rollout = client.get(&path(&self.name))?;
            let line = line(&rollout);
            if line != said {
                output.item(&rollout, || line.clone())?;
                said = line;
            }
            if let Some(end) = end(&rollout) {
                return end;
            }
            if deadline.is_some_and(|deadline| Instant::now() >= deadline) {
                let what = format!("the rollout {} is not over yet", self.name);
                return Err(Failure::new(Kind::WaitedInVain, what).why(waits(&rollout)));
            }
            std::thread::sleep(LOOK_EVERY);
        }
    }
}

/// Tells whether there is nothing more to wait for. What a person paused goes on when that person says so.
fn end(rollout: &Value) -> Option<Result<(), Failure>> {
    let name = cell(rollout, "name");
    let because = text(rollout, "because.text").unwrap_or_default();
    match rollout["status"].as_str()? {
        "FINISHED" => Some(Ok(())),
        "ABORTED" => {
            let what = format!("the rollout {name} was aborted");
            Some(Err(Failure::new(Kind::Aborted, what).why(because)))
        }
        "PAUSED" if rollout["because"]["rule"] != "operator" => {
            let what = format!("the rollout {name} has paused by itself");
            let next = format!("look at `refit rollout show {name}`; then resume, or abort");
            let failure = Failure::new(Kind::Paused, what).why(because).next(next);
            Some(Err(failure))
        }
        _ => None,
    }
}

fn waits(rollout: &Value) -> String {
    let why = rollout["waitsFor"]
        .as_array()
        .map_or(&[][..], Vec::as_slice);
    let why: Vec<&str> = why.iter().filter_map(Value::as_str).collect();
    why.join("; ")
}

fn line(rollout: &Value) -> String {
    let counts = counted(&rollout["counts"]).unwrap_or_default();
    let (status, devices) = (cell(rollout, "status"), cell(rollout, "devices"));
    printable(&format!(
        "{status:9}  {devices} devices  {counts}  {}",
        waits(rollout)
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn an_end_has_its_exit_code() {
        let of = |status: &str, rule: &str| {
            let rollout = json!({ "name": "n", "status": status, "because": { "rule": rule } });
            end(&rollout).map(|end| end.map_or_else(|failure| failure.kind.exit_code(), |()| 0))
        };
        for (status, rule, code) in [
            ("FINISHED", "", Some(0)),
            ("PAUSED", "threshold", Some(10)),
            ("PAUSED", "operator", None),
            ("ABORTED", "operator", Some(11)),
            ("RUNNING", "", None),
        ] {
            assert_eq!(of(status, rule), code, "{status} {rule}");
        }
    }
}
