//! The server is there, or gone, or answers: what follows for the job, the facts, the end.

use super::Turn;
use super::effect::{Effect, Saying};
use super::input::{Answer, Refusal};
use super::state::{Fence, Known, Letter, Link, Phase, Run};

impl Turn {
    pub(super) fn connected(&mut self) {
        let connection = match self.state.link {
            Link::Down(count)
            | Link::Up {
                connection: count,
                newest: _,
            } => count + 1,
        };
        self.state.link = Link::Up {
            connection,
            newest: 0,
        };
        self.tell_facts();
        match self.phase() {
            Phase::Idle => {}
            Phase::Reporting(letter) => {
                self.state.phase = Phase::Reporting(letter);
                self.repeat_end();
            }
            mut phase @ (Phase::Fetching(..)
            | Phase::Writing(..)
            | Phase::Fenced(..)
            | Phase::Switching(..)
            | Phase::Checking(..)
            | Phase::Confirming(..)
            | Phase::GoingBack(..)) => {
                if let Some(run) = phase.run_mut() {
                    run.letter = None;
                    run.said = None; // so that this connection hears of the job
                }
                self.state.phase = phase;
                self.speak();
            }
        }
    }

    pub(super) fn disconnected(&mut self) {
        if let Link::Up { connection, .. } = self.state.link {
            self.state.link = Link::Down(connection);
        }
    }

    pub(super) fn tell_facts(&mut self) {
        if self.state.facts.known != Known::Yes {
            let saying = self.facts();
            let letter = self.post(saying);
            self.state.facts.known = Known::Told(letter);
        }
    }

    pub(super) fn trusts(&mut self, number: u64) {
        if self.state.facts.facts.trust == Some(number) {
            return;
        }
        self.state.facts.facts.trust = Some(number);
        self.state.facts.known = Known::No;
        if self.up() {
            self.tell_facts();
        }
    }

    /// The facts, and what runs; but while a job is open that is the job's to say (semantics 29).
    pub(super) fn facts(&self) -> Saying {
        let installed = match self.state.phase {
            Phase::Idle => self.state.memory.installed.clone(),
            Phase::Fetching(..)
            | Phase::Writing(..)
            | Phase::Fenced(..)
            | Phase::Switching(..)
            | Phase::Checking(..)
            | Phase::Confirming(..)
            | Phase::GoingBack(..)
            | Phase::Reporting(_) => None,
        };
        Saying::Facts(self.state.facts.facts.clone(), installed)
    }

    pub(super) fn accepted(&mut self, answer: &Answer) {
        let Link::Up { connection, .. } = self.state.link else {
            return; // from a connection that is gone
        };
        match self.addressee(answer) {
            Addressee::Nobody => {}
            Addressee::Facts => self.state.facts.known = Known::Yes,
            Addressee::Job => {
                let at = self.now;
                self.heard(Fence::Agreed { at, connection });
                self.pass();
                self.speak();
            }
            Addressee::End => self.rest(),
        }
    }

    pub(super) fn rejected(&mut self, answer: &Answer, refusal: &Refusal) {
        let later = matches!(refusal.code, 429 | 500..);
        match self.addressee(answer) {
            Addressee::Nobody => {}
            // It is repeated in its time: the back-off is running.
            Addressee::Facts | Addressee::Job | Addressee::End if later => {}
            Addressee::Facts => self.state.facts.known = Known::Yes,
            Addressee::Job => self.job_refused(refusal),
            // 409: the server has another job by now. Whatever it is, the end was heard.
            Addressee::End => self.rest(),
        }
    }

    /// Before the point of no return the job is let go; behind it, it is finished.
    fn job_refused(&mut self, refusal: &Refusal) {
        self.heard(Fence::Withdrawn);
        let withdrawn = matches!(refusal.code, 404 | 409 | 410);
        match self.phase() {
            Phase::Fetching(run, ..) => {
                self.out.push(Effect::StopFetch);
                self.let_go(run, withdrawn, refusal);
            }
            Phase::Fenced(run, _) => self.let_go(run, withdrawn, refusal),
            phase @ (Phase::Idle
            | Phase::Writing(..)
            | Phase::Switching(..)
            | Phase::Checking(..)
            | Phase::Confirming(..)
            | Phase::GoingBack(..)
            | Phase::Reporting(_)) => self.state.phase = phase,
        }
    }

    fn let_go(&mut self, run: Run, withdrawn: bool, refusal: &Refusal) {
        if withdrawn {
            self.rest();
        } else {
            let Refusal { code, message } = refusal;
            self.fail(
                run,
                format!("the server refused RUNNING with {code}: {message}"),
            );
        }
    }

    fn heard(&mut self, fence: Fence) {
        if let Some(run) = self.state.phase.run_mut() {
            run.fence = fence;
            run.letter = None;
        }
    }

    fn addressee(&self, answer: &Answer) -> Addressee {
        let Some(token) = &answer.token else {
            return Addressee::Nobody;
        };
        let is = |letter: &Letter| letter.update.token == *token;
        if matches!(&self.state.facts.known, Known::Told(letter) if is(letter)) {
            return Addressee::Facts;
        }
        if matches!(&self.state.phase, Phase::Reporting(letter) if is(letter)) {
            return Addressee::End;
        }
        match self.state.phase.run().and_then(|run| run.letter.as_ref()) {
            Some(letter) if is(letter) => Addressee::Job,
            Some(_) | None => Addressee::Nobody,
        }
    }
}

/// Whose letter an answer answers.
enum Addressee {
    Nobody,
    Facts,
    Job,
    End,
}
