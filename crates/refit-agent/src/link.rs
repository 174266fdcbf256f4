//! The connection to the server: kept, and made again when it is lost. It knows nothing of jobs.
#![expect(clippy::disallowed_methods, reason = "it waits for a network")]

pub mod back_off;
pub mod mqtt;
pub mod poll;
mod secure;

use crate::http::Client;
use crate::identity::current::Current;
use crate::tls;
use back_off::{BackOff, Lost, Then};
use rustix::event::{EventfdFlags, PollFd, PollFlags, Timespec, eventfd, poll};
use std::cell::Cell;
use std::io::{self, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};

pub use refit_protocol::topic::Kind;

/// The time to connect to one address.
const CONNECT: Duration = Duration::from_secs(15);

/// A connection that lasted this long was a good one: the back-off begins anew after it.
const LASTED: Duration = Duration::from_secs(60);

/// The port of MQTT without TLS.
const MQTT_PORT: u16 = 1883;

/// The port of MQTT with TLS.
const MQTTS_PORT: u16 = 8883;

/// What the link says.
#[derive(Debug)]
pub enum Event {
    /// It is up, and the device has subscribed.
    Up,
    /// It is down, for this reason.
    Down(String),
    /// The server did not take the identity; that it is down follows.
    Refused,
    /// A message came.
    Message(Kind, Vec<u8>),
}

/// What the link is told.
#[derive(Debug)]
pub enum Order {
    /// Publish, with QoS 1.
    Publish(Kind, Vec<u8>),
    /// Say good-bye and end.
    Close,
}

/// Where the server is.
#[derive(Clone, Debug)]
pub enum Server {
    /// Where the identity says, with TLS.
    Enrolled(Arc<Current>),
    /// The HTTP address of one that runs with `--dev`, which is asked for the rest.
    Http(String),
    /// The MQTT address of one that runs with `--dev`.
    Mqtt(String),
}

/// How the device speaks with it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Via {
    /// A connection that stands, over MQTT.
    #[default]
    Mqtt,
    /// Questions over HTTP, when the server says.
    Poll,
}

/// A byte stream that can be waited for.
pub trait Stream: Read + Write + Send {
    /// Returns what to wait on.
    fn fd(&self) -> BorrowedFd<'_>;
}

impl Stream for TcpStream {
    fn fd(&self) -> BorrowedFd<'_> {
        self.as_fd()
    }
}

/// The end that gives orders.
#[derive(Clone)]
pub struct Orders {
    queue: Sender<Order>,
    bell: Arc<OwnedFd>,
}

impl Orders {
    /// Gives an order. One that comes too late, when the link has ended, is lost with it.
    pub fn give(&self, order: Order) {
        drop(self.queue.send(order));
        let _ = rustix::io::write(&*self.bell, &1u64.to_ne_bytes());
    }
}

/// The end that takes them.
pub struct Inbox {
    queue: Receiver<Order>,
    bell: Arc<OwnedFd>,
    closing: Cell<bool>,
}

/// Makes a queue of orders whose bell can be waited for together with a socket.
pub fn orders() -> io::Result<(Orders, Inbox)> {
    let bell = Arc::new(eventfd(0, EventfdFlags::NONBLOCK | EventfdFlags::CLOEXEC)?);
    let (sender, queue) = channel();
    let orders = Orders {
        queue: sender,
        bell: Arc::clone(&bell),
    };
    let inbox = Inbox {
        queue,
        bell,
        closing: Cell::new(false),
    };
    Ok((orders, inbox))
}

impl Inbox {
    /// Returns the next order, if there is one.
    fn next(&self) -> Option<Order> {
        if self.closing.get() {
            return Some(Order::Close);
        }
        self.queue.try_recv().ok()
    }

    /// Drops what was ordered for an earlier connection; but an order to close stands.
    fn forget(&self) {
        while let Ok(order) = self.queue.try_recv() {
            if matches!(order, Order::Close) {
                self.closing.set(true);
            }
        }
    }

    fn silence(&self) {
        let mut count = [0; 8];
        let _ = rustix::io::read(&*self.bell, &mut count);
    }

    /// Waits until an order may be there, or the stream is ready, or the time is over.
    fn wait(&self, stream: Option<(&dyn Stream, PollFlags)>, time: Duration) -> io::Result<()> {
        let timeout = Timespec::try_from(time).unwrap_or(Timespec {
            tv_sec: 3600,
            tv_nsec: 0,
        });
        let bell = PollFd::new(&*self.bell, PollFlags::IN);
        let ready = match stream {
            Some((stream, flags)) => {
                let stream = PollFd::from_borrowed_fd(stream.fd(), flags);
                poll(&mut [bell, stream], Some(&timeout))
            }
            None => poll(&mut [bell], Some(&timeout)),
        };
        self.silence();
        match ready {
            Ok(_) | Err(rustix::io::Errno::INTR) => Ok(()),
            Err(e) => Err(e.into()),
        }
    }
}

