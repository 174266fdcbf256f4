//! The rules of one MQTT connection, without I/O: a packet or a message of the engine goes in; bytes to send are
//! appended, and [`Calls`] are made. Start here.
//!
//! A session begins with [`greet`], ends with an [`End`], and never outlives its connection: the replica is the queue.
//! An idle one holds no buffer: what is owed to the client, and what the client owes, is in a box while there is any.

mod deliver;
mod end;
mod excess;
mod greet;
mod inbound;
mod limits;
mod outbound;
mod own;
mod subscribe;
mod verdict;
mod voice;
mod watched;

#[cfg(test)]
mod tests;

use refit_engine::fleet::Submitted;
use refit_engine::seat::Wants;
use refit_engine::watchers::Scope;
use refit_packet::{
    Delivery, Disconnect, Packet, PacketId, PingResp, PubComp, Publish, ReasonCode, Version,
    decode_from_client,
};
use refit_protocol::device_id::DeviceId;
use refit_protocol::time::Timestamp;
use refit_protocol::topic::{Kind, Topic};
use refit_replica::speaker::{Speaker, Wishes};

pub use end::End;
pub use greet::{Origin, Terms, greet, refuse_after_all, refuse_unframed};

use crate::quota::Share;

use inbound::{Inbound, Owed};
use limits::Limits;
use outbound::Outbound;
use own::Own;
use verdict::Verdict;
use voice::Voice;
use watched::Watched;

/// What a session wants of the engine, and tells who counts. The driver makes these calls; tests write them down.
pub trait Calls {
    /// Returns the device whose own connection this is; `None`: an application's.
    fn device(&self) -> Option<&DeviceId>;
    /// Returns how many submissions have no receipt yet.
    fn pending(&self) -> u32;
    /// Takes a turn to speak; false if there is none.
    fn takes_turn(&self, share: Share) -> bool;
    /// Returns the time of the wall clock, for answers that the session makes itself.
    fn wall(&self) -> Timestamp;
    /// Submits a payload for a device; the receipt comes back as [`refit_engine::seat::Outgoing::Receipt`].
    fn submit(&self, who: Speaker, device: &str, payload: &[u8], receipt: u32) -> Submitted;
    /// Asks for the record of a device.
    fn ask(&self, who: Speaker, device: &str, receipt: u32);
    /// Says what a device's seat is to be told.
    fn wants(&self, wants: Wants);
    /// The device subscribed to its delta: it is told it, if there is one.
    fn subscribe(&self);
    /// The device no longer subscribes to its delta.
    fn unsubscribe(&self);
    /// An application watches.
    fn watch(&self, kind: Kind, scope: Scope);
    /// An application no longer watches.
    fn unwatch(&self, kind: Kind, scope: &Scope);
    /// Something happened that is counted.
    fn note(&self, note: Note);
}

/// What is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Note {
    /// A message of this kind was sent.
    Sent(Kind),
    /// A message of this kind is larger than the client takes, and was not sent.
    TooLarge(Kind),
    /// A message was refused by its topic alone.
    Refused,
    /// A message was refused because its sender says too many.
    TooOften,
}

/// One connection whose CONNECT was welcomed.
#[derive(Debug)]
pub struct Session {
    voice: Voice,
    /// Our QoS 1 messages that may be unacknowledged at once.
    window: u16,
    /// Seconds; 0: none.
    keep_alive: u16,
    last_id: u16,
    /// Whether CONNECT asked for no session expiry, which DISCONNECT may not change ([MQTT-3.14.2-2]).
    expiry_is_fixed: bool,
    subscriptions: Subscriptions,
    inbound: Option<Box<Inbound>>,
    outbound: Option<Box<Outbound>>,
}

#[derive(Debug)]
enum Subscriptions {
    Device(Own),
    Application(Box<Watched>),
}

