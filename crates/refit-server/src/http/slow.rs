//! Peers that are slow on purpose: a byte now and then keeps a place for ever, unless there is an account of it.
//!
//! The time that was waited for a peer is its debt; what it sends or takes pays it off, a second for each KiB. With a
//! minute of debt it is ended. So a link may stand still for a minute, and be as slow as that; nobody who waits by
//! himself, for events or between requests, has any.

use std::error::Error;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use axum::body::{Bytes, HttpBody};
use hyper::body::{Frame, Incoming, SizeHint};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Sleep, sleep};

use crate::counters::{Counters, Shed};

/// The slowest that a peer may be in the long run.
const BYTES_PER_S_MIN: u32 = 1024;

/// How long may be waited for it beyond that.
const DEBT_MAX: Duration = Duration::from_secs(60);

/// What a peer owes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Account {
    debt: Duration,
}

impl Account {
    /// Notes that it moved so many bytes after so long a wait.
    fn moved(&mut self, bytes: usize, waited: Duration) {
        let earned = Duration::from_micros(bytes as u64 * 1_000_000 / u64::from(BYTES_PER_S_MIN));
        self.debt = self.debt.saturating_add(waited).saturating_sub(earned);
    }

    /// Returns how long it is waited for more.
    const fn left(self) -> Duration {
        DEBT_MAX.saturating_sub(self.debt)
    }
}

/// A wait under way, with its account.
#[derive(Default)]
struct Patience {
    account: Account,
    waiting: Option<(Instant, Pin<Box<Sleep>>)>,
}

impl Patience {
    /// Takes in what came of a try; `bytes` tells how much was moved. Ready with nothing when it has waited enough.
    fn judge<T>(
        &mut self,
        tried: Poll<T>,
        bytes: impl FnOnce(&T) -> usize,
        context: &mut Context<'_>,
    ) -> Poll<Option<T>> {
        match tried {
            Poll::Ready(done) => {
                if let Some((since, _)) = self.waiting.take() {
                    self.account.moved(bytes(&done), since.elapsed());
                }
                Poll::Ready(Some(done))
            }
            Poll::Pending => {
                let left = self.account.left();
                let begun = || (Instant::now(), Box::pin(sleep(left)));
                let (_, enough) = self.waiting.get_or_insert_with(begun);
                ready!(enough.as_mut().poll(context));
                self.waiting = None;
                Poll::Ready(None)
            }
        }
    }
}

/// A connection whose peer must read what is ready for it.
pub(super) struct Stream<S> {
    stream: S,
    patience: Patience,
    counters: Arc<Counters>,
}

impl<S: AsyncWrite + Unpin> Stream<S> {
    pub(super) fn new(stream: S, counters: Arc<Counters>) -> Self {
        Self {
            stream,
            patience: Patience::default(),
            counters,
        }
    }

    fn judge<T>(
        &mut self,
        tried: Poll<io::Result<T>>,
        bytes: impl FnOnce(&T) -> usize,
        context: &mut Context<'_>,
    ) -> Poll<io::Result<T>> {
        let moved = |done: &io::Result<T>| done.as_ref().map_or(0, bytes);
        let done = ready!(self.patience.judge(tried, moved, context));
        Poll::Ready(done.unwrap_or_else(|| {
            self.counters.shed(Shed::SlowReader);
            Err(io::ErrorKind::TimedOut.into())
        }))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Stream<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Stream<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let tried = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.judge(tried, |written| *written, context)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let tried = Pin::new(&mut self.stream).poll_write_vectored(context, bytes);
        self.judge(tried, |written| *written, context)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let tried = Pin::new(&mut self.stream).poll_flush(context);
        self.judge(tried, |()| 0, context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let tried = Pin::new(&mut self.stream).poll_shutdown(context);
        self.judge(tried, |()| 0, context)
    }
}

/// A request's body, which must come.
pub(super) struct Body<B = Incoming> {
    body: B,
    patience: Patience,
    counters: Arc<Counters>,
}

impl<B> Body<B> {
    pub(super) fn new(body: B, counters: Arc<Counters>) -> Self {
        Self {
            body,
            patience: Patience::default(),
            counters,
        }
    }
}

/// Why a body ended before its end.
#[derive(Debug, thiserror::Error)]
#[error(
    "it came too slowly: at least {BYTES_PER_S_MIN} bytes a second are expected in the long run"
)]
pub(super) struct TooSlow;

/// Tells whether a body was given up because it came too slowly.
pub(super) fn is_too_slow(error: &(dyn Error + 'static)) -> bool {
    let mut next = Some(error);
    while let Some(error) = next {
        if error.is::<TooSlow>() {
            return true;
        }
        next = error.source();
    }
    false
}

impl<B> HttpBody for Body<B>
where
    B: HttpBody<Data = Bytes> + Unpin,
    B::Error: Into<axum::BoxError>,
{
    type Data = Bytes;
    type Error = axum::BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::BoxError>>> {
        let tried = Pin::new(&mut self.body).poll_frame(context);
        let bytes = |frame: &Option<Result<Frame<Bytes>, B::Error>>| match frame {
            Some(Ok(frame)) => frame.data_ref().map_or(0, Bytes::len),
            _ => 0,
        };
        let done = ready!(self.patience.judge(tried, bytes, context));
        Poll::Ready(match done {
            Some(frame) => frame.map(|frame| frame.map_err(Into::into)),
            None => {
                self.counters.shed(Shed::SlowBody);
                Some(Err(TooSlow.into()))
            }
        })
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt as _;
    use tokio::io::AsyncWriteExt as _;

    use super::*;

    fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn a_byte_a_second_runs_out_of_patience_and_a_slow_link_does_not() {
        let mut trickle = Account::default();
        let lasted = (0..).find(|_| {
            trickle.moved(1, seconds(1));
            trickle.left() == Duration::ZERO
        });
        assert_eq!(lasted, Some(60));
        let mut slow = Account::default();
        for _ in 0..10_000 {
            slow.moved(30 * 1024, seconds(30));
            assert_eq!(slow.left(), DEBT_MAX);
        }
        // It may stand still, and is forgiven when it goes on.
        slow.moved(0, seconds(59));
        assert_eq!(slow.left(), seconds(1));
        slow.moved(59 * 1024, Duration::ZERO);
        assert_eq!(slow.left(), DEBT_MAX);
    }

    /// One who has a tenth of a second left.
    fn nearly_spent() -> Patience {
        Patience {
            account: Account {
                debt: DEBT_MAX.checked_sub(Duration::from_millis(100)).unwrap(),
            },
            waiting: None,
        }
    }

    #[tokio::test]
    async fn who_does_not_read_is_ended_and_counted() {
        let (ours, theirs) = tokio::io::duplex(64);
        let mut stream = Stream::new(ours, Arc::default());
        stream.patience = nearly_spent();
        let ended = stream.write_all(&[0; 1000]).await.unwrap_err();
        assert_eq!(ended.kind(), io::ErrorKind::TimedOut);
        assert_eq!(
            stream
                .counters
                .all_shed()
                .find(|(why, _)| *why == "slow_reader"),
            Some(("slow_reader", 1))
        );
        drop(theirs);
    }

    #[tokio::test]
    async fn a_body_that_does_not_come_is_ended_and_counted() {
        let nothing = futures_util::stream::pending::<Result<Frame<Bytes>, io::Error>>();
        let mut body = Body::new(http_body_util::StreamBody::new(nothing), Arc::default());
        body.patience = nearly_spent();
        let ended = axum::body::Body::new(body).collect().await.unwrap_err();
        assert!(is_too_slow(&ended), "{ended:?}");
    }
}