/// Keeps the device connected until it is told to close. `draw` gives a number below its argument.
pub fn keep(
    device: &str,
    server: &Server,
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
        let ended =
            connect(server).and_then(|mut stream| mqtt::session(&mut *stream, device, inbox, say));
        let Err(lost) = ended else {
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

fn told(lost: Lost, wait: Duration) -> String {
    let Lost { reason, then } = lost;
    let minutes = wait.as_secs() / 60;
    match then {
        Then::Again | Then::Refused => reason,
        Then::Busy(_) => format!("{reason}; trying again in {} s", wait.as_secs()),
        Then::Revoked => format!(
            "{reason}. Nothing is deleted, what runs goes on; trying again in {minutes} minutes"
        ),
    }
}

/// Waits; what is ordered meanwhile is out of date by then. Tells whether it is to close.
fn pause(inbox: &Inbox, time: Duration) -> bool {
    let until = Instant::now() + time;
    loop {
        inbox.forget();
        if inbox.closing.get() {
            return true;
        }
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return false;
        }
        if inbox.wait(None, left).is_err() {
            std::thread::sleep(left.min(Duration::from_secs(1)));
        }
    }
}

fn connect(server: &Server) -> Result<Box<dyn Stream>, Lost> {
    match server {
        Server::Mqtt(address) => plain(address),
        Server::Http(base) => plain(&ask(base)?),
        Server::Enrolled(current) => {
            let bearer = current.get();
            let address = with_port(&bearer.identity.mqtt, MQTTS_PORT);
            let (host, _) = address.rsplit_once(':').unwrap_or_default();
            let socket = dial(&address)?;
            let secure = secure::Secure::connect(socket, host, &bearer.tls)
                .map_err(|e| lost(&format!("cannot connect to {address}"), &e))?;
            Ok(Box::new(secure))
        }
    }
}

fn plain(address: &str) -> Result<Box<dyn Stream>, Lost> {
    let address = with_port(address, MQTT_PORT);
    let socket = dial(&address)?;
    socket
        .set_nonblocking(true)
        .map_err(|e| format!("cannot connect to {address}: {e}"))?;
    Ok(Box::new(socket))
}

fn dial(address: &str) -> Result<TcpStream, Lost> {
    let failed = |e: io::Error| format!("cannot connect to {address}: {e}");
    let mut last = io::Error::from(io::ErrorKind::AddrNotAvailable);
    for socket in address.to_socket_addrs().map_err(failed)? {
        match TcpStream::connect_timeout(&socket, CONNECT) {
            Ok(stream) => {
                stream.set_nodelay(true).map_err(failed)?;
                return Ok(stream);
            }
            Err(e) => last = e,
        }
    }
    Err(failed(last).into())
}

/// Says what an error of a stream means.
fn lost(what: &str, e: &io::Error) -> Lost {
    match tls::inside(e) {
        None => format!("{what}: {e}").into(),
        Some(said) => Lost {
            reason: format!("{what}: {}", tls::explain(said)),
            then: match said {
                said if tls::revoked(said) => Then::Revoked,
                rustls::Error::AlertReceived(_) => Then::Refused,
                _ => Then::Again,
            },
        },
    }
}

fn with_port(address: &str, port: u16) -> String {
    let has_port = address
        .rsplit_once(':')
        .is_some_and(|(host, port)| port.parse::<u16>().is_ok() && !host.ends_with(':'));
    if has_port {
        address.into()
    } else {
        format!("{address}:{port}")
    }
}

/// Asks the server for its MQTT address.
fn ask(base: &str) -> Result<String, Lost> {
    let url = format!("{}/device/v1/bootstrap", base.trim_end_matches('/'));
    let reply = Client::new()?
        .document(&url)
        .map_err(|e| format!("cannot ask {url}: {e}"))?;
    if reply.status != 200 {
        let then = match reply.status {
            429 | 503 => Then::Busy(reply.retry_after.map(Duration::from_secs)),
            _ => Then::Again,
        };
        let reason = format!("{url} answered HTTP {}", reply.status);
        return Err(Lost { reason, then });
    }
    let document: serde_json::Value = serde_json::from_slice(&reply.body)
        .map_err(|_| format!("{url} did not answer with JSON: is it a Refit server?"))?;
    let address = document
        .get("mqtt")
        .and_then(|mqtt| mqtt.as_str())
        .unwrap_or_default();
    match address.split_once("://") {
        Some(("mqtt", address)) => Ok(address.trim_end_matches('/').into()),
        _ => Err(format!(
            "{url} names no MQTT address that this agent can use ({address:?}): enrol the device if the server \
             runs without --dev"
        )
        .into()),
    }
}
