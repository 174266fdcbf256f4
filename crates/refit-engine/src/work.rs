//! What is going on with one device between its inputs and its effects.

mod held;
mod taken;

use std::collections::VecDeque;

use refit_access::audit::Entry;
use refit_protocol::device_id::DeviceId;
use refit_protocol::rejection::{Code, Rejection};
use refit_protocol::time::Timestamp;
use refit_replica::decide::decide;
use refit_replica::effect::{Answer, Event};
use refit_replica::input::{Context, Input};
use refit_replica::record::{JobEntry, Record};
use refit_replica::speaker::Speaker;
use refit_replica::watch::Watch;
use refit_store::rollout::RolloutGuard;
use refit_store::store::{Guard, Operation, Stored};

use self::held::Held;
pub(crate) use self::held::is_change;
use self::taken::{read, refusal, refuse_unknown};
use crate::author::{Author, Change};
use crate::output::{Output, Reply};
use crate::shard::{From, What};

/// One input, and who is to hear the answer. It is kept until it is durable: a conflict decides it again.
#[derive(Clone, Debug)]
pub(crate) struct Task<P> {
    pub(crate) what: What,
    pub(crate) from: From<P>,
}

impl<P> Task<P> {
    /// Makes an input of the shard's own, which nobody hears the answer to.
    pub(crate) fn own(input: Input) -> Self {
        Self {
            what: What::Input(Box::new(input)),
            from: From::Nobody,
        }
    }
}

impl<P> Task<P> {
    /// Returns whose change it is, if that is to be in the audit log.
    fn author(&self) -> Option<&Author> {
        match &self.from {
            From::Peer { author, .. } => author.as_deref(),
            From::Conductor { .. } | From::Nobody => None,
        }
    }

    /// Tells whether a rollout wants to open a job by it.
    fn is_assignment(&self) -> bool {
        let From::Conductor { .. } = self.from else {
            return false;
        };
        matches!(&self.what, What::Input(input) if matches!(**input, Input::Assign(_)))
    }
}

/// A record in hand.
pub(crate) struct Loaded {
    pub(crate) guard: Option<Guard>,
    pub(crate) record: Record,
}

impl Loaded {
    pub(crate) fn from_store(stored: Option<Box<Stored>>) -> Self {
        stored.map_or_else(
            || Self {
                guard: None,
                record: Record::default(),
            },
            |stored| Self {
                guard: Some(stored.guard()),
                record: stored.record,
            },
        )
    }
}

/// The work on one device.
pub(crate) struct Work<P> {
    /// Not decided yet.
    pub(crate) waiting: VecDeque<Task<P>>,
    /// The record, once it is read.
    pub(crate) loaded: Option<Loaded>,
    /// Effects of what is decided, in order; they wait for the commit.
    pub(crate) held: Vec<Held<P>>,
    /// Whether the device is to be told its delta when nothing waits any more.
    pub(crate) delta_due: bool,
    /// Whether it is so by what is durable already.
    delta_owed: bool,
    /// The watch as it was before what is being committed.
    pub(crate) before: Option<Watch>,
    /// Decided, in order, and perhaps not durable yet.
    decided: Vec<Task<P>>,
    /// The jobs that changed, as they are now.
    jobs: Vec<JobEntry>,
    /// What came after the end of jobs.
    events: Vec<Event>,
    /// What the audit log says of it.
    audit: Vec<Entry>,
    /// The rollout that opens a job with what is decided, as it was decided from.
    rollout: Option<RolloutGuard>,
    /// Whether the device has come to be told.
    pub(crate) came: bool,
    /// Whether the record in hand is another one than the stored.
    dirty: bool,
    /// Whether a commit is under way.
    in_flight: bool,
    /// Whether the device itself has spoken.
    spoke: bool,
    /// Whether the commit under way makes the device.
    made: bool,
}

impl<P> Default for Work<P> {
    fn default() -> Self {
        Self {
            waiting: VecDeque::new(),
            loaded: None,
            held: Vec::new(),
            delta_due: false,
            delta_owed: false,
            before: None,
            decided: Vec::new(),
            jobs: Vec::new(),
            events: Vec::new(),
            audit: Vec::new(),
            rollout: None,
            came: false,
            dirty: false,
            in_flight: false,
            spoke: false,
            made: false,
        }
    }
}

impl<P: Clone + PartialEq> Work<P> {
    pub(crate) const fn may_decide(&self) -> bool {
        self.loaded.is_some() && !self.in_flight
    }

    /// Decides one task. `room` tells whether a device that nobody knows may be made.
    pub(crate) fn decide_one(
        &mut self,
        device: &DeviceId,
        task: Task<P>,
        watch: &mut Watch,
        context: &mut Context<'_>,
        room: bool,
    ) {
        let Some(loaded) = &mut self.loaded else {
            return;
        };
        let (input, hash) = match read(&task.what, context.now.wall) {
            Ok(read) => read,
            Err(rejected) => return self.hold(task, Held::refused(Reply::Rejected(rejected))),
        };
        // One that was removed is as unknown as one that never was.
        let is_new = loaded.record.gone || (loaded.guard.is_none() && !self.dirty);
        if is_new && let Some(refusal) = refuse_unknown(&input, room, context.now.wall) {
            return self.hold(task, refusal);
        }
        self.spoke |= is_the_devices(&input);
        self.came |= matches!(input, Input::Subscribed);
        let change = task
            .author()
            .and_then(|_| Change::of(&input, &loaded.record));
        let decision = decide(&mut loaded.record, watch, input, context);
        if decision.changed
            && let (Some(change), Some(author)) = (change, task.author())
        {
            let line = change.line(author, device, &loaded.record, context.now.wall);
            self.audit.push(line);
        }
        if decision.changed
            && let From::Conductor { guard, .. } = &task.from
            && task.is_assignment()
        {
            self.rollout = Some(*guard);
        }
        let refused = matches!(decision.answer, Some(Answer::Rejected(_)));
        if is_new && !refused {
            loaded.record.gone = false;
        }
        self.dirty |= decision.changed || (is_new && !refused);
        self.delta_due |= decision.delta;
        for entry in &decision.jobs {
            self.jobs.retain(|known| known.id != entry.id);
            self.jobs.push(entry.clone());
        }
        self.events.extend(decision.events.iter().cloned());
        let held = Held::of(decision, &loaded.record, context.now.wall, hash);
        self.hold(task, held);
    }

