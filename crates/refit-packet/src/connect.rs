//! CONNECT (3.1.1 §3.1, 5 §3.1): the packet that says which version is spoken.

use alloc::vec::Vec;
use core::fmt;

use crate::encode::{Body, check_field, encode, encoded_len, put_field, put_u16};
use crate::place::Places;
use crate::reader::Reader;
use crate::secret::Bytes;
use crate::{Error, Properties, Qos, Secret, Version, framing, property, text};

/// CONNECT: who is there, and how the two are to talk.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Connect<'a> {
    /// The version of this packet and of all that follow.
    pub version: Version,
    /// Forget what was kept of this client; clean session in 3.1.1.
    pub clean_start: bool,
    /// Seconds without a packet after which the client is gone (times one and a half); 0: never.
    pub keep_alive: u16,
    /// The client identifier; empty asks the server to choose one.
    pub client_id: &'a str,
    /// What to publish if the connection ends without a DISCONNECT.
    pub will: Option<Will<'a>>,
    /// The user name.
    pub username: Option<&'a str>,
    /// The password; in 3.1.1 only with a user name.
    pub password: Option<Secret<'a>>,
    /// MQTT 5: session expiry, receive maximum and the like.
    pub properties: Properties<'a>,
}

/// The message that a server publishes when its client is lost.
#[derive(Clone, Copy, PartialEq)]
pub struct Will<'a> {
    /// Where to.
    pub topic: &'a str,
    /// What.
    pub payload: &'a [u8],
    /// How surely.
    pub qos: Qos,
    /// Whether it is to be retained.
    pub retain: bool,
    /// MQTT 5: will delay, and what a PUBLISH may have.
    pub properties: Properties<'a>,
}

impl fmt::Debug for Will<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Will")
            .field("topic", &self.topic)
            .field("payload", &Bytes(self.payload))
            .field("qos", &self.qos)
            .field("retain", &self.retain)
            .field("properties", &self.properties)
            .finish()
    }
}

/// Tells which version a CONNECT announces, even if the rest of it is nonsense: the version in
/// which to refuse it. `None` if the bytes are no CONNECT in a version that we speak.
#[must_use]
pub fn announced_version(packet: &[u8]) -> Option<Version> {
    let header = framing::header(packet).ok()??;
    let mut reader = Reader::new(packet.get(header.header_len..)?);
    (header.first >> 4 == 1).then(|| read_version(&mut reader).ok())?
}

fn read_version(reader: &mut Reader<'_>) -> Result<Version, Error> {
    if reader.field()? != PROTOCOL_NAME {
        return Err(Error::ProtocolName);
    }
    match reader.u8()? {
        4 => Ok(Version::V311),
        5 => Ok(Version::V5),
        level => Err(Error::UnsupportedLevel(level)),
    }
}

const PROTOCOL_NAME: &[u8] = b"MQTT";

impl<'a> Connect<'a> {
    pub(crate) fn decode(mut reader: Reader<'a>) -> Result<Self, Error> {
        let version = read_version(&mut reader)?;
        let flags = Flags::read(&mut reader, version)?;
        let keep_alive = reader.u16()?;
        let properties = read_properties(&mut reader, version, Places::CONNECT)?;
        let client_id = reader.text()?;
        let will = match flags.will {
            Some((qos, retain)) => Some(Will::read(&mut reader, version, qos, retain)?),
            None => None,
        };
        let username = if flags.username {
            Some(reader.text()?)
        } else {
            None
        };
        let password = if flags.password {
            Some(Secret::new(reader.field()?))
        } else {
            None
        };
        reader.end()?;
        let clean_start = flags.clean_start;
        check_client_id(client_id, clean_start, version)?;
        Ok(Self {
            version,
            clean_start,
            keep_alive,
            client_id,
            will,
            username,
            password,
            properties,
        })
    }

    /// Appends the packet to `out`, in its own version; on an error `out` is as before.
    pub fn encode(&self, out: &mut Vec<u8>) -> Result<(), Error> {
        encode(self, self.version, out)
    }

    /// Tells how many bytes `encode` will append.
    #[must_use]
    pub fn encoded_len(&self) -> usize {
        encoded_len(self, self.version)
    }
}

fn read_properties<'a>(
    reader: &mut Reader<'a>,
    version: Version,
    here: Places,
) -> Result<Properties<'a>, Error> {
    match version {
        Version::V311 => Ok(Properties::NONE),
        Version::V5 => property::read(reader, here),
    }
}

fn check_client_id(client_id: &str, clean_start: bool, version: Version) -> Result<(), Error> {
    let missing = client_id.is_empty() && !clean_start && version == Version::V311;
    if missing {
        Err(Error::ClientIdMissing)
    } else {
        Ok(())
    }
}

