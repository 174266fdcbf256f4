//! Packets of every kind, made at random by `proptest`. What they borrow is leaked: a test run
//! makes a few thousand of them.

use std::num::{NonZeroU16, NonZeroU32};

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use refit_packet::{
    Auth, Codes, ConnAck, Connect, Delivery, Disconnect, Filters, Packet, PacketId, Properties,
    Property, PubAck, PubComp, PubRec, PubRel, Publish, Qos, ReasonCode, RetainHandling, Secret,
    SubAck, Subscribe, Subscription, SubscriptionId, TopicFilters, UnsubAck, Unsubscribe, Version,
    Will,
};

use crate::bytes::{From, decode};

/// A packet that `from` may send in `version`.
pub(crate) fn packet(from: From, version: Version) -> BoxedStrategy<Packet<'static>> {
    let bare = match from {
        From::Client => prop_oneof![
            connect(version),
            publish(version),
            acknowledgement(),
            subscribe(version),
            unsubscribe(),
            Just(Packet::PingReq),
            disconnect(
                version,
                vec![ReasonCode::SUCCESS, ReasonCode::DISCONNECT_WITH_WILL]
            ),
            auth(
                version,
                vec![
                    ReasonCode::CONTINUE_AUTHENTICATION,
                    ReasonCode::RE_AUTHENTICATE
                ]
            ),
        ]
        .boxed(),
        From::Server => prop_oneof![
            connack(version),
            publish(version),
            acknowledgement(),
            suback(version),
            unsuback(version),
            Just(Packet::PingResp),
            disconnect(
                version,
                vec![ReasonCode::SERVER_SHUTTING_DOWN, ReasonCode::QUOTA_EXCEEDED]
            ),
            auth(
                version,
                vec![ReasonCode::SUCCESS, ReasonCode::CONTINUE_AUTHENTICATION]
            ),
        ]
        .boxed(),
    };
    (bare, vec(property(), 0..8))
        .prop_map(move |(packet, properties)| furnish(packet, properties, from, version))
        .prop_filter("not in this version", move |packet| {
            accepted(packet, from, version)
        })
        .boxed()
}

fn accepted(packet: &Packet<'_>, from: From, version: Version) -> bool {
    let mut out = Vec::new();
    packet.encode(version, &mut out).is_ok() && decode(&out, from, version).is_ok()
}

/// Gives the packet those of the properties that may stand in it.
fn furnish(
    bare: Packet<'static>,
    candidates: Vec<Property<'static>>,
    from: From,
    version: Version,
) -> Packet<'static> {
    if version == Version::V311 {
        return bare;
    }
    let mut kept: Vec<Property<'static>> = properties_of(&bare).iter().collect();
    let mut best = bare;
    for candidate in candidates {
        kept.push(candidate);
        let tried = with_properties(bare, Properties::of(kept.clone().leak()));
        if accepted(&tried, from, version) {
            best = tried;
        } else {
            kept.pop();
        }
    }
    best
}

/// The properties of the packet; of a CONNECT not those of its will.
pub(crate) fn properties_of<'a>(packet: &Packet<'a>) -> Properties<'a> {
    match packet {
        Packet::Connect(p) => p.properties,
        Packet::ConnAck(p) => p.properties,
        Packet::Publish(p) => p.properties,
        Packet::PubAck(p) => p.properties,
        Packet::PubRec(p) => p.properties,
        Packet::PubRel(p) => p.properties,
        Packet::PubComp(p) => p.properties,
        Packet::Subscribe(p) => p.properties,
        Packet::SubAck(p) => p.properties,
        Packet::Unsubscribe(p) => p.properties,
        Packet::UnsubAck(p) => p.properties,
        Packet::Disconnect(p) => p.properties,
        Packet::Auth(p) => p.properties,
        Packet::PingReq | Packet::PingResp => Properties::NONE,
    }
}

