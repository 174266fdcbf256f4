//! The fifteen packets, and the small words that they share.

use alloc::vec::Vec;
use core::num::NonZeroU16;

use crate::encode::{Body, encode_methods};
use crate::{
    Auth, ConnAck, Connect, Disconnect, Error, PubAck, PubComp, PubRec, PubRel, Publish, SubAck,
    Subscribe, UnsubAck, Unsubscribe,
};

/// The protocol version of a connection; CONNECT says it, everything after depends on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Version {
    /// MQTT 3.1.1, protocol level 4.
    V311,
    /// MQTT 5, protocol level 5.
    V5,
}

impl Version {
    pub(crate) fn level(self) -> u8 {
        match self {
            Self::V311 => 4,
            Self::V5 => 5,
        }
    }
}

/// A packet identifier; never zero (\[MQTT-2.3.1-1\]; in 5 \[MQTT-2.2.1-3\]).
pub type PacketId = NonZeroU16;

/// How surely a message is to be delivered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Qos {
    /// QoS 0: at most once.
    AtMostOnce,
    /// QoS 1: at least once, acknowledged.
    AtLeastOnce,
    /// QoS 2: exactly once, in two round trips.
    ExactlyOnce,
}

impl Qos {
    /// Reads the two bits of the wire; `None` for 3, which no packet may say.
    pub(crate) fn from_bits(bits: u8) -> Option<Self> {
        match bits & 0b11 {
            0 => Some(Self::AtMostOnce),
            1 => Some(Self::AtLeastOnce),
            2 => Some(Self::ExactlyOnce),
            _ => None,
        }
    }

    pub(crate) fn bits(self) -> u8 {
        self as u8
    }
}

/// Any packet, borrowed from the bytes it was decoded from (or from what is to be sent).
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Packet<'a> {
    /// Client to server, first and once.
    Connect(Connect<'a>),
    /// Server to client, the answer to CONNECT.
    ConnAck(ConnAck<'a>),
    /// Either way: an application message.
    Publish(Publish<'a>),
    /// Either way: QoS 1 received.
    PubAck(PubAck<'a>),
    /// Either way: QoS 2 received.
    PubRec(PubRec<'a>),
    /// Either way: QoS 2 released.
    PubRel(PubRel<'a>),
    /// Either way: QoS 2 complete.
    PubComp(PubComp<'a>),
    /// Client to server.
    Subscribe(Subscribe<'a>),
    /// Server to client.
    SubAck(SubAck<'a>),
    /// Client to server.
    Unsubscribe(Unsubscribe<'a>),
    /// Server to client.
    UnsubAck(UnsubAck<'a>),
    /// Client to server.
    PingReq,
    /// Server to client.
    PingResp,
    /// Client to server; in MQTT 5 either way.
    Disconnect(Disconnect<'a>),
    /// MQTT 5 only, either way.
    Auth(Auth<'a>),
}

impl Packet<'_> {
    /// Appends the packet to `out`; on an error `out` is as before.
    /// A CONNECT is written in the version that it carries.
    pub fn encode(&self, version: Version, out: &mut Vec<u8>) -> Result<(), Error> {
        match self {
            Self::Connect(p) => p.encode(out),
            Self::ConnAck(p) => p.encode(version, out),
            Self::Publish(p) => p.encode(version, out),
            Self::PubAck(p) => p.encode(version, out),
            Self::PubRec(p) => p.encode(version, out),
            Self::PubRel(p) => p.encode(version, out),
            Self::PubComp(p) => p.encode(version, out),
            Self::Subscribe(p) => p.encode(version, out),
            Self::SubAck(p) => p.encode(version, out),
            Self::Unsubscribe(p) => p.encode(version, out),
            Self::UnsubAck(p) => p.encode(version, out),
            Self::PingReq => PingReq.encode(version, out),
            Self::PingResp => PingResp.encode(version, out),
            Self::Disconnect(p) => p.encode(version, out),
            Self::Auth(p) => p.encode(version, out),
        }
    }

    /// Tells how many bytes `encode` will append, fixed header included.
    #[must_use]
    pub fn encoded_len(&self, version: Version) -> usize {
        match self {
            Self::Connect(p) => p.encoded_len(),
            Self::ConnAck(p) => p.encoded_len(version),
            Self::Publish(p) => p.encoded_len(version),
            Self::PubAck(p) => p.encoded_len(version),
            Self::PubRec(p) => p.encoded_len(version),
            Self::PubRel(p) => p.encoded_len(version),
            Self::PubComp(p) => p.encoded_len(version),
            Self::Subscribe(p) => p.encoded_len(version),
            Self::SubAck(p) => p.encoded_len(version),
            Self::Unsubscribe(p) => p.encoded_len(version),
            Self::UnsubAck(p) => p.encoded_len(version),
            Self::PingReq => PingReq.encoded_len(version),
            Self::PingResp => PingResp.encoded_len(version),
            Self::Disconnect(p) => p.encoded_len(version),
            Self::Auth(p) => p.encoded_len(version),
        }
    }
}

/// PINGREQ: the client is there, are you?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PingReq;

/// PINGRESP: the server is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PingResp;

macro_rules! empty_body {
    ($packet:ty, $first:literal) => {
        impl Body for $packet {
            fn first_byte(&self) -> u8 {
                $first
            }
            fn check(&self, _: Version) -> Result<(), Error> {
                Ok(())
            }
            fn body_len(&self, _: Version) -> usize {
                0
            }
            fn write(&self, _: Version, _: &mut Vec<u8>) {}
        }
        encode_methods!($packet);
    };
}

empty_body!(PingReq, 0xc0);
empty_body!(PingResp, 0xd0);
