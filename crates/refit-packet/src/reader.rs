//! Reading the primitive types (3.1.1 §1.5, 5 §1.5) from the front of a slice.

use crate::place::Places;
use crate::{Error, PacketId, ReasonCode, text};

/// A slice that is eaten from the front. Every method refuses to read past the end.
#[derive(Clone, Copy)]
pub(crate) struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// Takes all that is left.
    pub(crate) fn rest(self) -> &'a [u8] {
        self.rest
    }

    /// Refuses bytes after the last field.
    pub(crate) fn end(self) -> Result<(), Error> {
        if self.rest.is_empty() {
            Ok(())
        } else {
            Err(Error::TrailingBytes)
        }
    }

    pub(crate) fn u8(&mut self) -> Result<u8, Error> {
        let (&[byte], rest) = self.split()?;
        self.rest = rest;
        Ok(byte)
    }

    pub(crate) fn u16(&mut self) -> Result<u16, Error> {
        let (bytes, rest) = self.split()?;
        self.rest = rest;
        Ok(u16::from_be_bytes(*bytes))
    }

    pub(crate) fn u32(&mut self) -> Result<u32, Error> {
        let (bytes, rest) = self.split()?;
        self.rest = rest;
        Ok(u32::from_be_bytes(*bytes))
    }

    /// A variable byte integer of MQTT 5, in as few bytes as it needs (\[MQTT-1.5.5-1\]).
    pub(crate) fn varint(&mut self) -> Result<u32, Error> {
        let mut value = 0;
        for shift in [0, 7, 14, 21] {
            let byte = self.u8()?;
            value |= u32::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                let minimal = shift == 0 || byte != 0;
                return if minimal {
                    Ok(value)
                } else {
                    Err(Error::NotMinimal)
                };
            }
        }
        Err(Error::VariableByteInteger)
    }

    pub(crate) fn bytes(&mut self, len: usize) -> Result<&'a [u8], Error> {
        let (bytes, rest) = self
            .rest
            .split_at_checked(len)
            .ok_or(Error::UnexpectedEnd)?;
        self.rest = rest;
        Ok(bytes)
    }

    /// Binary data, or any field with a two-byte length.
    pub(crate) fn field(&mut self) -> Result<&'a [u8], Error> {
        let len = self.u16()?;
        self.bytes(usize::from(len))
    }

    pub(crate) fn text(&mut self) -> Result<&'a str, Error> {
        text::from_wire(self.field()?)
    }

    /// A topic name, or nothing: whether it may be empty depends on what follows.
    pub(crate) fn topic(&mut self) -> Result<&'a str, Error> {
        let topic = self.text()?;
        if topic
            .as_bytes()
            .iter()
            .any(|byte| matches!(byte, b'+' | b'#'))
        {
            return Err(Error::TopicWildcard);
        }
        Ok(topic)
    }

    pub(crate) fn reason(&mut self, here: Places) -> Result<ReasonCode, Error> {
        let reason = ReasonCode::from_byte(self.u8()?);
        if reason.may_stand_in(here) {
            Ok(reason)
        } else {
            Err(Error::ReasonNotHere)
        }
    }

    pub(crate) fn packet_id(&mut self) -> Result<PacketId, Error> {
        PacketId::new(self.u16()?).ok_or(Error::PacketIdZero)
    }

    fn split<const N: usize>(&self) -> Result<(&'a [u8; N], &'a [u8]), Error> {
        self.rest.split_first_chunk().ok_or(Error::UnexpectedEnd)
    }
}
