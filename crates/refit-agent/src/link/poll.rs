//! The link of a device that polls (semantics 41): it asks over HTTPS for its delta when the server said that it
//! should, and posts what it has to say. For devices that a network keeps from MQTT, or that sleep most of the time.
//!
//! It is up while the server answers. A delta that has not changed is not sent again: each has an entity tag.

use super::back_off::{BackOff, Lost, Then};
use super::{Event, Inbox, Kind, LASTED, Order, Server, pause, told};
use crate::http::{Client, Reply};
use serde_json::{Map, Value};
use std::time::{Duration, Instant};
use ureq::http::{HeaderName, header};

/// The time between two questions if the server says nothing of it, and its bounds if it does.
const NEXT: Duration = Duration::from_secs(5 * 60);
const NEXT_MIN: Duration = Duration::from_secs(1);
const NEXT_MAX: Duration = Duration::from_secs(24 * 60 * 60);

/// Names the device to a server that runs with `--dev`.
const DEVICE: HeaderName = HeaderName::from_static("refit-device");

/// Keeps polling until it is told to close. `draw` gives a number below its argument.
pub fn keep(
    device: &str,
    (server, client): (&Server, &Client),
    first_wait: Duration,
    inbox: &Inbox,
    draw: &mut dyn FnMut(u64) -> u64,
    say: &mut dyn FnMut(Event),
) {
    let mut back_off = BackOff::default();
    let mut wait = first_wait;
    loop {
        if pause(inbox, wait) {
            return;
        }
        let begun = Instant::now();
        let mut poller = Poller {
            device,
            server,
            client,
            tag: None,
            next: NEXT,
        };
        let Err(lost) = poller.session(inbox, say) else {
            return;
        };
        if begun.elapsed() >= LASTED {
            back_off.lasted();
        }
        wait = back_off.next(lost.then, draw);
        if lost.then == Then::Refused {
            say(Event::Refused);
        }
        say(Event::Down(told(lost, wait)));
    }
}

struct Poller<'a> {
    device: &'a str,
    server: &'a Server,
    client: &'a Client,
    /// The delta that is known.
    tag: Option<String>,
    next: Duration,
}

impl Poller<'_> {
    /// Polls until it is told to close: `Ok`; or the server does not answer as it should.
    fn session(&mut self, inbox: &Inbox, say: &mut dyn FnMut(Event)) -> Result<(), Lost> {
        let first = self.delta()?;
        inbox.forget();
        say(Event::Up);
        first.into_iter().for_each(&mut *say);
        let mut due = Instant::now() + self.next;
        loop {
            match inbox.next() {
                Some(Order::Close) => return Ok(()),
                Some(Order::Publish(Kind::Get, _)) => {
                    self.tag = None; // the same again, with a fresh grant
                    due = Instant::now();
                }
                Some(Order::Publish(_, payload)) => say(self.update(payload)?),
                None => {
                    let left = due.saturating_duration_since(Instant::now());
                    if left.is_zero() {
                        self.delta()?.into_iter().for_each(&mut *say);
                        due = Instant::now() + self.next;
                    } else {
                        inbox
                            .wait(None, left)
                            .map_err(|e| format!("waiting failed: {e}"))?;
                    }
                }
            }
        }
    }

    /// Asks for the delta; `None` if there is none, or it is the one that is known.
    fn delta(&mut self) -> Result<Option<Event>, Lost> {
        let mut headers = self.headers();
        headers.extend(self.tag.clone().map(|tag| (header::IF_NONE_MATCH, tag)));
        let url = format!("{}/device/v1/delta", self.base()?);
        let reply = self
            .client
            .ask(&url, &headers)
            .map_err(|e| format!("cannot ask {url}: {e}"))?;
        let document: Map<String, Value> = serde_json::from_slice(&reply.body).unwrap_or_default();
        let said = document.get("nextPoll").and_then(Value::as_u64);
        if let Some(seconds) = said.or(reply.next_poll) {
            self.next = Duration::from_secs(seconds).clamp(NEXT_MIN, NEXT_MAX);
        }
        match reply.status {
            200 => {
                self.tag = reply.entity_tag;
                let is_delta = document.contains_key("state");
                Ok(is_delta.then_some(Event::Message(Kind::Delta, reply.body)))
            }
            204 | 304 => Ok(None),
            _ => Err(refused(&url, &reply)),
        }
    }

    fn update(&self, payload: Vec<u8>) -> Result<Event, Lost> {
        let url = format!("{}/device/v1/update", self.base()?);
        let document = String::from_utf8(payload).map_err(|_| "an update is not text")?;
        let reply = self
            .client
            .post_with(&url, document, &self.headers())
            .map_err(|e| format!("cannot tell {url}: {e}"))?;
        let document: Map<String, Value> = serde_json::from_slice(&reply.body).unwrap_or_default();
        // A number, as in `rejected`; the code of a problem is a word.
        let decided = document.get("code").is_some_and(Value::is_u64);
        match reply.status {
            200..=299 => Ok(Event::Message(Kind::Accepted, reply.body)),
            // A decision about the update; without one it is the server's own trouble, or the identity's.
            _ if decided => Ok(Event::Message(Kind::Rejected, reply.body)),
            _ => Err(refused(&url, &reply)),
        }
    }

    fn base(&self) -> Result<String, Lost> {
        match self.server {
            Server::Enrolled(current) => Ok(current.get().identity.server.clone()),
            Server::Http(base) => Ok(base.trim_end_matches('/').to_owned()),
            Server::Mqtt(_) => Err("a device that polls needs an HTTP address".into()),
        }
    }

    fn headers(&self) -> Vec<(HeaderName, String)> {
        match self.server {
            Server::Http(_) => vec![(DEVICE, self.device.to_owned())],
            Server::Enrolled(_) | Server::Mqtt(_) => Vec::new(), // its certificate says who it is
        }
    }
}

fn refused(url: &str, reply: &Reply) -> Lost {
    let problem = reply.problem();
    let then = match reply.status {
        429 | 503 => Then::Busy(reply.retry_after.map(Duration::from_secs)),
        401 | 403 if reply.is_barred() => Then::Revoked,
        401 | 403 => Then::Refused,
        _ => Then::Again,
    };
    Lost {
        reason: format!("{url} answered: {problem}"),
        then,
    }
}
