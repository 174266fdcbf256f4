//! `refit grant`: the keys that grants are signed with.

use serde_json::Value;

use super::Dry;
use crate::client::Client;
use crate::failure::Failure;
use crate::output::{Output, cell, table, time};

#[derive(Debug, clap::Subcommand)]
pub(crate) enum Command {
    /// List the keys, the one that signs first
    Keys,
    /// Make a new key, which signs from now on; grants that are out stay good
    Rotate(Dry),
}

const PATH: &str = "/api/v1/grant-keys";

pub(crate) fn run(command: &Command, client: &Client, output: Output) -> Result<(), Failure> {
    let keys = match command {
        Command::Keys => client.get(PATH)?,
        Command::Rotate(dry) => {
            let keys = client.operate(&dry.path(PATH.into()), None)?;
            dry.hint();
            keys
        }
    };
    output.document(&keys, || {
        let items = keys["items"].as_array().map_or(&[][..], Vec::as_slice);
        table(&["KEY", "ROLE", "ITS GRANTS END"], items.iter().map(row))
    })
}

fn row(key: &Value) -> Vec<String> {
    let role = if key["current"] == true {
        "signs"
    } else {
        "checks"
    };
    let until = time(key, "until").unwrap_or_else(|| "-".into());
    vec![cell(key, "id"), role.into(), until]
}
