//! The driver of the real shard: it reads, commits and sends as the shard wants, on the simulated store and network.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use refit_engine::output::Output;
use refit_engine::shard::{From, Happening, Settings, Shard, What, World as Around};
use refit_protocol::device_id::DeviceId;
use refit_protocol::time::{Monotonic, Now, Timestamp};
use refit_protocol::topic::Kind;
use refit_replica::input::Input;
use refit_replica::marks::Unmarked;
use refit_replica::speaker::Speaker;
use refit_store::reader::Wanted;

use crate::clock::{Millis, SECOND};
use crate::coverage::Fault;
use crate::net::{ConnId, Down, OPERATORS, Up};
use crate::planted::Planted;
use crate::store::Early;
use crate::transition::Event;
use crate::world::World;

/// The wall clock at the beginning: some day in 2026.
const BEGINNING: u64 = 1_790_000_000_000;

/// A server, alive or not.
pub(crate) struct Server {
    /// How often it was started.
    pub(crate) life: u32,
    pub(crate) shard: Option<Shard<ConnId>>,
    started: Millis,
    /// How far its wall clock is off.
    wall_shift: u64,
    tick_at: Option<Millis>,
    flush_planned: bool,
    /// What was submitted and not answered yet.
    pub(crate) receipts: BTreeMap<u32, Submission>,
    next_receipt: u32,
    /// When the store is free again.
    pub(crate) store_free: Millis,
    /// Devices with an operation on its way to the store.
    pub(crate) committing: BTreeSet<DeviceId>,
    /// What was answered before it was written (planted).
    pub(crate) early: Vec<Early>,
    /// After so many outputs it dies.
    pub(crate) dies_after: Option<u64>,
    /// Batches that are written and not answered.
    pub(crate) answering: u32,
}

/// Something that was submitted.
pub(crate) struct Submission {
    pub(crate) device: usize,
    /// On this connection.
    pub(crate) conn: ConnId,
    /// The number of the message there, or of the operator's act.
    pub(crate) packet: u32,
}

impl Server {
    pub(crate) fn new() -> Self {
        Self {
            life: 0,
            shard: None,
            started: 0,
            wall_shift: 0,
            tick_at: None,
            flush_planned: false,
            receipts: BTreeMap::new(),
            next_receipt: 0,
            store_free: 0,
            committing: BTreeSet::new(),
            early: Vec::new(),
            dies_after: None,
            answering: 0,
        }
    }

    pub(crate) fn time(&self, now: Millis) -> Now {
        Now {
            wall: Timestamp((BEGINNING + now).wrapping_add(self.wall_shift)),
            mono: Monotonic(1 + now - self.started),
        }
    }
}

impl World {
    /// Starts the server on what is durable.
    pub(crate) fn start_server(&mut self) {
        if self.server.shard.is_some() {
            return;
        }
        let now = self.clock.now();
        self.server.life += 1;
        self.server.started = now;
        self.server.store_free = now;
        let settings = Settings {
            policy: self.options.policy.clone(),
            epoch: 1,
            devices_max: 1_000_000,
            unknown_devices_join: true,
        };
        self.server.shard = Some(Shard::new(settings, self.disk.known()));
        self.model.server_starts(now);
        let life = self.server.life;
        if let Some(wait) = self.fault_wait(self.options.faults.crash_every_ms) {
            self.clock.after(wait, Event::ServerCrashes { life });
        }
        for device in self.disk.running() {
            self.happens(Happening::Resume { device });
        }
    }

    /// The server dies where it stands.
    pub(crate) fn crash(&mut self) {
        self.coverage.fault(Fault::Crash);
        self.server_dies();
        let outage = if self.calm {
            SECOND
        } else {
            self.chances
                .outage
                .between(100, self.options.faults.outage_ms)
        };
        self.clock.after(outage, Event::ServerStarts);
    }

    pub(crate) fn server_dies(&mut self) {
        if self.server.shard.take().is_none() {
            return;
        }
        let now = self.clock.now();
        self.model.server_stops(now);
        self.crash_store();
        self.server.receipts.clear();
        self.server.committing.clear();
        self.server.dies_after = None;
        self.server.tick_at = None;
        self.server.flush_planned = false;
        self.cut_all(self.server.life);
        self.check_acknowledged_after_crash();
    }

