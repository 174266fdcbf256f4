//! An agent's acts on its disk: done by its real hands, perhaps only in part, and only after their journal entry.

use std::path::Path;
use std::sync::atomic::AtomicBool;

use refit_agent::files::Files;
use refit_agent::files::fragile::Fate;
use refit_agent::journal::{Entry, Stage};
use refit_agent::machine::effect::Effect;
use refit_agent::machine::input::Input;
use refit_protocol::digest::Digest;

use crate::checks::boots_verified::boots;
use crate::clock::MINUTE;
use crate::coverage::Fault;
use crate::device::Kind;
use crate::device::agent::{Agent, Health};
use crate::device::hands::{self, Weather};
use crate::planted::Planted;
use crate::releases::Releases;
use crate::world::World;

impl World {
    /// Makes an entry durable. False: that failed, and nothing that follows may be done.
    pub(super) fn agent_notes(&mut self, device: usize, entry: Box<Entry>) -> bool {
        let late = self.options.planted == Some(Planted::JournalsAfterTheAct);
        let cut_at = self.cut_comes(3);
        let Some(agent) = self.agent(device) else {
            return false;
        };
        if late {
            agent.late = Some(entry);
            return true;
        }
        let Agent { disk, live, .. } = agent;
        let Some(live) = live else { return false };
        disk.cut_at(cut_at.map_or(usize::MAX, |at| disk.changes() + at));
        if live.journal.write(disk, &entry).is_ok() && !disk.is_cut() {
            disk.cut_at(usize::MAX);
            agent.notes_end(&entry);
            return true;
        }
        self.coverage.fault(Fault::CutInAct);
        self.power_lost(device, MINUTE);
        false
    }

    /// Draws at which of the next changes to a disk the power is cut, if it is.
    fn cut_comes(&mut self, changes: u64) -> Option<usize> {
        let cuts = !self.calm && self.chances.power.permille(self.options.faults.cut_in_act);
        cuts.then(|| self.chances.power.below(changes) as usize)
    }

    /// The time for an act has come.
    pub(crate) fn agent_acts(&mut self, device: usize, act: Effect, number: u32) {
        let weather = self.weather();
        let cut_at = self.cut_comes(9);
        let Some(agent) = self.agent(device) else {
            return;
        };
        if matches!(act, Effect::Fetch { .. }) && agent.fetching != number {
            return;
        }
        if let Err(found) = journalled(agent, &act) {
            let found = format!("d{device} {found}");
            return self.checks.breach("journal_before_act", found);
        }
        if let Effect::Check(_, release) = &act
            && agent.health == Health::Looping
            && Releases::is_new(&release.software)
        {
            return self.dies(device);
        }
        agent.acting = target(&act);
        let said = agent.works(&act, weather, cut_at);
        if let (Effect::Fetch { .. }, Some(fault)) = (&act, weather.fault()) {
            self.coverage.fault(fault);
        }
        self.agent_is_sound(device);
        let Some(agent) = self.agent(device) else {
            return;
        };
        if agent.disk.is_cut() {
            self.coverage.fault(Fault::CutInAct);
            return self.power_lost(device, MINUTE);
        }
        agent.settled = hands::boots(&agent.disk);
        agent.acting = None;
        if self.options.planted == Some(Planted::SwitchesToHalfARelease) {
            self.spoil(device, &act);
        }
        for input in said {
            self.agent_takes(device, input);
        }
        self.write_late(device);
    }

    /// What runs, or would run after a power cut now, is whole and verified.
    pub(super) fn agent_is_sound(&mut self, device: usize) {
        if let Kind::Agent(agent) = &self.devices[device].kind
            && let Err(found) = boots(&agent.disk, &agent.may_run())
        {
            let found = format!("d{device}: {found}");
            self.checks.breach("boots_verified", found);
        }
    }

    fn weather(&mut self) -> Weather {
        if self.calm || !self.chances.device.permille(self.options.faults.bad_fetch) {
            return Weather::Fine;
        }
        match self.chances.device.below(8) {
            0..3 => Weather::Refused,
            3 => Weather::Wrong,
            _ => Weather::Breaks(self.chances.device.below(60) as usize),
        }
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

    /// Leaves half of a release that was written, as if its bytes had not been synced (planted).
    fn spoil(&mut self, device: usize, act: &Effect) {
        let Effect::Write(_, release) = act else {
            return;
        };
        if let Some(agent) = self.agent(device) {
            let path = hands::artifact(release.digest());
            drop(agent.disk.remove(&path));
            drop(agent.disk.create(&path, 0o755));
        }
    }

    /// What the disk makes of a power cut: of what was not synced anything may be there.
    pub(super) fn agent_lost_power(&mut self, device: usize) {
        let fate = Fate::Mixed(self.chances.power.any());
        let Some(agent) = self.agent(device) else {
            return;
        };
        agent.live = None;
        agent.disk = agent.disk.after_cut(fate);
        self.agent_is_sound(device);
        if let Some(agent) = self.agent(device) {
            agent.settled = hands::boots(&agent.disk);
            agent.acting = None;
        }
    }
}

impl Agent {
    /// Does an act; the power may be cut at one of its changes to the disk.
    fn works(&mut self, act: &Effect, weather: Weather, cut_at: Option<usize>) -> Vec<Input> {
        let mut said = Vec::new();
        let Some(live) = &self.live else { return said };
        let cut_at = cut_at.map_or(usize::MAX, |at| self.disk.changes() + at);
        self.disk.cut_at(cut_at);
        self.store.set(weather);
        let stop = AtomicBool::new(false);
        live.hands
            .work(act.clone(), &stop, &mut |input| said.push(input));
        if !self.disk.is_cut() {
            self.disk.cut_at(usize::MAX);
        }
        said
    }

    /// Returns what may run, whatever is cut now.
    fn may_run(&self) -> [Option<Digest>; 2] {
        [self.settled, self.acting.unwrap_or(self.settled)]
    }

    /// Returns what the next start would find in the journal if the power failed now.
    fn durable_stage(&self) -> Stage {
        use refit_agent::journal::Journal;
        let disk = self.disk.after_cut(Fate::Lost);
        Journal::open(&disk, Path::new(hands::ROOT)).map_or(Stage::Idle, |(_, entry)| entry.stage)
    }

    fn notes_end(&mut self, entry: &Entry) {
        if let (Stage::Reporting, Some(last)) = (&entry.stage, &entry.memory.last)
            && !self.over.contains(&last.job)
        {
            self.over.push(last.job.clone());
        }
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
        let stage = stage.name();
        return Err(format!("does {act:?} while its journal says {stage}"));
    }
    match act {
        Effect::Write(job, _) | Effect::Switch(job, _) if agent.over.contains(job) => {
            Err(format!("carries out {job}, which had ended here"))
        }
        _ => Ok(()),
    }
}
