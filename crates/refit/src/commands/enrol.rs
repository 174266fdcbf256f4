//! `refit enrol`: how devices are let into the fleet.

use std::path::{Path, PathBuf};

use serde_json::{Map, Value, json};
use ureq::http::Method;

use super::{Dry, lines, seconds};
use crate::client::{Client, encoded};
use crate::failure::{Failure, Kind};
use crate::output::{Output, cell, hint, table, text, time};

#[derive(Debug, clap::Subcommand)]
pub(crate) enum Command {
    /// Claim tokens, with which devices enrol themselves
    #[command(subcommand)]
    Token(Token),
    /// Make IDs known before their devices come
    Import {
        /// A file of lines like {"id": "lamp-7", "attributes": {"site": "north"}}; - is standard input
        file: PathBuf,
        #[command(flatten)]
        dry: Dry,
    },
}

#[derive(Debug, clap::Subcommand)]
pub(crate) enum Token {
    /// Make a claim token, and show it this once
    New(New),
    /// List claim tokens, the newest first
    #[command(alias = "ls")]
    List,
    /// Revoke a claim token; devices that have enrolled with it stay
    Revoke {
        /// The token's ID, as it is listed
        id: String,
        #[command(flatten)]
        dry: Dry,
    },
}

#[derive(Debug, clap::Args)]
pub(crate) struct New {
    /// For how many devices
    #[arg(long, value_name = "N", default_value_t = 1)]
    devices: u64,
    /// How long it is good: 30m, 12h, 7d
    #[arg(long, value_name = "TIME", default_value = "7d", value_parser = seconds)]
    expires: u64,
    /// Which IDs it enrols: * is any run of characters, ? any one
    #[arg(long, value_name = "PATTERN")]
    id_pattern: Option<String>,
    /// What is known of these devices; may be given several times
    #[arg(long = "attr", value_name = "KEY=VALUE", value_parser = attribute)]
    attributes: Vec<(String, Value)>,
    #[command(flatten)]
    dry: Dry,
}

/// Reads `key=value`; a value that is JSON is taken as such.
fn attribute(written: &str) -> Result<(String, Value), String> {
    let (key, value) = written
        .split_once('=')
        .filter(|(key, _)| !key.is_empty())
        .ok_or("write KEY=VALUE")?;
    let value = serde_json::from_str(value).unwrap_or_else(|_| value.into());
    Ok((key.into(), value))
}

pub(crate) fn run(command: Command, client: &Client, output: Output) -> Result<(), Failure> {
    match command {
        Command::Token(Token::New(new)) => make(&new, client, output),
        Command::Token(Token::List) => list(client, output),
        Command::Token(Token::Revoke { id, dry }) => revoke(&id, dry, client, output),
        Command::Import { file, dry } => import(&file, dry, client, output),
    }
}

fn revoke(id: &str, dry: Dry, client: &Client, output: Output) -> Result<(), Failure> {
    let path = dry.path(format!("/api/v1/enrolment-tokens/{}", encoded(id)));
    let answer = client.send(Method::DELETE, &path, None)?;
    dry.hint();
    if dry.dry_run {
        return output.document(&answer, || format!("would revoke {id}"));
    }
    output.document(&json!({ "id": id, "revoked": true }), || {
        format!("revoked {id}")
    })
}

fn make(new: &New, client: &Client, output: Output) -> Result<(), Failure> {
    let attributes: Map<String, Value> = new.attributes.iter().cloned().collect();
    let mut body = json!({ "devices": new.devices, "expiresIn": format!("PT{}S", new.expires), "attributes": attributes });
    if let Some(pattern) = &new.id_pattern {
        body["idPattern"] = pattern.as_str().into();
    }
    let path = new.dry.path("/api/v1/enrolment-tokens".into());
    let made = client.send(Method::POST, &path, Some(&body))?;
    new.dry.hint();
    if new.dry.dry_run {
        let until = time(&made, "expiresAt").unwrap_or_default();
        return output.document(&made, || {
            format!(
                "would make a claim token for {} devices, good until {until}",
                new.devices
            )
        });
    }
    hint("this is shown once: keep it from others, and give it to the devices");
    if !output.json {
        hint("on the device: refit-agent enrol --server URL --token TOKEN --id ID");
    }
    output.document(&made, || text(&made, "token").unwrap_or_default())
}

fn list(client: &Client, output: Output) -> Result<(), Failure> {
    let claims = client.get_all("/api/v1/enrolment-tokens", usize::MAX)?;
    let items = claims["items"].as_array().map_or(&[][..], Vec::as_slice);
    if items.is_empty() {
        hint("there are no claim tokens: `refit enrol token new` makes one");
        return output.nothing(&claims);
    }
    output.document(&claims, || {
        let rows = items.iter().map(|claim| {
            let state = match (&claim["revokedAt"], &claim["good"]) {
                (Value::String(_), _) => "revoked",
                (_, Value::Bool(true)) => "good",
                _ if claim["left"] == 0 => "used up",
                _ => "expired",
            };
            vec![
                cell(claim, "id"),
                state.into(),
                format!("{} of {}", cell(claim, "left"), cell(claim, "devices")),
                text(claim, "idPattern").unwrap_or_else(|| "any".into()),
                time(claim, "expiresAt").unwrap_or_default(),
            ]
        });
        table(&["ID", "STATE", "LEFT", "IDS", "EXPIRES"], rows)
    })
}

/// What became of the lines.
#[derive(Default)]
struct Counts {
    registered: u64,
    known: u64,
    refused: u64,
}

impl Counts {
    fn take(&mut self, answer: &Value, output: Output) -> Result<(), Failure> {
        match answer["result"].as_str() {
            Some("registered") => self.registered += 1,
            Some("known") => self.known += 1,
            _ => {
                self.refused += 1;
                if !output.json {
                    let (line, detail) = (cell(answer, "line"), cell(answer, "detail"));
                    hint(&format!("line {line}: {detail}"));
                }
            }
        }
        if output.json {
            output.line(&answer.to_string())?;
        }
        Ok(())
    }
}

fn import(file: &Path, dry: Dry, client: &Client, output: Output) -> Result<(), Failure> {
    let mut counts = Counts::default();
    let path = dry.path("/api/v1/devices:import".into());
    lines::exchange(file, &path, client, |answer| counts.take(answer, output))?;
    dry.hint();
    let Counts {
        registered,
        known,
        refused,
    } = counts;
    if !output.json {
        output.line(&format!(
            "{registered} registered, {known} known before, {refused} refused"
        ))?;
    }
    if refused > 0 {
        return Err(
            Failure::new(Kind::Refused, format!("{refused} lines were refused"))
                .next("correct these and import the file again: what was taken is not taken twice"),
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attributes_are_read_as_they_are_typed() {
        assert_eq!(attribute("a=b=c"), Ok(("a".into(), json!("b=c"))));
        assert_eq!(attribute("a=7"), Ok(("a".into(), json!(7))));
        assert_eq!(attribute("a="), Ok(("a".into(), json!(""))));
        assert!(attribute("a").is_err() && attribute("=b").is_err());
    }
}
