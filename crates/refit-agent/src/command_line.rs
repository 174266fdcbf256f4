//! `refit-agent enrol …` and `refit-agent run …`: what was typed, or what to type instead.

use crate::config::Settings;
use crate::driver::Start;
use crate::enrol::{Order, TokenFrom};
use crate::http::route::Origin;
use crate::link::{Server, Via};
use lexopt::prelude::{Long, Short, Value, ValueExt};
use refit_protocol::device_id::DeviceId;
use std::ffi::OsString;
use std::path::PathBuf;
use zeroize::Zeroizing;

/// What `--help` says.
pub const HELP: &str = "\
Keeps the software of this device what its server says it should be.

Usage: refit-agent enrol --server URL --token TOKEN [--id ID] [--root DIR] [--attr KEY=VALUE]...
       refit-agent run [--root DIR] [--config FILE]

  --root DIR         the folder that the agent owns, /var/lib/refit-agent if it is not given;
                     DIR/current is the release that runs, DIR/identity who this device is

enrol, once:
  --server URL       the HTTPS address of the server
  --token TOKEN      the claim token; - reads it from the standard input. Without it, from the
                     file that REFIT_TOKEN_FILE names, or the service's credential refit-token
  --id ID            the ID of this device: 1 to 128 of A-Z a-z 0-9 : _ - . If it is not given,
                     the host name; where that says nothing, a hash of the machine ID
  --attr KEY=VALUE   what the device says of itself
  --certificate FILE, --key FILE
                     the factory's certificate of this device, instead of a token
  --trust FILE       the authorities by which the server is known, where there is no token
  --again            the device has an identity, and gets a new one

run:
  --config FILE      settings in TOML; see the configuration reference
  --link LINK        mqtt, a connection that stands, or poll, questions over HTTPS when the
                     server says; mqtt if it is not given
  --server URL, --id ID, --mqtt HOST:PORT
                     a server that runs with --dev, for a device without an identity

  --help, --version
";

/// The root of an agent that is installed as a service.
const USUAL_ROOT: &str = "/var/lib/refit-agent";

/// What was typed.
#[derive(Debug)]
pub enum Asked {
    /// Run.
    Run(Box<Start>),
    /// Get an identity.
    Enrol(Box<Order>),
    /// Print this, and end.
    Print(String),
}

/// Reads the arguments, without the program's name. `Err` says what is wrong, and what to do.
pub fn read(arguments: impl IntoIterator<Item = OsString>) -> Result<Asked, String> {
    let mut parser = lexopt::Parser::from_args(arguments);
    let mut typed = Typed::default();
    let mut verb = None;
    while let Some(argument) = parser.next().map_err(wrong)? {
        match argument {
            Value(word) if verb.is_none() && (word == "run" || word == "enrol") => {
                verb = Some(word == "run");
            }
            Long("server") => typed.server = Some(text(&mut parser)?),
            Long("mqtt") => typed.mqtt = Some(text(&mut parser)?),
            Long("id") => typed.id = Some(text(&mut parser)?),
            Long("root") => typed.root = Some(path(&mut parser)?),
            Long("config") => typed.config = Some(path(&mut parser)?),
            Long("link") => typed.via = Some(via(&text(&mut parser)?)?),
            Long("token") => typed.token = Some(Zeroizing::new(text(&mut parser)?)),
            Long("attr") => typed.attributes.push(text(&mut parser)?),
            Long("certificate") => typed.certificate = Some(path(&mut parser)?),
            Long("key") => typed.key = Some(path(&mut parser)?),
            Long("trust") => typed.trust = Some(path(&mut parser)?),
            Long("again") => typed.again = true,
            Long("help") | Short('h') => return Ok(Asked::Print(HELP.into())),
            Long("version") | Short('V') => {
                return Ok(Asked::Print(
                    concat!("refit-agent ", env!("CARGO_PKG_VERSION"), "\n").into(),
                ));
            }
            Short(_) | Long(_) | Value(_) => return Err(wrong(argument.unexpected())),
        }
    }
    match verb {
        Some(true) => typed.start().map(|start| Asked::Run(Box::new(start))),
        Some(false) => typed.order().map(|order| Asked::Enrol(Box::new(order))),
        None => Err(
            "say what to do: refit-agent enrol … or refit-agent run …; see refit-agent --help"
                .into(),
        ),
    }
}

#[derive(Default)]
struct Typed {
    server: Option<String>,
    mqtt: Option<String>,
    id: Option<String>,
    root: Option<PathBuf>,
    config: Option<PathBuf>,
    via: Option<Via>,
    token: Option<Zeroizing<String>>,
    attributes: Vec<String>,
    certificate: Option<PathBuf>,
    key: Option<PathBuf>,
    trust: Option<PathBuf>,
    again: bool,
}

