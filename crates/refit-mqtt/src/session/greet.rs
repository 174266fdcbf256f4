//! CONNECT, the first packet: who is there, what is agreed, and every way to be refused.

use std::net::SocketAddr;
use std::num::{NonZeroU16, NonZeroU32};

use refit_packet::{
    ConnAck, Connect, ConnectReturnCode, Error, Packet, Properties, Property, ReasonCode, Version,
    announced_version, decode_from_client,
};

use super::limits::{APPLICATION, DEVICE, Limits};
use super::voice::Voice;
use super::{End, Own, Session, Subscriptions, Watched, is_connect};
use crate::identity::{Credentials, Gate, Refusal, Who};

/// Where a CONNECT comes from.
#[derive(Clone, Copy, Debug)]
pub struct Origin<'a> {
    /// The address.
    pub address: SocketAddr,
    /// The peer's certificate, DER.
    pub certificate: Option<&'a [u8]>,
}

/// What is agreed with every client.
#[derive(Clone, Debug)]
pub struct Terms {
    /// The longest packet that a client may send: MQTT 5's Maximum Packet Size. 3.1.1 clients are not told.
    pub packet_bytes_max: NonZeroU32,
    /// The longest keep-alive, in seconds; one that asks for more, or for none, is told this (MQTT 5).
    pub keep_alive_s_max: NonZeroU16,
}

impl Default for Terms {
    fn default() -> Self {
        Self {
            packet_bytes_max: NonZeroU32::MIN.saturating_add(16 * 1024 - 1),
            keep_alive_s_max: NonZeroU16::MIN.saturating_add(20 * 60 - 1),
        }
    }
}

/// The shortest packet that a client must take for our answers to fit.
const ANSWER_BYTES_MAX: u32 = 128;

/// Takes in the first packet. What is answered is appended to `out` either way.
pub fn greet(
    packet: &[u8],
    gate: &dyn Gate,
    origin: Origin<'_>,
    terms: &Terms,
    out: &mut Vec<u8>,
) -> Result<(Session, Who), End> {
    if !is_connect(packet) {
        // [MQTT-3.1.0-1]: close, and say nothing.
        return Err(End::because(
            ReasonCode::PROTOCOL_ERROR,
            "the first packet is not CONNECT",
        ));
    }
    let connect = match decode_from_client(packet, Version::V5) {
        Ok(Packet::Connect(connect)) => connect,
        Ok(_) => return Err(End::Lost),
        Err(error) => {
            refuse_wrong(error, packet, out);
            return Err(End::Wrong(error));
        }
    };
    let agreed = check(&connect, terms).and_then(|()| admit(&connect, gate, origin));
    match agreed {
        Ok(who) => Ok(welcome(&connect, who, origin.address, terms, out)),
        Err((reason, why)) => {
            refuse(connect.version, reason, why, out);
            Err(End::because(reason, why))
        }
    }
}

