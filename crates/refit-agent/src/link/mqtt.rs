//! One MQTT 5 connection of a device: connect, subscribe, publish, acknowledge, until it is lost or closed.
//!
//! One loop on one socket that does not block; it sleeps until there is something to read, to write or to do.
//! Every message is acknowledged when it is handed on: the replica is the queue, and sends again what matters.

use super::back_off::{Lost, Then};
use super::{Event, Inbox, Kind, Order, Stream, lost};
use refit_packet::{
    Connect, Delivery, Disconnect, Filters, Frame, Packet, PacketId, Properties, Property, PubAck,
    Publish, PublishParts, Qos, ReasonCode, Subscribe, Subscription, Version, decode_from_server,
    frame,
};
use refit_protocol::topic::Topic;
use rustix::event::PollFlags;
use std::io::ErrorKind;
use std::num::{NonZeroU16, NonZeroU32};
use std::time::{Duration, Instant};

/// Seconds without a packet after which the server takes the device for gone (times one and a half).
const KEEP_ALIVE_S: u16 = 60;

/// The time for an answer to CONNECT, SUBSCRIBE and PINGREQ.
const ANSWER: Duration = Duration::from_secs(20);

/// The longest packet that is taken, in bytes: the largest document of the server is 16 KiB.
const PACKET_BYTES_MAX: u32 = 64 * 1024;

/// Messages that the server may send before one is acknowledged.
const RECEIVE_MAX: NonZeroU16 = NonZeroU16::MIN.saturating_add(15);

/// The answers first, so that none to what follows the delta is missed.
const SUBSCRIBED: [Kind; 3] = [Kind::Accepted, Kind::Rejected, Kind::Delta];

const SUBSCRIBE_ID: PacketId = PacketId::MIN;

/// Runs a connection. `Ok` if it was told to close; `Err` says how it was lost.
pub fn session(
    stream: &mut dyn Stream,
    device: &str,
    inbox: &Inbox,
    say: &mut dyn FnMut(Event),
) -> Result<(), Lost> {
    let mut session = Session {
        device,
        stage: Stage::Connecting,
        received: Vec::new(),
        sending: Vec::new(),
        held: false,
        early: Vec::new(),
        last_id: SUBSCRIBE_ID,
        unanswered: 0,
        unanswered_max: u16::MAX,
        keep_alive: Duration::from_secs(u64::from(KEEP_ALIVE_S)),
        sent_at: Instant::now(),
        deadline: Some(Instant::now() + ANSWER),
    };
    session.connect()?;
    loop {
        session.flush(stream)?;
        let more = session.fill(stream)?;
        while let Some(length) = session.whole()? {
            let packet: Vec<u8> = session.received.drain(..length).collect();
            session.take(&packet, inbox, say)?;
        }
        if session.orders(inbox)? {
            session.flush(stream)?;
            return Ok(());
        }
        session.keep_alive()?;
        session.flush(stream)?;
        if more {
            continue; // what TLS has read already, no socket tells of
        }
        let flags = match session.held {
            false => PollFlags::IN,
            true => PollFlags::IN | PollFlags::OUT,
        };
        inbox
            .wait(Some((stream, flags)), session.next_due())
            .map_err(|e| format!("waiting failed: {e}"))?;
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Connecting,
    Subscribing,
    Up,
}

struct Session<'a> {
    device: &'a str,
    stage: Stage,
    received: Vec<u8>,
    sending: Vec<u8>,
    /// Whether the stream took less than there is to send.
    held: bool,
    /// Messages that came before the subscription was answered.
    early: Vec<Event>,
    last_id: PacketId,
    /// Messages of ours without PUBACK, and how many the server takes.
    unanswered: u16,
    unanswered_max: u16,
    keep_alive: Duration,
    sent_at: Instant,
    /// When an answer must be here.
    deadline: Option<Instant>,
}

