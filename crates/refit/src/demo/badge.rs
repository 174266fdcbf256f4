//! Who a device is, for the demo: a key that it made, the certificate that it enrolled for, and questions asked with it.
//!
//! A simulated device has one of its own; an agent's is read from its root, as a thief of its disk would.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rcgen::{CertificateParams, KeyPair};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use serde_json::{Value, json};
use socket2::{Domain, Socket, Type};

/// The name that the server's certificate has.
pub(super) const SERVER_NAME: &str = "localhost";

/// How long a question may take.
const QUESTION_MAX: Duration = Duration::from_secs(30);

/// The longest answer, in bytes: a release, and what comes before it.
const ANSWER_BYTES_MAX: u64 = 4 << 20;

/// How often a device asks again when the server has too much to do, and how long it waits before.
const TRIES: usize = 120;
const AGAIN: Duration = Duration::from_secs(1);

/// An identity, ready to connect with.
#[derive(Clone)]
pub(super) struct Badge {
    config: Arc<ClientConfig>,
    /// The address that it comes from, if the system lets it choose one.
    from: Option<Ipv4Addr>,
}

/// What the server answered.
pub(super) struct Answer {
    /// The status.
    pub(super) status: u16,
    /// The body.
    pub(super) body: Vec<u8>,
}

impl Answer {
    /// The body as JSON, or null.
    pub(super) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }
}

impl Badge {
    /// Makes a key, and enrols the device with a claim token.
    pub(super) fn enrol(
        server: SocketAddr,
        root: &str,
        number: usize,
        id: &str,
        token: &str,
    ) -> Result<Self, String> {
        let key = KeyPair::generate().map_err(|e| e.to_string())?;
        let request = CertificateParams::default()
            .serialize_request(&key)
            .and_then(|request| request.pem())
            .map_err(|e| e.to_string())?;
        let nobody = Self {
            config: Arc::new(trusting(root)?.with_no_client_auth()),
            from: address_of(number),
        };
        let body = json!({ "token": token, "id": id, "csr": request }).to_string();
        for _ in 0..TRIES {
            let headers = "content-type: application/json\r\n";
            let answer = nobody.ask(server, "POST", "/device/v1/enrol", headers, &body);
            let answer = answer.map_err(|e| format!("the enrolment was not answered: {e}"))?;
            match (answer.status, answer.json().pointer("/certificate")) {
                (201, Some(Value::String(chain))) => {
                    let config = config(root, chain, &key.serialize_pem())?;
                    return Ok(Self { config, ..nobody });
                }
                (429 | 503, _) => std::thread::sleep(AGAIN),
                (status, _) => {
                    let detail = String::from_utf8_lossy(&answer.body).into_owned();
                    return Err(format!("enrolment was refused with {status}: {detail}"));
                }
            }
        }
        Err("the server had too much to do for too long".into())
    }

    /// Reads the identity of the agent with this root.
    pub(super) fn of_agent(root: &Path) -> Result<Self, String> {
        let read = |name: &str| {
            let path = root.join("identity").join(name);
            std::fs::read_to_string(&path).map_err(|e| format!("{}: {e}", path.display()))
        };
        let config = config(
            &read("trust.pem")?,
            &read("certificate.pem")?,
            &read("key.pem")?,
        )?;
        Ok(Self { config, from: None })
    }

    /// A socket to connect with: from this device's own address, where that is possible.
    pub(super) fn socket(&self) -> io::Result<Socket> {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
        if let Some(from) = self.from {
            // Only Linux has the whole of 127.0.0.0/8; elsewhere all come from one address, and enrol more slowly.
            drop(socket.bind(&SocketAddr::from((from, 0)).into()));
        }
        Ok(socket)
    }

    /// Begins TLS.
    pub(super) fn session(&self) -> io::Result<ClientConnection> {
        let name = ServerName::try_from(SERVER_NAME).map_err(io::Error::other)?;
        ClientConnection::new(Arc::clone(&self.config), name).map_err(io::Error::other)
    }

