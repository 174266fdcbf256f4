//! A session, an engine that is a list of what was asked of it, and a language for both.
//!
//! ```text
//! > PUBLISH q1 #5 state/d/update hello     a packet from the client
//! = receipt 0 409                          something from the engine
//! < PUBACK #5 83 …                         what is sent for it
//! ! submit d hello r0                      what is asked of the engine for it
//! x 82 …                                   how the session ends for it, with the last word before it
//! ```

use std::cell::RefCell;
use std::fmt::Write;
use std::net::SocketAddr;
use std::sync::Arc;

use refit_engine::fleet::Submitted;
use refit_engine::seat::{Close, Outgoing, Wants};
use refit_engine::watchers::Scope;
use refit_packet::{
    Auth, Connect, Delivery, Disconnect, Filters, Frame, Packet, PacketId, Properties, Property,
    PubAck, PubComp, PubRec, PubRel, Publish, Qos, ReasonCode, Secret, Subscribe, Subscription,
    SubscriptionId, TopicFilters, Unsubscribe, Version, decode_from_server, frame,
};
use refit_protocol::device_id::DeviceId;
use refit_protocol::rejection::Code;
use refit_protocol::time::Timestamp;
use refit_protocol::topic::Kind;
use refit_replica::speaker::Speaker;

use crate::identity::{Application, Applications, DevGate, EveryRight, Refusal, Who};
use crate::quota::Share;
use crate::session::{Calls, End, Note, Origin, Session, Terms, greet};

pub(super) const BOTH: [Version; 2] = [Version::V311, Version::V5];

pub(super) struct Bench {
    pub(super) version: Version,
    pub(super) session: Session,
    pub(super) ledger: Ledger,
}

/// What was asked of the engine. A payload that starts with `quiet` changes nothing.
#[derive(Default)]
pub(super) struct Ledger {
    device: Option<DeviceId>,
    pub(super) pending: u32,
    /// Of these there are no turns left.
    pub(super) spent: Vec<Share>,
    asked: RefCell<Vec<String>>,
}

impl Ledger {
    fn ask_down(&self, what: String) {
        self.asked.borrow_mut().push(what);
    }
}

fn name(speaker: &Speaker) -> String {
    match speaker {
        Speaker::Device => String::new(),
        Speaker::Operator(name) | Speaker::Application(name, _) => format!(" by {name}"),
    }
}

/// Receipts of QoS 0 are not numbers to be seen.
fn number(receipt: u32) -> String {
    if receipt == u32::MAX {
        "-".into()
    } else {
        format!("r{receipt}")
    }
}

impl Calls for Ledger {
    fn device(&self) -> Option<&DeviceId> {
        self.device.as_ref()
    }
    fn pending(&self) -> u32 {
        self.pending
    }
    fn takes_turn(&self, share: Share) -> bool {
        !self.spent.contains(&share)
    }
    fn wall(&self) -> Timestamp {
        Timestamp(7)
    }
    fn submit(&self, who: Speaker, device: &str, payload: &[u8], receipt: u32) -> Submitted {
        let payload = String::from_utf8_lossy(payload);
        let (by, receipt) = (name(&who), number(receipt));
        self.ask_down(format!("submit {device} {payload} {receipt}{by}"));
        if payload.starts_with("quiet") {
            Submitted::Quiet
        } else {
            Submitted::Later
        }
    }
    fn ask(&self, who: Speaker, device: &str, receipt: u32) {
        self.ask_down(format!("ask {device} {}{}", number(receipt), name(&who)));
    }
    fn wants(&self, wants: Wants) {
        let wanted = Kind::OUTGOING
            .into_iter()
            .filter(|kind| wants.has(Wants::of(*kind)));
        let wanted: Vec<&str> = wanted.map(Kind::path).collect();
        self.ask_down(format!("wants {}", wanted.join(" ")).trim_end().into());
    }
    fn subscribe(&self) {
        self.ask_down("subscribe".into());
    }
    fn unsubscribe(&self) {
        self.ask_down("unsubscribe".into());
    }
    fn watch(&self, kind: Kind, scope: Scope) {
        self.ask_down(format!("watch {} {}", scope_name(&scope), kind.path()));
    }
    fn unwatch(&self, kind: Kind, scope: &Scope) {
        self.ask_down(format!("unwatch {} {}", scope_name(scope), kind.path()));
    }
    fn note(&self, note: Note) {
        match note {
            Note::Sent(_) => {}
            Note::TooLarge(kind) => self.ask_down(format!("too large: {}", kind.path())),
            Note::Refused => self.ask_down("refused".into()),
            Note::TooOften => self.ask_down("too often".into()),
        }
    }
}

