//! The properties of MQTT 5 (§2.2.2): one table of identifier, type, getter and places.

use alloc::vec::Vec;
use core::num::{NonZeroU16, NonZeroU32};

use crate::encode::{put_varint, varint_len};
use crate::framing::REMAINING_LENGTH_MAX;
use crate::list::{self, Item, List};
use crate::place::Places;
use crate::reader::Reader;
use crate::{Error, Secret, Version, text};
use value::Value;

mod value;

/// The properties of a packet: read by typed getters, or with `iter`.
pub type Properties<'a> = List<'a, Property<'a>>;

macro_rules! properties {
    ($($id:literal $name:ident($value:ty) $getter:ident [$($place:ident)*] $what:literal;)*) => {
        /// One property. Its type holds only what the standard allows.
        #[derive(Clone, Copy, Debug, PartialEq)]
        pub enum Property<'a> {
            $(#[doc = concat!("`", stringify!($id), "`: ", $what, ".")] $name($value),)*
        }

        impl Property<'_> {
            fn id(&self) -> u8 {
                match self { $(Self::$name(_) => $id,)* }
            }

            fn places(&self) -> Places {
                match self { $(Self::$name(_) => Places::NONE$(.or(Places::$place))*,)* }
            }

            fn check_value(&self) -> Result<(), Error> {
                match self { $(Self::$name(value) => Value::check(value),)* }
            }
        }

        impl<'a> Item<'a> for Property<'a> {
            fn read(reader: &mut Reader<'a>) -> Result<Self, Error> {
                // An identifier is a variable byte integer, but none of them needs a second byte.
                match reader.varint()? {
                    $($id => Ok(Self::$name(Value::read(reader)?)),)*
                    _ => Err(Error::UnknownProperty),
                }
            }

            fn wire_len(&self) -> usize {
                1 + match self { $(Self::$name(value) => Value::wire_len(value),)* }
            }

            fn write(&self, out: &mut Vec<u8>) {
                out.push(self.id());
                match self { $(Self::$name(value) => Value::write(value, out),)* }
            }
        }

        impl<'a> Properties<'a> {
            $(#[doc = concat!("The first, ", $what, ".")]
            #[must_use]
            pub fn $getter(&self) -> Option<$value> {
                self.iter().find_map(|property| match property {
                    Property::$name(value) => Some(value),
                    _ => None,
                })
            })*
        }
    };
}