    fn hold(&mut self, task: Task<P>, held: Held<P>) {
        self.held.push(held.heard_by(task.from.clone()));
        self.decided.push(task);
    }

    /// Returns what is to be written, if the record is another one now; the commit is under way then.
    ///
    /// The record itself goes with it unless a delta is to be computed from it afterwards: copying it would cost more
    /// than reading it again in the rare case that the device speaks while the commit is under way.
    pub(crate) fn operation(&mut self, device: &DeviceId, at: Timestamp) -> Option<Operation> {
        if !self.dirty {
            self.decided.clear();
            return None;
        }
        let Loaded { guard, record } = self.loaded.take()?;
        self.in_flight = true;
        self.made = guard.is_none();
        if self.delta_due {
            let record = record.clone();
            self.loaded = Some(Loaded { guard, record });
        }
        for held in &mut self.held {
            held.quiet = 0;
        }
        Some(Operation {
            device: device.clone(),
            from: guard,
            record,
            jobs: std::mem::take(&mut self.jobs),
            events: std::mem::take(&mut self.events),
            rollout: self.rollout.take(),
            audit: std::mem::take(&mut self.audit),
            seen: self.spoke.then_some(at),
            at,
        })
    }

    /// The commit is durable. Returns whether it made the device.
    pub(crate) fn applied(&mut self, guard: Guard) -> bool {
        self.in_flight = false;
        self.delta_owed = self.delta_due;
        self.dirty = false;
        self.spoke = false;
        self.decided.clear();
        self.before = None;
        if let Some(loaded) = &mut self.loaded {
            loaded.guard = Some(guard);
        }
        self.made
    }

    /// Nothing of it was written: everything is to be decided again. Returns the watch as it was before.
    pub(crate) fn start_again(&mut self) -> Option<Watch> {
        self.in_flight = false;
        self.dirty = false;
        self.spoke = false;
        // What an earlier commit made due is due still.
        self.delta_due = self.delta_owed;
        self.loaded = None;
        self.held.clear();
        self.jobs.clear();
        self.events.clear();
        self.audit.clear();
        self.rollout = None;
        for task in self.decided.drain(..).rev() {
            self.waiting.push_front(task);
        }
        self.before.take()
    }

    /// Tells whether what is decided must be committed before this is: a commit is guarded by one rollout.
    pub(crate) fn commits_before(&self, task: &Task<P>) -> bool {
        self.rollout.is_some() && task.is_assignment()
    }

    /// Takes out what rollouts want, once everything waits again.
    pub(crate) fn without_assignments(&mut self) -> Vec<Task<P>> {
        let (void, rest) = std::mem::take(&mut self.waiting)
            .into_iter()
            .partition(Task::is_assignment);
        self.waiting = rest;
        let void: VecDeque<Task<P>> = void;
        void.into()
    }

    /// Tells whether there is an input of the shard's own, which nobody would repeat.
    pub(crate) fn wants_itself(&self) -> bool {
        self.delta_owed || self.own_inputs().next().is_some()
    }

    /// Tells whether a delta would be lost with this: one that is due already, or is asked for by a subscription.
    pub(crate) fn owes_delta(&self) -> bool {
        self.delta_owed
            || self
                .own_inputs()
                .any(|own| matches!(own, Input::Subscribed))
    }

    fn own_inputs(&self) -> impl Iterator<Item = &Input> {
        self.waiting
            .iter()
            .filter_map(|task| match (&task.from, &task.what) {
                (From::Nobody, What::Input(input)) => Some(&**input),
                _ => None,
            })
    }

    /// Answers everything with "not now"; `peer` is the device's own connection.
    pub(crate) fn refuse_all(
        self,
        device: &DeviceId,
        peer: Option<&P>,
        now: Timestamp,
        out: &mut Vec<Output<P>>,
    ) {
        let asked = |task: &Task<P>| !matches!(task.from, From::Nobody);
        for task in self.decided.into_iter().chain(self.waiting).filter(asked) {
            let reply = Reply::Rejected(refusal(
                &task.what,
                Rejection::new(
                    Code::Unavailable,
                    "it could not be stored now; say it again later",
                ),
                now,
            ));
            out.push(Output::Answer {
                device: device.clone(),
                to: task.from,
                peer: peer.cloned(),
                reply,
            });
        }
    }
}

/// Tells whether an input is a sign of life of the device itself.
const fn is_the_devices(input: &Input) -> bool {
    matches!(
        input,
        Input::Subscribed
            | Input::Update {
                speaker: Speaker::Device,
                ..
            }
            | Input::Ask {
                speaker: Speaker::Device
            }
    )
}