fn scope_name(scope: &Scope) -> &str {
    match scope {
        Scope::Every => "+",
        Scope::One(device) => device.as_str(),
    }
}

pub(super) fn connect(version: Version, client_id: &str) -> Connect<'_> {
    Connect {
        version,
        clean_start: true,
        keep_alive: 60,
        client_id,
        will: None,
        username: None,
        password: None,
        properties: Properties::NONE,
    }
}

/// Knows the application `shop`.
struct Shop;

impl Applications for Shop {
    fn find(&self, password: Secret<'_>, _: SocketAddr) -> Result<Option<Application>, Refusal> {
        Ok((password.expose() == b"secret").then(|| Application {
            name: "shop".into(),
            rights: Arc::new(EveryRight),
        }))
    }
}

pub(super) fn greeted(packet: &[u8], terms: &Terms) -> (Vec<u8>, Result<(Session, Who), End>) {
    let mut out = Vec::new();
    let gate = DevGate::new(Arc::new(Shop));
    let origin = Origin {
        address: ([127, 0, 0, 1], 9).into(),
        certificate: None,
    };
    let result = greet(packet, &gate, origin, terms, &mut out);
    (out, result)
}

impl Bench {
    /// The device `d`, welcomed.
    pub(super) fn device(version: Version) -> Self {
        Self::of(&connect(version, "d"))
    }

    /// The application `shop`, welcomed.
    pub(super) fn application(version: Version) -> Self {
        Self::of(&Connect {
            username: Some("shop"),
            password: Some(Secret::new(b"secret")),
            ..connect(version, "x")
        })
    }

    pub(super) fn of(connect: &Connect<'_>) -> Self {
        let mut packet = Vec::new();
        connect.encode(&mut packet).unwrap();
        let (_, result) = greeted(&packet, &Terms::default());
        let (session, who) = result.unwrap();
        let device = match who {
            Who::Device(device) => Some(device),
            Who::Application(_) => None,
        };
        Self {
            version: connect.version,
            session,
            ledger: Ledger {
                device,
                ..Ledger::default()
            },
        }
    }

    /// Plays the inputs of a script, and compares what comes of them with the rest of it.
    #[track_caller]
    pub(super) fn check(&mut self, script: &str) {
        let lines: Vec<&str> = script
            .lines()
            .map(str::trim)
            .filter(|l| !l.is_empty())
            .collect();
        let mut played = String::new();
        for line in &lines {
            match line.split_at(2) {
                ("> ", packet) => {
                    let packet = bytes_of(packet, self.version);
                    writeln!(played, "{line}").unwrap();
                    self.play(&mut played, |session, ledger, out| {
                        session.receive(&packet, ledger, out)
                    });
                }
                ("= ", outgoing) => {
                    let outgoing = outgoing_of(outgoing);
                    writeln!(played, "{line}").unwrap();
                    self.play(&mut played, |session, ledger, out| {
                        session.send(outgoing, ledger, out)
                    });
                }
                _ => {}
            }
        }
        let expected = lines.join("\n");
        assert_eq!(played.trim_end(), expected, "in {:?}", self.version);
    }

    fn play(
        &mut self,
        played: &mut String,
        input: impl FnOnce(&mut Session, &Ledger, &mut Vec<u8>) -> Result<(), End>,
    ) {
        let mut out = Vec::new();
        let result = input(&mut self.session, &self.ledger, &mut out);
        if let Err(end) = result {
            self.session.farewell(end, &mut out);
        }
        for line in shown(&out, self.version) {
            writeln!(played, "< {line}").unwrap();
        }
        for asked in self.ledger.asked.take() {
            writeln!(played, "! {asked}").unwrap();
        }
        if let Err(end) = result {
            let reason = end.reason().map_or(0, ReasonCode::byte);
            writeln!(played, "x {reason:02x} {}", end.message()).unwrap();
        }
    }
}

