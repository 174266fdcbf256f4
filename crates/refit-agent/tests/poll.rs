//! The link of a device that polls, against a server that this test plays.

use crate::https::{Answer, Https, Request};
use crate::pki::{Authority, Valid};
use refit_agent::http::Client;
use refit_agent::identity::current::Current;
use refit_agent::link::{Event, Kind, Order, Orders, Server, orders, poll};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::Duration;

const DELTA: &str = r#"{"version":1,"state":{"lamp":1},"nextPoll":1}"#;

/// A server with a delta under a tag, and how it answers updates.
struct Bench {
    https: Https,
    tag: Arc<Mutex<String>>,
    answer: Arc<Mutex<(u16, String)>>,
    orders: Orders,
    events: Receiver<Event>,
    thread: JoinHandle<()>,
}

impl Bench {
    fn start() -> Self {
        let authority = Authority::new("the fleet's authority");
        let tag = Arc::new(Mutex::new("\"one\"".to_owned()));
        let answer = Arc::new(Mutex::new((200, r#"{"version":1}"#.to_owned())));
        let (its_tag, its_answer) = (Arc::clone(&tag), Arc::clone(&answer));
        let https = Https::start(
            &authority.server("127.0.0.1", Valid::Now),
            &authority,
            move |request| {
                play(
                    request,
                    &its_tag.lock().unwrap(),
                    &its_answer.lock().unwrap(),
                )
            },
        );
        let identity = authority.identity("lamp-7", &https.url(""), "unused");
        let current = Arc::new(Current::new(identity, Vec::new()).unwrap());
        let client = Client::of(Arc::clone(&current), "").unwrap();
        let (give, inbox) = orders().unwrap();
        let (sender, events) = channel();
        let thread = thread::spawn(move || {
            let server = Server::Enrolled(current);
            let mut say = |event| drop(sender.send(event));
            let to = (&server, &client);
            poll::keep("lamp-7", to, Duration::ZERO, &inbox, &mut |_| 5, &mut say);
        });
        Self {
            https,
            tag,
            answer,
            orders: give,
            events,
            thread,
        }
    }

    fn next(&self) -> Event {
        self.events.recv_timeout(Duration::from_secs(30)).unwrap()
    }

    fn hears(&self, kind: Kind, part: &str) {
        match self.next() {
            Event::Message(k, payload) => {
                let text = String::from_utf8(payload).unwrap();
                assert!(k == kind && text.contains(part), "{k:?} {text}");
            }
            other => panic!("{other:?}"),
        }
    }

    fn end(self) {
        self.orders.give(Order::Close);
        self.thread.join().unwrap();
    }
}

fn play(request: &Request, tag: &str, (status, answer): &(u16, String)) -> Answer {
    assert!(request.certificate.is_some(), "by its certificate");
    match &*request.line {
        "GET /device/v1/delta" if request.header("If-None-Match") == Some(tag) => {
            (304, "Refit-Next-Poll: 1\r\n".into(), Vec::new())
        }
        "GET /device/v1/delta" => (200, format!("ETag: {tag}\r\n"), DELTA.into()),
        "POST /device/v1/update" => (*status, String::new(), answer.clone().into_bytes()),
        line => panic!("{line}"),
    }
}

#[test]
fn a_delta_is_taken_once_and_again_when_it_changes_or_is_asked_for() {
    let bench = Bench::start();
    assert!(matches!(bench.next(), Event::Up));
    bench.hears(Kind::Delta, "lamp");
    // The server is asked each second, as it said, and says that nothing changed; then it did.
    while bench.https.requests().len() < 3 {
        thread::yield_now();
    }
    *bench.tag.lock().unwrap() = "\"two\"".into();
    bench.hears(Kind::Delta, "lamp");
    bench.orders.give(Order::Publish(Kind::Get, b"{}".to_vec()));
    bench.hears(Kind::Delta, "lamp");
    bench.end();
}

#[test]
fn an_update_is_answered_and_a_server_in_trouble_is_a_lost_link() {
    let bench = Bench::start();
    assert!(matches!(bench.next(), Event::Up));
    bench.hears(Kind::Delta, "lamp");
    let update = || Order::Publish(Kind::Update, b"{\"clientToken\":\"t\"}".to_vec());
    bench.orders.give(update());
    bench.hears(Kind::Accepted, "version");
    *bench.answer.lock().unwrap() = (409, r#"{"code":409,"message":"no"}"#.into());
    bench.orders.give(update());
    bench.hears(Kind::Rejected, "409");
    let problem = r#"{"status":500,"code":"internal","detail":"oh"}"#;
    *bench.answer.lock().unwrap() = (500, problem.into());
    bench.orders.give(update());
    assert!(matches!(bench.next(), Event::Down(why) if why.contains("oh (HTTP 500)")));
    assert!(matches!(bench.next(), Event::Up));
    bench.hears(Kind::Delta, "lamp");
    let posted = |request: &&Request| request.line.starts_with("POST");
    assert_eq!(bench.https.requests().iter().filter(posted).count(), 3);
    let barred = r#"{"status":403,"code":"device_barred","detail":"the device was revoked"}"#;
    *bench.answer.lock().unwrap() = (403, barred.into());
    bench.orders.give(update());
    assert!(matches!(bench.next(), Event::Down(why) if why.contains("trying again in 45 minutes")));
    bench.end();
}
