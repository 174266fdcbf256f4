//! The simulated devices: one thread, one real TLS connection each, and no decisions: those are `device.rs`.

mod device;
mod fetch;
mod wire;

use std::collections::BTreeSet;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

use mio::{Events, Poll, Token, Waker};

use super::Failure;
use super::badge::Badge;
use super::ledger::Word;
use super::news::News;
use device::{Device, Input, Output};
use fetch::{Fetch, Fetched, Hands};
use wire::Wire;

/// What a simulated device has to tell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Told {
    /// It is connected and subscribed.
    Up,
    /// Its connection is lost.
    Down,
    /// A command came that it did not know.
    Began {
        /// The job.
        job: String,
        /// The version that it brings.
        version: String,
    },
    /// It has downloaded so many bytes, and they are what was promised.
    Fetched(u64),
    /// It runs this version from now on.
    Runs(String),
    /// What it said of a job was acknowledged.
    Acknowledged {
        /// The job.
        job: String,
        /// What it said.
        word: Word,
    },
    /// What it said was refused.
    Refused {
        /// The job that it spoke of.
        job: String,
        /// Code and reason.
        message: String,
    },
    /// The server did to it what it must not.
    Wrong(String),
}

/// What the device with this number is called.
pub(super) fn name(number: usize) -> String {
    format!("lamp-{:03}", number + 1)
}

/// The last token is the waker's; the others are the devices' numbers.
const WAKER: Token = Token(usize::MAX);

/// Starts a device for each identity, which connect to `server` and stay until the process ends.
pub(super) fn start(
    server: SocketAddr,
    badges: Vec<Badge>,
    root: &str,
    seed: u64,
    news: Sender<News>,
) -> Result<(), Failure> {
    let failed = "start the simulated devices";
    let poll = Poll::new().map_err(Failure::system(failed))?;
    let waker = Waker::new(poll.registry(), WAKER).map_err(Failure::system(failed))?;
    let (done, downloads) = channel();
    let waker = Arc::new(waker);
    let hands = Hands::start(root, move |number, fetch, fetched| {
        // If the fleet is gone, so is the process in a moment.
        drop(done.send((number, fetch, fetched)));
        drop(waker.wake());
    })?;
    let fleet = Fleet::new(server, badges, seed, poll, hands, news);
    thread::spawn(move || fleet.run(&downloads));
    Ok(())
}

struct Fleet {
    server: SocketAddr,
    poll: Poll,
    hands: Hands,
    news: Sender<News>,
    devices: Vec<Member>,
    due: BTreeSet<(Instant, usize)>,
}

struct Member {
    badge: Badge,
    device: Device,
    wire: Option<Wire>,
    due: Instant,
}

impl Fleet {
    fn new(
        server: SocketAddr,
        badges: Vec<Badge>,
        seed: u64,
        poll: Poll,
        hands: Hands,
        news: Sender<News>,
    ) -> Self {
        let now = Instant::now();
        let mut chance = fastrand::Rng::with_seed(seed);
        // So many connections a second can be made without an overflow of anybody's backlog.
        let spread = Duration::from_millis(300 + badges.len() as u64);
        let member = |(number, badge)| {
            let device = Device::new(number, chance.fork(), now, spread);
            Member {
                badge,
                due: device.due(),
                device,
                wire: None,
            }
        };
        let devices: Vec<Member> = badges.into_iter().enumerate().map(member).collect();
        let due = devices
            .iter()
            .enumerate()
            .map(|(number, m)| (m.due, number))
            .collect();
        Self {
            server,
            poll,
            hands,
            news,
            devices,
            due,
        }
    }

