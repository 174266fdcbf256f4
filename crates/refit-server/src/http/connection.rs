//! The connections: HTTP/1.1, with a bound on how many, how large a head, and how long anything may stand still.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::Router;
use hyper::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::{Sleep, sleep};

use super::origin::RemoteAddress;
use crate::counters::{Counters, Gauge};

/// How many connections there may be at a time; more wait to be accepted.
const CONNECTIONS_MAX: usize = 8192;

/// How long a request's head may take to arrive, and a connection may idle before the next.
const HEAD_MAX: Duration = Duration::from_secs(10);

/// The same when fewer than this many places are left: a crowd that says nothing must not keep others waiting long.
const HEAD_IN_A_CROWD_MAX: Duration = Duration::from_secs(2);
const CROWD_LEAVES: usize = CONNECTIONS_MAX / 4;

/// How long a peer may read nothing of an answer that is ready for it.
const STALL_MAX: Duration = Duration::from_secs(60);

/// How many header lines a request may have, and how many bytes its head.
const HEADERS_MAX: usize = 64;
const HEAD_BYTES_MAX: usize = 32 << 10;

/// How long to wait when the system has no socket left.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Serves until it is told to stop, then lets what is under way come to its end.
pub(crate) async fn serve(
    listener: TcpListener,
    router: Router,
    counters: Arc<Counters>,
    mut stopping: watch::Receiver<bool>,
) {
    let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let mut connections = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            () = told_to_stop(&mut stopping) => break,
            Some(_) = connections.join_next() => continue,
            accepted = accept(&listener, &places) => accepted,
        };
        let Some((stream, remote, place)) = accepted else {
            break;
        };
        let (router, counters, stopping) =
            (router.clone(), Arc::clone(&counters), stopping.clone());
        let head_max = head_max(places.available_permits());
        connections.spawn(async move {
            let _open = Gauge::up(&counters.connections);
            converse(stream, remote, head_max, router, stopping).await;
            drop(place);
        });
    }
    drop(listener);
    while connections.join_next().await.is_some() {}
}

/// Returns how long a head may take, with this many places left.
const fn head_max(places: usize) -> Duration {
    if places < CROWD_LEAVES {
        HEAD_IN_A_CROWD_MAX
    } else {
        HEAD_MAX
    }
}

async fn told_to_stop(stopping: &mut watch::Receiver<bool>) {
    // If nobody is there any more to say so, the server is gone.
    drop(stopping.wait_for(|stopping| *stopping).await);
}

async fn accept(
    listener: &TcpListener,
    places: &Arc<Semaphore>,
) -> Option<(TcpStream, SocketAddr, tokio::sync::OwnedSemaphorePermit)> {
    let place = Arc::clone(places).acquire_owned().await.ok()?;
    loop {
        match listener.accept().await {
            Ok((stream, remote)) => return Some((stream, remote, place)),
            // Out of descriptors, or the peer left already: neither concerns the others.
            Err(error) => {
                tracing::warn!("an HTTP connection was not accepted: {error}");
                sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

async fn converse(
    stream: TcpStream,
    remote: SocketAddr,
    head_max: Duration,
    router: Router,
    mut stopping: watch::Receiver<bool>,
) {
    drop(stream.set_nodelay(true));
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new())
        .header_read_timeout(head_max)
        .max_headers(HEADERS_MAX)
        .max_buf_size(HEAD_BYTES_MAX);
    let router = TowerToHyperService::new(router);
    let service = service_fn(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(RemoteAddress(remote));
        router.call(request)
    });
    let mut connection = pin!(http.serve_connection(TokioIo::new(Watched::new(stream)), service));
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = told_to_stop(&mut stopping) => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!("an HTTP connection ended: {error}");
    }
}

/// A stream whose writes fail when the peer has read nothing for too long.
struct Watched {
    stream: TcpStream,
    stalled: Option<Pin<Box<Sleep>>>,
}

impl Watched {
    const fn new(stream: TcpStream) -> Self {
        Self {
            stream,
            stalled: None,
        }
    }

    fn watch<T>(
        &mut self,
        context: &mut Context<'_>,
        write: impl FnOnce(Pin<&mut TcpStream>, &mut Context<'_>) -> Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        match write(Pin::new(&mut self.stream), context) {
            Poll::Ready(written) => {
                self.stalled = None;
                Poll::Ready(written)
            }
            Poll::Pending => {
                let stalled = self
                    .stalled
                    .get_or_insert_with(|| Box::pin(sleep(STALL_MAX)));
                ready!(stalled.as_mut().poll(context));
                Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
            }
        }
    }
}

impl AsyncRead for Watched {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for Watched {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.watch(context, |stream, context| stream.poll_write(context, bytes))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.watch(context, |stream, context| {
            stream.poll_write_vectored(context, bytes)
        })
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_crowd_has_less_time_to_say_what_it_wants() {
        assert_eq!(head_max(CONNECTIONS_MAX), HEAD_MAX);
        assert_eq!(head_max(CROWD_LEAVES), HEAD_MAX);
        assert_eq!(head_max(CROWD_LEAVES - 1), HEAD_IN_A_CROWD_MAX);
        assert_eq!(head_max(0), HEAD_IN_A_CROWD_MAX);
    }
}
