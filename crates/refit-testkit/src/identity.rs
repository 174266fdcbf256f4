//! A device's identity as the fleet's CA of a test's server signs it, without the server knowing.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use rcgen::{CertificateParams, KeyPair};
use refit_identity::ca::{Ca, Signer};
use refit_identity::{Csr, Serial, Thumbprint};
use refit_protocol::device_id::DeviceId;
use refit_protocol::time::Timestamp;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore};

/// A certificate with its key, PEM, and whom the device trusts.
#[derive(Clone, Debug)]
pub struct Identity {
    /// The certificate, then its issuer.
    pub certificate: String,
    /// Its key.
    pub key: String,
    /// The root of the fleet.
    pub root: String,
    /// Which certificate it is.
    pub thumbprint: Thumbprint,
}

impl Identity {
    /// Has the CA in this data directory sign a certificate that is good for so many milliseconds.
    ///
    /// # Panics
    /// If there is no CA, or it does not sign.
    #[expect(clippy::expect_used, reason = "a test that has no identity has failed")]
    pub fn signed(data: &Path, id: &str, millis: u64) -> Self {
        let read = |name: &str| fs::read_to_string(data.join("ca").join(name)).expect("a CA");
        let root = read("root.pem");
        let signer = Signer::from_pem(&read("issuer.key")).expect("the issuer's key");
        let ca = Ca::load(&root, &read("issuer.pem"), signer).expect("the CA");
        let key = KeyPair::generate().expect("a key");
        let request = CertificateParams::default()
            .serialize_request(&key)
            .expect("a request");
        let csr = Csr::from_der(request.der()).expect("a request");
        let device = DeviceId::parse(id).expect("a device ID");
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        let now = Timestamp(now.expect("a clock").as_millis() as u64);
        let serial: [u8; 16] = csr_seed(&key);
        let issued = ca
            .sign_device(&csr, &device, now, millis, &Serial::random(serial))
            .expect("a certificate");
        Self {
            certificate: issued.chain,
            key: key.serialize_pem(),
            root,
            thumbprint: issued.thumbprint,
        }
    }

    /// Reads what an agent keeps in its folder `identity`.
    ///
    /// # Panics
    /// If there is no such identity.
    #[expect(clippy::expect_used, reason = "a test that has no identity has failed")]
    pub fn kept(at: &Path) -> Self {
        let read = |name: &str| fs::read_to_string(at.join(name)).expect("an identity");
        let certificate = read("certificate.pem");
        let der = CertificateDer::from_pem_slice(certificate.as_bytes()).expect("a certificate");
        Self {
            thumbprint: refit_identity::thumbprint(&der),
            certificate,
            key: read("key.pem"),
            root: read("trust.pem"),
        }
    }

    /// Writes `device.pem`, `device.key` and `root.pem`.
    ///
    /// # Panics
    /// If they cannot be written.
    #[expect(clippy::expect_used, reason = "a test that has no files has failed")]
    pub fn write(&self, at: &Path) {
        for (name, text) in [
            ("device.pem", &self.certificate),
            ("device.key", &self.key),
            ("root.pem", &self.root),
        ] {
            fs::write(at.join(name), text).expect("a file");
        }
    }

    /// Returns a TLS client that is this device. It resumes its sessions.
    ///
    /// # Panics
    /// If the certificate is none.
    #[expect(clippy::expect_used, reason = "a test that has no identity has failed")]
    pub fn client(&self) -> Arc<ClientConfig> {
        let chain = CertificateDer::pem_slice_iter(self.certificate.as_bytes());
        let chain: Vec<_> = chain.collect::<Result<_, _>>().expect("certificates");
        let key = PrivateKeyDer::from_pem_slice(self.key.as_bytes()).expect("a key");
        let config = trusting(&self.root).with_client_auth_cert(chain, key);
        Arc::new(config.expect("a certificate with its key"))
    }
}

/// Returns a TLS client that trusts this root (PEM) and shows a certificate of nobody's fleet for this ID.
///
/// # Panics
/// If there is no certificate.
#[expect(clippy::expect_used, reason = "a test that has no identity has failed")]
pub fn foreign(root: &str, id: &str) -> Arc<ClientConfig> {
    let key = KeyPair::generate().expect("a key");
    let mut params = CertificateParams::default();
    params
        .distinguished_name
        .push(rcgen::DnType::CommonName, id);
    let certificate = params.self_signed(&key).expect("a certificate");
    let key = PrivateKeyDer::try_from(key.serialize_der()).expect("a key");
    let chain = vec![certificate.der().clone()];
    let config = trusting(root).with_client_auth_cert(chain, key);
    Arc::new(config.expect("a certificate with its key"))
}

/// Returns a TLS client without a certificate, which trusts this root (PEM).
pub fn nobody(root: &str) -> Arc<ClientConfig> {
    Arc::new(trusting(root).with_no_client_auth())
}

#[expect(clippy::expect_used, reason = "a test that has no root has failed")]
fn trusting(root: &str) -> rustls::ConfigBuilder<ClientConfig, rustls::client::WantsClientCert> {
    let mut roots = RootCertStore::empty();
    let root = CertificateDer::from_pem_slice(root.as_bytes()).expect("a root");
    roots.add(root).expect("a root");
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_root_certificates(roots)
}

/// As many bits as a serial number has, from a fresh key: no two tests have the same.
fn csr_seed(key: &KeyPair) -> [u8; 16] {
    let mut bits = [0; 16];
    let public = key.public_key_raw();
    let tail = public
        .get(public.len().saturating_sub(16)..)
        .unwrap_or_default();
    for (bit, byte) in bits.iter_mut().zip(tail) {
        *bit = *byte;
    }
    bits
}
