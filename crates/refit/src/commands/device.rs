//! `refit device`: what devices run, what they should run, and why they do not.

mod describe;
mod set;
mod watch;
mod why;

use std::path::PathBuf;

use serde_json::Value;
use ureq::http::Method;

use super::job::progress;
use super::{Dry, selector};
use crate::client::{Client, encoded};
use crate::failure::Failure;
use crate::output::{Output, cell, facts, hint, software, table, text, time};

#[derive(Debug, clap::Subcommand)]
pub(crate) enum Command {
    /// List devices
    #[command(alias = "ls")]
    List {
        /// At most so many
        #[arg(long, default_value_t = 1000)]
        limit: usize,
        /// Only those that this means, as 'model = gw-200 and version < 1.4.0'
        #[arg(long, value_name = "SELECTOR")]
        select: Option<String>,
    },
    /// Say what a device is, in tags: ring=canary frozen old-
    Tag(describe::Arguments),
    /// Say what a device is, in attributes: model=gw-200 cores=4 site-
    #[command(alias = "attr")]
    Attribute(describe::Arguments),
    /// Say anew what is said of many devices; one that nobody knows is made
    Import {
        /// A file of lines like {"id": "lamp-7", "tags": {"ring": "canary"}}; - is standard input
        file: PathBuf,
        #[command(flatten)]
        dry: Dry,
    },
    /// Write what is said of devices, in lines that the import takes
    Export {
        /// The file; standard output, if there is none
        file: Option<PathBuf>,
        /// Only those that this means
        #[arg(long, value_name = "SELECTOR")]
        select: Option<String>,
    },
    /// Show a device
    Show(Id),
    /// Say what a device should run, or be
    Set(set::Arguments),
    /// Follow a device
    Watch(watch::Arguments),
    /// Say in a sentence why a device does not run what it should
    Why(Id),
    /// End the open job of a device
    Cancel(Operation),
    /// Keep software from a device
    Hold(Operation),
    /// Let a device that was held have its software
    Release(Operation),
    /// Try again what failed
    Retry(Operation),
    /// Show the identity of a device: where it stands, and its certificates
    Identity(Id),
    /// Revoke all certificates of a device, at once
    Revoke(Act),
    /// Take a device out of service, at once
    Retire(Act),
    /// Allow a device one new key: it can enrol once more
    ReEnrol(Act),
    /// Remove a device: its record, and its certificates
    #[command(alias = "rm")]
    Remove(Operation),
}

#[derive(Debug, clap::Args)]
pub(crate) struct Id {
    /// The device's ID
    #[arg(value_parser = super::device_id)]
    id: String,
}

/// What is done with the identity of a device.
#[derive(Debug, clap::Args)]
pub(crate) struct Act {
    #[command(flatten)]
    id: Id,
    #[command(flatten)]
    dry: Dry,
}

/// What is done with a device.
#[derive(Debug, clap::Args)]
pub(crate) struct Operation {
    #[command(flatten)]
    id: Id,
    /// Only if the record has this version
    #[arg(long, value_name = "VERSION")]
    if_version: Option<u64>,
    #[command(flatten)]
    dry: Dry,
}

impl Id {
    fn path(&self) -> String {
        format!("/api/v1/devices/{}", self.id)
    }
}

pub(crate) fn run(command: Command, client: &Client, output: Output) -> Result<(), Failure> {
    match command {
        Command::List { limit, select } => list(client, limit, select.as_deref(), output),
        Command::Tag(arguments) => arguments.tag(client, output),
        Command::Attribute(arguments) => arguments.attribute(client, output),
        Command::Import { file, dry } => describe::import(&file, dry, client, output),
        Command::Export { file, select } => {
            describe::export(file.as_deref(), select.as_deref(), client, output)
        }
        Command::Show(id) => {
            let device = client.get(&id.path())?;
            output.document(&device, || shown(&device))
        }
        Command::Set(arguments) => arguments.run(client, output),
        Command::Watch(arguments) => arguments.run(client, output),
        Command::Why(id) => {
            let device = client.get(&id.path())?;
            output.document(&why::document(&device), || why::sentence(&device))
        }
        Command::Cancel(operation) => operate(client, &operation, "cancel", output),
        Command::Hold(operation) => operate(client, &operation, "hold", output),
        Command::Release(operation) => operate(client, &operation, "release", output),
        Command::Retry(operation) => operate(client, &operation, "retry", output),
        Command::Identity(id) => {
            let identity = client.get(&format!("{}/identity", id.path()))?;
            output.document(&identity, || identified(&identity))
        }
        Command::Revoke(act) => identify(client, &act, "revoke", output),
        Command::Retire(act) => identify(client, &act, "retire", output),
        Command::ReEnrol(act) => identify(client, &act, "re-enrol", output),
        Command::Remove(operation) => remove(client, &operation, output),
    }
}

