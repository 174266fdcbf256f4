//! One of a crowd: how it connects, speaks, trickles and waits, always ready to be called back.

use std::cell::Cell;
use std::io::{self, ErrorKind};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use rustls::{ClientConfig, StreamOwned};
use socket2::{Domain, Socket, Type};

use super::{Shared, Target, device_id};
use crate::wire::{self, Stream};

/// How long one listens before it looks whether it is called back; also the pause between two bytes of a trickle.
const TICK: Duration = Duration::from_millis(20);

/// How long a connection or a handshake may take.
const GREETING_MAX: Duration = Duration::from_secs(5);

/// As little as the kernel keeps for somebody who does not read.
const SMALL_BUFFER: usize = 4096;

/// Which door it stands at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Door {
    Mqtt,
    Http,
}

/// As whom it comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Guise {
    /// A device of the fleet, its own one.
    Device,
    /// Nobody: no certificate.
    Nobody,
    /// A device of another fleet that goes by the same ID.
    Foreign,
}

pub(super) struct Hostile<'a> {
    pub(super) number: usize,
    shared: &'a Shared,
    has_begun: Cell<bool>,
}

impl<'a> Hostile<'a> {
    pub(super) fn new(number: usize, shared: &'a Shared) -> Self {
        Self {
            number,
            shared,
            has_begun: Cell::new(false),
        }
    }

    /// Does what it does until it is called back. That it is cut off is what it must expect.
    pub(super) fn run(&self) {
        while self.goes_on() {
            drop((self.shared.kind.act)(self));
            self.rest();
        }
    }

    pub(super) fn goes_on(&self) -> bool {
        !self.shared.stop.load(Relaxed)
    }

    pub(super) fn rest(&self) {
        if self.goes_on() {
            std::thread::park_timeout(self.shared.rest);
        }
    }

    /// Notes that it has done it once more.
    pub(super) fn did(&self) {
        self.shared.acts.fetch_add(1, Relaxed);
        if !self.has_begun.replace(true) {
            self.shared.begun.fetch_add(1, Relaxed);
        }
    }

    /// Notes that it was let in where it must not be.
    pub(super) fn was_let_in(&self) {
        self.shared.let_in.fetch_add(1, Relaxed);
    }

    /// Returns how often they all did it.
    pub(super) fn acts(&self) -> u64 {
        self.shared.acts.load(Relaxed)
    }

    /// Returns one like it, under another number.
    pub(super) fn as_number(&self, number: usize) -> Self {
        Self::new(number, self.shared)
    }

    /// Returns the ID of the device that it is.
    pub(super) fn id(&self) -> String {
        device_id(self.number)
    }

    /// Connects, and says nothing.
    pub(super) fn open(&self, door: Door) -> io::Result<TcpStream> {
        let address = self.address(door)?;
        let stream = TcpStream::connect_timeout(&address, GREETING_MAX)?;
        stream.set_nodelay(true)?;
        listen_briefly(&stream)?;
        Ok(stream)
    }

    /// Connects with next to no room for what the server says.
    pub(super) fn open_deaf(&self, door: Door, guise: Guise) -> io::Result<Box<dyn Stream>> {
        let address = self.address(door)?;
        let socket = Socket::new(Domain::for_address(address), Type::STREAM, None)?;
        socket.set_recv_buffer_size(SMALL_BUFFER)?;
        socket.connect_timeout(&address.into(), GREETING_MAX)?;
        self.greet(socket.into(), guise)
    }

    /// Connects, and has a private connection where the target is private.
    pub(super) fn come(&self, door: Door, guise: Guise) -> io::Result<Box<dyn Stream>> {
        self.greet(self.open(door)?, guise)
    }

    fn greet(&self, stream: TcpStream, guise: Guise) -> io::Result<Box<dyn Stream>> {
        let Some(config) = self.config(guise) else {
            listen_briefly(&stream)?;
            return Ok(Box::new(stream));
        };
        stream.set_read_timeout(Some(GREETING_MAX))?;
        let mut stream = StreamOwned::new(wire::client(config)?, stream);
        while stream.conn.is_handshaking() {
            stream.conn.complete_io(&mut stream.sock)?;
        }
        listen_briefly(&stream.sock)?;
        Ok(Box::new(stream))
    }