impl Session {
    /// Takes in one whole packet.
    pub fn receive(
        &mut self,
        packet: &[u8],
        calls: &impl Calls,
        out: &mut Vec<u8>,
    ) -> Result<(), End> {
        if is_connect(packet) {
            // [MQTT-3.1.0-2], whatever else is wrong with it.
            return Err(End::because(ReasonCode::PROTOCOL_ERROR, "a second CONNECT"));
        }
        match decode_from_client(packet, self.voice.version).map_err(End::Wrong)? {
            Packet::Publish(publish) => self.publish(&publish, calls, out),
            Packet::PubAck(ack) => self.acknowledged(ack.id, calls, out),
            Packet::PubRel(release) => self.release(release.id, out),
            Packet::Subscribe(subscribe) => self.subscribe(&subscribe, calls, out),
            Packet::Unsubscribe(unsubscribe) => {
                self.unsubscribe(&unsubscribe, calls, out);
                Ok(())
            }
            Packet::PingReq => {
                self.voice.put(out, |v, out| PingResp.encode(v, out));
                Ok(())
            }
            Packet::Disconnect(disconnect) => Err(self.goodbye(&disconnect)),
            Packet::PubRec(_) | Packet::PubComp(_) => Err(End::because(
                ReasonCode::PROTOCOL_ERROR,
                "an answer to a QoS 2 message, and none was sent",
            )),
            Packet::Auth(_) => Err(End::because(
                ReasonCode::PROTOCOL_ERROR,
                "AUTH, and no authentication method was agreed",
            )),
            // The decoder has refused these: they are not a client's to send.
            Packet::Connect(_)
            | Packet::ConnAck(_)
            | Packet::SubAck(_)
            | Packet::UnsubAck(_)
            | Packet::PingResp => Err(End::because(
                ReasonCode::PROTOCOL_ERROR,
                "a packet that a client may not send",
            )),
        }
    }

    /// Appends the last word, if the protocol has one for this end: 3.1.1 only closes.
    pub fn farewell(&self, end: End, out: &mut Vec<u8>) {
        let (Version::V5, Some(reason)) = (self.voice.version, end.reason()) else {
            return;
        };
        self.voice
            .tell_always(&end.message(), out, |properties, version, out| {
                Disconnect { reason, properties }.encode(version, out)
            });
    }

    /// Returns after how many milliseconds without a packet the client is gone: one and a half times what was agreed
    /// ([MQTT-3.1.2-24]; in 5 [MQTT-3.1.2-22]).
    pub fn silence_ms_max(&self) -> Option<u64> {
        (self.keep_alive > 0).then(|| u64::from(self.keep_alive) * 1500)
    }

    /// Tells whether more packets are welcome now: not while too much of what was said before is undecided.
    pub fn is_listening(&self, calls: &impl Calls) -> bool {
        calls.pending() < self.limits().undecided_max
    }

    fn publish(
        &mut self,
        publish: &Publish<'_>,
        calls: &impl Calls,
        out: &mut Vec<u8>,
    ) -> Result<(), End> {
        if publish.properties.topic_alias().is_some() {
            // [MQTT-3.3.2-9]: none was offered.
            return Err(End::because(
                ReasonCode::TOPIC_ALIAS_INVALID,
                "a topic alias, and the maximum is 0",
            ));
        }
        if let Delivery::ExactlyOnce { id, .. } = publish.delivery
            && self.is_repeated(id, out)
        {
            return Ok(());
        }
        if publish.delivery.id().is_some() {
            self.check_quota(publish.delivery)?;
        }
        match self.target(publish.topic, calls) {
            Ok((topic, speaker)) if calls.takes_turn(Share::Common) => {
                self.pass_on(publish, topic, speaker, calls, out)
            }
            Ok((topic, speaker)) => self.in_excess(publish, topic, speaker, calls, out),
            Err(verdict) => {
                calls.note(Note::Refused);
                self.refuse(publish.delivery, verdict, out)
            }
        }
    }

    fn pass_on(
        &mut self,
        publish: &Publish<'_>,
        topic: Topic<'_>,
        speaker: Speaker,
        calls: &impl Calls,
        out: &mut Vec<u8>,
    ) -> Result<(), End> {
        let owed = Owed::of(publish.delivery);
        let receipt = owed.map_or(inbound::UNACKNOWLEDGED, |_| self.next_receipt());
        let submitted = match topic.kind {
            Kind::Update => calls.submit(speaker, topic.device, publish.payload, receipt),
            _ => {
                calls.ask(speaker, topic.device, receipt);
                Submitted::Later
            }
        };
        if let Some(owed) = owed {
            let verdict = match submitted {
                Submitted::Quiet => Some(Verdict::GOOD),
                Submitted::Later => None,
            };
            self.owe(owed, verdict, out);
        }
        Ok(())
    }

