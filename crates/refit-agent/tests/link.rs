//! The link against a real broker.

use crate::broker::{Broker, wanted};
use crate::server::Server;
use refit_agent::link::{Event, Inbox, Kind, Order, Orders, Server as Address, keep, orders};
use serde_json::json;
use std::sync::mpsc::{Receiver, channel};
use std::thread::{self, JoinHandle};
use std::time::Duration;

fn linked(broker: &Broker, device: &'static str) -> (Orders, Receiver<Event>, JoinHandle<()>) {
    let (give, inbox): (Orders, Inbox) = orders().unwrap();
    let (sender, events) = channel();
    let address = Address::Mqtt(broker.address());
    let thread = thread::spawn(move || {
        let mut say = |event| drop(sender.send(event));
        keep(
            device,
            &address,
            Duration::ZERO,
            &inbox,
            &mut |_| 5,
            &mut say,
        );
    });
    (give, events, thread)
}

fn next(events: &Receiver<Event>) -> Event {
    events
        .recv_timeout(Duration::from_secs(30))
        .expect("an event of the link")
}

#[test]
fn messages_go_both_ways_and_the_link_closes_when_told() {
    if !wanted() {
        return;
    }
    let broker = Broker::start();
    let mut server = Server::connect(&broker);
    let (orders, events, thread) = linked(&broker, "d1");
    assert!(matches!(next(&events), Event::Up));
    server.say("d1", "update/delta", &json!({"n": 1}));
    server.say("d2", "update/delta", &json!({"n": 2}));
    server.say("d1", "update/accepted", &json!({"n": 3}));
    for (kind, text) in [(Kind::Delta, r#"{"n":1}"#), (Kind::Accepted, r#"{"n":3}"#)] {
        match next(&events) {
            Event::Message(k, payload) => assert_eq!((k, &payload[..]), (kind, text.as_bytes())),
            other => panic!("{other:?}"),
        }
    }
    for n in 0..100 {
        orders.give(Order::Publish(
            Kind::Update,
            json!({"n": n}).to_string().into(),
        ));
    }
    for n in 0..100 {
        let heard = server.hear();
        assert_eq!(
            (heard.topic.as_str(), &heard.document["n"]),
            ("state/d1/update", &json!(n))
        );
    }
    orders.give(Order::Close);
    thread.join().unwrap();
}

#[test]
fn a_lost_connection_is_made_again_and_old_orders_are_forgotten() {
    if !wanted() {
        return;
    }
    let mut broker = Broker::start();
    let (orders, events, thread) = linked(&broker, "d1");
    assert!(matches!(next(&events), Event::Up));
    broker.kill();
    assert!(matches!(next(&events), Event::Down(_)));
    orders.give(Order::Publish(Kind::Update, r#"{"n":"old"}"#.into()));
    assert!(
        matches!(next(&events), Event::Down(_)),
        "it tries again while the broker is away"
    );
    broker.restart();
    let mut server = Server::connect(&broker);
    while !matches!(next(&events), Event::Up) {}
    orders.give(Order::Publish(Kind::Get, r#"{"n":"new"}"#.into()));
    let heard = server.hear();
    assert_eq!(
        (heard.topic.as_str(), &heard.document["n"]),
        ("state/d1/get", &json!("new"))
    );
    orders.give(Order::Close);
    thread.join().unwrap();
}

#[test]
fn a_taken_over_connection_says_so() {
    if !wanted() {
        return;
    }
    let broker = Broker::start();
    let (first, events, thread) = linked(&broker, "d1");
    assert!(matches!(next(&events), Event::Up));
    let (second, _others, other_thread) = linked(&broker, "d1");
    match next(&events) {
        Event::Down(why) => assert!(
            why.contains("taken over") || why.contains("closed"),
            "{why}"
        ),
        other => panic!("{other:?}"),
    }
    first.give(Order::Close);
    second.give(Order::Close);
    thread.join().unwrap();
    other_thread.join().unwrap();
}

#[test]
fn closing_ends_a_link_that_cannot_connect() {
    if !wanted() {
        return;
    }
    let mut broker = Broker::start();
    broker.kill();
    let (give, inbox) = orders().unwrap();
    let (sender, events) = channel();
    let address = Address::Mqtt(broker.address());
    let thread = thread::spawn(move || {
        let mut say = |event| drop(sender.send(event));
        // A back-off of an hour, which the order cuts short.
        keep(
            "d1",
            &address,
            Duration::ZERO,
            &inbox,
            &mut |_| 3_600_000,
            &mut say,
        );
    });
    assert!(matches!(next(&events), Event::Down(_)));
    give.give(Order::Close);
    thread.join().unwrap();
}
