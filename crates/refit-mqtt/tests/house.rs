//! An endpoint on a free port of loopback, with an engine and a store of its own.

use std::net::SocketAddr;
use std::sync::Arc;

use refit_engine::driver::{Engine, Parts};
use refit_engine::fleet::Fleet;
use refit_engine::releases::Releases;
use refit_engine::send::{Grantor, Minted, Wanted};
use refit_engine::shard::Settings;
use refit_mqtt::figures::Figures;
use refit_mqtt::identity::{Application, Applications, DevGate, EveryRight, Gate, Refusal};
use refit_mqtt::listener::{self, Endpoint};
use refit_mqtt::quota::Quota;
use refit_packet::Secret;
use refit_protocol::delta::Granted;
use refit_protocol::grant::{GrantKind, Strength, Ungranted};
use refit_protocol::time::Timestamp;
use refit_replica::input::Policy;
use refit_store::sqlite::{Options, SqliteStore};
use tempfile::TempDir;
use tokio::runtime::Runtime;

pub(crate) const TOKEN: &str = "the operator's token";

/// Dropping it stops everything; the directory goes last.
pub(crate) struct House {
    pub(crate) endpoint: Option<Endpoint>,
    pub(crate) runtime: Runtime,
    pub(crate) engine: Option<Engine>,
    pub(crate) figures: Arc<Figures>,
    address: SocketAddr,
    _directory: TempDir,
}

/// Knows one application.
struct OneToken;

impl Applications for OneToken {
    fn find(&self, password: Secret<'_>, _: SocketAddr) -> Result<Option<Application>, Refusal> {
        Ok(
            (password.expose() == TOKEN.as_bytes()).then(|| Application {
                name: "shop".into(),
                rights: Arc::new(EveryRight),
            }),
        )
    }
}

struct NoGrants;

impl Grantor for NoGrants {
    fn mint(&self, wanted: &Wanted<'_>, _: Timestamp) -> Result<Minted, Ungranted> {
        Ok(Minted {
            url: format!("http://h/depot/sha256/{}", wanted.digest),
            grant: Granted {
                kind: GrantKind::Presigned,
                strength: Strength::Time,
                expires: Some(Timestamp(1)),
            },
        })
    }
}

impl House {
    pub(crate) fn new() -> Self {
        Self::with(Quota::default())
    }

    pub(crate) fn with(quota: Quota) -> Self {
        Self::gated(quota, |_| Arc::new(DevGate::new(Arc::new(OneToken))))
    }

    pub(crate) fn gated(quota: Quota, gate: impl FnOnce(&Fleet) -> Arc<dyn Gate>) -> Self {
        let directory = TempDir::new().unwrap();
        let store = SqliteStore::open(Options::new(directory.path())).unwrap();
        let engine = Engine::start(Parts {
            store: Arc::new(store),
            grantor: Arc::new(NoGrants),
            releases: Arc::new(Releases::default()),
            settings: Settings {
                policy: Policy::default(),
                epoch: 0,
                devices_max: 1000,
                unknown_devices_join: true,
            },
        })
        .unwrap();
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .unwrap();
        let parts = listener::Parts {
            fleet: engine.fleet().clone(),
            gate: gate(engine.fleet()),
            quota,
            tls: None,
        };
        let endpoint =
            runtime.block_on(async { Endpoint::start(([127, 0, 0, 1], 0).into(), parts) });
        let endpoint = endpoint.unwrap();
        Self {
            address: endpoint.address(),
            figures: endpoint.figures(),
            endpoint: Some(endpoint),
            runtime,
            engine: Some(engine),
            _directory: directory,
        }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for House {
    fn drop(&mut self) {
        self.endpoint = None;
        if let Some(engine) = self.engine.take() {
            engine.stop();
        }
    }
}
