//! Certificates of a load's devices, signed by the CA in a server's data directory, which does not hear of it.

use std::fs;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use rcgen::{CertificateParams, KeyPair};
use refit_identity::ca::{Ca, Signer};
use refit_identity::{Csr, Serial};
use refit_protocol::device_id::DeviceId;
use refit_protocol::time::Timestamp;
use rustls::client::Resumption;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore};

use crate::load::device_id;

/// How long the certificates are good.
const DAY_MS: u64 = 86_400_000;

/// For each device what it needs to connect: its key, its chain, and the tickets that it got.
pub(crate) struct Identities(Vec<Arc<ClientConfig>>);

impl Identities {
    /// Makes so many.
    pub(crate) fn signed(data: &Path, count: usize) -> io::Result<Self> {
        let read = |name: &str| fs::read_to_string(data.join("ca").join(name));
        let root = read("root.pem")?;
        let signer = Signer::from_pem(&read("issuer.key")?).map_err(io::Error::other)?;
        let ca = Ca::load(&root, &read("issuer.pem")?, signer).map_err(io::Error::other)?;
        let mut roots = RootCertStore::empty();
        let der = CertificateDer::from_pem_slice(root.as_bytes()).map_err(io::Error::other)?;
        roots.add(der).map_err(io::Error::other)?;
        let maker = Maker {
            ca,
            roots: Arc::new(roots),
            provider: Arc::new(rustls::crypto::ring::default_provider()),
        };
        let configs = (0..count).map(|number| maker.make(&device_id(number)));
        Ok(Self(configs.collect::<io::Result<_>>()?))
    }

    /// Returns a dialler whose sessions are all new.
    pub(crate) fn fresh(&self) -> Box<dyn Fn(usize) -> Option<Arc<ClientConfig>>> {
        let configs = self.0.clone();
        Box::new(move |number| {
            let mut config = ClientConfig::clone(configs.get(number)?);
            config.resumption = Resumption::disabled();
            Some(Arc::new(config))
        })
    }

    /// Returns a dialler that takes up the last session of each device, if it got a ticket.
    pub(crate) fn returning(&self) -> Box<dyn Fn(usize) -> Option<Arc<ClientConfig>>> {
        let configs = self.0.clone();
        Box::new(move |number| configs.get(number).cloned())
    }

    /// Forgets all tickets: those of one server are of no use to another.
    pub(crate) fn forget(&mut self) {
        for config in &mut self.0 {
            let mut fresh = ClientConfig::clone(config);
            fresh.resumption = sessions();
            *config = Arc::new(fresh);
        }
    }
}

/// Tickets of one server, as many as it sends.
fn sessions() -> Resumption {
    Resumption::in_memory_sessions(1)
}

struct Maker {
    ca: Ca,
    roots: Arc<RootCertStore>,
    provider: Arc<rustls::crypto::CryptoProvider>,
}

impl Maker {
    fn make(&self, id: &str) -> io::Result<Arc<ClientConfig>> {
        let key = KeyPair::generate().map_err(io::Error::other)?;
        let request = CertificateParams::default()
            .serialize_request(&key)
            .map_err(io::Error::other)?;
        let csr = Csr::from_der(request.der()).map_err(io::Error::other)?;
        let device = DeviceId::parse(id).map_err(io::Error::other)?;
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        let now = Timestamp(now.map_err(io::Error::other)?.as_millis() as u64);
        let serial = Serial::random(fastrand::u128(..).to_be_bytes());
        let issued = self
            .ca
            .sign_device(&csr, &device, now, DAY_MS, &serial)
            .map_err(io::Error::other)?;
        let chain = CertificateDer::pem_slice_iter(issued.chain.as_bytes());
        let chain = chain.collect::<Result<Vec<_>, _>>();
        let key = PrivateKeyDer::try_from(key.serialize_der()).map_err(io::Error::other)?;
        let mut config = ClientConfig::builder_with_provider(Arc::clone(&self.provider))
            .with_protocol_versions(&[&rustls::version::TLS13])
            .map_err(io::Error::other)?
            .with_root_certificates(Arc::clone(&self.roots))
            .with_client_auth_cert(chain.map_err(io::Error::other)?, key)
            .map_err(io::Error::other)?;
        config.resumption = sessions();
        Ok(Arc::new(config))
    }
}
