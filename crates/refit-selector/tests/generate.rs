//! Random questions and devices, and the obvious way to answer. Nothing here uses the room's own tree or comparisons, so that an
//! error would have to be made twice. `refit-index` takes this file for its own tests.
#![allow(
    dead_code,
    unreachable_pub,
    reason = "two rooms' tests use it, each a part"
)]

use std::collections::BTreeMap;

use proptest::prelude::*;
use refit_protocol::job::Status;
use refit_protocol::time::Timestamp;
use refit_selector::Facts;
use refit_selector::facts::{Certificate, Lists};

/// The moment of every question, in milliseconds: 2026-03-01T12:00:00.500Z.
pub const NOW_MS: u64 = 1_772_366_400_500;

/// The list that exists, and who is in it.
pub const LIST: (&str, [&str; 3]) = ("recall-2026-03", ["gw-1", "gw-12", "lamp-3"]);

/// A device with few possible values, so that questions hit.
#[derive(Clone, Debug, Default)]
pub struct Device {
    pub id: String,
    pub model: Option<String>,
    pub software: Option<String>,
    pub version: Option<String>,
    pub online: bool,
    pub drifting: bool,
    pub seen_ms: Option<u64>,
    pub created_ms: Option<u64>,
    pub status: Option<Status>,
    pub reason: Option<String>,
    pub certificate: Option<Certificate>,
    pub token: Option<String>,
    pub tags: BTreeMap<String, String>,
    pub attributes: BTreeMap<String, String>,
}

impl Facts for Device {
    fn id(&self) -> &str {
        &self.id
    }
    fn model(&self) -> Option<&str> {
        self.model.as_deref()
    }
    fn software(&self) -> Option<&str> {
        self.software.as_deref()
    }
    fn version(&self) -> Option<&str> {
        self.version.as_deref()
    }
    fn is_online(&self) -> bool {
        self.online
    }
    fn is_drifting(&self) -> bool {
        self.drifting
    }
    fn seen(&self) -> Option<Timestamp> {
        self.seen_ms.map(Timestamp)
    }
    fn created(&self) -> Option<Timestamp> {
        self.created_ms.map(Timestamp)
    }
    fn job_status(&self) -> Option<Status> {
        self.status
    }
    fn job_reason(&self) -> Option<&str> {
        self.reason.as_deref()
    }
    fn certificate(&self) -> Option<Certificate> {
        self.certificate
    }
    fn token(&self) -> Option<&str> {
        self.token.as_deref()
    }
    fn tag(&self, name: &str) -> Option<&str> {
        self.tags.get(name).map(String::as_str)
    }
    fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes.get(name).map(String::as_str)
    }
}

/// The one list.
#[derive(Debug)]
pub struct OneList;

impl Lists for OneList {
    fn has(&self, list: &str, id: &str) -> bool {
        list == LIST.0 && LIST.1.contains(&id)
    }
}

const MODELS: [&str; 4] = ["gw-200", "cam-1", "big box", "and"];
/// In their order; the last two have none.
const VERSIONS: [&str; 8] = [
    "0.9.0",
    "1.0.0-rc.1",
    "1.0.0",
    "1.4",
    "1.10.0",
    "v2",
    "next",
    "2024.03.1",
];
const ORDERED: usize = 6;
const LOOSE: [&str; 9] = [
    "",
    "eu",
    "007",
    "7",
    "40",
    "40.0",
    "-5",
    "1.10.0",
    "2026-01-01",
];
const IDS: [&str; 4] = ["gw", "lamp", "gw-berlin", "x"];
/// Seconds around the edges of the questions below, relative to now.
const AGES: [i64; 8] = [-60, 0, 1, 3599, 3600, 3601, 172_800, 172_801];

pub fn device() -> impl Strategy<Value = Device> {
    let text = |all: &'static [&'static str]| {
        prop::option::weighted(0.8, prop::sample::select(all))
            .prop_map(|one| one.map(str::to_owned))
    };
    let moment = || {
        prop::option::weighted(0.8, (prop::sample::select(&AGES[..]), 0..1000_u64)).prop_map(
            |age| age.map(|(age, ms)| (NOW_MS / 1000).saturating_add_signed(-age) * 1000 + ms),
        )
    };
    let labels = || {
        prop::collection::btree_map(
            prop::sample::select(&["ring", "a/b", "frozen"][..]).prop_map(str::to_owned),
            prop::sample::select(&LOOSE[..]).prop_map(str::to_owned),
            0..3,
        )
    };
    let who = (prop::sample::select(&IDS[..]), 0..20_u8)
        .prop_map(|(kind, number)| format!("{kind}-{number}"));
    let what = (
        text(&MODELS),
        text(&["fw", "app"]),
        text(&VERSIONS),
        text(&["verify: bad", "disk full"]),
        text(&["tok1", "tok2"]),
    );
    let state = (
        any::<(bool, bool)>(),
        prop::option::of(prop::sample::select(&Status::ALL[..])),
        prop::option::of(prop::sample::select(&Certificate::ALL[..])),
    );
    (who, what, state, (moment(), moment()), (labels(), labels())).prop_map(
        |(
            id,
            (model, software, version, reason, token),
            ((online, drifting), status, certificate),
            (seen_ms, created_ms),
            (tags, attributes),
        )| Device {
            id,
            model,
            software,
            version,
            online,
            drifting,
            seen_ms,
            created_ms,
            status,
            reason,
            certificate,
            token,
            tags,
            attributes,
        },
    )
}

