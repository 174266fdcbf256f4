//! Accepting connections, and ending them all.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use refit_engine::fleet::Fleet;
use refit_tls::ServerConfig;
use refit_tls::pace::Bucket;
use refit_tls::stream::TlsStream;
use socket2::{Domain, Protocol, Socket, TcpKeepalive, Type};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use crate::driver::{Connection, House};
use crate::figures::{Figures, rise};
use crate::identity::Gate;
use crate::present::Present;
use crate::quota::{Excess, Fights, Quota, Register, Shared, Strangers, TICK};

/// Connections that the kernel keeps for us before we accept them. With fewer, a fleet that comes back at once loses
/// its first SYNs and waits seconds (measured: with 100, a second at the 99th percentile).
const BACKLOG: i32 = 4096;

/// How long accepting pauses when it fails for want of something, such as descriptors.
const PAUSE: Duration = Duration::from_millis(100);

/// After this silence the kernel asks whether the other end is there: the last resort for 3.1.1 clients without a
/// keep-alive.
const TCP_KEEPALIVE: Duration = Duration::from_secs(300);

/// What an endpoint is made of.
pub struct Parts {
    /// The engine.
    pub fleet: Fleet,
    /// Who decides who is who.
    pub gate: Arc<dyn Gate>,
    /// Limits.
    pub quota: Quota,
    /// How connections become private; `None`: plain text.
    pub tls: Option<Arc<ServerConfig>>,
}

/// A listening endpoint. Dropping it stops accepting; open connections stay, without deadlines, until the runtime ends.
pub struct Endpoint {
    address: SocketAddr,
    house: Arc<House>,
    accepting: JoinHandle<()>,
    ringing: JoinHandle<()>,
}

impl Endpoint {
    /// Listens on an address (port 0: any). It must be called within a tokio runtime.
    pub fn start(address: SocketAddr, parts: Parts) -> io::Result<Self> {
        let listener = listen(address)?;
        let address = listener.local_addr()?;
        let figures = Arc::new(Figures::default());
        let register = Register::new(Arc::clone(&figures), parts.quota.connections_max);
        let house = Arc::new(House {
            fleet: parts.fleet,
            gate: parts.gate,
            strangers: Arc::new(Strangers::new(&parts.quota)),
            fights: Fights::default(),
            excess: Excess::default(),
            shared: Shared::default(),
            quota: parts.quota,
            figures,
            register: Arc::new(register),
            present: Arc::default(),
            stopping: Arc::new(Notify::new()),
            started: now(),
        });
        let accepting = tokio::spawn(accept(listener, Arc::clone(&house), parts.tls));
        Ok(Self {
            address,
            ringing: tokio::spawn(ring(Arc::clone(&house))),
            house,
            accepting,
        })
    }

    /// Returns the address that it listens on.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Returns the figures.
    pub fn figures(&self) -> Arc<Figures> {
        Arc::clone(&self.house.figures)
    }

    /// Returns the applications that are connected: whoever takes rights away has them looked at again.
    pub fn present(&self) -> Arc<Present> {
        Arc::clone(&self.house.present)
    }

    /// Stops accepting, tells everybody, and waits until all are gone, but not longer than `within`. Returns how many
    /// are left then; they end with the runtime.
    pub async fn stop(mut self, within: Duration) -> usize {
        self.accepting.abort();
        // It ends with "cancelled"; what counts is that the listening socket is closed.
        drop((&mut self.accepting).await);
        let register = &self.house.register;
        let empty = register.empty.notified();
        register.stop();
        self.house.stopping.notify_waiters();
        if register.len() > 0 {
            drop(tokio::time::timeout(within, empty).await);
        }
        register.len()
    }
}

impl Drop for Endpoint {
    fn drop(&mut self) {
        self.accepting.abort();
        self.ringing.abort();
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "the one moment that times are counted from"
)]
fn now() -> Instant {
    Instant::now()
}

/// Accepted sockets inherit what is set here.
fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(
        Domain::for_address(address),
        Type::STREAM,
        Some(Protocol::TCP),
    )?;
    socket.set_reuse_address(true)?;
    socket.set_tcp_nodelay(true)?;
    socket.set_tcp_keepalive(&TcpKeepalive::new().with_time(TCP_KEEPALIVE))?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    TcpListener::from_std(socket.into())
}

/// Wakes connections that are due.
async fn ring(house: Arc<House>) {
    loop {
        tokio::time::sleep(TICK).await;
        house.register.ring(house.now());
    }
}

async fn accept(listener: TcpListener, house: Arc<House>, tls: Option<Arc<ServerConfig>>) {
    let mut bucket = house.quota.pace.map(|pace| Bucket::new(pace, house.now()));
    let mut is_failing = false;
    loop {
        // Before anything is spent on it. Meanwhile the kernel keeps those that come.
        if let Some(wait) = bucket.as_mut().and_then(|b| b.take(house.now()).err()) {
            rise(&house.figures.paced);
            tokio::time::sleep(wait).await;
            continue;
        }
        match listener.accept().await {
            Ok((stream, peer)) => {
                is_failing = false;
                rise(&house.figures.accepted);
                welcome(stream, peer, &house, tls.as_ref());
            }
            Err(error) if is_of_one_connection(&error) => {}
            Err(error) => {
                if !is_failing {
                    tracing::error!("no connection can be accepted: {error}; trying again");
                }
                is_failing = true;
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
}

/// Starts a connection, if there is room for it; else it is closed here.
fn welcome(
    stream: TcpStream,
    peer: SocketAddr,
    house: &Arc<House>,
    tls: Option<&Arc<ServerConfig>>,
) {
    let Some(stranger) = house.strangers.enter(peer.ip()) else {
        rise(&house.figures.strangers_refused);
        return;
    };
    // Before the ticket: who is let in just before the stop hears of it.
    let stopping = Arc::clone(&house.stopping).notified_owned();
    let Some(ticket) = house.register.enter() else {
        return;
    };
    let house = Arc::clone(house);
    match tls {
        None => {
            let connection = Connection::new(stream, peer, house, ticket, stranger, stopping);
            drop(tokio::spawn(connection));
        }
        Some(tls) => match TlsStream::new(stream, Arc::clone(tls)) {
            Ok(stream) => {
                let connection = Connection::new(stream, peer, house, ticket, stranger, stopping);
                drop(tokio::spawn(connection));
            }
            Err(error) => tracing::error!("TLS cannot be spoken: {error}"),
        },
    }
}

/// Tells whether only the connection that was to be accepted is gone.
fn is_of_one_connection(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::Interrupted
    )
}
