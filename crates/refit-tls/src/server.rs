//! What a server agrees to: TLS 1.3, or 1.2 where that was asked for; one ticket; no early data.

use std::sync::Arc;

use rustls::crypto::ring;
use rustls::server::{ResolvesServerCert, ServerConfig};
use rustls::version::{TLS12, TLS13};
use rustls::{Error, SupportedProtocolVersion};

use crate::clients::Clients;
use crate::own::OwnCertificate;

/// The oldest version that is spoken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Oldest {
    /// TLS 1.3, and nothing else.
    #[default]
    Tls13,
    /// TLS 1.2 too, for clients that know no better.
    Tls12,
}

static NEWEST: [&SupportedProtocolVersion; 1] = [&TLS13];
static BOTH: [&SupportedProtocolVersion; 2] = [&TLS13, &TLS12];

impl Oldest {
    fn versions(self) -> &'static [&'static SupportedProtocolVersion] {
        match self {
            Self::Tls13 => &NEWEST,
            Self::Tls12 => &BOTH,
        }
    }
}

/// Puts a configuration together. `protocols` are those of ALPN, the best first; with none, the client's are not looked at.
///
/// A ticket of one configuration is good for every other with the same `clients`.
pub fn config(
    own: Arc<OwnCertificate>,
    clients: Arc<Clients>,
    oldest: Oldest,
    protocols: &[&[u8]],
) -> Result<Arc<ServerConfig>, Error> {
    let tickets = Arc::new(clients.tickets());
    let own: Arc<dyn ResolvesServerCert> = own;
    let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_protocol_versions(oldest.versions())?
        .with_client_cert_verifier(clients)
        .with_cert_resolver(own);
    config.ticketer = tickets;
    config.send_tls13_tickets = 1;
    // What is sent early can be sent again by anybody who has seen it.
    config.max_early_data_size = 0;
    config.alpn_protocols = protocols.iter().map(|name| name.to_vec()).collect();
    Ok(Arc::new(config))
}