/// A question in a form of its own: how it is written, and how it is answered.
#[derive(Clone, Debug)]
pub enum Question {
    Leaf(Leaf),
    Not(Box<Self>),
    All(Vec<Self>),
    Any(Vec<Self>),
}

#[derive(Clone, Debug)]
pub enum Leaf {
    All,
    Online,
    Drifting,
    Frozen,
    Listed,
    /// In ten-thousandths of a percent.
    Sampled(u32),
    Has(&'static str),
    /// A field, the values, whether none of them may be.
    OneOf(&'static str, Vec<String>, bool),
    Like(&'static str, String),
    Version(&'static str, usize),
    Number(&'static str, &'static str, i32),
    /// Whether `created`, the sign, seconds ago.
    Moment(bool, &'static str, i64),
    Within(bool, u32),
}

const SIGNS: [&str; 4] = ["<", "<=", ">", ">="];
const LABELS: [&str; 5] = ["tag.ring", "tag.a/b", "tag.frozen", "attr.ring", "attr.a/b"];
const FIXED: [&str; 7] = [
    "id",
    "model",
    "software",
    "version",
    "job.reason",
    "enrolled.token",
    "cert",
];

fn values_of(field: &str) -> &'static [&'static str] {
    match field {
        "model" => &MODELS,
        "software" => &["fw", "app", "none"],
        "version" => &VERSIONS,
        "job.reason" => &["verify: bad", "disk full"],
        "enrolled.token" => &["tok1", "tok2"],
        "id" => &["gw-1", "gw-2", "lamp-3", "gw-berlin-4"],
        "cert" => &[
            "registered",
            "enrolled",
            "expired",
            "revoked",
            "retired",
            "cloned",
        ],
        _ => &LOOSE,
    }
}

fn leaf() -> impl Strategy<Value = Leaf> {
    let any_field = prop::sample::select([&FIXED[..], &LABELS[..]].concat());
    let one_of = any_field.clone().prop_flat_map(|field| {
        let values = prop::collection::vec(
            prop::sample::select(values_of(field)).prop_map(str::to_owned),
            1..4,
        );
        (Just(field), values, any::<bool>())
            .prop_map(|(field, values, none)| Leaf::OneOf(field, values, none))
    });
    let like = prop::sample::select([&FIXED[..6], &LABELS[..]].concat());
    prop_oneof![
        1 => Just(Leaf::All),
        1 => Just(Leaf::Online),
        1 => Just(Leaf::Drifting),
        1 => Just(Leaf::Frozen),
        1 => Just(Leaf::Listed),
        1 => (1..=1_000_000_u32).prop_map(Leaf::Sampled),
        1 => any_field.prop_map(Leaf::Has),
        1 => prop::sample::select(&["seen", "created", "job.status"][..]).prop_map(Leaf::Has),
        3 => one_of,
        2 => (like, "[g0-9be.*-]{1,4}|gw-\\*|\\*-1\\*|verify:\\*").prop_map(|(field, glob)| Leaf::Like(field, glob)),
        2 => (prop::sample::select(&SIGNS[..]), 0..ORDERED).prop_map(|(sign, at)| Leaf::Version(sign, at)),
        1 => (prop::sample::select(&LABELS[..]), prop::sample::select(&SIGNS[..]), -6..45).prop_map(|(field, sign, n)| Leaf::Number(field, sign, n)),
        1 => (any::<bool>(), prop::sample::select(&SIGNS[..]), prop::sample::select(&AGES[..])).prop_map(|(created, sign, ago)| Leaf::Moment(created, sign, ago)),
        1 => (any::<bool>(), prop::sample::select(&[1_u32, 3600, 172_800][..])).prop_map(|(created, span)| Leaf::Within(created, span)),
    ]
}

pub fn question() -> impl Strategy<Value = Question> {
    let leaf = leaf().prop_map(Question::Leaf);
    leaf.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            inner.clone().prop_map(|one| Question::Not(Box::new(one))),
            prop::collection::vec(inner.clone(), 2..5).prop_map(Question::All),
            prop::collection::vec(inner, 2..5).prop_map(Question::Any),
        ]
    })
}

/// How freely a question is written: each draw of `style` takes one of the ways that mean the same.
pub struct Style(pub u64);

impl Style {
    fn pick<'a>(&mut self, ways: &[&'a str]) -> &'a str {
        // A step of a linear congruential generator (Knuth, MMIX).
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        ways[(self.0 >> 33) as usize % ways.len()]
    }
}