    /// Refuses a message that goes no further. 3.1.1 has no word for that but closing ([MQTT-3.3.5-2]): a positive answer would
    /// hide the mistake. In 5 the answer says it, and the connection stays; QoS 0 has no answer.
    fn refuse(
        &mut self,
        delivery: Delivery,
        verdict: Verdict,
        out: &mut Vec<u8>,
    ) -> Result<(), End> {
        if self.voice.version == Version::V311 {
            return Err(End::because(verdict.reason, verdict.why));
        }
        if let Some(owed) = Owed::of(delivery) {
            self.owe(owed, Some(verdict), out);
        }
        Ok(())
    }

    /// Reads where a message goes: to `update` or `get`, of the device itself, or of any that an application may speak
    /// of; and who speaks there.
    fn target<'t>(
        &self,
        topic: &'t str,
        calls: &impl Calls,
    ) -> Result<(Topic<'t>, Speaker), Verdict> {
        let topic = Topic::parse(topic).ok_or(Verdict::NO_SUCH_TOPIC)?;
        if calls
            .device()
            .is_some_and(|own| own.as_str() != topic.device)
        {
            return Err(Verdict::FOREIGN_TOPIC);
        }
        match topic.kind {
            Kind::Update | Kind::Get => {}
            Kind::Delta
            | Kind::Accepted
            | Kind::Rejected
            | Kind::GetAccepted
            | Kind::GetRejected => return Err(Verdict::OUR_TOPIC),
        }
        let speaker = match &self.subscriptions {
            Subscriptions::Device(_) => Speaker::Device,
            Subscriptions::Application(watched) => {
                let device = DeviceId::parse(topic.device).map_err(|_| Verdict::NO_SUCH_TOPIC)?;
                let wishes = watched.who.rights.wishes(&device);
                if topic.kind == Kind::Get && !watched.who.rights.may_ask(&device) {
                    return Err(Verdict::NOT_ALLOWED_TO_ASK);
                }
                if topic.kind == Kind::Update && wishes == Wishes::NONE {
                    return Err(Verdict::NOT_ALLOWED_TO_WRITE);
                }
                Speaker::Application(watched.who.name.clone(), wishes)
            }
        };
        Ok((topic, speaker))
    }

    fn limits(&self) -> &'static Limits {
        match self.subscriptions {
            Subscriptions::Device(_) => &limits::DEVICE,
            Subscriptions::Application(_) => &limits::APPLICATION,
        }
    }

    /// PUBREL: the identifier is free again.
    fn release(&mut self, id: PacketId, out: &mut Vec<u8>) -> Result<(), End> {
        let known = match &mut self.inbound {
            Some(inbound) if inbound.owes(id) => {
                return Err(End::because(
                    ReasonCode::PROTOCOL_ERROR,
                    "PUBREL before PUBREC was sent",
                ));
            }
            Some(inbound) => inbound.release(id),
            None => false,
        };
        self.tidy_inbound();
        // One of an earlier connection is answered too, or a client that kept it could never go on.
        let reason = if known {
            ReasonCode::SUCCESS
        } else {
            ReasonCode::PACKET_IDENTIFIER_NOT_FOUND
        };
        self.voice
            .put(out, |v, out| PubComp::new(id, reason).encode(v, out));
        Ok(())
    }

    fn goodbye(&self, disconnect: &Disconnect<'_>) -> End {
        let expiry = disconnect.properties.session_expiry().unwrap_or(0);
        if self.expiry_is_fixed && expiry > 0 {
            return End::because(
                ReasonCode::PROTOCOL_ERROR,
                "a session expiry in DISCONNECT after none in CONNECT",
            );
        }
        End::Goodbye
    }
}

fn is_connect(packet: &[u8]) -> bool {
    packet.first().is_some_and(|first| first >> 4 == 1)
}
