//! `refit device tag` and `attribute`: what an operator says of a device; and both for many, as lines of a file.

use std::io::{BufRead, BufReader};
use std::path::Path;

use serde_json::{Map, Value, json};
use ureq::http::Method;

use super::super::{Dry, lines, selector};
use super::Id;
use crate::client::{Client, encoded};
use crate::failure::{Failure, Kind};
use crate::output::{Output, facts, hint, text};

/// What is said anew of a device.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    id: Id,
    /// KEY=VALUE sets one, KEY alone sets it without a value, KEY- takes it away
    #[arg(required = true, value_name = "CHANGE", value_parser = change)]
    changes: Vec<(String, Option<String>)>,
    /// Only if what is said of it has this version
    #[arg(long, value_name = "VERSION")]
    if_version: Option<u64>,
    #[command(flatten)]
    dry: Dry,
}

/// Reads `key=value`, `key` or `key-`.
fn change(written: &str) -> Result<(String, Option<String>), String> {
    let (key, value) = match (written.split_once('='), written.strip_suffix('-')) {
        (Some((key, value)), _) => (key, Some(value.to_owned())),
        (None, Some(key)) => (key, None),
        (None, None) => (written, Some(String::new())),
    };
    if key.is_empty() || key.starts_with('-') {
        return Err("write KEY=VALUE, KEY or KEY-".into());
    }
    Ok((key.to_owned(), value))
}

impl Arguments {
    /// Changes tags.
    pub(super) fn tag(self, client: &Client, output: Output) -> Result<(), Failure> {
        self.send("tags", Value::String, client, output)
    }

    /// Changes attributes; a value that is a number, `true` or `false` in JSON is taken as such.
    pub(super) fn attribute(self, client: &Client, output: Output) -> Result<(), Failure> {
        let read = |text: String| match serde_json::from_str(&text) {
            Ok(value @ (Value::Number(_) | Value::Bool(_))) => value,
            _ => Value::String(text),
        };
        self.send("attributes", read, client, output)
    }

    fn send(
        self,
        what: &str,
        read: impl Fn(String) -> Value,
        client: &Client,
        output: Output,
    ) -> Result<(), Failure> {
        let changes = self.changes.into_iter();
        let changes = changes.map(|(key, value)| (key, value.map_or(Value::Null, &read)));
        let changes: Map<String, Value> = changes.collect();
        let path = self.dry.path(format!("{}/facts", self.id.path()));
        let said = client.wish(
            Method::PATCH,
            &path,
            &json!({ what: changes }),
            self.if_version,
        )?;
        self.dry.hint();
        output.document(&said, || shown(&self.id.id, &said))
    }
}

/// Writes tags and attributes, each attribute with who says so.
fn shown(id: &str, said: &Value) -> String {
    if said.is_null() {
        return "done; this token may not read devices".into();
    }
    facts(
        id,
        &[("tags", tags(said)), ("attributes", attributes(said))],
    )
}

/// Writes tags as they are typed.
pub(super) fn tags(said: &Value) -> Option<String> {
    let tags = said["tags"].as_object()?.iter();
    let tags = tags.map(|(name, value)| match value.as_str() {
        Some("") | None => name.clone(),
        Some(value) => format!("{name}={value}"),
    });
    let tags: Vec<String> = tags.collect();
    (!tags.is_empty()).then(|| tags.join(" "))
}

/// Writes attributes with their sources.
pub(super) fn attributes(said: &Value) -> Option<String> {
    let all = said["attributes"].as_object()?.iter();
    let all = all.map(|(name, one)| {
        let value = text(one, "value").unwrap_or_default();
        let source = text(one, "source").unwrap_or_default();
        format!("{name}={value} ({source})")
    });
    let all: Vec<String> = all.collect();
    (!all.is_empty()).then(|| all.join(" "))
}

/// Says anew what a file says of devices.
pub(super) fn import(
    file: &Path,
    dry: Dry,
    client: &Client,
    output: Output,
) -> Result<(), Failure> {
    let (mut changed, mut same, mut refused) = (0, 0, 0);
    let path = dry.path("/api/v1/facts:import".into());
    lines::exchange(file, &path, client, |answer| {
        match answer["result"].as_str() {
            Some("made" | "changed") => changed += 1,
            Some("same") => same += 1,
            _ => {
                refused += 1;
                if !output.json {
                    let of = |name| text(answer, name).unwrap_or_default();
                    hint(&format!("line {}: {}", of("line"), of("detail")));
                }
            }
        }
        match output.json {
            true => output.line(&answer.to_string()),
            false => Ok(()),
        }
    })?;
    dry.hint();
    if !output.json {
        output.line(&format!(
            "{changed} changed, {same} as before, {refused} refused"
        ))?;
    }
    if refused > 0 {
        let what = format!("{refused} lines were refused");
        let next = "correct these and import the file again: what was taken is the same then";
        return Err(Failure::new(Kind::Refused, what).next(next));
    }
    Ok(())
}

/// Writes what operators say of devices, in lines that the import takes.
pub(super) fn export(
    file: Option<&Path>,
    select: Option<&str>,
    client: &Client,
    output: Output,
) -> Result<(), Failure> {
    let path = match select {
        Some(text) => format!("/api/v1/facts:export?select={}", encoded(text)),
        None => "/api/v1/facts:export".into(),
    };
    let exported = client.lines(&path);
    let mut exported = exported.map_err(|failure| match select {
        Some(text) => selector::mistaken(text, failure),
        None => failure,
    })?;
    let cut = |error: std::io::Error| {
        Failure::new(Kind::Error, "the export was cut short").because(&error)
    };
    let Some(file) = file.filter(|file| file.as_os_str() != "-") else {
        for line in BufReader::new(exported).lines() {
            output.line(&line.map_err(cut)?)?;
        }
        return Ok(());
    };
    let cannot = format!("{} cannot be written", file.display());
    let mut written = std::fs::File::create(file)
        .map_err(|error| Failure::new(Kind::Usage, cannot).because(&error))?;
    let bytes = std::io::copy(&mut exported, &mut written).map_err(cut)?;
    let done = json!({ "file": file.display().to_string(), "bytes": bytes });
    output.document(&done, || format!("wrote {}", file.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_are_read_as_they_are_typed() {
        let set = |key: &str, value: &str| Ok((key.to_owned(), Some(value.to_owned())));
        assert_eq!(change("ring=canary"), set("ring", "canary"));
        assert_eq!(change("a=b-"), set("a", "b-"));
        assert_eq!(change("frozen"), set("frozen", ""));
        assert_eq!(change("ring-"), Ok(("ring".into(), None)));
        for bad in ["", "-", "=b", "--json"] {
            assert!(change(bad).is_err(), "{bad}");
        }
    }
}
