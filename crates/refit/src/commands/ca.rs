//! `refit ca`: what devices trust, until when, and the change to another CA.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use ureq::http::Method;

use super::Dry;
use crate::client::Client;
use crate::failure::{Failure, Kind};
use crate::output::{Output, cell, facts, hint, text, time};

/// Of a longer file the server would not take more.
const ROOT_BYTES_MAX: u64 = 7 * 1024;

#[derive(Debug, clap::Subcommand)]
pub(crate) enum Command {
    /// Show what devices trust, how many have moved to it, and when what expires
    Status,
    /// Begin the change to another CA: devices trust its root beside the present one
    Rotate {
        /// The next root, PEM, where the CA is your own
        #[arg(long, value_name = "FILE")]
        root: Option<PathBuf>,
        #[command(flatten)]
        dry: Dry,
    },
    /// Have the new CA sign from now on; refused while too many devices lack its root
    Switch {
        /// How many of the devices heard in 90 days may lack the new root, in percent
        #[arg(long, value_name = "PERCENT", default_value_t = 1.0)]
        max_lacking: f64,
        /// Leave devices behind that lack it: they cannot reach the server any more
        #[arg(long)]
        force: bool,
        #[command(flatten)]
        dry: Dry,
    },
    /// End the trust in the CA before; refused while devices hold certificates of it
    Finish {
        /// Lock out devices that hold certificates of it; before the switch: withdraw the new root
        #[arg(long)]
        force: bool,
        #[command(flatten)]
        dry: Dry,
    },
}

const PATH: &str = "/api/v1/ca";

pub(crate) fn run(command: Command, client: &Client, output: Output) -> Result<(), Failure> {
    match command {
        Command::Status => {
            let ca = client.get(PATH)?;
            output.document(&ca, || shown(&ca))
        }
        Command::Rotate { root, dry } => {
            let root = root.as_deref().map(read).transpose()?;
            let body = root.map_or_else(|| json!({}), |root| json!({ "root": root }));
            turn(client, "rotate", &body, dry, output)
        }
        Command::Switch {
            max_lacking,
            force,
            dry,
        } => {
            let body = json!({ "maxLackingPercent": max_lacking, "force": force });
            turn(client, "switch", &body, dry, output)
        }
        Command::Finish { force, dry } => {
            turn(client, "finish", &json!({ "force": force }), dry, output)
        }
    }
}

fn turn(
    client: &Client,
    step: &str,
    body: &Value,
    dry: Dry,
    output: Output,
) -> Result<(), Failure> {
    let path = dry.path(format!("{PATH}/{step}"));
    let turned = client.send(Method::POST, &path, Some(body))?;
    dry.hint();
    if turned["endingTokens"].as_u64().unwrap_or(0) > 0 {
        hint("claim tokens that are out pin the CA before and end with the switch: make new ones");
    }
    match (step, &turned["stage"]) {
        ("rotate", _) => hint(
            "next: `refit ca switch`, once `refit ca status` shows that few devices lack the root",
        ),
        ("switch", _) => {
            hint("next: `refit ca finish`, once `refit ca status` shows that none is left to renew")
        }
        _ => {}
    }
    output.document(&turned, || {
        facts(
            &format!("trust bundle {}", cell(&turned, "trust")),
            &[
                ("stage", text(&turned, "stage")),
                ("devices seen", text(&turned, "seen")),
                ("lack the root", text(&turned, "lacking")),
                ("left to renew", text(&turned, "left")),
                ("left, expired", text(&turned, "leftExpired")),
                ("ending tokens", ending(&turned)),
            ],
        )
    })
}

/// The claim tokens that end, by what they are spoken of.
fn ending(turned: &Value) -> Option<String> {
    let ids = turned["endingTokenIds"].as_array()?;
    let ids: Vec<_> = ids.iter().filter_map(Value::as_str).collect();
    let more = turned["endingTokens"]
        .as_u64()?
        .saturating_sub(ids.len() as u64);
    match (ids.is_empty(), more) {
        (true, _) => None,
        (false, 0) => Some(ids.join(" ")),
        (false, more) => Some(format!("{} and {more} more", ids.join(" "))),
    }
}

fn read(path: &Path) -> Result<String, Failure> {
    let mut text = String::new();
    let opened =
        File::open(path).and_then(|file| file.take(ROOT_BYTES_MAX).read_to_string(&mut text));
    opened.map_err(|error| {
        Failure::new(Kind::Usage, format!("{} cannot be read", path.display())).because(&error)
    })?;
    Ok(text)
}

fn shown(ca: &Value) -> String {
    let issuers = ca["issuers"].as_array().map_or(&[][..], Vec::as_slice);
    let certificates: u64 = issuers
        .iter()
        .filter_map(|issuer| issuer["certificates"].as_u64())
        .sum();
    facts(
        &format!("trust bundle {}", cell(ca, "trust")),
        &[
            ("stage", text(ca, "stage")),
            ("roots", text(ca, "roots")),
            ("first root until", time(ca, "rootsExpireAt")),
            ("issuer until", time(ca, "issuerExpiresAt")),
            ("certificates", Some(certificates.to_string())),
            ("left to renew", text(ca, "leftToRenew")),
            ("devices behind", text(ca, "behind")),
            ("lack the root", text(ca, "lacking")),
            ("counted", time(ca, "countedAt")),
        ],
    )
}
