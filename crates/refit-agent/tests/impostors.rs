//! A man in the middle: whoever stands between with the wrong certificate gets nothing, at enrolment and after it.

use crate::https::{Answer, Https, Request};
use crate::pki::{Authority, Leaf, Valid, self_signed};
use refit_agent::fetch::Http;
use refit_agent::http::Client;
use refit_agent::identity::current::Current;
use refit_agent::job::Grant;
use refit_agent::link::{Event, Server, keep, orders};
use refit_agent::tls::{Roots, client};
use refit_protocol::job::JobId;
use serde_json::json;
use std::sync::Arc;
use std::sync::mpsc::channel;
use std::thread;
use std::time::Duration;

const HERE: &str = "127.0.0.1";

fn ok(_: &Request) -> Answer {
    (200, String::new(), b"{}".to_vec())
}

/// All that an impostor may come with, and what is said of it.
fn impostors(authority: &Authority) -> Vec<(Leaf, &'static str)> {
    let other = Authority::new("the fleet's authority"); // the same name, another key
    let mut grafted = other.server(HERE, Valid::Now);
    grafted.chain[1] = authority.der.clone();
    vec![
        (other.server(HERE, Valid::Now), "authority|token speaks of"),
        (grafted, "not good|authority"),
        (authority.server(HERE, Valid::Over), "expired"),
        (authority.server(HERE, Valid::Later), "not valid yet"),
        (
            authority.server("other.example", Valid::Now),
            "does not name this host",
        ),
        (self_signed(HERE), "authority|token speaks of"),
    ]
}

fn says(why: &str, any: &str) {
    assert!(
        any.split('|').any(|part| why.contains(part)),
        "{any}: {why}"
    );
}

#[test]
fn a_pinned_server_is_believed_and_an_impostor_gets_nothing() {
    let authority = Authority::new("the fleet's authority");
    let tls = || client(Roots::Pinned(authority.fingerprint()), None).unwrap();
    let post = |server: &Https| {
        Client::at(&server.url(""), tls()).unwrap().post(
            &server.url("/device/v1/enrol"),
            json!({"token": "secret"}).to_string(),
        )
    };
    let good = Https::start(&authority.server(HERE, Valid::Now), &authority, ok);
    assert_eq!(post(&good).unwrap().status, 200);
    assert_eq!(good.requests()[0].line, "POST /device/v1/enrol");
    for (leaf, said) in impostors(&authority) {
        let server = Https::start(&leaf, &authority, ok);
        says(&post(&server).unwrap_err(), said);
        assert!(server.requests().is_empty(), "the token was not sent");
    }
}

#[test]
fn a_server_that_presents_only_its_own_certificate_is_told_to_present_more() {
    let leaf = self_signed(HERE);
    let fingerprint = <sha2::Sha256 as sha2::Digest>::digest(&leaf.chain[0]).into();
    let server = Https::start(&leaf, &Authority::new("any"), ok);
    let tls = client(Roots::Pinned(fingerprint), None).unwrap();
    let client = Client::at(&server.url(""), tls).unwrap();
    says(
        &client.document(&server.url("/")).unwrap_err(),
        "but its own",
    );
}

#[test]
fn an_identity_speaks_with_its_own_server_and_no_impostor() {
    let authority = Authority::new("the fleet's authority");
    let fetch = |server: &Https| {
        let identity = authority.identity("lamp-7", &server.url(""), "unused");
        let current = Arc::new(Current::new(identity, Vec::new()).unwrap());
        let grant = Grant::Presigned(server.url("/depot/file"));
        let client = Client::of(current, "").unwrap();
        client.get(&JobId::parse("j").unwrap(), &grant, 0, None)
    };
    let good = Https::start(&authority.server(HERE, Valid::Now), &authority, ok);
    assert_eq!(fetch(&good).unwrap().status, 200);
    assert!(good.requests()[0].certificate.is_some());
    for (leaf, said) in impostors(&authority) {
        let server = Https::start(&leaf, &authority, ok);
        let Err(why) = fetch(&server) else {
            panic!("{said}");
        };
        says(&why, said);
        assert!(server.requests().is_empty());
    }
}

#[test]
fn the_link_knows_an_impostor_too() {
    let authority = Authority::new("the fleet's authority");
    for (leaf, said) in impostors(&authority) {
        let server = Https::start(&leaf, &authority, ok);
        let mqtt = server.address.to_string();
        let identity = authority.identity("lamp-7", &server.url(""), &mqtt);
        let peer = Server::Enrolled(Arc::new(Current::new(identity, Vec::new()).unwrap()));
        let (give, inbox) = orders().unwrap();
        let (sender, events) = channel();
        let thread = thread::spawn(move || {
            let mut say = |event| drop(sender.send(event));
            let mut draw = |_| 3_600_000;
            keep("lamp-7", &peer, Duration::ZERO, &inbox, &mut draw, &mut say);
        });
        match events.recv_timeout(Duration::from_secs(30)).unwrap() {
            Event::Down(why) => says(&why, said),
            other => panic!("{other:?}"),
        }
        give.give(refit_agent::link::Order::Close);
        thread.join().unwrap();
    }
}

#[test]
fn another_host_gets_no_certificate_and_its_own_authorities() {
    let fleet = Authority::new("the fleet's authority");
    let world = Authority::new("an authority of the world");
    let other = Https::start(&world.server(HERE, Valid::Now), &fleet, ok);
    let to = other.url("/elsewhere?theirs=1");
    let home = Https::start(&fleet.server(HERE, Valid::Now), &fleet, move |_| {
        (302, format!("Location: {to}\r\n"), Vec::new())
    });
    let identity = fleet.identity("lamp-7", &home.url(""), "unused");
    let current = Arc::new(Current::new(identity, Vec::new()).unwrap());
    let job = JobId::parse("j").unwrap();
    let get = |more: &str, server: &Https| {
        let client = Client::of(Arc::clone(&current), more).unwrap();
        client.get(
            &job,
            &Grant::Presigned(server.url("/depot/file?sig=secret")),
            0,
            None,
        )
    };
    assert_eq!(get(&world.pem(), &home).unwrap().status, 200);
    assert!(home.requests()[0].certificate.is_some());
    let [request] = &other.requests()[..] else {
        panic!("one request");
    };
    assert!(request.certificate.is_none(), "no certificate for others");
    assert!(!format!("{request:?}").contains("secret"));
    assert!(get("", &other).is_err(), "the world does not know it");
    // The fleet's authority is believed of the fleet's server, and of nobody else.
    let posing = Https::start(&fleet.server(HERE, Valid::Now), &fleet, ok);
    assert!(get("", &posing).is_err());
}

#[test]
fn sessions_are_resumed() {
    let authority = Authority::new("the fleet's authority");
    let server = Https::start(&authority.server(HERE, Valid::Now), &authority, ok);
    let identity = authority.identity("lamp-7", &server.url(""), "unused");
    let current = Arc::new(Current::new(identity, Vec::new()).unwrap());
    let client = Client::of(current, "").unwrap();
    for _ in 0..2 {
        client.document(&server.url("/")).unwrap();
    }
    let resumed: Vec<_> = server.requests().iter().map(|r| r.resumed).collect();
    assert_eq!(resumed, [false, true]);
}
