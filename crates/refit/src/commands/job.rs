//! `refit job`: the history of changes.

use serde_json::Value;

use crate::client::{Client, encoded};
use crate::failure::Failure;
use crate::output::{Output, cell, facts, hint, software, table, text, time};

#[derive(Debug, clap::Subcommand)]
pub(crate) enum Command {
    /// List jobs, the newest first
    #[command(alias = "ls")]
    List {
        /// Only those in this state: QUEUED, SENT, RUNNING, SUCCEEDED, FAILED, REJECTED, TIMED_OUT, CANCELLED, SUPERSEDED
        #[arg(long)]
        status: Option<String>,
        /// Only those of this device
        #[arg(long, value_name = "ID", value_parser = super::device_id, conflicts_with = "status")]
        device: Option<String>,
        /// At most so many
        #[arg(long, default_value_t = 50)]
        limit: usize,
    },
    /// Show a job
    Show {
        /// The job's ID
        id: String,
    },
}

pub(crate) fn run(command: Command, client: &Client, output: Output) -> Result<(), Failure> {
    match command {
        Command::List {
            status,
            device,
            limit,
        } => {
            let path = match (device, status) {
                (Some(device), _) => format!("/api/v1/devices/{device}/jobs"),
                (None, Some(status)) => {
                    format!("/api/v1/jobs?status={}", encoded(&status.to_uppercase()))
                }
                (None, None) => "/api/v1/jobs".into(),
            };
            let jobs = client.get_all(&path, limit.max(1))?;
            list(&jobs, output)
        }
        Command::Show { id } => {
            let job = client.get(&format!("/api/v1/jobs/{}", encoded(&id)))?;
            output.document(&job, || shown(&job))
        }
    }
}

fn list(jobs: &Value, output: Output) -> Result<(), Failure> {
    let items = jobs["items"].as_array().map_or(&[][..], Vec::as_slice);
    if items.is_empty() {
        hint(
            "there are no such jobs: one is opened when a device is to run other software, as with \
             `refit device set ID NAME@VERSION`",
        );
        return output.nothing(jobs);
    }
    output.document(jobs, || {
        let rows = items.iter().map(|job| {
            vec![
                cell(job, "id"),
                cell(job, "deviceID"),
                cell(job, "status"),
                software(job, "software").unwrap_or_default(),
                time(job, "openedAt").unwrap_or_default(),
                text(job, "reason")
                    .or_else(|| progress(job))
                    .unwrap_or_default(),
            ]
        });
        table(
            &["ID", "DEVICE", "STATUS", "SOFTWARE", "OPENED", "REASON"],
            rows,
        )
    })
}

fn shown(job: &Value) -> String {
    facts(
        &cell(job, "id"),
        &[
            ("device", text(job, "deviceID")),
            ("status", text(job, "status")),
            ("software", software(job, "software")),
            ("previous", software(job, "previous")),
            ("wanted by", text(job, "origin")),
            ("opened", time(job, "openedAt")),
            ("sent", time(job, "sentAt")),
            ("started", time(job, "startedAt")),
            ("ended", time(job, "endedAt")),
            ("progress", progress(job)),
            ("reason", text(job, "reason")),
        ],
    )
}

/// Writes how far a job is, or was when it ended without success: `download 40 %`.
pub(crate) fn progress(job: &Value) -> Option<String> {
    if text(job, "status").as_deref() == Some("SUCCEEDED") {
        return None;
    }
    let phase = text(job, "progress.phase");
    let percent = text(job, "progress.percent").map(|percent| format!("{percent} %"));
    match (phase, percent) {
        (Some(phase), Some(percent)) => Some(format!("{phase} {percent}")),
        (phase, percent) => phase.or(percent),
    }
}