impl Question {
    /// Writes it as a text.
    pub fn write(&self, style: &mut Style) -> String {
        match self {
            Self::Leaf(leaf) => leaf.write(style),
            Self::Not(one) => format!("{}{}", style.pick(&["not ", "NOT  ", "!"]), one.part(style)),
            Self::All(parts) => Self::join(parts, &[" and ", ",", " , ", "\nAND "], style),
            Self::Any(parts) => Self::join(parts, &[" or ", "  OR "], style),
        }
    }

    fn join(parts: &[Self], with: &[&str], style: &mut Style) -> String {
        let mut text = String::new();
        for (at, part) in parts.iter().enumerate() {
            text += if at == 0 { "" } else { style.pick(with) };
            text += &part.part(style);
        }
        text
    }

    fn part(&self, style: &mut Style) -> String {
        let text = self.write(style);
        match self {
            Self::All(_) | Self::Any(_) => format!("({text})"),
            Self::Leaf(_) | Self::Not(_) => match style.pick(&["", "", "", "("]) {
                "" => text,
                _ => format!("( {text} )"),
            },
        }
    }

    /// Answers it.
    pub fn holds(&self, device: &Device, salted: &dyn Fn(u32, &str) -> bool) -> bool {
        match self {
            Self::Leaf(leaf) => leaf.holds(device, salted),
            Self::Not(one) => !one.holds(device, salted),
            Self::All(parts) => {
                parts
                    .iter()
                    .filter(|part| !part.holds(device, salted))
                    .count()
                    == 0
            }
            Self::Any(parts) => {
                parts
                    .iter()
                    .filter(|part| part.holds(device, salted))
                    .count()
                    > 0
            }
        }
    }
}

impl Leaf {
    fn write(&self, style: &mut Style) -> String {
        let field = |name: &str, style: &mut Style| match name {
            "cert" => style.pick(&["cert", "certificate.state"]).to_owned(),
            "job.status" => style.pick(&["job.status", "state"]).to_owned(),
            "created" => style.pick(&["created", "first_seen"]).to_owned(),
            "seen" => style.pick(&["seen", "last_seen"]).to_owned(),
            other => other.to_owned(),
        };
        let quote = |value: &str, style: &mut Style| {
            let plain = !value.is_empty() && !value.contains([' ', '*']) && value != "and";
            match style.pick(&["\"", "'", ""]) {
                "" if plain => value.to_owned(),
                "'" => format!("'{value}'"),
                _ => format!("\"{value}\""),
            }
        };
        match self {
            Self::All => style.pick(&["all", "ALL"]).to_owned(),
            Self::Online => style.pick(&["online", "Online"]).to_owned(),
            Self::Drifting => style.pick(&["drifting", "DRIFTING"]).to_owned(),
            Self::Frozen => style.pick(&["tag.frozen", "has tag.frozen"]).to_owned(),
            Self::Listed => format!(
                "{} {}",
                style.pick(&["in list", "id in list", "IN  LIST"]),
                LIST.0
            ),
            Self::Sampled(parts) => format!("sample {}.{:04}%", parts / 10_000, parts % 10_000),
            Self::Has(name) => format!("has {}", field(name, style)),
            Self::OneOf(name, values, none) => {
                let field = field(name, style);
                let values: Vec<String> = values.iter().map(|value| quote(value, style)).collect();
                match (values.as_slice(), none) {
                    ([one], false) => format!("{field}{}{one}", style.pick(&["=", " = ", "=="])),
                    ([one], true) => format!("{field}{}{one}", style.pick(&["!=", " != "])),
                    (many, false) => format!("{field} in ({})", many.join(", ")),
                    (many, true) => format!(
                        "{field} {} ({})",
                        style.pick(&["not in", "notin"]),
                        many.join(" ,")
                    ),
                }
            }
            Self::Like(name, glob) => format!(
                "{} ~ {}",
                field(name, style),
                style.pick(&["\"G\"", "'G'"]).replace('G', glob)
            ),
            Self::Version(sign, at) => format!("version {sign}{}", quote(VERSIONS[*at], style)),
            Self::Number(name, sign, number) => {
                format!("{name} {sign} {}", quote(&number.to_string(), style))
            }
            Self::Moment(created, sign, ago) => {
                let name = if *created { "created" } else { "seen" };
                let (second, hours) = (
                    (NOW_MS / 1000).saturating_add_signed(-ago),
                    style.pick(&["0", "2"]),
                );
                format!(
                    "{} {sign} {}",
                    field(name, style),
                    written(second, hours == "2")
                )
            }
            Self::Within(created, span) => {
                let name = if *created { "created" } else { "seen" };
                let span = match (span, style.pick(&["s", "longer"])) {
                    (3600, "longer") => "1h".to_owned(),
                    (172_800, "longer") => "2d".to_owned(),
                    (seconds, _) => format!("{seconds}s"),
                };
                format!("{} within {span}", field(name, style))
            }
        }
    }