type Refused = (ReasonCode, &'static str);

fn check(connect: &Connect<'_>, terms: &Terms) -> Result<(), Refused> {
    if connect.properties.authentication_method().is_some() {
        // [MQTT-4.12.0-1].
        return Err((
            ReasonCode::BAD_AUTHENTICATION_METHOD,
            "no authentication method is supported; use user name and password, or a certificate",
        ));
    }
    let packet_max = connect.properties.maximum_packet_size();
    if packet_max.is_some_and(|max| max.get() < ANSWER_BYTES_MAX) {
        return Err((
            ReasonCode::PACKET_TOO_LARGE,
            "the maximum packet size is below 128: no answer would fit",
        ));
    }
    debug_assert!(terms.packet_bytes_max.get() >= ANSWER_BYTES_MAX);
    Ok(())
}

fn admit(connect: &Connect<'_>, gate: &dyn Gate, origin: Origin<'_>) -> Result<Who, Refused> {
    let credentials = Credentials {
        client_id: connect.client_id,
        username: connect.username,
        password: connect.password,
        peer: origin.address,
        certificate: origin.certificate,
    };
    gate.admit(&credentials)
        .map_err(|refusal| (refusal.reason(), refusal.message()))
}

fn welcome(
    connect: &Connect<'_>,
    who: Who,
    peer: SocketAddr,
    terms: &Terms,
    out: &mut Vec<u8>,
) -> (Session, Who) {
    let limits = match who {
        Who::Device(_) => &DEVICE,
        Who::Application(_) => &APPLICATION,
    };
    let session = Session {
        voice: Voice {
            version: connect.version,
            packet_bytes_max: connect
                .properties
                .maximum_packet_size()
                .map_or(u32::MAX, NonZeroU32::get),
            explains: connect.properties.request_problem_information() != Some(false),
        },
        window: connect
            .properties
            .receive_maximum()
            .map_or(limits.window, |max| max.get().min(limits.window)),
        keep_alive: keep_alive(connect, terms),
        last_id: 0,
        expiry_is_fixed: connect.properties.session_expiry().unwrap_or(0) == 0,
        subscriptions: match &who {
            Who::Device(_) => Subscriptions::Device(Own::default()),
            Who::Application(application) => {
                Subscriptions::Application(Box::new(Watched::new(application.clone())))
            }
        },
        inbound: None,
        outbound: None,
    };
    let assigned = match &who {
        Who::Device(device) => device.to_string(),
        // Nobody else's while it lasts ([MQTT-3.1.3-6]).
        Who::Application { .. } => format!("application-{peer}"),
    };
    say_welcome(&session, connect, &assigned, terms, limits, out);
    (session, who)
}

/// What the server asks for stands ([MQTT-3.1.2-21]); to 3.1.1 it cannot say it.
fn keep_alive(connect: &Connect<'_>, terms: &Terms) -> u16 {
    let max = terms.keep_alive_s_max.get();
    match (connect.version, connect.keep_alive) {
        (Version::V5, asked) if asked == 0 || asked > max => max,
        (Version::V311 | Version::V5, asked) => asked,
    }
}

/// CONNACK. Session present is 0 always: no session outlives its connection, and in 5 we say so ([MQTT-3.2.2-2]).
fn say_welcome(
    session: &Session,
    connect: &Connect<'_>,
    assigned: &str,
    terms: &Terms,
    limits: &Limits,
    out: &mut Vec<u8>,
) {
    let mut properties = vec![
        Property::SessionExpiry(0),
        Property::MaximumPacketSize(terms.packet_bytes_max),
        Property::TopicAliasMaximum(0),
        Property::SubscriptionIdAvailable(false),
        Property::SharedAvailable(false),
    ];
    if let Some(max) = NonZeroU16::new(limits.receive_maximum) {
        properties.push(Property::ReceiveMaximum(max));
    }
    if session.keep_alive != connect.keep_alive {
        properties.push(Property::ServerKeepAlive(session.keep_alive));
    }
    if connect.client_id.is_empty() {
        properties.push(Property::AssignedClientId(assigned));
    }
    session.voice.put(out, |version, out| {
        ConnAck {
            session_present: false,
            reason: ReasonCode::SUCCESS,
            properties: Properties::of(&properties),
        }
        .encode(version, out)
    });
}

/// Takes back a welcome that is not sent yet.
pub fn refuse_after_all(session: &Session, refusal: Refusal, out: &mut Vec<u8>) -> End {
    let (reason, why) = (refusal.reason(), refusal.message());
    refuse(session.voice.version, reason, why, out);
    End::because(reason, why)
}

/// Refuses the first packet by its fixed header alone: `received` is what came of it.
pub fn refuse_unframed(error: Error, received: &[u8], out: &mut Vec<u8>) {
    refuse_wrong(error, received, out);
}

/// Refuses a CONNECT that cannot be read, in the version that it announces.
fn refuse_wrong(error: Error, packet: &[u8], out: &mut Vec<u8>) {
    let version = match error {
        // [MQTT-3.1.2-2]: a level above 5 is answered as in 5, one below 4 as in 3.1.1.
        Error::UnsupportedLevel(level) if level > 5 => Version::V5,
        Error::UnsupportedLevel(_) => Version::V311,
        _ => match announced_version(packet) {
            Some(version) => version,
            // It may not be MQTT at all.
            None => return,
        },
    };
    let reason = match (version, error.return_code()) {
        (Version::V311, Some(code)) => code.reason(),
        (Version::V311, None) => return,
        (Version::V5, _) => error.reason(),
    };
    refuse(version, reason, &error.to_string(), out);
}

/// Appends a CONNACK that refuses; in 3.1.1 only if there is a return code for it ([MQTT-3.2.2-6]).
fn refuse(version: Version, reason: ReasonCode, why: &str, out: &mut Vec<u8>) {
    if version == Version::V311 && ConnectReturnCode::of(reason).is_none() {
        return;
    }
    let voice = Voice {
        version,
        packet_bytes_max: if reason == ReasonCode::PACKET_TOO_LARGE {
            // Without words: it is as short as a CONNACK can be.
            5
        } else {
            u32::MAX
        },
        explains: true,
    };
    voice.tell_always(why, out, |properties, version, out| {
        ConnAck {
            properties,
            ..ConnAck::refusal(reason)
        }
        .encode(version, out)
    });
}
