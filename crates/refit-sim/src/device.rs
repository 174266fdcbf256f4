//! Devices: what all kinds have in common. They lose power, they connect with back-off, they come back.

mod acts;
pub(crate) mod agent;
pub(crate) mod hands;
pub(crate) mod simple;

use refit_agent::machine::effect::Effect;
use refit_protocol::device_id::DeviceId;
use refit_protocol::job::JobId;
use refit_protocol::topic::Kind as Topic;

use crate::clock::{MINUTE, Millis, SECOND};
use crate::coverage::Fault;
use crate::net::{ConnId, Down, Up};
use crate::transition::Event;
use crate::world::World;
use agent::Agent;
use simple::{Manner, Simple};

/// The longest pause between two tries to connect.
const BACK_OFF_MAX: Millis = 5 * MINUTE;

/// One device.
pub(crate) struct Device {
    pub(crate) id: DeviceId,
    /// How often its program was started; what was planned in an earlier life is void.
    pub(crate) boot: u32,
    /// Whether its program runs.
    pub(crate) on: bool,
    /// Whether it stays away when the faults stop.
    pub(crate) absent: bool,
    pub(crate) conn: Option<ConnId>,
    /// Whether it is connected and subscribed, as far as it knows.
    pub(crate) up: bool,
    attempts: u32,
    pub(crate) tick_at: Option<Millis>,
    packet: u32,
    pub(crate) kind: Kind,
}

/// What a device is.
pub(crate) enum Kind {
    /// The real agent's machine.
    Agent(Box<Agent>),
    /// A device of thirty lines.
    Simple(Box<Simple>),
}

/// Something that took time and is done.
#[derive(Debug)]
pub(crate) enum Done {
    /// An agent's act; the number tells an abandoned download from the present one.
    Act(Box<Effect>, u32),
    /// A simple device has installed the software of a job.
    Installed { job: JobId, url: String },
    /// A simple device has a whim.
    Whim,
}

impl Device {
    pub(crate) fn new(id: DeviceId, kind: Kind, absent: bool) -> Self {
        Self {
            id,
            boot: 0,
            on: false,
            absent,
            conn: None,
            up: false,
            attempts: 0,
            tick_at: None,
            packet: 0,
            kind,
        }
    }

    /// Tells whether it reports the truth and means to converge.
    pub(crate) fn is_honest(&self) -> bool {
        match &self.kind {
            Kind::Agent(_) => true,
            Kind::Simple(simple) => matches!(simple.manner, Manner::Honest | Manner::Failing),
        }
    }

    /// Returns the software that it really runs.
    pub(crate) fn runs(&self) -> Option<String> {
        match &self.kind {
            Kind::Agent(agent) => agent.runs(),
            Kind::Simple(simple) => simple.runs.clone(),
        }
    }

    /// Returns the last job that ended on it.
    pub(crate) fn last_job(&self) -> Option<&JobId> {
        match &self.kind {
            Kind::Agent(agent) => agent.over.last(),
            Kind::Simple(simple) => simple.last_job(),
        }
    }

    /// Returns what it is doing, if it is not at rest.
    pub(crate) fn is_busy(&self) -> Option<String> {
        match &self.kind {
            Kind::Agent(agent) => agent.is_busy(),
            Kind::Simple(simple) => simple.is_busy(),
        }
    }
}

impl World {
    pub(crate) fn is_boot(&self, device: usize, boot: u32) -> bool {
        self.devices.get(device).is_some_and(|d| d.boot == boot)
    }

    /// Plans something for the present life of a device's program.
    pub(crate) fn device_plans(&mut self, device: usize, wait: Millis, done: Done) {
        let boot = self.devices[device].boot;
        self.clock
            .after(wait, Event::DeviceDid { device, boot, done });
    }

    /// Publishes on a topic of the device's own.
    pub(crate) fn device_publishes(&mut self, device: usize, kind: Topic, payload: Vec<u8>) -> u32 {
        let this = &mut self.devices[device];
        this.packet += 1;
        let packet = this.packet;
        if let Some(conn) = this.conn {
            let payload = payload.into();
            self.device_sends(
                conn,
                Up::Publish {
                    packet,
                    kind,
                    payload,
                },
            );
        }
        packet
    }

    pub(crate) fn device_starts(&mut self, device: usize) {
        if self.devices[device].on {
            return;
        }
        self.devices[device].on = true;
        self.devices[device].attempts = 0;
        self.trace.say(self.clock.now(), device, || "starts".into());
        match &self.devices[device].kind {
            Kind::Agent(_) => self.agent_starts(device),
            Kind::Simple(_) => self.simple_starts(device),
        }
        if self.devices[device].on {
            self.plan_connect(device);
        }
    }

    /// Full jitter, so that a fleet does not come back as one (reliability §7).
    fn plan_connect(&mut self, device: usize) {
        let this = &mut self.devices[device];
        let bound = (SECOND << this.attempts.min(12)).min(BACK_OFF_MAX);
        this.attempts += 1;
        let boot = this.boot;
        let wait = 1 + self.chances.device.below(bound);
        self.clock
            .after(wait, Event::DeviceConnects { device, boot });
    }

    pub(crate) fn device_connects(&mut self, device: usize) {
        if self.devices[device].conn.is_some() || !self.devices[device].on {
            return;
        }
        if self.server.shard.is_none() {
            return self.plan_connect(device);
        }
        let conn = self.open_connection(device);
        self.devices[device].conn = Some(conn);
    }

