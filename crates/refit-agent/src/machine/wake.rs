//! The process begins: what the journal says was being done is begun again.

use super::Turn;
use super::begin::{CHECK, DOWNLOAD, GO_BACK, SWITCH, WRITE};
use super::effect::{Effect, Facts};
use super::state::{
    Chance, Download, Going, Known, Link, Phase, Policy, Reported, Retreat, Run, State, Trial,
};
use super::work::go_back;
use crate::job::Release;
use crate::journal::{Entry, Stage};
use refit_protocol::digest::Digest;
use refit_protocol::job::JobId;
use refit_protocol::time::Now;

/// Starts in one stage before it is given up: whatever kills the agent there must not do so for ever.
const TRIES_MAX: u8 = 3;

/// What the world looks like when the agent starts.
#[derive(Clone, Debug)]
pub struct Waking {
    /// What the journal says.
    pub entry: Entry,
    /// What the installer says runs.
    pub running: Option<Digest>,
    /// What the operator allows.
    pub policy: Policy,
    /// What there is to report.
    pub facts: Facts,
    /// Different for every start.
    pub seed: u64,
}

/// Takes up what the journal says was being done.
pub fn wake(waking: Waking, now: Now) -> (State, Vec<Effect>) {
    let Waking {
        entry,
        running,
        policy,
        facts,
        seed,
    } = waking;
    let state = State {
        policy,
        memory: entry.memory,
        running,
        phase: Phase::Idle,
        waiting: None,
        link: Link::Down(0),
        facts: Reported {
            facts,
            known: Known::No,
        },
        applied: None,
        chance: Chance { seed, drawn: 0 },
    };
    let mut turn = Turn {
        state,
        now: now.mono,
        out: Vec::new(),
    };
    turn.resume(entry.stage);
    (turn.state, turn.out)
}

impl Turn {
    fn resume(&mut self, stage: Stage) {
        match stage {
            Stage::Idle => self.check_memory(),
            Stage::Fetching(job, wanted) => {
                self.check_memory();
                let download = Download {
                    grant: None, // never stored; subscribing brings one
                    going: Going::Hoping,
                    barren: 0,
                    wrong: 0,
                    asked: 0,
                };
                self.state.phase = Phase::Fetching(Run::new(job, DOWNLOAD), wanted, download);
            }
            Stage::Writing(job, release, tries) => self.write_again(job, release, tries + 1),
            Stage::Fenced(job, release) => {
                self.check_memory();
                self.state.phase = Phase::Fenced(Run::new(job, SWITCH), release);
            }
            Stage::Switching(job, trial) => self.try_again(job, trial, SWITCH.stage),
            Stage::Checking(job, trial) => self.try_again(job, trial, CHECK.stage),
            Stage::Confirming(job, trial) => self.confirm_again(job, trial),
            Stage::GoingBack(job, trial, reason) => self.go_back_again(job, trial, reason),
            Stage::Reporting => {
                self.check_memory();
                self.report(false);
            }
        }
    }

    /// Somebody else may have changed what runs: then nothing is known of it.
    fn check_memory(&mut self) {
        let installed = self.state.memory.installed.as_ref();
        if installed.map(Release::digest) != self.state.running.as_ref() {
            self.state.memory.installed = None;
        }
    }

    fn write_again(&mut self, job: JobId, release: Release, tries: u8) {
        self.check_memory();
        let run = Run::new(job.clone(), WRITE);
        if tries > TRIES_MAX {
            return self.fail(run, died("writing the release"));
        }
        self.enter(Phase::Writing(run, release.clone(), tries));
        self.out.push(Effect::Write(job, release));
    }

    /// Trial begins with the switch, which changes nothing if it was done: so it does not matter where it stopped.
    fn try_again(&mut self, job: JobId, mut trial: Trial, stage: &'static str) {
        trial.tries += 1;
        let run = Run::new(job.clone(), SWITCH);
        if trial.tries > TRIES_MAX {
            return self.retreat(run, trial, died(stage));
        }
        let release = trial.release.clone();
        self.enter(Phase::Switching(run, trial));
        self.out.push(Effect::Switch(job, release));
    }

    fn confirm_again(&mut self, job: JobId, mut trial: Trial) {
        trial.tries += 1;
        let run = Run::new(job.clone(), CHECK);
        if trial.tries > TRIES_MAX {
            return self.retreat(run, trial, died("confirming the release"));
        }
        let (to, former) = (*trial.release.digest(), trial.former);
        self.enter(Phase::Confirming(run, trial));
        self.out.push(Effect::Confirm { job, to, former });
    }

    fn go_back_again(&mut self, job: JobId, trial: Trial, reason: String) {
        let run = Run::new(job, GO_BACK);
        let effect = go_back(&run, &trial);
        let retreat = Retreat {
            reason,
            again: None,
        };
        self.state.phase = Phase::GoingBack(run, trial, retreat);
        self.out.push(effect);
    }
}

fn died(doing: &str) -> String {
    format!("the agent was stopped {TRIES_MAX} times in \"{doing}\"")
}
