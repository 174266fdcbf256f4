//! From the bytes of one packet to its meaning: which packet it is, and whether this side may
//! send it in this version. What is inside is the business of the packet's own file.

use crate::framing::header;
use crate::place::Places;
use crate::reader::Reader;
use crate::{
    Auth, ConnAck, Connect, Disconnect, Error, Packet, PubAck, PubComp, PubRec, PubRel, Publish,
    SubAck, Subscribe, UnsubAck, Unsubscribe, Version,
};

/// Reads a packet that a client sent: what a server accepts. `packet` is one whole packet, as
/// [`frame`](crate::frame) delimits it. A CONNECT is read in the version that it announces.
///
/// That CONNECT comes first, and once (\[MQTT-3.1.0-1\], \[MQTT-3.1.0-2\]), is for the session to see.
pub fn decode_from_client(packet: &[u8], version: Version) -> Result<Packet<'_>, Error> {
    let Split {
        kind,
        flags,
        minimal,
        body,
    } = split(packet)?;
    if kind == CONNECT {
        let connect = Connect::decode(body)?;
        check_minimal(minimal, connect.version)?;
        return Ok(Packet::Connect(connect));
    }
    check_minimal(minimal, version)?;
    match kind {
        SUBSCRIBE => Subscribe::decode(body, version).map(Packet::Subscribe),
        UNSUBSCRIBE => Unsubscribe::decode(body, version).map(Packet::Unsubscribe),
        PINGREQ => {
            body.end()?;
            Ok(Packet::PingReq)
        }
        DISCONNECT => {
            Disconnect::decode(body, version, Places::DISCONNECT_BY_CLIENT).map(Packet::Disconnect)
        }
        AUTH => Auth::decode(body, version, Places::AUTH_BY_CLIENT).map(Packet::Auth),
        PUBLISH => {
            Publish::decode(flags, body, version, Places::PUBLISH_BY_CLIENT).map(Packet::Publish)
        }
        _ => decode_from_either(kind, body, version, Places::PUBACK_BY_CLIENT),
    }
}

/// Reads a packet that a server sent: what a client accepts.
pub fn decode_from_server(packet: &[u8], version: Version) -> Result<Packet<'_>, Error> {
    let Split {
        kind,
        flags,
        minimal,
        body,
    } = split(packet)?;
    check_minimal(minimal, version)?;
    match kind {
        CONNACK => ConnAck::decode(body, version).map(Packet::ConnAck),
        SUBACK => SubAck::decode(body, version).map(Packet::SubAck),
        UNSUBACK => UnsubAck::decode(body, version).map(Packet::UnsubAck),
        PINGRESP => {
            body.end()?;
            Ok(Packet::PingResp)
        }
        DISCONNECT if version == Version::V5 => {
            Disconnect::decode(body, version, Places::DISCONNECT_BY_SERVER).map(Packet::Disconnect)
        }
        AUTH => Auth::decode(body, version, Places::AUTH_BY_SERVER).map(Packet::Auth),
        PUBLISH => {
            Publish::decode(flags, body, version, Places::PUBLISH_BY_SERVER).map(Packet::Publish)
        }
        _ => decode_from_either(kind, body, version, Places::PUBACK_BY_SERVER),
    }
}

fn decode_from_either<'a>(
    kind: u8,
    body: Reader<'a>,
    version: Version,
    puback: Places,
) -> Result<Packet<'a>, Error> {
    match kind {
        PUBACK => PubAck::decode(body, version, puback).map(Packet::PubAck),
        PUBREC => PubRec::decode(body, version, puback).map(Packet::PubRec),
        PUBREL => PubRel::decode(body, version, Places::PUBREL).map(Packet::PubRel),
        PUBCOMP => PubComp::decode(body, version, Places::PUBREL).map(Packet::PubComp),
        _ => Err(Error::WrongDirection),
    }
}

const CONNECT: u8 = 1;
const CONNACK: u8 = 2;
const PUBLISH: u8 = 3;
const PUBACK: u8 = 4;
const PUBREC: u8 = 5;
const PUBREL: u8 = 6;
const PUBCOMP: u8 = 7;
const SUBSCRIBE: u8 = 8;
const SUBACK: u8 = 9;
const UNSUBSCRIBE: u8 = 10;
const UNSUBACK: u8 = 11;
const PINGREQ: u8 = 12;
const PINGRESP: u8 = 13;
const DISCONNECT: u8 = 14;
const AUTH: u8 = 15;

struct Split<'a> {
    kind: u8,
    flags: u8,
    minimal: bool,
    body: Reader<'a>,
}

fn split(packet: &[u8]) -> Result<Split<'_>, Error> {
    let header = header(packet)?.ok_or(Error::UnexpectedEnd)?;
    if packet.len() > header.packet_len {
        return Err(Error::TrailingBytes);
    }
    if packet.len() < header.packet_len {
        return Err(Error::UnexpectedEnd);
    }
    let (kind, flags) = (header.first >> 4, header.first & 0x0f);
    check_flags(kind, flags)?;
    let body = packet.get(header.header_len..).unwrap_or_default();
    Ok(Split {
        kind,
        flags,
        minimal: header.minimal,
        body: Reader::new(body),
    })
}

/// MQTT 5 wants a length in as few bytes as it needs; 3.1.1 does not say so.
fn check_minimal(minimal: bool, version: Version) -> Result<(), Error> {
    if !minimal && version == Version::V5 {
        Err(Error::NotMinimal)
    } else {
        Ok(())
    }
}

/// The low four bits are flags in PUBLISH alone; elsewhere they are reserved, and for reasons of
/// history not always zero.
fn check_flags(kind: u8, flags: u8) -> Result<(), Error> {
    let reserved = match kind {
        PUBLISH => return Ok(()),
        PUBREL | SUBSCRIBE | UNSUBSCRIBE => 0b0010,
        _ => 0,
    };
    if flags == reserved {
        Ok(())
    } else {
        Err(Error::FixedHeaderFlags)
    }
}
