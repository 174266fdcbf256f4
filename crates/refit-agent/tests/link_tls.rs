//! The link with an identity, against a real broker that speaks TLS and asks for certificates.

use crate::broker::{Broker, Certificates, wanted};
use crate::pki::{Authority, Valid};
use refit_agent::identity::current::Current;
use refit_agent::link::{Event, Kind, Order, Server, keep, orders};
use std::sync::Arc;
use std::sync::mpsc::channel;
use std::thread;
use std::time::Duration;

#[test]
fn messages_of_all_sizes_go_both_ways_over_tls() {
    if !wanted() {
        return;
    }
    let authority = Authority::new("the fleet's authority");
    let leaf = authority.server("127.0.0.1", Valid::Now);
    let broker = Broker::start_with(Some(&Certificates {
        authority: authority.pem(),
        certificate: leaf.certificate_pem(),
        key: leaf.key_pem(),
    }));
    let identity = authority.identity("lamp-7", "https://127.0.0.1:1", &broker.address());
    let server = Server::Enrolled(Arc::new(Current::new(identity, Vec::new()).unwrap()));
    let (give, inbox) = orders().unwrap();
    let (sender, events) = channel();
    let thread = thread::spawn(move || {
        let mut say = |event| drop(sender.send(event));
        keep(
            "lamp-7",
            &server,
            Duration::ZERO,
            &inbox,
            &mut |_| 5,
            &mut say,
        );
    });
    let next = || events.recv_timeout(Duration::from_secs(30)).unwrap();
    match next() {
        Event::Up => {}
        other => panic!("{other:?}"),
    }
    // The broker gives back what is published on a topic that the device has subscribed to.
    let sizes = [1, 100, 5_000, 16_384, 40_000, 16_385, 60_000];
    for size in sizes {
        give.give(Order::Publish(Kind::Delta, vec![b'x'; size]));
    }
    for size in sizes {
        match next() {
            Event::Message(Kind::Delta, payload) => assert_eq!(payload.len(), size),
            other => panic!("{other:?}"),
        }
    }
    give.give(Order::Close);
    thread.join().unwrap();
}