pub(crate) fn with_properties<'a>(packet: Packet<'a>, properties: Properties<'a>) -> Packet<'a> {
    match packet {
        Packet::Connect(p) => Packet::Connect(Connect { properties, ..p }),
        Packet::ConnAck(p) => Packet::ConnAck(ConnAck { properties, ..p }),
        Packet::Publish(p) => Packet::Publish(Publish { properties, ..p }),
        Packet::PubAck(p) => Packet::PubAck(PubAck { properties, ..p }),
        Packet::PubRec(p) => Packet::PubRec(PubRec { properties, ..p }),
        Packet::PubRel(p) => Packet::PubRel(PubRel { properties, ..p }),
        Packet::PubComp(p) => Packet::PubComp(PubComp { properties, ..p }),
        Packet::Subscribe(p) => Packet::Subscribe(Subscribe { properties, ..p }),
        Packet::SubAck(p) => Packet::SubAck(SubAck { properties, ..p }),
        Packet::Unsubscribe(p) => Packet::Unsubscribe(Unsubscribe { properties, ..p }),
        Packet::UnsubAck(p) => Packet::UnsubAck(UnsubAck { properties, ..p }),
        Packet::Disconnect(p) => Packet::Disconnect(Disconnect { properties, ..p }),
        Packet::Auth(p) => Packet::Auth(Auth { properties, ..p }),
        Packet::PingReq | Packet::PingResp => packet,
    }
}

fn text() -> impl Strategy<Value = &'static str> {
    prop_oneof![
        select(vec!["", "a", "d-7", "é€𐍈", "\u{feff}x", "$share", "+", "#"]),
        "[a-z0-9 é]{0,20}".prop_map(leak),
    ]
}

fn topic() -> impl Strategy<Value = &'static str> {
    prop_oneof![
        select(vec!["a", "/", "state/d7/update", "$SYS/x", "//", "é/€"]),
        "[a-z/$é]{1,140}".prop_map(leak),
    ]
}

fn filter() -> impl Strategy<Value = &'static str> {
    let level = || select(vec!["a", "b", "+", "", "$x", "é"]);
    let levels = vec(level(), 1..5).prop_map(|levels| levels.join("/"));
    let shared = prop_oneof![3 => Just(""), 1 => Just("$share/g/")];
    let end = prop_oneof![2 => Just(""), 1 => Just("/#")];
    (shared, levels, end)
        .prop_map(|(shared, levels, end)| format!("{shared}{levels}{end}"))
        .prop_filter("empty", |filter| {
            !filter.is_empty() && filter != "$share/g/"
        })
        .prop_map(leak)
}

fn leak(text: String) -> &'static str {
    text.leak()
}

fn binary() -> impl Strategy<Value = &'static [u8]> {
    vec(any::<u8>(), 0..40).prop_map(|bytes| &*bytes.leak())
}

fn id() -> impl Strategy<Value = PacketId> {
    any::<NonZeroU16>()
}

fn qos() -> impl Strategy<Value = Qos> {
    select(vec![Qos::AtMostOnce, Qos::AtLeastOnce, Qos::ExactlyOnce])
}

fn property() -> impl Strategy<Value = Property<'static>> {
    let numbers = (
        any::<NonZeroU16>(),
        any::<NonZeroU32>(),
        1u32..=268_435_455,
        any::<bool>(),
    );
    (0..27, numbers, text(), topic(), binary()).prop_map(
        |(which, (short, long, id, flag), text, topic, binary)| match which {
            0 => Property::PayloadIsText(flag),
            1 => Property::MessageExpiry(long.get()),
            2 => Property::ContentType(text),
            3 => Property::ResponseTopic(topic),
            4 => Property::CorrelationData(binary),
            5 => Property::SubscriptionId(SubscriptionId::new(id).expect("in range")),
            6 => Property::SessionExpiry(long.get()),
            7 => Property::AssignedClientId(text),
            8 => Property::ServerKeepAlive(short.get()),
            9 => Property::AuthenticationMethod(text),
            10 => Property::AuthenticationData(Secret::new(binary)),
            11 => Property::RequestProblemInformation(flag),
            12 => Property::WillDelay(long.get()),
            13 => Property::RequestResponseInformation(flag),
            14 => Property::ResponseInformation(text),
            15 => Property::ServerReference(text),
            16 => Property::ReasonString(text),
            17 => Property::ReceiveMaximum(short),
            18 => Property::TopicAliasMaximum(short.get()),
            19 => Property::TopicAlias(short),
            20 => Property::MaximumQosIsOne(flag),
            21 => Property::RetainAvailable(flag),
            22 => Property::UserProperty((text, topic)),
            23 => Property::MaximumPacketSize(long),
            24 => Property::WildcardAvailable(flag),
            25 => Property::SubscriptionIdAvailable(flag),
            _ => Property::SharedAvailable(flag),
        },
    )
}

