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
  refit device set lamp-7 firmware@2.0.0 --bind-address 203.0.113.0/24 --grant-fallback time
  refit device set lamp-7 brightness=70 'colour={\"r\":255}' night=null")]
pub(crate) struct Arguments {
    #[command(flatten)]
    id: Id,
    /// A release (NAME@VERSION), a URL, or KEY=VALUE of the desired state: JSON or text; null takes it back
    #[arg(required = true, value_name = "WHAT")]
    what: Vec<String>,
    /// How it may download it: presigned or credential [default: the server's]
    #[arg(long, value_name = "KIND", value_parser = ["presigned", "credential"])]
    grant: Option<String>,
    /// What a pre-signed URL is bound to: time, address or device [default: time]
    #[arg(long, value_name = "STRENGTH", value_parser = ["time", "address", "device"])]
    strength: Option<String>,
    /// How long the grant is good: 90s, 30m, 2h, 7d [default: as its length needs on a slow link]
    #[arg(long, value_name = "TIME", value_parser = seconds)]
    grant_lifetime: Option<u32>,
    /// Bind the URL to this network (203.0.113.0/24), or to the address it is seen from (seen)
    #[arg(long, value_name = "NETWORK")]
    bind_address: Option<String>,
    /// If it cannot be bound so: stop, time or credential [default: stop]
    #[arg(long, value_name = "GRANT", value_parser = ["stop", "time", "credential"])]
    grant_fallback: Option<String>,
    /// Send nothing that is bound less than this: time, address or device
    #[arg(long, value_name = "STRENGTH", value_parser = ["time", "address", "device"])]
    min_strength: Option<String>,
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
        let grant = self.grant();
        let device = match (wishes.as_slice(), &grant) {
            ([Wish::Release(release)], _) => {
                let mut wish = json!({ "release": release });
                if let Some(grant) = grant {
                    wish["grant"] = grant;
                }
                let path = self.dry.path(format!("{}/software", self.id.path()));
                client.wish(Method::PUT, &path, &wish, self.if_version)?
            }
            (wishes, grant) => {
                let mut path = format!("{}/desired", self.id.path());
                if let Some(grant) = grant {
                    path = format!("{path}?grant={}", encoded(&grant.to_string()));
                }
                let path = self.dry.path(path);
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

impl Arguments {
    /// Returns the policy that the flags say, if they say one. A network alone means that it is to be bound to it.
    fn grant(&self) -> Option<Value> {
        let mut policy = Map::new();
        let by_address =
            (self.strength.is_none() && self.bind_address.is_some()).then(|| "address".to_owned());
        for (name, value) in [
            ("kind", &self.grant),
            ("strength", &self.strength.clone().or(by_address)),
            ("network", &self.bind_address),
            ("fallback", &self.grant_fallback),
            ("minStrength", &self.min_strength),
        ] {
            if let Some(value) = value {
                policy.insert(name.into(), value.as_str().into());
            }
        }
        if let Some(seconds) = self.grant_lifetime {
            policy.insert("lifetime".into(), seconds.into());
        }
        (!policy.is_empty()).then_some(Value::Object(policy))
    }
}

/// Reads a time as the server's settings are written, and in days.
fn seconds(text: &str) -> Result<u32, String> {
    let bad = || "write it as 90s, 30m, 2h or 7d".to_owned();
    let number = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit = match &text[number.len()..] {
        "s" => 1,
        "m" => 60,
        "h" => 3600,
        "d" => 86_400,
        _ => return Err(bad()),
    };
    let number: u32 = number.parse().map_err(|_| bad())?;
    number
        .checked_mul(unit)
        .filter(|seconds| *seconds > 0)
        .ok_or_else(bad)
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
    fn times_are_read_with_their_unit() {
        assert_eq!(seconds("90s"), Ok(90));
        assert_eq!(seconds("7d"), Ok(604_800));
        for text in ["0s", "7", "7w", "d", "99999999999h", "-1s", ""] {
            assert!(seconds(text).is_err(), "{text}");
        }
    }

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
