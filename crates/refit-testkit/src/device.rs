//! A device with nothing but a socket: MQTT 3.1.1 written byte by byte, so that it shares no code with the server.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use rustls::ClientConfig;

use crate::wire::{self, Stream, dial};

/// How long anything may take before a test has failed; generous, because the machine may be busy.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// A connected device.
pub struct Device {
    id: String,
    stream: Box<dyn Stream>,
    packet: u16,
}

/// A message that arrived.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// Its topic.
    pub topic: String,
    /// Its payload.
    pub payload: Vec<u8>,
}

impl Device {
    /// Connects, and waits for CONNACK.
    pub fn connect(address: &str, id: &str) -> io::Result<Self> {
        Self::greet(dial(address, None)?, id, None)
    }

    /// Connects over TLS, with the client ID that is given, and as whoever `config` has a certificate of.
    pub fn connect_privately(
        address: &str,
        id: &str,
        config: &Arc<ClientConfig>,
    ) -> io::Result<Self> {
        Self::greet(dial(address, Some(config))?, id, None)
    }

    /// Connects over TLS with a password, as applications do.
    pub fn connect_with_password(
        address: &str,
        id: &str,
        password: &str,
        config: &Arc<ClientConfig>,
    ) -> io::Result<Self> {
        Self::greet(dial(address, Some(config))?, id, Some(password))
    }

    /// Connects in plain as an application that speaks of this device, with a token as its password.
    pub fn application(address: &str, device: &str, token: &str) -> io::Result<Self> {
        Self::greet(dial(address, None)?, device, Some(token))
    }

    fn greet(stream: Box<dyn Stream>, id: &str, password: Option<&str>) -> io::Result<Self> {
        let mut device = Self {
            id: id.into(),
            stream,
            packet: 0,
        };
        device.stream.write_all(&wire::connect(id, password))?;
        match device.receive()? {
            (0x20, body) if body == [0, 0] => Ok(device),
            (kind, body) => Err(unexpected(kind, &body)),
        }
    }

    /// Subscribes to what the server says on `state/{id}/{rest}`, with QoS 1, and waits for SUBACK. What is sent at
    /// once comes after it.
    pub fn subscribe(&mut self, rest: &str) -> io::Result<()> {
        let filter = format!("state/{}/{rest}", self.id);
        let number = self.next_packet();
        self.stream
            .write_all(&wire::subscribe(number, &[&filter]))?;
        match self.receive()? {
            (0x90, body) if body.last() == Some(&1) => Ok(()),
            (kind, body) => Err(unexpected(kind, &body)),
        }
    }

    /// Publishes with QoS 1 on `state/{id}/{rest}`; [`Device::acknowledged`] waits for the PUBACK.
    pub fn publish(&mut self, rest: &str, payload: &[u8]) -> io::Result<()> {
        let topic = format!("state/{}/{rest}", self.id);
        let number = Some(self.next_packet());
        self.stream
            .write_all(&wire::publish(number, &topic, payload))
    }

    /// Waits for a PUBACK; messages before it are lost.
    pub fn acknowledged(&mut self) -> io::Result<()> {
        while self.receive()?.0 != 0x40 {}
        Ok(())
    }

    /// Waits for the next message, and acknowledges it.
    pub fn message(&mut self) -> io::Result<Message> {
        loop {
            let (kind, body) = self.receive()?;
            if kind >> 4 != 3 {
                continue;
            }
            let cut = || io::Error::from(io::ErrorKind::InvalidData);
            let length = usize::from(u16::from_be_bytes([
                *body.first().ok_or_else(cut)?,
                *body.get(1).ok_or_else(cut)?,
            ]));
            let topic = body.get(2..2 + length).ok_or_else(cut)?;
            let mut rest = body.get(2 + length..).ok_or_else(cut)?;
            if kind & 0x06 != 0 {
                let (packet, payload) = rest.split_at_checked(2).ok_or_else(cut)?;
                self.stream.write_all(&wire::packet(0x40, packet))?;
                rest = payload;
            }
            let topic = String::from_utf8_lossy(topic).into_owned();
            return Ok(Message {
                topic,
                payload: rest.to_vec(),
            });
        }
    }

    /// Waits until the other end closes the connection, and returns what came before, packet by packet.
    pub fn until_closed(&mut self) -> Vec<u8> {
        let mut kinds = Vec::new();
        while let Ok((kind, _)) = self.receive() {
            kinds.push(kind);
        }
        kinds
    }

    fn next_packet(&mut self) -> [u8; 2] {
        self.packet = self.packet.checked_add(1).unwrap_or(1);
        self.packet.to_be_bytes()
    }

    fn receive(&mut self) -> io::Result<(u8, Vec<u8>)> {
        let mut byte = [0];
        self.stream.read_exact(&mut byte)?;
        let first = byte[0];
        let (mut length, mut shift) = (0, 0);
        loop {
            self.stream.read_exact(&mut byte)?;
            length |= usize::from(byte[0] & 0x7f) << shift;
            shift += 7;
            if byte[0] & 0x80 == 0 {
                break;
            }
        }
        let mut body = vec![0; length];
        self.stream.read_exact(&mut body)?;
        Ok((first, body))
    }
}

fn unexpected(kind: u8, body: &[u8]) -> io::Error {
    io::Error::other(format!(
        "a packet 0x{kind:02x} {body:02x?} was not expected here"
    ))
}
