//! `refit serve`: the server, from its settings to its end.

use std::fmt::Write as _;
use std::io::IsTerminal;
use std::path::{Path, PathBuf};

use refit_server::compose::{Server, StartError};
use refit_server::config::{Config, Key, LogFormat};
use refit_server::places::Places;
use serde_json::json;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tracing_subscriber::EnvFilter;

use crate::failure::{Failure, Kind};
use crate::output::{Output, hint};
use crate::{core_dumps, open_files};

/// The settings, as flags. Each is also a variable and a line of the configuration file; see
/// docs/reference/configuration.md.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// The directory that holds everything [default: refit-data]
    #[arg(long, value_name = "DIR")]
    data: Option<String>,
    /// Where to serve HTTPS, or HTTP with --dev; port 0 takes a free one [default: 0.0.0.0:8443; with --dev 127.0.0.1:8080]
    #[arg(long, value_name = "ADDR")]
    http: Option<String>,
    /// Where to serve MQTT, over TLS but with --dev; port 0 takes a free one [default: 0.0.0.0:8883; with --dev 127.0.0.1:1883]
    #[arg(long, value_name = "ADDR")]
    mqtt: Option<String>,
    /// The URL by which devices reach the depot [default: that of HTTP]
    #[arg(long, value_name = "URL")]
    public_url: Option<String>,
    /// A name or address of the server, for its certificate; can be given again [default: this host's, and loopback]
    #[arg(long, value_name = "NAME")]
    name: Vec<String>,
    /// Take devices without an identity of their own, in plain text; on loopback only
    #[arg(long)]
    dev: bool,
    /// How long a device may download with the URL it was given [default: 1h]
    #[arg(long, value_name = "TIME")]
    grant_lifetime: Option<String>,
    /// How to write the log: human or json [default: human]
    #[arg(long, value_name = "FORMAT")]
    log_format: Option<String>,
    #[command(flatten)]
    depot: DepotArguments,
    /// Read settings from this file
    #[arg(long, env = "REFIT_CONFIG", value_name = "FILE")]
    config: Option<PathBuf>,
}

/// The object store that artifacts are kept in.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Object store")]
struct DepotArguments {
    /// Keep artifacts in s3://bucket/prefix, gs://… or az://… [default: the data directory]
    #[arg(long, value_name = "URL")]
    depot_url: Option<String>,
    /// Where the store is, if it is not AWS
    #[arg(long, value_name = "URL")]
    depot_endpoint: Option<String>,
    /// Where devices reach the store, if that is another name
    #[arg(long, value_name = "URL")]
    depot_public_endpoint: Option<String>,
    /// The region of the bucket
    #[arg(long, value_name = "NAME")]
    depot_region: Option<String>,
    /// Whether the bucket stands in the path: true or false
    #[arg(long, value_name = "BOOL")]
    depot_path_style: Option<String>,
    /// A file with the credentials [default: environment, instance or container]
    #[arg(long, value_name = "FILE")]
    depot_credentials: Option<String>,
    /// The role that temporary credentials of devices are of
    #[arg(long, value_name = "ARN")]
    depot_role: Option<String>,
    /// Where STS is, if it is not at the endpoint
    #[arg(long, value_name = "URL")]
    depot_sts_endpoint: Option<String>,
}

impl Arguments {
    fn flags(&self) -> Vec<(Key, String)> {
        let dev = self.dev.then(|| "true".to_owned());
        let name = (!self.name.is_empty()).then(|| self.name.join(","));
        [
            (Key::Data, &self.data),
            (Key::Http, &self.http),
            (Key::Mqtt, &self.mqtt),
            (Key::PublicUrl, &self.public_url),
            (Key::Name, &name),
            (Key::Dev, &dev),
            (Key::GrantLifetime, &self.grant_lifetime),
            (Key::LogFormat, &self.log_format),
            (Key::DepotUrl, &self.depot.depot_url),
            (Key::DepotEndpoint, &self.depot.depot_endpoint),
            (Key::DepotPublicEndpoint, &self.depot.depot_public_endpoint),
            (Key::DepotRegion, &self.depot.depot_region),
            (Key::DepotPathStyle, &self.depot.depot_path_style),
            (Key::DepotCredentials, &self.depot.depot_credentials),
            (Key::DepotRole, &self.depot.depot_role),
            (Key::DepotStsEndpoint, &self.depot.depot_sts_endpoint),
        ]
        .into_iter()
        .filter_map(|(key, value)| Some((key, value.clone()?)))
        .collect()
    }
}

