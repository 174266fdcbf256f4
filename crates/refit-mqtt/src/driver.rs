//! One connection's task: bytes in, bytes out, one alarm. No rule of MQTT is here.
//!
//! An idle connection keeps no buffer. Bytes are read into, and written from, buffers of the thread; only a packet that
//! is not whole, or output that the socket did not take, is kept, and dropped with its last byte. While output waits
//! nothing more is read or taken from the seat: a client that does not read holds up nobody but itself. The alarm is
//! not moved by each packet: it rings, what is due is compared, and it is set anew.

mod intake;
mod line;
mod output;

use std::cell::RefCell;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use refit_engine::fleet::Fleet;
use refit_engine::seat::Close;
use refit_packet::ReasonCode;
use refit_protocol::time::Timestamp;
use refit_tls::stream::Peered;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::Notify;
use tokio::sync::futures::OwnedNotified;
use tokio::time::Instant;

use crate::figures::{Figures, rise};
use crate::identity::Gate;
use crate::present::Present;
use crate::quota::{self, Fights, Quota, Register, Stranger, Strangers, Ticket};
use crate::session::{End, Session};

use line::Line;

/// How many packets of one connection are taken in before others have their turn.
const PACKETS_PER_TURN_MAX: u32 = 64;

/// How many bytes are made for one connection before they are written.
const OUT_BYTES_PER_TURN: usize = 32 * 1024;

/// How often what somebody still says is read and thrown away in one turn, once its connection was ended.
const DISCARDS_PER_TURN_MAX: u32 = 4;

const INPUT_BYTES: usize = 16 * 1024;

/// What all connections share.
pub(crate) struct House {
    pub(crate) fleet: Fleet,
    pub(crate) gate: Arc<dyn Gate>,
    pub(crate) quota: Quota,
    pub(crate) figures: Arc<Figures>,
    pub(crate) register: Arc<Register>,
    pub(crate) strangers: Arc<Strangers>,
    pub(crate) fights: Fights,
    pub(crate) excess: quota::Excess,
    pub(crate) shared: quota::Shared,
    pub(crate) present: Arc<Present>,
    /// Tells those that have no seat yet that the server stops.
    pub(crate) stopping: Arc<Notify>,
    pub(crate) started: Instant,
}

impl House {
    /// Milliseconds since the start: the only time that a connection knows.
    #[expect(
        clippy::disallowed_methods,
        reason = "the driver is where time is read"
    )]
    pub(crate) fn now(&self) -> u64 {
        Instant::now().duration_since(self.started).as_millis() as u64
    }

    /// The time of the wall clock, which only answers carry.
    #[expect(
        clippy::disallowed_methods,
        reason = "the driver is where time is read"
    )]
    fn wall(&self) -> Timestamp {
        let since = SystemTime::now().duration_since(UNIX_EPOCH);
        Timestamp(since.unwrap_or_default().as_millis() as u64)
    }
}

/// The buffers of a thread, for whichever connection has its turn.
struct Room {
    input: Vec<u8>,
    out: Vec<u8>,
}

thread_local! {
    static ROOM: RefCell<Room> = RefCell::new(Room {
        input: vec![0; INPUT_BYTES],
        out: Vec::with_capacity(OUT_BYTES_PER_TURN),
    });
}

/// One connection, run to its end. `S` is a socket, or a TLS stream over one.
pub(crate) struct Connection<S> {
    stream: S,
    house: Arc<House>,
    ticket: Ticket,
    stage: Stage,
    left: Option<Box<Left>>,
}

enum Stage {
    Greeting(Box<Greeting>),
    Talking { session: Session, line: Line },
    Leaving { due: u64, shut: bool },
}

/// Somebody who is not known yet.
struct Greeting {
    peer: SocketAddr,
    due: u64,
    stopping: Pin<Box<OwnedNotified>>,
    /// Its place among those who are not known.
    _stranger: Stranger,
}

/// What could not be finished. It is there only while something is in it.
#[derive(Default)]
struct Left {
    /// Bytes received that are no whole packet, or a whole one whose time has not come.
    unread: Vec<u8>,
    /// Whether there may be a whole packet in them.
    is_whole: bool,
    /// Bytes that the socket did not take, and since when.
    unsent: Vec<u8>,
    /// Whether the stream has taken bytes that its socket did not.
    is_sealed: bool,
    since: u64,
}

/// Whether a connection has to wait, or would go on at once but for the others.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Turn {
    Waits,
    GoesOn,
}

