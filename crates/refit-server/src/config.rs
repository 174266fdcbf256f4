//! Settings, and where each comes from: flag, then `REFIT_*` variable, then configuration file, then default.
//!
//! All sources have the same names: `--public-url`, `REFIT_PUBLIC_URL`, `public-url = "…"`. Every value is text until
//! here, so that one place reads it, and can say where a bad one stands.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use refit_replica::input::Policy;

/// The settings of a server.
#[derive(Clone, Debug)]
pub struct Config {
    /// The directory that holds everything.
    pub data: PathBuf,
    /// Where HTTP is served; port 0 takes a free one.
    pub http: SocketAddr,
    /// Where MQTT is served; port 0 takes a free one.
    pub mqtt: SocketAddr,
    /// The URL by which devices reach the depot; `None`: that of the HTTP address.
    pub public_url: Option<String>,
    /// Whether devices without an identity are taken, on loopback.
    pub dev: bool,
    /// How long a device may download with the URL that a delta gave it.
    pub grant_lifetime: Duration,
    /// How the log is written.
    pub log_format: LogFormat,
    /// Timers and bounds of jobs. Not a setting yet: a plan will have them.
    pub policy: Policy,
}

/// How the log is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    #[default]
    Human,
    /// One JSON object a line.
    Json,
}

/// What a setting is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Key {
    /// `data`
    Data,
    /// `http`
    Http,
    /// `mqtt`
    Mqtt,
    /// `public-url`
    PublicUrl,
    /// `dev`
    Dev,
    /// `grant-lifetime`
    GrantLifetime,
    /// `log-format`
    LogFormat,
}

impl Key {
    /// All of them, in the order of the documentation.
    pub const ALL: [Self; 7] = [
        Self::Data,
        Self::Http,
        Self::Mqtt,
        Self::PublicUrl,
        Self::Dev,
        Self::GrantLifetime,
        Self::LogFormat,
    ];

    /// Returns the name in the file, and of the flag after its dashes.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Data => "data",
            Self::Http => "http",
            Self::Mqtt => "mqtt",
            Self::PublicUrl => "public-url",
            Self::Dev => "dev",
            Self::GrantLifetime => "grant-lifetime",
            Self::LogFormat => "log-format",
        }
    }

    /// Returns the name of the variable.
    pub fn variable(self) -> String {
        format!("REFIT_{}", self.name().to_uppercase().replace('-', "_"))
    }
}

/// Where a value stood.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Origin {
    Flag,
    Variable,
    File(PathBuf),
}

/// A value as it was given.
struct Given {
    key: Key,
    text: String,
    origin: Origin,
}

/// Why there is no configuration: what is wrong, where, and what to do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what}")]
pub struct Error {
    /// What is wrong, and where.
    pub what: String,
    /// What to do about it.
    pub hint: String,
}

impl Config {
    /// Puts the settings together from flags, variables and, if there is one, a file.
    pub fn resolve(
        flags: &[(Key, String)],
        variable: impl Fn(&str) -> Option<String>,
        file: Option<&Path>,
    ) -> Result<Self, Error> {
        let file = file.map(read_file).transpose()?.unwrap_or_default();
        let find = |key: Key| {
            let given = |text: String, origin| Given { key, text, origin };
            let flag = flags.iter().find(|(k, _)| *k == key);
            flag.map(|(_, text)| given(text.clone(), Origin::Flag))
                .or_else(|| Some(given(variable(&key.variable())?, Origin::Variable)))
                .or_else(|| file.find(key))
        };
        let config = Self {
            data: find(Key::Data).map_or_else(|| "refit-data".into(), |given| given.text.into()),
            http: find(Key::Http).map_or_else(|| Ok(default_address(8080)), |g| g.address())?,
            mqtt: find(Key::Mqtt).map_or_else(|| Ok(default_address(1883)), |g| g.address())?,
            public_url: find(Key::PublicUrl).map(|given| given.url()).transpose()?,
            dev: find(Key::Dev).map_or(Ok(false), |given| given.yes_or_no())?,
            grant_lifetime: find(Key::GrantLifetime)
                .map_or(Ok(refit_depot::grant::TIME_TO_LIVE), |given| {
                    given.duration()
                })?,
            log_format: find(Key::LogFormat).map_or(Ok(LogFormat::Human), |g| g.log_format())?,
            policy: Policy::default(),
        };
        config.checked()
    }

