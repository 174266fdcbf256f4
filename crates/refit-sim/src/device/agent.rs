//! The real agent: its machine, its journal and its hands, on a disk that forgets. This file feeds the machine; what
//! it does to the disk is in `acts.rs`.

use std::path::Path;
use std::sync::Arc;

use refit_agent::files::fragile::Fragile;
use refit_agent::hands::Hands;
use refit_agent::journal::{Entry, Journal};
use refit_agent::machine::effect::{Effect, Facts};
use refit_agent::machine::input::Input;
use refit_agent::machine::state::{Going, Phase, Policy, State};
use refit_agent::machine::{Waking, next_due, step, wake};
use refit_agent::wire;
use refit_protocol::digest::Digest;
use refit_protocol::job::JobId;
use refit_protocol::time::{Monotonic, Now, Timestamp};
use refit_protocol::topic::Kind as Topic;

use crate::clock::{MINUTE, Millis, SECOND};
use crate::device::hands::{self, Store};
use crate::device::{Done, Kind};
use crate::releases::Releases;
use crate::transition::Event;
use crate::world::World;

/// What becomes of new releases on this agent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Health {
    /// They are well.
    Good,
    /// They are not healthy.
    Sick,
    /// They kill the agent.
    Looping,
}

/// One agent.
pub(crate) struct Agent {
    pub(crate) disk: Fragile,
    pub(crate) health: Health,
    pub(super) live: Option<Live>,
    /// Where it downloads from.
    pub(super) store: Arc<Store>,
    /// Which download is the present one.
    pub(super) fetching: u32,
    /// The entry that is written too late (planted).
    pub(super) late: Option<Box<Entry>>,
    /// What runs, by the last act that came to its end.
    pub(super) settled: Option<Digest>,
    /// What an act under way will have made to run.
    pub(super) acting: Option<Option<Digest>>,
    /// The jobs that ended here; none is carried out again after that.
    pub(crate) over: Vec<JobId>,
}

/// What is lost with the process.
pub(super) struct Live {
    state: State,
    pub(super) journal: Journal,
    pub(super) hands: Hands,
    started: Millis,
}

impl Agent {
    pub(crate) fn new(health: Health) -> Self {
        Self {
            disk: Fragile::default(),
            health,
            live: None,
            store: Store::new(),
            fetching: 0,
            late: None,
            settled: None,
            acting: None,
            over: Vec::new(),
        }
    }

    pub(crate) fn runs(&self) -> Option<String> {
        Some(Releases::url(&hands::boots(&self.disk)?))
    }

    pub(crate) fn is_busy(&self) -> Option<String> {
        let live = self.live.as_ref()?;
        match &live.state.phase {
            Phase::Idle => None,
            // It asks no more, and waits for what the server says next: the job's own timer is what ends this.
            Phase::Fetching(_, _, download) if download.going == Going::Hoping => None,
            busy => Some(format!("{busy:?}")),
        }
    }
}

impl World {
    pub(super) fn agent(&mut self, device: usize) -> Option<&mut Agent> {
        match &mut self.devices[device].kind {
            Kind::Agent(agent) => Some(agent),
            Kind::Simple(_) => None,
        }
    }

    pub(crate) fn agent_starts(&mut self, device: usize) {
        let now = self.clock.now();
        let seed = self.chances.device.any();
        let boot = self.devices[device].boot;
        let Some(agent) = self.agent(device) else {
            return;
        };
        let root = Path::new(hands::ROOT);
        let opened = Journal::open(&agent.disk, root)
            .map_err(|error| error.to_string())
            .and_then(|(journal, entry)| {
                let sick = agent.health == Health::Sick;
                let hands = hands::open(&agent.disk, &agent.store, sick);
                Ok((journal, entry, hands.map_err(|error| error.to_string())?))
            });
        let (journal, entry, hands) = match opened {
            Ok(opened) => opened,
            Err(error) => {
                let found = format!("d{device} cannot start: {error}");
                return self.checks.breach("boots_verified", found);
            }
        };
        let running = hands::running(&hands);
        let waking = Waking {
            entry,
            running,
            policy: Policy {
                allow_unverified: false,
                length_max: 1 << 30,
            },
            facts: Facts {
                agent: "1.0.0".into(),
                boot: format!("boot-{boot}"),
                trust: None,
            },
            seed,
        };
        let (state, effects) = wake(waking, at(now, now));
        agent.late = None;
        agent.live = Some(Live {
            state,
            journal,
            hands,
            started: now,
        });
        self.agent_does(device, effects);
    }