fn remove(client: &Client, operation: &Operation, output: Output) -> Result<(), Failure> {
    let Operation {
        id,
        if_version,
        dry,
    } = operation;
    let answer = client.remove(&dry.path(id.path()), *if_version)?;
    dry.hint();
    if dry.dry_run {
        return output.document(&answer, || format!("would remove {}", id.id));
    }
    let removed = serde_json::json!({ "id": id.id, "removed": true });
    output.document(&removed, || format!("removed {}", id.id))
}

fn operate(
    client: &Client,
    operation: &Operation,
    what: &str,
    output: Output,
) -> Result<(), Failure> {
    let path = operation
        .dry
        .path(format!("{}/{what}", operation.id.path()));
    let device = client.operate(&path, operation.if_version)?;
    if what == "retry" && device["job"].is_null() {
        hint("there was nothing to try again");
    }
    operation.dry.hint();
    output.document(&device, || shown(&device))
}

fn identify(client: &Client, act: &Act, what: &str, output: Output) -> Result<(), Failure> {
    let path = act.dry.path(format!("{}/{what}", act.id.path()));
    let identity = client.send(Method::POST, &path, None)?;
    act.dry.hint();
    output.document(&identity, || identified(&identity))
}

fn identified(identity: &Value) -> String {
    let known = |name: &str| text(identity, name).filter(|state| state != "{}");
    let certificates = identity["certificates"].as_array();
    let newest = certificates.and_then(|all| all.first());
    facts(
        &cell(identity, "deviceID"),
        &[
            ("standing", text(identity, "standing")),
            ("since", time(identity, "since")),
            (
                "may enrol anew",
                (identity["mayEnrolAnew"] == true).then(|| "yes, once".into()),
            ),
            ("attributes", known("attributes")),
            ("says of itself", known("claimed")),
            ("enrolled with", text(identity, "enrolmentToken")),
            ("certificate", newest.and_then(|one| text(one, "serial"))),
            ("is", newest.and_then(|one| text(one, "state"))),
            ("until", newest.and_then(|one| time(one, "notAfter"))),
        ],
    )
}

fn list(
    client: &Client,
    limit: usize,
    select: Option<&str>,
    output: Output,
) -> Result<(), Failure> {
    let path = match select {
        Some(text) => format!("/api/v1/devices?select={}", encoded(text)),
        None => "/api/v1/devices".into(),
    };
    let devices = client.get_all(&path, limit.max(1));
    let devices = devices.map_err(|failure| match select {
        Some(text) => selector::mistaken(text, failure),
        None => failure,
    })?;
    let items = devices["items"].as_array().map_or(&[][..], Vec::as_slice);
    if items.is_empty() && select.is_some() {
        hint("no device is meant: `refit selector explain` shows how it is read");
        return output.nothing(&devices);
    }
    if items.is_empty() {
        hint(
            "there are no devices yet: one appears when it connects, or with `refit device set ID NAME@VERSION`",
        );
        return output.nothing(&devices);
    }
    if devices["more"] == true {
        hint("there are more: raise --limit");
    }
    output.document(&devices, || {
        let rows = items.iter().map(|device| {
            vec![
                cell(device, "id"),
                online(device).into(),
                software(device, "reportedSoftware").unwrap_or_else(|| "-".into()),
                software(device, "desiredSoftware").unwrap_or_else(|| "-".into()),
                cell(device, "job.status"),
                time(device, "seenAt").unwrap_or_default(),
            ]
        });
        table(
            &["ID", "ONLINE", "RUNS", "SHOULD RUN", "JOB", "LAST HEARD"],
            rows,
        )
    })
}

fn online(device: &Value) -> &'static str {
    if device["online"] == true {
        "yes"
    } else {
        "no"
    }
}

fn shown(device: &Value) -> String {
    if device.is_null() {
        return "done; this token may not read devices".into();
    }
    let job = |name: &str| {
        let job = &device[name];
        let status = text(job, "status")?;
        let more = text(job, "reason")
            .or_else(|| progress(job))
            .map(|more| format!(": {more}"));
        Some(format!(
            "{} {status}{}",
            cell(job, "id"),
            more.unwrap_or_default()
        ))
    };
    let state = |name: &str| text(device, name).filter(|state| state != "{}");
    facts(
        &cell(device, "id"),
        &[
            ("online", Some(online(device).into())),
            ("runs", software(device, "reportedSoftware")),
            ("should run", software(device, "desiredSoftware")),
            (
                "why not",
                (device["converged"] == false).then(|| why::sentence(device)),
            ),
            ("held", (device["held"] == true).then(|| "yes".into())),
            ("job", job("job")),
            (
                "last job",
                job("lastJob").filter(|_| device["job"].is_null()),
            ),
            ("tags", describe::tags(&device["facts"])),
            ("attributes", describe::attributes(&device["facts"])),
            ("version", text(device, "version")),
            ("desired", state("desired")),
            ("reported", state("reported")),
            ("last heard", time(device, "seenAt")),
        ],
    )
}
