//! Bytes to the socket. What it does not take is kept until it does.

use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite};

use super::{Connection, Left};
use crate::session::End;

impl<S: AsyncRead + AsyncWrite + Unpin> Connection<S> {
    /// Sends what could not be sent before.
    pub(super) fn flush(&mut self, cx: &mut Context<'_>) -> Result<Poll<()>, End> {
        let Some(left) = &mut self.left else {
            return Ok(Poll::Ready(()));
        };
        let sent = send(&mut self.stream, &left.unsent, cx)?;
        left.unsent.drain(..sent);
        if !left.unsent.is_empty() {
            return Ok(Poll::Pending);
        }
        left.unsent = Vec::new();
        left.is_sealed = match Pin::new(&mut self.stream).poll_flush(cx) {
            Poll::Pending => true,
            Poll::Ready(Ok(())) => false,
            Poll::Ready(Err(_)) => return Err(End::Lost),
        };
        if left.is_sealed {
            return Ok(Poll::Pending);
        }
        self.tidy();
        Ok(Poll::Ready(()))
    }

    /// Sends, and keeps what the socket does not take.
    pub(super) fn write(
        &mut self,
        out: &mut Vec<u8>,
        now: u64,
        cx: &mut Context<'_>,
    ) -> Result<(), End> {
        if out.is_empty() {
            return Ok(());
        }
        let was_stuck = self.is_stuck();
        let sent = if was_stuck {
            0
        } else {
            send(&mut self.stream, out, cx)?
        };
        // A TLS stream takes a record as a whole, though its socket may not.
        let is_sealed = match Pin::new(&mut self.stream).poll_flush(cx) {
            Poll::Pending => true,
            Poll::Ready(Ok(())) => false,
            Poll::Ready(Err(_)) => return Err(End::Lost),
        };
        if sent < out.len() || is_sealed {
            let left = self.left.get_or_insert_default();
            if !was_stuck {
                left.since = now;
            }
            left.is_sealed = is_sealed;
            left.unsent
                .extend_from_slice(out.get(sent..).unwrap_or_default());
        }
        out.clear();
        Ok(())
    }

    pub(super) fn is_stuck(&self) -> bool {
        self.left.as_ref().is_some_and(|left| left.is_stuck())
    }

    pub(super) fn tidy(&mut self) {
        let is_empty = |left: &Left| left.unread.is_empty() && !left.is_stuck();
        if self.left.as_deref().is_some_and(is_empty) {
            self.left = None;
        }
    }
}

/// Sends as much as the socket takes.
fn send<S: AsyncWrite + Unpin>(
    stream: &mut S,
    bytes: &[u8],
    cx: &mut Context<'_>,
) -> Result<usize, End> {
    let mut sent = 0;
    while let Some(rest) = bytes.get(sent..).filter(|rest| !rest.is_empty()) {
        match Pin::new(&mut *stream).poll_write(cx, rest) {
            Poll::Ready(Ok(0) | Err(_)) => return Err(End::Lost),
            Poll::Ready(Ok(len)) => sent += len,
            Poll::Pending => break,
        }
    }
    Ok(sent)
}
