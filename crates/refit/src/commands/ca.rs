//! `refit ca`: what devices trust, and until when.

use serde_json::Value;

use crate::client::Client;
use crate::failure::Failure;
use crate::output::{Output, cell, facts, text, time};

#[derive(Debug, clap::Subcommand)]
pub(crate) enum Command {
    /// Show what devices trust, how many have moved to it, and when what expires
    Status,
}

pub(crate) fn run(command: Command, client: &Client, output: Output) -> Result<(), Failure> {
    match command {
        Command::Status => {
            let ca = client.get("/api/v1/ca")?;
            output.document(&ca, || shown(&ca))
        }
    }
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
            ("roots", text(ca, "roots")),
            ("first root until", time(ca, "rootsExpireAt")),
            ("issuer until", time(ca, "issuerExpiresAt")),
            ("certificates", Some(certificates.to_string())),
            ("left to renew", text(ca, "leftToRenew")),
            ("devices behind", text(ca, "behind")),
        ],
    )
}
