//! SIGKILL in the middle of a load, again and again: whatever a device had acknowledged is there afterwards.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::house::{PATIENCE, Server, wait_for};

const DEVICES: usize = 40;
const KILLS: usize = 5;
const ACKNOWLEDGED_BETWEEN_KILLS: u64 = 400;

/// A device that counts up: it reports the next number when the last one was acknowledged.
struct Counter {
    id: String,
    /// The last number that was acknowledged.
    acknowledged: AtomicU64,
    /// The last number that was sent.
    sent: AtomicU64,
}

#[test]
fn what_was_acknowledged_is_there_after_every_kill() {
    let mut server = Server::start();
    let counters: Vec<Counter> = (0..DEVICES)
        .map(|number| Counter {
            id: format!("counter-{number}"),
            acknowledged: AtomicU64::new(0),
            sent: AtomicU64::new(0),
        })
        .collect();
    let acknowledged = AtomicU64::new(0);
    for round in 1..=KILLS as u64 {
        let port = server.mqtt_port;
        std::thread::scope(|scope| {
            for counter in &counters {
                scope.spawn(|| counter.count_up(port, &acknowledged));
            }
            wait_for("enough acknowledgements", || {
                (acknowledged.load(Ordering::SeqCst) >= round * ACKNOWLEDGED_BETWEEN_KILLS)
                    .then_some(())
            });
            server.kill();
        });
        server.start_again();
        for counter in &counters {
            counter.check(&server);
        }
    }
}

impl Counter {
    /// Reports until the connection breaks.
    fn count_up(&self, port: u16, all: &AtomicU64) {
        let Ok(mut stream) = self.connect(port) else {
            return;
        };
        loop {
            let next = self.sent.fetch_add(1, Ordering::SeqCst) + 1;
            let payload = format!(r#"{{"state":{{"reported":{{"count":{next}}}}}}}"#);
            if stream
                .write_all(&publish(&self.id, payload.as_bytes()))
                .is_err()
            {
                return;
            }
            let mut puback = [0; 4];
            if stream.read_exact(&mut puback).is_err() {
                return;
            }
            assert_eq!(puback, [0x40, 2, 0, 1], "a PUBACK for packet 1");
            self.acknowledged.store(next, Ordering::SeqCst);
            all.fetch_add(1, Ordering::SeqCst);
        }
    }

    fn connect(&self, port: u16) -> std::io::Result<TcpStream> {
        let mut stream = TcpStream::connect(("127.0.0.1", port))?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.write_all(&connect(&self.id))?;
        let mut connack = [0; 4];
        stream.read_exact(&mut connack)?;
        if connack != [0x20, 2, 0, 0] {
            return Err(ErrorKind::ConnectionRefused.into());
        }
        Ok(stream)
    }

    fn check(&self, server: &Server) {
        let acknowledged = self.acknowledged.load(Ordering::SeqCst);
        if acknowledged == 0 {
            return;
        }
        let stored = server.refit_json(&["device", "show", &self.id])["reported"]["count"]
            .as_u64()
            .unwrap();
        let sent = self.sent.load(Ordering::SeqCst);
        assert!(
            (acknowledged..=sent).contains(&stored),
            "{}: {acknowledged} was acknowledged, {sent} was sent, {stored} is stored",
            self.id
        );
    }
}

/// An MQTT 3.1.1 CONNECT, clean session, no keep-alive.
fn connect(id: &str) -> Vec<u8> {
    let mut packet = vec![0x10, (12 + id.len()) as u8];
    packet.extend_from_slice(b"\x00\x04MQTT\x04\x02\x00\x00\x00");
    packet.push(id.len() as u8);
    packet.extend_from_slice(id.as_bytes());
    packet
}

/// A PUBLISH with QoS 1 and packet identifier 1; both lengths stay below 128.
fn publish(id: &str, payload: &[u8]) -> Vec<u8> {
    let topic = format!("state/{id}/update");
    let mut packet = vec![
        0x32,
        (4 + topic.len() + payload.len()) as u8,
        0,
        topic.len() as u8,
    ];
    packet.extend_from_slice(topic.as_bytes());
    packet.extend_from_slice(&[0, 1]);
    packet.extend_from_slice(payload);
    packet
}
