//! What is known at a moment: everything that the screen shows and the story waits for. News goes in, nothing is done.

mod agent;

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use super::bundle::{NEW, OLD};
use super::check::Check;
use super::fleet::{self, Told};
use super::ledger::{Ledger, Word};
use super::news::News;

pub(super) use agent::Agent;

/// How many events are kept; older ones have been told.
const EVENTS_KEPT: usize = 64;

/// How many wrongs are told when they happen; the check counts them all.
const WRONGS_TOLD: usize = 5;

/// All of it.
pub(super) struct World {
    /// When the demo began.
    pub(super) began: Instant,
    /// What the simulated devices' habits were drawn from.
    pub(super) seed: u64,
    /// The server.
    pub(super) server: Server,
    /// The simulated devices.
    pub(super) devices: Vec<Device>,
    /// The agents.
    pub(super) agents: Vec<Agent>,
    /// The two releases: the old, the new.
    pub(super) waves: [Wave; 2],
    /// What was acknowledged.
    pub(super) ledger: Ledger,
    /// How many wishes the server has taken in this wave.
    pub(super) wished: usize,
    /// Downloads of the simulated devices that were whole.
    pub(super) downloads: usize,
    /// What they weighed, in bytes.
    pub(super) downloaded: u64,
    /// What somebody did to a device that they must not, in words.
    pub(super) wrongs: Vec<String>,
    /// What happened, the newest last.
    pub(super) events: VecDeque<Event>,
    /// How many things happened, with those that are no longer kept.
    pub(super) happened: usize,
    /// What was checked.
    pub(super) checks: Vec<Check>,
    /// What to show below everything, at the end.
    pub(super) closing: Vec<String>,
    /// The story is over: what happens now is no longer counted.
    pub(super) is_told: bool,
    job_waves: BTreeMap<String, usize>,
}

/// What is known of the server.
#[derive(Clone, Debug, Default)]
pub(super) struct Server {
    /// Whether it serves.
    pub(super) is_up: bool,
    /// Its API.
    pub(super) api: String,
    /// Its device endpoint.
    pub(super) mqtt: String,
    /// How often it was killed.
    pub(super) kills: usize,
}

/// What is known of a simulated device.
#[derive(Clone, Debug, Default)]
pub(super) struct Device {
    /// Whether it is connected.
    pub(super) is_up: bool,
    /// The version that it runs.
    pub(super) runs: Option<String>,
}

/// How far the fleet is with one release.
#[derive(Clone, Debug, Default)]
pub(super) struct Wave {
    /// When it was first wished for.
    pub(super) began: Option<Instant>,
    /// How long it took until all had ended.
    pub(super) took: Option<Duration>,
    /// How many have been told.
    pub(super) told: usize,
    /// How many ended with it, acknowledged.
    pub(super) done: usize,
    /// How many ended without it, acknowledged.
    pub(super) failed: usize,
}

impl Wave {
    /// How many have ended.
    pub(super) fn ended(&self) -> usize {
        self.done + self.failed
    }
}

/// What kind of event it was: for its colour, and for programs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tone {
    /// As it should be.
    Step,
    /// Good news.
    Good,
    /// Something was broken, on purpose or not.
    Bad,
}

/// Something that happened.
#[derive(Clone, Debug)]
pub(super) struct Event {
    /// When, since the beginning.
    pub(super) at: Duration,
    /// Of what kind.
    pub(super) tone: Tone,
    /// What.
    pub(super) text: String,
}

impl World {
    /// Makes a world in which nothing has happened.
    pub(super) fn new(devices: usize, agents: usize, seed: u64) -> Self {
        let agent = |number| Agent {
            id: agent_name(number),
            ..Agent::default()
        };
        Self {
            began: Instant::now(),
            seed,
            server: Server::default(),
            devices: vec![Device::default(); devices],
            agents: (0..agents).map(agent).collect(),
            waves: Default::default(),
            ledger: Ledger::default(),
            wished: 0,
            downloads: 0,
            downloaded: 0,
            wrongs: Vec::new(),
            events: VecDeque::new(),
            happened: 0,
            checks: Vec::new(),
            closing: Vec::new(),
            is_told: false,
            job_waves: BTreeMap::new(),
        }
    }

