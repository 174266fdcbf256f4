//! A value as it was given, and how each kind of value is read: what is wrong is told with the place where it stands.

use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::path::PathBuf;
use std::time::Duration;

use refit_protocol::grant::{Fallback, GrantKind, Network, Strength};
use refit_protocol::network::Cidr;
use refit_tls::server::Oldest;

use super::{Error, Key, LogFormat};

/// Where a value stood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Origin {
    Flag,
    Variable,
    File(PathBuf),
}

/// A value as it was given.
pub(super) struct Given {
    pub(super) key: Key,
    pub(super) text: String,
    pub(super) origin: Origin,
}
impl Given {
    pub(super) fn address(&self) -> Result<SocketAddr, Error> {
        let text = match self.text.strip_prefix("localhost:") {
            Some(port) => format!("127.0.0.1:{port}"),
            None => self.text.clone(),
        };
        text.parse().map_err(|_| {
            self.wrong(
                "is not an address",
                "write an IP address and a port: 127.0.0.1:8080; port 0 takes a free one",
            )
        })
    }

    pub(super) fn url(&self) -> Result<String, Error> {
        let hint = "write it as http://host or https://host/prefix, without ? and #";
        let bad = || self.wrong("is not a public URL", hint);
        let uri: axum::http::Uri = self.text.parse().map_err(|_| bad())?;
        let is_web = matches!(uri.scheme_str(), Some("http" | "https"));
        let has_host = uri.host().is_some_and(|host| !host.is_empty());
        if !is_web || !has_host || uri.query().is_some() || self.text.contains(['#', '@']) {
            return Err(bad());
        }
        Ok(self.text.trim_end_matches('/').to_owned())
    }

    pub(super) fn yes_or_no(&self) -> Result<bool, Error> {
        match self.text.as_str() {
            "true" | "1" | "yes" => Ok(true),
            "false" | "0" | "no" => Ok(false),
            _ => Err(self.wrong("is neither true nor false", "write true or false")),
        }
    }

    pub(super) fn duration(&self) -> Result<Duration, Error> {
        let bad = || {
            self.wrong(
                "is not a time of at least a second",
                "write it as 90s, 30m or 1h",
            )
        };
        let number = self
            .text
            .trim_end_matches(|c: char| c.is_ascii_alphabetic());
        let seconds = match &self.text[number.len()..] {
            "s" => 1,
            "m" => 60,
            "h" => 3600,
            _ => return Err(bad()),
        };
        let count: u64 = number.parse().map_err(|_| bad())?;
        match count.checked_mul(seconds) {
            Some(total) if (1..=366 * 86_400).contains(&total) => Ok(Duration::from_secs(total)),
            _ => Err(bad()),
        }
    }

    /// A time in which days can be said, of `min` to `max` seconds; `least` is `min` in words.
    pub(super) fn days(&self, min: u64, max: u64, least: &str) -> Result<Duration, Error> {
        let hint = format!(
            "write it as 12h or 90d: at least {least}, at most {}d",
            max / 86_400
        );
        let bad = || self.wrong("is not such a time", &hint);
        let (number, unit) = match self.text.strip_suffix('d') {
            Some(number) => (number, 86_400),
            None => match self.text.strip_suffix('h') {
                Some(number) => (number, 3600),
                None => match self.text.strip_suffix('m') {
                    Some(number) => (number, 60),
                    None => (self.text.strip_suffix('s').ok_or_else(bad)?, 1),
                },
            },
        };
        let number: u64 = number.parse().map_err(|_| bad())?;
        match number.checked_mul(unit) {
            Some(total) if (min..=max).contains(&total) => Ok(Duration::from_secs(total)),
            _ => Err(bad()),
        }
    }

    pub(super) fn log_format(&self) -> Result<LogFormat, Error> {
        match self.text.as_str() {
            "human" => Ok(LogFormat::Human),
            "json" => Ok(LogFormat::Json),
            _ => Err(self.wrong("is not a log format", "write human or json")),
        }
    }

