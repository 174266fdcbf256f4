//! The whole server: rooms started in their order, and stopped in the other.

mod doors;
mod failure;
mod kept;

pub use failure::StartError;

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use refit_depot::grant::Grants;
use refit_engine::conductor::{self, Conducting, Conductor};
use refit_engine::driver::{Engine, Parts};
use refit_engine::fleet::Fleet;
use refit_engine::releases::Releases;
use refit_engine::shard::Settings;
use refit_mqtt::listener::Endpoint;
use refit_protocol::grant::Strength;
use refit_store::store::{Failure, Store};
use tokio::sync::{Mutex, watch};
use tokio::task::JoinHandle;

use crate::access::Access;
use crate::access::application::{self};
use crate::audit;
use crate::config::Config;
use crate::counters::Counters;
use crate::depot;
use crate::gate;
use crate::granting::Granting;
use crate::http::{self, App, Limits, connection};
use crate::identity::Identities;
use crate::identity::authority::Authority;
use crate::identity::enrol::Office;
use crate::identity::throttle::Throttle;
use crate::places::{Places, TOKEN_FILE};
use crate::pollers::{self, Pollers};
use crate::readers::Readers;
use crate::wall;

/// How many devices may make themselves known; an operator may make more.
const DEVICES_MAX: u64 = 5_000_000;

/// How long a stopping server waits for what is under way.
const DRAIN_MAX: Duration = Duration::from_secs(10);

/// A running server.
pub struct Server {
    places: Places,
    conducting: Conducting,
    engine: Engine,
    mqtt: Endpoint,
    stop: watch::Sender<bool>,
    http: JoinHandle<()>,
    /// Tells the heads of the audit log; ends by itself.
    heads: JoinHandle<()>,
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
        let (data, kept) = kept::open(&config.data, config.privacy.clone()).await?;
        kept::refuse_openly(&*kept.store, &data, config.dev)?;
        let depot = depot::open(&data, config.depot.clone()).await?;
        let (listener, at) = doors::listen(config.http).await?;
        let (scheme, names) = match config.dev {
            false => ("https", &config.privacy.names[..]),
            true => ("http", &[][..]),
        };
        let far = format!("{scheme}://{}", doors::reachable(at, names));
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
        let private = doors::open_privacy(&config, &data, &kept.authority).await?;
        let access = Access::open(Arc::clone(&kept.store), &kept.token)?;
        let gate = gate::of(
            private.is_some(),
            &kept.authority,
            &kept.identities,
            &access,
        );
        let mqtt = doors::endpoint(config.mqtt, &engine, gate, private.as_ref(), config.paces)?;
        let places = Places {
            api,
            mqtt: format!(
                "{}://{}",
                if private.is_some() { "mqtts" } else { "mqtt" },
                mqtt.address()
            ),
            root: private
                .as_ref()
                .and_then(|_| doors::root_file(&config, &data)),
            public_url,
            token_file: data.join(TOKEN_FILE),
            data,
            pid: std::process::id(),
            version: env!("CARGO_PKG_VERSION").into(),
        };
        let conducting = start_conductor(&config, &kept.store, &engine, &grants)?;
        let (stop, stopping) = watch::channel(false);
        let counters = Arc::new(Counters::default());
        let pollers = Arc::new(Pollers::default());
        tokio::spawn(pollers::sweep(
            Arc::clone(&pollers),
            engine.fleet().clone(),
            stopping.clone(),
        ));
        tokio::spawn(reread_keys(Arc::clone(&grants), stopping.clone()));
        let readers = Readers::new(Arc::clone(&kept.store));
        let heads = audit::tell_heads(
            Arc::clone(&readers),
            config.audit_heads.clone(),
            stopping.clone(),
        );
        let heads = tokio::spawn(heads);
        let app = App {
            fleet: engine.fleet().clone(),
            conductor: conducting.conductor().clone(),
            marks: Arc::clone(engine.marks()),
            figures: Arc::clone(engine.figures()),
            releases: kept.releases,
            readers,
            store: Arc::clone(&kept.store),
            depot,
            grants,
            granting,
            trusted_proxies: config.trusted_proxies.clone(),
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
            limits: Limits::new(&config.paces, config.upload_bytes_max),
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
            config.trusted_proxies,
            stopping,
        ));
        let watching = private.map(|private| tokio::spawn(private.watch()));
        places.write().map_err(StartError::data(&places.data))?;
        let _store = kept.store;
        Ok(Self {
            places,
            conducting,
            engine,
            mqtt,
            stop,
            http,
            heads,
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
            conducting,
            engine,
            mqtt,
            stop,
            http,
            heads,
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
        drop(tokio::time::timeout(DRAIN_MAX, heads).await);
        let stopped = tokio::task::spawn_blocking(move || {
            conducting.stop();
            engine.stop();
        });
        drop(stopped.await);
        places.remove();
    }
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

fn start_conductor(
    config: &Config,
    store: &Arc<dyn Store>,
    engine: &Engine,
    grants: &Arc<Grants>,
) -> Result<Conducting, Failure> {
    let grants = Arc::clone(grants);
    Conductor::start(conductor::Parts {
        store: Arc::clone(store),
        fleet: engine.fleet().clone(),
        marks: Arc::clone(engine.marks()),
        url: Box::new(move |digest| grants.stable_url(digest)),
        strength: if config.dev {
            Strength::Address
        } else {
            Strength::Device
        },
        approval_required: false,
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
