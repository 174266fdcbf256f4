//! *What do these bytes say, and may the peer say it?* MQTT 3.1.1 and MQTT 5, read and written,
//! for a server's half of a connection and for a client's.
//!
//! **In and out.** Bytes received go to [`frame`], which tells from the fixed header alone whether
//! a packet is whole, unfinished, too large or nonsense. The bytes of one packet go to
//! [`decode_from_client`] or [`decode_from_server`] and come back as a [`Packet`] that borrows from
//! them: nothing is copied or allocated. A packet is written with its `encode`, into a `Vec` that
//! the caller reuses; `encoded_len` says beforehand how long it will be.
//!
//! **Strict, both ways.** What the standard forbids is an [`Error`], which knows its statement
//! number in both versions and the reason code to answer with. `encode` refuses, by the same rules,
//! what no side may send (it does not know which side we are). Lists inside a packet (properties, filters) are validated whole when
//! the packet is decoded, so reading them later cannot fail.
//!
//! **Absent on purpose.** I/O, clocks, sessions, keep-alive, limits that depend on what was agreed
//! (receive maximum, topic alias maximum, maximum QoS: the session's), `std`, dependencies,
//! MQTT 3.1 (`MQIsdp`), and any print of a password, credential or payload: `Debug` shows their
//! lengths.
//!
//! **Start reading at** [`Packet`] in `packet.rs`, then `decode.rs` (who may send what), one file
//! per packet (`connect.rs`, `publish.rs`, …), `property.rs` and `reason.rs` (two tables), `text.rs`.
//!
//! **Keeps**: decoding allocates nothing (only `encode` is given a `Vec`); no input makes it panic;
//! whatever decodes encodes to something that decodes equal (`tests/round_trip.rs`, `corpus.rs`, and
//! `fuzz/` at the repository's root); each statement is a row of `tests/statements.rs`, and another
//! codec agrees but for its named leniencies (`tests/oracle.rs`).
//!
//! ```
//! use refit_packet::{Frame, Packet, Version, decode_from_client, frame};
//!
//! let received = [0x30, 5, 0, 1, b't', b'h', b'i', 0xc0]; // a PUBLISH, and the start of a PINGREQ
//! let Ok(Frame::Whole { len }) = frame(&received, 8192) else { unreachable!() };
//! let Ok(Packet::Publish(publish)) = decode_from_client(&received[..len], Version::V311) else {
//!     unreachable!()
//! };
//! assert_eq!((publish.topic, publish.payload), ("t", &b"hi"[..]));
//! assert_eq!(frame(&received[len..], 8192), Ok(Frame::Partial { missing: 1 }));
//! ```
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

mod ack;
mod auth;
mod connack;
mod connect;
mod decode;
mod disconnect;
mod encode;
mod error;
mod framing;
mod list;
mod packet;
mod place;
mod property;
mod publish;
mod reader;
mod reason;
mod secret;
mod suback;
mod subscribe;
mod text;
mod unsubscribe;

pub use ack::{PubAck, PubComp, PubRec, PubRel};
pub use auth::Auth;
pub use connack::ConnAck;
pub use connect::{Connect, Will, announced_version};
pub use decode::{decode_from_client, decode_from_server};
pub use disconnect::Disconnect;
pub use error::Error;
pub use framing::{Frame, PACKET_BYTES_MAX, frame};
pub use list::{Iter, List};
pub use packet::{Packet, PacketId, PingReq, PingResp, Qos, Version};
pub use property::{Properties, Property, SubscriptionId};
pub use publish::{Delivery, Publish, PublishParts};
pub use reason::{ConnectReturnCode, ReasonCode};
pub use secret::Secret;
pub use suback::{Codes, SubAck, UnsubAck};
pub use subscribe::{Filters, RetainHandling, Subscribe, Subscription};
pub use text::{Shared, check_topic_filter, check_topic_name, shared};
pub use unsubscribe::{TopicFilters, Unsubscribe};
