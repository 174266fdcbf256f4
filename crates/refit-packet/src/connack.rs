//! CONNACK (3.1.1 §3.2, 5 §3.2).

use alloc::vec::Vec;

use crate::encode::{Body, encode_methods};
use crate::place::Places;
use crate::reader::Reader;
use crate::{ConnectReturnCode, Error, Properties, ReasonCode, Version, property};

/// CONNACK: the answer to CONNECT.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ConnAck<'a> {
    /// The server has kept a session of this client. Never with a refusal.
    pub session_present: bool,
    /// Accepted, or why not. In 3.1.1 one of those that have a [`ConnectReturnCode`].
    pub reason: ReasonCode,
    /// MQTT 5: what the server can do and how long what may be.
    pub properties: Properties<'a>,
}

impl<'a> ConnAck<'a> {
    /// Makes the answer that refuses, without properties.
    #[must_use]
    pub const fn refusal(reason: ReasonCode) -> Self {
        Self {
            session_present: false,
            reason,
            properties: Properties::NONE,
        }
    }

    pub(crate) fn decode(mut reader: Reader<'a>, version: Version) -> Result<Self, Error> {
        let flags = reader.u8()?;
        if flags > 1 {
            return Err(Error::ConnAckFlags);
        }
        let reason = match version {
            Version::V311 => ConnectReturnCode::from_byte(reader.u8()?)
                .ok_or(Error::ReasonNotHere)?
                .reason(),
            Version::V5 => reader.reason(Places::CONNACK)?,
        };
        let properties = match version {
            Version::V311 => Properties::NONE,
            Version::V5 => property::read(&mut reader, Places::CONNACK)?,
        };
        reader.end()?;
        let packet = Self {
            session_present: flags == 1,
            reason,
            properties,
        };
        packet.check_session()?;
        Ok(packet)
    }

    fn check_session(&self) -> Result<(), Error> {
        let refused = self.reason != ReasonCode::SUCCESS;
        if self.session_present && refused {
            Err(Error::SessionPresent)
        } else {
            Ok(())
        }
    }
}

impl Body for ConnAck<'_> {
    fn first_byte(&self) -> u8 {
        0x20
    }

    fn check(&self, version: Version) -> Result<(), Error> {
        self.check_session()?;
        match version {
            Version::V311 => ConnectReturnCode::of(self.reason)
                .map(|_| ())
                .ok_or(Error::NoReturnCode),
            Version::V5 if !self.reason.may_stand_in(Places::CONNACK) => Err(Error::ReasonNotHere),
            Version::V5 => property::check(&self.properties, Places::CONNACK, version),
        }
    }

    fn body_len(&self, version: Version) -> usize {
        2 + property::wire_len(&self.properties, version)
    }

    fn write(&self, version: Version, out: &mut Vec<u8>) {
        out.push(u8::from(self.session_present));
        // `check` has refused, in 3.1.1, a reason without a return code.
        out.push(match (version, ConnectReturnCode::of(self.reason)) {
            (Version::V311, Some(code)) => code.byte(),
            _ => self.reason.byte(),
        });
        property::write(&self.properties, version, out);
    }
}

encode_methods!(ConnAck<'_>);