    fn run(mut self, downloads: &Receiver<(usize, Fetch, Fetched)>) {
        let mut events = Events::with_capacity(1024);
        loop {
            let wait = self
                .due
                .first()
                .map(|(due, _)| due.saturating_duration_since(Instant::now()));
            match self.poll.poll(&mut events, wait) {
                Err(error) if error.kind() != io::ErrorKind::Interrupted => return,
                Ok(()) | Err(_) => {}
            }
            for event in &events {
                if event.token() != WAKER {
                    self.ready(event.token().0);
                }
            }
            for (number, fetch, fetched) in downloads.try_iter() {
                self.hear(number, Input::Fetched(&fetch.job, fetched));
            }
            while let Some((due, number)) = self.due.first().copied()
                && due <= Instant::now()
            {
                self.due.pop_first();
                self.hear(number, Input::Due);
            }
        }
    }

    /// A socket can be read or written, or is over.
    fn ready(&mut self, number: usize) {
        let Some(mut wire) = self
            .devices
            .get_mut(number)
            .and_then(|member| member.wire.take())
        else {
            return;
        };
        let was_connected = wire.is_connected();
        let mut lost = wire.advance().is_err();
        let is_connected = wire.is_connected();
        let received = wire.take_received();
        if let Some(member) = self.devices.get_mut(number) {
            member.wire = Some(wire);
        }
        if is_connected && !was_connected {
            self.hear(number, Input::Connected);
        }
        lost |= !self.packets(number, received);
        if lost {
            self.lose(number);
        }
    }

    /// Hands over what came, packet by packet; tells whether the connection can go on.
    fn packets(&mut self, number: usize, mut received: Vec<u8>) -> bool {
        let mut at = 0;
        loop {
            let Some(member) = self.devices.get_mut(number) else {
                return true;
            };
            let Some(wire) = member.wire.as_mut() else {
                return true;
            };
            match wire::next(&received[at..]) {
                Ok(None) => {
                    received.drain(..at);
                    wire.put_back(received);
                    return true;
                }
                Ok(Some(len)) => {
                    let version = member.device.version();
                    let packet = refit_packet::decode_from_server(&received[at..at + len], version);
                    let Ok(packet) = packet else {
                        self.tell(number, Told::Wrong("sent a packet that is none".into()));
                        return false;
                    };
                    self.hear(number, Input::Packet(packet));
                    at += len;
                }
                Err(error) => {
                    self.tell(
                        number,
                        Told::Wrong(format!("sent what is no packet: {error}")),
                    );
                    return false;
                }
            }
        }
    }

    fn lose(&mut self, number: usize) {
        let wire = self
            .devices
            .get_mut(number)
            .and_then(|member| member.wire.take());
        if let Some(mut wire) = wire {
            wire.close(&self.poll);
            self.hear(number, Input::Lost);
        }
    }

    fn hear(&mut self, number: usize, input: Input<'_>) {
        let now = Instant::now();
        let mut out = Output::default();
        let Some(member) = self.devices.get_mut(number) else {
            return;
        };
        member.device.hear(input, now, &mut out);
        self.due.remove(&(member.due, number));
        member.due = member.device.due();
        self.due.insert((member.due, number));
        for told in out.told {
            self.tell(number, told);
        }
        if let Some(fetch) = out.fetch {
            self.hands.fetch(number, fetch);
        }
        self.act(number, &out.bytes, out.connect, out.hang_up);
    }

    fn act(&mut self, number: usize, bytes: &[u8], connect: bool, hang_up: bool) {
        let Some(member) = self.devices.get_mut(number) else {
            return;
        };
        if connect {
            match Wire::connect(self.server, &member.badge, &self.poll, Token(number)) {
                Ok(wire) => member.wire = Some(wire),
                Err(_) => return self.hear(number, Input::Lost),
            }
        }
        let sent = member
            .wire
            .as_mut()
            .is_none_or(|wire| wire.send(bytes).is_ok());
        if hang_up || !sent {
            self.lose(number);
        }
    }

    fn tell(&self, number: usize, told: Told) {
        // If the story is over, so is the process in a moment.
        drop(self.news.send(News::Device(number, told)));
    }
}
