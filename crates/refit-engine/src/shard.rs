//! The engine's core without I/O: what happened goes in, what is to be done comes out. Start here.
//!
//! One device is decided in this order: load its record, decide all that waits for it, commit, and only then let the
//! effects out. While an input of a device is undecided or uncommitted no delta leaves for it (semantics 30); then
//! what it is due is computed from the durable record, so only the newest delta ever exists.

use std::collections::BTreeSet;

use hashbrown::HashMap;
use refit_protocol::device_id::DeviceId;
use refit_protocol::time::{Monotonic, Now};
use refit_replica::delta::{Due, due};
use refit_replica::input::{Catalog, Context, Input, Policy};
use refit_replica::speaker::Speaker;
use refit_replica::watch::Watch;
use refit_store::store::{Failure, Outcome, Stored};

use crate::commit::Commits;
use crate::output::{Output, Telling};
use crate::work::{Loaded, Task, Work};

/// Something that happened. `P` names a connection; the shard only compares it and hands it back.
#[derive(Clone, Debug)]
pub enum Happening<P> {
    /// A device connected.
    Attach {
        /// The device.
        device: DeviceId,
        /// Its connection.
        peer: P,
    },
    /// A connection of a device ended.
    Detach {
        /// The device.
        device: DeviceId,
        /// The connection that ended; an older one than the present says nothing.
        peer: P,
    },
    /// A device subscribed to its delta.
    Subscribe {
        /// The device.
        device: DeviceId,
        /// Its connection.
        peer: P,
    },
    /// A device is connected, but no longer subscribed to its delta.
    Unsubscribe {
        /// The device.
        device: DeviceId,
        /// Its connection.
        peer: P,
    },
    /// Somebody says or wants something about a device.
    Submit {
        /// The device.
        device: DeviceId,
        /// What.
        what: What,
        /// Who is to hear the answer.
        from: From<P>,
    },
    /// A record was read.
    Loaded {
        /// The device.
        device: DeviceId,
        /// What is stored; `None`: nothing.
        stored: Option<Box<Stored>>,
    },
    /// A record could not be read.
    LoadFailed {
        /// The device.
        device: DeviceId,
        /// Why, for the log.
        why: String,
    },
    /// A commit came back.
    Committed {
        /// The number that [`Output::Commit`] had.
        ticket: u64,
        /// One outcome per operation, or why there is none.
        result: Result<Vec<Outcome>, Broken>,
    },
    /// A job of a device that is not connected runs on; its timers go on.
    Resume {
        /// The device.
        device: DeviceId,
    },
}

/// Why a whole batch came to nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Broken {
    /// Nothing was written, for want of room on the disk or in the store's queue; it may work later.
    Full,
    /// It may or may not be durable.
    Unknown(String),
}

impl std::convert::From<Failure> for Broken {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Full | Failure::Busy => Self::Full,
            other => Self::Unknown(crate::output::with_sources(&other)),
        }
    }
}

/// What is submitted.
#[derive(Clone, Debug)]
pub enum What {
    /// The payload of an update, as it came.
    Payload {
        /// Who says it.
        speaker: Speaker,
        /// The bytes.
        payload: Box<[u8]>,
        /// By which hash it is known again if it changes nothing; 0: not at all.
        hash: u64,
    },
    /// Something that is already read.
    Input(Box<Input>),
}

/// Who is to hear the answer.
#[derive(Clone, Debug)]
pub enum From<P> {
    /// This connection, under this receipt.
    Peer {
        /// The connection.
        peer: P,
        /// Its number for the submission.
        receipt: u32,
    },
    /// Nobody: the shard itself wanted it.
    Nobody,
}

/// Whether a device is there to be told something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Presence {
    /// It is not connected.
    Away,
    /// It is connected, but has not subscribed to its delta.
    Connected,
    /// It is connected, and subscribed to its delta.
    Reachable,
}

/// What a shard is told once.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Timers and bounds of jobs.
    pub policy: Policy,
    /// The store's epoch.
    pub epoch: u16,
    /// How many devices may exist; beyond it unknown ones are refused.
    pub devices_max: u64,
    /// Whether a device that nobody knows is made when it first speaks.
    pub unknown_devices_join: bool,
}

/// What a shard needs of the world to decide.
pub struct World<'a> {
    /// Both clocks.
    pub now: Now,
    /// Which artifacts the depot has.
    pub catalog: &'a dyn Catalog,
    /// Randomness.
    pub random: &'a mut dyn FnMut() -> u128,
}

/// All devices of one server, as far as something is going on with them.
pub struct Shard<P> {
    settings: Settings,
    devices: HashMap<DeviceId, Live<P>>,
    /// How many devices the store has.
    known: u64,
    timers: BTreeSet<(Monotonic, DeviceId)>,
    commits: Commits,
    connected: usize,
}

