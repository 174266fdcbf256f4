//! The whole server: rooms started in their order, and stopped in the other.

use std::fs;
use std::io;
use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use refit_depot::grant::Grants;
use refit_depot::grant::ring::KeyRing;
use refit_engine::driver::{Engine, Parts};
use refit_engine::fleet::Fleet;
use refit_engine::releases::Releases;
use refit_engine::shard::Settings;
use refit_mqtt::identity::Gate;
use refit_mqtt::listener::{self, Endpoint};
use refit_mqtt::quota::{Pace, Quota};
use refit_store::sqlite::{self, SqliteStore};
use refit_store::store::{Failure, Store};
use tokio::net::TcpListener;
use tokio::sync::{Mutex, watch};
use tokio::task::JoinHandle;

use crate::access::application;
use crate::access::{self, Access};
use crate::config::Config;
use crate::counters::Counters;
use crate::cursor::{self, Cursors};
use crate::depot;
use crate::gate;
use crate::granting::Granting;
use crate::http::{self, App, Limits, connection};
use crate::identity::Identities;
use crate::identity::authority::{self, Authority, Own};
use crate::identity::enrol::Office;
use crate::identity::throttle::Throttle;
use crate::operator;
use crate::places::{Places, TOKEN_FILE};
use crate::pollers::{self, Pollers};
use crate::privacy::{self, Privacy};
use crate::readers::Readers;
use crate::wall;

/// How many devices may make themselves known; an operator may make more.
const DEVICES_MAX: u64 = 5_000_000;

/// How fast private connections are accepted: what two cores can do, and a second of that at once.
const HANDSHAKES: Pace = Pace {
    per_s: NonZeroU32::MIN.saturating_add(3_999),
    burst: NonZeroU32::MIN.saturating_add(3_999),
};

/// How long a stopping server waits for what is under way.
const DRAIN_MAX: Duration = Duration::from_secs(10);

/// A running server.
pub struct Server {
    places: Places,
    engine: Engine,
    mqtt: Endpoint,
    stop: watch::Sender<bool>,
    http: JoinHandle<()>,
    /// Looks after the server's certificate.
    watching: Option<JoinHandle<()>>,
    /// Why the store stopped, if it did: it may fail while nothing is being committed.
    store_broken: watch::Receiver<Option<String>>,
    /// Dropped last: it holds the lock on the data.
    _store: Arc<dyn Store>,
}

impl Server {
    /// Starts everything. When this returns, requests and devices are taken.
    pub async fn start(mut config: Config) -> Result<Self, StartError> {
        config.policy.certificates = !config.dev;
        let (data, kept) = open(&config.data, config.privacy.ca.clone()).await?;
        let depot = depot::open(&data, config.depot.clone()).await?;
        let (listener, at) = listen(config.http).await?;
        let (scheme, names) = match config.dev {
            false => ("https", &config.privacy.names[..]),
            true => ("http", &[][..]),
        };
        let far = format!("{scheme}://{}", reachable(at, names));
        // The command line on this machine need not resolve what devices do.
        let local: Vec<_> = names.iter().filter(|name| *name == "localhost").collect();
        let api = match local.first() {
            Some(local) if at.ip().is_unspecified() => format!("{scheme}://{local}:{}", at.port()),
            Some(_) | None => far.clone(),
        };
        let public_url = config.public_url.clone().unwrap_or(far);
        let grants = Arc::new(Grants::new(kept.keys, &public_url));
        let (settings, certificates) = (config.grant.clone(), !config.dev);
        let granting = Granting::new(Arc::clone(&grants), depot.clone(), settings, certificates);
        let granting = Arc::new(granting);
        let engine = start_engine(&config, &kept.store, &kept.releases, &granting)?;
        let (authority, identities) = (Arc::clone(&kept.authority), Arc::clone(&kept.identities));
        let office = office(&kept.store, engine.fleet(), authority, identities)?;
        let private = open_privacy(&config, &data, &kept.authority).await?;
        let access = Access::open(Arc::clone(&kept.store), &kept.token)?;
        let gate = gate::of(
            private.is_some(),
            &kept.authority,
            &kept.identities,
            &access,
        );
        let mqtt = endpoint(config.mqtt, &engine, gate, private.as_ref())?;
        let places = Places {
            api,
            mqtt: format!(
                "{}://{}",
                if private.is_some() { "mqtts" } else { "mqtt" },
                mqtt.address()
            ),
            root: private.as_ref().and_then(|_| root_file(&config, &data)),
            public_url,
            token_file: data.join(TOKEN_FILE),
            data,
            pid: std::process::id(),
            version: env!("CARGO_PKG_VERSION").into(),
        };
        let (stop, stopping) = watch::channel(false);
        let counters = Arc::new(Counters::default());
        let pollers = Arc::new(Pollers::default());
        tokio::spawn(pollers::sweep(
            Arc::clone(&pollers),
            engine.fleet().clone(),
            stopping.clone(),
        ));
        tokio::spawn(reread_keys(Arc::clone(&grants), stopping.clone()));
        let app = App {
            fleet: engine.fleet().clone(),
            figures: Arc::clone(engine.figures()),
            releases: kept.releases,
            readers: Readers::new(Arc::clone(&kept.store)),
            store: Arc::clone(&kept.store),
            depot,
            grants,
            granting,
            trusted_proxies: config.trusted_proxies,
            pollers: Arc::clone(&pollers),
            poll_interval: config.poll_interval,
            dev: config.dev,
            access: Arc::clone(&access),
            office,
            enrolments: Throttle::new(Instant::now()),
            cursors: kept.cursors,
            mqtt: mqtt.figures(),
            counters: Arc::clone(&counters),
            privacy: private.clone(),
            places: places.clone(),
            stopping: stopping.clone(),
            run: format!("{:x}", wall::now().as_millis()),
            recording: Mutex::new(()),
            policy: config.policy.clone(),
            limits: Limits::default(),
            under_way: Default::default(),
        };
        let router = http::router(Arc::new(app));
        let rights = application::watch(access, mqtt.present(), stopping.clone());
        drop(tokio::spawn(rights));
        let http = tokio::spawn(connection::serve(
            listener,
            router,
            counters,
            private.as_ref().map(|private| Arc::clone(&private.https)),
            stopping,
        ));
        let watching = private.map(|private| tokio::spawn(private.watch()));
        places.write().map_err(StartError::data(&places.data))?;
        let _store = kept.store;
        Ok(Self {
            places,
            engine,
            mqtt,
            stop,
            http,
            watching,
            store_broken: kept.store_broken,
            _store,
        })
    }