    pub(crate) fn device_sees_end(&mut self, conn: ConnId) {
        let Some(connection) = self.net.get_mut(conn) else {
            return;
        };
        connection.device_open = false;
        let device = connection.device;
        if self.devices[device].conn != Some(conn) {
            return;
        }
        self.trace.say(self.clock.now(), device, || {
            format!("sees the end of [{conn}]")
        });
        self.link_is_down(device);
        self.plan_connect(device);
    }

    fn link_is_down(&mut self, device: usize) {
        let this = &mut self.devices[device];
        this.conn = None;
        this.up = false;
        match this.kind {
            Kind::Agent(_) => self.agent_link_down(device),
            Kind::Simple(_) => {}
        }
    }

    /// A message arrives at a device.
    pub(crate) fn at_device(&mut self, conn: ConnId, message: &Down) {
        let Some(connection) = self.net.get(conn) else {
            return;
        };
        let device = connection.device;
        if !self.carries_down(conn) || self.devices[device].conn != Some(conn) {
            return;
        }
        self.trace.mix(u64::from(conn) << 8);
        self.trace
            .say(self.clock.now(), device, || format!("← [{conn}] {message}"));
        match message {
            Down::Connack => {
                if let Kind::Simple(_) = self.devices[device].kind {
                    self.simple_connected(device, conn);
                } else {
                    self.device_sends(conn, Up::Subscribe);
                }
            }
            Down::Suback => {
                let this = &mut self.devices[device];
                (this.up, this.attempts) = (true, 0);
                match this.kind {
                    Kind::Agent(_) => self.agent_connected(device),
                    Kind::Simple(_) => self.simple_subscribed(device),
                }
            }
            Down::Puback { packet } => {
                if let Kind::Simple(simple) = &mut self.devices[device].kind {
                    simple.acknowledged(*packet);
                }
            }
            Down::Publish { kind, payload } => {
                let Ok(document) = serde_json::from_slice(payload) else {
                    return self
                        .checks
                        .breach("bytes", format!("d{device} got no JSON"));
                };
                if *kind == Topic::Delta {
                    self.check_arrived(conn, device, &document);
                }
                match self.devices[device].kind {
                    Kind::Agent(_) => self.agent_hears(device, *kind, payload),
                    Kind::Simple(_) => self.simple_hears(device, *kind, &document),
                }
            }
        }
    }

    pub(crate) fn device_ticks(&mut self, device: usize, at: Millis) {
        if self.devices[device].tick_at == Some(at) {
            self.devices[device].tick_at = None;
            self.agent_ticks(device);
        }
    }

    pub(crate) fn device_did(&mut self, device: usize, done: Done) {
        match done {
            Done::Act(effect, number) => self.agent_acts(device, *effect, number),
            Done::Installed { job, url } => self.simple_installed(device, job, url),
            Done::Whim => self.simple_whim(device),
        }
    }

    /// The power fails: what was not synced may be lost.
    pub(crate) fn power_fails(&mut self, device: usize) {
        let every = self.options.faults.power_every_ms;
        if self.calm || every == 0 {
            return;
        }
        let again = self.chances.power.around(every);
        self.clock.after(again, Event::PowerFails { device });
        if !self.devices[device].on {
            return;
        }
        self.coverage.fault(Fault::PowerCut);
        // Some are off for hours.
        let long = self.chances.power.permille(200);
        let away = if long { 60 * MINUTE } else { MINUTE };
        self.power_lost(device, away);
    }

    /// A device is dark, and comes back after a while.
    pub(crate) fn power_lost(&mut self, device: usize, away: Millis) {
        self.trace
            .say(self.clock.now(), device, || "loses its power".into());
        self.device_stops(device, true);
        if let Kind::Agent(_) = self.devices[device].kind {
            self.agent_lost_power(device);
        }
        let wait = self.chances.power.between(SECOND, away);
        self.plan_start(device, wait);
    }

    /// The program of a device is killed, and started again.
    pub(crate) fn device_killed(&mut self, device: usize) {
        let every = self.options.faults.kill_every_ms;
        if self.calm || every == 0 {
            return;
        }
        let again = self.chances.power.around(every);
        self.clock.after(again, Event::DeviceKilled { device });
        if self.devices[device].on {
            self.coverage.fault(Fault::Kill);
            self.dies(device);
        }
    }

    /// The program of a device ends, and is started again soon.
    pub(crate) fn dies(&mut self, device: usize) {
        self.trace
            .say(self.clock.now(), device, || "is killed".into());
        self.device_stops(device, false);
        let wait = self.chances.power.between(SECOND, 10 * SECOND);
        self.plan_start(device, wait);
    }

    fn plan_start(&mut self, device: usize, wait: Millis) {
        let boot = self.devices[device].boot;
        self.clock.after(wait, Event::DeviceStarts { device, boot });
    }

    fn device_stops(&mut self, device: usize, silently: bool) {
        let this = &mut self.devices[device];
        this.boot += 1;
        this.on = false;
        this.up = false;
        this.tick_at = None;
        if let Some(conn) = this.conn.take() {
            self.device_closes(conn, silently);
        }
    }

    /// A device that is off is switched on.
    pub(crate) fn power_returns(&mut self, device: usize) {
        if !self.devices[device].on {
            self.device_starts(device);
        }
    }

    /// A device that stays away is switched off for good.
    pub(crate) fn switch_off(&mut self, device: usize) {
        if self.devices[device].on {
            self.device_stops(device, false);
        }
        self.devices[device].boot += 1;
    }
}
