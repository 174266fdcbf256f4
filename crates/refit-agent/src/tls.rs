//! TLS as a device speaks it: whom it believes, what it shows of itself, and what a refusal means.

mod floor;
mod pin;

use crate::identity::Identity;
use crate::identity::key::Key;
use floor::Floor;
use pin::Pinned;
use rustls::client::{Resumption, WebPkiServerVerifier};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{AlertDescription, CertificateError, ClientConfig, Error, RootCertStore};
use std::io;
use std::sync::Arc;

/// Sessions that can be resumed: a device speaks with one server, over two ports.
const SESSIONS: usize = 8;

/// Whom a connection believes.
#[derive(Clone, Copy, Debug)]
pub enum Roots<'a> {
    /// These authorities, in PEM, and no others.
    These(&'a str),
    /// The world's, and these beside them.
    Public(&'a str),
    /// A server whose chain leads to a certificate that it presents itself and that has this SHA-256.
    Pinned([u8; 32]),
}

/// A certificate with its key.
#[derive(Clone, Copy, Debug)]
pub struct Shown<'a> {
    /// In PEM, the leaf first.
    pub certificate: &'a str,
    /// Its key.
    pub key: &'a Key,
}

impl<'a> From<&'a Identity> for Shown<'a> {
    fn from(identity: &'a Identity) -> Self {
        Self {
            certificate: &identity.certificate,
            key: &identity.key,
        }
    }
}

/// Makes what connections are made with. Its sessions are resumed by all that share it.
pub fn client(roots: Roots<'_>, shown: Option<Shown<'_>>) -> Result<Arc<ClientConfig>, String> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let floor = Floor::of(shown.map(|shown| shown.certificate));
    let builder = ClientConfig::builder_with_details(Arc::clone(&provider), Arc::new(floor))
        .with_safe_default_protocol_versions()
        .map_err(|e| e.to_string())?;
    let builder = match roots {
        Roots::Pinned(fingerprint) => builder
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(Pinned::new(fingerprint, provider))),
        Roots::These(_) | Roots::Public(_) => builder.with_webpki_verifier(known(roots, provider)?),
    };
    let mut config = match shown {
        None => builder.with_no_client_auth(),
        Some(shown) => builder
            .with_client_auth_cert(certificates(shown.certificate)?, shown.key.der()?)
            .map_err(|e| format!("certificate and key do not fit: {}", explain(&e)))?,
    };
    config.resumption = Resumption::in_memory_sessions(SESSIONS);
    Ok(Arc::new(config))
}

fn known(
    roots: Roots<'_>,
    provider: Arc<CryptoProvider>,
) -> Result<Arc<WebPkiServerVerifier>, String> {
    let mut store = RootCertStore::empty();
    let more = match roots {
        Roots::Public(more) => {
            store.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
            more
        }
        Roots::These(roots) => roots,
        Roots::Pinned(_) => "",
    };
    for root in certificates(more)? {
        store
            .add(root)
            .map_err(|e| format!("a trusted certificate cannot be used: {e}"))?;
    }
    WebPkiServerVerifier::builder_with_provider(Arc::new(store), provider)
        .build()
        .map_err(|_| "there is no authority to trust: the trust bundle is empty".into())
}

/// Reads all certificates of a text in PEM.
pub fn certificates(pem: &str) -> Result<Vec<CertificateDer<'static>>, String> {
    CertificateDer::pem_slice_iter(pem.as_bytes())
        .collect::<Result<_, _>>()
        .map_err(|_| "it does not hold certificates in PEM".into())
}

/// Reads a host for TLS: a name, or an address, with or without brackets.
pub fn server_name(host: &str) -> Result<ServerName<'static>, String> {
    let bare = host
        .strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'))
        .unwrap_or(host);
    ServerName::try_from(bare.to_owned()).map_err(|_| format!("{host:?} is no name of a server"))
}

/// Says for a person what went wrong, and what to do.
pub fn explain(e: &Error) -> String {
    use CertificateError as Bad;
    match e {
        Error::InvalidCertificate(bad) => match bad {
            Bad::UnknownIssuer | Bad::BadSignature => {
                "the server's certificate is of no authority that this device trusts".into()
            }
            Bad::Expired | Bad::ExpiredContext { .. } => {
                "the server's certificate has expired by this device's clock: check both clocks".into()
            }
            Bad::NotValidYet | Bad::NotValidYetContext { .. } => {
                "the server's certificate is not valid yet by this device's clock: check both clocks".into()
            }
            Bad::NotValidForName | Bad::NotValidForNameContext { .. } => {
                "the server's certificate does not name this host: start the server with --name, or ask it by a name \
                 that it has"
                    .into()
            }
            Bad::Other(other) => other.to_string(),
            bad => format!("the server's certificate is not good: {bad}"),
        },
        Error::AlertReceived(alert) if revoked(e) => format!(
            "the server does not accept this device's certificate any more ({alert:?}): enrol it again with a new token"
        ),
        Error::AlertReceived(AlertDescription::CertificateExpired) => {
            "the server says that this device's certificate has expired".into()
        }
        Error::AlertReceived(
            alert @ (AlertDescription::UnknownCA | AlertDescription::BadCertificate),
        ) => format!("the server does not know this device's certificate ({alert:?})"),
        Error::AlertReceived(alert) => format!("the server refused the connection: {alert:?}"),
        Error::InvalidMessage(_) => "the server does not speak TLS on this port".into(),
        e => e.to_string(),
    }
}

/// Tells whether the server said that this device's certificate was revoked.
pub const fn revoked(e: &Error) -> bool {
    matches!(
        e,
        Error::AlertReceived(AlertDescription::CertificateRevoked | AlertDescription::AccessDenied)
    )
}

/// Returns what TLS says in an error of a stream, if it does.
pub fn inside(e: &io::Error) -> Option<&Error> {
    e.get_ref()?.downcast_ref()
}