    /// Gives the machine an input, and does what it wants.
    pub(super) fn agent_takes(&mut self, device: usize, input: Input) {
        let now = self.clock.now();
        let Some(agent) = self.agent(device) else {
            return;
        };
        let Some(mut live) = agent.live.take() else {
            return;
        };
        let (state, effects) = step(live.state, input, at(now, live.started));
        live.state = state;
        agent.live = Some(live);
        self.agent_does(device, effects);
    }

    fn agent_does(&mut self, device: usize, effects: Vec<Effect>) {
        for effect in effects {
            self.trace
                .say(self.clock.now(), device, || format!("  does {effect:?}"));
            if !self.agent_begins(device, effect) {
                return;
            }
        }
        self.arm_agent(device);
    }

    /// Begins an effect. False: the agent is no more.
    fn agent_begins(&mut self, device: usize, effect: Effect) -> bool {
        match effect {
            Effect::Journal(entry) => return self.agent_notes(device, entry),
            Effect::Publish(update) => {
                let payload = wire::write(&update);
                self.device_publishes(device, Topic::Update, payload);
            }
            Effect::Ask => {
                self.device_publishes(device, Topic::Get, Vec::new());
            }
            Effect::ApplyState(_) => {}
            Effect::StopFetch => {
                if let Some(agent) = self.agent(device) {
                    agent.fetching += 1;
                }
            }
            act @ (Effect::Fetch { .. }
            | Effect::Write(..)
            | Effect::Switch(..)
            | Effect::Check(..)
            | Effect::Confirm { .. }
            | Effect::GoBack { .. }) => self.agent_plans(device, act),
        }
        true
    }

    fn agent_plans(&mut self, device: usize, act: Effect) {
        let wait = match &act {
            Effect::Fetch { .. } => self.chances.device.between(SECOND / 5, MINUTE),
            Effect::Check(..) => self.chances.device.between(SECOND, 30 * SECOND),
            _ => self.chances.device.between(10, 5 * SECOND),
        };
        let Some(agent) = self.agent(device) else {
            return;
        };
        if let Effect::Fetch { .. } = act {
            agent.fetching += 1;
        }
        let number = agent.fetching;
        self.device_plans(device, wait, Done::Act(Box::new(act), number));
    }

    pub(crate) fn agent_connected(&mut self, device: usize) {
        self.agent_takes(device, Input::Connected);
    }

    pub(crate) fn agent_link_down(&mut self, device: usize) {
        self.agent_takes(device, Input::Disconnected);
    }

    pub(crate) fn agent_hears(&mut self, device: usize, kind: Topic, payload: &[u8]) {
        match wire::read(kind, payload) {
            Ok(Some(input)) => self.agent_takes(device, input),
            Ok(None) => {}
            Err(why) => {
                let found = format!("d{device} does not understand what it is told: {why}");
                self.checks.breach("bytes", found);
            }
        }
    }

    pub(crate) fn agent_ticks(&mut self, device: usize) {
        self.agent_takes(device, Input::Tick);
    }

    fn arm_agent(&mut self, device: usize) {
        let now = self.clock.now();
        let armed = self.devices[device].tick_at;
        let Some(agent) = self.agent(device) else {
            return;
        };
        let Some(live) = &agent.live else { return };
        let due = next_due(&live.state).map(|due| (live.started + due.0.max(1) - 1).max(now));
        if due.is_some() && due != armed {
            self.devices[device].tick_at = due;
            let boot = self.devices[device].boot;
            let at = due.unwrap_or(now);
            self.clock.at(at, Event::DeviceTicks { device, boot, at });
        }
    }
}

fn at(now: Millis, started: Millis) -> Now {
    Now {
        wall: Timestamp(now),
        mono: Monotonic(1 + now - started),
    }
}
