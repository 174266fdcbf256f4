//! The connection to the server: kept, and made again when it is lost. It knows nothing of jobs.
#![expect(clippy::disallowed_methods, reason = "it waits for a network")]

pub mod mqtt;

use crate::http::Client;
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

/// The bounds of the back-off; each wait is drawn from all below its bound (full jitter).
const BACK_OFF_FIRST: Duration = Duration::from_secs(1);
const BACK_OFF_LAST: Duration = Duration::from_secs(5 * 60);

/// The port of MQTT without TLS.
const MQTT_PORT: u16 = 1883;

/// What the link says.
#[derive(Debug)]
pub enum Event {
    /// It is up, and the device has subscribed.
    Up,
    /// It is down, for this reason.
    Down(String),
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
    /// Its HTTP address, which is asked for the rest.
    Http(String),
    /// Its MQTT address.
    Mqtt(String),
}

/// A byte stream that can be waited for. TLS will be another one.
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
    let client = Client::new();
    let mut bound = BACK_OFF_FIRST;
    let mut wait = first_wait;
    loop {
        if pause(inbox, wait) {
            return;
        }
        let begun = Instant::now();
        let ended = connect(server, &client)
            .and_then(|mut stream| mqtt::session(&mut stream, device, inbox, say));
        match ended {
            Ok(()) => return,
            Err(reason) => say(Event::Down(reason)),
        }
        if begun.elapsed() >= LASTED {
            bound = BACK_OFF_FIRST;
        }
        wait = Duration::from_millis(draw(bound.as_millis() as u64));
        bound = (bound * 2).min(BACK_OFF_LAST);
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

fn connect(server: &Server, client: &Client) -> Result<TcpStream, String> {
    let address = match server {
        Server::Mqtt(address) => address.clone(),
        Server::Http(base) => ask(base, client)?,
    };
    let failed = |e: io::Error| format!("cannot connect to {address}: {e}");
    let mut last = io::Error::from(io::ErrorKind::AddrNotAvailable);
    for socket in with_port(&address).to_socket_addrs().map_err(failed)? {
        match TcpStream::connect_timeout(&socket, CONNECT) {
            Ok(stream) => {
                stream.set_nodelay(true).map_err(failed)?;
                stream.set_nonblocking(true).map_err(failed)?;
                return Ok(stream);
            }
            Err(e) => last = e,
        }
    }
    Err(failed(last))
}

fn with_port(address: &str) -> String {
    let has_port = address
        .rsplit_once(':')
        .is_some_and(|(_, port)| port.parse::<u16>().is_ok());
    if has_port {
        address.into()
    } else {
        format!("{address}:{MQTT_PORT}")
    }
}

/// Asks the server for its MQTT address.
fn ask(base: &str, client: &Client) -> Result<String, String> {
    let url = format!("{}/device/v1/bootstrap", base.trim_end_matches('/'));
    let document = client
        .document(&url)
        .map_err(|e| format!("cannot ask {url}: {e}"))?;
    let document: serde_json::Value = serde_json::from_slice(&document)
        .map_err(|_| format!("{url} did not answer with JSON: is it a Refit server?"))?;
    let address = document
        .get("mqtt")
        .and_then(|mqtt| mqtt.as_str())
        .unwrap_or_default();
    match address.split_once("://") {
        Some(("mqtt", address)) => Ok(address.trim_end_matches('/').into()),
        _ => Err(format!(
            "{url} names no MQTT address that this agent can use ({address:?})"
        )),
    }
}
