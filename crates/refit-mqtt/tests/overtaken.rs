//! A revocation overtakes a CONNECT: it comes after the gate has let somebody in, and before that one has a seat to be cut from.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use refit_engine::fleet::Fleet;
use refit_mqtt::identity::{Credentials, Gate, Refusal, Who};
use refit_mqtt::quota::Quota;
use refit_packet::{Packet, Version};
use refit_protocol::device_id::DeviceId;

use crate::client::{Client, connect};
use crate::house::House;

/// Lets everybody in once, and revokes them before they have heard of it.
struct Overtaken {
    fleet: Fleet,
    barred: AtomicBool,
}

impl Gate for Overtaken {
    fn admit(&self, credentials: &Credentials<'_>) -> Result<Who, Refusal> {
        let device = DeviceId::parse(credentials.client_id).unwrap();
        // As the server does it: what must be refused first, then whoever is there.
        self.barred.store(true, Ordering::SeqCst);
        self.fleet.expel(&device);
        Ok(Who::Device(device))
    }

    fn confirm(&self, _: &Who, _: Option<&[u8]>) -> Result<(), Refusal> {
        match self.barred.load(Ordering::SeqCst) {
            true => Err(Refusal::Barred),
            false => Ok(()),
        }
    }
}

fn overtaken(version: Version) -> (House, Client) {
    let house = House::gated(Quota::default(), |fleet| {
        Arc::new(Overtaken {
            fleet: fleet.clone(),
            barred: AtomicBool::new(false),
        })
    });
    let address: SocketAddr = house.address();
    let mut client = Client::silent(address, version);
    client.say(&Packet::Connect(connect(version, "lamp-7")));
    (house, client)
}

#[test]
fn who_is_revoked_while_it_connects_is_not_let_in() {
    for version in [Version::V311, Version::V5] {
        let (house, mut client) = overtaken(version);
        let heard = client.hear();
        assert!(
            heard.starts_with("CONNACK") && !heard.contains("success"),
            "{heard}"
        );
        assert_eq!(client.hear_or_end(), None);
        assert_eq!(house.figures.welcomed.load(Ordering::Relaxed), 0);
    }
}
