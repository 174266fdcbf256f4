//! The configuration file, all of which is optional; and the `refit.toml` of a release, which is a part of it.

use serde::Deserialize;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

/// The deadline of a health command that names none.
const DEADLINE: Duration = Duration::from_secs(60);

/// The longest artifact that is taken if the file says nothing, in bytes.
const ARTIFACT_BYTES_MAX: u64 = 4 << 30;

/// What a file says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Whether software may be installed whose digest nobody promised.
    pub allow_unverified: bool,
    /// The longest artifact that is taken, in bytes.
    pub artifact_bytes_max: u64,
    /// The first connection is made somewhen in this time, so that a fleet does not come as one. Without it, only a
    /// device that has just booted waits, for at most ten seconds.
    pub connect_spread: Option<Duration>,
    /// HTTPS addresses of the depot beside the server's own, where the device shows its certificate too.
    pub depots: Vec<String>,
    /// A file of authorities, in PEM, that are believed of other hosts beside the world's.
    pub extra_roots: Option<PathBuf>,
    /// Whether a renewal keeps the key.
    pub keep_key: bool,
    /// How the health of a release is checked.
    pub health: Option<Check>,
    /// The command that takes other desired state, as JSON on its standard input.
    pub state: Option<Vec<String>>,
}

/// A command and its deadline.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Check {
    /// The program and its arguments.
    pub command: Vec<String>,
    /// When it is killed.
    pub deadline: Duration,
}

/// What is wrong with a file.
#[derive(Debug, PartialEq, Eq)]
pub struct ConfigError(String);

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for ConfigError {}

impl Default for Settings {
    fn default() -> Self {
        Self {
            allow_unverified: false,
            artifact_bytes_max: ARTIFACT_BYTES_MAX,
            connect_spread: None,
            depots: Vec::new(),
            extra_roots: None,
            keep_key: false,
            health: None,
            state: None,
        }
    }
}

impl Settings {
    /// Reads a file in TOML.
    pub fn parse(text: &str) -> Result<Self, ConfigError> {
        let file: File = basic_toml::from_str(text).map_err(|e| ConfigError(e.to_string()))?;
        let default = Self::default();
        Ok(Self {
            allow_unverified: file.allow_unverified,
            artifact_bytes_max: file
                .artifact_bytes_max
                .unwrap_or(default.artifact_bytes_max),
            connect_spread: file
                .connect_spread
                .map(|spread| duration(Some(&spread), Duration::ZERO))
                .transpose()?,
            depots: file.depots,
            extra_roots: file.extra_roots,
            keep_key: file.keep_key,
            health: file.health.map(HealthTable::check).transpose()?,
            state: file
                .state
                .map(|state| command(state.command, "state"))
                .transpose()?,
        })
    }
}

/// The file as it is written. An unknown key is refused: it is a misspelt one.
#[derive(Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct File {
    #[serde(default)]
    allow_unverified: bool,
    artifact_bytes_max: Option<u64>,
    connect_spread: Option<String>,
    #[serde(default)]
    depots: Vec<String>,
    extra_roots: Option<PathBuf>,
    #[serde(default)]
    keep_key: bool,
    health: Option<HealthTable>,
    state: Option<StateTable>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct HealthTable {
    command: Vec<String>,
    deadline: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct StateTable {
    command: Vec<String>,
}

impl HealthTable {
    fn check(self) -> Result<Check, ConfigError> {
        Ok(Check {
            command: command(self.command, "health")?,
            deadline: duration(self.deadline.as_deref(), DEADLINE)?,
        })
    }
}

fn command(command: Vec<String>, table: &str) -> Result<Vec<String>, ConfigError> {
    if command.is_empty() {
        return Err(ConfigError(format!(
            "[{table}] command is empty: give a program and its arguments"
        )));
    }
    Ok(command)
}

/// Reads a whole number with `ms`, `s`, `m` or `h` behind it.
fn duration(text: Option<&str>, default: Duration) -> Result<Duration, ConfigError> {
    let Some(text) = text else {
        return Ok(default);
    };
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit = match &text[digits.len()..] {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        _ => 0,
    };
    match digits.parse::<u32>() {
        Ok(number) if unit > 0 => Ok(Duration::from_millis(u64::from(number) * unit)),
        Ok(_) | Err(_) => Err(ConfigError(format!(
            "{text:?} is not a duration: write a whole number and ms, s, m or h, as in \"30s\""
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_need_be_said() {
        assert_eq!(Settings::parse(""), Ok(Settings::default()));
    }

    #[test]
    fn all_can_be_said() {
        let read = Settings::parse(
            "allow-unverified = true\nartifact-bytes-max = 5\nconnect-spread = \"2m\"\n\
             depots = [\"https://d\"]\nextra-roots = \"/r.pem\"\nkeep-key = true\n\
             [health]\ncommand = [\"./check\", \"-v\"]\ndeadline = \"500ms\"\n[state]\ncommand = [\"apply\"]",
        );
        let expected = Settings {
            allow_unverified: true,
            artifact_bytes_max: 5,
            connect_spread: Some(Duration::from_secs(120)),
            depots: vec!["https://d".into()],
            extra_roots: Some("/r.pem".into()),
            keep_key: true,
            health: Some(Check {
                command: vec!["./check".into(), "-v".into()],
                deadline: Duration::from_millis(500),
            }),
            state: Some(vec!["apply".into()]),
        };
        assert_eq!(read, Ok(expected));
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (text, named) in [
            ("allow-unverifed = true", "allow-unverifed"),
            ("[health]\ncommand = []", "[health] command is empty"),
            (
                "[health]\ncommand = [\"a\"]\ndeadline = \"30\"",
                "\"30\" is not a duration",
            ),
            (
                "[health]\ncommand = [\"a\"]\ndeadline = \"-3s\"",
                "\"-3s\" is not a duration",
            ),
            (
                "connect-spread = \"5 weeks\"",
                "\"5 weeks\" is not a duration",
            ),
        ] {
            let why = Settings::parse(text).unwrap_err().to_string();
            assert!(why.contains(named), "{text}: {why}");
        }
    }
}
