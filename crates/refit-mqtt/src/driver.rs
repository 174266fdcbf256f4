//! One connection's task: bytes in, bytes out, one alarm. No rule of MQTT is here.
//!
//! An idle connection keeps no buffer. Bytes are read into, and written from, buffers of the thread; only a packet that
//! is not whole, or output that the socket did not take, is kept, and dropped with its last byte. While output waits
//! nothing more is read or taken from the seat: a client that does not read holds up nobody but itself. The alarm is
//! not moved by each packet: it fires, compares, and is set anew.

use std::cell::RefCell;
use std::mem;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use refit_engine::fleet::{Fleet, Submitted};
use refit_engine::seat::{Close, Seat, Wants};
use refit_engine::watchers::Scope;
use refit_packet::{Frame, ReasonCode, frame};
use refit_protocol::device_id::DeviceId;
use refit_protocol::topic::Kind;
use refit_replica::speaker::Speaker;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::Notify;
use tokio::sync::futures::OwnedNotified;
use tokio::time::{Instant, Sleep};

use crate::figures::{Figures, rise};
use crate::identity::{Gate, Who};
use crate::quota::{Quota, Register, Ticket};
use crate::session::{Calls, End, Note, Session, greet, refuse_unframed};

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
    fn now(&self) -> u64 {
        Instant::now().duration_since(self.started).as_millis() as u64
    }

    fn at(&self, ms: u64) -> Instant {
        self.started + Duration::from_millis(ms)
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

/// Runs one connection to its end. `S` is a socket, or a TLS stream over one.
pub(crate) fn run<S: AsyncRead + AsyncWrite + Unpin>(
    stream: S,
    peer: SocketAddr,
    house: Arc<House>,
    ticket: Ticket,
    stopping: OwnedNotified,
) -> impl Future<Output = ()> {
    let now = house.now();
    let due = now + millis(house.quota.greeting);
    let mut connection = Connection {
        stream,
        house,
        ticket,
        stage: Stage::Greeting(Box::new(Greeting {
            peer,
            due,
            stopping: Box::pin(stopping),
        })),
        left: None,
        heard: now,
        alarm: u64::MAX,
    };
    async move {
        // Set by the first turn.
        let mut alarm = pin!(tokio::time::sleep_until(connection.house.at(due)));
        std::future::poll_fn(|cx| connection.poll(cx, alarm.as_mut())).await;
    }
}

struct Connection<S> {
    stream: S,
    house: Arc<House>,
    ticket: Ticket,
    stage: Stage,
    left: Option<Box<Left>>,
    /// When the last whole packet came.
    heard: u64,
    /// What the alarm is set for; it may fire too early, never too late.
    alarm: u64,
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
    since: u64,
}

/// Whether a connection has to wait, or would go on at once but for the others.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Turn {
    Waits,
    GoesOn,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Connection<S> {
    fn poll(&mut self, cx: &mut Context<'_>, alarm: Pin<&mut Sleep>) -> Poll<()> {
        ROOM.with_borrow_mut(|room| {
            room.out.clear();
            self.poll_in(room, cx, alarm)
        })
    }

    fn poll_in(
        &mut self,
        room: &mut Room,
        cx: &mut Context<'_>,
        mut alarm: Pin<&mut Sleep>,
    ) -> Poll<()> {
        let now = self.house.now();
        if !matches!(self.stage, Stage::Leaving { .. }) {
            let turn = self.turn(room, now, cx);
            let turn = turn.and_then(|turn| self.write(&mut room.out, now, cx).map(|()| turn));
            let turn =
                turn.and_then(|turn| self.check_time(now, alarm.as_mut(), cx).map(|()| turn));
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
        self.leave(room, now, cx, alarm)
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
            self.heard = now;
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
                self.heard = now;
                return Ok(Turn::Waits);
            }
            if budget == 0 || room.out.len() >= OUT_BYTES_PER_TURN {
                return Ok(Turn::GoesOn);
            }
            let mut input = ReadBuf::new(&mut room.input);
            match Pin::new(&mut self.stream).poll_read(cx, &mut input) {
                Poll::Pending => return Ok(Turn::Waits),
                Poll::Ready(Err(_)) => return Err(End::Lost),
                Poll::Ready(Ok(())) if input.filled().is_empty() => return Err(End::Lost),
                Poll::Ready(Ok(())) => {
                    let len = input.filled().len();
                    self.take_in(&room.input[..len], &mut budget, now, &mut room.out)?;
                }
            }
        }
    }

    fn is_listening(&self) -> bool {
        match &self.stage {
            Stage::Talking { session, line } => session.is_listening(line),
            Stage::Greeting(_) | Stage::Leaving { .. } => true,
        }
    }

    /// Takes in bytes; what is not finished is kept.
    fn take_in(
        &mut self,
        fresh: &[u8],
        budget: &mut u32,
        now: u64,
        out: &mut Vec<u8>,
    ) -> Result<(), End> {
        let left = self.left.as_mut();
        let mut unread = left.map_or_else(Vec::new, |left| mem::take(&mut left.unread));
        let is_more = !unread.is_empty();
        if is_more {
            unread.extend_from_slice(fresh);
        }
        let bytes = if is_more { &unread } else { fresh };
        let before = *budget;
        let (used, is_whole) = self.packets(bytes, budget, now, out)?;
        let packets = u64::from(before - *budget);
        self.house
            .figures
            .packets_in
            .fetch_add(packets, Ordering::Relaxed);
        let rest = if is_more && used == 0 {
            unread
        } else {
            bytes.get(used..).unwrap_or_default().to_vec()
        };
        if !rest.is_empty() || self.left.is_some() {
            let left = self.left.get_or_insert_default();
            left.is_whole = is_whole && !rest.is_empty();
            left.unread = rest;
            self.tidy();
        }
        Ok(())
    }

    /// Takes in the packets at the start of `bytes`; tells how many bytes they were, and whether there may be more.
    fn packets(
        &mut self,
        bytes: &[u8],
        budget: &mut u32,
        now: u64,
        out: &mut Vec<u8>,
    ) -> Result<(usize, bool), End> {
        let mut used = 0;
        while *budget > 0 && out.len() < OUT_BYTES_PER_TURN && self.is_listening() {
            let rest = bytes.get(used..).unwrap_or_default();
            match frame(rest, self.packet_bytes_max()) {
                Ok(Frame::Whole { len }) => {
                    self.packet(rest.get(..len).unwrap_or_default(), now, out)?;
                    used += len;
                    *budget -= 1;
                }
                Ok(Frame::Partial { .. }) => {
                    self.expect_connect(rest)?;
                    return Ok((used, false));
                }
                Err(error) => {
                    if matches!(self.stage, Stage::Greeting(_)) {
                        refuse_unframed(error, rest, out);
                    }
                    return Err(End::Wrong(error));
                }
            }
        }
        Ok((used, true))
    }

    /// Ends at its first byte what is not MQTT at all.
    fn expect_connect(&self, received: &[u8]) -> Result<(), End> {
        match (&self.stage, received.first()) {
            (Stage::Greeting(_), Some(first)) if first >> 4 != 1 => Err(End::because(
                ReasonCode::PROTOCOL_ERROR,
                "the first packet is not CONNECT",
            )),
            _ => Ok(()),
        }
    }

    fn packet_bytes_max(&self) -> usize {
        match self.stage {
            Stage::Greeting(_) => self.house.quota.connect_bytes_max,
            _ => self.house.quota.terms.packet_bytes_max.get() as usize,
        }
    }

    fn packet(&mut self, packet: &[u8], now: u64, out: &mut Vec<u8>) -> Result<(), End> {
        self.heard = now;
        match &mut self.stage {
            Stage::Talking { session, line } => session.receive(packet, line, out),
            Stage::Greeting(greeting) => {
                let (gate, terms) = (&*self.house.gate, &self.house.quota.terms);
                let (session, who) = greet(packet, gate, greeting.peer, terms, out)?;
                let line = Line::open(&self.house, who);
                self.ticket.seated(&line.seat);
                rise(&self.house.figures.welcomed);
                self.stage = Stage::Talking { session, line };
                Ok(())
            }
            Stage::Leaving { .. } => Ok(()),
        }
    }

    /// Sends what could not be sent before.
    fn flush(&mut self, cx: &mut Context<'_>) -> Result<Poll<()>, End> {
        let Some(left) = &mut self.left else {
            return Ok(Poll::Ready(()));
        };
        let sent = send(&mut self.stream, &left.unsent, cx)?;
        left.unsent.drain(..sent);
        if !left.unsent.is_empty() {
            return Ok(Poll::Pending);
        }
        left.unsent = Vec::new();
        self.tidy();
        Ok(Poll::Ready(()))
    }

    /// Sends, and keeps what the socket does not take.
    fn write(&mut self, out: &mut Vec<u8>, now: u64, cx: &mut Context<'_>) -> Result<(), End> {
        if out.is_empty() {
            return Ok(());
        }
        let sent = match &self.left {
            Some(left) if !left.unsent.is_empty() => 0,
            _ => send(&mut self.stream, out, cx)?,
        };
        if sent < out.len() {
            let left = self.left.get_or_insert_default();
            if left.unsent.is_empty() {
                left.since = now;
            }
            left.unsent
                .extend_from_slice(out.get(sent..).unwrap_or_default());
        }
        out.clear();
        Ok(())
    }

    fn is_stuck(&self) -> bool {
        self.left
            .as_ref()
            .is_some_and(|left| !left.unsent.is_empty())
    }

    fn tidy(&mut self) {
        let is_empty = |left: &Left| left.unread.is_empty() && left.unsent.is_empty();
        if self.left.as_deref().is_some_and(is_empty) {
            self.left = None;
        }
    }

    /// When something must have happened; `None`: never.
    fn due(&self) -> Option<u64> {
        match &self.stage {
            Stage::Greeting(greeting) => Some(greeting.due),
            Stage::Leaving { due, .. } => Some(*due),
            Stage::Talking { session, .. } => match &self.left {
                Some(left) if !left.unsent.is_empty() => {
                    Some(left.since + millis(self.house.quota.stall))
                }
                _ => Some(self.heard + session.silence_ms_max()?),
            },
        }
    }

    fn check_time(
        &mut self,
        now: u64,
        alarm: Pin<&mut Sleep>,
        cx: &mut Context<'_>,
    ) -> Result<(), End> {
        let Some(due) = self.due() else {
            return Ok(());
        };
        if now < due {
            self.set_alarm(due, alarm, cx);
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

    /// Sees to it that the alarm fires when it is due, or before.
    fn set_alarm(&mut self, due: u64, mut alarm: Pin<&mut Sleep>, cx: &mut Context<'_>) {
        if due >= self.alarm && !alarm.is_elapsed() {
            return;
        }
        alarm.as_mut().reset(self.house.at(due));
        self.alarm = due;
        if alarm.poll(cx).is_ready() {
            cx.waker().wake_by_ref();
        }
    }

    /// Ends the talk, with a last word if there is one. Tells whether it is worth waiting for it to be read.
    fn part(&mut self, end: End, out: &mut Vec<u8>, now: u64, cx: &mut Context<'_>) -> bool {
        if let Stage::Talking { session, line } = &self.stage {
            session.farewell(end, out);
            let device = line.seat.device();
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
    fn leave(
        &mut self,
        room: &mut Room,
        now: u64,
        cx: &mut Context<'_>,
        alarm: Pin<&mut Sleep>,
    ) -> Poll<()> {
        if self.check_time(now, alarm, cx).is_err() {
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

const fn millis(duration: Duration) -> u64 {
    duration.as_millis() as u64
}

/// A session's way to the engine. Dropping it ends the connection there.
struct Line {
    house: Arc<House>,
    seat: Arc<Seat>,
}

impl Line {
    fn open(house: &Arc<House>, who: Who) -> Self {
        let seat = Seat::new(match who {
            Who::Device(device) => Some(device),
            Who::Application { .. } => None,
        });
        house.fleet.attach(&seat);
        Self {
            house: Arc::clone(house),
            seat,
        }
    }

    fn with_device(&self, device: &str, then: impl FnOnce(&DeviceId)) {
        match self.seat.device() {
            Some(own) => then(own),
            None => {
                if let Ok(device) = DeviceId::parse(device) {
                    then(&device);
                }
            }
        }
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        if self.seat.device().is_some() {
            self.house.fleet.detach(&self.seat);
        } else {
            self.house.fleet.unwatch_all(&self.seat);
        }
    }
}

impl Calls for Line {
    fn device(&self) -> Option<&DeviceId> {
        self.seat.device()
    }

    fn pending(&self) -> u32 {
        self.seat.pending()
    }

    fn submit(&self, who: Speaker, device: &str, payload: &[u8], receipt: u32) -> Submitted {
        self.house.figures.messages_in.rise(Kind::Update);
        let mut submitted = Submitted::Quiet;
        self.with_device(device, |device| {
            submitted = self
                .house
                .fleet
                .submit(&self.seat, who, device, payload, receipt);
        });
        submitted
    }

    fn ask(&self, who: Speaker, device: &str, receipt: u32) {
        self.house.figures.messages_in.rise(Kind::Get);
        self.with_device(device, |device| {
            self.house.fleet.ask(&self.seat, who, device, receipt);
        });
    }

    fn wants(&self, wants: Wants) {
        self.seat.set_wants(wants);
    }

    fn subscribe(&self) {
        self.house.fleet.subscribe(&self.seat);
    }

    fn unsubscribe(&self) {
        self.house.fleet.unsubscribe(&self.seat);
    }

    fn watch(&self, kind: Kind, scope: Scope) {
        self.house.fleet.watch(&self.seat, kind, scope);
    }

    fn unwatch(&self, kind: Kind, scope: &Scope) {
        self.house.fleet.unwatch(&self.seat, kind, scope);
    }

    fn note(&self, note: Note) {
        match note {
            Note::Sent(kind) => self.house.figures.messages_out.rise(kind),
            Note::TooLarge(kind) => {
                rise(&self.house.figures.too_large_for_client);
                let device = self.seat.device();
                tracing::warn!(
                    ?device,
                    kind = kind.path(),
                    "larger than the client takes, not sent"
                );
            }
            Note::Refused => rise(&self.house.figures.messages_refused),
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpStream;

    use super::*;

    type Run<F> = fn(TcpStream, SocketAddr, Arc<House>, Ticket, OwnedNotified) -> F;

    fn size_of_future<F>(_: Run<F>) -> usize {
        size_of::<F>()
    }

    /// What an idle connection costs is mostly this. tokio adds 64 to 100 bytes, and rounds up to 128.
    #[test]
    fn a_connection_is_small() {
        let size = size_of_future(run::<TcpStream>);
        println!(
            "the future of a connection has {size} bytes, its session {}",
            size_of::<Session>()
        );
        assert!(size <= 384, "{size}");
    }
}
