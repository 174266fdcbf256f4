//! The configuration file: TOML, with the names of the flags, and nothing else.

use std::path::{Path, PathBuf};

use super::given::{Given, Origin};
use super::{Error, Key};
use crate::suggest::nearest;

/// The values of a file.
#[derive(Default)]
pub(super) struct File {
    path: PathBuf,
    values: Vec<(Key, String)>,
}

impl File {
    pub(super) fn find(&self, key: Key) -> Option<Given> {
        let (key, text) = self.values.iter().find(|(k, _)| *k == key)?;
        Some(Given {
            key: *key,
            text: text.clone(),
            origin: Origin::File(self.path.clone()),
        })
    }
}

/// Reads a file.
pub(super) fn read_file(path: &Path) -> Result<File, Error> {
    let text = std::fs::read_to_string(path).map_err(|error| Error {
        what: format!(
            "the configuration file {} cannot be read: {error}",
            path.display()
        ),
        hint: "name another with --config, or none".into(),
    })?;
    parse_file(path, &text)
}

fn parse_file(path: &Path, text: &str) -> Result<File, Error> {
    let table: toml::Table = text.parse().map_err(|error: toml::de::Error| Error {
        what: format!("{} is not TOML: {}", path.display(), error.message()),
        hint: error.span().map_or_else(String::new, |span| {
            let line = text[..span.start.min(text.len())].matches('\n').count() + 1;
            format!("look at line {line}")
        }),
    })?;
    let mut file = File {
        path: path.to_owned(),
        values: Vec::new(),
    };
    for (name, value) in &table {
        let Some(key) = Key::ALL.into_iter().find(|key| key.name() == name) else {
            return Err(unknown_key(path, name));
        };
        let text = match value {
            toml::Value::String(text) => text.clone(),
            toml::Value::Boolean(yes) => yes.to_string(),
            _ => {
                return Err(Error {
                    what: format!(
                        "{name} in {} is neither text nor true or false",
                        path.display()
                    ),
                    hint: format!("write it as {name} = \"…\""),
                });
            }
        };
        file.values.push((key, text));
    }
    Ok(file)
}

fn unknown_key(path: &Path, name: &str) -> Error {
    let names = Key::ALL.map(Key::name);
    let near = nearest(name, names.iter().copied());
    Error {
        what: format!(
            "{} has a setting that does not exist: {name}",
            path.display()
        ),
        hint: near.map_or_else(
            || format!("there are: {}", names.join(", ")),
            |near| format!("did you mean {near}?"),
        ),
    }
}