/// The connect flags, checked against each other.
struct Flags {
    clean_start: bool,
    will: Option<(Qos, bool)>,
    username: bool,
    password: bool,
}

impl Flags {
    const CLEAN_START: u8 = 1 << 1;
    const WILL: u8 = 1 << 2;
    const WILL_RETAIN: u8 = 1 << 5;
    const PASSWORD: u8 = 1 << 6;
    const USERNAME: u8 = 1 << 7;

    fn read(reader: &mut Reader<'_>, version: Version) -> Result<Self, Error> {
        let byte = reader.u8()?;
        let has = |flag| byte & flag != 0;
        if has(1) {
            return Err(Error::ConnectReservedFlag);
        }
        let qos = Qos::from_bits(byte >> 3).ok_or(Error::WillQos)?;
        if !has(Self::WILL) && (qos != Qos::AtMostOnce || has(Self::WILL_RETAIN)) {
            return Err(Error::WillFlags);
        }
        if has(Self::PASSWORD) && !has(Self::USERNAME) && version == Version::V311 {
            return Err(Error::PasswordWithoutUserName);
        }
        Ok(Self {
            clean_start: has(Self::CLEAN_START),
            will: has(Self::WILL).then(|| (qos, has(Self::WILL_RETAIN))),
            username: has(Self::USERNAME),
            password: has(Self::PASSWORD),
        })
    }

    fn byte(packet: &Connect<'_>) -> u8 {
        let flag = |set: bool, flag: u8| if set { flag } else { 0 };
        let will = packet.will.map_or(0, |will| {
            Self::WILL | will.qos.bits() << 3 | flag(will.retain, Self::WILL_RETAIN)
        });
        will | flag(packet.clean_start, Self::CLEAN_START)
            | flag(packet.username.is_some(), Self::USERNAME)
            | flag(packet.password.is_some(), Self::PASSWORD)
    }
}

impl<'a> Will<'a> {
    fn read(
        reader: &mut Reader<'a>,
        version: Version,
        qos: Qos,
        retain: bool,
    ) -> Result<Self, Error> {
        let properties = read_properties(reader, version, Places::WILL)?;
        let topic = reader.text()?;
        text::check_topic_name(topic)?;
        let payload = reader.field()?;
        Ok(Self {
            topic,
            payload,
            qos,
            retain,
            properties,
        })
    }

    fn check(&self, version: Version) -> Result<(), Error> {
        text::check_topic_name(self.topic)?;
        check_field(self.payload)?;
        property::check(&self.properties, Places::WILL, version)
    }

    fn wire_len(&self, version: Version) -> usize {
        property::wire_len(&self.properties, version) + 4 + self.topic.len() + self.payload.len()
    }

    fn write(&self, version: Version, out: &mut Vec<u8>) {
        property::write(&self.properties, version, out);
        put_field(out, self.topic.as_bytes());
        put_field(out, self.payload);
    }
}

impl Body for Connect<'_> {
    fn first_byte(&self) -> u8 {
        0x10
    }

    fn check(&self, version: Version) -> Result<(), Error> {
        text::check(self.client_id)?;
        check_client_id(self.client_id, self.clean_start, version)?;
        if let Some(will) = &self.will {
            will.check(version)?;
        }
        if let Some(username) = self.username {
            text::check(username)?;
        }
        if let Some(password) = self.password {
            if self.username.is_none() && version == Version::V311 {
                return Err(Error::PasswordWithoutUserName);
            }
            check_field(password.expose())?;
        }
        property::check(&self.properties, Places::CONNECT, version)
    }

    fn body_len(&self, version: Version) -> usize {
        let fixed = 2 + PROTOCOL_NAME.len() + 1 + 1 + 2;
        fixed
            + property::wire_len(&self.properties, version)
            + 2
            + self.client_id.len()
            + self.will.map_or(0, |will| will.wire_len(version))
            + self.username.map_or(0, |username| 2 + username.len())
            + self
                .password
                .map_or(0, |password| 2 + password.expose().len())
    }

    fn write(&self, version: Version, out: &mut Vec<u8>) {
        put_field(out, PROTOCOL_NAME);
        out.push(version.level());
        out.push(Flags::byte(self));
        put_u16(out, self.keep_alive);
        property::write(&self.properties, version, out);
        put_field(out, self.client_id.as_bytes());
        if let Some(will) = &self.will {
            will.write(version, out);
        }
        if let Some(username) = self.username {
            put_field(out, username.as_bytes());
        }
        if let Some(password) = self.password {
            put_field(out, password.expose());
        }
    }
}