    fn holds(&self, device: &Device, salted: &dyn Fn(u32, &str) -> bool) -> bool {
        let now = (NOW_MS / 1000) as i64;
        let moment = |created: bool| {
            let moment = if created {
                device.created_ms
            } else {
                device.seen_ms
            };
            let moment = moment.map(|ms| (ms / 1000) as i64);
            if !created && device.online {
                Some(now)
            } else {
                moment
            }
        };
        match self {
            Self::All => true,
            Self::Online => device.online,
            Self::Drifting => device.drifting,
            Self::Frozen => device.tags.contains_key("frozen"),
            Self::Listed => LIST.1.contains(&device.id.as_str()),
            Self::Sampled(parts) => salted(*parts, &device.id),
            Self::Has("seen") => moment(false).is_some(),
            Self::Has("created") => moment(true).is_some(),
            Self::Has("job.status") => device.status.is_some(),
            Self::Has(name) => device.text(name).is_some(),
            Self::OneOf(name, values, none) => device.text(name).is_some_and(|fact| {
                let same = |value: &String| match (
                    name.contains("tag.") || name.contains("attr."),
                    value.as_str(),
                ) {
                    (true, "40" | "40.0") => fact == "40" || fact == "40.0",
                    (_, value) => fact == value,
                };
                values.iter().any(same) != *none
            }),
            Self::Like(name, glob) => device
                .text(name)
                .is_some_and(|fact| fits(glob.as_bytes(), fact.as_bytes())),
            Self::Version(sign, than) => {
                let at = VERSIONS
                    .iter()
                    .take(ORDERED)
                    .position(|version| Some(*version) == device.version.as_deref());
                at.is_some_and(|at| stands(sign, at as f64, *than as f64))
            }
            Self::Number(name, sign, than) => device.text(name).is_some_and(|fact| match fact {
                "7" => stands(sign, 7.0, f64::from(*than)),
                "40" | "40.0" => stands(sign, 40.0, f64::from(*than)),
                "-5" => stands(sign, -5.0, f64::from(*than)),
                _ => false,
            }),
            Self::Moment(created, sign, ago) => moment(*created)
                .is_some_and(|moment| stands(sign, moment as f64, (now - ago) as f64)),
            Self::Within(created, span) => {
                moment(*created).is_some_and(|moment| now - moment <= i64::from(*span))
            }
        }
    }
}

impl Device {
    fn text(&self, name: &str) -> Option<&str> {
        match name {
            "id" => Some(&self.id),
            "model" => self.model.as_deref(),
            "software" => self.software.as_deref(),
            "version" => self.version.as_deref(),
            "job.reason" => self.reason.as_deref(),
            "enrolled.token" => self.token.as_deref(),
            "cert" => self.certificate.map(Certificate::as_str),
            label => match label.split_once('.') {
                Some(("tag", name)) => self.tags.get(name).map(String::as_str),
                Some((_, name)) => self.attributes.get(name).map(String::as_str),
                None => None,
            },
        }
    }
}

fn stands(sign: &str, fact: f64, than: f64) -> bool {
    match sign {
        "<" => fact < than,
        "<=" => fact <= than,
        ">" => fact > than,
        _ => fact >= than,
    }
}

/// The obvious matcher, which may take for ever.
fn fits(glob: &[u8], text: &[u8]) -> bool {
    match (glob.split_first(), text.split_first()) {
        (None, None) => true,
        (Some((b'*', rest)), _) => {
            fits(rest, text) || text.split_first().is_some_and(|(_, text)| fits(glob, text))
        }
        (Some((g, glob)), Some((t, text))) => g == t && fits(glob, text),
        _ => false,
    }
}

/// Writes a second near [`NOW_MS`] as a time, in UTC or two hours ahead of it.
fn written(second: u64, ahead: bool) -> String {
    // 2026-02-27T00:00:00Z; the ages reach back to the 27th.
    let since = second - 1_772_150_400 + if ahead { 7200 } else { 0 };
    let (days, rest) = (since / 86_400, since % 86_400);
    let date = ["2026-02-27", "2026-02-28", "2026-03-01", "2026-03-02"][days as usize];
    let zone = if ahead { "+02:00" } else { "Z" };
    format!(
        "{date}T{:02}:{:02}:{:02}{zone}",
        rest / 3600,
        rest / 60 % 60,
        rest % 60
    )
}
