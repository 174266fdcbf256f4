//! Writing: what every packet's encoding has in common. Lengths are computed first, so the fixed
//! header is written once and nothing is moved.

use alloc::vec::Vec;

use crate::framing::REMAINING_LENGTH_MAX;
use crate::{Error, Version};

/// What a packet must know about itself to be written.
pub(crate) trait Body {
    fn first_byte(&self) -> u8;
    /// Refuses what a decoder would refuse, so that we never send it.
    fn check(&self, version: Version) -> Result<(), Error>;
    /// Bytes after the fixed header.
    fn body_len(&self, version: Version) -> usize;
    fn write(&self, version: Version, out: &mut Vec<u8>);
}

pub(crate) fn encode(body: &impl Body, version: Version, out: &mut Vec<u8>) -> Result<(), Error> {
    body.check(version)?;
    let len = body.body_len(version);
    let remaining = u32::try_from(len)
        .ok()
        .filter(|len| *len <= REMAINING_LENGTH_MAX);
    let remaining = remaining.ok_or(Error::PacketTooLarge)?;
    out.reserve(1 + varint_len(remaining) + len);
    out.push(body.first_byte());
    put_varint(out, remaining);
    let start = out.len();
    body.write(version, out);
    debug_assert_eq!(out.len() - start, len, "a packet is as long as it said");
    Ok(())
}

pub(crate) fn encoded_len(body: &impl Body, version: Version) -> usize {
    let len = body.body_len(version);
    1 + varint_len(u32::try_from(len).unwrap_or(u32::MAX)) + len
}

/// Gives a packet its two public verbs.
macro_rules! encode_methods {
    ($packet:ty) => {
        impl $packet {
            /// Appends the packet to `out`; on an error `out` is as before. What only MQTT 5 can
            /// say (properties, most reason codes) is left out in 3.1.1.
            pub fn encode(
                &self,
                version: $crate::Version,
                out: &mut alloc::vec::Vec<u8>,
            ) -> Result<(), $crate::Error> {
                $crate::encode::encode(self, version, out)
            }

            /// Tells how many bytes `encode` will append, fixed header included: what a peer's
            /// maximum packet size counts.
            #[must_use]
            pub fn encoded_len(&self, version: $crate::Version) -> usize {
                $crate::encode::encoded_len(self, version)
            }
        }
    };
}
pub(crate) use encode_methods;

pub(crate) fn varint_len(value: u32) -> usize {
    match value {
        0..=0x7f => 1,
        0x80..=0x3fff => 2,
        0x4000..=0x1f_ffff => 3,
        _ => 4,
    }
}

pub(crate) fn put_varint(out: &mut Vec<u8>, mut value: u32) {
    while value > 0x7f {
        out.push((value & 0x7f) as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

pub(crate) fn put_u16(out: &mut Vec<u8>, value: u16) {
    out.extend_from_slice(&value.to_be_bytes());
}

pub(crate) fn put_u32(out: &mut Vec<u8>, value: u32) {
    out.extend_from_slice(&value.to_be_bytes());
}

/// Writes a field with its two-byte length; `check` has refused longer ones before.
pub(crate) fn put_field(out: &mut Vec<u8>, field: &[u8]) {
    put_u16(out, field.len() as u16);
    out.extend_from_slice(field);
}

pub(crate) fn check_field(field: &[u8]) -> Result<(), Error> {
    if field.len() > usize::from(u16::MAX) {
        Err(Error::FieldTooLong)
    } else {
        Ok(())
    }
}
