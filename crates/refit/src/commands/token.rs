//! `refit token`: what programs show to be let in. The text of one is written once, to standard output alone.

use serde_json::{Value, json};
use ureq::http::Method;

use super::{Dry, seconds};
use crate::client::{Client, encoded};
use crate::failure::{Failure, Kind};
use crate::output::{Output, cell, hint, table, text, time};

#[derive(Debug, clap::Subcommand)]
pub(crate) enum Command {
    /// Make a token, and show it this once
    New(New),
    /// List tokens by name, those that are no longer good too
    #[command(alias = "ls")]
    List,
    /// Revoke a token; what it holds open is closed at once
    Revoke {
        /// The token's ID or name, as it is listed
        #[arg(value_name = "ID-OR-NAME")]
        which: String,
        #[command(flatten)]
        dry: Dry,
    },
}

#[derive(Debug, clap::Args)]
pub(crate) struct New {
    /// What people call it
    #[arg(long)]
    name: String,
    /// What it may do: viewer, operator, admin or application
    #[arg(long)]
    role: String,
    /// For an application: its devices; * is any run of characters, ? any one
    #[arg(long, value_name = "GLOB", num_args = 1..)]
    devices: Option<Vec<String>>,
    /// For an application: what it may do with them, like state:write; without, it only looks
    #[arg(long, value_name = "VERB", num_args = 1.., requires = "devices")]
    may: Option<Vec<String>>,
    /// How long it is good: 12h, 90d; without, until it is revoked
    #[arg(long, value_name = "TIME", value_parser = seconds)]
    expires: Option<u64>,
    #[command(flatten)]
    dry: Dry,
}

pub(crate) fn run(command: Command, client: &Client, output: Output) -> Result<(), Failure> {
    match command {
        Command::New(new) => make(new, client, output),
        Command::List => list(client, output),
        Command::Revoke { which, dry } => revoke(&which, dry, client, output),
    }
}

fn make(new: New, client: &Client, output: Output) -> Result<(), Failure> {
    let mut body = json!({ "name": new.name, "role": new.role });
    if let Some(devices) = new.devices {
        body["devices"] = devices.into();
    }
    if let Some(may) = new.may {
        body["may"] = may.into();
    }
    if let Some(seconds) = new.expires {
        body["expiresIn"] = format!("PT{seconds}S").into();
    }
    let path = new.dry.path("/api/v1/tokens".into());
    let made = client.send(Method::POST, &path, Some(&body))?;
    new.dry.hint();
    if new.dry.dry_run {
        let (name, role) = (cell(&made, "name"), cell(&made, "role"));
        return output.document(&made, || format!("would make {name} ({role})"));
    }
    hint("this is shown once: keep it from others");
    output.document(&made, || text(&made, "token").unwrap_or_default())
}

fn list(client: &Client, output: Output) -> Result<(), Failure> {
    let tokens = client.get_all("/api/v1/tokens", usize::MAX)?;
    output.document(&tokens, || {
        let rows = items(&tokens).iter().map(|token| {
            vec![
                cell(token, "id"),
                cell(token, "name"),
                cell(token, "role"),
                state(token).into(),
                words(&token["devices"]),
                words(&token["may"]),
                time(token, "expiresAt").unwrap_or_else(|| "-".into()),
                time(token, "usedAt").unwrap_or_else(|| "-".into()),
            ]
        });
        table(
            &[
                "ID", "NAME", "ROLE", "STATE", "DEVICES", "MAY", "EXPIRES", "USED",
            ],
            rows,
        )
    })
}

fn items(tokens: &Value) -> &[Value] {
    tokens["items"].as_array().map_or(&[][..], Vec::as_slice)
}

/// Tells whether a token is good, as the server sees it.
fn state(token: &Value) -> &'static str {
    match (&token["revokedAt"], &token["good"]) {
        (Value::String(_), _) => "revoked",
        (_, Value::Bool(true)) => "good",
        _ => "expired",
    }
}

fn words(list: &Value) -> String {
    let words = list.as_array().map_or(&[][..], Vec::as_slice);
    let words: Vec<&str> = words.iter().filter_map(Value::as_str).collect();
    if words.is_empty() {
        "-".into()
    } else {
        words.join(" ")
    }
}

fn revoke(wanted: &str, dry: Dry, client: &Client, output: Output) -> Result<(), Failure> {
    let tokens = client.get_all("/api/v1/tokens", usize::MAX)?;
    let found = find(items(&tokens), wanted)?;
    let (id, name) = (cell(found, "id"), cell(found, "name"));
    let path = dry.path(format!("/api/v1/tokens/{}", encoded(&id)));
    let answer = client.send(Method::DELETE, &path, None)?;
    dry.hint();
    if dry.dry_run {
        return output.document(&answer, || format!("would revoke {name} ({id})"));
    }
    let revoked = json!({ "id": id, "name": name, "revoked": true });
    output.document(&revoked, || format!("revoked {name} ({id})"))
}

/// Finds the token that is meant. Of one name, one at most is not revoked.
fn find<'a>(tokens: &'a [Value], wanted: &str) -> Result<&'a Value, Failure> {
    let mut found = tokens.iter().filter(|token| {
        let is_meant = token["id"] == wanted || token["name"] == wanted;
        is_meant && token["revokedAt"].is_null()
    });
    match (found.next(), found.next()) {
        (Some(token), None) => Ok(token),
        (Some(_), Some(_)) => Err(Failure::new(
            Kind::Conflict,
            format!("{wanted:?} is the ID of one token and the name of another"),
        )
        .next("revoke the other one by its ID first")),
        (None, _) => {
            let what = format!("there is no token {wanted:?} that could be revoked");
            Err(Failure::new(Kind::NotFound, what).next("`refit token list` lists them"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_meant_by_id_or_name_and_never_two() {
        let token = |id: &str, name: &str, revoked: Option<&str>| json!({ "id": id, "name": name, "revokedAt": revoked });
        let tokens = [
            token("a1", "ci", Some("2026-01-01T00:00:00Z")),
            token("b2", "ci", None),
            token("c3", "b2", None),
            token("d4", "shop", None),
        ];
        let id = |wanted: &str| find(&tokens, wanted).map(|token| token["id"].clone());
        assert_eq!(id("ci").unwrap(), "b2");
        assert_eq!(id("d4").unwrap(), "d4");
        assert_eq!(id("a1").unwrap_err().kind, Kind::NotFound);
        assert_eq!(id("b2").unwrap_err().kind, Kind::Conflict);
        assert_eq!(id("").unwrap_err().kind, Kind::NotFound);
    }
}
