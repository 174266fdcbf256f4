//! SUBACK and UNSUBACK (3.1.1 §3.9 and §3.11, 5 §3.9 and §3.11): a code for each filter, in order.

use alloc::vec::Vec;

use crate::encode::{Body, encode_methods, put_u16};
use crate::list::{self, Item, List};
use crate::place::Places;
use crate::reader::Reader;
use crate::{Error, PacketId, Properties, ReasonCode, Version, property};

/// The codes of an answer, in the order of the filters asked about.
pub type Codes<'a> = List<'a, ReasonCode>;

/// SUBACK: what was granted. 3.1.1 knows the three QoS and [`ReasonCode::UNSPECIFIED_ERROR`], as
/// which any other failure is sent there.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SubAck<'a> {
    /// The identifier of the SUBSCRIBE.
    pub id: PacketId,
    /// MQTT 5: reason string and user properties.
    pub properties: Properties<'a>,
    /// A code for each subscription asked for; [`ReasonCode::SUCCESS`] is QoS 0.
    pub codes: Codes<'a>,
}

/// UNSUBACK: what is no longer sent. 3.1.1 has no codes in it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct UnsubAck<'a> {
    /// The identifier of the UNSUBSCRIBE.
    pub id: PacketId,
    /// MQTT 5: reason string and user properties.
    pub properties: Properties<'a>,
    /// MQTT 5: a code for each filter.
    pub codes: Codes<'a>,
}

impl<'a> Item<'a> for ReasonCode {
    fn read(reader: &mut Reader<'a>) -> Result<Self, Error> {
        reader.u8().map(Self::from_byte)
    }
    fn wire_len(&self) -> usize {
        1
    }
    fn write(&self, out: &mut Vec<u8>) {
        out.push(self.byte());
    }
}

fn check_codes(codes: &Codes<'_>, here: Places) -> Result<(), Error> {
    if codes.is_empty() {
        return Err(Error::NothingListed);
    }
    let stands = codes.iter().all(|code| code.may_stand_in(here));
    if stands {
        Ok(())
    } else {
        Err(Error::ReasonNotHere)
    }
}

/// What 3.1.1 has for a code: any failure is 0x80 (\[MQTT-3.9.3-2\]).
fn code_of_v311(code: ReasonCode) -> ReasonCode {
    if code.is_failure() {
        ReasonCode::UNSPECIFIED_ERROR
    } else {
        code
    }
}

impl<'a> SubAck<'a> {
    pub(crate) fn decode(mut reader: Reader<'a>, version: Version) -> Result<Self, Error> {
        let id = reader.packet_id()?;
        let properties = match version {
            Version::V311 => Properties::NONE,
            Version::V5 => property::read(&mut reader, Places::SUBACK)?,
        };
        let codes = Codes::validated(reader.rest());
        check_codes(&codes, Places::SUBACK)?;
        if version == Version::V311 && codes.iter().any(|code| code_of_v311(code) != code) {
            return Err(Error::ReasonNotHere);
        }
        Ok(Self {
            id,
            properties,
            codes,
        })
    }
}

impl Body for SubAck<'_> {
    fn first_byte(&self) -> u8 {
        0x90
    }

    fn check(&self, version: Version) -> Result<(), Error> {
        check_codes(&self.codes, Places::SUBACK)?;
        property::check(&self.properties, Places::SUBACK, version)
    }

    fn body_len(&self, version: Version) -> usize {
        2 + property::wire_len(&self.properties, version) + list::wire_len(&self.codes)
    }

    fn write(&self, version: Version, out: &mut Vec<u8>) {
        put_u16(out, self.id.get());
        property::write(&self.properties, version, out);
        match version {
            Version::V311 => self
                .codes
                .iter()
                .for_each(|code| code_of_v311(code).write(out)),
            Version::V5 => list::write(&self.codes, out),
        }
    }
}

encode_methods!(SubAck<'_>);

impl<'a> UnsubAck<'a> {
    pub(crate) fn decode(mut reader: Reader<'a>, version: Version) -> Result<Self, Error> {
        let id = reader.packet_id()?;
        if version == Version::V311 {
            reader.end()?;
            return Ok(Self {
                id,
                properties: Properties::NONE,
                codes: Codes::NONE,
            });
        }
        let properties = property::read(&mut reader, Places::UNSUBACK)?;
        let codes = Codes::validated(reader.rest());
        check_codes(&codes, Places::UNSUBACK)?;
        Ok(Self {
            id,
            properties,
            codes,
        })
    }
}

impl Body for UnsubAck<'_> {
    fn first_byte(&self) -> u8 {
        0xb0
    }

    fn check(&self, version: Version) -> Result<(), Error> {
        match version {
            Version::V311 => Ok(()),
            Version::V5 => {
                check_codes(&self.codes, Places::UNSUBACK)?;
                property::check(&self.properties, Places::UNSUBACK, version)
            }
        }
    }

    fn body_len(&self, version: Version) -> usize {
        match version {
            Version::V311 => 2,
            Version::V5 => {
                2 + property::wire_len(&self.properties, version) + list::wire_len(&self.codes)
            }
        }
    }

    fn write(&self, version: Version, out: &mut Vec<u8>) {
        put_u16(out, self.id.get());
        if version == Version::V5 {
            property::write(&self.properties, version, out);
            list::write(&self.codes, out);
        }
    }
}

encode_methods!(UnsubAck<'_>);
