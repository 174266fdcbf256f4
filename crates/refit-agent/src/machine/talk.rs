//! The talk with the server: what is said, repeated and heard.
//!
//! The promise is `accepted`, not the broker's PUBACK: a letter is repeated, word for word, until `accepted` or
//! `rejected` with its token comes (`research/reliability.md` §1).

use super::Turn;
use super::effect::{Effect, Saying, Update};
use super::input::{Answer, Refusal};
use super::state::{Fence, Going, Known, Letter, Link, Phase, Run, State};
use super::work::go_back;
use refit_protocol::time::Monotonic;

/// An `accepted` for RUNNING is good for this long beyond its connection, in milliseconds (semantics 38).
pub(super) const FENCE_MS: u64 = 10 * 60 * 1000;

/// The first wait for an answer; it doubles, up to [`ANSWER_WAIT_MS_MAX`].
const ANSWER_WAIT_MS: u64 = 10_000;

/// The longest wait for an answer.
const ANSWER_WAIT_MS_MAX: u64 = 5 * 60 * 1000;

/// The least time between two progress messages.
const PROGRESS_MS: u64 = 1_000;

/// The first bound of the back-off of downloads; it doubles, up to [`BACK_OFF_MS_MAX`].
const BACK_OFF_MS: u64 = 1_000;

/// The last bound of that back-off.
const BACK_OFF_MS_MAX: u64 = 5 * 60 * 1000;

/// Fresh grants that are asked for without a byte gained; after that the agent waits for the server's own resend.
const ASKS_MAX: u8 = 6;

