//! What the agent says: written, sent, and repeated until it is answered.
//!
//! The promise is `accepted`, not the broker's PUBACK: a letter is repeated, word for word, until `accepted` or
//! `rejected` with its token comes. Only RUNNING is overtaken: by the next one.

use super::Turn;
use super::effect::{Effect, Saying, Update};
use super::state::{Fence, Letter, Link, Phase, Run, State};
use refit_protocol::time::Monotonic;

/// An `accepted` for RUNNING is good for this long beyond its connection, in milliseconds (semantics 38).
const FENCE_MS: u64 = 10 * 60 * 1000;

/// The first wait for an answer; it doubles, up to [`ANSWER_WAIT_MS_MAX`].
const ANSWER_WAIT_MS: u64 = 10_000;

/// The longest wait for an answer.
const ANSWER_WAIT_MS_MAX: u64 = 5 * 60 * 1000;

/// The least time between two progress messages.
const PROGRESS_MS: u64 = 1_000;

impl Turn {
    /// Says RUNNING, if there is something to say, nothing unanswered, and a second has gone by.
    pub(super) fn speak(&mut self) {
        if speech_due(&self.state).is_none_or(|at| at > self.now) {
            return;
        }
        let Some((job, progress)) = self.state.phase.run().map(|r| (r.job.clone(), r.progress))
        else {
            return;
        };
        let letter = self.post(Saying::Running(job, progress));
        let now = self.now;
        if let Some(run) = self.state.phase.run_mut() {
            run.letter = Some(letter);
            run.said = Some((progress, now));
        }
    }

    /// Says the end that the memory holds.
    pub(super) fn report(&mut self, journal: bool) {
        let Some(last) = self.state.memory.last.clone() else {
            return;
        };
        let letter = self.write_letter(Saying::Ended(last.job, last.outcome));
        if journal {
            self.enter(Phase::Reporting(letter));
        } else {
            self.state.phase = Phase::Reporting(letter);
        }
        self.repeat_end();
    }

    /// Sends the end now, and begins its back-off anew.
    pub(super) fn repeat_end(&mut self) {
        if let Phase::Reporting(mut letter) = self.phase() {
            letter.sent = 0;
            self.send(&mut letter);
            self.state.phase = Phase::Reporting(letter);
        }
    }

    /// Tells whether the server agreed to the job on this connection, or lately.
    pub(super) fn agreed(&self, run: &Run) -> bool {
        agreed(run, &self.state.link, self.now)
    }

    pub(super) const fn up(&self) -> bool {
        matches!(self.state.link, Link::Up { .. })
    }

    fn write_letter(&mut self, saying: Saying) -> Letter {
        let update = Update {
            token: self.state.chance.token(),
            saying,
        };
        Letter {
            update,
            sent: 0,
            again: self.now,
        }
    }

    pub(super) fn post(&mut self, saying: Saying) -> Letter {
        let mut letter = self.write_letter(saying);
        self.send(&mut letter);
        letter
    }

    pub(super) fn repeat_if_due(&mut self, letter: &mut Letter) {
        if letter.again <= self.now {
            self.send(letter);
        }
    }

    fn send(&mut self, letter: &mut Letter) {
        if !self.up() {
            return; // the next connection sends it
        }
        let wait = (ANSWER_WAIT_MS << letter.sent.min(10)).min(ANSWER_WAIT_MS_MAX);
        let wait = wait + self.state.chance.below(wait / 4);
        letter.sent = letter.sent.saturating_add(1);
        letter.again = self.now.after(wait);
        self.out.push(Effect::Publish(letter.update.clone()));
    }
}

/// Returns when a job under way has something to send.
pub(super) fn due(state: &State) -> Option<Monotonic> {
    if !matches!(state.link, Link::Up { .. }) {
        return None;
    }
    match state.phase.run()?.letter.as_ref() {
        Some(letter) => Some(letter.again),
        None => speech_due(state),
    }
}

/// Returns when RUNNING may be said, if there is something to say and nothing unanswered.
fn speech_due(state: &State) -> Option<Monotonic> {
    let run = state.phase.run()?;
    if run.letter.is_some() || run.fence == Fence::Withdrawn || matches!(state.link, Link::Down(_))
    {
        return None;
    }
    let Some((said, at)) = run.said else {
        return Some(Monotonic(0));
    };
    let may = at.after(PROGRESS_MS);
    // At the fence the same words are news: they ask whether the job is still wanted.
    let asks = matches!(state.phase, Phase::Fenced(..)) && !agreed(run, &state.link, may);
    (asks || said != run.progress).then_some(may)
}

fn agreed(run: &Run, link: &Link, now: Monotonic) -> bool {
    let Fence::Agreed { at, connection } = run.fence else {
        return false;
    };
    let here = matches!(link, Link::Up { connection: this, newest: _ } if *this == connection);
    here || now.since(at) <= FENCE_MS
}