/// What is kept in memory of one device. An idle connected one has no work and no watch.
struct Live<P> {
    peer: Option<P>,
    reachable: bool,
    watching: Option<Box<Watching>>,
    work: Option<Box<Work<P>>>,
}

/// The volatile side of an open job, and when its timer is armed for.
struct Watching {
    watch: Watch,
    armed: Option<Monotonic>,
}

impl<P> Default for Live<P> {
    fn default() -> Self {
        Self {
            peer: None,
            reachable: false,
            watching: None,
            work: None,
        }
    }
}

impl<P: Clone + PartialEq> Shard<P> {
    /// Makes a shard of a store that has `known` devices.
    pub fn new(settings: Settings, known: u64) -> Self {
        Self {
            settings,
            devices: HashMap::new(),
            known,
            timers: BTreeSet::new(),
            commits: Commits::default(),
            connected: 0,
        }
    }

    /// Takes in what happened, and adds to `out` what is to be done, in order.
    pub fn handle(
        &mut self,
        happening: Happening<P>,
        world: &mut World<'_>,
        out: &mut Vec<Output<P>>,
    ) {
        match happening {
            Happening::Attach { device, peer } => self.attach(device, peer, out),
            Happening::Detach { device, peer } => self.detach(device, &peer, world, out),
            Happening::Subscribe { device, peer } => self.subscribe(device, &peer, world, out),
            Happening::Unsubscribe { device, peer } => self.unsubscribe(device, &peer, world, out),
            Happening::Submit { device, what, from } => {
                self.take_in(device, Task { what, from }, world, out);
            }
            Happening::Resume { device } => self.own(device, Input::Due, world, out),
            Happening::Loaded { device, stored } => self.loaded(device, stored, world, out),
            Happening::LoadFailed { device, why } => self.load_failed(&device, &why, world, out),
            Happening::Committed { ticket, result } => self.committed(ticket, result, world, out),
        }
    }

    /// Sends off what waits to be committed. Called when nothing more is at hand, so that one commit takes all.
    pub fn flush(&mut self, out: &mut Vec<Output<P>>) {
        while let Some((ticket, operations)) = self.commits.take_batch() {
            out.push(Output::Commit { ticket, operations });
        }
    }

    /// Returns when [`Shard::tick`] wants to be called next.
    pub fn next_due(&self) -> Option<Monotonic> {
        self.timers.first().map(|(at, _)| *at)
    }

    /// Lets come due what has come due.
    pub fn tick(&mut self, world: &mut World<'_>, out: &mut Vec<Output<P>>) {
        while self.next_due().is_some_and(|at| at <= world.now.mono) {
            let Some((_, device)) = self.timers.pop_first() else {
                return;
            };
            if let Some(watching) = self
                .devices
                .get_mut(&device)
                .and_then(|l| l.watching.as_mut())
            {
                watching.armed = None;
            }
            self.own(device, Input::Due, world, out);
        }
    }

    /// Returns how many devices are connected.
    pub const fn connected(&self) -> usize {
        self.connected
    }

    /// Tells whether a device is there to be told something.
    pub fn presence(&self, device: &DeviceId) -> Presence {
        match self.devices.get(device) {
            Some(live) if live.reachable => Presence::Reachable,
            Some(live) if live.peer.is_some() => Presence::Connected,
            Some(_) | None => Presence::Away,
        }
    }

    /// Tells whether everything that was taken in is decided and durable.
    pub fn is_settled(&self) -> bool {
        self.commits.is_empty() && self.devices.values().all(|live| live.work.is_none())
    }

    /// Returns all connections, to close them.
    pub fn peers(&self) -> impl Iterator<Item = &P> {
        self.devices.values().filter_map(|live| live.peer.as_ref())
    }

    fn attach(&mut self, device: DeviceId, peer: P, out: &mut Vec<Output<P>>) {
        let live = self.devices.entry(device).or_default();
        live.reachable = false;
        match live.peer.replace(peer) {
            Some(old) => out.push(Output::TakeOver { peer: old }),
            None => self.connected += 1,
        }
    }

    fn detach(
        &mut self,
        device: DeviceId,
        peer: &P,
        world: &mut World<'_>,
        out: &mut Vec<Output<P>>,
    ) {
        if self.leave(&device, peer) {
            if let Some(live) = self.devices.get_mut(&device) {
                live.peer = None;
                self.connected -= 1;
            }
            self.note_timers(device, world, out);
        }
    }

    fn unsubscribe(
        &mut self,
        device: DeviceId,
        peer: &P,
        world: &mut World<'_>,
        out: &mut Vec<Output<P>>,
    ) {
        if self.leave(&device, peer) {
            self.note_timers(device, world, out);
        }
    }