fn id(word: &str) -> PacketId {
    PacketId::new(word.strip_prefix('#').unwrap().parse().unwrap()).unwrap()
}

fn qos(word: &str) -> Qos {
    match word.trim_start_matches(['q', '@']) {
        "0" => Qos::AtMostOnce,
        "1" => Qos::AtLeastOnce,
        "2" => Qos::ExactlyOnce,
        other => panic!("no QoS: {other}"),
    }
}

/// Writes the packet that a line stands for.
pub(super) fn bytes_of(line: &str, version: Version) -> Vec<u8> {
    let mut out = Vec::new();
    let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
    let words: Vec<&str> = rest.split(' ').filter(|w| !w.is_empty()).collect();
    let encoded = match word {
        "HEX" => {
            return words
                .iter()
                .map(|w| u8::from_str_radix(w, 16).unwrap())
                .collect();
        }
        "CONNECT" => connect(version, "d").encode(&mut out),
        "PUBLISH" => return publish(&words, version),
        "SUBSCRIBE" => return subscribe(&words, version),
        "UNSUBSCRIBE" => Unsubscribe {
            id: id(words[0]),
            properties: Properties::NONE,
            filters: TopicFilters::of(&words[1..]),
        }
        .encode(version, &mut out),
        "PUBACK" => PubAck::success(id(words[0])).encode(version, &mut out),
        "PUBREC" => PubRec::success(id(words[0])).encode(version, &mut out),
        "PUBREL" => PubRel::success(id(words[0])).encode(version, &mut out),
        "PUBCOMP" => PubComp::success(id(words[0])).encode(version, &mut out),
        "PINGREQ" => Packet::PingReq.encode(version, &mut out),
        "DISCONNECT" => {
            let expiry = words
                .first()
                .map(|w| Property::SessionExpiry(w.parse().unwrap()));
            Disconnect {
                reason: ReasonCode::SUCCESS,
                properties: Properties::of(expiry.as_slice()),
            }
            .encode(version, &mut out)
        }
        "AUTH" => Auth {
            reason: ReasonCode::RE_AUTHENTICATE,
            properties: Properties::of(&[Property::AuthenticationMethod("m")]),
        }
        .encode(version, &mut out),
        other => panic!("no packet: {other}"),
    };
    encoded.unwrap();
    out
}

/// `q1 #5 [dup] [retain] [alias] topic payload`
fn publish(words: &[&str], version: Version) -> Vec<u8> {
    let mut words = words.iter().copied().peekable();
    let qos = qos(words.next().unwrap());
    let id = words.next_if(|w| w.starts_with('#')).map(id);
    let dup = words.next_if_eq(&"dup").is_some();
    let retain = words.next_if_eq(&"retain").is_some();
    let alias = words
        .next_if_eq(&"alias")
        .map(|_| Property::TopicAlias(id.unwrap_or(PacketId::MIN)));
    let delivery = match (qos, id) {
        (Qos::AtLeastOnce, Some(id)) => Delivery::AtLeastOnce { id, dup },
        (Qos::ExactlyOnce, Some(id)) => Delivery::ExactlyOnce { id, dup },
        _ => Delivery::AtMostOnce,
    };
    let topic = words.next().unwrap_or_default();
    let payload = words.collect::<Vec<_>>().join(" ");
    let mut out = Vec::new();
    let publish = Publish {
        topic,
        delivery,
        retain,
        properties: Properties::of(alias.as_slice()),
        payload: payload.as_bytes(),
    };
    publish.encode(version, &mut out).unwrap();
    out
}

/// `#1 [subid] filter@1 …`
fn subscribe(words: &[&str], version: Version) -> Vec<u8> {
    let (number, words) = words.split_first().unwrap();
    let has_id = words.first() == Some(&"subid");
    let property = [Property::SubscriptionId(SubscriptionId::new(1).unwrap())];
    let filters: Vec<Subscription<'_>> = words[usize::from(has_id)..]
        .iter()
        .map(|word| {
            let (filter, wanted) = word.rsplit_once('@').unwrap();
            Subscription::new(filter, qos(wanted))
        })
        .collect();
    let mut out = Vec::new();
    let subscribe = Subscribe {
        id: id(number),
        properties: if has_id {
            Properties::of(&property)
        } else {
            Properties::NONE
        },
        filters: Filters::of(&filters),
    };
    subscribe.encode(version, &mut out).unwrap();
    out
}

