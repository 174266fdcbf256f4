//! Where peers come in: addresses, what makes connections private, and who decides who is who.

use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use refit_engine::driver::Engine;
use refit_mqtt::identity::Gate;
use refit_mqtt::listener::{self, Endpoint};
use refit_mqtt::quota::Quota;
use refit_tls::pace::HANDSHAKES;
use tokio::net::TcpListener;

use super::failure::StartError;
use crate::config::{Config, Paces};
use crate::identity::authority::{self, Authority};
use crate::privacy::Privacy;

pub(super) async fn listen(at: SocketAddr) -> Result<(TcpListener, SocketAddr), StartError> {
    let failed = || StartError::listen("HTTP", "http", at);
    let listener = TcpListener::bind(at).await.map_err(failed())?;
    let at = listener.local_addr().map_err(failed())?;
    Ok((listener, at))
}

pub(super) fn endpoint(
    at: SocketAddr,
    engine: &Engine,
    gate: Arc<dyn Gate>,
    private: Option<&Arc<Privacy>>,
    paces: Paces,
) -> Result<Endpoint, StartError> {
    let parts = listener::Parts {
        fleet: engine.fleet().clone(),
        gate,
        quota: Quota {
            // A handshake costs far more than a connection.
            pace: private.map(|_| HANDSHAKES),
            device_pace: Some(paces.device),
            application_pace: Some(paces.application),
            ..Quota::default()
        },
        tls: private.map(|private| Arc::clone(&private.mqtts)),
    };
    Endpoint::start(at, parts).map_err(StartError::listen("MQTT", "mqtt", at))
}

/// Opens what makes connections private; `None` with `--dev`.
pub(super) async fn open_privacy(
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
pub(super) fn root_file(config: &Config, data: &Path) -> Option<PathBuf> {
    let is_ours = config.privacy.certificate.is_none();
    match &config.privacy.ca {
        _ if !is_ours => None,
        Some(own) => Some(own.certificate.clone()),
        None => Some(data.join(authority::FOLDER).join("root.pem")),
    }
}

/// An address as the server's certificate names it: one that listens everywhere is reached by its first name.
pub(super) fn reachable(at: SocketAddr, names: &[String]) -> String {
    let is_named = |name: &&String| name.parse() == Ok(at.ip());
    match names.first() {
        Some(first) if !names.iter().any(|name| is_named(&name)) => match first.parse() {
            Ok(address) => SocketAddr::new(address, at.port()).to_string(),
            Err(_) => format!("{first}:{}", at.port()),
        },
        Some(_) | None => at.to_string(),
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
