//! PUBACK, PUBREC, PUBREL and PUBCOMP: four packets of one shape (3.1.1 §3.4–3.7, 5 §3.4–3.7).

use alloc::vec::Vec;

use crate::encode::{Body, encode_methods, put_u16};
use crate::place::Places;
use crate::reader::Reader;
use crate::{Error, PacketId, Properties, ReasonCode, Version, property};

macro_rules! acknowledgement {
    ($(#[$doc:meta])* $name:ident $first:literal $places:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq)]
        pub struct $name<'a> {
            /// The identifier of the PUBLISH that is spoken of.
            pub id: PacketId,
            /// How it went; 3.1.1 knows success only.
            pub reason: ReasonCode,
            /// MQTT 5: reason string and user properties.
            pub properties: Properties<'a>,
        }

        impl<'a> $name<'a> {
            /// Makes one that reports success.
            #[must_use]
            pub const fn success(id: PacketId) -> Self {
                Self::new(id, ReasonCode::SUCCESS)
            }

            /// Makes one without properties.
            #[must_use]
            pub const fn new(id: PacketId, reason: ReasonCode) -> Self {
                Self { id, reason, properties: Properties::NONE }
            }

            pub(crate) fn decode(
                reader: Reader<'a>,
                version: Version,
                here: Places,
            ) -> Result<Self, Error> {
                let Fields { id, reason, properties } = read(reader, version, here)?;
                Ok(Self { id, reason, properties })
            }

            fn fields(&self) -> Fields<'a> {
                Fields { id: self.id, reason: self.reason, properties: self.properties }
            }
        }

        impl Body for $name<'_> {
            fn first_byte(&self) -> u8 {
                $first
            }
            fn check(&self, version: Version) -> Result<(), Error> {
                self.fields().check(version, Places::$places)
            }
            fn body_len(&self, version: Version) -> usize {
                self.fields().len(version)
            }
            fn write(&self, version: Version, out: &mut Vec<u8>) {
                self.fields().write(version, out);
            }
        }

        encode_methods!($name<'_>);
    };
}

acknowledgement! {
    /// PUBACK: the answer to a PUBLISH with QoS 1.
    PubAck 0x40 PUBACK
}
acknowledgement! {
    /// PUBREC: the first answer to a PUBLISH with QoS 2.
    PubRec 0x50 PUBACK
}
acknowledgement! {
    /// PUBREL: the answer to PUBREC.
    PubRel 0x62 PUBREL
}
acknowledgement! {
    /// PUBCOMP: the answer to PUBREL, the last word on a QoS 2 message.
    PubComp 0x70 PUBREL
}

struct Fields<'a> {
    id: PacketId,
    reason: ReasonCode,
    properties: Properties<'a>,
}

/// MQTT 5 may leave out the properties, or reason and properties, where they say nothing.
fn read<'a>(mut reader: Reader<'a>, version: Version, here: Places) -> Result<Fields<'a>, Error> {
    let id = reader.packet_id()?;
    let mut fields = Fields {
        id,
        reason: ReasonCode::SUCCESS,
        properties: Properties::NONE,
    };
    if version == Version::V5 && !reader.is_empty() {
        fields.reason = reader.reason(here)?;
        if !reader.is_empty() {
            fields.properties = property::read(&mut reader, here)?;
        }
    }
    reader.end()?;
    Ok(fields)
}

impl Fields<'_> {
    fn check(&self, version: Version, here: Places) -> Result<(), Error> {
        if version == Version::V5 && !self.reason.may_stand_in(here) {
            return Err(Error::ReasonNotHere);
        }
        property::check(&self.properties, here, version)
    }

    fn len(&self, version: Version) -> usize {
        2 + tail_len(self.reason, &self.properties, version)
    }

    fn write(&self, version: Version, out: &mut Vec<u8>) {
        put_u16(out, self.id.get());
        write_tail(self.reason, &self.properties, version, out);
    }
}

/// Bytes of a reason code and properties that are left out as far as they say nothing.
pub(crate) fn tail_len(reason: ReasonCode, properties: &Properties<'_>, version: Version) -> usize {
    match (version, properties.is_empty()) {
        (Version::V311, _) => 0,
        (Version::V5, true) => usize::from(reason != ReasonCode::SUCCESS),
        (Version::V5, false) => 1 + property::wire_len(properties, version),
    }
}

pub(crate) fn write_tail(
    reason: ReasonCode,
    properties: &Properties<'_>,
    version: Version,
    out: &mut Vec<u8>,
) {
    if tail_len(reason, properties, version) == 0 {
        return;
    }
    out.push(reason.byte());
    if !properties.is_empty() {
        property::write(properties, version, out);
    }
}
