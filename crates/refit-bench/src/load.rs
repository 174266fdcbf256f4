//! A load of MQTT 3.1.1 devices on one thread: as little as possible of the machine's time is the load's own.

mod packets;
mod wire;

use std::io::{self, ErrorKind, Read, Write};
use std::net::{Ipv4Addr, SocketAddr};
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token};
use rustls::ClientConfig;
use socket2::{Domain, Socket, Type};

use packets::{hello, packet_length, publish};
use wire::Wire;

/// How many connections are being made at once; mosquitto's backlog is 100.
const DIALLING_MAX: usize = 64;

/// How long a server may say nothing.
const SILENCE: Duration = Duration::from_secs(30);

/// How many connections share one source address, well below the range of ports.
const PER_ADDRESS: usize = 10_000;

/// Devices that are connected and subscribed.
pub(crate) struct Load {
    poll: Poll,
    devices: Vec<Device>,
    server: SocketAddr,
    dial: Dial,
    first: usize,
}

/// How the device of each number comes to its TLS session; `None`: plain text.
type Dial = Box<dyn Fn(usize) -> Option<Arc<ClientConfig>>>;

/// Returns the ID of the device of this number.
pub(crate) fn device_id(number: usize) -> String {
    format!("bench-{number:06}")
}

struct Device {
    wire: Wire,
    id: String,
    received: Vec<u8>,
}

/// What one device does between two looks at its socket.
enum Step {
    /// Nothing more to do.
    Done,
    /// Something is still awaited.
    Waits,
}

impl Load {
    /// Connects `count` devices, each subscribed to these topics under its own ID (`update/delta`, …).
    pub(crate) fn connect(server: SocketAddr, count: usize, topics: &[&str]) -> io::Result<Self> {
        Self::connect_as(server, 0..count, topics, Box::new(|_| None))
    }

    /// The same for the devices of these numbers, over TLS where `dial` says so.
    pub(crate) fn connect_as(
        server: SocketAddr,
        numbers: Range<usize>,
        topics: &[&str],
        dial: Dial,
    ) -> io::Result<Self> {
        let count = numbers.len();
        let mut load = Self {
            poll: Poll::new()?,
            devices: Vec::with_capacity(count),
            server,
            dial,
            first: numbers.start,
        };
        let mut events = Events::with_capacity(1024);
        let (mut dialling, mut ready) = (0, 0);
        while ready < count {
            while dialling < DIALLING_MAX && load.devices.len() < count {
                load.dial()?;
                dialling += 1;
            }
            load.wait(&mut events)?;
            for event in &events {
                let device = &mut load.devices[event.token().0];
                if event.is_writable() {
                    device.wire.write_all(&hello(&device.id, topics))?;
                    load.poll.registry().reregister(
                        &mut device.wire.socket,
                        event.token(),
                        Interest::READABLE,
                    )?;
                }
                if event.is_readable() && device.has_subscribed()? {
                    dialling -= 1;
                    ready += 1;
                }
            }
        }
        Ok(load)
    }

    /// Waits for something to come; a server that says nothing for long is an error and not a pause.
    fn wait(&mut self, events: &mut Events) -> io::Result<()> {
        self.poll.poll(events, Some(SILENCE))?;
        if events.is_empty() {
            return Err(io::Error::new(
                ErrorKind::TimedOut,
                "the server says nothing any more",
            ));
        }
        Ok(())
    }

    fn dial(&mut self) -> io::Result<()> {
        let place = self.devices.len();
        let number = self.first + place;
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
        socket.set_nonblocking(true)?;
        socket.set_tcp_nodelay(true)?;
        let source = Ipv4Addr::new(127, 0, 0, 2 + (number / PER_ADDRESS) as u8);
        socket.set_reuse_address(true)?;
        socket.bind(&SocketAddr::from((source, 0)).into())?;
        match socket.connect(&self.server.into()) {
            Ok(()) => {}
            Err(why) if why.raw_os_error() == Some(115) || why.kind() == ErrorKind::WouldBlock => {}
            Err(why) => return Err(why),
        }
        let mut stream = TcpStream::from_std(socket.into());
        self.poll
            .registry()
            .register(&mut stream, Token(place), Interest::WRITABLE)?;
        let wire = Wire::new(stream, (self.dial)(number))?;
        self.devices.push(Device {
            wire,
            id: device_id(number),
            received: Vec::new(),
        });
        Ok(())
    }