    /// Makes a device unreachable, if this is its present connection.
    fn leave(&mut self, device: &DeviceId, peer: &P) -> bool {
        match self.devices.get_mut(device) {
            Some(live) if live.peer.as_ref() == Some(peer) => {
                live.reachable = false;
                true
            }
            Some(_) | None => false,
        }
    }

    fn note_timers(&mut self, device: DeviceId, world: &mut World<'_>, out: &mut Vec<Output<P>>) {
        let Some(live) = self.devices.get(&device) else {
            return;
        };
        if live.watching.is_some() || live.work.is_some() {
            self.own(device, Input::Detached, world, out);
        } else {
            self.forget_if_idle(&device);
        }
    }

    fn subscribe(
        &mut self,
        device: DeviceId,
        peer: &P,
        world: &mut World<'_>,
        out: &mut Vec<Output<P>>,
    ) {
        match self.devices.get_mut(&device) {
            Some(live) if live.peer.as_ref() == Some(peer) => live.reachable = true,
            Some(_) | None => return,
        }
        self.own(device, Input::Subscribed, world, out);
    }

    /// Takes in an input of the shard's own.
    fn own(
        &mut self,
        device: DeviceId,
        input: Input,
        world: &mut World<'_>,
        out: &mut Vec<Output<P>>,
    ) {
        let task = Task {
            what: What::Input(Box::new(input)),
            from: From::Nobody,
        };
        self.take_in(device, task, world, out);
    }

    fn take_in(
        &mut self,
        device: DeviceId,
        task: Task<P>,
        world: &mut World<'_>,
        out: &mut Vec<Output<P>>,
    ) {
        let live = self.devices.entry(device.clone()).or_default();
        let work = live.work.get_or_insert_with(|| {
            out.push(Output::Load(device.clone()));
            Box::default()
        });
        work.waiting.push_back(task);
        if work.may_decide() {
            self.decide(&device, world, out);
        }
    }

    fn loaded(
        &mut self,
        device: DeviceId,
        stored: Option<Box<Stored>>,
        world: &mut World<'_>,
        out: &mut Vec<Output<P>>,
    ) {
        let Some(work) = self.work_of(&device) else {
            return;
        };
        work.loaded = Some(Loaded::from_store(stored));
        self.decide(&device, world, out);
    }

    fn load_failed(
        &mut self,
        device: &DeviceId,
        why: &str,
        world: &mut World<'_>,
        out: &mut Vec<Output<P>>,
    ) {
        out.push(Output::Trouble {
            device: device.clone(),
            why: why.into(),
        });
        if let Some(work) = self
            .devices
            .get_mut(device)
            .and_then(|live| live.work.take())
        {
            work.refuse_all(device, world.now.wall, out);
        }
        self.forget_if_idle(device);
    }

    fn work_of(&mut self, device: &DeviceId) -> Option<&mut Work<P>> {
        self.devices.get_mut(device)?.work.as_deref_mut()
    }

    /// Decides all that waits for a device, on the record in hand.
    fn decide(&mut self, device: &DeviceId, world: &mut World<'_>, out: &mut Vec<Output<P>>) {
        let Self {
            settings,
            devices,
            known,
            timers,
            commits,
            ..
        } = self;
        let Some(live) = devices.get_mut(device) else {
            return;
        };
        let Some(work) = live.work.as_deref_mut() else {
            return;
        };
        let mut watch = live
            .watching
            .as_ref()
            .map_or_else(Watch::default, |w| w.watch.clone());
        let before = watch.clone();
        while let Some(task) = work.waiting.pop_front() {
            let mut context = Context {
                now: world.now,
                epoch: settings.epoch,
                reachable: live.reachable,
                policy: &settings.policy,
                catalog: world.catalog,
                random: world.random,
            };
            let room = settings.unknown_devices_join && *known < settings.devices_max;
            work.decide_one(task, &mut watch, &mut context, room);
        }
        if let Some(operation) = work.operation(device, world.now.wall) {
            work.before = Some(before);
            if let Some(peer) = &live.peer {
                out.push(Output::Quiet {
                    peer: peer.clone(),
                    hash: 0,
                });
            }
            commits.add(operation);
            keep_watch(timers, device, live, watch, None);
            return;
        }
        keep_watch(timers, device, live, watch, None);
        self.release(device, world, out);
    }

