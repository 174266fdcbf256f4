//! AUTH (5 §3.15): the steps of an authentication of more than one round.

use alloc::vec::Vec;

use crate::ack::{tail_len, write_tail};
use crate::encode::{Body, encode_methods};
use crate::place::Places;
use crate::reader::Reader;
use crate::{Error, Properties, ReasonCode, Version, property};

/// AUTH, in MQTT 5 only.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Auth<'a> {
    /// Success (server), continue (both) or re-authenticate (client).
    pub reason: ReasonCode,
    /// The authentication method, which only a bare success may leave out, and its data.
    pub properties: Properties<'a>,
}

impl<'a> Auth<'a> {
    pub(crate) fn decode(
        mut reader: Reader<'a>,
        version: Version,
        here: Places,
    ) -> Result<Self, Error> {
        if version == Version::V311 {
            return Err(Error::NotInVersion);
        }
        let mut packet = Self {
            reason: ReasonCode::SUCCESS,
            properties: Properties::NONE,
        };
        if !reader.is_empty() {
            packet.reason = reader.reason(here)?;
            packet.properties = property::read(&mut reader, here)?;
            reader.end()?;
            // The short form is the one way to leave the method out (§3.15.2.1).
            if packet.properties.authentication_method().is_none() {
                return Err(Error::AuthMethodMissing);
            }
        } else if !packet.reason.may_stand_in(here) {
            return Err(Error::ReasonNotHere);
        }
        Ok(packet)
    }

    fn is_bare_success(&self) -> bool {
        self.reason == ReasonCode::SUCCESS && self.properties.is_empty()
    }
}

impl Body for Auth<'_> {
    fn first_byte(&self) -> u8 {
        0xf0
    }

    fn check(&self, version: Version) -> Result<(), Error> {
        if version == Version::V311 {
            return Err(Error::NotInVersion);
        }
        if !self.reason.may_stand_in(Places::AUTH) {
            return Err(Error::ReasonNotHere);
        }
        if !self.is_bare_success() && self.properties.authentication_method().is_none() {
            return Err(Error::AuthMethodMissing);
        }
        property::check(&self.properties, Places::AUTH, version)
    }

    fn body_len(&self, version: Version) -> usize {
        tail_len(self.reason, &self.properties, version)
    }

    fn write(&self, version: Version, out: &mut Vec<u8>) {
        write_tail(self.reason, &self.properties, version, out);
    }
}

encode_methods!(Auth<'_>);
