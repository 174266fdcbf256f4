//! A client on a raw socket: it says exactly what it is told to say, and shows what came in one line.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use refit_packet::{
    Connect, Delivery, Filters, Frame, Packet, PacketId, Properties, Property, PubAck, Publish,
    Qos, Secret, Subscribe, Subscription, Version, decode_from_server, frame,
};

use crate::house::TOKEN;

/// No test waits so long unless it fails.
const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) struct Client {
    pub(crate) socket: TcpStream,
    pub(crate) version: Version,
    received: Vec<u8>,
}

pub(crate) fn id(number: u16) -> PacketId {
    PacketId::new(number).unwrap()
}

pub(crate) fn connect(version: Version, client_id: &str) -> Connect<'_> {
    Connect {
        version,
        clean_start: true,
        keep_alive: 60,
        client_id,
        will: None,
        username: None,
        password: None,
        properties: Properties::NONE,
    }
}

impl Client {
    /// Opens a socket, and says nothing.
    pub(crate) fn silent(address: SocketAddr, version: Version) -> Self {
        let socket = TcpStream::connect(address).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        socket.set_write_timeout(Some(PATIENCE)).unwrap();
        Self {
            socket,
            version,
            received: Vec::new(),
        }
    }

    /// Connects a device, and is welcome.
    pub(crate) fn device(address: SocketAddr, version: Version, name: &str) -> Self {
        let mut client = Self::silent(address, version);
        client.say(&Packet::Connect(connect(version, name)));
        assert!(client.hear().starts_with("CONNACK success"));
        client
    }

    /// Connects an application, and is welcome.
    pub(crate) fn application(address: SocketAddr, name: &str) -> Self {
        let mut client = Self::silent(address, Version::V5);
        client.say(&Packet::Connect(Connect {
            username: Some(name),
            password: Some(Secret::new(TOKEN.as_bytes())),
            ..connect(Version::V5, name)
        }));
        assert!(client.hear().starts_with("CONNACK success"));
        client
    }

    pub(crate) fn say(&mut self, packet: &Packet<'_>) {
        let mut bytes = Vec::new();
        packet.encode(self.version, &mut bytes).unwrap();
        self.say_bytes(&bytes);
    }

    pub(crate) fn say_bytes(&mut self, bytes: &[u8]) {
        self.socket.write_all(bytes).unwrap();
    }

    pub(crate) fn subscribe(&mut self, filters: &[&str]) {
        let filters: Vec<Subscription<'_>> = filters
            .iter()
            .map(|filter| Subscription::new(filter, Qos::AtLeastOnce))
            .collect();
        self.say(&Packet::Subscribe(Subscribe {
            id: id(1),
            properties: Properties::NONE,
            filters: Filters::of(&filters),
        }));
    }

    pub(crate) fn publish(&mut self, number: u16, topic: &str, payload: &str) {
        self.say(&publish(number, topic, payload.as_bytes()));
    }

    /// Waits for the next packet, and shows it. What is QoS 1 is acknowledged.
    pub(crate) fn hear(&mut self) -> String {
        self.hear_or_end().expect("the connection ended")
    }

    /// As [`Client::hear`]; `None` when the connection ends.
    pub(crate) fn hear_or_end(&mut self) -> Option<String> {
        loop {
            if let Ok(Frame::Whole { len }) = frame(&self.received, 1 << 20) {
                let packet: Vec<u8> = self.received.drain(..len).collect();
                let packet = decode_from_server(&packet, self.version).unwrap();
                if let Packet::Publish(publish) = &packet
                    && let Some(id) = publish.delivery.id()
                {
                    self.say(&Packet::PubAck(PubAck::success(id)));
                }
                return Some(show(&packet));
            }
            let mut buffer = [0; 4096];
            match self.socket.read(&mut buffer) {
                Ok(0) => return None,
                Ok(len) => self.received.extend_from_slice(&buffer[..len]),
                Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => return None,
                Err(error) => panic!("nothing came: {error}"),
            }
        }
    }
}

pub(crate) fn publish<'a>(number: u16, topic: &'a str, payload: &'a [u8]) -> Packet<'a> {
    let delivery = match PacketId::new(number) {
        None => Delivery::AtMostOnce,
        Some(id) => Delivery::AtLeastOnce { id, dup: false },
    };
    Packet::Publish(Publish {
        topic,
        delivery,
        retain: false,
        properties: Properties::NONE,
        payload,
    })
}

fn show(packet: &Packet<'_>) -> String {
    match packet {
        Packet::ConnAck(p) => format!("CONNACK {}{}", p.reason, why(&p.properties)),
        Packet::SubAck(p) => {
            let codes: Vec<String> = p
                .codes
                .iter()
                .map(|c| format!("{:02x}", c.byte()))
                .collect();
            format!("SUBACK {}", codes.join(" "))
        }
        Packet::PubAck(p) => format!("PUBACK {} {}", p.id, p.reason),
        Packet::PubRec(p) => format!("PUBREC {} {}", p.id, p.reason),
        Packet::PubComp(p) => format!("PUBCOMP {} {}", p.id, p.reason),
        Packet::Publish(p) => format!("{} {}", p.topic, String::from_utf8_lossy(p.payload)),
        Packet::Disconnect(p) => format!("DISCONNECT {}{}", p.reason, why(&p.properties)),
        other => format!("{other:?}"),
    }
}

fn why(properties: &Properties<'_>) -> String {
    properties
        .iter()
        .find_map(|property| match property {
            Property::ReasonString(why) => Some(format!(": {why}")),
            _ => None,
        })
        .unwrap_or_default()
}