/// Serves until it is told to stop.
pub(crate) fn run(arguments: &Arguments, output: Output) -> Result<(), Failure> {
    let variable = |name: &str| std::env::var(name).ok();
    let config = Config::resolve(&arguments.flags(), variable, arguments.config.as_deref())
        .map_err(|error| Failure::new(Kind::Usage, error.what).next(error.hint))?;
    log(config.log_format)?;
    if let Err(error) = core_dumps::forbid() {
        tracing::warn!("core dumps stay possible, and one would hold keys: {error}");
    }
    if let Err(error) = open_files::raise() {
        tracing::warn!("the limit of open files stays as it is: {error}");
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build();
    let runtime = runtime
        .map_err(|error| Failure::new(Kind::Error, "failed to start threads").because(&error))?;
    let ended = runtime.block_on(serve(config, output));
    // Whoever still waits for something is not waited for.
    runtime.shutdown_background();
    ended
}

async fn serve(config: Config, output: Output) -> Result<(), Failure> {
    let failed = |error: std::io::Error| {
        Failure::new(Kind::Error, "failed to listen for signals").because(&error)
    };
    let mut terminate = signal(SignalKind::terminate()).map_err(failed)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(failed)?;
    let server = Server::start(config).await.map_err(not_started)?;
    if announce(server.places(), output).is_err() {
        // Nobody reads it; devices are served all the same.
        tracing::info!(
            "serving {} and {}",
            server.places().api,
            server.places().mqtt
        );
    }
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
        why = server.broken() => {
            return Err(Failure::new(Kind::Error, "the server stopped, and acknowledged nothing that is not durable")
                .next("start it again: it recovers by reading what is durable")
                .why(why));
        }
    }
    hint("stopping: what is under way comes to its end; interrupt again to cut it short");
    tokio::select! {
        () = server.drain() => Ok(()),
        () = either(&mut terminate, &mut interrupt) => Err(Failure::new(Kind::Error, "stopped short")),
    }
}

async fn either(terminate: &mut Signal, interrupt: &mut Signal) {
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
}

fn not_started(error: StartError) -> Failure {
    let kind = match &error {
        StartError::Exposed { .. }
        | StartError::Certified(_)
        | StartError::Secret(_)
        | StartError::Authority(_)
        | StartError::Privacy(_)
        | StartError::Keys(_) => Kind::Refused,
        // Something else has what it needs: the data directory, or a port.
        error if error.is_in_use() => Kind::Conflict,
        _ => Kind::Error,
    };
    Failure::new(kind, "the server did not start").because(&error)
}

fn announce(places: &Places, output: Output) -> Result<(), Failure> {
    let document = json!(places);
    output.document(&document, || {
        let how = match is_private(places) {
            true => "serves devices by their certificates, over TLS",
            false => "serves devices without an identity, on loopback (--dev)",
        };
        let mut text = format!("Refit {} {how}.\n\n", places.version);
        for (name, place) in [
            (
                "API",
                format!(
                    "{}/api/v1  (described by {}/api/v1/openapi.json)",
                    places.api, places.api
                ),
            ),
            ("MQTT", places.mqtt.clone()),
            ("Data", places.data.display().to_string()),
            ("Token", places.token_file.display().to_string()),
        ]
        .into_iter()
        .chain(root(places).map(|root| ("CA", root)))
        {
            // Writing to a string cannot fail.
            let _ = writeln!(text, "  {name:5}  {place}");
        }
        text.push_str("\nNext, in another terminal:\n");
        if !is_default(&places.data) {
            let _ = writeln!(text, "  export REFIT_DATA={}", quoted(&places.data));
        }
        if is_private(places) {
            text.push_str("  refit enrol token new       a claim token: with it a device gets its certificate\n");
        }
        text.push_str("  refit release add PATH --name firmware --version 2.0.0\n");
        text.push_str("  refit device set lamp-7 firmware@2.0.0\n");
        text.push_str("  refit device watch lamp-7\n");
        text
    })
}

fn is_private(places: &Places) -> bool {
    places.api.starts_with("https:")
}

/// What clients elsewhere need: the certificate that they have to trust.
fn root(places: &Places) -> Option<String> {
    let root = places.root.as_ref()?;
    Some(format!("{}  (for clients elsewhere: --ca)", root.display()))
}

/// Writes a path as a shell reads it.
fn quoted(path: &Path) -> String {
    let path = path.display().to_string();
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '/' | '.' | '_' | '-');
    if path.chars().all(plain) {
        path
    } else {
        format!("'{}'", path.replace('\'', "'\\''"))
    }
}

/// Tells whether the command line finds this directory by itself from here.
fn is_default(data: &Path) -> bool {
    Path::new("refit-data")
        .canonicalize()
        .is_ok_and(|default| default == data)
}

/// The log goes to stderr. `REFIT_LOG` chooses what is in it, in the syntax of `tracing`'s filters.
fn log(format: LogFormat) -> Result<(), Failure> {
    let wanted = std::env::var("REFIT_LOG").unwrap_or_default();
    let wanted = if wanted.is_empty() { "info" } else { &wanted };
    let filter = EnvFilter::try_new(wanted).map_err(|error| {
        let what = format!("REFIT_LOG: {wanted:?} does not say what to log");
        Failure::new(Kind::Usage, what)
            .because(&error)
            .next("write info, debug, or refit_mqtt=debug,info")
    })?;
    let log = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr);
    match format {
        LogFormat::Json => log.json().init(),
        LogFormat::Human => log.with_ansi(std::io::stderr().is_terminal()).init(),
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_one_word_to_a_shell() {
        for (path, word) in [
            ("/srv/refit", "/srv/refit"),
            ("/a b", "'/a b'"),
            ("/o'k", "'/o'\\''k'"),
        ] {
            assert_eq!(quoted(Path::new(path)), word);
        }
    }
}
