//! One seed: a server, its store, a network, devices and operators, and the loop that lets things happen. Start here.
//!
//! First faults are on, and after every event nothing may be wrong. Then they stop, time runs on for as long as the
//! configuration says that anything can take, and everything must have come to its end.

use refit_protocol::device_id::DeviceId;

use crate::chance::{Chance, Chances};
use crate::checks::why_names::Trial;
use crate::checks::{Breach, Checks};
use crate::clock::{Clock, MINUTE, SECOND};
use crate::coverage::Coverage;
use crate::device::agent::{Agent, Health};
use crate::device::simple::{Manner, Simple};
use crate::device::{Device, Kind};
use crate::disk::Disk;
use crate::model::Model;
use crate::net::{ConnId, Net};
use crate::operator::Operators;
use crate::options::{Mix, Options};
use crate::releases::{RELEASES, Releases};
use crate::server::Server;
use crate::trace::Trace;
use crate::transition::Event;

/// Everything there is.
pub struct World {
    pub(crate) options: Options,
    pub(crate) clock: Clock,
    pub(crate) chances: Chances,
    pub(crate) net: Net,
    pub(crate) server: Server,
    pub(crate) disk: Disk,
    pub(crate) releases: Releases,
    pub(crate) devices: Vec<Device>,
    pub(crate) operators: Operators,
    pub(crate) model: Model,
    pub(crate) checks: Checks,
    pub(crate) trials: Vec<Trial>,
    pub(crate) coverage: Coverage,
    pub(crate) trace: Trace,
    /// Whether the faults have stopped.
    pub(crate) calm: bool,
    events: u64,
    over: bool,
}

/// What came of a run.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// How many events there were.
    pub events: u64,
    /// How long it was in the simulated world, in milliseconds.
    pub simulated_ms: u64,
    /// The number of its history.
    pub trace: u64,
    /// Which faults and edges it met.
    pub coverage: Coverage,
    /// What did not hold, if something did not.
    pub breach: Option<Breach>,
}

/// How far a run goes, and what it prints.
#[derive(Clone, Copy, Debug, Default)]
pub struct Limits {
    /// The last event.
    pub until: Option<u64>,
    /// The device whose life is printed.
    pub follows: Option<usize>,
}

/// Runs a seed's options to their end, or to the first breach.
pub fn run(options: Options, limits: Limits) -> Outcome {
    let mut world = World::new(options, limits.follows);
    while world.step(limits.until.unwrap_or(u64::MAX)) {}
    Outcome {
        events: world.events,
        simulated_ms: world.clock.now(),
        trace: world.trace.hash(),
        coverage: world.coverage,
        breach: world.checks.first,
    }
}

impl World {
    fn new(options: Options, follows: Option<usize>) -> Self {
        let mut chance = Chance::of(options.seed, "fleet");
        let devices =
            (0..options.devices).filter_map(|index| device(&mut chance, &options.mix, index));
        let devices: Vec<Device> = devices.collect();
        let mut world = Self {
            clock: Clock::default(),
            chances: Chances::of(options.seed),
            net: Net::default(),
            server: Server::new(),
            disk: Disk::default(),
            releases: Releases::new(RELEASES),
            operators: Operators::default(),
            model: Model::new(devices.len()),
            devices,
            checks: Checks::default(),
            trials: Vec::new(),
            coverage: Coverage::default(),
            trace: Trace::new(follows),
            calm: false,
            events: 0,
            over: false,
            options,
        };
        world.plan();
        world
    }

    /// Plans the beginning, and the first fault of each kind.
    fn plan(&mut self) {
        self.clock.at(0, Event::ServerStarts);
        self.clock.at(self.options.faults_ms, Event::Calm);
        self.clock.at(SECOND, Event::Operates);
        let faults = self.options.faults.clone();
        if let Some(wait) = self.fault_wait(faults.full_every_ms) {
            self.clock.after(wait, Event::Room { full: true });
        }
        if let Some(wait) = self.fault_wait(faults.jump_every_ms) {
            self.clock.after(wait, Event::ClockJumps);
        }
        for device in 0..self.devices.len() {
            let boot = 0;
            let wait = self.chances.power.between(0, MINUTE);
            self.clock.after(wait, Event::DeviceStarts { device, boot });
            if faults.power_every_ms > 0 {
                let wait = self.chances.power.around(faults.power_every_ms);
                self.clock.after(wait, Event::PowerFails { device });
            }
            if faults.kill_every_ms > 0 {
                let wait = self.chances.power.around(faults.kill_every_ms);
                self.clock.after(wait, Event::DeviceKilled { device });
            }
        }
    }

    /// Lets one event happen. False: it is over.
    fn step(&mut self, until: u64) -> bool {
        if self.over || self.checks.first.is_some() || self.events >= until {
            return false;
        }
        let Some(event) = self.clock.next() else {
            return false;
        };
        self.events += 1;
        self.trace.mix(self.clock.now());
        self.turn(event);
        true
    }

    /// The faults stop. The server may or may not start anew; who stays away stays away.
    pub(crate) fn becomes_calm(&mut self) {
        self.calm = true;
        self.disk.full = false;
        if self.chances.outage.permille(500) {
            self.crash();
        }
        for device in 0..self.devices.len() {
            if self.devices[device].absent {
                self.switch_off(device);
            }
        }
        self.clock.after(self.options.bound_ms(), Event::Settled);
    }

    /// Everything must have come to its end.
    pub(crate) fn settled(&mut self) {
        self.check_converged();
        self.check_few_messages();
        self.begin_trials();
    }

    /// All reasons are gone.
    pub(crate) fn proceeded(&mut self) {
        self.check_proceeded();
        self.over = true;
    }

    /// Returns some other connection than this, for what is planted.
    pub(crate) fn another(&self, conn: ConnId) -> ConnId {
        let device = self.net.get(conn).map_or(0, |c| c.device);
        let other = self
            .devices
            .iter()
            .enumerate()
            .find(|(index, d)| *index != device && d.up);
        other.and_then(|(_, d)| d.conn).unwrap_or(conn)
    }
}

/// Returns the number in a device's ID.
pub(crate) fn index_of(device: &DeviceId) -> Option<usize> {
    device.as_str().strip_prefix('d')?.parse().ok()
}

fn device(chance: &mut Chance, mix: &Mix, index: usize) -> Option<Device> {
    let id = DeviceId::parse(&format!("d{index}")).ok()?;
    let absent = chance.permille(40);
    Some(Device::new(id, kind(chance, mix), absent))
}

fn kind(chance: &mut Chance, mix: &Mix) -> Kind {
    let mut drawn = chance.below(1000) as u16;
    let mut is = |share: u16| {
        let is = drawn < share;
        drawn = drawn.saturating_sub(share);
        is
    };
    let simple = |manner| Kind::Simple(Box::new(Simple::new(manner)));
    let agent = |health| Kind::Agent(Box::new(Agent::new(health)));
    if is(mix.thirty) {
        simple(Manner::Honest)
    } else if is(mix.failing) {
        simple(Manner::Failing)
    } else if is(mix.liar) {
        simple(Manner::Liar)
    } else if is(mix.mute) {
        simple(Manner::Mute)
    } else if is(mix.sick) {
        agent(Health::Sick)
    } else if is(mix.looping) {
        agent(Health::Looping)
    } else {
        agent(Health::Good)
    }
}