/// `receipt 0 [code]`, `delta [of device] text`, `accepted [of device] text`, `close why`
fn outgoing_of(line: &str) -> Outgoing {
    let words: Vec<&str> = line.split(' ').collect();
    match words[0] {
        "receipt" => Outgoing::Receipt {
            receipt: words[1].parse().unwrap(),
            refused: words.get(2).map(|w| code(w)),
            answer: None,
        },
        "close" => Outgoing::Close(match words[1] {
            "taken-over" => Close::TakenOver,
            "shutting-down" => Close::ShuttingDown,
            "too-slow" => Close::TooSlow,
            "not-allowed" => Close::NotAllowed,
            _ => Close::NotStored,
        }),
        kind => {
            let (device, text) = match &words[1..] {
                ["of", device, text @ ..] => (*device, text.join(" ")),
                text => ("d", text.join(" ")),
            };
            Outgoing::Publish {
                device: DeviceId::parse(device).unwrap(),
                kind: match kind {
                    "delta" => Kind::Delta,
                    "accepted" => Kind::Accepted,
                    "rejected" => Kind::Rejected,
                    other => panic!("no kind: {other}"),
                },
                payload: Arc::from(text.as_bytes()),
            }
        }
    }
}

fn code(word: &str) -> Code {
    match word {
        "400" => Code::Malformed,
        "403" => Code::Forbidden,
        "409" => Code::Conflict,
        "503" => Code::Unavailable,
        other => panic!("no code: {other}"),
    }
}

/// Shows what was sent, a packet a line.
pub(super) fn shown(mut sent: &[u8], version: Version) -> Vec<String> {
    let mut lines = Vec::new();
    while let Ok(Frame::Whole { len }) = frame(sent, 1 << 20) {
        lines.push(show(&decode_from_server(&sent[..len], version).unwrap()));
        sent = &sent[len..];
    }
    assert!(sent.is_empty(), "half a packet was sent");
    lines
}

fn show(packet: &Packet<'_>) -> String {
    let line = match packet {
        Packet::ConnAck(p) => return connack(p.reason, &p.properties),
        Packet::SubAck(p) => format!(
            "SUBACK #{} {}{}",
            p.id,
            codes(p.codes.iter()),
            why(&p.properties)
        ),
        Packet::UnsubAck(p) => format!("UNSUBACK #{} {}", p.id, codes(p.codes.iter())),
        Packet::PubAck(p) => format!(
            "PUBACK #{} {:02x}{}",
            p.id,
            p.reason.byte(),
            why(&p.properties)
        ),
        Packet::PubRec(p) => format!(
            "PUBREC #{} {:02x}{}",
            p.id,
            p.reason.byte(),
            why(&p.properties)
        ),
        Packet::PubComp(p) => format!("PUBCOMP #{} {:02x}", p.id, p.reason.byte()),
        Packet::PingResp => "PINGRESP".into(),
        Packet::Disconnect(p) => format!("DISCONNECT {:02x}", p.reason.byte()),
        Packet::Publish(p) => {
            assert!(!p.retain && !p.delivery.dup());
            let id = p
                .delivery
                .id()
                .map_or_else(String::new, |id| format!(" #{id}"));
            let payload = String::from_utf8_lossy(p.payload);
            format!(
                "PUBLISH q{}{id} {} {payload}",
                p.delivery.qos() as u8,
                p.topic
            )
        }
        other => panic!("not for a client: {other:?}"),
    };
    line.trim_end().into()
}

fn codes(codes: impl Iterator<Item = ReasonCode>) -> String {
    codes
        .map(|code| format!("{:02x}", code.byte()))
        .collect::<Vec<_>>()
        .join(" ")
}

fn why(properties: &Properties<'_>) -> &'static str {
    let said = properties.reason_string().is_some();
    if said { " why" } else { "" }
}

fn connack(reason: ReasonCode, properties: &Properties<'_>) -> String {
    let mut line = format!("CONNACK {:02x}", reason.byte());
    for property in properties {
        match property {
            Property::ReasonString(_) => line.push_str(" why"),
            other => write!(line, " {other:?}").unwrap(),
        }
    }
    line
}
