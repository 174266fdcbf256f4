//! Who is let in to speak HTTP: as fast as handshakes can be paid for, and as many as there are places.
//!
//! While all is taken, whoever comes waits in the kernel; but not for long: then they are turned away, which costs a
//! system call, so that they come back when they choose and the queue stays short.

use std::io::Write as _;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use refit_protocol::network::Cidr;
use refit_tls::pace::{Bucket, Pace};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{sleep, timeout};

use super::later::seconds;
use super::neighbours::{Neighbour, Neighbours};
use crate::counters::{Counters, Shed};

/// How many connections there may be at a time.
pub(super) const CONNECTIONS_MAX: usize = 8192;

/// How long it is waited for a place: longer than a crowd that says nothing may stay.
const PLACE_WAIT_MAX: Duration = Duration::from_secs(3);

/// How long to wait when the system has no socket left.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// After how many seconds to come back, at least.
const AGAIN_S: u32 = 5;

/// A listening socket, and who may come in.
pub(super) struct Door {
    listener: TcpListener,
    places: Arc<Semaphore>,
    neighbours: Arc<Neighbours>,
    /// With no bucket it is plain HTTP: there is no handshake, and a refusal can be read.
    bucket: Option<Bucket>,
    place_wait_max: Duration,
    is_full: bool,
    started: Instant,
    counters: Arc<Counters>,
}

/// A place among all connections, and among those of one network; given back when it is dropped.
pub(super) struct Place {
    _of_all: OwnedSemaphorePermit,
    _of_network: Neighbour,
}

impl Door {
    /// Opens it; with a pace for private connections.
    pub(super) fn new(
        listener: TcpListener,
        pace: Option<Pace>,
        proxies: Vec<Cidr>,
        counters: Arc<Counters>,
    ) -> Self {
        Self {
            listener,
            places: Arc::new(Semaphore::new(CONNECTIONS_MAX)),
            neighbours: Neighbours::new(proxies),
            bucket: pace.map(|pace| Bucket::new(pace, 0)),
            place_wait_max: PLACE_WAIT_MAX,
            is_full: false,
            started: Instant::now(),
            counters,
        }
    }

    /// Returns how many places are left.
    pub(super) fn left(&self) -> usize {
        self.places.available_permits()
    }

    /// Waits for the next one who comes, with a place. It may be dropped at any time, and nobody is lost.
    pub(super) async fn next(&mut self) -> (TcpStream, SocketAddr, Place) {
        loop {
            self.pace().await;
            let place = self.place().await;
            let (stream, remote) = match self.listener.accept().await {
                Ok(accepted) => accepted,
                // Out of descriptors, or the peer left already: neither concerns the others.
                Err(error) => {
                    tracing::warn!("an HTTP connection was not accepted: {error}");
                    sleep(ACCEPT_PAUSE).await;
                    continue;
                }
            };
            // Nobody may have come for long after it was full.
            let place = place.or_else(|| Arc::clone(&self.places).try_acquire_owned().ok());
            let Some(place) = place else {
                self.counters.turned_away.fetch_add(1, Relaxed);
                self.turn_away(stream);
                continue;
            };
            let Some(neighbour) = self.neighbours.enter(remote.ip()) else {
                self.counters.shed(Shed::Network);
                self.turn_away(stream);
                continue;
            };
            let place = Place {
                _of_all: place,
                _of_network: neighbour,
            };
            return (stream, remote, place);
        }
    }

    /// Waits until a handshake may begin. A token is taken for who comes next, before anything is spent on them.
    async fn pace(&mut self) {
        while let Some(bucket) = &mut self.bucket {
            let now = self.started.elapsed().as_millis() as u64;
            let Err(wait) = bucket.take(now) else { return };
            self.counters.paced.fetch_add(1, Relaxed);
            sleep(wait).await;
        }
    }

    /// Takes a place. Once it was waited for in vain, it is not waited for again until there is one.
    async fn place(&mut self) -> Option<OwnedSemaphorePermit> {
        let wait = if self.is_full {
            Duration::ZERO
        } else {
            self.place_wait_max
        };
        let place = timeout(wait, Arc::clone(&self.places).acquire_owned()).await;
        let place = place.ok().and_then(Result::ok);
        self.is_full = place.is_none();
        place
    }