    /// Lets out the effects of what is durable, then the delta, if nothing else waits.
    fn release(&mut self, device: &DeviceId, world: &mut World<'_>, out: &mut Vec<Output<P>>) {
        let Some(live) = self.devices.get_mut(device) else {
            return;
        };
        let Some(work) = live.work.as_deref_mut() else {
            return;
        };
        for held in work.held.drain(..) {
            held.release(device, live.peer.as_ref(), out);
        }
        if !work.waiting.is_empty() {
            match work.loaded {
                Some(_) => self.decide(device, world, out),
                None => out.push(Output::Load(device.clone())),
            }
            return;
        }
        let peer = live.peer.as_ref();
        if let Some(loaded) = work
            .loaded
            .as_ref()
            .filter(|_| work.delta_due && live.reachable)
            && let Some(peer) = peer
            && let Some(due) = due(&loaded.record)
        {
            out.push(telling(device, peer, loaded, due));
        }
        live.work = None;
        self.forget_if_idle(device);
    }

    fn committed(
        &mut self,
        ticket: u64,
        result: Result<Vec<Outcome>, Broken>,
        world: &mut World<'_>,
        out: &mut Vec<Output<P>>,
    ) {
        let devices = self.commits.came_back(ticket);
        match result {
            Ok(outcomes) => {
                for (device, outcome) in devices.iter().zip(outcomes) {
                    self.outcome(device, outcome, world, out);
                }
            }
            Err(Broken::Full) => {
                for device in &devices {
                    self.not_stored(device, world, out);
                }
            }
            // Nothing is known, so nothing is said: the process stops and looks (research: store §5).
            Err(Broken::Unknown(why)) => out.push(Output::Stop { why }),
        }
    }

    fn outcome(
        &mut self,
        device: &DeviceId,
        outcome: Outcome,
        world: &mut World<'_>,
        out: &mut Vec<Output<P>>,
    ) {
        match outcome {
            Outcome::Applied(guard) => {
                let Some(work) = self.work_of(device) else {
                    return;
                };
                let made = work.applied(guard);
                self.known += u64::from(made);
                self.release(device, world, out);
            }
            // Somebody else wrote the record: read it and decide the same again.
            Outcome::Conflict | Outcome::Missing => {
                let Some(live) = self.devices.get_mut(device) else {
                    return;
                };
                let Some(work) = live.work.as_deref_mut() else {
                    return;
                };
                let before = work.start_again();
                keep_watch(&mut self.timers, device, live, before, None);
                out.push(Output::Load(device.clone()));
            }
        }
    }

    fn not_stored(&mut self, device: &DeviceId, world: &mut World<'_>, out: &mut Vec<Output<P>>) {
        let Some(live) = self.devices.get_mut(device) else {
            return;
        };
        let Some(mut work) = live.work.take() else {
            return;
        };
        let before = work.start_again();
        // What the shard itself wanted is wanted again, but a full disk is asked only once in a while.
        let again = live.reachable || !before.is_idle();
        let earliest = again.then(|| world.now.mono.after(FULL_PAUSE_MS));
        keep_watch(&mut self.timers, device, live, before, earliest);
        work.refuse_all(device, world.now.wall, out);
        self.forget_if_idle(device);
    }

    fn forget_if_idle(&mut self, device: &DeviceId) {
        if let Some(live) = self.devices.get(device)
            && live.peer.is_none()
            && live.work.is_none()
            && live.watching.is_none()
        {
            self.devices.remove(device);
        }
    }
}

/// How long a timer waits that could not be stored because the disk is full, in milliseconds.
const FULL_PAUSE_MS: u64 = 5_000;

/// Keeps a watch, if there is something to keep, and moves its timer; not before `earliest`, if that is given.
fn keep_watch<P>(
    timers: &mut BTreeSet<(Monotonic, DeviceId)>,
    device: &DeviceId,
    live: &mut Live<P>,
    watch: Watch,
    earliest: Option<Monotonic>,
) {
    let armed_before = live.watching.as_ref().and_then(|watching| watching.armed);
    let armed = match (watch.next_due(), earliest) {
        (Some(due), Some(earliest)) => Some(due.max(earliest)),
        (due, earliest) => due.or(earliest),
    };
    if armed != armed_before {
        if let Some(at) = armed_before {
            timers.remove(&(at, device.clone()));
        }
        if let Some(at) = armed {
            timers.insert((at, device.clone()));
        }
    }
    let keep = armed.is_some() || !watch.is_idle();
    live.watching = keep.then(|| Box::new(Watching { watch, armed }));
}

fn telling<P: Clone>(device: &DeviceId, peer: &P, loaded: &Loaded, due: Due<'_>) -> Output<P> {
    Output::Delta {
        device: device.clone(),
        peer: peer.clone(),
        telling: Telling {
            version: loaded.record.version,
            job: due
                .job
                .map(|job| (job.id.clone(), job.software_url.clone())),
            previous: loaded.record.reported_software().map(Into::into),
            state: due.state,
        },
    }
}
