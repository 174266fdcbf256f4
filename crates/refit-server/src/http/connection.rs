//! The connections: HTTP/1.1, with a bound on how many, how large a head, and how long anything may stand still.

use std::convert::Infallible;
use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::header::STRICT_TRANSPORT_SECURITY;
use axum::http::{HeaderValue, Request, Response};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use refit_identity::Peer;
use refit_protocol::network::Cidr;
use refit_tls::ServerConfig;
use refit_tls::pace::HANDSHAKES;
use refit_tls::stream::{Peered, TlsStream};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::door::{CONNECTIONS_MAX, Door};
use super::origin::RemoteAddress;
use super::slow::{Body as Unhurried, Stream};
use crate::counters::{Counters, Gauge};

/// How long a request's head may take to arrive, and a connection may idle before the next.
const HEAD_MAX: Duration = Duration::from_secs(10);

/// The same when fewer than this many places are left: a crowd that says nothing must not keep others waiting long.
const HEAD_IN_A_CROWD_MAX: Duration = Duration::from_secs(2);
const CROWD_LEAVES: usize = CONNECTIONS_MAX / 4;

/// How many header lines a request may have, and how many bytes its head.
const HEADERS_MAX: usize = 64;
const HEAD_BYTES_MAX: usize = 32 << 10;

/// Serves until it is told to stop, then lets what is under way come to its end.
pub(crate) async fn serve(
    listener: TcpListener,
    router: Router,
    counters: Arc<Counters>,
    tls: Option<Arc<ServerConfig>>,
    proxies: Vec<Cidr>,
    mut stopping: watch::Receiver<bool>,
) {
    let pace = tls.as_ref().map(|_| HANDSHAKES);
    let mut door = Door::new(listener, pace, proxies, Arc::clone(&counters));
    let mut connections = JoinSet::new();
    loop {
        let (stream, remote, place) = tokio::select! {
            () = told_to_stop(&mut stopping) => break,
            accepted = door.next() => accepted,
        };
        // Those that have ended.
        while connections.try_join_next().is_some() {}
        let (router, counters, stopping) =
            (router.clone(), Arc::clone(&counters), stopping.clone());
        let head_max = head_max(door.left());
        let tls = tls.clone();
        connections.spawn(async move {
            let _open = Gauge::up(&counters.connections);
            drop(stream.set_nodelay(true));
            let visit = Visit {
                remote: RemoteAddress(remote),
                peer: None,
                is_private: tls.is_some(),
                counters: Arc::clone(&counters),
            };
            match tls {
                None => converse(stream, visit, head_max, router, stopping).await,
                Some(tls) => private(stream, &tls, visit, head_max, router, stopping).await,
            }
            drop(place);
        });
    }
    drop(door);
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

/// Who is at the other end of a connection; each of its requests carries the parts as extensions.
#[derive(Clone)]
struct Visit {
    remote: RemoteAddress,
    peer: Option<Arc<Peer>>,
    is_private: bool,
    counters: Arc<Counters>,
}

/// A browser that was here once comes only over TLS for a year (RFC 6797).
const HSTS: HeaderValue = HeaderValue::from_static("max-age=31536000");

/// What a record of TLS begins with that starts a handshake (RFC 8446 §5.1).
const HANDSHAKE: u8 = 0x16;

/// How long somebody who spoke plain text has to read why that was wrong.
const FAREWELL_MAX: Duration = Duration::from_secs(2);

/// The handshake first, within the time of a head; then as ever.
async fn private(
    mut stream: TcpStream,
    tls: &Arc<ServerConfig>,
    mut visit: Visit,
    head_max: Duration,
    router: Router,
    mut stopping: watch::Receiver<bool>,
) {
    let greeting = async {
        let mut first = [0; 4];
        if stream.peek(&mut first).await? > 0 && first[0] != HANDSHAKE {
            drop(timeout(FAREWELL_MAX, turn_away(&mut stream, first)).await);
            return Err(io::ErrorKind::InvalidData.into());
        }
        let mut stream = TlsStream::new(stream, Arc::clone(tls)).map_err(io::Error::other)?;
        stream.handshake().await?;
        io::Result::Ok(stream)
    };
    let greeted = tokio::select! {
        greeted = timeout(head_max, greeting) => greeted,
        () = told_to_stop(&mut stopping) => return,
    };
    let stream = match greeted {
        Ok(Ok(stream)) => stream,
        Ok(Err(error)) => return tracing::debug!("an HTTPS connection did not begin: {error}"),
        Err(_) => return tracing::debug!("an HTTPS connection said nothing in time"),
    };
    visit.peer = stream.peer_certificate().and_then(|certificate| {
        let peer = Peer::read(certificate);
        peer.inspect_err(|fault| tracing::debug!("a certificate is no device's: {fault}"))
            .ok()
            .map(Arc::new)
    });
    converse(stream, visit, head_max, router, stopping).await;
}

/// Tells a client of plain HTTP where it has come to; others are not answered.
async fn turn_away(stream: &mut TcpStream, first: [u8; 4]) -> io::Result<()> {
    if first.iter().all(u8::is_ascii_uppercase) || first == *b"GET " || first == *b"PUT " {
        let text = "this is HTTPS: begin the URL with https://\n";
        let answer = format!(
            "HTTP/1.1 400 Bad Request\r\ncontent-type: text/plain\r\ncontent-length: {}\r\n\
             connection: close\r\n\r\n{text}",
            text.len()
        );
        stream.write_all(answer.as_bytes()).await?;
        stream.shutdown().await?;
        // Closing with unread input would take the answer back.
        let mut rest = [0; 4096];
        while stream.read(&mut rest).await? > 0 {}
    }
    Ok(())
}

/// Adds what is known of the connection to a request, and to its answer what a private one promises.
fn visiting(
    router: Router,
    visit: Visit,
) -> impl hyper::service::Service<
    Request<Incoming>,
    Response = Response<Body>,
    Error = Infallible,
    Future: Send,
> + Clone {
    let service = TowerToHyperService::new(router);
    service_fn(move |mut request: Request<Incoming>| {
        let extensions = request.extensions_mut();
        extensions.insert(visit.remote);
        extensions.insert(visit.peer.clone());
        let is_private = visit.is_private;
        let counters = Arc::clone(&visit.counters);
        let request = request.map(|body| Body::new(Unhurried::new(body, counters)));
        let answer = hyper::service::Service::call(&service, request);
        async move {
            let mut answer = answer.await?;
            if is_private {
                answer.headers_mut().insert(STRICT_TRANSPORT_SECURITY, HSTS);
            }
            Ok(answer)
        }
    })
}

async fn converse<S: AsyncRead + AsyncWrite + Unpin + Send + 'static>(
    stream: S,
    visit: Visit,
    head_max: Duration,
    router: Router,
    mut stopping: watch::Receiver<bool>,
) {
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new())
        .header_read_timeout(head_max)
        .max_headers(HEADERS_MAX)
        .max_buf_size(HEAD_BYTES_MAX);
    let stream = TokioIo::new(Stream::new(stream, Arc::clone(&visit.counters)));
    let service = visiting(router, visit);
    let mut connection = pin!(http.serve_connection(stream, service));
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
