//! DISCONNECT (3.1.1 §3.14, 5 §3.14).

use alloc::vec::Vec;

use crate::ack::{tail_len, write_tail};
use crate::encode::{Body, encode_methods};
use crate::place::Places;
use crate::reader::Reader;
use crate::{Error, Properties, ReasonCode, Version, property};

/// DISCONNECT: the last packet of a connection. In 3.1.1 only a client sends it: a server closes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Disconnect<'a> {
    /// Why; [`ReasonCode::SUCCESS`] reads as "normal disconnection" here.
    pub reason: ReasonCode,
    /// MQTT 5: session expiry (client), server reference (server), reason string, user properties.
    pub properties: Properties<'a>,
}

impl<'a> Disconnect<'a> {
    /// Makes one without properties.
    #[must_use]
    pub const fn new(reason: ReasonCode) -> Self {
        Self {
            reason,
            properties: Properties::NONE,
        }
    }

    pub(crate) fn decode(
        mut reader: Reader<'a>,
        version: Version,
        here: Places,
    ) -> Result<Self, Error> {
        let mut packet = Self::new(ReasonCode::SUCCESS);
        if version == Version::V5 && !reader.is_empty() {
            packet.reason = reader.reason(here)?;
            if !reader.is_empty() {
                packet.properties = property::read(&mut reader, here)?;
            }
        } else if !packet.reason.may_stand_in(here) {
            return Err(Error::ReasonNotHere);
        }
        reader.end()?;
        Ok(packet)
    }
}

impl Body for Disconnect<'_> {
    fn first_byte(&self) -> u8 {
        0xe0
    }

    fn check(&self, version: Version) -> Result<(), Error> {
        match version {
            Version::V311 if self.reason != ReasonCode::SUCCESS => Err(Error::NotInVersion),
            Version::V311 => Ok(()),
            Version::V5 if !self.reason.may_stand_in(Places::DISCONNECT) => {
                Err(Error::ReasonNotHere)
            }
            Version::V5 => property::check(&self.properties, Places::DISCONNECT, version),
        }
    }

    fn body_len(&self, version: Version) -> usize {
        tail_len(self.reason, &self.properties, version)
    }

    fn write(&self, version: Version, out: &mut Vec<u8>) {
        write_tail(self.reason, &self.properties, version, out);
    }
}

encode_methods!(Disconnect<'_>);
