//! `refit list`: lists of device IDs, which selectors name: `in list NAME`.

use std::io::Read;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use ureq::http::Method;

use super::{Dry, lines};
use crate::client::{Client, encoded};
use crate::failure::{Failure, Kind};
use crate::output::{Output, cell, hint, table, time};

#[derive(Debug, clap::Subcommand)]
pub(crate) enum Command {
    /// Name the lists that there are
    #[command(alias = "ls")]
    List,
    /// Upload a list, in the place of the one of its name
    Put {
        /// The name, for 'in list NAME'
        name: String,
        /// A file with an ID a line; - is standard input
        file: PathBuf,
        #[command(flatten)]
        dry: Dry,
    },
    /// Show the IDs of a list
    Show {
        /// The name
        name: String,
    },
    /// Remove a list; selectors that name it are refused from then on
    #[command(alias = "rm")]
    Remove {
        /// The name
        name: String,
        #[command(flatten)]
        dry: Dry,
    },
}

pub(crate) fn run(command: Command, client: &Client, output: Output) -> Result<(), Failure> {
    match command {
        Command::List => list(client, output),
        Command::Put { name, file, dry } => put(&name, &file, dry, client, output),
        Command::Show { name } => show(&name, client, output),
        Command::Remove { name, dry } => remove(&name, dry, client, output),
    }
}

fn path(name: &str) -> String {
    format!("/api/v1/lists/{}", encoded(name))
}

fn list(client: &Client, output: Output) -> Result<(), Failure> {
    let lists = client.get_all("/api/v1/lists", usize::MAX)?;
    let items = lists["items"].as_array().map_or(&[][..], Vec::as_slice);
    if items.is_empty() {
        hint("there are no lists: `refit list put NAME FILE` uploads one");
        return output.nothing(&lists);
    }
    output.document(&lists, || {
        let rows = items.iter().map(|list| {
            vec![
                cell(list, "name"),
                cell(list, "count"),
                cell(list, "known"),
                time(list, "changedAt").unwrap_or_default(),
            ]
        });
        table(&["NAME", "IDS", "DEVICES", "UPLOADED"], rows)
    })
}

fn put(name: &str, file: &Path, dry: Dry, client: &Client, output: Output) -> Result<(), Failure> {
    let mut ids = Vec::new();
    lines::open(file)?
        .read_to_end(&mut ids)
        .map_err(|error| Failure::new(Kind::Error, "the list cannot be read").because(&error))?;
    let list = client.put(&dry.path(path(name)), &ids)?;
    dry.hint();
    output.document(&list, || {
        let (count, known) = (cell(&list, "count"), cell(&list, "known"));
        match dry.dry_run {
            false => format!("{name}: {count} IDs, {known} of them devices"),
            true => format!("{name}: {count} IDs"),
        }
    })
}

fn show(name: &str, client: &Client, output: Output) -> Result<(), Failure> {
    let mut text = String::new();
    client
        .lines(&path(name))?
        .read_to_string(&mut text)
        .map_err(|error| Failure::new(Kind::Error, "the answer was cut short").because(&error))?;
    let ids: Vec<&str> = text.lines().collect();
    let document: Value = json!({ "name": name, "ids": ids });
    match ids.is_empty() {
        true => output.nothing(&document),
        false => output.document(&document, || ids.join("\n")),
    }
}

fn remove(name: &str, dry: Dry, client: &Client, output: Output) -> Result<(), Failure> {
    let answer = client.send(Method::DELETE, &dry.path(path(name)), None)?;
    dry.hint();
    if dry.dry_run {
        return output.document(&answer, || format!("would remove {name}"));
    }
    output.document(&json!({ "name": name, "removed": true }), || {
        format!("removed {name}")
    })
}
