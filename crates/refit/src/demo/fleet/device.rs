//! One simulated device, sans I/O: what it hears goes in, bytes to send and what it did come out.
//!
//! It is honest: it says RUNNING when it begins, downloads and checks the bytes before it says SUCCESS, repeats what
//! was not acknowledged, remembers its last job, and asks for a fresh URL when its own is refused. A third of them
//! answer in the plain words of the pattern's example, half speak MQTT 5, and some are slow.

mod saying;

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use refit_packet::{
    Connect, Delivery, Filters, Packet, PacketId, Properties, PubAck, Publish, Qos, ReasonCode,
    Subscribe, Subscription, Version,
};
use refit_protocol::topic::{Kind, ROOT, Topic};
use serde_json::Value;

use super::Told;
use super::fetch::{Fetch, Fetched};
use crate::demo::ledger::Word;
use saying::Saying;

/// What the device promises to send something within, in seconds; it does so in half of that.
const KEEP_ALIVE: u16 = 60;

/// How long a connection may take until it is subscribed.
const GREETING_MAX: Duration = Duration::from_secs(20);

/// The bounds of the wait before another connection.
const AGAIN_MS: std::ops::Range<u64> = 100..900;

/// How long it waits before it tries a download again, or repeats what the server could not store.
const RETRY: Duration = Duration::from_millis(700);

/// It speaks of its progress once in this time at most.
const PROGRESS: Duration = Duration::from_secs(1);

