//! How things look: data on stdout, as tables for people or as JSON for programs; hints on stderr.

use std::io::{ErrorKind, Write as _};

use comfy_table::{ContentArrangement, Table, presets};
use serde_json::Value;

use crate::failure::{Failure, Kind};

/// How data is written.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Output {
    pub(crate) json: bool,
}

impl Output {
    /// Writes a document: as it is, or as people read it.
    pub(crate) fn document(
        self,
        document: &Value,
        people: impl FnOnce() -> String,
    ) -> Result<(), Failure> {
        if self.json {
            self.line(&format!("{document:#}"))
        } else {
            self.line(&people())
        }
    }

    /// Writes an empty list: programs get it, people have been told by a hint.
    pub(crate) fn nothing(self, document: &Value) -> Result<(), Failure> {
        if self.json {
            self.line(&format!("{document:#}"))
        } else {
            Ok(())
        }
    }

    /// Writes one line of a stream.
    pub(crate) fn item(self, item: &Value, people: impl FnOnce() -> String) -> Result<(), Failure> {
        if self.json {
            self.line(&item.to_string())
        } else {
            self.line(&people())
        }
    }

    /// Writes a line, or several.
    pub(crate) fn line(self, text: &str) -> Result<(), Failure> {
        let mut stdout = anstream::stdout().lock();
        let written = writeln!(stdout, "{text}").and_then(|()| stdout.flush());
        written.map_err(|error| match error.kind() {
            // `| head` has seen enough.
            ErrorKind::BrokenPipe => Failure::new(Kind::Unread, "nobody reads"),
            _ => Failure::new(Kind::Error, "the output cannot be written").because(&error),
        })
    }
}

/// Says something beside the data.
pub(crate) fn hint(text: &str) {
    // If stderr is closed there is nobody to tell.
    drop(writeln!(anstream::stderr(), "{text}"));
}

/// Writes rows under headings, without lines.
pub(crate) fn table(headings: &[&str], rows: impl IntoIterator<Item = Vec<String>>) -> String {
    let mut table = Table::new();
    table
        .load_style(presets::NOTHING)
        .set_content_arrangement(ContentArrangement::Dynamic);
    table.set_header(headings.iter().copied());
    for row in rows {
        table.add_row(row.iter().map(|cell| printable(cell)));
    }
    for column in table.column_iter_mut() {
        column.set_padding((0, 2));
    }
    let text = table.to_string();
    let lines: Vec<&str> = text.lines().map(str::trim_end).collect();
    lines.join("\n")
}

/// Writes names and values under each other; values that are not there are left out.
pub(crate) fn facts(title: &str, facts: &[(&str, Option<String>)]) -> String {
    let widest = facts
        .iter()
        .map(|(name, _)| name.len())
        .max()
        .unwrap_or_default();
    let mut lines = vec![printable(title)];
    for (name, value) in facts {
        if let Some(value) = value {
            lines.push(format!("  {name:widest$}  {}", printable(value)));
        }
    }
    lines.join("\n")
}

/// Replaces what would command the terminal: some texts come from devices.
pub(crate) fn printable(text: &str) -> String {
    let visible = |c: char| match c {
        '\n' | '\t' => ' ',
        c if c.is_control() => '\u{fffd}',
        // Marks that turn the direction of writing around.
        '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => '\u{fffd}',
        c => c,
    };
    text.chars().map(visible).collect()
}

/// Takes a text out of a document; a name with dots goes down into it.
pub(crate) fn text(document: &Value, path: &str) -> Option<String> {
    let found = path
        .split('.')
        .try_fold(document, |value, name| value.get(name))?;
    match found {
        Value::Null => None,
        Value::String(text) => Some(text.clone()),
        other => Some(other.to_string()),
    }
}

/// Takes a text out of a document, or a dash.
pub(crate) fn cell(document: &Value, path: &str) -> String {
    text(document, path).unwrap_or_else(|| "-".into())
}

/// Takes the name of a software: its release, or else its URL.
pub(crate) fn software(document: &Value, path: &str) -> Option<String> {
    text(document, &format!("{path}.release"))
        .or_else(|| text(document, &format!("{path}.softwareURL")))
}

/// Writes a time of the API to the second; the Z says that it is UTC.
pub(crate) fn time(document: &Value, path: &str) -> Option<String> {
    let text = text(document, path)?;
    let seconds = text.split(['.', 'Z']).next().unwrap_or(&text);
    Some(format!("{}Z", seconds.replace('T', " ")))
}

/// Writes a number of bytes.
pub(crate) fn bytes(count: u64) -> String {
    const UNITS: [&str; 4] = ["KiB", "MiB", "GiB", "TiB"];
    if count < 1024 {
        return format!("{count} B");
    }
    let mut value = count as f64 / 1024.0;
    let mut unit = 0;
    while value >= 1024.0 && unit + 1 < UNITS.len() {
        value /= 1024.0;
        unit += 1;
    }
    format!("{value:.1} {}", UNITS[unit])
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_commands_a_terminal_is_not_printed() {
        assert_eq!(
            printable("a\x1b[2Jb\nc\u{202e}d"),
            "a\u{fffd}[2Jb c\u{fffd}d"
        );
    }

    #[test]
    fn tables_have_no_blanks_at_the_end_of_lines() {
        let text = table(&["ID", "STATE"], [vec!["lamp-7".into(), "-".into()]]);
        assert_eq!(text, "ID      STATE\nlamp-7  -");
    }

    #[test]
    fn facts_that_are_not_there_are_left_out() {
        let text = facts("lamp-7", &[("job", Some("j".into())), ("reported", None)]);
        assert_eq!(text, "lamp-7\n  job       j");
    }

    #[test]
    fn values_are_found_by_their_path() {
        let document = json!({"a": {"release": null, "softwareURL": "http://h"}, "t": "2026-11-24T11:38:18.123Z"});
        assert_eq!(software(&document, "a").unwrap(), "http://h");
        assert_eq!(time(&document, "t").unwrap(), "2026-11-24 11:38:18Z");
        assert_eq!(cell(&document, "a.b.c"), "-");
    }

    #[test]
    fn bytes_have_a_unit() {
        assert_eq!(bytes(1023), "1023 B");
        assert_eq!(bytes(1536), "1.5 KiB");
        assert_eq!(bytes(16 << 30), "16.0 GiB");
    }
}
