//! A deadline has come: what was waited for is tried, asked or said again.

use super::Turn;
use super::effect::Effect;
use super::state::{Going, Known, Phase};
use super::work::go_back;

/// The first bound of the back-off of downloads; it doubles, up to [`BACK_OFF_MS_MAX`].
const BACK_OFF_MS: u64 = 1_000;

/// The last bound of that back-off.
const BACK_OFF_MS_MAX: u64 = 5 * 60 * 1000;

/// The first wait for a fresh grant, before it is asked for again.
const ASK_WAIT_MS: u64 = 30_000;

/// The longest pause between two questions. They never end: a job that runs is not sent again by itself, and a depot
/// that refuses for a day is no reason to go dark.
const ASK_PAUSE_MS_MAX: u64 = 60 * 60 * 1000;

impl Turn {
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
        let letter = self.state.phase.run_mut().and_then(|run| run.letter.take());
        match letter {
            Some(mut letter) => {
                self.repeat_if_due(&mut letter);
                if let Some(run) = self.state.phase.run_mut() {
                    run.letter = Some(letter);
                }
            }
            None => self.speak(),
        }
    }

    /// Asks for a fresh grant: the first time at once, then after pauses that double.
    pub(super) fn ask(&mut self) {
        let Phase::Fetching(_, _, download) = &mut self.state.phase else {
            return;
        };
        if download.asked == 0 {
            return self.ask_now();
        }
        download.going = Going::Asking(self.now.after(ask_pause(download.asked)));
    }

    fn ask_now(&mut self) {
        let up = self.up();
        let Phase::Fetching(run, _, download) = &mut self.state.phase else {
            return;
        };
        if !up {
            download.going = Going::Hoping; // subscribing brings a delta too
            return;
        }
        if download.asked > 0 {
            // No grant came: perhaps the job is over. RUNNING once more is answered with 409 then.
            run.said = None;
        }
        download.asked = download.asked.saturating_add(1);
        let wait = ask_pause(download.asked).max(ASK_WAIT_MS);
        download.going = Going::Asking(self.now.after(wait));
        self.out.push(Effect::Ask);
    }

    /// Draws the wait before the next download: full jitter, so that a fleet does not come back as one.
    pub(super) fn back_off(&mut self, tries: u8) -> u64 {
        let bound = (BACK_OFF_MS << tries.min(20)).min(BACK_OFF_MS_MAX);
        1 + self.state.chance.below(bound)
    }
}

fn ask_pause(asked: u8) -> u64 {
    (BACK_OFF_MS << asked.min(30)).min(ASK_PAUSE_MS_MAX)
}
