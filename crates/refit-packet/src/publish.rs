//! PUBLISH (3.1.1 §3.3, 5 §3.3): the packet that there is most of.

use alloc::vec::Vec;
use core::fmt;

use crate::encode::{Body, encode_methods, put_u16};
use crate::place::Places;
use crate::reader::Reader;
use crate::secret::Bytes;
use crate::{Error, PacketId, Properties, Qos, Version, property, text};

/// How surely a PUBLISH is to arrive, with what that needs: only QoS 1 and 2 have an identifier
/// (\[MQTT-2.3.1-5\]; in 5 \[MQTT-2.2.1-2\]) and can be sent again (\[MQTT-3.3.1-2\]).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Delivery {
    /// QoS 0.
    AtMostOnce,
    /// QoS 1.
    AtLeastOnce {
        /// What its PUBACK will name.
        id: PacketId,
        /// It may have been sent before.
        dup: bool,
    },
    /// QoS 2.
    ExactlyOnce {
        /// What its PUBREC, PUBREL and PUBCOMP will name.
        id: PacketId,
        /// It may have been sent before.
        dup: bool,
    },
}

impl Delivery {
    /// The quality of service.
    #[must_use]
    pub const fn qos(self) -> Qos {
        match self {
            Self::AtMostOnce => Qos::AtMostOnce,
            Self::AtLeastOnce { .. } => Qos::AtLeastOnce,
            Self::ExactlyOnce { .. } => Qos::ExactlyOnce,
        }
    }

    /// The packet identifier, which QoS 0 does not have.
    #[must_use]
    pub const fn id(self) -> Option<PacketId> {
        match self {
            Self::AtMostOnce => None,
            Self::AtLeastOnce { id, .. } | Self::ExactlyOnce { id, .. } => Some(id),
        }
    }

    /// Whether the packet may have been sent before.
    #[must_use]
    pub const fn dup(self) -> bool {
        match self {
            Self::AtMostOnce => false,
            Self::AtLeastOnce { dup, .. } | Self::ExactlyOnce { dup, .. } => dup,
        }
    }
}

/// PUBLISH: an application message.
#[derive(Clone, Copy, PartialEq)]
pub struct Publish<'a> {
    /// Where to; empty only in MQTT 5 and only with a topic alias.
    pub topic: &'a str,
    /// How surely.
    pub delivery: Delivery,
    /// To be kept for later subscribers; to a subscriber: was kept.
    pub retain: bool,
    /// MQTT 5: expiry, response topic and the like.
    pub properties: Properties<'a>,
    /// What. Of any length, and not shown by `Debug`.
    pub payload: &'a [u8],
}

impl fmt::Debug for Publish<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Publish")
            .field("topic", &self.topic)
            .field("delivery", &self.delivery)
            .field("retain", &self.retain)
            .field("properties", &self.properties)
            .field("payload", &Bytes(self.payload))
            .finish()
    }
}

impl<'a> Publish<'a> {
    pub(crate) fn decode(
        flags: u8,
        mut reader: Reader<'a>,
        version: Version,
        here: Places,
    ) -> Result<Self, Error> {
        let qos = Qos::from_bits(flags >> 1).ok_or(Error::PublishQos)?;
        let dup = flags & DUP != 0;
        let topic = reader.topic()?;
        let delivery = match qos {
            Qos::AtMostOnce if dup => return Err(Error::DupOnQos0),
            Qos::AtMostOnce => Delivery::AtMostOnce,
            Qos::AtLeastOnce => Delivery::AtLeastOnce {
                id: reader.packet_id()?,
                dup,
            },
            Qos::ExactlyOnce => Delivery::ExactlyOnce {
                id: reader.packet_id()?,
                dup,
            },
        };
        let properties = match version {
            Version::V311 => Properties::NONE,
            Version::V5 => property::read(&mut reader, here)?,
        };
        if topic.is_empty() {
            check_empty_topic(&properties, version)?;
        }
        let retain = flags & RETAIN != 0;
        Ok(Self {
            topic,
            delivery,
            retain,
            properties,
            payload: reader.rest(),
        })
    }
}

const DUP: u8 = 1 << 3;
const RETAIN: u8 = 1;

fn check_empty_topic(properties: &Properties<'_>, version: Version) -> Result<(), Error> {
    match version {
        Version::V311 => Err(Error::TopicEmpty),
        Version::V5 if properties.topic_alias().is_none() => Err(Error::TopicMissing),
        Version::V5 => Ok(()),
    }
}

/// A PUBLISH to be sent whose topic is given in parts, which need not be put together first:
/// `&["state/", id, "/update/delta"]`.
#[derive(Clone, Copy, Debug)]
pub struct PublishParts<'a> {
    /// The parts of the topic, in order.
    pub topic: &'a [&'a str],
    /// How surely.
    pub delivery: Delivery,
    /// To be kept for later subscribers; to a subscriber: was kept.
    pub retain: bool,
    /// MQTT 5: expiry, response topic and the like; left out in 3.1.1.
    pub properties: Properties<'a>,
    /// What.
    pub payload: &'a [u8],
}

impl PublishParts<'_> {
    fn topic_len(&self) -> usize {
        self.topic.iter().map(|part| part.len()).sum()
    }
}

impl Body for PublishParts<'_> {
    fn first_byte(&self) -> u8 {
        let dup = if self.delivery.dup() { DUP } else { 0 };
        0x30 | dup | self.delivery.qos().bits() << 1 | u8::from(self.retain)
    }

    fn check(&self, version: Version) -> Result<(), Error> {
        match text::check_topic_parts(self.topic) {
            Err(Error::TopicEmpty) => check_empty_topic(&self.properties, version)?,
            checked => checked?,
        }
        property::check(&self.properties, Places::PUBLISH, version)
    }

    fn body_len(&self, version: Version) -> usize {
        let id = if self.delivery.id().is_some() { 2 } else { 0 };
        let properties = property::wire_len(&self.properties, version);
        2 + self.topic_len() + id + properties + self.payload.len()
    }

    fn write(&self, version: Version, out: &mut Vec<u8>) {
        put_u16(out, self.topic_len() as u16);
        for part in self.topic {
            out.extend_from_slice(part.as_bytes());
        }
        if let Some(id) = self.delivery.id() {
            put_u16(out, id.get());
        }
        property::write(&self.properties, version, out);
        out.extend_from_slice(self.payload);
    }
}

encode_methods!(PublishParts<'_>);

impl Publish<'_> {
    fn parts<R>(&self, then: impl FnOnce(&PublishParts<'_>) -> R) -> R {
        let Self {
            topic,
            delivery,
            retain,
            properties,
            payload,
        } = *self;
        then(&PublishParts {
            topic: &[topic],
            delivery,
            retain,
            properties,
            payload,
        })
    }
}

impl Body for Publish<'_> {
    fn first_byte(&self) -> u8 {
        self.parts(|parts| parts.first_byte())
    }
    fn check(&self, version: Version) -> Result<(), Error> {
        self.parts(|parts| parts.check(version))
    }
    fn body_len(&self, version: Version) -> usize {
        self.parts(|parts| parts.body_len(version))
    }
    fn write(&self, version: Version, out: &mut Vec<u8>) {
        self.parts(|parts| parts.write(version, out));
    }
}

encode_methods!(Publish<'_>);