    /// How many there are, simulated or real.
    pub(super) fn fleet(&self) -> usize {
        self.devices.len() + self.agents.len()
    }

    /// How many are connected.
    pub(super) fn online(&self) -> usize {
        let devices = self.devices.iter().filter(|device| device.is_up).count();
        devices + self.agents.iter().filter(|agent| agent.is_up).count()
    }

    /// Says how things stand, for whoever waited in vain.
    pub(super) fn stands(&self) -> String {
        let [old, new] = &self.waves;
        let agents = self
            .agents
            .iter()
            .filter(|agent| agent.stage != "idle" || !agent.is_up);
        let agents: Vec<String> = agents.map(|a| format!("{} ({})", a.id, a.stage)).collect();
        format!(
            "{} of {} are online, {OLD}: {} told and {} ended, {NEW}: {} told and {} ended; agents not idle: {}",
            self.online(),
            self.fleet(),
            old.told,
            old.ended(),
            new.told,
            new.ended(),
            if agents.is_empty() {
                "none".into()
            } else {
                agents.join(", ")
            }
        )
    }

    /// Notes an event.
    pub(super) fn tell(&mut self, tone: Tone, text: String) {
        if self.events.len() == EVENTS_KEPT {
            self.events.pop_front();
        }
        self.happened += 1;
        self.events.push_back(Event {
            at: self.began.elapsed(),
            tone,
            text,
        });
    }

    /// Hears one thing. What is not about the world is for the story.
    pub(super) fn hear(&mut self, news: &News) {
        match news {
            News::Device(number, told) => self.hear_device(*number, told),
            News::Agent(number, line) => self.hear_agent(*number, line),
            News::Wished(Ok(())) => self.wished += 1,
            News::Wished(Err(_)) | News::Interrupted => {}
        }
    }

    fn hear_device(&mut self, number: usize, told: &Told) {
        let Some(device) = self.devices.get_mut(number) else {
            return;
        };
        match told {
            Told::Up => device.is_up = true,
            Told::Down => device.is_up = false,
            Told::Runs(version) => {
                device.runs = Some(version.clone());
                self.tell_arrival(&fleet::name(number), version);
            }
            Told::Began { job, version } => self.began_job(job, version),
            Told::Fetched(bytes) => {
                self.downloads += 1;
                self.downloaded += bytes;
            }
            Told::Acknowledged { job, word } => self.acknowledged(&fleet::name(number), job, *word),
            Told::Refused { job, message } => {
                self.ledger.strike(job);
                self.wrong(format!("{} was refused: {message}", fleet::name(number)));
            }
            Told::Wrong(what) => self.wrong(format!("{}: the server {what}", fleet::name(number))),
        }
    }

    fn wrong(&mut self, what: String) {
        if self.wrongs.len() < WRONGS_TOLD {
            self.tell(Tone::Bad, what.clone());
        }
        self.wrongs.push(what);
    }

    fn began_job(&mut self, job: &str, version: &str) {
        let Some(wave) = wave_of(version).filter(|_| !self.is_told) else {
            return;
        };
        if self.job_waves.insert(job.to_owned(), wave).is_none() {
            self.waves[wave].told += 1;
        }
    }

    fn acknowledged(&mut self, device: &str, job: &str, word: Word) {
        let ends = self.ledger.ends();
        self.ledger.note(device, job, word);
        let is_new = self.ledger.ends() > ends;
        let Some(wave) = self.job_waves.get(job).filter(|_| is_new) else {
            return;
        };
        let wave = &mut self.waves[*wave];
        match word {
            Word::Success => wave.done += 1,
            Word::Failure => wave.failed += 1,
            Word::Running => {}
        }
    }

    fn hear_agent(&mut self, number: usize, line: &str) {
        let Some(agent) = self.agents.get_mut(number) else {
            return;
        };
        let step = agent::read(line);
        if let agent::Line::Doing { job, what, .. } = &step
            && let Some(version) = known_version(what)
        {
            agent.to = Some(version.to_owned());
            self.began_job(job, version);
        }
        let Some(agent) = self.agents.get_mut(number) else {
            return;
        };
        if let Some(word) = agent.hear(step) {
            self.agent_closed(number, word);
        }
    }