    fn address(&self, door: Door) -> io::Result<SocketAddr> {
        let address = match door {
            Door::Mqtt => &self.target().mqtt,
            Door::Http => &self.target().http,
        };
        address.parse().map_err(io::Error::other)
    }

    fn config(&self, guise: Guise) -> Option<&Arc<ClientConfig>> {
        let private = self.target().private.as_ref()?;
        match guise {
            Guise::Device => private.devices.get(self.number),
            Guise::Nobody => Some(&private.nobody),
            Guise::Foreign => Some(&private.foreign),
        }
    }

    fn target(&self) -> &Target {
        &self.shared.target
    }

    /// Returns the first bytes of a handshake.
    pub(super) fn client_hello(&self) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        if let Some(config) = self.config(Guise::Nobody) {
            wire::client(config)?.write_tls(&mut bytes)?;
        }
        Ok(bytes)
    }

    /// Says something, however long the server takes to hear it.
    pub(super) fn say(&self, stream: &mut dyn Stream, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            match stream.write(bytes) {
                Ok(written) => bytes = bytes.get(written..).unwrap_or_default(),
                Err(error) if is_wait(&error) => {}
                Err(error) => return Err(error),
            }
            if !self.goes_on() {
                return Err(ErrorKind::Interrupted.into());
            }
        }
        Ok(())
    }

    /// Says it byte by byte.
    pub(super) fn trickle(&self, stream: &mut dyn Stream, bytes: &[u8]) -> io::Result<()> {
        for byte in bytes {
            self.say(stream, &[*byte])?;
            self.did();
            self.hear(stream)?;
        }
        Ok(())
    }

    /// Hears what comes within a tick, which may be nothing.
    pub(super) fn hear(&self, stream: &mut dyn Stream) -> io::Result<Vec<u8>> {
        let mut bytes = [0; 4096];
        match stream.read(&mut bytes) {
            Ok(0) => Err(ErrorKind::UnexpectedEof.into()),
            Ok(read) => Ok(bytes.get(..read).unwrap_or_default().to_vec()),
            Err(error) if is_wait(&error) => Ok(Vec::new()),
            Err(error) => Err(error),
        }
    }

    /// Hears until there are so many bytes.
    pub(super) fn hear_much(&self, stream: &mut dyn Stream, least: usize) -> io::Result<Vec<u8>> {
        let mut all = Vec::new();
        while all.len() < least {
            if !self.goes_on() {
                return Err(ErrorKind::Interrupted.into());
            }
            all.extend(self.hear(stream)?);
        }
        Ok(all)
    }

    /// Holds the connection until it is cut off or called back.
    pub(super) fn hold(&self, stream: &mut dyn Stream) -> io::Result<()> {
        while self.goes_on() {
            self.hear(stream)?;
        }
        Ok(())
    }

    /// Holds the connection and never reads.
    pub(super) fn hold_deaf(&self) {
        while self.goes_on() {
            std::thread::park_timeout(TICK);
        }
    }

    /// Connects as the device that it is, or says that it is; CONNACK has come.
    pub(super) fn member(&self) -> io::Result<Box<dyn Stream>> {
        let mut stream = self.come(Door::Mqtt, Guise::Device)?;
        self.say(&mut *stream, &wire::connect(&self.id(), None))?;
        self.hear_much(&mut *stream, 4)?;
        Ok(stream)
    }

    /// Says the same again and again, and reads the answers.
    pub(super) fn flood(&self, stream: &mut dyn Stream, words: &[u8]) -> io::Result<()> {
        while self.goes_on() {
            self.say(stream, words)?;
            self.did();
            while !self.hear(stream)?.is_empty() && self.goes_on() {}
            self.rest();
        }
        Ok(())
    }
}

fn listen_briefly(stream: &TcpStream) -> io::Result<()> {
    stream.set_read_timeout(Some(TICK))?;
    stream.set_write_timeout(Some(TICK))
}

fn is_wait(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut)
}
