//! Looks: resolves, connects, downloads, reads modes. It judges nothing.

use std::fs;
use std::io::{self, Read as _};
use std::net::{TcpStream, ToSocketAddrs};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use refit_protocol::time::Timestamp;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{
    ClientConfig, ClientConnection, DigitallySignedStruct, RootCertStore, SignatureScheme,
};
use ureq::tls::{Certificate, RootCerts, TlsConfig};

use super::chain::Shaken;
use super::clock;
use super::machine::{Entry, Kind};
use super::names::Resolved;
use super::public_url::Got;

/// How long anything on the network may take.
const ANSWER_MAX: Duration = Duration::from_secs(10);

/// Takes the host and the port out of a URL.
pub(super) fn authority(url: &str) -> Option<(String, u16)> {
    let (scheme, rest) = url.split_once("://")?;
    let authority = rest.split(['/', '?']).next()?;
    let default = match scheme {
        "https" => 443,
        "http" => 80,
        "mqtts" => 8883,
        _ => 1883,
    };
    let (host, port) = match authority.strip_prefix('[') {
        Some(rest) => {
            let (host, port) = rest.split_once(']')?;
            (host, port.strip_prefix(':'))
        }
        None => match authority.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (authority, None),
        },
    };
    let port = port.map_or(Some(default), |port| port.parse().ok())?;
    (!host.is_empty()).then(|| (host.to_owned(), port))
}

/// Asks what a name stands for.
pub(super) fn resolve(name: &str) -> Resolved {
    let addresses = (name, 0).to_socket_addrs();
    Resolved {
        name: name.to_owned(),
        addresses: addresses
            .map(|all| all.map(|address| address.ip()).collect())
            .map_err(|error| error.to_string()),
    }
}

/// Shakes hands as a device does, trusting these roots (DER) alone. Returns also what was shown, DER, leaf first.
pub(super) fn shake(host: &str, port: u16, roots: &[Vec<u8>]) -> (Shaken, Vec<Vec<u8>>) {
    let watch = match Watch::new(roots) {
        Ok(watch) => Arc::new(watch),
        Err(why) => return (Shaken::Refused(why), Vec::new()),
    };
    let shaken = match handshake(host, port, &watch) {
        Ok(()) => Shaken::Trusted,
        Err(error) => Shaken::Unreachable(error.to_string()),
    };
    let mut seen = watch.seen.lock().unwrap_or_else(PoisonError::into_inner);
    let shaken = match seen.refused.take() {
        Some(why) => Shaken::Refused(why),
        None => shaken,
    };
    (shaken, std::mem::take(&mut seen.chain))
}

fn handshake(host: &str, port: u16, watch: &Arc<Watch>) -> io::Result<()> {
    let name = ServerName::try_from(host.to_owned()).map_err(io::Error::other)?;
    let builder = ClientConfig::builder_with_provider(Arc::clone(&watch.provider))
        .with_safe_default_protocol_versions()
        .map_err(io::Error::other)?;
    // What is refused is told, and nothing is said over the connection.
    let verifier = Arc::<Watch>::clone(watch);
    let config = builder
        .dangerous()
        .with_custom_certificate_verifier(verifier)
        .with_no_client_auth();
    let mut tls = ClientConnection::new(Arc::new(config), name).map_err(io::Error::other)?;
    let mut last = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
    for address in (host, port).to_socket_addrs()? {
        match TcpStream::connect_timeout(&address, ANSWER_MAX) {
            Ok(mut stream) => {
                stream.set_read_timeout(Some(ANSWER_MAX))?;
                stream.set_write_timeout(Some(ANSWER_MAX))?;
                while tls.is_handshaking() {
                    tls.complete_io(&mut stream)?;
                }
                tls.send_close_notify();
                // It was heard; what becomes of the farewell does not matter.
                drop(tls.complete_io(&mut stream));
                return Ok(());
            }
            Err(error) => last = error,
        }
    }
    Err(last)
}

/// Verifies as a device does, and remembers what it saw.
#[derive(Debug)]
struct Watch {
    provider: Arc<CryptoProvider>,
    verifier: Arc<WebPkiServerVerifier>,
    seen: Mutex<Seen>,
}

#[derive(Debug, Default)]
struct Seen {
    chain: Vec<Vec<u8>>,
    refused: Option<String>,
}

impl Watch {
    fn new(roots: &[Vec<u8>]) -> Result<Self, String> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut store = RootCertStore::empty();
        for root in roots {
            let added = store.add(CertificateDer::from(root.clone()));
            added.map_err(|error| format!("a root that they trust cannot be used: {error}"))?;
        }
        let verifier =
            WebPkiServerVerifier::builder_with_provider(Arc::new(store), Arc::clone(&provider))
                .build()
                .map_err(|error| format!("they trust no root: {error}"))?;
        Ok(Self {
            provider,
            verifier,
            seen: Mutex::default(),
        })
    }
}