    /// Lets the first `active` devices publish reports with QoS 1, one at a time each, `total` in all. Each waits for
    /// its PUBACK and for `answers` messages more.
    pub(crate) fn publish(
        &mut self,
        active: usize,
        total: usize,
        answers: usize,
        payload: impl Fn(usize) -> String,
    ) -> io::Result<()> {
        let mut events = Events::with_capacity(1024);
        let mut awaited = vec![0; active];
        let (mut sent, mut done) = (0, 0);
        for (number, awaited) in awaited.iter_mut().enumerate().take(total) {
            self.send(number, &payload(sent))?;
            *awaited = 1 + answers;
            sent += 1;
        }
        while done < total {
            self.wait(&mut events)?;
            for event in &events {
                let number = event.token().0;
                if number >= active {
                    continue;
                }
                let got = self.devices[number].receive()?;
                awaited[number] = awaited[number].saturating_sub(got);
                if got > 0 && awaited[number] == 0 {
                    done += 1;
                    if sent < total {
                        self.send(number, &payload(sent))?;
                        awaited[number] = 1 + answers;
                        sent += 1;
                    }
                }
            }
        }
        Ok(())
    }

    fn send(&mut self, number: usize, payload: &str) -> io::Result<()> {
        let device = &mut self.devices[number];
        let packet = publish(&format!("state/{}/update", device.id), payload);
        device.wire.write_all(&packet)
    }

    /// Returns how many have taken up an earlier TLS session.
    pub(crate) fn resumed(&self) -> usize {
        self.devices.iter().filter(|d| d.wire.is_resumed()).count()
    }

    /// Ends all connections with a reset, so that no port is left waiting.
    pub(crate) fn drop_all(self) -> io::Result<()> {
        for device in self.devices {
            let socket = socket2::SockRef::from(&device.wire.socket);
            socket.set_linger(Some(Duration::ZERO))?;
        }
        Ok(())
    }
}

impl Device {
    /// Reads what is there; counts the packets that are complete.
    fn receive(&mut self) -> io::Result<usize> {
        let mut buffer = [0; 16 * 1024];
        loop {
            match self.wire.read(&mut buffer) {
                Ok(0) => {
                    return Err(io::Error::new(
                        ErrorKind::UnexpectedEof,
                        "the server closed",
                    ));
                }
                Ok(length) => self.received.extend_from_slice(&buffer[..length]),
                Err(why) if why.kind() == ErrorKind::WouldBlock => break,
                Err(why) => return Err(why),
            }
        }
        let mut packets = 0;
        while let Some(length) = packet_length(&self.received) {
            self.received.drain(..length);
            packets += 1;
        }
        if self.received.is_empty() {
            self.received = Vec::new();
        }
        Ok(packets)
    }

    /// CONNACK and SUBACK have both come.
    fn has_subscribed(&mut self) -> io::Result<bool> {
        let mut buffer = [0; 64];
        loop {
            match self.wire.read(&mut buffer) {
                Ok(0) => {
                    return Err(io::Error::new(
                        ErrorKind::UnexpectedEof,
                        "the server refused",
                    ));
                }
                Ok(length) => self.received.extend_from_slice(&buffer[..length]),
                Err(why) if why.kind() == ErrorKind::WouldBlock => break,
                Err(why) => return Err(why),
            }
        }
        let step = match packet_length(&self.received) {
            Some(connack) if packet_length(&self.received[connack..]).is_some() => Step::Done,
            Some(_) | None => Step::Waits,
        };
        if matches!(step, Step::Done) {
            self.received = Vec::new();
        }
        Ok(matches!(step, Step::Done))
    }
}
