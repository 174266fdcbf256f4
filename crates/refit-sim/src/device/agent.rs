//! The real agent's machine and journal, on a disk that forgets, with hands that are slow and may fail.

use std::path::Path;

use refit_agent::files::fragile::{Fate, Fragile};
use refit_agent::journal::{Entry, Journal, Stage};
use refit_agent::machine::effect::{Effect, Facts};
use refit_agent::machine::input::{Answer, FetchFailure, Input, Refusal, Work};
use refit_agent::machine::state::{Going, Phase, Policy, State};
use refit_agent::machine::{Waking, next_due, step, wake};
use refit_protocol::digest::Digest;
use refit_protocol::job::JobId;
use refit_protocol::time::{Monotonic, Now, Timestamp};
use refit_protocol::topic::Kind as Topic;
use serde_json::Value;

use crate::checks::boots_verified::boots;
use crate::clock::{MINUTE, Millis, SECOND};
use crate::coverage::Fault;
use crate::device::{Done, Kind, hands, wire};
use crate::planted::Planted;
use crate::server::Releases;
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
    live: Option<Live>,
    /// Which download is the present one.
    fetching: u32,
    /// The entry that is written too late (planted).
    late: Option<Box<Entry>>,
    /// What runs, by the last act that came to its end.
    settled: Option<Digest>,
    /// What an act under way will have made to run.
    acting: Option<Option<Digest>>,
    /// The jobs that ended here; none is carried out again after that.
    over: Vec<JobId>,
}

/// What is lost with the process.
struct Live {
    state: State,
    journal: Journal,
    started: Millis,
}

impl Agent {
    pub(crate) fn new(health: Health) -> Self {
        Self {
            disk: Fragile::default(),
            health,
            live: None,
            fetching: 0,
            late: None,
            settled: None,
            acting: None,
            over: Vec::new(),
        }
    }

