//! A stream that is private: TLS over any stream of bytes.
//!
//! Bytes are taken in and made in buffers of the thread. What is kept for a connection is a record that is not whole,
//! plaintext that the reader had no room for, and output that the socket did not take; and none of it while it idles.

mod room;
mod session;

use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use rustls::ServerConfig;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use room::Room;
use session::{Act, Session};

/// The most plaintext that becomes one record, RFC 8446 §5.1.
const RECORD_BYTES_MAX: usize = 1 << 14;

/// What may wait for the socket before nothing more is read: answers to a peer that sends and never reads.
const UNSENT_BYTES_MAX: usize = 64 << 10;

/// Tells what is known of the peer of a stream.
pub trait Peered {
    /// Returns the certificate that the peer proved to have, in DER; `None` without one, and before that is known.
    fn peer_certificate(&self) -> Option<&[u8]>;

    /// Tells whether that was proved in an earlier session, which this one takes up: it was not verified again.
    fn is_resumed(&self) -> bool {
        false
    }
}

impl Peered for tokio::net::TcpStream {
    fn peer_certificate(&self) -> Option<&[u8]> {
        None
    }
}

/// The server's side of a TLS connection over `S`.
///
/// The handshake is done by whoever reads or writes first, or by [`TlsStream::handshake`]. A peer that ends the stream
/// without saying so (close_notify) is an error of kind `UnexpectedEof`; one that breaks the protocol, or whose
/// certificate is refused, is one of kind `InvalidData`, after an alert was sent.
pub struct TlsStream<S> {
    stream: S,
    session: Box<Session>,
}

impl<S> TlsStream<S> {
    /// Begins. Nothing is read or written yet.
    pub fn new(stream: S, config: Arc<ServerConfig>) -> Result<Self, rustls::Error> {
        Ok(Self {
            stream,
            session: Box::new(Session::new(config)?),
        })
    }

    /// Returns the stream under it.
    pub const fn get_ref(&self) -> &S {
        &self.stream
    }

    /// Tells whether the handshake is not done yet.
    pub fn is_handshaking(&self) -> bool {
        self.session.is_handshaking()
    }

    /// Returns the protocol that was agreed on (ALPN), if any.
    pub fn alpn_protocol(&self) -> Option<&[u8]> {
        self.session.alpn_protocol()
    }
}

impl<S> Peered for TlsStream<S> {
    fn peer_certificate(&self) -> Option<&[u8]> {
        self.session.peer_certificate()
    }

    fn is_resumed(&self) -> bool {
        self.session.is_resumed()
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> TlsStream<S> {
    /// Does the handshake; afterwards it is known who the peer is. It sets no deadline.
    pub async fn handshake(&mut self) -> io::Result<()> {
        poll_fn(|cx| self.poll_handshake(cx)).await
    }

    /// The same, to be polled.
    pub fn poll_handshake(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        loop {
            let sent = self.poll_unsent(cx);
            self.session.check()?;
            if !self.session.is_handshaking() {
                return sent;
            }
            if let Poll::Ready(Err(error)) = sent {
                return Poll::Ready(Err(error));
            }
            ready!(self.poll_fill(cx, None))?;
        }
    }

    /// Sends what was made and not taken yet.
    fn poll_unsent(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let unsent = &mut self.session.unsent;
        if unsent.is_empty() {
            return Poll::Ready(Ok(()));
        }
        let (sent, outcome) = send(&mut self.stream, unsent, cx);
        if sent == unsent.len() {
            *unsent = Vec::new();
        } else {
            unsent.drain(..sent);
        }
        outcome
    }

    /// Reads once, and takes in what came. Plaintext goes to `to` as far as there is room, the rest is kept. What breaks
    /// the session stands in it.
    fn poll_fill(
        &mut self,
        cx: &mut Context<'_>,
        to: Option<&mut ReadBuf<'_>>,
    ) -> Poll<io::Result<()>> {
        let mut room = Room::input();
        let kept = self.session.unread.len();
        let Some((old, fresh)) = room.split_at_mut_checked(kept) else {
            return Poll::Ready(Err(io::ErrorKind::InvalidData.into()));
        };
        old.copy_from_slice(&self.session.unread);
        let mut fresh = ReadBuf::new(fresh);
        ready!(Pin::new(&mut self.stream).poll_read(cx, &mut fresh))?;
        let len = fresh.filled().len();
        if len == 0 {
            return Poll::Ready(Err(io::ErrorKind::UnexpectedEof.into()));
        }
        let input = room.get_mut(..kept + len).unwrap_or_default();
        self.session.take_in(input, to);
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for TlsStream<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buffer.filled().len();
        if buffer.remaining() == 0 {
            return Poll::Ready(Ok(()));
        }
        loop {
            this.session.hand_over(buffer);
            if buffer.filled().len() > before {
                return Poll::Ready(Ok(()));
            }
            // The other side may wait for it. That it does not read it is no reason not to read from it, up to a bound.
            let sent = this.poll_unsent(cx);
            this.session.check()?;
            if this.session.is_peer_closed() {
                return Poll::Ready(Ok(()));
            }
            match sent {
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                Poll::Pending if this.session.unsent.len() > UNSENT_BYTES_MAX => {
                    return Poll::Pending;
                }
                Poll::Ready(Ok(())) | Poll::Pending => {}
            }
            ready!(this.poll_fill(cx, Some(&mut *buffer)))?;
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for TlsStream<S> {
    /// Takes at most a record, and takes nothing while an earlier one waits for the socket.
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        if this.session.is_handshaking() {
            ready!(this.poll_handshake(cx))?;
        }
        ready!(this.poll_unsent(cx))?;
        this.session.check()?;
        let bytes = bytes.get(..RECORD_BYTES_MAX).unwrap_or(bytes);
        if bytes.is_empty() {
            return Poll::Ready(Ok(0));
        }
        let mut record = Room::output();
        this.session.seal(Act::Write(bytes, &mut record))?;
        let (sent, outcome) = send(&mut this.stream, &record, cx);
        if let Poll::Ready(Err(error)) = outcome {
            return Poll::Ready(Err(error));
        }
        let rest = record.get(sent..).unwrap_or_default();
        this.session.unsent.extend_from_slice(rest);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        ready!(this.poll_unsent(cx))?;
        Pin::new(&mut this.stream).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        ready!(this.poll_unsent(cx))?;
        if this.session.may_say_goodbye() {
            let mut record = Room::output();
            this.session.seal(Act::Close(&mut record))?;
            this.session.unsent.extend_from_slice(&record);
            ready!(this.poll_unsent(cx))?;
        }
        Pin::new(&mut this.stream).poll_shutdown(cx)
    }
}

/// Sends as much as the stream takes; ready when all is sent.
fn send<S: AsyncWrite + Unpin>(
    stream: &mut S,
    bytes: &[u8],
    cx: &mut Context<'_>,
) -> (usize, Poll<io::Result<()>>) {
    let mut sent = 0;
    while let Some(rest) = bytes.get(sent..).filter(|rest| !rest.is_empty()) {
        match Pin::new(&mut *stream).poll_write(cx, rest) {
            Poll::Ready(Ok(0)) => {
                let error = io::ErrorKind::WriteZero.into();
                return (sent, Poll::Ready(Err(error)));
            }
            Poll::Ready(Ok(len)) => sent += len,
            Poll::Ready(Err(error)) => return (sent, Poll::Ready(Err(error))),
            Poll::Pending => return (sent, Poll::Pending),
        }
    }
    (sent, Poll::Ready(Ok(())))
}
