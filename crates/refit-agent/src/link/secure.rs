//! TLS on a socket that does not block.

use super::Stream;
use crate::tls;
use rustls::{ClientConfig, ClientConnection};
use std::io::{self, ErrorKind, Read, Write};
use std::net::TcpStream;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// The time for the handshake.
const HANDSHAKE: Duration = Duration::from_secs(20);

/// A connection with TLS.
pub(super) struct Secure {
    tls: ClientConnection,
    socket: TcpStream,
}

impl Secure {
    /// Shakes hands on a socket that blocks; it does not any more when this returns.
    pub(super) fn connect(
        socket: TcpStream,
        host: &str,
        config: &Arc<ClientConfig>,
    ) -> io::Result<Self> {
        let name = tls::server_name(host).map_err(io::Error::other)?;
        let tls = ClientConnection::new(Arc::clone(config), name).map_err(io::Error::other)?;
        let mut secure = Self { tls, socket };
        secure.shake_hands()?;
        secure.socket.set_nonblocking(true)?;
        Ok(secure)
    }

    fn shake_hands(&mut self) -> io::Result<()> {
        let until = Instant::now() + HANDSHAKE;
        while self.tls.is_handshaking() {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(ErrorKind::TimedOut.into());
            }
            self.socket.set_read_timeout(Some(left))?;
            self.socket.set_write_timeout(Some(left))?;
            while self.tls.wants_write() {
                self.tls.write_tls(&mut self.socket)?;
            }
            if self.tls.is_handshaking() && self.tls.read_tls(&mut self.socket)? == 0 {
                return Err(ErrorKind::UnexpectedEof.into());
            }
            self.process()?;
        }
        Ok(())
    }

    fn process(&mut self) -> io::Result<()> {
        let processed = self.tls.process_new_packets();
        if processed.is_err() {
            // The other side hears why, if it still listens.
            drop(self.tls.write_tls(&mut self.socket));
        }
        processed.map(|_| ()).map_err(io::Error::other)
    }

    /// Sends what TLS has to send; `WouldBlock` if something is left.
    fn push(&mut self) -> io::Result<()> {
        while self.tls.wants_write() {
            self.tls.write_tls(&mut self.socket)?;
        }
        Ok(())
    }
}

impl Read for Secure {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        loop {
            match self.tls.reader().read(into) {
                Err(e) if e.kind() == ErrorKind::WouldBlock => {}
                // Without a good-bye, as with plain TCP: what came before it was whole packets or it is noticed.
                Err(e) if e.kind() == ErrorKind::UnexpectedEof => return Ok(0),
                read => return read,
            }
            self.tls.read_tls(&mut self.socket)?;
            self.process()?;
        }
    }
}

impl Write for Secure {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = self.tls.writer().write(bytes)?;
        match self.push() {
            Err(e) if e.kind() == ErrorKind::WouldBlock && count == 0 => Err(e),
            Err(e) if e.kind() != ErrorKind::WouldBlock => Err(e),
            Ok(()) | Err(_) => Ok(count),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        self.push()
    }
}

impl Stream for Secure {
    fn fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

impl Drop for Secure {
    fn drop(&mut self) {
        self.tls.send_close_notify();
        // Told or not, the socket ends.
        drop(self.tls.write_tls(&mut self.socket));
    }
}
