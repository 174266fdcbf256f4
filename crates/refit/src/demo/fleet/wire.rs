//! One nonblocking TLS connection, and what waits to be sent and read on it.

use std::io::{self, Read, Write};
use std::net::SocketAddr;

use mio::net::TcpStream;
use mio::{Interest, Poll, Token};
use refit_packet::{Error, Frame, frame};
use rustls::ClientConnection;

use crate::demo::badge::Badge;

/// The longest packet that a device takes.
const PACKET_BYTES_MAX: usize = 64 * 1024;

/// A connection.
pub(super) struct Wire {
    stream: TcpStream,
    tls: ClientConnection,
    is_connected: bool,
    received: Vec<u8>,
}

impl Wire {
    /// Begins to connect as this device; that it stands is seen when the socket can be written.
    pub(super) fn connect(
        server: SocketAddr,
        badge: &Badge,
        poll: &Poll,
        token: Token,
    ) -> io::Result<Self> {
        let socket = badge.socket()?;
        socket.set_nonblocking(true)?;
        match socket.connect(&server.into()) {
            Err(error) if !is_under_way(&error) => return Err(error),
            Ok(()) | Err(_) => {}
        }
        let mut stream = TcpStream::from_std(socket.into());
        poll.registry()
            .register(&mut stream, token, Interest::READABLE | Interest::WRITABLE)?;
        Ok(Self {
            stream,
            tls: badge.session()?,
            is_connected: false,
            received: Vec::new(),
        })
    }

    /// Tells whether the connection stands. What is sent before TLS does is sent when it does.
    pub(super) fn is_connected(&self) -> bool {
        self.is_connected
    }

    /// Does what the socket allows now. An error says that it is over; what was received before it can be read.
    pub(super) fn advance(&mut self) -> io::Result<()> {
        if let Some(error) = self.stream.take_error()? {
            return Err(error);
        }
        if !self.is_connected {
            let peer = match self.stream.peer_addr() {
                Ok(peer) => peer,
                Err(error) if error.kind() == io::ErrorKind::NotConnected => return Ok(()),
                Err(error) => return Err(error),
            };
            if self.stream.local_addr()? == peer {
                // Nobody listens there, and the system has connected the socket to itself.
                return Err(io::ErrorKind::ConnectionRefused.into());
            }
            self.stream.set_nodelay(true)?;
            self.is_connected = true;
        }
        self.read()
    }

    /// Reads until there is no more: the events of the socket come on a change only.
    fn read(&mut self) -> io::Result<()> {
        loop {
            self.flush()?;
            match self.tls.read_tls(&mut self.stream) {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            }
            let state = self.tls.process_new_packets().map_err(io::Error::other)?;
            let from = self.received.len();
            self.received
                .resize(from + state.plaintext_bytes_to_read(), 0);
            self.tls.reader().read_exact(&mut self.received[from..])?;
        }
    }

    /// Sends, now or when the socket can take it.
    pub(super) fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.tls.writer().write_all(bytes)?;
        if self.is_connected {
            self.flush()
        } else {
            Ok(())
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        while self.tls.wants_write() {
            match self.tls.write_tls(&mut self.stream) {
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Takes what was received.
    pub(super) fn take_received(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.received)
    }

    /// Puts back the beginning of a packet that is not whole yet.
    pub(super) fn put_back(&mut self, rest: Vec<u8>) {
        self.received = rest;
    }

    /// Lets the socket go.
    pub(super) fn close(&mut self, poll: &Poll) {
        // It is closed when it is dropped, in any case.
        drop(poll.registry().deregister(&mut self.stream));
    }
}

/// A nonblocking socket says so while it connects.
fn is_under_way(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::WouldBlock
        || error.raw_os_error() == Some(rustix::io::Errno::INPROGRESS.raw_os_error())
}

/// Returns the length of the packet at the front, if all of it is there.
pub(super) fn next(received: &[u8]) -> Result<Option<usize>, Error> {
    match frame(received, PACKET_BYTES_MAX)? {
        Frame::Whole { len } => Ok(Some(len)),
        Frame::Partial { .. } => Ok(None),
    }
}
