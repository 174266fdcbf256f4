//! The configuration file: TOML, with the names of the flags, and nothing else.

use std::path::{Path, PathBuf};

use refit_protocol::near::nearest;

use super::given::{Given, Origin};
use super::{Error, Key};

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
    for (name, value) in flat(table) {
        let name = &name;
        let Some(key) = Key::ALL.into_iter().find(|key| key.name() == name) else {
            return Err(unknown_key(path, name));
        };
        if let (Key::CaFactory, toml::Value::Array(list)) = (key, &value) {
            file.values.push((key, factories(path, list)?));
            continue;
        }
        let Some(text) = text_of(&value) else {
            return Err(Error {
                what: format!(
                    "{name} in {} is neither text nor true or false",
                    path.display()
                ),
                hint: format!("write it as {name} = \"…\""),
            });
        };
        file.values.push((key, text));
    }
    Ok(file)
}

/// `[grant] strength = …` is `grant-strength = …`: a section saves its settings their first word.
fn flat(table: toml::Table) -> Vec<(String, toml::Value)> {
    let mut values = Vec::new();
    for (name, value) in table {
        match value {
            toml::Value::Table(section) => {
                let within = section.into_iter();
                values.extend(within.map(|(key, value)| (format!("{name}-{key}"), value)));
            }
            value => values.push((name, value)),
        }
    }
    values
}

/// `[[ca.factory]]` with `certificate` and `id-pattern`, as a variable would have it: `certificate=pattern`, with commas.
fn factories(path: &Path, list: &[toml::Value]) -> Result<String, Error> {
    let wrong = |hint: &str| Error {
        what: format!("a [[ca.factory]] in {} is not taken", path.display()),
        hint: hint.into(),
    };
    let text = |factory: &toml::Value| {
        let field = |name: &str| factory.get(name).and_then(toml::Value::as_str);
        let fields = factory.as_table().map_or(0, toml::Table::len);
        let (Some(certificate), Some(pattern), 2) =
            (field("certificate"), field("id-pattern"), fields)
        else {
            return Err(wrong(
                "give it certificate and id-pattern, and nothing else; id-pattern = \"*\" allows any ID",
            ));
        };
        if certificate.contains(',') {
            return Err(wrong("use a path without a comma"));
        }
        Ok(format!("{certificate}={pattern}"))
    };
    let texts: Vec<_> = list.iter().map(text).collect::<Result<_, _>>()?;
    Ok(texts.join(", "))
}

/// Text, a whole number, true or false, or a list of texts, which is written with commas elsewhere.
fn text_of(value: &toml::Value) -> Option<String> {
    match value {
        toml::Value::String(text) => Some(text.clone()),
        toml::Value::Boolean(yes) => Some(yes.to_string()),
        toml::Value::Integer(number) => Some(number.to_string()),
        toml::Value::Array(list) => {
            let texts: Option<Vec<&str>> = list.iter().map(toml::Value::as_str).collect();
            texts.map(|texts| texts.join(", "))
        }
        _ => None,
    }
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
