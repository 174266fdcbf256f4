//! The conductor's loop: take in what happened, look at each rollout, do what is next, and say what it waits for.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use crossbeam_channel::{Receiver, RecvTimeoutError};
use refit_access::audit::Entry;
use refit_protocol::rollout::RolloutId;
use refit_protocol::time::{Now, Timestamp};
use refit_rollout::state::{RolloutState, Status};
use refit_rollout::step::{Health, Step, WaveView, step};
use refit_store::reader::Reader;
use refit_store::rollout::{RolloutChange, RolloutOutcome, RolloutRow, Wave};
use refit_store::store::Failure;
use serde_json::json;

use super::course::{Course, Sight};
use super::pack::pack;
use super::peers::Peers;
use super::sort::sort;
use super::{Conductor, Told, Waits};
use crate::author::Author;
use crate::driver::clock::Clock;
use crate::events::RolloutAct;
use crate::output::with_sources;

/// How often rollouts are looked at, at most: what happens in between is one look.
const LOOK_MS: u64 = 250;

/// How often it is looked whether another server changed a rollout.
const REREAD_MS: u64 = 10_000;

/// A look takes time that grows with the members. It is followed by a pause of so many times that long.
const PAUSE_FACTOR: u64 = 4;

/// How many steps one rollout takes before the others have their turn.
const STEPS_MAX: usize = 16;

/// The conductor's thread.
pub(crate) struct Turn {
    pub(super) conductor: Conductor,
    pub(super) reader: Box<dyn Reader>,
    clock: Clock,
    courses: BTreeMap<RolloutId, Course>,
    /// Aborted rollouts of which jobs may be left that are not folded yet.
    pub(super) sweeping: BTreeMap<RolloutId, RolloutRow>,
    /// Those of which none is.
    pub(super) swept: BTreeSet<RolloutId>,
    pub(super) moved: BTreeSet<u32>,
    pub(super) stopping: bool,
    pub(super) next_number: u32,
    listens: bool,
    reread_at: u64,
}

impl Turn {
    pub(crate) fn new(conductor: Conductor) -> Result<Self, Failure> {
        let reader = conductor.parts().store.reader()?;
        Ok(Self {
            conductor,
            reader,
            clock: Clock::start(),
            courses: BTreeMap::new(),
            sweeping: BTreeMap::new(),
            swept: BTreeSet::new(),
            moved: BTreeSet::new(),
            stopping: false,
            next_number: 0,
            listens: false,
            reread_at: 0,
        })
    }

    pub(super) fn now(&self) -> Now {
        self.clock.now()
    }

    pub(crate) fn run(mut self, told: &Receiver<Told>) {
        let mut wait = Duration::ZERO;
        loop {
            let next = told.recv_timeout(wait);
            let first = match next {
                Ok(first) => Some(first),
                Err(RecvTimeoutError::Timeout) => None,
                Err(RecvTimeoutError::Disconnected) => return,
            };
            for told in first.into_iter().chain(told.try_iter()) {
                self.take_in(told);
            }
            if self.stopping {
                return;
            }
            let began = self.now().mono.0;
            let looked = self.look(told);
            if let Err(failure) = &looked {
                tracing::error!("rollouts stand still: {}", with_sources(failure));
            }
            let now = self.now();
            // What happens while it pauses gathers, and is one look.
            let pause = LOOK_MS.max((now.mono.0 - began) * PAUSE_FACTOR);
            if self.pause(told, pause) {
                return;
            }
            wait = if self.moved.is_empty() {
                self.idle(now.wall)
            } else {
                Duration::ZERO
            };
        }
    }

    /// Waits without looking; tells whether it is time to stop.
    fn pause(&mut self, told: &Receiver<Told>, milliseconds: u64) -> bool {
        let until = self.now().mono.0 + milliseconds;
        loop {
            let left = until.saturating_sub(self.now().mono.0);
            match told.recv_timeout(Duration::from_millis(left)) {
                // Whoever acted wants to see it.
                Ok(Told::Look) => {
                    self.reread_at = 0;
                    return false;
                }
                Ok(other) => self.take_in(other),
                Err(RecvTimeoutError::Timeout) => return self.stopping,
                Err(RecvTimeoutError::Disconnected) => return true,
            }
            if self.stopping {
                return true;
            }
        }
    }

    /// Returns how long nothing may happen by itself.
    fn idle(&self, now: Timestamp) -> Duration {
        let due = self.courses.values().filter_map(|course| course.until);
        let due = due.map(|until| until.as_millis().saturating_sub(now.as_millis()));
        let longest = REREAD_MS;
        Duration::from_millis(due.chain([longest]).min().unwrap_or(longest))
    }