impl Session<'_> {
    fn connect(&mut self) -> Result<(), String> {
        let properties = [
            Property::ReceiveMaximum(RECEIVE_MAX),
            Property::MaximumPacketSize(NonZeroU32::MIN.saturating_add(PACKET_BYTES_MAX - 1)),
        ];
        self.send(&Packet::Connect(Connect {
            version: Version::V5,
            clean_start: true, // and no session expiry: the replica is the queue
            keep_alive: KEEP_ALIVE_S,
            client_id: self.device,
            will: None,
            username: None,
            password: None,
            properties: Properties::of(&properties),
        }))
    }

    fn subscribe(&mut self) -> Result<(), String> {
        let topics = SUBSCRIBED.map(|kind| topic(self.device, kind));
        let filters = topics
            .each_ref()
            .map(|topic| Subscription::new(topic, Qos::AtLeastOnce));
        self.stage = Stage::Subscribing;
        self.deadline = Some(Instant::now() + ANSWER);
        self.send(&Packet::Subscribe(Subscribe {
            id: SUBSCRIBE_ID,
            properties: Properties::NONE,
            filters: Filters::of(&filters),
        }))
    }

    fn take(
        &mut self,
        packet: &[u8],
        inbox: &Inbox,
        say: &mut dyn FnMut(Event),
    ) -> Result<(), Lost> {
        let packet = decode_from_server(packet, Version::V5)
            .map_err(|e| format!("the server sent what is no MQTT: {e}"))?;
        match (packet, self.stage) {
            (Packet::ConnAck(answer), Stage::Connecting) => self.connected(&answer),
            (Packet::SubAck(answer), Stage::Subscribing) => {
                if let Some(code) = answer.codes.iter().find(|code| code.is_failure()) {
                    let meaning = code.meaning();
                    return Err(format!("the server refused a subscription: {meaning}").into());
                }
                self.stage = Stage::Up;
                self.deadline = None;
                inbox.forget();
                say(Event::Up);
                self.early.drain(..).for_each(say);
                Ok(())
            }
            (Packet::Publish(message), _) => Ok(self.message(&message, say)?),
            (Packet::PubAck(_), Stage::Up) => {
                // A refusal comes as `rejected` too, or the update is repeated in its time.
                self.unanswered = self.unanswered.saturating_sub(1);
                Ok(())
            }
            (Packet::PingResp, Stage::Up) => {
                self.deadline = None;
                Ok(())
            }
            (Packet::Disconnect(end), _) => Err(refused(
                "the server closed the connection",
                end.reason,
                &end.properties,
            )),
            (packet, stage) => Err(format!("the server sent {packet:?} while {stage:?}").into()),
        }
    }

    fn message(&mut self, message: &Publish<'_>, say: &mut dyn FnMut(Event)) -> Result<(), String> {
        if let Some(Topic { device, kind }) = Topic::parse(message.topic)
            && device == self.device
        {
            let event = Event::Message(kind, message.payload.to_vec());
            match self.stage {
                Stage::Up => say(event),
                // A server may send before its SUBACK.
                Stage::Connecting | Stage::Subscribing => self.early.push(event),
            }
        }
        match message.delivery {
            Delivery::AtMostOnce => Ok(()),
            Delivery::AtLeastOnce { id, dup: _ } => self.send(&Packet::PubAck(PubAck::success(id))),
            Delivery::ExactlyOnce { .. } => {
                Err("the server sent QoS 2, which was not subscribed to".into())
            }
        }
    }

    fn connected(&mut self, answer: &refit_packet::ConnAck<'_>) -> Result<(), Lost> {
        if answer.reason.is_failure() {
            let what = "the server refused the connection";
            return Err(refused(what, answer.reason, &answer.properties));
        }
        if let Some(seconds) = answer.properties.server_keep_alive() {
            self.keep_alive = Duration::from_secs(u64::from(seconds));
        }
        if let Some(most) = answer.properties.receive_maximum() {
            self.unanswered_max = most.get();
        }
        Ok(self.subscribe()?)
    }

    /// Takes orders as far as the server allows. Tells whether one was to close.
    fn orders(&mut self, inbox: &Inbox) -> Result<bool, String> {
        while self.stage != Stage::Up || self.unanswered < self.unanswered_max {
            match inbox.next() {
                None => return Ok(false),
                Some(Order::Close) => {
                    self.send(&Packet::Disconnect(Disconnect::new(ReasonCode::SUCCESS)))?;
                    return Ok(true);
                }
                Some(Order::Publish(kind, payload)) if self.stage == Stage::Up => {
                    self.publish(kind, &payload)?;
                }
                Some(Order::Publish(..)) => {} // of an earlier connection
            }
        }
        Ok(false)
    }

    fn publish(&mut self, kind: Kind, payload: &[u8]) -> Result<(), String> {
        self.last_id = self.last_id.checked_add(1).unwrap_or(PacketId::MIN);
        self.unanswered += 1;
        let parts = PublishParts {
            topic: &[&topic(self.device, kind)],
            delivery: Delivery::AtLeastOnce {
                id: self.last_id,
                dup: false,
            },
            retain: false,
            properties: Properties::NONE,
            payload,
        };
        self.sent_at = Instant::now();
        parts
            .encode(Version::V5, &mut self.sending)
            .map_err(|e| format!("a message cannot be sent: {e}"))
    }

    fn send(&mut self, packet: &Packet<'_>) -> Result<(), String> {
        self.sent_at = Instant::now();
        packet
            .encode(Version::V5, &mut self.sending)
            .map_err(|e| format!("a packet cannot be sent: {e}"))
    }

    fn keep_alive(&mut self) -> Result<(), String> {
        let now = Instant::now();
        if self.deadline.is_some_and(|deadline| deadline <= now) {
            return Err("the server does not answer".into());
        }
        let silent = now.duration_since(self.sent_at);
        if self.stage == Stage::Up && !self.keep_alive.is_zero() && silent >= self.keep_alive {
            self.send(&Packet::PingReq)?;
            self.deadline.get_or_insert(now + ANSWER);
        }
        Ok(())
    }

    fn next_due(&self) -> Duration {
        let now = Instant::now();
        let answer = self
            .deadline
            .map(|deadline| deadline.saturating_duration_since(now));
        let ping = (self.stage == Stage::Up && !self.keep_alive.is_zero())
            .then(|| (self.sent_at + self.keep_alive).saturating_duration_since(now));
        let next = [answer, ping].into_iter().flatten().min();
        // Rounded up: waking a moment too early would spin.
        next.map_or(Duration::from_secs(3600), |next| {
            next + Duration::from_millis(1)
        })
    }

    fn whole(&self) -> Result<Option<usize>, String> {
        match frame(&self.received, PACKET_BYTES_MAX as usize) {
            Ok(Frame::Whole { len }) => Ok(Some(len)),
            Ok(Frame::Partial { missing: _ }) => Ok(None),
            Err(e) => Err(format!("the server sent what is no MQTT: {e}")),
        }
    }

    /// Reads what is there. Tells whether there may be more.
    fn fill(&mut self, stream: &mut dyn Stream) -> Result<bool, Lost> {
        let mut chunk = [0; 4096];
        loop {
            match stream.read(&mut chunk) {
                Ok(0) => return Err("the server closed the connection".into()),
                Ok(count) => self.received.extend_from_slice(&chunk[..count]),
                Err(e) if e.kind() == ErrorKind::WouldBlock => return Ok(false),
                Err(e) if e.kind() == ErrorKind::Interrupted => {}
                Err(e) => return Err(lost("the connection was lost", &e)),
            }
            if self.received.len() > PACKET_BYTES_MAX as usize {
                return Ok(true); // what is here is worked off first
            }
        }
    }

    fn flush(&mut self, stream: &mut dyn Stream) -> Result<(), Lost> {
        self.held = false;
        loop {
            let sent = match self.sending.is_empty() {
                true => stream.flush().map(|()| 0),
                false => stream.write(&self.sending),
            };
            match sent {
                Ok(_) if self.sending.is_empty() => return Ok(()),
                Ok(count) => drop(self.sending.drain(..count)),
                Err(e) if e.kind() == ErrorKind::WouldBlock => {
                    self.held = true;
                    return Ok(());
                }
                Err(e) if e.kind() == ErrorKind::Interrupted => {}
                Err(e) => return Err(lost("the connection was lost", &e)),
            }
        }
    }
}