    /// The agent has closed its job, which it does when the end was accepted.
    fn agent_closed(&mut self, number: usize, word: Word) {
        let Some(agent) = self.agents.get_mut(number) else {
            return;
        };
        let to = agent.to.take();
        let (id, job) = (agent.id.clone(), agent.job.clone().unwrap_or_default());
        if word == Word::Success {
            agent.runs = to;
            agent.note = None;
            let runs = agent.runs.clone().unwrap_or_default();
            self.tell_arrival(&id, &runs);
        } else {
            let runs = agent.runs.clone().unwrap_or_default();
            let note = agent.note.clone().unwrap_or_default();
            let last = note.lines().last().unwrap_or_default();
            let text = format!("{id} has gone back to {runs}: {last}");
            self.tell(Tone::Bad, text);
        }
        self.acknowledged(&id, &job, word);
    }

    /// While the story is told, arrivals are only counted.
    fn tell_arrival(&mut self, id: &str, version: &str) {
        if self.is_told {
            self.tell(Tone::Good, format!("{id} runs {version}"));
        }
    }
}

/// What the agent with this number is called.
pub(super) fn agent_name(number: usize) -> String {
    format!("gateway-{:02}", number + 1)
}

/// Returns the version that a text ends with, if it is one of the story's.
fn known_version(text: &str) -> Option<&str> {
    let version = text.rsplit(' ').next()?;
    wave_of(version).map(|_| version)
}

/// The index of the wave that brings a version.
fn wave_of(version: &str) -> Option<usize> {
    [OLD, NEW].iter().position(|known| *known == version)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_agents_lines_become_its_state() {
        let mut world = World::new(0, 1, 0);
        let mut hear = |line: &str| {
            world.hear(&News::Agent(0, format!("refit-agent: {line}")));
            let agent = &world.agents[0];
            (
                agent.stage.clone(),
                agent.runs.clone().unwrap_or_default(),
                world.waves[0].done,
            )
        };
        hear("connected");
        assert_eq!(
            hear("job j-1: fetching firmware 1.0.0"),
            ("fetching".into(), String::new(), 0)
        );
        assert_eq!(hear("job j-1: checking firmware 1.0.0").0, "checking");
        assert_eq!(hear("job j-1: SUCCESS, firmware 1.0.0").2, 0);
        assert_eq!(hear("idle"), ("idle".into(), "1.0.0".into(), 1));
        assert_eq!(hear("idle").2, 1);
        hear("job j-2: switching firmware 2.0.0");
        hear("job j-2: going-back the health command failed (exit code 1); it said: modem");
        hear("job j-2: FAILURE: the health command failed (exit code 1); it said: modem");
        assert_eq!(hear("idle").1, "1.0.0");
        assert_eq!((world.waves[1].told, world.waves[1].failed), (1, 1));
        assert!(
            world.agents[0].is_up && world.agents[0].note.as_deref().unwrap().contains("modem")
        );
        assert_eq!(world.ledger.ends(), 2);
    }

    #[test]
    fn an_end_counts_once_however_often_it_is_acknowledged() {
        let mut world = World::new(1, 0, 0);
        let job = || "j".to_owned();
        let began = Told::Began {
            job: job(),
            version: NEW.into(),
        };
        let ended = Told::Acknowledged {
            job: job(),
            word: Word::Success,
        };
        for told in [began.clone(), began, ended.clone(), ended] {
            world.hear(&News::Device(0, told));
        }
        assert_eq!((world.waves[1].told, world.waves[1].done), (1, 1));
    }

    #[test]
    fn after_the_story_arrivals_are_told_and_not_counted() {
        let mut world = World::new(1, 0, 0);
        world.is_told = true;
        let (job, version) = ("j".to_owned(), NEW.to_owned());
        world.hear(&News::Device(0, Told::Began { job, version }));
        world.hear(&News::Device(0, Told::Runs(NEW.into())));
        assert_eq!(world.waves[1].told, 0);
        assert_eq!(world.events.back().unwrap().text, "lamp-001 runs 2.0.0");
    }
}