    /// Before TLS there is nothing to be said, so it is just closed; plain HTTP has what fits into the socket at once.
    fn turn_away(&self, stream: TcpStream) {
        if self.bucket.is_some() {
            return;
        }
        let answer = format!(
            "HTTP/1.1 503 Service Unavailable\r\nretry-after: {}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n",
            seconds(AGAIN_S)
        );
        // Whoever cannot take it gets nothing.
        drop(
            stream
                .into_std()
                .and_then(|mut s| s.write_all(answer.as_bytes())),
        );
    }
}

#[cfg(test)]
mod tests {
    use std::io::{ErrorKind, Read as _};

    use super::*;

    struct Hall {
        door: Door,
        at: SocketAddr,
    }

    async fn hall(places: usize, pace: Option<Pace>) -> Hall {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let at = listener.local_addr().unwrap();
        let mut door = Door::new(listener, pace, Vec::new(), Arc::default());
        door.places = Arc::new(Semaphore::new(places));
        door.place_wait_max = Duration::ZERO;
        Hall { door, at }
    }

    fn come(hall: &Hall) -> std::net::TcpStream {
        std::net::TcpStream::connect(hall.at).unwrap()
    }

    const FAST: Pace = Pace {
        per_s: std::num::NonZeroU32::new(1000).unwrap(),
        burst: std::num::NonZeroU32::MIN,
    };

    #[tokio::test]
    async fn whoever_finds_no_place_is_told_when_to_come_back() {
        let mut hall = hall(1, None).await;
        let _first = come(&hall);
        let (_stream, _, place) = hall.door.next().await;
        let mut second = come(&hall);
        let waiting = timeout(Duration::from_millis(50), hall.door.next()).await;
        assert!(waiting.is_err());
        let mut told = String::new();
        second.read_to_string(&mut told).unwrap();
        assert!(told.starts_with("HTTP/1.1 503 "), "{told}");
        assert!(told.contains("\r\nretry-after: "), "{told}");
        assert_eq!(hall.door.counters.turned_away.load(Relaxed), 1);
        drop(place);
        let third = come(&hall);
        let (_, remote, _) = hall.door.next().await;
        assert_eq!(remote, third.local_addr().unwrap());
    }

    #[tokio::test]
    async fn a_place_that_is_free_by_now_is_given() {
        let mut hall = hall(0, None).await;
        let at = hall.at;
        let places = Arc::clone(&hall.door.places);
        let mut next = std::pin::pin!(hall.door.next());
        // It has looked for a place, and waits for somebody now.
        assert!(timeout(Duration::from_millis(50), &mut next).await.is_err());
        places.add_permits(1);
        let client = std::net::TcpStream::connect(at).unwrap();
        let given = timeout(Duration::from_secs(10), next).await;
        let (_, remote, _) = given.unwrap();
        assert_eq!(remote, client.local_addr().unwrap());
    }

    #[tokio::test]
    async fn before_tls_the_refusal_is_a_closed_socket() {
        let mut hall = hall(0, Some(FAST)).await;
        let mut client = come(&hall);
        let waiting = timeout(Duration::from_millis(50), hall.door.next()).await;
        assert!(waiting.is_err());
        match client.read(&mut [0; 1]) {
            Ok(read) => assert_eq!(read, 0),
            Err(error) => assert_eq!(error.kind(), ErrorKind::ConnectionReset),
        }
    }

    #[tokio::test]
    async fn handshakes_begin_no_faster_than_their_pace() {
        let slow = Pace {
            per_s: std::num::NonZeroU32::MIN,
            burst: std::num::NonZeroU32::MIN,
        };
        let mut hall = hall(9, Some(slow)).await;
        let _clients = [come(&hall), come(&hall)];
        drop(hall.door.next().await);
        let second = timeout(Duration::from_millis(50), hall.door.next()).await;
        assert!(second.is_err());
        assert!(hall.door.counters.paced.load(Relaxed) > 0);
    }
}