fn connect(version: Version) -> BoxedStrategy<Packet<'static>> {
    let credentials = (proptest::option::of(text()), proptest::option::of(binary()));
    (
        any::<bool>(),
        any::<u16>(),
        text(),
        proptest::option::of(will(version)),
        credentials,
    )
        .prop_map(
            move |(clean_start, keep_alive, client_id, will, (username, password))| {
                Packet::Connect(Connect {
                    version,
                    clean_start,
                    keep_alive,
                    client_id,
                    will,
                    username,
                    password: password.map(Secret::new),
                    properties: Properties::NONE,
                })
            },
        )
        .boxed()
}

fn will(version: Version) -> impl Strategy<Value = Will<'static>> {
    let list: &'static [Property<'static>] = &[
        Property::WillDelay(5),
        Property::ContentType("text"),
        Property::UserProperty(("a", "")),
    ];
    let most = if version == Version::V5 {
        list.len()
    } else {
        0
    };
    (topic(), binary(), qos(), any::<bool>(), 0..=most).prop_map(
        move |(topic, payload, qos, retain, some)| Will {
            topic,
            payload,
            qos,
            retain,
            properties: Properties::of(&list[..some]),
        },
    )
}

fn publish(version: Version) -> BoxedStrategy<Packet<'static>> {
    let alias: &'static [Property<'static>] = &[Property::TopicAlias(NonZeroU16::MIN)];
    let delivery = (qos(), id(), any::<bool>()).prop_map(|(qos, id, dup)| match qos {
        Qos::AtMostOnce => Delivery::AtMostOnce,
        Qos::AtLeastOnce => Delivery::AtLeastOnce { id, dup },
        Qos::ExactlyOnce => Delivery::ExactlyOnce { id, dup },
    });
    let aliased = prop_oneof![4 => Just(false), 1 => Just(version == Version::V5)];
    (topic(), delivery, any::<bool>(), binary(), aliased)
        .prop_map(move |(topic, delivery, retain, payload, aliased)| {
            let (topic, properties) = if aliased {
                ("", Properties::of(alias))
            } else {
                (topic, Properties::NONE)
            };
            Packet::Publish(Publish {
                topic,
                delivery,
                retain,
                properties,
                payload,
            })
        })
        .boxed()
}

fn acknowledgement() -> BoxedStrategy<Packet<'static>> {
    let reason = select(vec![
        ReasonCode::SUCCESS,
        ReasonCode::NOT_AUTHORIZED,
        ReasonCode::QUOTA_EXCEEDED,
        ReasonCode::PACKET_IDENTIFIER_NOT_FOUND,
    ]);
    (0..4, id(), reason)
        .prop_map(|(which, id, reason)| match which {
            0 => Packet::PubAck(PubAck::new(id, reason)),
            1 => Packet::PubRec(PubRec::new(id, reason)),
            2 => Packet::PubRel(PubRel::new(id, reason)),
            _ => Packet::PubComp(PubComp::new(id, reason)),
        })
        // In 3.1.1 the reason is not on the wire, so that only success comes back as it was.
        .boxed()
}

