//! The agent's decisions: one state, one input, a time; then the next state and what is to be done, in order.
//!
//! ```text
//! Idle → Fetching → Writing → Fenced ┃ Switching → Checking → Confirming → Reporting → Idle
//!            └──────────┴────────┴───╂──────┴─────────┴──────────┴→ GoingBack ─┘
//!   409 or a newer delta: abandoned  ┃ the point of no return: finished, whatever comes
//! ```
//!
//! Every phase that a restart must know of is journalled before its work is begun, so that [`wake`] can begin it
//! again: all work is idempotent. The way in is [`step`]; `begin.rs` takes deltas, `work.rs` the results of work,
//! `talk.rs` the server's answers, `due.rs` deadlines; `letter.rs` is what the agent says.

mod begin;
mod due;
pub mod effect;
pub mod input;
mod letter;
pub mod state;
mod talk;
mod wake;
mod work;

#[cfg(test)]
mod tests;

pub use wake::{Waking, wake};

use crate::job::{Finished, Outcome};
use crate::journal::{Entry, Stage};
use effect::Effect;
use input::Input;
use refit_protocol::job::JobId;
use refit_protocol::time::{Monotonic, Now};
use state::{Going, Known, Link, Phase, State};

/// Takes one input, and returns the next state and what is to be done, in order.
pub fn step(state: State, input: Input, now: Now) -> (State, Vec<Effect>) {
    let mut turn = Turn {
        state,
        now: now.mono,
        out: Vec::new(),
    };
    match input {
        Input::Connected => turn.connected(),
        Input::Disconnected => turn.disconnected(),
        Input::Delta(delta) => turn.delta(delta),
        Input::Accepted(answer) => turn.accepted(&answer),
        Input::Rejected(answer, refusal) => turn.rejected(&answer, &refusal),
        Input::Work(job, work) => turn.worked(&job, work),
        Input::Trust(number) => turn.trusts(number),
        Input::Tick => turn.tick(),
    }
    (turn.state, turn.out)
}

/// Returns when [`Input::Tick`] has something to do, if nothing else happens.
pub fn next_due(state: &State) -> Option<Monotonic> {
    let up = matches!(state.link, Link::Up { .. });
    let facts = match &state.facts.known {
        Known::Told(letter) if up => Some(letter.again),
        Known::Told(_) | Known::No | Known::Yes => None,
    };
    let phase = match &state.phase {
        Phase::Idle => None,
        Phase::Fetching(_, _, download) => match download.going {
            Going::Again(at) | Going::Asking(at) => Some(at),
            Going::On | Going::Hoping => None,
        },
        Phase::GoingBack(_, _, retreat) => retreat.again,
        Phase::Reporting(letter) => up.then_some(letter.again),
        Phase::Writing(..)
        | Phase::Fenced(..)
        | Phase::Switching(..)
        | Phase::Checking(..)
        | Phase::Confirming(..) => None,
    };
    let talk = letter::due(state);
    [facts, phase, talk].into_iter().flatten().min()
}

/// A state on its way to the next one.
struct Turn {
    state: State,
    now: Monotonic,
    out: Vec<Effect>,
}

impl Turn {
    fn phase(&mut self) -> Phase {
        std::mem::replace(&mut self.state.phase, Phase::Idle)
    }

    /// Enters a phase that a restart must know of. What is begun in it is pushed after this.
    fn enter(&mut self, phase: Phase) {
        self.state.phase = phase;
        self.out.push(Effect::Journal(Box::new(entry(&self.state))));
    }

    /// Ends a job on this device; it is over when the server has answered.
    fn end(&mut self, job: JobId, outcome: Outcome) {
        if let Outcome::Success(release) = &outcome {
            self.state.memory.installed = Some(release.clone());
        }
        self.state.memory.last = Some(Finished { job, outcome });
        self.report(true);
    }

    /// Forgets the job; the newest delta that had to wait is begun.
    fn rest(&mut self) {
        self.enter(Phase::Idle);
        if let Some(delta) = self.state.waiting.take() {
            self.command(delta);
        }
    }
}

/// Returns what the journal says of a state.
pub fn entry(state: &State) -> Entry {
    let stage = match &state.phase {
        Phase::Idle => Stage::Idle,
        Phase::Fetching(run, wanted, _) => Stage::Fetching(run.job.clone(), wanted.clone()),
        Phase::Writing(run, release, tries) => {
            Stage::Writing(run.job.clone(), release.clone(), *tries)
        }
        Phase::Fenced(run, release) => Stage::Fenced(run.job.clone(), release.clone()),
        Phase::Switching(run, trial) => Stage::Switching(run.job.clone(), trial.clone()),
        Phase::Checking(run, trial) => Stage::Checking(run.job.clone(), trial.clone()),
        Phase::Confirming(run, trial) => Stage::Confirming(run.job.clone(), trial.clone()),
        Phase::GoingBack(run, trial, retreat) => {
            Stage::GoingBack(run.job.clone(), trial.clone(), retreat.reason.clone())
        }
        Phase::Reporting(_) => Stage::Reporting,
    };
    Entry {
        memory: state.memory.clone(),
        stage,
    }
}