    /// Refuses what would let strangers in.
    fn checked(self) -> Result<Self, Error> {
        if !self.dev {
            return Err(Error {
                what: "this release serves devices only with --dev, on loopback".into(),
                hint: "devices with certificates of their own come with the next release; until then: refit serve --dev".into(),
            });
        }
        for (key, address) in [(Key::Http, self.http), (Key::Mqtt, self.mqtt)] {
            if !address.ip().is_loopback() {
                return Err(Error {
                    what: format!(
                        "--dev is refused on {address} ({}): it takes any device without asking who it is",
                        key.name()
                    ),
                    hint: format!(
                        "use a loopback address: --{} 127.0.0.1:{}",
                        key.name(),
                        address.port()
                    ),
                });
            }
        }
        Ok(self)
    }
}

const fn default_address(port: u16) -> SocketAddr {
    SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port)
}

impl Given {
    fn address(&self) -> Result<SocketAddr, Error> {
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

    fn url(&self) -> Result<String, Error> {
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

    fn yes_or_no(&self) -> Result<bool, Error> {
        match self.text.as_str() {
            "true" | "1" | "yes" => Ok(true),
            "false" | "0" | "no" => Ok(false),
            _ => Err(self.wrong("is neither true nor false", "write true or false")),
        }
    }

    fn duration(&self) -> Result<Duration, Error> {
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

    fn log_format(&self) -> Result<LogFormat, Error> {
        match self.text.as_str() {
            "human" => Ok(LogFormat::Human),
            "json" => Ok(LogFormat::Json),
            _ => Err(self.wrong("is not a log format", "write human or json")),
        }
    }

    fn wrong(&self, problem: &str, hint: &str) -> Error {
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

/// The values of a file.
#[derive(Default)]
struct File {
    path: PathBuf,
    values: Vec<(Key, String)>,
}

impl File {
    fn find(&self, key: Key) -> Option<Given> {
        let (key, text) = self.values.iter().find(|(k, _)| *k == key)?;
        Some(Given {
            key: *key,
            text: text.clone(),
            origin: Origin::File(self.path.clone()),
        })
    }
}

fn read_file(path: &Path) -> Result<File, Error> {
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

/// Returns the name that was probably meant: the nearest, if at most a third of it has to change.
pub fn nearest<'a>(wrong: &str, names: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let wrong = wrong.replace('_', "-");
    names
        .map(|name| (distance(&wrong, name), name))
        .filter(|(far, name)| *far <= name.chars().count().div_ceil(3))
        .min_by_key(|(far, _)| *far)
        .map(|(_, name)| name)
}

/// How many characters have to be put in, left out or exchanged (Levenshtein).
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, of_a) in a.chars().enumerate() {
        let mut corner = i;
        row[0] = i + 1;
        for (j, of_b) in b.iter().enumerate() {
            let changed = corner + usize::from(of_a != *of_b);
            corner = row[j + 1];
            row[j + 1] = changed.min(corner + 1).min(row[j] + 1);
        }
    }
    row[b.len()]
}

impl fmt::Display for LogFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Human => "human",
            Self::Json => "json",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DEV: (Key, &str) = (Key::Dev, "true");

    fn resolve(
        flags: &[(Key, &str)],
        variables: &[(&str, &str)],
        file: Option<&str>,
    ) -> Result<Config, Error> {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("refit.toml");
        if let Some(text) = file {
            std::fs::write(&path, text).unwrap();
        }
        let flags: Vec<_> = flags
            .iter()
            .map(|(key, text)| (*key, (*text).to_owned()))
            .collect();
        let variable = |name: &str| {
            let found = variables.iter().find(|(n, _)| *n == name)?;
            Some(found.1.to_owned())
        };
        Config::resolve(&flags, variable, file.map(|_| path.as_path()))
    }

    #[test]
    fn a_flag_beats_a_variable_beats_a_file_beats_the_default() {
        let file = Some("http = \"127.0.0.1:3\"\ndev = true\n");
        let variables = [("REFIT_HTTP", "127.0.0.1:2")];
        let http = |config: Result<Config, Error>| config.unwrap().http.port();
        assert_eq!(
            http(resolve(&[(Key::Http, "127.0.0.1:1")], &variables, file)),
            1
        );
        assert_eq!(http(resolve(&[], &variables, file)), 2);
        assert_eq!(http(resolve(&[], &[], file)), 3);
        assert_eq!(http(resolve(&[DEV], &[], None)), 8080);
    }

    #[test]
    fn defaults_are_on_loopback_and_in_the_working_directory() {
        let config = resolve(&[DEV], &[], None).unwrap();
        assert_eq!(config.data, Path::new("refit-data"));
        assert_eq!(config.mqtt.to_string(), "127.0.0.1:1883");
        assert_eq!(config.grant_lifetime, Duration::from_secs(3600));
        assert!(config.public_url.is_none());
    }

    #[test]
    fn bad_values_are_named_with_their_place_and_a_remedy() {
        for (key, text, hint) in [
            (Key::Http, "8080", "127.0.0.1:8080"),
            (Key::PublicUrl, "u.example", "https://host"),
            (Key::PublicUrl, "https://u.example/?x", "without ?"),
            (Key::PublicUrl, "https://me:pw@u.example", "https://host"),
            (Key::Dev, "maybe", "true or false"),
            (Key::GrantLifetime, "0s", "90s"),
            (Key::GrantLifetime, "1d", "90s"),
            (Key::GrantLifetime, "99999999999999999999h", "90s"),
            (Key::LogFormat, "xml", "json"),
        ] {
            let variable = key.variable();
            let error = resolve(&[], &[(&variable, text)], None).unwrap_err();
            assert!(error.what.starts_with(&variable), "{error:?}");
            assert!(error.hint.contains(hint), "{error:?}");
        }
    }

    #[test]
    fn the_public_url_has_no_slash_at_its_end() {
        let config = resolve(
            &[DEV, (Key::PublicUrl, "https://u.example/refit/")],
            &[],
            None,
        );
        assert_eq!(
            config.unwrap().public_url.as_deref(),
            Some("https://u.example/refit")
        );
    }

    #[test]
    fn unknown_settings_are_refused_with_a_suggestion() {
        for (text, hint) in [
            ("public_url = \"x\"", "did you mean public-url?"),
            ("htp = \"x\"", "did you mean http?"),
            ("colour = \"red\"", "there are: data, http"),
        ] {
            let error = resolve(&[DEV], &[], Some(text)).unwrap_err();
            assert!(error.hint.contains(hint), "{error:?}");
        }
    }

    #[test]
    fn a_file_that_is_no_toml_is_refused_with_the_line() {
        let error = resolve(&[DEV], &[], Some("dev = true\nhttp = \n")).unwrap_err();
        assert!(
            error.what.contains("is not TOML") && error.hint.contains("line 2"),
            "{error:?}"
        );
        let error = resolve(&[DEV], &[], Some("http = 8080")).unwrap_err();
        assert!(error.what.contains("neither text"), "{error:?}");
    }

    #[test]
    fn dev_is_refused_beyond_loopback_and_needed_within() {
        for key in [Key::Http, Key::Mqtt] {
            let error = resolve(&[DEV, (key, "0.0.0.0:80")], &[], None).unwrap_err();
            assert!(
                error.what.contains("--dev is refused on 0.0.0.0:80"),
                "{error:?}"
            );
        }
        let error = resolve(&[], &[], None).unwrap_err();
        assert!(error.hint.contains("next release"), "{error:?}");
        assert!(
            resolve(
                &[DEV, (Key::Http, "[::1]:0"), (Key::Mqtt, "localhost:0")],
                &[],
                None
            )
            .is_ok()
        );
    }
}
