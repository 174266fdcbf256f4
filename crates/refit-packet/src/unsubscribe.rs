//! UNSUBSCRIBE (3.1.1 §3.10, 5 §3.10).

use alloc::vec::Vec;

use crate::encode::{Body, encode_methods, put_field, put_u16};
use crate::list::{self, Item, List};
use crate::place::Places;
use crate::reader::Reader;
use crate::{Error, PacketId, Properties, Version, property, text};

/// UNSUBSCRIBE: one or more filters that are no longer wanted.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Unsubscribe<'a> {
    /// What the UNSUBACK will name.
    pub id: PacketId,
    /// MQTT 5: user properties.
    pub properties: Properties<'a>,
    /// The filters; at least one.
    pub filters: TopicFilters<'a>,
}

/// The filters of an UNSUBSCRIBE, in the order in which UNSUBACK answers them.
pub type TopicFilters<'a> = List<'a, &'a str>;

impl<'a> Item<'a> for &'a str {
    fn read(reader: &mut Reader<'a>) -> Result<Self, Error> {
        reader.text()
    }
    fn wire_len(&self) -> usize {
        2 + self.len()
    }
    fn write(&self, out: &mut Vec<u8>) {
        put_field(out, self.as_bytes());
    }
}

impl<'a> Unsubscribe<'a> {
    pub(crate) fn decode(mut reader: Reader<'a>, version: Version) -> Result<Self, Error> {
        let id = reader.packet_id()?;
        let properties = match version {
            Version::V311 => Properties::NONE,
            Version::V5 => property::read(&mut reader, Places::UNSUBSCRIBE)?,
        };
        let wire = reader.rest();
        if wire.is_empty() {
            return Err(Error::NothingListed);
        }
        while !reader.is_empty() {
            text::check_topic_filter(reader.text()?, version)?;
        }
        Ok(Self {
            id,
            properties,
            filters: TopicFilters::validated(wire),
        })
    }
}

impl Body for Unsubscribe<'_> {
    fn first_byte(&self) -> u8 {
        0xa2
    }

    fn check(&self, version: Version) -> Result<(), Error> {
        if self.filters.is_empty() {
            return Err(Error::NothingListed);
        }
        self.filters
            .iter()
            .try_for_each(|filter| text::check_topic_filter(filter, version))?;
        property::check(&self.properties, Places::UNSUBSCRIBE, version)
    }

    fn body_len(&self, version: Version) -> usize {
        2 + property::wire_len(&self.properties, version) + list::wire_len(&self.filters)
    }

    fn write(&self, version: Version, out: &mut Vec<u8>) {
        put_u16(out, self.id.get());
        property::write(&self.properties, version, out);
        list::write(&self.filters, out);
    }
}

encode_methods!(Unsubscribe<'_>);
