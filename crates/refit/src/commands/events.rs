//! `refit events`: what happens, as it happens.

use std::time::Duration;

use serde_json::Value;

use super::job::progress;
use crate::client::Client;
use crate::failure::Failure;
use crate::output::{Output, cell, hint, printable, software, text};
use crate::stream::{Brought, Stream};

/// Which events.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Only those of this device
    #[arg(long, value_name = "ID", value_parser = super::device_id)]
    device: Option<String>,
    /// Only those of these types, like job.changed,device.state
    #[arg(long, value_name = "TYPE", value_delimiter = ',')]
    types: Vec<String>,
}

/// Follows until it is interrupted.
pub(crate) fn run(arguments: &Arguments, client: &Client, output: Output) -> Result<(), Failure> {
    let mut stream = Stream::open(client, arguments.device.as_deref(), &arguments.types, None)?;
    loop {
        match stream.next(Duration::from_secs(3600))? {
            Brought::Event(event) => output.item(&event, || line(&event))?,
            Brought::Gap => hint("the stream is open again; events may be missing here"),
            Brought::Nothing => {}
        }
    }
}

fn grant(kind: &str, event: &Value) -> String {
    let mut line = kind.replace('.', " ");
    for (before, name) in [
        (" ", "grant"),
        (" of strength ", "strength"),
        (" for job ", "jobID"),
    ] {
        if let Some(text) = text(event, name) {
            line.push_str(before);
            line.push_str(&text);
        }
    }
    if let Some(reason) = text(event, "reason") {
        line.push_str(": ");
        line.push_str(&reason);
    }
    line
}

fn line(event: &Value) -> String {
    let at = text(event, "at").unwrap_or_default();
    let at = at.split_once('T').map_or(at.as_str(), |(_, time)| time);
    let kind = cell(event, "type");
    let what = match kind.as_str() {
        "job.changed" => {
            let job = &event["job"];
            let more = text(job, "reason")
                .or_else(|| progress(job))
                .map(|more| format!(": {more}"));
            let software = software(job, "software").unwrap_or_default();
            format!(
                "job {} {} {software}{}",
                cell(job, "id"),
                cell(job, "status"),
                more.unwrap_or_default()
            )
        }
        "device.state" => format!("state changed, version {}", cell(event, "version")),
        "device.reverted" => format!(
            "fell back from what job {} had brought",
            cell(event, "jobID")
        ),
        "device.lateSuccess" => format!(
            "succeeded with job {} after it had ended",
            cell(event, "jobID")
        ),
        "clock.jumped" => format!(
            "the server's clock jumped by {} ms; no timer moves",
            event["milliseconds"]
        ),
        "grant.minted" | "grant.used" | "grant.refused" | "grant.withheld" => grant(&kind, event),
        "release.added" | "release.removed" => {
            format!(
                "{} {}@{}",
                kind.replace('.', " "),
                cell(event, "name"),
                cell(event, "version")
            )
        }
        other => other.to_owned(),
    };
    let who = text(event, "deviceID")
        .map(|id| format!("{id}  "))
        .unwrap_or_default();
    printable(&format!("{at}  {who}{what}"))
}