properties! {
    0x01 PayloadIsText(bool) payload_is_text [PUBLISH WILL] "whether the payload is said to be UTF-8";
    0x02 MessageExpiry(u32) message_expiry [PUBLISH WILL] "seconds that the message is good for";
    0x03 ContentType(&'a str) content_type [PUBLISH WILL] "what the payload is";
    0x08 ResponseTopic(&'a str) response_topic [PUBLISH WILL] "where an answer is expected";
    0x09 CorrelationData(&'a [u8]) correlation_data [PUBLISH WILL] "what the answer is to repeat";
    0x0b SubscriptionId(SubscriptionId) subscription_id [PUBLISH_BY_SERVER SUBSCRIBE] "number of the subscription";
    0x11 SessionExpiry(u32) session_expiry [CONNECT CONNACK DISCONNECT_BY_CLIENT] "seconds that the session outlives the connection";
    0x12 AssignedClientId(&'a str) assigned_client_id [CONNACK] "client identifier that the server chose";
    0x13 ServerKeepAlive(u16) server_keep_alive [CONNACK] "keep-alive in seconds that the server chose";
    0x15 AuthenticationMethod(&'a str) authentication_method [CONNECT CONNACK AUTH] "name of the authentication method";
    0x16 AuthenticationData(Secret<'a>) authentication_data [CONNECT CONNACK AUTH] "what the authentication method sends";
    0x17 RequestProblemInformation(bool) request_problem_information [CONNECT] "whether reason strings and user properties are welcome";
    0x18 WillDelay(u32) will_delay [WILL] "seconds before the will is published";
    0x19 RequestResponseInformation(bool) request_response_information [CONNECT] "whether response information is asked for";
    0x1a ResponseInformation(&'a str) response_information [CONNACK] "what response topics are made from";
    0x1c ServerReference(&'a str) server_reference [CONNACK DISCONNECT_BY_SERVER] "another server to use";
    0x1f ReasonString(&'a str) reason_string [CONNACK PUBACK PUBREL SUBACK UNSUBACK DISCONNECT AUTH] "why, for a human";
    0x21 ReceiveMaximum(NonZeroU16) receive_maximum [CONNECT CONNACK] "unacknowledged QoS 1 and 2 messages that the sender takes at once";
    0x22 TopicAliasMaximum(u16) topic_alias_maximum [CONNECT CONNACK] "highest topic alias that the sender takes";
    0x23 TopicAlias(NonZeroU16) topic_alias [PUBLISH] "number that stands for the topic";
    0x24 MaximumQosIsOne(bool) maximum_qos_is_one [CONNACK] "maximum QoS: true for 1, false for 0; 2 is said by absence";
    0x25 RetainAvailable(bool) retain_available [CONNACK] "whether retained messages are kept";
    0x26 UserProperty((&'a str, &'a str)) user_property [ALL] "name and value of the user's own";
    0x27 MaximumPacketSize(NonZeroU32) maximum_packet_size [CONNECT CONNACK] "longest packet in bytes that the sender takes";
    0x28 WildcardAvailable(bool) wildcard_available [CONNACK] "whether wildcard subscriptions are possible";
    0x29 SubscriptionIdAvailable(bool) subscription_id_available [CONNACK] "whether subscription identifiers are possible";
    0x2a SharedAvailable(bool) shared_available [CONNACK] "whether shared subscriptions are possible";
}

impl<'a> Properties<'a> {
    /// All user properties, in order.
    pub fn user_properties(&self) -> impl Iterator<Item = (&'a str, &'a str)> + use<'a> {
        self.iter().filter_map(|property| match property {
            Property::UserProperty(pair) => Some(pair),
            _ => None,
        })
    }

    /// All subscription identifiers: a PUBLISH that several subscriptions match has several.
    pub fn subscription_ids(&self) -> impl Iterator<Item = SubscriptionId> + use<'a> {
        self.iter().filter_map(|property| match property {
            Property::SubscriptionId(id) => Some(id),
            _ => None,
        })
    }
}

/// Reads a packet's properties, with the length before them, and validates them.
pub(crate) fn read<'a>(reader: &mut Reader<'a>, here: Places) -> Result<Properties<'a>, Error> {
    let len = reader.varint()?;
    if len == 0 {
        return Ok(Properties::NONE);
    }
    let wire = reader.bytes(len as usize)?;
    let mut items = Reader::new(wire);
    let mut rules = Rules::new(here);
    while !items.is_empty() {
        rules.admit(&Property::read(&mut items)?)?;
    }
    rules.finish()?;
    Ok(Properties::validated(wire))
}

/// Refuses properties that `read` would refuse.
pub(crate) fn check(
    properties: &Properties<'_>,
    here: Places,
    version: Version,
) -> Result<(), Error> {
    if version == Version::V311 {
        return Ok(());
    }
    let mut rules = Rules::new(here);
    for property in properties {
        property.check_value()?;
        rules.admit(&property)?;
    }
    rules.finish()
}

/// What holds for the properties of one packet together.
struct Rules {
    here: Places,
    /// One bit for each identifier seen; they are all below 64.
    seen: u64,
}

impl Rules {
    fn new(here: Places) -> Self {
        Self { here, seen: 0 }
    }

    fn admit(&mut self, property: &Property<'_>) -> Result<(), Error> {
        if !property.places().meets(self.here) {
            return Err(Error::PropertyNotHere);
        }
        if let Property::ResponseTopic(topic) = property {
            text::check_topic_name(topic)?;
        }
        let bit = 1 << property.id();
        if self.seen & bit != 0 && !self.may_repeat(property) {
            return Err(Error::PropertyTwice);
        }
        self.seen |= bit;
        Ok(())
    }

    fn may_repeat(&self, property: &Property<'_>) -> bool {
        match property {
            Property::UserProperty(_) => true,
            Property::SubscriptionId(_) => self.here.meets(Places::PUBLISH_BY_SERVER),
            _ => false,
        }
    }

    fn finish(self) -> Result<(), Error> {
        let has = |id: u8| self.seen & (1 << id) != 0;
        if has(0x16) && !has(0x15) {
            Err(Error::AuthMethodMissing)
        } else {
            Ok(())
        }
    }
}

/// Bytes of the properties with their length, in MQTT 5; nothing in 3.1.1.
pub(crate) fn wire_len(properties: &Properties<'_>, version: Version) -> usize {
    match version {
        Version::V311 => 0,
        Version::V5 => {
            let len = list::wire_len(properties);
            varint_len(u32::try_from(len).unwrap_or(u32::MAX)) + len
        }
    }
}

pub(crate) fn write(properties: &Properties<'_>, version: Version, out: &mut Vec<u8>) {
    if version == Version::V5 {
        // The whole packet was found to be below the limit of a variable byte integer.
        put_varint(out, list::wire_len(properties) as u32);
        list::write(properties, out);
    }
}

/// The number of a subscription: 1 to 268,435,455.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SubscriptionId(NonZeroU32);

impl SubscriptionId {
    /// Makes a number, if it is in range.
    #[must_use]
    pub const fn new(value: u32) -> Option<Self> {
        match NonZeroU32::new(value) {
            Some(value) if value.get() <= REMAINING_LENGTH_MAX => Some(Self(value)),
            _ => None,
        }
    }

    /// The number.
    #[must_use]
    pub const fn get(self) -> u32 {
        self.0.get()
    }
}
