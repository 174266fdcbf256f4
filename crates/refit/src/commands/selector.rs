//! `refit selector`: what a selector means; and where one is wrong, for every command that takes one.

use refit_selector::Selector;
use serde_json::Value;

use crate::client::{Client, encoded};
use crate::failure::{Failure, Kind};
use crate::output::{Output, cell, hint, printable};

#[derive(Debug, clap::Subcommand)]
pub(crate) enum Command {
    /// Show how a selector is read and answered, and how many devices it means
    Explain {
        /// The selector, as 'model = gw-200 and version < 1.4.0'
        selector: String,
    },
}

pub(crate) fn run(command: Command, client: &Client, output: Output) -> Result<(), Failure> {
    let Command::Explain { selector } = command;
    let path = format!("/api/v1/selector/explain?select={}", encoded(&selector));
    let explained = client.get(&path);
    let explained = explained.map_err(|failure| mistaken(&selector, failure))?;
    output.document(&explained, || shown(&explained))
}

/// Shows where a selector is wrong, if that is why it was refused.
pub(super) fn mistaken(selector: &str, failure: Failure) -> Failure {
    if failure.kind != Kind::Usage {
        return failure;
    }
    if let Err(mistake) = Selector::parse(selector) {
        for line in mistake.caret(selector).lines() {
            hint(&format!("  {}", printable(line)));
        }
    }
    failure
}

fn shown(explained: &Value) -> String {
    let mut lines = vec![printable(&cell(explained, "selector"))];
    for step in explained["steps"].as_array().into_iter().flatten() {
        let depth = step["depth"].as_u64().unwrap_or_default() as usize;
        let by = match step["by"].as_str() {
            Some(by) => format!("  [{by}; about {}]", cell(step, "expected")),
            None => String::new(),
        };
        let (part, indent) = (cell(step, "part"), 2 + 2 * depth);
        let line = format!("{:indent$}{part}{by}", "");
        lines.push(printable(&line));
    }
    let claimed = explained["claimedByDevices"].as_array();
    let claimed: Vec<&str> = claimed
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect();
    if !claimed.is_empty() {
        let claimed = claimed.join(", ");
        lines.push(printable(&format!("claimed by devices: {claimed}")));
    }
    let (count, of) = (cell(explained, "count"), cell(explained, "of"));
    lines.push(format!("{count} of {of} devices"));
    lines.join("\n")
}