fn subscribe(version: Version) -> BoxedStrategy<Packet<'static>> {
    let handling = select(vec![
        RetainHandling::OnSubscribe,
        RetainHandling::OnNewSubscribe,
        RetainHandling::Never,
    ]);
    let one = (filter(), qos(), any::<bool>(), any::<bool>(), handling).prop_map(
        move |(filter, qos, no_local, retain_as_published, retain_handling)| match version {
            Version::V311 => Subscription::new(filter, qos),
            Version::V5 => Subscription {
                filter,
                qos,
                no_local: no_local && !filter.starts_with('$'),
                retain_as_published,
                retain_handling,
            },
        },
    );
    (id(), vec(one, 1..4))
        .prop_map(|(id, filters)| {
            let filters = Filters::of(filters.leak());
            Packet::Subscribe(Subscribe {
                id,
                properties: Properties::NONE,
                filters,
            })
        })
        .boxed()
}

fn unsubscribe() -> BoxedStrategy<Packet<'static>> {
    (id(), vec(filter(), 1..4))
        .prop_map(|(id, filters)| {
            let filters = TopicFilters::of(filters.leak());
            Packet::Unsubscribe(Unsubscribe {
                id,
                properties: Properties::NONE,
                filters,
            })
        })
        .boxed()
}

fn connack(version: Version) -> BoxedStrategy<Packet<'static>> {
    let mut reasons = vec![
        ReasonCode::NOT_AUTHORIZED,
        ReasonCode::BAD_USER_NAME_OR_PASSWORD,
    ];
    if version == Version::V5 {
        reasons.extend([ReasonCode::BANNED, ReasonCode::SERVER_BUSY]);
    }
    let accepted = any::<bool>().prop_map(|session_present| ConnAck {
        session_present,
        reason: ReasonCode::SUCCESS,
        properties: Properties::NONE,
    });
    prop_oneof![accepted, select(reasons).prop_map(ConnAck::refusal)]
        .prop_map(Packet::ConnAck)
        .boxed()
}

fn codes(version: Version, of_5: ReasonCode) -> impl Strategy<Value = Codes<'static>> {
    let mut codes = vec![ReasonCode::SUCCESS, ReasonCode::UNSPECIFIED_ERROR];
    if version == Version::V5 {
        codes.extend([
            of_5,
            ReasonCode::NOT_AUTHORIZED,
            ReasonCode::TOPIC_FILTER_INVALID,
        ]);
    }
    vec(select(codes), 1..5).prop_map(|codes| Codes::of(codes.leak()))
}

fn suback(version: Version) -> BoxedStrategy<Packet<'static>> {
    (id(), codes(version, ReasonCode::GRANTED_QOS_1))
        .prop_map(|(id, codes)| {
            Packet::SubAck(SubAck {
                id,
                properties: Properties::NONE,
                codes,
            })
        })
        .boxed()
}

fn unsuback(version: Version) -> BoxedStrategy<Packet<'static>> {
    (id(), codes(version, ReasonCode::NO_SUBSCRIPTION_EXISTED))
        .prop_map(move |(id, codes)| {
            let codes = if version == Version::V5 {
                codes
            } else {
                Codes::NONE
            };
            Packet::UnsubAck(UnsubAck {
                id,
                properties: Properties::NONE,
                codes,
            })
        })
        .boxed()
}

fn disconnect(version: Version, reasons: Vec<ReasonCode>) -> BoxedStrategy<Packet<'static>> {
    let reasons = if version == Version::V5 {
        reasons
    } else {
        vec![ReasonCode::SUCCESS]
    };
    select(reasons)
        .prop_map(|reason| Packet::Disconnect(Disconnect::new(reason)))
        .boxed()
}

fn auth(version: Version, reasons: Vec<ReasonCode>) -> BoxedStrategy<Packet<'static>> {
    let method: &'static [Property<'static>] = &[Property::AuthenticationMethod("scram")];
    if version == Version::V311 {
        return Just(Packet::PingReq).boxed();
    }
    select(reasons)
        .prop_map(|reason| {
            Packet::Auth(Auth {
                reason,
                properties: Properties::of(method),
            })
        })
        .boxed()
}