fn topic(device: &str, kind: Kind) -> String {
    format!("{}/{device}/{}", refit_protocol::topic::ROOT, kind.path())
}

/// Says what a refusal means.
fn refused(what: &str, reason: ReasonCode, properties: &Properties<'_>) -> Lost {
    let why = why(reason, properties);
    let then = match reason {
        ReasonCode::SERVER_BUSY
        | ReasonCode::CONNECTION_RATE_EXCEEDED
        | ReasonCode::QUOTA_EXCEEDED => Then::Busy(None),
        ReasonCode::BANNED => Then::Revoked,
        ReasonCode::NOT_AUTHORIZED if why.contains("revoked") => Then::Revoked,
        ReasonCode::NOT_AUTHORIZED => Then::Refused,
        _ => Then::Again,
    };
    let reason = match then {
        Then::Revoked => {
            format!("{what}: {why}; if it is to come back, enrol it again with a new token")
        }
        Then::Again | Then::Refused | Then::Busy(_) => format!("{what}: {why}"),
    };
    Lost { reason, then }
}

fn why(reason: ReasonCode, properties: &Properties<'_>) -> String {
    let meaning = reason.meaning();
    match properties.reason_string() {
        Some(text) => format!("{meaning} ({text})"),
        None => meaning.into(),
    }
}
