//! The engine's core without I/O: what happened goes in, what is to be done comes out. Start here.
//!
//! One device is decided in this order: load its record, decide all that waits for it, commit, and only then let the
//! effects out. While an input of a device is undecided or uncommitted no delta leaves for it (semantics 30); then
//! what it is due is computed from the durable record, so only the newest delta ever exists.

mod happening;
mod live;
mod moved;
mod outcome;
mod presence;

use std::collections::BTreeSet;

use hashbrown::HashMap;
use refit_protocol::device_id::DeviceId;
use refit_protocol::time::{Monotonic, Now};
use refit_replica::delta::{Due, due_under};
use refit_replica::input::{Catalog, Context, Input, Policy};
use refit_replica::marks::Marks;
use refit_store::store::{DeviceKey, Stored};

pub use self::happening::{Broken, From, Happening, What};
use self::live::{Live, keep_watch};
use self::moved::Moved;
pub use self::presence::Presence;
use crate::commit::Commits;
use crate::output::{Output, Telling};
use crate::work::{Loaded, Task};

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
    /// The marks that stand.
    pub marks: &'a dyn Marks,
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
    moved: Moved,
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
            moved: Moved::default(),
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
            Happening::Attach { device, peer } => self.attach(device, peer, world, out),
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
            if let Some(live) = self.devices.get_mut(&device)
                && let Some(watching) = &mut live.watching
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

    /// Returns a device's own connection.
    pub fn peer(&self, device: &DeviceId) -> Option<&P> {
        self.devices.get(device)?.peer.as_ref()
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

    /// Has the shard note which devices come, go and change, or no more; what was noted is forgotten.
    pub fn listen(&mut self, listens: bool) {
        self.moved = Moved::new(listens);
    }

    /// Takes the devices that came, went or changed since this was asked last; some may be there twice.
    pub fn take_moved(&mut self) -> Vec<DeviceKey> {
        self.moved.take()
    }

    /// Returns how many operations were decided, ever.
    pub const fn decided(&self) -> u64 {
        self.commits.decided()
    }

    /// Returns how many of the first of these are durable, or will never be.
    pub fn settled(&self) -> u64 {
        self.commits.settled()
    }

    /// Takes in an input of the shard's own.
    fn own(
        &mut self,
        device: DeviceId,
        input: Input,
        world: &mut World<'_>,
        out: &mut Vec<Output<P>>,
    ) {
        self.take_in(device, Task::own(input), world, out);
    }

    fn take_in(
        &mut self,
        device: DeviceId,
        task: Task<P>,
        world: &mut World<'_>,
        out: &mut Vec<Output<P>>,
    ) {
        let live = self.devices.entry(device.clone()).or_default();
        let untold = live.take_untold();
        if live.work.is_none() {
            out.push(Output::Load(live.row.wanted(&device)));
        }
        let work = live.work.get_or_insert_default();
        work.waiting.push_back(task);
        if untold {
            work.waiting.push_back(Task::own(Input::Subscribed));
        }
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
        let Some(live) = self.devices.get_mut(&device) else {
            return;
        };
        let Some(work) = live.work.as_deref_mut() else {
            return;
        };
        if let Some(stored) = &stored {
            live.row.remember(stored.key);
        }
        work.loaded = Some(Loaded::from_store(stored));
        self.decide(&device, world, out);
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
        let mut watch = live.watch();
        let before = watch.clone();
        let Some(work) = live.work.as_deref_mut() else {
            return;
        };
        while let Some(task) = work.waiting.pop_front() {
            if work.commits_before(&task) {
                work.waiting.push_front(task);
                break;
            }
            let mut context = Context {
                now: world.now,
                epoch: settings.epoch,
                reachable: live.reachable,
                policy: &settings.policy,
                catalog: world.catalog,
                marks: world.marks,
                random: world.random,
            };
            let room = settings.unknown_devices_join && *known < settings.devices_max;
            work.decide_one(device, task, &mut watch, &mut context, room);
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
                None => out.push(Output::Load(live.row.wanted(device))),
            }
            return;
        }
        if work.came {
            self.moved.note(live.row);
        }
        let peer = live.peer.as_ref();
        if let Some(loaded) = work
            .loaded
            .as_ref()
            .filter(|_| work.delta_due && live.reachable)
            && let Some(peer) = peer
            && let Some(due) = due_under(&loaded.record, world.marks)
        {
            out.push(telling(device, peer, loaded, due));
        }
        live.work = None;
        // Most are connected, and need no second look.
        if live.peer.is_none() {
            self.forget_if_idle(device);
        }
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
            grant: loaded.record.grant,
            state: due.state,
        },
    }
}