impl Typed {
    fn start(self) -> Result<Start, String> {
        let foreign = [
            (self.token.is_some(), "--token"),
            (!self.attributes.is_empty(), "--attr"),
            (self.certificate.is_some(), "--certificate"),
            (self.key.is_some(), "--key"),
            (self.trust.is_some(), "--trust"),
            (self.again, "--again"),
        ];
        only(foreign, "enrol")?;
        let server = match (self.mqtt, self.server) {
            (Some(address), _) => Some(Server::Mqtt(address)),
            (None, Some(url)) => Some(Server::Http(dev_url(url)?)),
            (None, None) => None,
        };
        let via = self.via.unwrap_or_default();
        if via == Via::Poll && matches!(server, Some(Server::Mqtt(_))) {
            return Err(
                "--link poll needs --server URL, not --mqtt; see refit-agent --help".into(),
            );
        }
        if server.is_some() && self.id.is_none() {
            return Err(missing("--id ID"));
        }
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
            device: self.id.as_deref().map(device).transpose()?,
            server,
            via,
            root: self.root.unwrap_or_else(|| USUAL_ROOT.into()),
            settings,
        })
    }

    fn order(self) -> Result<Order, String> {
        let foreign = [
            (self.mqtt.is_some(), "--mqtt"),
            (self.config.is_some(), "--config"),
            (self.via.is_some(), "--link"),
        ];
        only(foreign, "run")?;
        let token = match self.token {
            None => TokenFrom::Environment,
            Some(token) if *token == "-" => TokenFrom::Input,
            Some(token) => TokenFrom::Typed(token),
        };
        let factory = match (self.certificate, self.key) {
            (None, None) => None,
            (Some(certificate), Some(key)) => Some((certificate, key)),
            (Some(_), None) => return Err(missing("--key FILE")),
            (None, Some(_)) => return Err(missing("--certificate FILE")),
        };
        Ok(Order {
            server: secure_url(&self.server.ok_or_else(|| missing("--server URL"))?)?,
            token,
            id: self.id.as_deref().map(device).transpose()?,
            root: self.root.unwrap_or_else(|| USUAL_ROOT.into()),
            attributes: self
                .attributes
                .iter()
                .map(|pair| match pair.split_once('=') {
                    Some((name, value)) if !name.is_empty() => Ok((name.into(), value.into())),
                    Some(_) | None => {
                        Err(format!("{pair:?} is no attribute: give --attr KEY=VALUE"))
                    }
                })
                .collect::<Result<_, _>>()?,
            factory,
            trust: self.trust,
            again: self.again,
        })
    }
}

fn via(word: &str) -> Result<Via, String> {
    match word {
        "mqtt" => Ok(Via::Mqtt),
        "poll" => Ok(Via::Poll),
        _ => Err(format!(
            "{word:?} is no link: give --link mqtt or --link poll"
        )),
    }
}

fn only<const N: usize>(foreign: [(bool, &str); N], verb: &str) -> Result<(), String> {
    match foreign.iter().find(|(given, _)| *given) {
        None => Ok(()),
        Some((_, option)) => Err(format!(
            "{option} belongs to refit-agent {verb}; see refit-agent --help"
        )),
    }
}

fn device(id: &str) -> Result<DeviceId, String> {
    DeviceId::parse(id).map_err(|e| format!("{e}; give another --id"))
}

/// Reads the address of a server that enrols: scheme, host and port.
fn secure_url(url: &str) -> Result<String, String> {
    let base = url.trim_end_matches('/');
    match Origin::of(base) {
        Some(origin)
            if origin.secure && base.matches('/').count() == 2 && !base.contains(['?', '#']) =>
        {
            Ok(base.to_owned())
        }
        Some(_) | None => Err(format!(
            "{url:?} is no server that enrols devices: give --server https://HOST:PORT"
        )),
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
    fn an_enrolment_is_read() {
        let line = "enrol --server https://h:8443/ --token rfe_x --id lamp-7 --root /tmp/r --attr a=b --attr c=";
        let Ok(Asked::Enrol(order)) = asked(line) else {
            panic!("{line}");
        };
        assert_eq!(order.server, "https://h:8443");
        assert!(matches!(&order.token, TokenFrom::Typed(token) if **token == "rfe_x"));
        assert_eq!(
            serde_json::Value::from(order.attributes.clone()).to_string(),
            r#"{"a":"b","c":""}"#
        );
        assert!(
            !format!("{order:?}").contains("rfe_x"),
            "a token is shown to nobody"
        );
        let Ok(Asked::Enrol(order)) = asked("enrol --server https://h --token -") else {
            panic!("{line}");
        };
        assert!(matches!(order.token, TokenFrom::Input));
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
            ("run --link pigeon", "give --link mqtt or --link poll"),
            ("run --link poll --mqtt h --id x", "needs --server URL"),
            ("run --token x", "--token belongs to refit-agent enrol"),
            ("enrol --token x", "--server URL is missing"),
            (
                "enrol --server http://h --token x",
                "give --server https://HOST:PORT",
            ),
            (
                "enrol --server https://h/path --token x",
                "give --server https://HOST:PORT",
            ),
            (
                "enrol --server https://u@h --token x",
                "give --server https://HOST:PORT",
            ),
            (
                "enrol --server https://h --config c",
                "belongs to refit-agent run",
            ),
            (
                "enrol --server https://h --certificate c",
                "--key FILE is missing",
            ),
            ("enrol --server https://h --attr c", "give --attr KEY=VALUE"),
            ("enrol --server https://h --id a/b", "give another --id"),
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