    /// A message arrives at the server.
    pub(crate) fn at_server(&mut self, conn: ConnId, message: Up) {
        let Some(connection) = self.net.get(conn) else {
            return;
        };
        let (device, life, open) = (connection.device, connection.life, connection.server_open);
        let here = life == self.server.life && self.server.shard.is_some();
        if !here || !self.carries_up(conn) || !(open || matches!(message, Up::Connect)) {
            return;
        }
        self.trace.mix(u64::from(conn));
        self.trace
            .say(self.clock.now(), device, || format!("→ [{conn}] {message}"));
        let id = self.devices[device].id.clone();
        match message {
            Up::Connect => {
                if let Some(connection) = self.net.get_mut(conn) {
                    connection.server_open = true;
                }
                self.model.attached(device, conn, self.clock.now());
                self.happens(Happening::Attach {
                    device: id,
                    peer: conn,
                });
                self.server_sends(conn, Down::Connack);
            }
            Up::Subscribe => {
                self.server_sends(conn, Down::Suback);
                self.model.subscribed(device, conn, self.clock.now());
                self.checks.asked(device);
                if self.options.planted == Some(Planted::DeltaAtOnceOnSubscribe) {
                    self.tell_at_once(device, conn);
                }
                self.happens(Happening::Subscribe {
                    device: id,
                    peer: conn,
                });
            }
            Up::Unsubscribe => {
                self.model.unsubscribed(device, conn, self.clock.now());
                self.happens(Happening::Unsubscribe {
                    device: id,
                    peer: conn,
                });
            }
            Up::Publish {
                packet,
                kind,
                payload,
            } => {
                if self.model.is_older(device, conn) {
                    self.coverage.fault(Fault::LateMessage);
                }
                self.trace.mix_bytes(&payload);
                let what = match kind {
                    Kind::Get => What::Input(Box::new(Input::Ask {
                        speaker: Speaker::Device,
                    })),
                    _ => What::Payload {
                        speaker: Speaker::Device,
                        payload: payload.to_vec().into_boxed_slice(),
                        hash: 0,
                    },
                };
                self.model.device_says(device, kind, &payload);
                self.submit(
                    Submission {
                        device,
                        conn,
                        packet,
                    },
                    what,
                );
            }
        }
    }

    pub(crate) fn submit(&mut self, submission: Submission, what: What) {
        let device = submission.device;
        self.server.next_receipt += 1;
        let receipt = self.server.next_receipt;
        let peer = submission.conn;
        self.checks.asked(device);
        self.server.receipts.insert(receipt, submission);
        let id = self.devices[device].id.clone();
        let from = From::Peer {
            peer,
            receipt,
            author: None,
        };
        self.happens(Happening::Submit {
            device: id,
            what,
            from,
        });
    }

    /// Makes a submission of an operator's.
    pub(crate) fn operator_submits(&mut self, device: usize, packet: u32, what: What) {
        let conn = OPERATORS;
        self.submit(
            Submission {
                device,
                conn,
                packet,
            },
            what,
        );
    }

    pub(crate) fn server_sees_end(&mut self, conn: ConnId) {
        let Some(connection) = self.net.get_mut(conn) else {
            return;
        };
        let (device, was_open) = (connection.device, connection.server_open);
        connection.server_open = false;
        connection.up_is_lost();
        if was_open
            && self
                .net
                .get(conn)
                .is_some_and(|c| c.life == self.server.life)
        {
            self.model.detached(device, conn, self.clock.now());
            let id = self.devices[device].id.clone();
            self.happens(Happening::Detach {
                device: id,
                peer: conn,
            });
        }
    }

    pub(crate) fn loaded(&mut self, device: DeviceId) {
        let stored = self.load(&device);
        self.happens(Happening::Loaded { device, stored });
    }

    pub(crate) fn server_tick(&mut self, at: Millis) {
        if self.server.tick_at == Some(at) {
            self.server.tick_at = None;
        }
        self.drive(|shard, around, out| shard.tick(around, out));
    }

    pub(crate) fn clock_jumps(&mut self) {
        if self.calm {
            return;
        }
        self.coverage.fault(Fault::ClockJump);
        let years = self.chances.outage.between(0, 20);
        const YEAR_MS: u64 = 365 * 24 * 3_600_000;
        self.server.wall_shift = years.wrapping_sub(10).wrapping_mul(YEAR_MS);
        if let Some(wait) = self.fault_wait(self.options.faults.jump_every_ms) {
            self.clock.after(wait, Event::ClockJumps);
        }
    }

    /// Hands a happening to the shard, if it is alive.
    pub(crate) fn happens(&mut self, happening: Happening<ConnId>) {
        self.drive(|shard, around, out| shard.handle(happening, around, out));
    }

