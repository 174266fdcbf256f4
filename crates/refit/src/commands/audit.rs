//! `refit audit`: who changed what, and the proof that nobody changed that.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};

use refit_access::audit::{Entry, Head, Proven, Verifier};
use refit_protocol::time::Timestamp;
use serde_json::{Value, json};

use crate::client::{Client, encoded};
use crate::failure::{Failure, Kind};
use crate::output::{Output, cell, hint, table, text, time};

#[derive(Debug, clap::Subcommand)]
pub(crate) enum Command {
    /// List changes, the newest first
    #[command(alias = "ls")]
    List {
        /// Only what this one did: token:ci, user:anna, device:lamp-7, server
        #[arg(long)]
        actor: Option<String>,
        /// Only such changes: software:assign
        #[arg(long)]
        action: Option<String>,
        /// Only what was done to this: device:lamp-7
        #[arg(long)]
        target: Option<String>,
        /// At most so many
        #[arg(long, default_value_t = 50)]
        limit: usize,
    },
    /// Write all of it to standard output, the oldest first, a JSON object a line
    Export,
    /// Show the head of the chain: note it somewhere else, for verify --head
    Head,
    /// Prove that no line was altered, left out or put in
    Verify {
        /// A head that was noted somewhere else: finds a cut tail and a full rewrite too
        #[arg(long, value_name = "HASH")]
        head: Option<String>,
        /// An export, instead of what the server says
        #[arg(long, value_name = "FILE")]
        file: Option<PathBuf>,
    },
}

pub(crate) fn run(
    command: Command,
    client: impl FnOnce() -> Result<Client, Failure>,
    output: Output,
) -> Result<(), Failure> {
    match command {
        Command::List {
            actor,
            action,
            target,
            limit,
        } => {
            let mut path = String::from("/api/v1/audit");
            let mut sign = '?';
            for (name, value) in [("actor", actor), ("action", action), ("target", target)] {
                if let Some(value) = value {
                    path.push(sign);
                    path = format!("{path}{name}={}", encoded(&value));
                    sign = '&';
                }
            }
            list(&client()?.get_all(&path, limit.max(1))?, output)
        }
        Command::Export => each_line(&client()?, |line| output.line(&line.to_string())),
        Command::Head => {
            let head = client()?.get("/api/v1/audit/head")?;
            output.document(&head, || cell(&head, "head"))
        }
        Command::Verify { head, file: None } => {
            let mut verifier = Verifier::new(read_head(head.as_deref())?);
            each_line(&client()?, |line| feed(&mut verifier, line))?;
            proven(verifier, output)
        }
        Command::Verify {
            head,
            file: Some(file),
        } => verify_file(head.as_deref(), &file, output),
    }
}

/// Verifies an export, without a server.
fn verify_file(head: Option<&str>, file: &Path, output: Output) -> Result<(), Failure> {
    let mut verifier = Verifier::new(read_head(head)?);
    let failed = |error: std::io::Error| {
        Failure::new(Kind::Error, format!("failed to read {}", file.display())).because(&error)
    };
    let lines = BufReader::new(File::open(file).map_err(failed)?).lines();
    for line in lines {
        let line = serde_json::from_str(&line.map_err(failed)?);
        let line =
            line.map_err(|error| broken(&format!("{} is not an export: {error}", file.display())))?;
        feed(&mut verifier, &line)?;
    }
    proven(verifier, output)
}

/// Goes through all lines, the oldest first.
fn each_line(
    client: &Client,
    mut then: impl FnMut(&Value) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let mut cursor = String::new();
    loop {
        let page = client.get(&format!("/api/v1/audit?order=oldest&limit=500{cursor}"))?;
        for line in page["items"].as_array().map_or(&[][..], Vec::as_slice) {
            then(line)?;
        }
        match page["nextCursor"].as_str() {
            Some(next) => cursor = format!("&cursor={}", encoded(next)),
            None => return Ok(()),
        }
    }
}

fn read_head(text: Option<&str>) -> Result<Option<Head>, Failure> {
    let Some(text) = text else { return Ok(None) };
    let head = Head::parse(text.trim());
    head.map(Some).ok_or_else(|| {
        Failure::new(Kind::Usage, format!("{text:?} is no head"))
            .next("a head has 64 hexadecimal digits, as `refit audit head` shows it")
    })
}

fn feed(verifier: &mut Verifier, line: &Value) -> Result<(), Failure> {
    let text = |key: &str| line[key].as_str().map(str::to_owned);
    let entry = Entry {
        at: Timestamp(line["timestamp"].as_u64().unwrap_or_default()),
        actor: text("actor").unwrap_or_default(),
        action: text("action").unwrap_or_default(),
        target: text("target").unwrap_or_default(),
        source: text("source"),
        request: text("request"),
        before: text("before"),
        after: text("after"),
    };
    let number = line["number"].as_u64().unwrap_or_default();
    let stated = line["head"].as_str().and_then(Head::parse);
    let stated = stated.ok_or_else(|| broken(&format!("line {number} has no head")))?;
    verifier
        .feed(number, &entry, stated)
        .map_err(|why| broken(&why.to_string()))
}

fn broken(why: &str) -> Failure {
    Failure::new(
        Kind::Refused,
        format!("the audit log is not what it was: {why}"),
    )
    .next("compare it with an earlier export, line by line, from there on")
}

fn proven(verifier: Verifier, output: Output) -> Result<(), Failure> {
    let proven = verifier.finish().map_err(|why| broken(&why.to_string()))?;
    let Proven {
        lines,
        head,
        outside_at,
    } = proven;
    if outside_at.is_none() {
        hint(
            "without a head that was noted elsewhere (--head), a cut tail or a full rewrite would not be seen",
        );
    }
    let shown = json!({ "lines": lines, "head": head.to_string(), "headFoundAt": outside_at });
    output.document(&shown, || {
        let upto = outside_at.map_or_else(String::new, |at| {
            format!(", the given head after line {at}")
        });
        format!("{lines} lines, none altered{upto}\nhead {head}")
    })
}

fn list(lines: &Value, output: Output) -> Result<(), Failure> {
    let items = lines["items"].as_array().map_or(&[][..], Vec::as_slice);
    if items.is_empty() {
        hint("nothing of the kind was changed yet");
        return output.nothing(lines);
    }
    output.document(lines, || {
        let rows = items.iter().map(|line| {
            vec![
                cell(line, "number"),
                time(line, "at").unwrap_or_default(),
                cell(line, "actor"),
                cell(line, "action"),
                cell(line, "target"),
                text(line, "after").unwrap_or_default(),
            ]
        });
        table(&["#", "WHEN", "WHO", "WHAT", "WITH", "NOW"], rows)
    })
}
