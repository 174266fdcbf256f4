//! A host that is nobody's depot: it speaks TLS with an authority of its own, asks everybody for a certificate, gives
//! whoever comes the same bytes, and remembers what was shown to it.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};

use rcgen::{CertificateParams, KeyPair};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig, ServerConnection, StreamOwned};

/// What somebody showed.
#[derive(Clone, Debug)]
pub struct Shown {
    /// The request's line and its headers.
    pub head: String,
    /// Whether there was a certificate.
    pub certificate: bool,
}

/// The host. It ends with the process.
pub struct Stranger {
    port: u16,
    /// The certificate by which it is known, PEM.
    pub root: String,
    bytes: Arc<Mutex<Vec<u8>>>,
    shown: Arc<Mutex<Vec<Shown>>>,
}

impl Stranger {
    /// Starts one that would take certificates of the fleet with this root (PEM).
    ///
    /// # Panics
    /// If it does not start.
    #[expect(clippy::expect_used, reason = "a test that has no host has failed")]
    pub fn start(fleet: &str) -> Self {
        let key = KeyPair::generate().expect("a key");
        let params = CertificateParams::new(vec!["localhost".into()]).expect("a name");
        let certificate = params.self_signed(&key).expect("a certificate");
        let config = config(fleet, &certificate, &key);
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let port = listener.local_addr().expect("its address").port();
        let bytes = Arc::new(Mutex::new(Vec::new()));
        let shown = Arc::new(Mutex::new(Vec::new()));
        let (given, seen) = (Arc::clone(&bytes), Arc::clone(&shown));
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let (config, bytes, shown) =
                    (Arc::clone(&config), Arc::clone(&given), Arc::clone(&seen));
                // Who breaks off has shown nothing.
                std::thread::spawn(move || drop(serve(stream, config, &bytes, &shown)));
            }
        });
        Self {
            port,
            root: certificate.pem(),
            bytes,
            shown,
        }
    }

    /// Returns a URL there.
    pub fn url(&self, path: &str) -> String {
        format!("https://localhost:{}{path}", self.port)
    }

    /// Says what is given to whoever asks.
    pub fn give(&self, bytes: &[u8]) {
        *locked(&self.bytes) = bytes.to_vec();
    }

    /// Takes what was shown until now.
    pub fn shown(&self) -> Vec<Shown> {
        std::mem::take(&mut locked(&self.shown))
    }
}

#[expect(clippy::expect_used, reason = "a test that has no host has failed")]
fn config(fleet: &str, certificate: &rcgen::Certificate, key: &KeyPair) -> Arc<ServerConfig> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut roots = RootCertStore::empty();
    let root = CertificateDer::from_pem_slice(fleet.as_bytes()).expect("a root");
    roots.add(root).expect("a root");
    let clients =
        WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider))
            .allow_unauthenticated()
            .build()
            .expect("a verifier");
    let key = PrivateKeyDer::try_from(key.serialize_der()).expect("a key");
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_client_cert_verifier(clients)
        .with_single_cert(vec![certificate.der().clone()], key);
    Arc::new(config.expect("a certificate with its key"))
}

fn serve(
    stream: TcpStream,
    config: Arc<ServerConfig>,
    bytes: &Mutex<Vec<u8>>,
    shown: &Mutex<Vec<Shown>>,
) -> std::io::Result<()> {
    let tls = ServerConnection::new(config).map_err(std::io::Error::other)?;
    let mut stream = BufReader::new(StreamOwned::new(tls, stream));
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if stream.read_line(&mut head)? == 0 {
            return Ok(());
        }
    }
    let stream = stream.get_mut();
    let certificate = stream.conn.peer_certificates().is_some();
    locked(shown).push(Shown { head, certificate });
    let bytes = locked(bytes).clone();
    let length = bytes.len();
    write!(
        stream,
        "HTTP/1.1 200 OK\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n"
    )?;
    stream.write_all(&bytes)?;
    stream.conn.send_close_notify();
    stream.flush()
}

fn locked<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