    /// Calls the shard, and does what it wants, in order.
    fn drive(
        &mut self,
        call: impl FnOnce(&mut Shard<ConnId>, &mut Around<'_>, &mut Vec<Output<ConnId>>),
    ) {
        let Some(mut shard) = self.server.shard.take() else {
            return;
        };
        let mut todo = VecDeque::new();
        self.call(&mut shard, &mut todo, call);
        let mut stopped = false;
        while let Some(output) = todo.pop_front() {
            if let Some(left) = &mut self.server.dies_after {
                if *left == 0 {
                    stopped = true;
                    break;
                }
                *left -= 1;
            }
            match output {
                Output::Load(Wanted { device, .. }) if self.options.slow_reads => {
                    self.read_later(device);
                }
                Output::Load(Wanted { device, .. }) => {
                    let stored = self.load(&device);
                    let happening = Happening::Loaded { device, stored };
                    self.call(&mut shard, &mut todo, |shard, around, out| {
                        shard.handle(happening, around, out);
                    });
                }
                Output::Stop { .. } => stopped = true,
                other => self.perform(other),
            }
        }
        let due = shard.next_due();
        self.server.shard = Some(shard);
        if stopped {
            return self.crash();
        }
        self.arm(due);
        if !self.server.flush_planned {
            self.server.flush_planned = true;
            let life = self.server.life;
            self.clock
                .after(self.options.gather_ms, Event::Flush { life });
        }
    }

    fn call(
        &mut self,
        shard: &mut Shard<ConnId>,
        todo: &mut VecDeque<Output<ConnId>>,
        call: impl FnOnce(&mut Shard<ConnId>, &mut Around<'_>, &mut Vec<Output<ConnId>>),
    ) {
        let chance = &mut self.chances.server;
        let mut random = || chance.any_wide();
        let mut around = Around {
            now: self.server.time(self.clock.now()),
            catalog: &self.releases,
            marks: &Unmarked,
            random: &mut random,
        };
        let mut out = Vec::new();
        call(shard, &mut around, &mut out);
        todo.extend(out);
    }

    /// Sends off what was gathered.
    pub(crate) fn flush(&mut self) {
        self.server.flush_planned = false;
        let Some(shard) = &mut self.server.shard else {
            return;
        };
        let mut out = Vec::new();
        shard.flush(&mut out);
        for output in out {
            self.perform(output);
        }
    }

    fn arm(&mut self, due: Option<Monotonic>) {
        let Some(due) = due else { return };
        let at = (self.server.started + due.0 - 1).max(self.clock.now());
        if self.server.tick_at.is_none_or(|armed| at < armed) {
            self.server.tick_at = Some(at);
            let life = self.server.life;
            self.clock.at(at, Event::ServerTick { life, at });
        }
    }

    fn read_later(&mut self, device: DeviceId) {
        let wait = self.chances.store.between(0, 8);
        let life = self.server.life;
        self.clock.after(wait, Event::Loaded { life, device });
    }

    fn perform(&mut self, output: Output<ConnId>) {
        match output {
            Output::Commit { ticket, operations } => self.commit(ticket, operations),
            Output::TakeOver { peer } => {
                self.coverage.fault(Fault::TakeOver);
                // Its session may be busy, and hand in more before it hears that it is over.
                let busy = !self.calm && self.chances.net.permille(300);
                let wait = self
                    .chances
                    .net
                    .between(0, if busy { 5 * SECOND } else { 30 });
                self.clock.after(wait, Event::ServerSeesEnd { conn: peer });
                self.server_says_goodbye(peer);
            }
            Output::Answer {
                device,
                to,
                peer,
                reply,
            } => self.answer(&device, to, peer, &reply),
            Output::Delta {
                device,
                peer,
                telling,
            } => self.tell(&device, peer, &telling),
            Output::Jobs { .. } | Output::Event { .. } | Output::Quiet { .. } => {}
            Output::Trouble { device, why } => {
                self.checks.breach("reads", format!("{device}: {why}"));
            }
            Output::Load(_) | Output::Stop { .. } => {}
        }
    }

    /// A connection that was taken over is told so.
    fn server_says_goodbye(&mut self, conn: ConnId) {
        if let Some(connection) = self.net.get(conn)
            && connection.device_open
        {
            let wait = self.chances.net.between(30, 200);
            self.clock.after(wait, Event::DeviceSeesEnd { conn });
        }
    }
}