    pub(crate) fn runs(&self) -> Option<String> {
        let digest = hands::running(&self.disk).ok()??;
        Some(Releases::url(&digest))
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

    /// Returns what may run, whatever is cut now.
    fn may_run(&self) -> [Option<Digest>; 2] {
        [self.settled, self.acting.unwrap_or(self.settled)]
    }

    /// Returns what the next start would find in the journal if the power failed now.
    fn durable_stage(&self) -> Stage {
        let disk = self.disk.after_cut(Fate::Lost);
        Journal::open(&disk, Path::new("/")).map_or(Stage::Idle, |(_, entry)| entry.stage)
    }
}

impl World {
    fn agent(&mut self, device: usize) -> Option<&mut Agent> {
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
        let opened = hands::prepare(&agent.disk)
            .and_then(|()| Journal::open(&agent.disk, Path::new("/")))
            .and_then(|(journal, entry)| Ok((journal, entry, hands::running(&agent.disk)?)));
        let (journal, entry, running) = match opened {
            Ok(opened) => opened,
            Err(error) => {
                let found = format!("d{device} cannot start: {error}");
                return self.checks.breach("boots_verified", found);
            }
        };
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
            },
            seed,
        };
        let (state, effects) = wake(waking, at(now, now));
        agent.late = None;
        agent.live = Some(Live {
            state,
            journal,
            started: now,
        });
        self.agent_does(device, effects);
    }

    /// Gives the machine an input, and does what it wants.
    fn agent_takes(&mut self, device: usize, input: Input) {
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

    fn agent_notes(&mut self, device: usize, entry: Box<Entry>) -> bool {
        let late = self.options.planted == Some(Planted::JournalsAfterTheAct);
        let Some(agent) = self.agent(device) else {
            return false;
        };
        if late {
            agent.late = Some(entry);
            return true;
        }
        if let (Stage::Reporting, Some(last)) = (&entry.stage, &entry.memory.last)
            && !agent.over.contains(&last.job)
        {
            agent.over.push(last.job.clone());
        }
        let Agent { disk, live, .. } = agent;
        let Some(live) = live else { return false };
        if live.journal.write(disk, &entry).is_ok() {
            return true;
        }
        // Nothing that follows may be done: the disk is gone, and the power with it.
        self.power_lost(device, MINUTE);
        false
    }

    /// The time for an act has come: it is done to the disk, perhaps only in part.
    pub(crate) fn agent_acts(&mut self, device: usize, act: Effect, number: u32) {
        let cuts = !self.calm && self.chances.power.permille(self.options.faults.cut_in_act);
        let cut_at = self.chances.power.below(6) as usize;
        let half = self.options.planted == Some(Planted::SwitchesToHalfARelease);
        let Some(agent) = self.agent(device) else {
            return;
        };
        if matches!(act, Effect::Fetch { .. }) && agent.fetching != number {
            return;
        }
        if let Err(found) = journalled(agent, &act) {
            return self
                .checks
                .breach("journal_before_act", format!("d{device} {found}"));
        }
        if cuts {
            agent.disk.cut_at(agent.disk.changes() + cut_at);
        }
        agent.acting = target(&act);
        let may = agent.may_run();
        let disk = agent.disk.clone();
        let result = match &act {
            Effect::Write(_, release) => hands::write(&disk, release.digest(), half),
            Effect::Switch(_, release) => hands::switch(&disk, release.digest()),
            Effect::Confirm { to, former, .. } => hands::confirm(&disk, to, former.as_ref()),
            Effect::GoBack { to, .. } => hands::go_back(&disk, to.as_ref()),
            _ => Ok(()),
        };
        let cut = agent.disk.is_cut();
        if !cut {
            agent.disk.cut_at(usize::MAX);
        }
        self.agent_is_sound(device, &may);
        if cut {
            self.coverage.fault(Fault::CutInAct);
            return self.power_lost(device, MINUTE);
        }
        if let Some(agent) = self.agent(device) {
            agent.settled = hands::running(&agent.disk).unwrap_or(agent.settled);
            agent.acting = None;
        }
        self.agent_did(device, act, result.map_err(|error| error.to_string()));
    }

    fn agent_is_sound(&mut self, device: usize, may: &[Option<Digest>]) {
        if let Kind::Agent(agent) = &self.devices[device].kind
            && let Err(found) = boots(agent, may)
        {
            self.checks
                .breach("boots_verified", format!("d{device}: {found}"));
        }
    }

    fn agent_did(&mut self, device: usize, act: Effect, result: Result<(), String>) {
        let health = self
            .agent(device)
            .map_or(Health::Good, |agent| agent.health);
        let (job, work) = match act {
            Effect::Fetch { job, wanted, .. } => {
                let fetched = match self.fetch_fails(device) {
                    Some(failure) => Err(failure),
                    None => wanted
                        .release()
                        .cloned()
                        .ok_or_else(|| FetchFailure::Wrong("foreign".into())),
                };
                (job, Work::Fetched(fetched))
            }
            Effect::Write(job, _) => (job, Work::Written(result)),
            Effect::Switch(job, _) => (job, Work::Switched(result)),
            Effect::Check(job, release) => {
                let new = *release.digest() != Releases::digest(0);
                match health {
                    Health::Looping if new => return self.dies(device),
                    Health::Sick if new => (job, Work::Checked(Err("it is not healthy".into()))),
                    Health::Good | Health::Sick | Health::Looping => (job, Work::Checked(Ok(()))),
                }
            }
            Effect::Confirm { job, .. } => (job, Work::Confirmed(result)),
            Effect::GoBack { job, .. } => (job, Work::WentBack(result)),
            Effect::Journal(_)
            | Effect::StopFetch
            | Effect::Publish(_)
            | Effect::Ask
            | Effect::ApplyState(_) => {
                return;
            }
        };
        self.agent_takes(device, Input::Work(job, work));
        self.write_late(device);
    }

    /// Writes the entry of which the act is done already (planted).
    fn write_late(&mut self, device: usize) {
        if let Some(agent) = self.agent(device)
            && let Some(entry) = agent.late.take()
            && let Some(live) = &mut agent.live
        {
            drop(live.journal.write(&agent.disk, &entry));
        }
    }

    fn fetch_fails(&mut self, device: usize) -> Option<FetchFailure> {
        if self.calm || !self.chances.device.permille(self.options.faults.bad_fetch) {
            return None;
        }
        let (fault, failure) = match self.chances.device.below(8) {
            0..3 => (Fault::Refused, FetchFailure::Refused),
            3 => (
                Fault::Wrong,
                FetchFailure::Wrong("the digest differs".into()),
            ),
            number => {
                let gained = number == 4;
                let reason = "the connection broke".into();
                (Fault::Broken, FetchFailure::Broken { gained, reason })
            }
        };
        self.coverage.fault(fault);
        self.trace
            .say(self.clock.now(), device, || format!("  {failure:?}"));
        Some(failure)
    }

    pub(crate) fn agent_connected(&mut self, device: usize) {
        self.agent_takes(device, Input::Connected);
    }

    pub(crate) fn agent_link_down(&mut self, device: usize) {
        self.agent_takes(device, Input::Disconnected);
    }

    pub(crate) fn agent_hears(&mut self, device: usize, kind: Topic, document: &Value) {
        let answer = Answer {
            token: document["clientToken"].as_str().map(Into::into),
        };
        let input = match kind {
            Topic::Delta => Input::Delta(wire::delta(document)),
            Topic::Accepted => Input::Accepted(answer),
            Topic::Rejected => {
                let code = document["code"].as_u64().unwrap_or(500) as u16;
                let message = document["message"].as_str().unwrap_or_default().into();
                Input::Rejected(answer, Refusal { code, message })
            }
            Topic::GetAccepted | Topic::GetRejected | Topic::Update | Topic::Get => return,
        };
        self.agent_takes(device, input);
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

    /// What the disk makes of it: of what was not synced anything may be there.
    pub(crate) fn agent_lost_power(&mut self, device: usize) {
        let fate = Fate::Mixed(self.chances.power.any());
        let Some(agent) = self.agent(device) else {
            return;
        };
        agent.live = None;
        agent.disk = agent.disk.after_cut(fate);
        let runs = hands::running(&agent.disk).unwrap_or(None);
        let may = agent.may_run();
        self.agent_is_sound(device, &may);
        if let Some(agent) = self.agent(device) {
            agent.settled = runs;
            agent.acting = None;
        }
    }
}

fn at(now: Millis, started: Millis) -> Now {
    Now {
        wall: Timestamp(now),
        mono: Monotonic(1 + now - started),
    }
}

/// Returns what an act makes to run, if it makes anything.
fn target(act: &Effect) -> Option<Option<Digest>> {
    match act {
        Effect::Switch(_, release) => Some(Some(*release.digest())),
        Effect::GoBack { to, .. } => Some(*to),
        _ => None,
    }
}

/// An act was announced durably, and belongs to a job that has not ended here.
fn journalled(agent: &Agent, act: &Effect) -> Result<(), String> {
    let stage = agent.durable_stage();
    let announced = match (act, &stage) {
        (Effect::Fetch { job, .. }, Stage::Fetching(noted, _))
        | (Effect::Write(job, _), Stage::Writing(noted, ..))
        | (Effect::Switch(job, _), Stage::Switching(noted, _))
        | (Effect::Check(job, _), Stage::Checking(noted, _))
        | (Effect::Confirm { job, .. }, Stage::Confirming(noted, _))
        | (Effect::GoBack { job, .. }, Stage::GoingBack(noted, ..)) => job == noted,
        _ => false,
    };
    if !announced {
        return Err(format!(
            "does {act:?} while its journal says {}",
            stage.name()
        ));
    }
    match act {
        Effect::Write(job, _) | Effect::Switch(job, _) if agent.over.contains(job) => {
            Err(format!("carries out {job}, which had ended here"))
        }
        _ => Ok(()),
    }
}