    pub(super) fn take_in(&mut self, told: Told) {
        match told {
            Told::Moved(keys) => {
                let keys = keys.into_iter().map(|key| u32::try_from(key.0));
                self.moved.extend(keys.filter_map(Result::ok));
            }
            // An answer that was given up.
            Told::Answered { .. } => {}
            Told::Look => self.reread_at = 0,
            Told::Stop => self.stopping = true,
        }
    }

    fn look(&mut self, told: &Receiver<Told>) -> Result<(), Failure> {
        if self.reread_at <= self.now().mono.0 {
            self.reread()?;
            self.reread_at = self.now().mono.0 + REREAD_MS;
        }
        self.sweep(told)?;
        self.listen();
        let moved = std::mem::take(&mut self.moved);
        let fleet = self.conductor.parts().fleet.clone();
        let mut courses = std::mem::take(&mut self.courses);
        for course in courses.values_mut() {
            if course.is_under_way() && course.is_blank {
                course.load(&mut *self.reader, &fleet)?;
            } else {
                course.refresh(&mut *self.reader, &fleet, moved.iter().copied())?;
            }
        }
        let mut peers = Peers::default();
        for course in courses.values().filter(|course| course.is_under_way()) {
            peers.add(course.guard.id, course.name.clone(), course.plan.priority);
        }
        let mut done = Ok(());
        for course in courses.values_mut() {
            let advanced = self.advance(course, &peers, told);
            done = done.and(advanced);
            if self.stopping {
                break;
            }
        }
        courses.retain(|_, course| !course.state.status.is_over());
        self.courses = courses;
        done
    }

    /// Reads which rollouts there are, and how they stand.
    fn reread(&mut self) -> Result<(), Failure> {
        for row in self.reader.rollouts()? {
            let is_over = matches!(row.status.as_str(), "ABORTED" | "FINISHED");
            if is_over {
                self.courses.remove(&row.id);
                if row.status == "ABORTED" && !self.swept.contains(&row.id) {
                    self.conductor.parts().marks.abort(row.id);
                    self.sweeping.insert(row.id, row);
                }
                continue;
            }
            let known = self.courses.get(&row.id).map(|course| course.guard);
            if known == Some(row.guard()) {
                continue;
            }
            let (id, had_begun) = (
                row.id,
                self.courses.get(&row.id).is_some_and(Course::is_under_way),
            );
            let next = Course::of(&row, &mut *self.reader);
            match (self.courses.get_mut(&id), next) {
                // Its members are frozen, and known.
                (Some(course), Ok(next)) if had_begun => {
                    course.guard = next.guard;
                    course.state = next.state;
                    course.until = None;
                }
                (_, Ok(next)) => drop(self.courses.insert(id, next)),
                (_, Err(failure)) => {
                    tracing::error!("a rollout stands still: {}", with_sources(&failure));
                }
            }
        }
        Ok(())
    }

    /// Listens to devices while a rollout is under way. Who listens first, and reads then, misses nothing.
    fn listen(&mut self) {
        self.hear(self.courses.values().any(Course::is_under_way));
    }

    pub(super) fn hear(&mut self, wanted: bool) {
        if wanted != self.listens {
            self.listens = wanted;
            let mail = wanted.then(|| self.conductor.0.mail.clone());
            self.conductor.parts().fleet.listen(mail);
            if !wanted {
                self.moved.clear();
            }
        }
    }

    /// Takes a rollout as far as it goes now.
    fn advance(
        &mut self,
        course: &mut Course,
        peers: &Peers,
        told: &Receiver<Told>,
    ) -> Result<(), Failure> {
        for _ in 0..STEPS_MAX {
            let now = self.now();
            let sight = Sight {
                peers,
                strength: self.conductor.parts().strength,
                now: now.wall,
            };
            let views = course.views(sight);
            let members = course.state.members.unwrap_or_default();
            let next = step(&course.snapshot(&views, members, &Health::Off), now);
            match next {
                Step::Wait { why, until } => {
                    let why = why.iter().map(ToString::to_string).collect();
                    course.until = until;
                    let waits = Waits { why, until };
                    self.conductor.says(course.guard.id, waits);
                    return Ok(());
                }
                Step::Begin => {
                    if !self.begin(course, now.wall)? {
                        return Ok(());
                    }
                    self.hear(true);
                    course.load(&mut *self.reader, &self.conductor.parts().fleet.clone())?;
                }
                Step::Open { wave, at_most } => {
                    let ready = course.ready(wave, at_most, sight);
                    let spent = Step::Open {
                        wave,
                        at_most: ready.len() as u32,
                    };
                    if ready.is_empty() || !self.follow(course, &spent, &views, now.wall)? {
                        return Ok(());
                    }
                    if !self.open(course, wave, &ready, told) {
                        return Ok(());
                    }
                }
                other => {
                    if !self.follow(course, &other, &views, now.wall)? {
                        return Ok(());
                    }
                    if course.state.status.is_over() {
                        return Ok(());
                    }
                }
            }
        }
        // It goes on when the others had their turn.
        course.until = Some(Timestamp(0));
        Ok(())
    }