/// What a device hears.
pub(super) enum Input<'a> {
    /// Its connection stands.
    Connected,
    /// Its connection is lost, or could not be made.
    Lost,
    /// A packet came.
    Packet(Packet<'a>),
    /// A time that it named has come.
    Due,
    /// The download of this job is over.
    Fetched(&'a str, Fetched),
}

/// What a device does.
#[derive(Default)]
pub(super) struct Output {
    /// Bytes to send.
    pub(super) bytes: Vec<u8>,
    /// What the story is to know.
    pub(super) told: Vec<Told>,
    /// Something to download.
    pub(super) fetch: Option<Fetch>,
    /// Whether to connect.
    pub(super) connect: bool,
    /// Whether to close the connection.
    pub(super) hang_up: bool,
}

/// A device.
pub(super) struct Device {
    id: String,
    version: Version,
    is_plain: bool,
    install: Duration,
    chance: fastrand::Rng,
    link: Link,
    next_id: PacketId,
    sent: Instant,
    work: Option<Work>,
    last: Option<Saying>,
    outbox: VecDeque<Saying>,
    in_flight: Option<(PacketId, Saying)>,
    /// Nothing is published before this, because the server could not store what was.
    quiet: Option<Instant>,
}

enum Link {
    Down { again: Instant },
    Greeting { until: Instant },
    Up,
}

struct Work {
    job: String,
    url: String,
    sha256: String,
    version: String,
    phase: Phase,
}

enum Phase {
    Fetching,
    FetchingAgain {
        at: Instant,
    },
    Installing {
        from: Instant,
        until: Instant,
        next: Instant,
    },
}

impl Device {
    /// Makes the device with this number; its habits are drawn from `chance`.
    pub(super) fn new(
        number: usize,
        mut chance: fastrand::Rng,
        now: Instant,
        spread: Duration,
    ) -> Self {
        let is_slow = chance.u8(..100) < 6;
        let install = if is_slow { 3500..6000 } else { 800..3200 };
        let first = Duration::from_millis(chance.u64(0..=spread.as_millis() as u64));
        Self {
            id: super::name(number),
            version: if number.is_multiple_of(2) {
                Version::V5
            } else {
                Version::V311
            },
            is_plain: number.is_multiple_of(3),
            install: Duration::from_millis(chance.u64(install)),
            chance,
            link: Link::Down { again: now + first },
            next_id: PacketId::MIN,
            sent: now,
            work: None,
            last: None,
            outbox: VecDeque::new(),
            in_flight: None,
            quiet: None,
        }
    }

    /// The version of MQTT that it speaks.
    pub(super) fn version(&self) -> Version {
        self.version
    }

    /// When it next has something to do by itself.
    pub(super) fn due(&self) -> Instant {
        let link = match self.link {
            Link::Down { again } => again,
            Link::Greeting { until } => until,
            Link::Up => self.sent + Duration::from_secs(u64::from(KEEP_ALIVE) / 2),
        };
        let work = self.work.as_ref().and_then(|work| match work.phase {
            Phase::Fetching => None,
            Phase::FetchingAgain { at } => Some(at),
            Phase::Installing { until, next, .. } => Some(until.min(next)),
        });
        let quiet = self.quiet.filter(|_| matches!(self.link, Link::Up));
        [work, quiet].into_iter().flatten().fold(link, Instant::min)
    }

    /// Hears one thing, and does what follows from it.
    pub(super) fn hear(&mut self, input: Input<'_>, now: Instant, out: &mut Output) {
        match input {
            Input::Connected => self.greet(out),
            Input::Lost => self.lost(now, out),
            Input::Packet(packet) => self.packet(&packet, now, out),
            Input::Due => self.due_now(now, out),
            Input::Fetched(job, fetched) => self.fetched(job, fetched, now, out),
        }
        self.publish_next(now, out);
        if !out.bytes.is_empty() {
            self.sent = now;
        }
    }

    fn greet(&self, out: &mut Output) {
        let connect = Connect {
            version: self.version,
            clean_start: true,
            keep_alive: KEEP_ALIVE,
            client_id: &self.id,
            will: None,
            username: None,
            password: None,
            properties: Properties::NONE,
        };
        self.send(&Packet::Connect(connect), out);
    }

    fn lost(&mut self, now: Instant, out: &mut Output) {
        if matches!(self.link, Link::Up) {
            out.told.push(Told::Down);
        }
        let wait = Duration::from_millis(self.chance.u64(AGAIN_MS));
        self.link = Link::Down { again: now + wait };
        if let Some((_, saying)) = self.in_flight.take() {
            self.outbox.push_front(saying);
        }
    }

    fn packet(&mut self, packet: &Packet<'_>, now: Instant, out: &mut Output) {
        match packet {
            Packet::ConnAck(answer) if answer.reason.is_failure() => {
                out.told.push(Told::Wrong(format!(
                    "refused to connect: {}",
                    answer.reason.meaning()
                )));
                out.hang_up = true;
            }
            Packet::ConnAck(_) => self.subscribe(out),
            Packet::SubAck(answer) if answer.codes.iter().any(ReasonCode::is_failure) => {
                out.told.push(Told::Wrong("refused to subscribe".into()));
                out.hang_up = true;
            }
            Packet::SubAck(_) => {
                self.link = Link::Up;
                out.told.push(Told::Up);
            }
            Packet::Publish(publish) => self.message(publish, now, out),
            Packet::PubAck(answer) => self.acknowledged(answer.id, answer.reason, now, out),
            Packet::Disconnect(_) => out.hang_up = true,
            _ => {}
        }
    }

    fn subscribe(&mut self, out: &mut Output) {
        let topics = [Kind::Delta, Kind::Accepted, Kind::Rejected].map(|kind| self.topic(kind));
        let filters: Vec<Subscription<'_>> = topics
            .iter()
            .map(|topic| Subscription::new(topic, Qos::AtLeastOnce))
            .collect();
        let id = self.packet_id();
        let subscribe = Subscribe {
            id,
            properties: Properties::NONE,
            filters: Filters::of(&filters),
        };
        self.send(&Packet::Subscribe(subscribe), out);
    }

    fn message(&mut self, publish: &Publish<'_>, now: Instant, out: &mut Output) {
        if let Delivery::AtLeastOnce { id, .. } = publish.delivery {
            self.send(&Packet::PubAck(PubAck::success(id)), out);
        }
        let kind = Topic::parse(publish.topic).map(|topic| topic.kind);
        let Ok(message) = serde_json::from_slice::<Value>(publish.payload) else {
            out.told
                .push(Told::Wrong("sent something that is not JSON".into()));
            return;
        };
        match kind {
            Some(Kind::Delta) => self.delta(&message, now, out),
            Some(Kind::Rejected) => self.rejected(&message, out),
            _ => {}
        }
    }

    /// The command: a new job, one that it works on, or one that it has ended and says so again.
    fn delta(&mut self, delta: &Value, now: Instant, out: &mut Output) {
        let text = |pointer: &str| delta.pointer(pointer).and_then(Value::as_str);
        let (Some(job), Some(url)) = (text("/jobID"), text("/state/softwareURL")) else {
            return;
        };
        if let Some(last) = self.last.clone().filter(|last| last.job == job) {
            if self.outbox.is_empty() && self.in_flight.is_none() {
                self.outbox.push_back(last);
            }
            return;
        }
        if let Some(work) = self.work.as_mut().filter(|work| work.job == job) {
            url.clone_into(&mut work.url);
            if let Phase::FetchingAgain { at } = &mut work.phase {
                *at = now;
            }
            return;
        }
        self.begin(
            job,
            url,
            text("/software/sha256"),
            text("/software/version"),
            out,
        );
    }

    fn begin(
        &mut self,
        job: &str,
        url: &str,
        sha256: Option<&str>,
        version: Option<&str>,
        out: &mut Output,
    ) {
        let work = Work {
            job: job.to_owned(),
            url: url.to_owned(),
            sha256: sha256.unwrap_or_default().to_owned(),
            version: version.unwrap_or_default().to_owned(),
            phase: Phase::Fetching,
        };
        out.told.push(Told::Began {
            job: work.job.clone(),
            version: work.version.clone(),
        });
        out.fetch = Some(work.fetch());
        self.say(Saying::running(job, "download", 0, self.is_plain));
        self.work = Some(work);
    }

    fn fetched(&mut self, job: &str, fetched: Fetched, now: Instant, out: &mut Output) {
        let Some(work) = self.work.as_mut().filter(|work| work.job == job) else {
            return;
        };
        match fetched {
            Fetched::Whole(bytes) => {
                out.told.push(Told::Fetched(bytes));
                let until = now + self.install;
                work.phase = Phase::Installing {
                    from: now,
                    until,
                    next: now + PROGRESS,
                };
            }
            Fetched::Refused => {
                // The URL is too old, or was never good: a fresh one comes with the delta.
                work.phase = Phase::FetchingAgain {
                    at: now + 5 * RETRY,
                };
                self.ask(out);
            }
            Fetched::Broken(_) => work.phase = Phase::FetchingAgain { at: now + RETRY },
            Fetched::Altered => {
                out.told.push(Told::Wrong(
                    "was given other bytes than the digest promised".into(),
                ));
                work.phase = Phase::FetchingAgain { at: now + RETRY };
            }
        }
    }

    fn ask(&mut self, out: &mut Output) {
        if matches!(self.link, Link::Up) {
            self.publish(Kind::Get, Delivery::AtMostOnce, b"{}", out);
        }
    }

    fn due_now(&mut self, now: Instant, out: &mut Output) {
        match self.link {
            Link::Down { again } if again <= now => {
                self.link = Link::Greeting {
                    until: now + GREETING_MAX,
                };
                out.connect = true;
            }
            Link::Greeting { until } if until <= now => out.hang_up = true,
            Link::Up if self.sent + Duration::from_secs(u64::from(KEEP_ALIVE) / 2) <= now => {
                self.send(&Packet::PingReq, out);
            }
            Link::Down { .. } | Link::Greeting { .. } | Link::Up => {}
        }
        if self.quiet.is_some_and(|until| until <= now) {
            self.quiet = None;
        }
        self.work_on(now, out);
    }

    fn work_on(&mut self, now: Instant, out: &mut Output) {
        let Some(work) = self.work.as_mut() else {
            return;
        };
        match &mut work.phase {
            Phase::FetchingAgain { at } if *at <= now => {
                work.phase = Phase::Fetching;
                out.fetch = Some(work.fetch());
            }
            Phase::Installing { until, .. } if *until <= now => self.installed(out),
            Phase::Installing { from, until, next } if *next <= now => {
                *next = now + PROGRESS;
                let (done, all) = (now - *from, *until - *from);
                let percent = (100 * done.as_millis() / all.as_millis().max(1)) as u8;
                let saying = Saying::running(&work.job, "install", percent, false);
                self.say(saying);
            }
            Phase::Fetching | Phase::FetchingAgain { .. } | Phase::Installing { .. } => {}
        }
    }

    fn installed(&mut self, out: &mut Output) {
        let Some(work) = self.work.take() else { return };
        out.told.push(Told::Runs(work.version.clone()));
        let saying = Saying::success(&work.job, &work.url, &work.version, self.is_plain);
        self.last = Some(saying.clone());
        self.say(saying);
    }

    /// Puts something in the outbox. What it would have said of its progress before is out of date.
    fn say(&mut self, saying: Saying) {
        self.outbox.retain(|other| other.word != Word::Running);
        self.outbox.push_back(saying);
    }

    fn acknowledged(&mut self, id: PacketId, reason: ReasonCode, now: Instant, out: &mut Output) {
        let Some((_, saying)) = self.in_flight.take_if(|(waiting, _)| *waiting == id) else {
            return;
        };
        if !reason.is_failure() {
            out.told.push(Told::Acknowledged {
                job: saying.job,
                word: saying.word,
            });
        } else if matches!(
            reason,
            ReasonCode::QUOTA_EXCEEDED | ReasonCode::UNSPECIFIED_ERROR
        ) {
            self.outbox.push_front(saying);
            self.quiet = Some(now + RETRY);
        }
        // Any other reason: `rejected` says why.
    }

    fn rejected(&mut self, answer: &Value, out: &mut Output) {
        let code = answer
            .get("code")
            .and_then(Value::as_u64)
            .unwrap_or_default();
        if matches!(code, 429 | 500..) {
            return; // it is repeated
        }
        let text = |name: &str| {
            answer
                .get(name)
                .and_then(Value::as_str)
                .unwrap_or_default()
                .to_owned()
        };
        let job = text("jobID");
        self.work.take_if(|work| work.job == job);
        out.told.push(Told::Refused {
            job,
            message: format!("{code} {}", text("message")),
        });
    }

    fn publish_next(&mut self, now: Instant, out: &mut Output) {
        let is_up = matches!(self.link, Link::Up) && !out.hang_up;
        if !is_up || self.in_flight.is_some() || self.quiet.is_some_and(|until| until > now) {
            return;
        }
        if let Some(saying) = self.outbox.pop_front() {
            let id = self.packet_id();
            let delivery = Delivery::AtLeastOnce { id, dup: false };
            self.publish(Kind::Update, delivery, &saying.payload, out);
            self.in_flight = Some((id, saying));
        }
    }

    fn publish(&self, kind: Kind, delivery: Delivery, payload: &[u8], out: &mut Output) {
        let topic = self.topic(kind);
        let publish = Publish {
            topic: &topic,
            delivery,
            retain: false,
            properties: Properties::NONE,
            payload,
        };
        self.send(&Packet::Publish(publish), out);
    }

    fn send(&self, packet: &Packet<'_>, out: &mut Output) {
        if let Err(error) = packet.encode(self.version, &mut out.bytes) {
            out.told
                .push(Told::Wrong(format!("cannot write a packet: {error}")));
            out.hang_up = true;
        }
    }

    fn topic(&self, kind: Kind) -> String {
        format!("{ROOT}/{}/{}", self.id, kind.path())
    }

    fn packet_id(&mut self) -> PacketId {
        let id = self.next_id;
        self.next_id = id.checked_add(1).unwrap_or(PacketId::MIN);
        id
    }
}

impl Work {
    fn fetch(&self) -> Fetch {
        Fetch {
            job: self.job.clone(),
            url: self.url.clone(),
            sha256: self.sha256.clone(),
        }
    }
}

#[cfg(test)]
mod tests;
