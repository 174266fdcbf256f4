//! SUBSCRIBE (3.1.1 §3.8, 5 §3.8).

use alloc::vec::Vec;

use crate::encode::{Body, encode_methods, put_field, put_u16};
use crate::list::{self, Item, List};
use crate::place::Places;
use crate::reader::Reader;
use crate::{Error, PacketId, Properties, Qos, Version, property, text};

/// SUBSCRIBE: one or more filters, each with its options.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Subscribe<'a> {
    /// What the SUBACK will name.
    pub id: PacketId,
    /// MQTT 5: a subscription identifier, user properties.
    pub properties: Properties<'a>,
    /// The subscriptions asked for; at least one.
    pub filters: Filters<'a>,
}

/// The subscriptions of a SUBSCRIBE, in the order in which SUBACK answers them.
pub type Filters<'a> = List<'a, Subscription<'a>>;

/// One subscription asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Subscription<'a> {
    /// The topic filter; [`shared`](crate::shared) takes that of a shared subscription apart.
    pub filter: &'a str,
    /// The highest quality of service wanted.
    pub qos: Qos,
    /// MQTT 5: not what this client publishes itself.
    pub no_local: bool,
    /// MQTT 5: forward the retain flag as it was published.
    pub retain_as_published: bool,
    /// MQTT 5: which retained messages to send now.
    pub retain_handling: RetainHandling,
}

impl<'a> Subscription<'a> {
    /// Makes one with the options at their defaults, which are those of 3.1.1.
    #[must_use]
    pub const fn new(filter: &'a str, qos: Qos) -> Self {
        Self {
            filter,
            qos,
            no_local: false,
            retain_as_published: false,
            retain_handling: RetainHandling::OnSubscribe,
        }
    }
}

/// Which retained messages a new subscription wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RetainHandling {
    /// All that match.
    OnSubscribe,
    /// All that match, if the subscription is new.
    OnNewSubscribe,
    /// None.
    Never,
}

const NO_LOCAL: u8 = 1 << 2;
const RETAIN_AS_PUBLISHED: u8 = 1 << 3;

impl<'a> Item<'a> for Subscription<'a> {
    fn read(reader: &mut Reader<'a>) -> Result<Self, Error> {
        let filter = reader.text()?;
        let options = reader.u8()?;
        if options >> 6 != 0 {
            return Err(Error::SubscribeReserved);
        }
        let qos = Qos::from_bits(options).ok_or(Error::SubscribeQos)?;
        let retain_handling = match options >> 4 & 0b11 {
            0 => RetainHandling::OnSubscribe,
            1 => RetainHandling::OnNewSubscribe,
            2 => RetainHandling::Never,
            _ => return Err(Error::RetainHandling),
        };
        Ok(Self {
            filter,
            qos,
            no_local: options & NO_LOCAL != 0,
            retain_as_published: options & RETAIN_AS_PUBLISHED != 0,
            retain_handling,
        })
    }

    fn wire_len(&self) -> usize {
        2 + self.filter.len() + 1
    }

    fn write(&self, out: &mut Vec<u8>) {
        put_field(out, self.filter.as_bytes());
        out.push(self.options());
    }
}

impl Subscription<'_> {
    fn options(&self) -> u8 {
        let flag = |set: bool, flag: u8| if set { flag } else { 0 };
        self.qos.bits()
            | flag(self.no_local, NO_LOCAL)
            | flag(self.retain_as_published, RETAIN_AS_PUBLISHED)
            | (self.retain_handling as u8) << 4
    }

    fn check(&self, version: Version) -> Result<(), Error> {
        text::check_topic_filter(self.filter, version)?;
        match version {
            // All but the two bits of QoS are reserved there.
            Version::V311 if self.options() > 0b11 => Err(Error::SubscribeReserved),
            Version::V5 if self.no_local && text::shared(self.filter).is_some() => {
                Err(Error::SharedNoLocal)
            }
            Version::V311 | Version::V5 => Ok(()),
        }
    }
}

impl<'a> Subscribe<'a> {
    pub(crate) fn decode(mut reader: Reader<'a>, version: Version) -> Result<Self, Error> {
        let id = reader.packet_id()?;
        let properties = match version {
            Version::V311 => Properties::NONE,
            Version::V5 => property::read(&mut reader, Places::SUBSCRIBE)?,
        };
        let wire = reader.rest();
        if wire.is_empty() {
            return Err(Error::NothingListed);
        }
        while !reader.is_empty() {
            Subscription::read(&mut reader)?.check(version)?;
        }
        Ok(Self {
            id,
            properties,
            filters: Filters::validated(wire),
        })
    }
}

impl Body for Subscribe<'_> {
    fn first_byte(&self) -> u8 {
        0x82
    }

    fn check(&self, version: Version) -> Result<(), Error> {
        if self.filters.is_empty() {
            return Err(Error::NothingListed);
        }
        self.filters
            .iter()
            .try_for_each(|subscription| subscription.check(version))?;
        property::check(&self.properties, Places::SUBSCRIBE, version)
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

encode_methods!(Subscribe<'_>);
