//! rustls' own client and our server, joined by a pipe in memory that gives and takes as little as the test wants. No
//! thread, no clock: the test says who has a turn.

use std::collections::VecDeque;
use std::io::{self, Read, Write};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use refit_tls::ServerConfig;
use refit_tls::clients::Clients;
use refit_tls::server::{Oldest, config};
use refit_tls::stream::TlsStream;
use rustls::client::ClientConnection;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::authority::{Authority, Pair, own};

/// The server's end of the pipe.
#[derive(Default)]
pub(crate) struct Pipe {
    pub(crate) incoming: VecDeque<u8>,
    pub(crate) outgoing: VecDeque<u8>,
    /// How many bytes each read gives and each write takes, in turn; 0: it has to wait once. Without any: all.
    pub(crate) portions: VecDeque<usize>,
    /// How much may stand in `outgoing` before no more is taken.
    pub(crate) room: Option<usize>,
    pub(crate) is_cut: bool,
    moved: usize,
}

impl Pipe {
    fn portion(&mut self, wanted: usize) -> usize {
        if wanted == 0 {
            return 0;
        }
        let portion = self.next_portion(wanted);
        self.moved += portion;
        portion
    }

    fn next_portion(&mut self, wanted: usize) -> usize {
        match self.portions.pop_front() {
            Some(portion) => {
                self.portions.push_back(portion);
                portion.min(wanted)
            }
            None => wanted,
        }
    }
}

impl AsyncRead for Pipe {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let there = self.incoming.len().min(buffer.remaining());
        if there == 0 && self.is_cut {
            return Poll::Ready(Ok(()));
        }
        let portion = self.portion(there);
        if portion == 0 {
            return Poll::Pending;
        }
        for byte in self.incoming.drain(..portion) {
            buffer.put_slice(&[byte]);
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Pipe {
    fn poll_write(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let room = self
            .room
            .map_or(usize::MAX, |room| room.saturating_sub(self.outgoing.len()));
        let portion = self.portion(bytes.len().min(room));
        if portion == 0 {
            return Poll::Pending;
        }
        self.outgoing.extend(&bytes[..portion]);
        Poll::Ready(Ok(portion))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.is_cut = true;
        Poll::Ready(Ok(()))
    }
}

/// A client and a server, what each has got, and what the server still has to say.
pub(crate) struct Both {
    pub(crate) client: ClientConnection,
    pub(crate) server: TlsStream<PipeBox>,
    pub(crate) client_got: Vec<u8>,
    pub(crate) server_got: Vec<u8>,
    pub(crate) to_say: VecDeque<u8>,
    /// How large the server's buffer for reading is.
    pub(crate) buffer: usize,
    pub(crate) is_ended: bool,
    pub(crate) fault: Option<io::Error>,
}

/// The pipe, reachable from both sides.
pub(crate) type PipeBox = Shared;

#[derive(Clone, Default)]
pub(crate) struct Shared(pub(crate) Arc<parking_lot::Mutex<Pipe>>);

impl AsyncRead for Shared {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.0.lock()).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Shared {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut *self.0.lock()).poll_write(cx, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.0.lock()).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.0.lock()).poll_shutdown(cx)
    }
}

impl Both {
    pub(crate) fn new(client: &Arc<ClientConfig>, server: &Arc<ServerConfig>) -> Self {
        let name = ServerName::try_from("localhost").unwrap();
        Self {
            client: ClientConnection::new(Arc::clone(client), name).unwrap(),
            server: TlsStream::new(Shared::default(), Arc::clone(server)).unwrap(),
            client_got: Vec::new(),
            server_got: Vec::new(),
            to_say: VecDeque::new(),
            buffer: 4096,
            is_ended: false,
            fault: None,
        }
    }

    pub(crate) fn pipe(&self) -> parking_lot::MutexGuard<'_, Pipe> {
        self.server.get_ref().0.lock()
    }

    /// What the client has made goes into the pipe.
    pub(crate) fn client_sends(&mut self) {
        let mut made = Vec::new();
        while self.client.wants_write() {
            self.client.write_tls(&mut made).unwrap();
        }
        self.pipe().incoming.extend(made);
    }

    /// The client takes what is in the pipe.
    pub(crate) fn client_hears(&mut self) -> Result<(), rustls::Error> {
        let came: Vec<u8> = self.pipe().outgoing.drain(..).collect();
        let mut came = &came[..];
        while !came.is_empty() {
            self.client.read_tls(&mut came).unwrap();
            let state = self.client.process_new_packets()?;
            let mut plain = vec![0; state.plaintext_bytes_to_read()];
            self.client.reader().read_exact(&mut plain).unwrap();
            self.client_got.extend(plain);
        }
        Ok(())
    }

    /// One turn of the server: it reads what it can, writes what it can.
    pub(crate) fn server_turn(&mut self) {
        let cx = &mut Context::from_waker(Waker::noop());
        if self.fault.is_some() || self.is_ended {
            return;
        }
        let mut bytes = vec![0; self.buffer];
        let mut buffer = ReadBuf::new(&mut bytes);
        match Pin::new(&mut self.server).poll_read(cx, &mut buffer) {
            Poll::Ready(Ok(())) if buffer.filled().is_empty() => self.is_ended = true,
            Poll::Ready(Ok(())) => self.server_got.extend(buffer.filled()),
            Poll::Ready(Err(error)) => self.fault = Some(error),
            Poll::Pending => {}
        }
        let rest = self.to_say.make_contiguous();
        if !rest.is_empty() && !self.server.is_handshaking() {
            match Pin::new(&mut self.server).poll_write(cx, rest) {
                Poll::Ready(Ok(len)) => drop(self.to_say.drain(..len)),
                Poll::Ready(Err(error)) => self.fault = Some(error),
                Poll::Pending => {}
            }
        }
    }

    /// Turns until both have nothing more to do; a pipe that makes wait is asked often enough.
    pub(crate) fn settle(&mut self) {
        let mut quiet = 0;
        while quiet < 64 {
            let before = self.state();
            self.client_sends();
            self.server_turn();
            let heard = self.client_hears();
            if let Err(error) = heard {
                self.client_sends();
                self.server_turn();
                panic!("the client: {error}");
            }
            quiet = if self.state() == before { quiet + 1 } else { 0 };
        }
    }

    fn state(&self) -> [usize; 7] {
        let pipe = self.pipe();
        [
            pipe.incoming.len(),
            pipe.outgoing.len(),
            pipe.moved,
            self.client_got.len(),
            self.server_got.len(),
            self.to_say.len(),
            usize::from(self.server.is_handshaking()),
        ]
    }

    pub(crate) fn client_says(&mut self, bytes: &[u8]) {
        self.client.writer().write_all(bytes).unwrap();
        self.client_sends();
    }
}

/// A server that lets in the devices of `authority`.
pub(crate) fn server(authority: &Authority, oldest: Oldest) -> (Arc<ServerConfig>, Arc<Clients>) {
    let clients = Arc::new(Clients::new(&[authority.der()]).unwrap());
    let own = own(&authority.server());
    (
        config(own, Arc::clone(&clients), oldest, &[]).unwrap(),
        clients,
    )
}

/// A client that trusts `authority`, with a certificate or without.
pub(crate) fn client(authority: &Authority, pair: Option<&Pair>) -> Arc<ClientConfig> {
    let mut roots = RootCertStore::empty();
    roots.add(authority.der()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots);
    Arc::new(match pair {
        Some(pair) => config
            .with_client_auth_cert(vec![pair.der()], pair.key_der())
            .unwrap(),
        None => config.with_no_client_auth(),
    })
}