    /// Returns where everything is.
    pub fn places(&self) -> &Places {
        &self.places
    }

    /// Waits until nothing may be acknowledged any more, and says why. The process should end then.
    pub async fn broken(&self) -> String {
        let mut store = self.store_broken.clone();
        let store_broken = async {
            match store.wait_for(Option::is_some).await {
                Ok(why) => why.clone().unwrap_or_default(),
                Err(_) => std::future::pending().await,
            }
        };
        tokio::select! {
            why = self.engine.broken() => why,
            why = store_broken => why,
        }
    }

    /// Stops: nothing new is taken, devices are told, what is under way comes to its end, and all is durable.
    pub async fn drain(self) {
        let Self {
            places,
            engine,
            mqtt,
            stop,
            http,
            watching,
            store_broken: _,
            _store,
        } = self;
        stop.send_replace(true);
        if let Some(watching) = watching {
            watching.abort();
        }
        let abort = http.abort_handle();
        let (devices, requests) =
            tokio::join!(mqtt.stop(DRAIN_MAX), tokio::time::timeout(DRAIN_MAX, http));
        if devices > 0 || requests.is_err() {
            tracing::warn!(
                "some connections did not end within {} s and were cut",
                DRAIN_MAX.as_secs()
            );
            abort.abort();
        }
        let stopped = tokio::task::spawn_blocking(move || engine.stop());
        drop(stopped.await);
        places.remove();
    }
}

/// Opens what lies in the data directory; makes it if it is not there.
async fn open(data: &Path, own: Option<Own>) -> Result<(PathBuf, Kept), StartError> {
    make_data(data)?;
    let data = data.canonicalize().map_err(StartError::data(data))?;
    let at = data.clone();
    let kept = tokio::task::spawn_blocking(move || Kept::open(&at, own.as_ref())).await;
    let kept = kept.map_err(|error| StartError::data(&data)(io::Error::other(error)))??;
    Ok((data, kept))
}

/// How often it is looked whether another hand changed the keys of grants.
const KEYS_LOOK: Duration = Duration::from_secs(5);

/// Reads the keys of grants again when their file changes, until the server stops.
async fn reread_keys(grants: Arc<Grants>, mut stopping: watch::Receiver<bool>) {
    let mut tick = tokio::time::interval(KEYS_LOOK);
    loop {
        tokio::select! {
            _ = tick.tick() => {}
            _ = stopping.wait_for(|stopping| *stopping) => return,
        }
        let grants = Arc::clone(&grants);
        match tokio::task::spawn_blocking(move || grants.reload()).await {
            Ok(Ok(true)) => tracing::info!("the keys of grants were read again"),
            Ok(Ok(false)) => {}
            Ok(Err(error)) => {
                tracing::error!("the keys of grants stay as they were: failed to {error}")
            }
            Err(_) => return,
        }
    }
}

