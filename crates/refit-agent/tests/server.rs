//! The server's part, played by the test through a broker: reads what a device says, and answers it.

use crate::broker::Broker;
use refit_agent::job::Release;
use refit_packet::{
    Connect, Delivery, Filters, Frame, Packet, PacketId, Properties, PubAck, Publish, Qos,
    Subscribe, Subscription, Version, decode_from_server, frame,
};
use serde_json::{Value, json};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

/// Nothing in these tests takes longer.
const PATIENCE: Duration = Duration::from_secs(30);

/// A message that came.
#[derive(Debug)]
pub(crate) struct Heard {
    pub(crate) topic: String,
    pub(crate) document: Value,
}

/// The server.
pub(crate) struct Server {
    stream: TcpStream,
    received: Vec<u8>,
    version: u64,
}

impl Server {
    pub(crate) fn connect(broker: &Broker) -> Self {
        let stream = TcpStream::connect(broker.address()).unwrap();
        stream
            .set_read_timeout(Some(Duration::from_millis(100)))
            .unwrap();
        let mut server = Self {
            stream,
            received: Vec::new(),
            version: 0,
        };
        server.send(&Packet::Connect(Connect {
            version: Version::V5,
            clean_start: true,
            keep_alive: 0,
            client_id: "the-server",
            will: None,
            username: None,
            password: None,
            properties: Properties::NONE,
        }));
        let filters =
            ["state/+/update", "state/+/get"].map(|f| Subscription::new(f, Qos::AtLeastOnce));
        server.send(&Packet::Subscribe(Subscribe {
            id: PacketId::MIN,
            properties: Properties::NONE,
            filters: Filters::of(&filters),
        }));
        let until = Instant::now() + PATIENCE;
        server.packets(until, |packet| {
            matches!(packet, Packet::SubAck(_)).then_some(())
        });
        server
    }

    /// Returns the next message of a device.
    pub(crate) fn hear(&mut self) -> Heard {
        self.hear_until(Instant::now() + PATIENCE)
            .expect("a message of the device")
    }

    /// Returns the next message of a device, if one comes in time.
    pub(crate) fn hear_until(&mut self, until: Instant) -> Option<Heard> {
        self.packets(until, |packet| match packet {
            Packet::Publish(message) => Some(Heard {
                topic: message.topic.into(),
                document: serde_json::from_slice(message.payload).unwrap(),
            }),
            _ => None,
        })
    }

    /// Answers an update with `accepted`.
    pub(crate) fn accept(&mut self, device: &str, heard: &Heard) {
        let answer = json!({"version": self.version, "timestamp": 1, "state": {},
            "clientToken": heard.document["clientToken"]});
        self.say(device, "update/accepted", &answer);
    }

    /// Answers an update with `rejected`.
    pub(crate) fn reject(&mut self, device: &str, heard: &Heard, code: u16) {
        let answer = json!({"code": code, "message": "no", "timestamp": 1,
            "clientToken": heard.document["clientToken"]});
        self.say(device, "update/rejected", &answer);
    }

    /// Sends the delta of a job.
    pub(crate) fn delta(&mut self, device: &str, job: &str, release: &Release, url: &str) {
        self.version += 1;
        let software = &release.software;
        let delta = json!({
            "version": self.version, "timestamp": 1, "jobID": job, "state": {"softwareURL": url},
            "previous": {"softwareURL": null},
            "software": {"name": software.name, "version": software.version,
                "sha256": software.digest.to_hex(), "length": software.length,
                "format": software.format.as_str()},
            "metadata": {"protocol": 1},
        });
        self.say(device, "update/delta", &delta);
    }

    /// Publishes to a device.
    pub(crate) fn say(&mut self, device: &str, kind: &str, document: &Value) {
        self.send(&Packet::Publish(Publish {
            topic: &format!("state/{device}/{kind}"),
            delivery: Delivery::AtLeastOnce {
                id: PacketId::MIN.saturating_add(6),
                dup: false,
            },
            retain: false,
            properties: Properties::NONE,
            payload: document.to_string().as_bytes(),
        }));
    }

    fn send(&mut self, packet: &Packet<'_>) {
        let mut bytes = Vec::new();
        packet.encode(Version::V5, &mut bytes).unwrap();
        self.stream.write_all(&bytes).unwrap();
    }

    /// Reads packets until one is what is sought, or the time is over.
    fn packets<T>(
        &mut self,
        until: Instant,
        mut seek: impl FnMut(&Packet<'_>) -> Option<T>,
    ) -> Option<T> {
        loop {
            while let Ok(Frame::Whole { len }) = frame(&self.received, 1 << 20) {
                let bytes: Vec<u8> = self.received.drain(..len).collect();
                let packet = decode_from_server(&bytes, Version::V5).unwrap();
                if let Packet::Publish(message) = &packet
                    && let Some(id) = message.delivery.id()
                {
                    self.send(&Packet::PubAck(PubAck::success(id)));
                }
                if let Some(found) = seek(&packet) {
                    return Some(found);
                }
            }
            let mut chunk = [0; 4096];
            match self.stream.read(&mut chunk) {
                Ok(0) => panic!("the broker closed the connection"),
                Ok(count) => self.received.extend_from_slice(&chunk[..count]),
                Err(_) if Instant::now() >= until => return None,
                Err(_) => {} // nothing yet
            }
        }
    }
}