impl<S: AsyncRead + AsyncWrite + Peered + Unpin> Future for Connection<S> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        ROOM.with_borrow_mut(|room| {
            room.out.clear();
            self.poll_in(room, cx)
        })
    }
}

impl<S: AsyncRead + AsyncWrite + Peered + Unpin> Connection<S> {
    pub(crate) fn new(
        stream: S,
        peer: SocketAddr,
        house: Arc<House>,
        ticket: Ticket,
        (stranger, within): (Stranger, Duration),
        stopping: OwnedNotified,
    ) -> Self {
        let now = house.now();
        let greeting = Greeting {
            peer,
            due: now + millis(within),
            stopping: Box::pin(stopping),
            _stranger: stranger,
        };
        Self {
            stream,
            house,
            ticket,
            stage: Stage::Greeting(Box::new(greeting)),
            left: None,
        }
    }

    fn poll_in(&mut self, room: &mut Room, cx: &mut Context<'_>) -> Poll<()> {
        let now = self.house.now();
        if !matches!(self.stage, Stage::Leaving { .. }) {
            let turn = self.turn(room, now, cx);
            let turn = turn.and_then(|turn| self.write(&mut room.out, now, cx).map(|()| turn));
            let turn = turn.and_then(|turn| self.check_time(now, cx).map(|()| turn));
            match turn {
                Ok(Turn::Waits) => return Poll::Pending,
                Ok(Turn::GoesOn) => {
                    cx.waker().wake_by_ref();
                    return Poll::Pending;
                }
                Err(end) => {
                    if !self.part(end, &mut room.out, now, cx) {
                        return Poll::Ready(());
                    }
                }
            }
        }
        self.leave(room, now, cx)
    }

    /// Sends what waits, takes from the seat, reads: as far as each goes.
    fn turn(&mut self, room: &mut Room, now: u64, cx: &mut Context<'_>) -> Result<Turn, End> {
        if let Stage::Greeting(greeting) = &mut self.stage
            && greeting.stopping.as_mut().poll(cx).is_ready()
        {
            return Err(End::asked(Close::ShuttingDown));
        }
        if self.flush(cx)?.is_pending() {
            // Not reading is not the client's silence.
            self.note_heard(now);
            return Ok(Turn::Waits);
        }
        let had_seat = matches!(self.stage, Stage::Talking { .. });
        let mut said = self.say(&mut room.out, cx)?;
        let heard = self.hear(room, now, cx)?;
        if !had_seat {
            // The seat that it has now must know whom to wake.
            said = self.say(&mut room.out, cx)?;
        }
        Ok(if said == Turn::GoesOn { said } else { heard })
    }

    /// Takes what waits on the seat.
    fn say(&mut self, out: &mut Vec<u8>, cx: &mut Context<'_>) -> Result<Turn, End> {
        let Stage::Talking { session, line } = &mut self.stage else {
            return Ok(Turn::Waits);
        };
        while out.len() < OUT_BYTES_PER_TURN {
            match line.seat.poll_next(cx) {
                Poll::Ready(outgoing) => session.send(outgoing, line, out)?,
                Poll::Pending => return Ok(Turn::Waits),
            }
        }
        Ok(Turn::GoesOn)
    }

    /// Reads, and takes in the packets.
    fn hear(&mut self, room: &mut Room, now: u64, cx: &mut Context<'_>) -> Result<Turn, End> {
        let mut budget = PACKETS_PER_TURN_MAX;
        if self.left.as_ref().is_some_and(|left| left.is_whole) {
            self.take_in(&[], &mut budget, now, &mut room.out)?;
        }
        loop {
            if !self.is_listening() {
                // The seat wakes us when there are receipts.
                self.note_heard(now);
                return Ok(Turn::Waits);
            }
            if budget == 0 || room.out.len() >= OUT_BYTES_PER_TURN {
                return Ok(Turn::GoesOn);
            }
            let mut input = ReadBuf::new(&mut room.input);
            match Pin::new(&mut self.stream).poll_read(cx, &mut input) {
                Poll::Pending => return Ok(Turn::Waits),
                Poll::Ready(Err(error)) => return Err(self.broken(&error)),
                Poll::Ready(Ok(())) if input.filled().is_empty() => return Err(End::Lost),
                Poll::Ready(Ok(())) => {
                    let len = input.filled().len();
                    self.take_in(&room.input[..len], &mut budget, now, &mut room.out)?;
                }
            }
        }
    }

    /// The stream failed. Only TLS finds what it reads invalid.
    fn broken(&self, error: &io::Error) -> End {
        if error.kind() == io::ErrorKind::InvalidData {
            rise(&self.house.figures.handshakes_failed);
            tracing::debug!("a TLS connection was broken off: {error}");
        }
        End::Lost
    }

