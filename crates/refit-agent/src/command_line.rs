//! `refit-agent run …`: what was typed, or what to type instead.

use crate::config::Settings;
use crate::driver::Start;
use crate::link::Server;
use lexopt::prelude::{Long, Short, Value, ValueExt};
use refit_protocol::device_id::DeviceId;
use std::ffi::OsString;
use std::path::PathBuf;

/// What `--help` says.
pub const HELP: &str = "\
Keeps the software of this device what its server says it should be.

Usage: refit-agent run --root DIR [--config FILE]

  --root DIR        the folder that the agent owns; DIR/current is the release that runs
  --config FILE     settings in TOML; see the configuration reference

An enrolled device needs no more. For a server that runs with --dev, without identities:

  --server URL      its HTTP address, for example http://127.0.0.1:8080
  --id ID           the ID of this device: 1 to 128 of A-Z a-z 0-9 : _ - .
  --mqtt HOST:PORT  its MQTT address, instead of asking it
  --help, --version
";

/// What was typed.
#[derive(Debug)]
pub enum Asked {
    /// Run.
    Run(Box<Start>),
    /// Print this, and end.
    Print(String),
}

/// Reads the arguments, without the program's name. `Err` says what is wrong, and what to do.
pub fn read(arguments: impl IntoIterator<Item = OsString>) -> Result<Asked, String> {
    let mut parser = lexopt::Parser::from_args(arguments);
    let mut typed = Typed::default();
    let mut run = false;
    while let Some(argument) = parser.next().map_err(wrong)? {
        match argument {
            Value(word) if word == "run" && !run => run = true,
            Long("server") => typed.server = Some(text(&mut parser)?),
            Long("mqtt") => typed.mqtt = Some(text(&mut parser)?),
            Long("id") => typed.id = Some(text(&mut parser)?),
            Long("root") => typed.root = Some(path(&mut parser)?),
            Long("config") => typed.config = Some(path(&mut parser)?),
            Long("help") | Short('h') => return Ok(Asked::Print(HELP.into())),
            Long("version") | Short('V') => {
                return Ok(Asked::Print(
                    concat!("refit-agent ", env!("CARGO_PKG_VERSION"), "\n").into(),
                ));
            }
            Short(_) | Long(_) | Value(_) => return Err(wrong(argument.unexpected())),
        }
    }
    if !run {
        return Err("say what to do: refit-agent run …; see refit-agent --help".into());
    }
    typed.start().map(|start| Asked::Run(Box::new(start)))
}

#[derive(Default)]
struct Typed {
    server: Option<String>,
    mqtt: Option<String>,
    id: Option<String>,
    root: Option<PathBuf>,
    config: Option<PathBuf>,
}

impl Typed {
    fn start(self) -> Result<Start, String> {
        let server = match (self.mqtt, self.server) {
            (Some(address), _) => Some(Server::Mqtt(address)),
            (None, Some(url)) => Some(Server::Http(dev_url(url)?)),
            (None, None) => None,
        };
        if server.is_some() && self.id.is_none() {
            return Err(missing("--id ID"));
        }
        let id = self.id.as_deref().map(DeviceId::parse).transpose();
        let settings = match self.config {
            None => Settings::default(),
            Some(path) => {
                let shown = path.display();
                let text = std::fs::read_to_string(&path)
                    .map_err(|e| format!("{shown} cannot be read: {e}"))?;
                Settings::parse(&text).map_err(|e| format!("{shown}: {e}"))?
            }
        };
        Ok(Start {
            device: id.map_err(|e| format!("{e}; give another --id"))?,
            server,
            root: self.root.ok_or_else(|| missing("--root DIR"))?,
            settings,
        })
    }
}

fn dev_url(url: String) -> Result<String, String> {
    match url.split_once("://") {
        Some(("http", host)) if !host.is_empty() => Ok(url),
        Some(("https", _)) => Err(
            "a server with https knows its devices by their identity: leave --server out, after refit-agent enrol"
                .into(),
        ),
        _ => Err(format!(
            "{url:?} is no server: give --server http://HOST:PORT"
        )),
    }
}

fn text(parser: &mut lexopt::Parser) -> Result<String, String> {
    parser
        .value()
        .and_then(|value| value.string())
        .map_err(wrong)
}

fn path(parser: &mut lexopt::Parser) -> Result<PathBuf, String> {
    parser.value().map(PathBuf::from).map_err(wrong)
}

fn missing(option: &str) -> String {
    format!("{option} is missing; see refit-agent --help")
}

#[expect(clippy::needless_pass_by_value, reason = "for map_err")]
fn wrong(e: lexopt::Error) -> String {
    format!("{e}; see refit-agent --help")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(line: &str) -> Result<Asked, String> {
        read(line.split_whitespace().map(OsString::from))
    }

    #[test]
    fn a_run_is_read() {
        let line = "run --server http://h:1 --id lamp-7 --root /tmp/r";
        let Ok(Asked::Run(start)) = asked(line) else {
            panic!("{line}");
        };
        assert_eq!(start.device.as_ref().unwrap().as_str(), "lamp-7");
        assert!(matches!(start.server, Some(Server::Http(url)) if url == "http://h:1"));
        let Ok(Asked::Run(start)) = asked(&format!("{line} --mqtt h:1883")) else {
            panic!("{line}");
        };
        assert!(matches!(start.server, Some(Server::Mqtt(address)) if address == "h:1883"));
        let Ok(Asked::Run(start)) = asked("run --root /tmp/r") else {
            panic!("the identity says the rest");
        };
        assert!(start.server.is_none() && start.device.is_none());
    }

    #[test]
    fn what_is_wrong_is_said_with_what_to_do() {
        for (line, said) in [
            ("", "refit-agent run"),
            ("walk", "--help"),
            ("run --server http://h --root /r", "--id ID is missing"),
            (
                "run --server https://h --id x --root /r",
                "refit-agent enrol",
            ),
            (
                "run --server h:1 --id x --root /r",
                "give --server http://HOST:PORT",
            ),
            (
                "run --server http://h --id a/b --root /r",
                "give another --id",
            ),
            ("run --server http://h --id x", "--root DIR is missing"),
            (
                "run --server http://h --id x --root /r --config /nowhere",
                "cannot be read",
            ),
            ("run --sever x", "--help"),
        ] {
            let why = asked(line).unwrap_err();
            assert!(why.contains(said), "{line}: {why}");
        }
    }
}