fn start_engine(
    config: &Config,
    store: &Arc<dyn Store>,
    releases: &Arc<Releases>,
    granting: &Arc<Granting>,
) -> Result<Engine, Failure> {
    let settings = Settings {
        policy: config.policy.clone(),
        epoch: store.epoch(),
        devices_max: DEVICES_MAX,
        // Without `--dev` the gate lets in nobody whom the fleet's CA has not named.
        unknown_devices_join: true,
    };
    Engine::start(Parts {
        store: Arc::clone(store),
        grantor: Arc::<Granting>::clone(granting),
        releases: Arc::clone(releases),
        settings,
    })
}

fn office(
    store: &Arc<dyn Store>,
    fleet: &Fleet,
    authority: Arc<Authority>,
    identities: Arc<Identities>,
) -> Result<Arc<Office>, StartError> {
    let mut key = [0; 32];
    getrandom::fill(&mut key).map_err(|error| {
        StartError::data(Path::new("the system's randomness"))(io::Error::other(error))
    })?;
    let office = Office::new(Arc::clone(store), fleet.clone(), authority, identities, key);
    Ok(Arc::new(office))
}

fn endpoint(
    at: SocketAddr,
    engine: &Engine,
    gate: Arc<dyn Gate>,
    private: Option<&Arc<Privacy>>,
) -> Result<Endpoint, StartError> {
    let parts = listener::Parts {
        fleet: engine.fleet().clone(),
        gate,
        quota: Quota {
            // A handshake costs far more than a connection.
            pace: private.map(|_| HANDSHAKES),
            ..Quota::default()
        },
        tls: private.map(|private| Arc::clone(&private.mqtts)),
    };
    Endpoint::start(at, parts).map_err(StartError::listen("MQTT", "mqtt", at))
}

/// Opens what makes connections private; `None` with `--dev`.
async fn open_privacy(
    config: &Config,
    data: &Path,
    authority: &Arc<Authority>,
) -> Result<Option<Arc<Privacy>>, StartError> {
    if config.dev {
        return Ok(None);
    }
    let (data, wanted, authority) = (
        data.to_owned(),
        config.privacy.clone(),
        Arc::clone(authority),
    );
    let opened = tokio::task::spawn_blocking(move || Privacy::open(&data, authority, &wanted));
    let opened = opened
        .await
        .map_err(|error| StartError::data(&config.data)(io::Error::other(error)))?;
    Ok(Some(Arc::new(opened?)))
}

/// Where to find the root of the server's own certificate, if it is ours.
fn root_file(config: &Config, data: &Path) -> Option<PathBuf> {
    let is_ours = config.privacy.certificate.is_none();
    match &config.privacy.ca {
        _ if !is_ours => None,
        Some(own) => Some(own.certificate.clone()),
        None => Some(data.join(authority::FOLDER).join("root.pem")),
    }
}

/// An address as the server's certificate names it: one that listens everywhere is reached by its first name.
fn reachable(at: SocketAddr, names: &[String]) -> String {
    let is_named = |name: &&String| name.parse() == Ok(at.ip());
    match names.first() {
        Some(first) if !names.iter().any(|name| is_named(&name)) => match first.parse() {
            Ok(address) => SocketAddr::new(address, at.port()).to_string(),
            Err(_) => format!("{first}:{}", at.port()),
        },
        Some(_) | None => at.to_string(),
    }
}

/// What lies in the data directory.
struct Kept {
    store: Arc<dyn Store>,
    store_broken: watch::Receiver<Option<String>>,
    cursors: Cursors,
    keys: KeyRing,
    /// The first admin's token, until its hash is among the others.
    token: String,
    releases: Arc<Releases>,
    authority: Arc<Authority>,
    identities: Arc<Identities>,
}

