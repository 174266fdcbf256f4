//! `refit device set`: step 3 of the pattern, by hand.

use serde_json::{Map, Value, json};
use ureq::http::Method;

use super::super::Dry;
use super::super::release::release;
use super::{Id, shown};
use crate::client::{Client, encoded};
use crate::failure::{Failure, Kind};
use crate::output::{Output, hint};

/// What a device should be.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  refit device set lamp-7 firmware@2.0.0
  refit device set lamp-7 https://store.example/firmware-2.bin
  refit device set lamp-7 brightness=70 'colour={\"r\":255}' night=null")]
pub(crate) struct Arguments {
    #[command(flatten)]
    id: Id,
    /// A release (NAME@VERSION), a URL, or KEY=VALUE of the desired state: JSON or text; null takes it back
    #[arg(required = true, value_name = "WHAT")]
    what: Vec<String>,
    /// Only if the record has this version
    #[arg(long, value_name = "VERSION")]
    if_version: Option<u64>,
    #[command(flatten)]
    dry: Dry,
}

/// One wish.
#[derive(Debug, PartialEq)]
enum Wish {
    Release(String),
    Url(String),
    Key(String, Value),
}

impl Arguments {
    pub(super) fn run(&self, client: &Client, output: Output) -> Result<(), Failure> {
        let wishes = self
            .what
            .iter()
            .map(|text| wish(text))
            .collect::<Result<Vec<_>, _>>()?;
        let device = match wishes.as_slice() {
            [Wish::Release(release)] => {
                let path = self.dry.path(format!("{}/software", self.id.path()));
                client.wish(
                    Method::PUT,
                    &path,
                    &json!({ "release": release }),
                    self.if_version,
                )?
            }
            wishes => {
                let path = self.dry.path(format!("{}/desired", self.id.path()));
                client.wish(
                    Method::PATCH,
                    &path,
                    &patch(client, wishes)?,
                    self.if_version,
                )?
            }
        };
        self.dry.hint();
        if device["online"] == false && !device["job"].is_null() {
            hint("it is not connected now; it is told when it subscribes");
        }
        output.document(&device, || shown(&device))
    }
}

/// Puts several wishes together.
fn patch(client: &Client, wishes: &[Wish]) -> Result<Value, Failure> {
    let mut patch = Map::new();
    for wish in wishes {
        let (key, value) = match wish {
            Wish::Release(release) => ("softwareURL", url_of(client, release)?),
            Wish::Url(url) => ("softwareURL", json!(url)),
            Wish::Key(key, value) => (key.as_str(), value.clone()),
        };
        if patch.insert(key.into(), value).is_some() {
            return Err(Failure::new(Kind::Usage, format!("{key} is given twice")));
        }
    }
    Ok(Value::Object(patch))
}

fn url_of(client: &Client, release: &str) -> Result<Value, Failure> {
    let (name, version) = release.split_once('@').unwrap_or((release, ""));
    let found = client.get(&format!(
        "/api/v1/releases/{}/{}",
        encoded(name),
        encoded(version)
    ))?;
    Ok(found["softwareURL"].clone())
}

fn wish(text: &str) -> Result<Wish, Failure> {
    if let Some((key, value)) = text.split_once('=').filter(|(key, _)| is_key(key)) {
        let value = serde_json::from_str(value).unwrap_or_else(|_| json!(value));
        return Ok(Wish::Key(key.into(), value));
    }
    if text.contains("://") {
        return Ok(Wish::Url(text.into()));
    }
    if text.contains('@') {
        return match release(text) {
            Ok(_) => Ok(Wish::Release(text.into())),
            Err(how) => {
                Err(Failure::new(Kind::Usage, format!("{text:?} names no release")).next(how))
            }
        };
    }
    Err(Failure::new(
        Kind::Usage,
        format!("{text:?} is nothing that a device can be set to"),
    )
    .next("write NAME@VERSION, a URL, or KEY=VALUE"))
}

fn is_key(text: &str) -> bool {
    !text.is_empty()
        && text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_release_a_url_and_a_key_are_told_apart() {
        for (text, is) in [
            ("firmware@2.0.0", Wish::Release("firmware@2.0.0".into())),
            ("https://h/f?v=1", Wish::Url("https://h/f?v=1".into())),
            (
                "softwareURL=null",
                Wish::Key("softwareURL".into(), Value::Null),
            ),
            ("name=a@b", Wish::Key("name".into(), json!("a@b"))),
            ("level=7", Wish::Key("level".into(), json!(7))),
            ("text=", Wish::Key("text".into(), json!(""))),
        ] {
            assert_eq!(wish(text).unwrap(), is, "{text}");
        }
        for text in ["firmware", "firmware@", "@2.0.0", "a@1@2", "@"] {
            assert_eq!(wish(text).unwrap_err().kind, Kind::Usage, "{text}");
        }
    }
}
