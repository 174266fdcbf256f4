//! Bytes to and from a server, in plain or over TLS, and packets of MQTT 3.1.1 written byte by byte.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::sync::Arc;

use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, StreamOwned};

use crate::device::PATIENCE;

/// What bytes can be read from and written to.
pub trait Stream: Read + Write + Send {}

impl<S: Read + Write + Send> Stream for S {}

/// Connects, over TLS if there is a configuration for it. The handshake comes with the first byte.
pub fn dial(address: &str, tls: Option<&Arc<ClientConfig>>) -> io::Result<Box<dyn Stream>> {
    let stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_nodelay(true)?;
    match tls {
        None => Ok(Box::new(stream)),
        Some(config) => Ok(Box::new(StreamOwned::new(client(config)?, stream))),
    }
}

/// Begins a TLS session with a server of a test.
pub(crate) fn client(config: &Arc<ClientConfig>) -> io::Result<ClientConnection> {
    let name = ServerName::try_from("localhost").map_err(io::Error::other)?;
    ClientConnection::new(Arc::clone(config), name).map_err(io::Error::other)
}

/// Sends a request of HTTP/1.1 on a connection of its own, and returns the whole answer. `what` is the method and the
/// path; each line of `headers` ends with CR LF.
pub fn request(
    address: &str,
    tls: Option<&Arc<ClientConfig>>,
    what: &str,
    headers: &str,
    body: &str,
) -> io::Result<String> {
    let mut stream = dial(address, tls)?;
    let length = body.len();
    let request = format!(
        "{what} HTTP/1.1\r\nhost: localhost\r\n{headers}connection: close\r\ncontent-length: {length}\r\n\r\n{body}"
    );
    stream.write_all(request.as_bytes())?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer)
}

/// Makes a packet: its first byte, the length of what follows in groups of seven bits, and that.
pub(crate) fn packet(first: u8, body: &[u8]) -> Vec<u8> {
    let mut packet = vec![first];
    let mut length = body.len();
    loop {
        let group = (length % 128) as u8;
        length /= 128;
        packet.push(if length > 0 { group | 0x80 } else { group });
        if length == 0 {
            break;
        }
    }
    packet.extend_from_slice(body);
    packet
}

/// Makes a CONNECT: protocol name and level, clean session, keep-alive of 300 s (MQTT 3.1.1 §3.1).
pub(crate) fn connect(id: &str, password: Option<&str>) -> Vec<u8> {
    let flags = if password.is_some() { 0xc2 } else { 2 };
    let mut body = vec![0, 4, b'M', b'Q', b'T', b'T', 4, flags, 1, 44];
    put_text(&mut body, id);
    if let Some(password) = password {
        put_text(&mut body, "application");
        put_text(&mut body, password);
    }
    packet(0x10, &body)
}

/// Makes a SUBSCRIBE with QoS 1.
pub(crate) fn subscribe(number: [u8; 2], filters: &[&str]) -> Vec<u8> {
    let mut body = number.to_vec();
    for filter in filters {
        put_text(&mut body, filter);
        body.push(1);
    }
    packet(0x82, &body)
}

/// Makes a PUBLISH, with QoS 1 if it has a number.
pub(crate) fn publish(number: Option<[u8; 2]>, topic: &str, payload: &[u8]) -> Vec<u8> {
    let mut body = Vec::new();
    put_text(&mut body, topic);
    body.extend(number.into_iter().flatten());
    body.extend_from_slice(payload);
    packet(if number.is_some() { 0x32 } else { 0x30 }, &body)
}

fn put_text(body: &mut Vec<u8>, text: &str) {
    body.extend_from_slice(&(text.len() as u16).to_be_bytes());
    body.extend_from_slice(text.as_bytes());
}