    fn is_listening(&self) -> bool {
        match &self.stage {
            Stage::Talking { session, line } => session.is_listening(line),
            Stage::Greeting(_) | Stage::Leaving { .. } => true,
        }
    }

    /// When something must have happened; `None`: never.
    fn due(&self) -> Option<u64> {
        match &self.stage {
            Stage::Greeting(greeting) => Some(greeting.due),
            Stage::Leaving { due, .. } => Some(*due),
            Stage::Talking { session, line } => match &self.left {
                Some(left) if left.is_stuck() => Some(left.since + millis(self.house.quota.stall)),
                _ => Some(line.heard() + session.silence_ms_max()?),
            },
        }
    }

    /// A whole packet came, or one could not have been taken in.
    fn note_heard(&self, now: u64) {
        if let Stage::Talking { line, .. } = &self.stage {
            line.note_heard(now);
        }
    }

    fn check_time(&mut self, now: u64, cx: &mut Context<'_>) -> Result<(), End> {
        let Some(due) = self.due() else {
            return Ok(());
        };
        if now < due {
            self.ticket.wake_at(due, now, cx.waker());
            return Ok(());
        }
        Err(match &self.stage {
            Stage::Greeting(_) => {
                rise(&self.house.figures.silent);
                End::Lost
            }
            Stage::Talking { .. } if self.is_stuck() => End::asked(Close::TooSlow),
            Stage::Talking { .. } | Stage::Leaving { .. } => End::because(
                ReasonCode::KEEP_ALIVE_TIMEOUT,
                "nothing came for one and a half times the keep-alive",
            ),
        })
    }

    /// Ends the talk, with a last word if there is one. Tells whether it is worth waiting for it to be read.
    fn part(&mut self, end: End, out: &mut Vec<u8>, now: u64, cx: &mut Context<'_>) -> bool {
        if let Stage::Talking { session, line } = &self.stage {
            session.farewell(end, out);
            let device = line.seat.device();
            if let Some(device) = device
                && end.reason() == Some(ReasonCode::SESSION_TAKEN_OVER)
            {
                rise(&self.house.figures.taken_over);
                if self.house.fights.note(device, now) {
                    tracing::warn!(%device, "connections of one device take each other's place: is it cloned?");
                }
            }
            tracing::debug!(?device, "connection ended: {}", end.message());
        }
        let is_stuck = self.is_stuck();
        let written = self.write(out, now, cx);
        // For the engine the connection ends here.
        let due = now + millis(self.house.quota.linger);
        self.stage = Stage::Leaving { due, shut: false };
        let Some(reason) = end.reason() else {
            return false;
        };
        self.house.figures.count_end(reason.byte());
        written.is_ok() && !is_stuck
    }

    /// Lets the last word be read. Closing a socket that has unread input would take it back.
    fn leave(&mut self, room: &mut Room, now: u64, cx: &mut Context<'_>) -> Poll<()> {
        if self.check_time(now, cx).is_err() {
            return Poll::Ready(());
        }
        match self.flush(cx) {
            Ok(Poll::Pending) => return Poll::Pending,
            Ok(Poll::Ready(())) => {}
            Err(_) => return Poll::Ready(()),
        }
        if let Stage::Leaving { shut, .. } = &mut self.stage
            && !*shut
        {
            match ready!(Pin::new(&mut self.stream).poll_shutdown(cx)) {
                Ok(()) => *shut = true,
                Err(_) => return Poll::Ready(()),
            }
        }
        for _ in 0..DISCARDS_PER_TURN_MAX {
            let mut input = ReadBuf::new(&mut room.input);
            let read = ready!(Pin::new(&mut self.stream).poll_read(cx, &mut input));
            if read.is_err() || input.filled().is_empty() {
                return Poll::Ready(());
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

impl Left {
    fn is_stuck(&self) -> bool {
        self.is_sealed || !self.unsent.is_empty()
    }
}

const fn millis(duration: Duration) -> u64 {
    duration.as_millis() as u64
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpStream;

    use super::*;

    /// What an idle connection costs is mostly this. tokio adds about 100 bytes, and rounds up to 128: so it is 256.
    #[test]
    fn a_connection_is_small() {
        let private = size_of::<Connection<refit_tls::stream::TlsStream<TcpStream>>>();
        let size = size_of::<Connection<TcpStream>>();
        println!(
            "a connection has {size} bytes, its session {}",
            size_of::<Session>()
        );
        assert!(size <= 152 && private <= 160, "{size}, {private}");
    }
}
