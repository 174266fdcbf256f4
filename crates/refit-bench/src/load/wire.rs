//! What a device's bytes go through: a socket, or TLS over one. Nothing blocks.

use std::io::{self, ErrorKind, Read, Write};
use std::sync::Arc;

use mio::net::TcpStream;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, HandshakeKind};

/// One connection.
pub(super) struct Wire {
    pub(super) socket: TcpStream,
    tls: Option<Box<ClientConnection>>,
}

impl Wire {
    /// Begins; nothing is sent yet.
    pub(super) fn new(socket: TcpStream, config: Option<Arc<ClientConfig>>) -> io::Result<Self> {
        let tls = config.map(|config| {
            let name = ServerName::try_from("localhost").map_err(io::Error::other)?;
            let client = ClientConnection::new(config, name).map_err(io::Error::other)?;
            io::Result::Ok(Box::new(client))
        });
        Ok(Self {
            socket,
            tls: tls.transpose()?,
        })
    }

    /// Tells whether it has taken up an earlier session.
    pub(super) fn is_resumed(&self) -> bool {
        let kind = self.tls.as_ref().and_then(|tls| tls.handshake_kind());
        kind == Some(HandshakeKind::Resumed)
    }
}

impl Read for Wire {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let Some(tls) = &mut self.tls else {
            return self.socket.read(buffer);
        };
        loop {
            match tls.reader().read(buffer) {
                Err(why) if why.kind() == ErrorKind::WouldBlock => {}
                read => return read,
            }
            tls.read_tls(&mut self.socket)?;
            tls.process_new_packets().map_err(io::Error::other)?;
            send(tls, &mut self.socket)?;
        }
    }
}

impl Write for Wire {
    /// What is written during the handshake goes out with its end.
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let Some(tls) = &mut self.tls else {
            return self.socket.write(bytes);
        };
        let length = tls.writer().write(bytes)?;
        send(tls, &mut self.socket)?;
        Ok(length)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A flight is small, and an idle socket takes it whole.
fn send(tls: &mut ClientConnection, socket: &mut TcpStream) -> io::Result<()> {
    while tls.wants_write() {
        tls.write_tls(socket)?;
    }
    Ok(())
}