/// The wait for a fresh grant, before it is asked for again.
const ASK_WAIT_MS: u64 = 30_000;

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
                if let Some(run) = run_of(&mut phase) {
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

    fn tell_facts(&mut self) {
        if self.state.facts.known != Known::Yes {
            let saying = self.facts();
            let letter = self.post(saying);
            self.state.facts.known = Known::Told(letter);
        }
    }

    /// The facts, and what runs; but while a job is open that is the job's to say (semantics 29).
    fn facts(&self) -> Saying {
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
        if let Some(run) = run_of(&mut self.state.phase) {
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
        match run_ref(&self.state.phase).and_then(|run| run.letter.as_ref()) {
            Some(letter) if is(letter) => Addressee::Job,
            Some(_) | None => Addressee::Nobody,
        }
    }

    pub(super) fn tick(&mut self) {
        self.tick_facts();
        match self.phase() {
            Phase::Idle => {}
            Phase::Fetching(run, wanted, download) => {
                let going = download.going;
                self.state.phase = Phase::Fetching(run, wanted, download);
                match going {
                    Going::Again(at) if at <= self.now => self.fetch(),
                    Going::Asking(at) if at <= self.now => self.ask_now(),
                    Going::Again(_) | Going::Asking(_) | Going::On | Going::Hoping => {}
                }
                self.tick_run();
            }
            Phase::GoingBack(run, trial, mut retreat) => {
                if retreat.again.is_some_and(|at| at <= self.now) {
                    retreat.again = None;
                    self.out.push(go_back(&run, &trial));
                }
                self.state.phase = Phase::GoingBack(run, trial, retreat);
                self.tick_run();
            }
            Phase::Reporting(mut letter) => {
                self.repeat_if_due(&mut letter);
                self.state.phase = Phase::Reporting(letter);
            }
            phase @ (Phase::Writing(..)
            | Phase::Fenced(..)
            | Phase::Switching(..)
            | Phase::Checking(..)
            | Phase::Confirming(..)) => {
                self.state.phase = phase;
                self.tick_run();
            }
        }
    }

    fn tick_facts(&mut self) {
        let Known::Told(letter) = &self.state.facts.known else {
            return;
        };
        if !self.up() || letter.again > self.now {
            return;
        }
        let mut letter = letter.clone();
        // What was true when it was written may not be now: then it is another letter.
        if letter.update.saying == self.facts() {
            self.repeat_if_due(&mut letter);
            self.state.facts.known = Known::Told(letter);
        } else {
            self.tell_facts();
        }
    }

    fn tick_run(&mut self) {
        let letter = run_of(&mut self.state.phase).and_then(|run| run.letter.take());
        match letter {
            Some(mut letter) => {
                self.repeat_if_due(&mut letter);
                if let Some(run) = run_of(&mut self.state.phase) {
                    run.letter = Some(letter);
                }
            }
            None => self.speak(),
        }
    }

    /// Says RUNNING, if there is something to say, nothing unanswered, and a second has gone by.
    pub(super) fn speak(&mut self) {
        if speech_due(&self.state).is_none_or(|at| at > self.now) {
            return;
        }
        let Some((job, progress)) = run_ref(&self.state.phase).map(|r| (r.job.clone(), r.progress))
        else {
            return;
        };
        let letter = self.post(Saying::Running(job, progress));
        let now = self.now;
        if let Some(run) = run_of(&mut self.state.phase) {
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

    /// Asks for a fresh grant: the first time at once, then after a wait; at last not any more.
    pub(super) fn ask(&mut self) {
        let Phase::Fetching(_, _, download) = &mut self.state.phase else {
            return;
        };
        if download.asked == 0 {
            return self.ask_now();
        }
        download.going = if download.asked < ASKS_MAX {
            Going::Asking(self.now.after(BACK_OFF_MS << download.asked))
        } else {
            Going::Hoping
        };
    }

    fn ask_now(&mut self) {
        let up = self.up();
        let Phase::Fetching(_, _, download) = &mut self.state.phase else {
            return;
        };
        if download.asked >= ASKS_MAX || !up {
            download.going = Going::Hoping; // subscribing brings a delta too
            return;
        }
        download.asked += 1;
        download.going = Going::Asking(self.now.after(ASK_WAIT_MS));
        self.out.push(Effect::Ask);
    }

    /// Draws the wait before the next download: full jitter, so that a fleet does not come back as one.
    pub(super) fn back_off(&mut self, tries: u8) -> u64 {
        let bound = (BACK_OFF_MS << tries.min(20)).min(BACK_OFF_MS_MAX);
        1 + self.state.chance.below(bound)
    }

    /// Tells whether the server agreed to the job on this connection, or lately.
    pub(super) fn agreed(&self, run: &Run) -> bool {
        agreed(run, &self.state.link, self.now)
    }

    const fn up(&self) -> bool {
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

    fn post(&mut self, saying: Saying) -> Letter {
        let mut letter = self.write_letter(saying);
        self.send(&mut letter);
        letter
    }

    fn repeat_if_due(&mut self, letter: &mut Letter) {
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

/// Whose letter an answer answers.
enum Addressee {
    Nobody,
    Facts,
    Job,
    End,
}

/// Returns when a job under way has something to send.
pub(super) fn due(state: &State) -> Option<Monotonic> {
    if !matches!(state.link, Link::Up { .. }) {
        return None;
    }
    match run_ref(&state.phase)?.letter.as_ref() {
        Some(letter) => Some(letter.again),
        None => speech_due(state),
    }
}

/// Returns when RUNNING may be said, if there is something to say and nothing unanswered.
fn speech_due(state: &State) -> Option<Monotonic> {
    let run = run_ref(&state.phase)?;
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

pub(super) const fn run_of(phase: &mut Phase) -> Option<&mut Run> {
    match phase {
        Phase::Fetching(run, ..)
        | Phase::Writing(run, ..)
        | Phase::Fenced(run, _)
        | Phase::Switching(run, _)
        | Phase::Checking(run, _)
        | Phase::Confirming(run, _)
        | Phase::GoingBack(run, ..) => Some(run),
        Phase::Idle | Phase::Reporting(_) => None,
    }
}

const fn run_ref(phase: &Phase) -> Option<&Run> {
    match phase {
        Phase::Fetching(run, ..)
        | Phase::Writing(run, ..)
        | Phase::Fenced(run, _)
        | Phase::Switching(run, _)
        | Phase::Checking(run, _)
        | Phase::Confirming(run, _)
        | Phase::GoingBack(run, ..) => Some(run),
        Phase::Idle | Phase::Reporting(_) => None,
    }
}