    /// Freezes the members and begins, or asks again for approval. Tells whether it has begun.
    fn begin(&mut self, course: &mut Course, now: Timestamp) -> Result<bool, Failure> {
        let id = course.guard.id;
        let fleet = self.conductor.parts().fleet.clone();
        let of = (id, &course.plan, &course.ways);
        let sorted = sort(&mut *self.reader, &fleet, of, now)?;
        let cut = sorted.cut(id, &course.plan);
        let health = Health::Off;
        let snapshot = course.snapshot(&[], cut.members, &health);
        let Some(next) = course.state.follow(&Step::Begin, &snapshot, now) else {
            return Ok(false);
        };
        let begins = matches!(next.status, Status::Running { .. });
        let waves = cut.waves.iter().filter(|_| begins);
        let waves = (0..).zip(waves).map(|(wave, keys)| Wave {
            wave,
            size: keys.len() as u64,
            members: pack(keys),
        });
        let act = if begins {
            RolloutAct::Begun
        } else {
            RolloutAct::AsksApproval
        };
        let told = Some((act, format!("{} devices", cut.members.count)));
        let done = self.commit(course, next, waves.collect(), told, now)?;
        Ok(done && begins)
    }

    /// Commits what a step makes of the state; tells whether that stands.
    fn follow(
        &mut self,
        course: &mut Course,
        taken: &Step,
        views: &[WaveView],
        now: Timestamp,
    ) -> Result<bool, Failure> {
        let members = course.state.members.unwrap_or_default();
        let health = Health::Off;
        let snapshot = course.snapshot(views, members, &health);
        let next = course.state.follow(taken, &snapshot, now);
        let Some(next) = next.filter(|next| *next != course.state) else {
            return Ok(true);
        };
        self.commit(course, next, Vec::new(), told_of(taken), now)
    }

    fn commit(
        &mut self,
        course: &mut Course,
        next: RolloutState,
        waves: Vec<Wave>,
        told: Option<(RolloutAct, String)>,
        now: Timestamp,
    ) -> Result<bool, Failure> {
        let text = serde_json::to_string(&next)
            .map_err(|error| Failure::Corrupt(format!("a rollout's state: {error}")))?;
        let status = next.status.as_str();
        let is_other = status != course.state.status.as_str();
        let change = RolloutChange::Update {
            from: course.guard,
            state: Some((text, status.into())),
            plan: None,
            waves,
            at: now,
        };
        let line =
            is_other.then(|| line(course, status, told.as_ref().map(|(_, detail)| detail), now));
        let store = Arc::clone(&self.conductor.parts().store);
        match store.change_rollout(change, line)? {
            RolloutOutcome::Done(guard) => {
                course.guard = guard;
                course.state = next;
                if status == "ABORTED" {
                    self.conductor.parts().marks.abort(guard.id);
                    self.reread_at = 0;
                }
                if let Some((act, detail)) = told {
                    self.conductor.tell(now, &course.name, act, Some(detail));
                }
                Ok(true)
            }
            // Somebody else decided: look at that first.
            RolloutOutcome::Conflict(_) | RolloutOutcome::Missing | RolloutOutcome::Taken => {
                self.reread_at = 0;
                self.conductor.look();
                Ok(false)
            }
        }
    }
}

/// Returns how a step is told, if it is.
fn told_of(step: &Step) -> Option<(RolloutAct, String)> {
    let wave = |wave: &u16| format!("wave {}", wave + 1);
    Some(match step {
        Step::OpenWave { wave: at } => (RolloutAct::WaveOpened, wave(at)),
        Step::Soak { wave: at } => (RolloutAct::WaveSoaking, wave(at)),
        Step::CloseWave { wave: at } => (RolloutAct::WaveDone, wave(at)),
        Step::Pause(because) => (RolloutAct::Paused, because.to_string()),
        Step::Abort(because) => (RolloutAct::Aborted, because.to_string()),
        Step::Finish { unreached } => (RolloutAct::Finished, format!("{unreached} unreached")),
        Step::Begin | Step::Open { .. } | Step::Wait { .. } => return None,
    })
}

/// Writes the line of the audit log for what a rollout does by itself.
fn line(course: &Course, status: &str, detail: Option<&String>, now: Timestamp) -> Entry {
    let author = Author {
        actor: "refit".into(),
        source: None,
        request: None,
    };
    let before = json!({ "status": course.state.status.as_str() }).to_string();
    let after = json!({ "status": status, "because": detail }).to_string();
    let target = format!("rollout:{}", course.name);
    author.line(now, "rollout:steer", target, (Some(before), Some(after)))
}
