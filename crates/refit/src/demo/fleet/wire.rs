//! One nonblocking TCP connection, and what waits to be sent and read on it.

use std::io::{self, Read, Write};
use std::net::SocketAddr;

use mio::net::TcpStream;
use mio::{Interest, Poll, Token};
use refit_packet::{Error, Frame, frame};

/// The longest packet that a device takes.
const PACKET_BYTES_MAX: usize = 64 * 1024;

/// A connection.
pub(super) struct Wire {
    stream: TcpStream,
    is_connected: bool,
    unsent: Vec<u8>,
    received: Vec<u8>,
}

impl Wire {
    /// Begins to connect; that it stands is seen when the socket can be written.
    pub(super) fn connect(server: SocketAddr, poll: &Poll, token: Token) -> io::Result<Self> {
        let mut stream = TcpStream::connect(server)?;
        poll.registry()
            .register(&mut stream, token, Interest::READABLE | Interest::WRITABLE)?;
        Ok(Self {
            stream,
            is_connected: false,
            unsent: Vec::new(),
            received: Vec::new(),
        })
    }

    /// Tells whether the connection stands.
    pub(super) fn is_connected(&self) -> bool {
        self.is_connected
    }

    /// Does what the socket allows now. An error says that it is over; what was received before it can be read.
    pub(super) fn advance(&mut self, chunk: usize) -> io::Result<()> {
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
        self.flush()?;
        self.read(chunk)
    }

    /// Reads until there is no more: the events of the socket come on a change only.
    fn read(&mut self, chunk: usize) -> io::Result<()> {
        loop {
            let from = self.received.len();
            self.received.resize(from + chunk, 0);
            let read = self.stream.read(&mut self.received[from..]);
            self.received
                .truncate(from + read.as_ref().map_or(0, |count| *count));
            match read {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Sends, now or when the socket can take it.
    pub(super) fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.unsent.extend_from_slice(bytes);
        if self.is_connected {
            self.flush()
        } else {
            Ok(())
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        while !self.unsent.is_empty() {
            match self.stream.write(&self.unsent) {
                Ok(count) => drop(self.unsent.drain(..count)),
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

/// Returns the length of the packet at the front, if all of it is there.
pub(super) fn next(received: &[u8]) -> Result<Option<usize>, Error> {
    match frame(received, PACKET_BYTES_MAX)? {
        Frame::Whole { len } => Ok(Some(len)),
        Frame::Partial { .. } => Ok(None),
    }
}