    /// Asks one question over a connection of its own. `headers` are whole lines.
    pub(super) fn ask(
        &self,
        server: SocketAddr,
        method: &str,
        path: &str,
        headers: &str,
        body: &str,
    ) -> io::Result<Answer> {
        let socket = self.socket()?;
        socket.connect_timeout(&server.into(), QUESTION_MAX)?;
        let stream = TcpStream::from(socket);
        stream.set_read_timeout(Some(QUESTION_MAX))?;
        stream.set_write_timeout(Some(QUESTION_MAX))?;
        let mut stream = StreamOwned::new(self.session()?, stream);
        let question = format!(
            "{method} {path} HTTP/1.1\r\nhost: {SERVER_NAME}:{}\r\nconnection: close\r\n{headers}content-length: {}\r\n\r\n{body}",
            server.port(),
            body.len()
        );
        stream.write_all(question.as_bytes())?;
        let mut answer = Vec::new();
        match stream.take(ANSWER_BYTES_MAX).read_to_end(&mut answer) {
            // The server need not say good-bye in TLS: the length tells whether all of it is there.
            Err(error) if error.kind() != ErrorKind::UnexpectedEof => return Err(error),
            Ok(_) | Err(_) => {}
        }
        read(&answer).ok_or_else(|| io::Error::new(ErrorKind::InvalidData, "a broken answer"))
    }
}

/// Each simulated device has an address of its own, as devices have.
fn address_of(number: usize) -> Option<Ipv4Addr> {
    let host = u32::try_from(number).ok()?.checked_add(1)?;
    (host < 1 << 16).then(|| Ipv4Addr::from(u32::from(Ipv4Addr::new(127, 1, 0, 0)) + host))
}

/// Takes an answer apart; `None` if it is not whole.
fn read(answer: &[u8]) -> Option<Answer> {
    let end = answer.windows(4).position(|bytes| bytes == b"\r\n\r\n")?;
    let (head, body) = (answer.get(..end)?, answer.get(end + 4..)?);
    let head = std::str::from_utf8(head).ok()?.to_ascii_lowercase();
    let status = head.split(' ').nth(1)?.parse().ok()?;
    let length = head
        .lines()
        .find_map(|line| line.strip_prefix("content-length:"));
    let length: usize = length?.trim().parse().ok()?;
    Some(Answer {
        status,
        body: body.get(..length)?.to_owned(),
    })
}

fn config(root: &str, chain: &str, key: &str) -> Result<Arc<ClientConfig>, String> {
    let chain = CertificateDer::pem_slice_iter(chain.as_bytes());
    let chain: Vec<_> = chain
        .collect::<Result<_, _>>()
        .map_err(|e| format!("the certificate cannot be read: {e}"))?;
    let key = PrivateKeyDer::from_pem_slice(key.as_bytes())
        .map_err(|_| "the key cannot be read".to_owned())?;
    let config = trusting(root)?.with_client_auth_cert(chain, key);
    config.map(Arc::new).map_err(|e| e.to_string())
}

type Trusting = rustls::ConfigBuilder<ClientConfig, rustls::client::WantsClientCert>;

fn trusting(root: &str) -> Result<Trusting, String> {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(root.as_bytes()) {
        let certificate = certificate.map_err(|e| format!("the root cannot be read: {e}"))?;
        roots.add(certificate).map_err(|e| e.to_string())?;
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|e| e.to_string())?;
    Ok(builder.with_root_certificates(roots))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_whole_or_none() {
        let whole = b"HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\n{}";
        let answer = read(whole).unwrap();
        assert_eq!((answer.status, answer.body.as_slice()), (403, &b"{}"[..]));
        assert!(read(&whole[..whole.len() - 1]).is_none());
        assert!(read(b"").is_none());
    }

    #[test]
    fn no_two_simulated_devices_have_one_address() {
        assert_eq!(address_of(0), Some(Ipv4Addr::new(127, 1, 0, 1)));
        assert_ne!(address_of(255), address_of(511));
        assert_eq!(address_of(usize::MAX), None);
    }
}
