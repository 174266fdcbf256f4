//! An HTTPS server that asks for a client's certificate and takes none for an answer, for a test to be the server.

use crate::pki::{Authority, Leaf};
use rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{HandshakeKind, RootCertStore, ServerConfig, ServerConnection, StreamOwned};
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

/// A request, as it came.
#[derive(Clone, Debug, Default)]
pub(crate) struct Request {
    /// `METHOD target`.
    pub(crate) line: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
    /// The certificate that the client showed.
    pub(crate) certificate: Option<Vec<u8>>,
    /// Whether a session was resumed.
    pub(crate) resumed: bool,
}

impl Request {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let found = self
            .headers
            .iter()
            .find(|(n, _)| n.eq_ignore_ascii_case(name));
        found.map(|(_, value)| &**value)
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.body.clone()).unwrap()
    }
}

/// An answer: status, headers, body.
pub(crate) type Answer = (u16, String, Vec<u8>);

type Answering = dyn Fn(&Request) -> Answer + Send + Sync;

/// A running server.
pub(crate) struct Https {
    pub(crate) address: SocketAddr,
    requests: Arc<Mutex<Vec<Request>>>,
}

impl Https {
    /// Starts a server with a certificate; `clients` is whose certificates it takes.
    pub(crate) fn start(
        leaf: &Leaf,
        clients: &Authority,
        answer: impl Fn(&Request) -> Answer + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let server = Self {
            address: listener.local_addr().unwrap(),
            requests: Arc::default(),
        };
        let (config, requests) = (config(leaf, clients), Arc::clone(&server.requests));
        let answer: Arc<Answering> = Arc::new(answer);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (config, requests) = (Arc::clone(&config), Arc::clone(&requests));
                let answer = Arc::clone(&answer);
                // A client that goes away is its own affair.
                thread::spawn(move || drop(serve(stream, config, &requests, &*answer)));
            }
        });
        server
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("https://{}{path}", self.address)
    }

    pub(crate) fn requests(&self) -> Vec<Request> {
        self.requests.lock().unwrap().clone()
    }
}

fn config(leaf: &Leaf, clients: &Authority) -> Arc<ServerConfig> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut roots = RootCertStore::empty();
    roots.add(clients.der.clone().into()).unwrap();
    let verifier =
        WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider))
            .allow_unauthenticated()
            .build()
            .unwrap();
    let chain = leaf.chain.iter().cloned().map(CertificateDer::from);
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_client_cert_verifier(verifier)
        .with_single_cert(
            chain.collect(),
            PrivatePkcs8KeyDer::from(leaf.key.clone()).into(),
        )
        .unwrap();
    Arc::new(config)
}

fn serve(
    stream: TcpStream,
    config: Arc<ServerConfig>,
    requests: &Mutex<Vec<Request>>,
    answer: &Answering,
) -> std::io::Result<()> {
    let connection = ServerConnection::new(config).unwrap();
    let mut stream = BufReader::new(StreamOwned::new(connection, stream));
    let mut request = read(&mut stream)?;
    let mut stream = stream.into_inner();
    request.certificate = stream
        .conn
        .peer_certificates()
        .map(|chain| chain[0].to_vec());
    request.resumed = stream.conn.handshake_kind() == Some(HandshakeKind::Resumed);
    requests.lock().unwrap().push(request.clone());
    let (status, headers, body) = answer(&request);
    write!(
        stream,
        "HTTP/1.1 {status} Said\r\n{headers}Content-Length: {}\r\nConnection: close\r\n\r\n",
        body.len()
    )?;
    stream.write_all(&body)?;
    stream.conn.send_close_notify();
    stream.flush()
}

fn read(stream: &mut impl BufRead) -> std::io::Result<Request> {
    let mut line = String::new();
    stream.read_line(&mut line)?;
    let mut request = Request {
        line: line.split(' ').take(2).collect::<Vec<_>>().join(" "),
        ..Request::default()
    };
    loop {
        let mut line = String::new();
        stream.read_line(&mut line)?;
        match line.trim_end().split_once(": ") {
            Some((name, value)) => request.headers.push((name.to_owned(), value.to_owned())),
            None => break,
        }
    }
    let length = request
        .header("Content-Length")
        .map_or(0, |length| length.parse().unwrap());
    request.body.resize(length, 0);
    stream.read_exact(&mut request.body)?;
    Ok(request)
}