impl Kept {
    /// The store comes first: its lock keeps a second server from everything else.
    fn open(data: &Path, own: Option<&Own>) -> Result<Self, StartError> {
        let (stopped, store_broken) = watch::channel(None);
        let mut options = sqlite::Options::new(data);
        options.on_broken = Box::new(move |why| drop(stopped.send_replace(Some(why.into()))));
        let store: Arc<dyn Store> = Arc::new(SqliteStore::open(options)?);
        let releases = Arc::new(Releases::default());
        for release in store.reader()?.releases()? {
            releases.add(release.software);
        }
        let authority = Authority::open(data, own, &*store, wall::now())?;
        let identities = Identities::new(store.reader()?.barred()?);
        Ok(Self {
            authority: Arc::new(authority),
            identities: Arc::new(identities),
            store,
            store_broken,
            cursors: Cursors::load_or_create(&data.join(cursor::KEY_FILE))?,
            keys: KeyRing::open(&data.join("grant.keys"))?,
            token: operator::load_or_create(&data.join(TOKEN_FILE))?,
            releases,
        })
    }
}

/// Makes the data directory for its owner alone. One that others can look into is not refused, but each secret in it
/// has a mode of its own.
fn make_data(path: &Path) -> Result<(), StartError> {
    let made = fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path);
    made.map_err(StartError::data(path))?;
    let mode = fs::metadata(path)
        .map_err(StartError::data(path))?
        .permissions()
        .mode();
    if mode & 0o022 != 0 {
        return Err(StartError::Exposed {
            path: path.to_owned(),
            mode: mode & 0o777,
        });
    }
    Ok(())
}

async fn listen(at: SocketAddr) -> Result<(TcpListener, SocketAddr), StartError> {
    let failed = || StartError::listen("HTTP", "http", at);
    let listener = TcpListener::bind(at).await.map_err(failed())?;
    let at = listener.local_addr().map_err(failed())?;
    Ok((listener, at))
}

/// Why a server did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The data directory cannot be used.
    #[error("failed to use the data directory {}", .path.display())]
    Data {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Others may change what is in the data directory.
    #[error("others can write to {} (mode {mode:o}): chmod 700 it, or choose another with --data", .path.display())]
    Exposed {
        /// Which.
        path: PathBuf,
        /// Its permissions.
        mode: u32,
    },
    /// An address cannot be listened on.
    #[error(
        "failed to serve {what} on {at}: stop what else uses it, or choose another with --{flag} (port 0 takes a free one)"
    )]
    Listen {
        /// What was to be served.
        what: &'static str,
        /// The flag for it.
        flag: &'static str,
        /// Where.
        at: SocketAddr,
        /// Why not.
        source: io::Error,
    },
    /// The store cannot be opened.
    #[error("failed to open the store: {0}")]
    Store(#[from] sqlite::OpenError),
    /// The store cannot be read.
    #[error("failed to read the store")]
    Read(#[from] Failure),
    /// The depot cannot be opened.
    #[error("failed to open the depot")]
    Depot(#[from] refit_depot::backend::Error),
    /// The keys of grants cannot be had.
    #[error("failed to {0}")]
    Keys(#[from] refit_depot::grant::keys::Error),
    /// The key of cursors cannot be had.
    #[error("failed to {0}")]
    Cursors(#[from] cursor::Error),
    /// Connections cannot be private.
    #[error("{0}")]
    Privacy(#[from] privacy::Error),
    /// The fleet's CA cannot be had.
    #[error("{0}")]
    Authority(#[from] authority::Error),
    /// It cannot be read who may do what.
    #[error("{0}")]
    Access(#[from] access::OpenError),
    /// The operator's token cannot be had.
    #[error("{0}")]
    Operator(#[from] operator::Error),
}

impl StartError {
    /// Tells whether somebody else holds what is needed: the data directory, or an address.
    pub fn is_in_use(&self) -> bool {
        match self {
            Self::Store(sqlite::OpenError::InUse(_)) => true,
            Self::Listen { source, .. } => source.kind() == io::ErrorKind::AddrInUse,
            _ => false,
        }
    }

    fn listen(
        what: &'static str,
        flag: &'static str,
        at: SocketAddr,
    ) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Listen {
            what,
            flag,
            at,
            source,
        }
    }

    pub(crate) fn data(path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Data { path, source }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_told_as_the_certificate_names_it() {
        let told = |at: &str, names: &[&str]| {
            let names: Vec<_> = names.iter().map(|name| (*name).to_owned()).collect();
            reachable(at.parse().unwrap(), &names)
        };
        assert_eq!(told("0.0.0.0:8443", &["hub", "localhost"]), "hub:8443");
        assert_eq!(told("127.0.0.1:1", &["hub", "127.0.0.1"]), "127.0.0.1:1");
        assert_eq!(told("192.0.2.1:1", &["2001:db8::1"]), "[2001:db8::1]:1");
        assert_eq!(told("127.0.0.1:8080", &[]), "127.0.0.1:8080");
    }
}
