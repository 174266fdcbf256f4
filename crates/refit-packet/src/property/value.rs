//! The types that a property's value can have (5 §1.5), and the ranges they keep.

use alloc::vec::Vec;
use core::num::{NonZeroU16, NonZeroU32};

use super::SubscriptionId;
use crate::encode::{check_field, put_field, put_u16, put_u32, put_varint, varint_len};
use crate::reader::Reader;
use crate::{Error, Secret, text};

/// The types that a property's value can have.
pub(super) trait Value<'a>: Sized {
    fn read(reader: &mut Reader<'a>) -> Result<Self, Error>;
    fn wire_len(&self) -> usize;
    fn write(&self, out: &mut Vec<u8>);
    /// Refuses what cannot be written.
    fn check(&self) -> Result<(), Error> {
        Ok(())
    }
}

impl<'a> Value<'a> for bool {
    fn read(reader: &mut Reader<'a>) -> Result<Self, Error> {
        match reader.u8()? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(Error::PropertyValue),
        }
    }
    fn wire_len(&self) -> usize {
        1
    }
    fn write(&self, out: &mut Vec<u8>) {
        out.push(u8::from(*self));
    }
}

impl<'a> Value<'a> for u16 {
    fn read(reader: &mut Reader<'a>) -> Result<Self, Error> {
        reader.u16()
    }
    fn wire_len(&self) -> usize {
        2
    }
    fn write(&self, out: &mut Vec<u8>) {
        put_u16(out, *self);
    }
}

impl<'a> Value<'a> for NonZeroU16 {
    fn read(reader: &mut Reader<'a>) -> Result<Self, Error> {
        Self::new(reader.u16()?).ok_or(Error::PropertyValue)
    }
    fn wire_len(&self) -> usize {
        2
    }
    fn write(&self, out: &mut Vec<u8>) {
        put_u16(out, self.get());
    }
}

impl<'a> Value<'a> for u32 {
    fn read(reader: &mut Reader<'a>) -> Result<Self, Error> {
        reader.u32()
    }
    fn wire_len(&self) -> usize {
        4
    }
    fn write(&self, out: &mut Vec<u8>) {
        put_u32(out, *self);
    }
}

impl<'a> Value<'a> for NonZeroU32 {
    fn read(reader: &mut Reader<'a>) -> Result<Self, Error> {
        Self::new(reader.u32()?).ok_or(Error::PropertyValue)
    }
    fn wire_len(&self) -> usize {
        4
    }
    fn write(&self, out: &mut Vec<u8>) {
        put_u32(out, self.get());
    }
}

impl<'a> Value<'a> for SubscriptionId {
    fn read(reader: &mut Reader<'a>) -> Result<Self, Error> {
        Self::new(reader.varint()?).ok_or(Error::PropertyValue)
    }
    fn wire_len(&self) -> usize {
        varint_len(self.get())
    }
    fn write(&self, out: &mut Vec<u8>) {
        put_varint(out, self.get());
    }
}

impl<'a> Value<'a> for &'a str {
    fn read(reader: &mut Reader<'a>) -> Result<Self, Error> {
        reader.text()
    }
    fn wire_len(&self) -> usize {
        2 + self.len()
    }
    fn write(&self, out: &mut Vec<u8>) {
        put_field(out, self.as_bytes());
    }
    fn check(&self) -> Result<(), Error> {
        text::check(self)
    }
}

impl<'a> Value<'a> for (&'a str, &'a str) {
    fn read(reader: &mut Reader<'a>) -> Result<Self, Error> {
        Ok((reader.text()?, reader.text()?))
    }
    fn wire_len(&self) -> usize {
        4 + self.0.len() + self.1.len()
    }
    fn write(&self, out: &mut Vec<u8>) {
        put_field(out, self.0.as_bytes());
        put_field(out, self.1.as_bytes());
    }
    fn check(&self) -> Result<(), Error> {
        text::check(self.0)?;
        text::check(self.1)
    }
}

impl<'a> Value<'a> for &'a [u8] {
    fn read(reader: &mut Reader<'a>) -> Result<Self, Error> {
        reader.field()
    }
    fn wire_len(&self) -> usize {
        2 + self.len()
    }
    fn write(&self, out: &mut Vec<u8>) {
        put_field(out, self);
    }
    fn check(&self) -> Result<(), Error> {
        check_field(self)
    }
}

impl<'a> Value<'a> for Secret<'a> {
    fn read(reader: &mut Reader<'a>) -> Result<Self, Error> {
        reader.field().map(Self::new)
    }
    fn wire_len(&self) -> usize {
        2 + self.expose().len()
    }
    fn write(&self, out: &mut Vec<u8>) {
        put_field(out, self.expose());
    }
    fn check(&self) -> Result<(), Error> {
        check_field(self.expose())
    }
}