    pub(super) fn grant_kind(&self) -> Result<GrantKind, Error> {
        GrantKind::parse(&self.text)
            .ok_or_else(|| self.wrong("is not a grant", "write presigned or credential"))
    }

    pub(super) fn strength(&self) -> Result<Strength, Error> {
        Strength::parse(&self.text)
            .ok_or_else(|| self.wrong("is not a strength", "write time, address or device"))
    }

    pub(super) fn fallback(&self) -> Result<Fallback, Error> {
        Fallback::parse(&self.text)
            .ok_or_else(|| self.wrong("is not a fallback", "write stop, time or credential"))
    }

    pub(super) fn network(&self) -> Result<Network, Error> {
        Network::parse(&self.text)
            .ok_or_else(|| self.wrong("is not a network", "write seen, or as 203.0.113.0/24"))
    }

    pub(super) fn networks(&self) -> Result<Vec<Cidr>, Error> {
        let parts = self.text.split(',').map(str::trim);
        parts
            .filter(|part| !part.is_empty())
            .map(Cidr::parse)
            .collect::<Option<_>>()
            .ok_or_else(|| {
                let hint =
                    "write addresses and networks with commas between: 10.0.0.1, 203.0.113.0/24";
                self.wrong("holds something that is no network", hint)
            })
    }

    pub(super) fn bytes_per_second(&self) -> Result<u64, Error> {
        let bad = || self.wrong("is not a speed", "write it as 128kbit or 2Mbit, a second");
        let (number, unit) = match self.text.strip_suffix("kbit") {
            Some(number) => (number, 125),
            None => (self.text.strip_suffix("Mbit").ok_or_else(bad)?, 125_000),
        };
        let number: u32 = number.parse().map_err(|_| bad())?;
        match number {
            0 => Err(bad()),
            number => Ok(u64::from(number) * unit),
        }
    }

    /// A number of bytes, from a mebibyte to a pebibyte.
    pub(super) fn bytes(&self) -> Result<u64, Error> {
        let units = [("MiB", 20), ("GiB", 30), ("TiB", 40)];
        let read = |(unit, shift): (&str, u32)| {
            let number: u32 = self.text.strip_suffix(unit)?.trim_end().parse().ok()?;
            Some(u64::from(number) << shift)
        };
        let bytes = units.into_iter().find_map(read);
        bytes
            .filter(|bytes| (1 << 20..=1 << 50).contains(bytes))
            .ok_or_else(|| self.wrong("is no such size", "write it as 512MiB, 16GiB or 2TiB"))
    }

    /// A whole number within bounds.
    pub(super) fn number(&self, min: u32, max: u32) -> Result<NonZeroU32, Error> {
        let number = self.text.parse().ok();
        number
            .filter(|number: &NonZeroU32| (min..=max).contains(&number.get()))
            .ok_or_else(|| {
                let hint = format!("write a whole number from {min} to {max}");
                self.wrong("is not such a number", &hint)
            })
    }

    /// Names with commas between them.
    pub(super) fn list(&self) -> Vec<String> {
        let names = self.text.split(',').map(str::trim);
        names
            .filter(|name| !name.is_empty())
            .map(str::to_owned)
            .collect()
    }

    pub(super) fn oldest(&self) -> Result<Oldest, Error> {
        match self.text.as_str() {
            "1.3" => Ok(Oldest::Tls13),
            "1.2" => Ok(Oldest::Tls12),
            _ => Err(self.wrong(
                "is no version of TLS that is spoken",
                "write 1.3, or 1.2 to speak both",
            )),
        }
    }

    pub(super) fn wrong(&self, problem: &str, hint: &str) -> Error {
        let name = match &self.origin {
            Origin::Flag => format!("--{}", self.key.name()),
            Origin::Variable => self.key.variable(),
            Origin::File(path) => format!("{} in {}", self.key.name(), path.display()),
        };
        Error {
            what: format!("{name}: {:?} {problem}", self.text),
            hint: hint.into(),
        }
    }
}