impl ServerCertVerifier for Watch {
    fn verify_server_cert(
        &self,
        leaf: &CertificateDer<'_>,
        more: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        stapled: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let verified = self
            .verifier
            .verify_server_cert(leaf, more, name, stapled, now);
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let chain = std::iter::once(leaf).chain(more);
        seen.chain = chain.map(|der| der.to_vec()).collect();
        seen.refused = verified.as_ref().err().map(ToString::to_string);
        verified
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.verifier
            .verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.verifier
            .verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.verifier.supported_verify_schemes()
    }
}

/// Downloads the first byte of an artifact as a device does: trusting the fleet's roots, and the world's at a host that
/// is not the server's own.
pub(super) fn download(url: &str, roots: &[Vec<u8>], is_foreign: bool) -> Got {
    let got = ask(url, fleet(roots));
    match got {
        Err(_) if is_foreign => ask(url, RootCerts::WebPki),
        got => got,
    }
    .unwrap_or_else(Got::Nothing)
}

fn ask(url: &str, roots: RootCerts) -> Result<Got, String> {
    let asked = agent(roots).get(url).header("range", "bytes=0-0").call();
    let mut answer = asked.map_err(|error| error.to_string())?;
    let status = answer.status().as_u16();
    if !answer.status().is_success() {
        return Ok(Got::Status(status));
    }
    let mut first = [0];
    let read = answer.body_mut().as_reader().read(&mut first);
    match read {
        Ok(0) | Err(_) => Ok(Got::Status(status)),
        Ok(_) => Ok(Got::Bytes),
    }
}

/// Returns the time that the server has, as it writes it over its answers.
pub(super) fn server_time(server: &str, roots: &[Vec<u8>]) -> Option<Timestamp> {
    let answer = agent(fleet(roots)).get(format!("{server}/livez")).call();
    let answer = answer.ok()?;
    clock::parse(answer.headers().get("date")?.to_str().ok()?)
}

fn fleet(roots: &[Vec<u8>]) -> RootCerts {
    let roots = roots
        .iter()
        .map(|der| Certificate::from_der(der).to_owned());
    RootCerts::Specific(Arc::new(roots.collect()))
}

/// No token, no redirect, no proxy: what is asked is what answers.
fn agent(roots: RootCerts) -> ureq::Agent {
    // An error says that one is installed already, which is as well.
    drop(rustls::crypto::ring::default_provider().install_default());
    ureq::Agent::config_builder()
        .http_status_as_error(false)
        .max_redirects(0)
        .timeout_global(Some(ANSWER_MAX))
        .proxy(None)
        .tls_config(TlsConfig::builder().root_certs(roots).build())
        .build()
        .new_agent()
}

/// Reads who can do what with the data directory, and with the secrets in it.
pub(super) fn entries(data: &Path) -> io::Result<Vec<Entry>> {
    let mut entries = vec![Entry {
        path: data.to_owned(),
        mode: fs::metadata(data)?.permissions().mode(),
        kind: Kind::Directory,
    }];
    for folder in [data.to_owned(), data.join("ca"), data.join("tls")] {
        // With one's own CA, or with --dev, there is none.
        let Ok(files) = fs::read_dir(&folder) else {
            continue;
        };
        for file in files {
            let file = file?;
            let name = file.file_name();
            if is_secret(&name.to_string_lossy()) && file.file_type()?.is_file() {
                entries.push(Entry {
                    path: file.path(),
                    mode: file.metadata()?.permissions().mode(),
                    kind: Kind::Secret,
                });
            }
        }
    }
    entries.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(entries)
}

/// Keys, tokens, and the store, which has hashes of tokens and passwords.
fn is_secret(name: &str) -> bool {
    [".key", ".keys", ".token", ".db", ".db-wal"]
        .iter()
        .any(|end| name.ends_with(end))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_says_where_it_leads() {
        for (url, host, port) in [
            ("https://fleet.example", "fleet.example", 443),
            ("https://fleet.example:8443/x?y", "fleet.example", 8443),
            ("mqtts://[2001:db8::1]:8883", "2001:db8::1", 8883),
            ("http://[::1]", "::1", 80),
        ] {
            assert_eq!(authority(url), Some((host.to_owned(), port)), "{url}");
        }
        for url in ["", "https://", "https://h:x", "https://[::1", "h:1"] {
            assert_eq!(authority(url), None, "{url}");
        }
    }
}
