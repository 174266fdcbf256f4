//! A whole server in the test's own process: random ports, a real store, a temporary directory.

use std::path::{Path, PathBuf};
use std::time::Duration;

use refit_protocol::network::Cidr;
use refit_replica::input::Policy;
use refit_server::compose::{Server, StartError};
use refit_server::config::{Config, Grant, LogFormat, Paces};
use refit_server::operator::read_token;
use refit_server::places::Places;
use refit_server::privacy::Wanted;
use tempfile::TempDir;
use tokio::runtime::Runtime;

/// How a test's server differs from one that everybody runs.
#[derive(Clone, Debug, Default)]
pub struct Wishes {
    /// Timers and bounds of jobs.
    pub policy: Policy,
    /// How long grants are good; an hour if it is not said.
    pub grant_lifetime: Option<Duration>,
    /// Which grants devices get, and the rest of `[grant]`.
    pub grant: Grant,
    /// How often devices are to poll; every five minutes if it is not said.
    pub poll_interval: Option<Duration>,
    /// How many bytes an artifact may have; 16 GiB if it is not said.
    pub upload_bytes_max: Option<u64>,
    /// How often devices and applications may speak.
    pub paces: Paces,
    /// Whose word about an address is believed.
    pub trusted_proxies: Vec<Cidr>,
    /// By which URL devices are told to download; the server's own if it is not said.
    pub public_url: Option<String>,
    /// Whether connections are private and devices have certificates.
    pub is_secure: bool,
    /// How, then; the names are the test's own.
    pub privacy: Wanted,
}

impl Wishes {
    fn grant(&self) -> Grant {
        let mut grant = self.grant.clone();
        let seconds = self.grant_lifetime.map(|lifetime| lifetime.as_secs());
        if let Some(seconds) = seconds {
            grant.policy.lifetime = Some(u32::try_from(seconds).unwrap_or(u32::MAX));
        }
        grant
    }
}

/// A running server. It stops when it is dropped, and its directory goes with it.
pub struct TestServer {
    home: Option<TempDir>,
    data: PathBuf,
    places: Places,
    token: String,
    server: Option<Server>,
    runtime: Option<Runtime>,
}

impl TestServer {
    /// Starts a server with a new, empty store.
    ///
    /// # Panics
    /// If it does not start: then there is nothing to test.
    pub fn start() -> Self {
        Self::start_with(&Wishes::default())
    }

    /// Starts a server with wishes.
    ///
    /// # Panics
    /// If it does not start.
    #[expect(clippy::expect_used, reason = "a test that has no server has failed")]
    pub fn start_with(wishes: &Wishes) -> Self {
        let home = tempfile::tempdir().expect("a temporary directory");
        let data = home.path().join("data");
        let mut server = Self::start_on(&data, wishes).expect("the server starts");
        server.home = Some(home);
        server
    }

    /// Starts a server on a data directory that the test keeps, for instance one that an earlier server left.
    #[expect(clippy::expect_used, reason = "a test that has no server has failed")]
    pub fn start_on(data: &Path, wishes: &Wishes) -> Result<Self, StartError> {
        let any_port = "127.0.0.1:0".parse().expect("an address");
        let config = Config {
            data: data.to_owned(),
            http: any_port,
            mqtt: any_port,
            public_url: wishes.public_url.clone(),
            dev: !wishes.is_secure,
            privacy: Wanted {
                names: vec!["localhost".into(), "127.0.0.1".into()],
                ..wishes.privacy.clone()
            },
            grant: wishes.grant(),
            trusted_proxies: wishes.trusted_proxies.clone(),
            audit_heads: None,
            poll_interval: wishes.poll_interval.unwrap_or(Duration::from_secs(300)),
            upload_bytes_max: wishes.upload_bytes_max.unwrap_or(16 << 30),
            paces: wishes.paces,
            log_format: LogFormat::Human,
            depot: None,
            policy: wishes.policy.clone(),
        };
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build();
        let runtime = runtime.expect("a runtime");
        let server = runtime.block_on(Server::start(config))?;
        let places = server.places().clone();
        let token = read_token(&places.token_file).expect("the operator's token");
        Ok(Self {
            home: None,
            data: data.to_owned(),
            places,
            token,
            server: Some(server),
            runtime: Some(runtime),
        })
    }

    /// Returns a URL of the server: `url("/livez")`.
    pub fn url(&self, path: &str) -> String {
        format!("{}{path}", self.places.api)
    }

    /// Returns the host and port of HTTP.
    pub fn http_address(&self) -> &str {
        self.places.api.split("://").nth(1).unwrap_or_default()
    }

    /// Returns the host and port of MQTT.
    pub fn mqtt_address(&self) -> &str {
        self.places.mqtt.split("://").nth(1).unwrap_or_default()
    }

    /// Returns the operator's token.
    pub fn token(&self) -> &str {
        &self.token
    }

    /// Returns the data directory.
    pub fn data(&self) -> &Path {
        &self.data
    }

    /// Returns where everything is.
    pub fn places(&self) -> &Places {
        &self.places
    }

    /// Stops the server as a signal would, and waits for it.
    pub fn stop(&mut self) {
        if let (Some(server), Some(runtime)) = (self.server.take(), self.runtime.as_ref()) {
            runtime.block_on(server.drain());
        }
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_timeout(Duration::from_secs(5));
        }
    }

    /// Stops the server, and starts another one on the same data.
    ///
    /// # Panics
    /// If it does not start.
    #[expect(clippy::expect_used, reason = "a test that has no server has failed")]
    pub fn restart(&mut self, wishes: &Wishes) {
        self.stop();
        let mut next = Self::start_on(&self.data, wishes).expect("the server starts again");
        next.home = self.home.take();
        *self = next;
    }
}

impl Drop for TestServer {
    fn drop(&mut self) {
        self.stop();
    }
}
