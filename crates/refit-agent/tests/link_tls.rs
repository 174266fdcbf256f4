//! The link with an identity, against a real broker that speaks TLS and asks for certificates.

use crate::broker::{Broker, Certificates, wanted};
use crate::pki::{Authority, Valid};
use crate::program::command;
use refit_agent::files::Real;
use refit_agent::identity::current::Current;
use refit_agent::identity::store::Store;
use refit_agent::link::{Event, Kind, Order, Server, keep, orders};
use std::fs::Permissions;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::process::Stdio;
use std::sync::Arc;
use std::sync::mpsc::channel;
use std::thread;
use std::time::Duration;

/// Nobody answers there: what the agent asks for over HTTPS is for other tests.
const NOWHERE: &str = "https://127.0.0.1:9";

fn secure_broker(authority: &Authority) -> Broker {
    let leaf = authority.server("127.0.0.1", Valid::Now);
    Broker::start_with(Some(&Certificates {
        authority: authority.pem(),
        certificate: leaf.certificate_pem(),
        key: leaf.key_pem(),
    }))
}

#[test]
fn the_program_finds_all_under_its_root_and_guards_its_key() {
    if !wanted() {
        return;
    }
    let authority = Authority::new("the fleet's authority");
    let broker = secure_broker(&authority);
    let mut server = crate::server::Server::connect(&broker);
    let home = tempfile::tempdir().unwrap();
    let identity = authority.identity("lamp-7", NOWHERE, &broker.secure_address());
    Store::new(&Real, home.path()).keep(&identity).unwrap();
    let key = home.path().join("identity/key.pem");
    std::fs::set_permissions(&key, Permissions::from_mode(0o644)).unwrap();
    let mut child = command()
        .args(["run", "--root"])
        .arg(home.path())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let heard = server.hear();
    assert_eq!(heard.topic, "state/lamp-7/update");
    assert_eq!(heard.document["state"]["reported"]["agent"]["trust"], 1);
    assert_eq!(key.metadata().unwrap().mode() & 0o777, 0o600);
    child.kill().unwrap();
    let said = child.wait_with_output().unwrap().stderr;
    let said = String::from_utf8(said).unwrap();
    assert!(said.contains("could be read by others") && said.contains("connected"));
    assert!(!said.contains("PRIVATE KEY"));

    let other = command()
        .args(["run", "--id", "lamp-8", "--root"])
        .arg(home.path())
        .output()
        .unwrap();
    let said = String::from_utf8(other.stderr).unwrap();
    assert!(said.contains("that of the device lamp-7"), "{said}");
}

#[test]
fn a_root_without_an_identity_says_what_to_do() {
    let home = tempfile::tempdir().unwrap();
    let output = command()
        .args(["run", "--root"])
        .arg(home.path())
        .output()
        .unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(
        !output.status.success() && said.contains("enrol first"),
        "{said}"
    );
}

#[test]
fn messages_of_all_sizes_go_both_ways_over_tls() {
    if !wanted() {
        return;
    }
    let authority = Authority::new("the fleet's authority");
    let broker = secure_broker(&authority);
    let identity = authority.identity("lamp-7", NOWHERE, &broker.secure_address());
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
