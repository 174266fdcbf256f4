//! The engine's thread: the only clock, the only randomness, and no decision.

pub(crate) mod clock;
mod indexing;

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, unbounded};
use hashbrown::{DefaultHashBuilder, HashMap};
use refit_protocol::device_id::DeviceId;
use refit_protocol::time::Now;
use refit_store::reader::{Reader, Wanted};
use refit_store::store::{Failure, Outcome, Store};
use tokio::sync::watch;

use self::clock::{Clock, seeded};
use crate::conductor::Told;
use crate::events::{EventKind, Feed};
use crate::fleet::Fleet;
use crate::indexing::note::Note;
use crate::indexing::{Change, Indexing, News};
use crate::jump::jump;
use crate::marks::Table;
use crate::output::{Output, Reply, with_sources};
use crate::releases::Releases;
use crate::seat::{Close, Seat};
use crate::send::{Grantor, Speech};
use crate::shard::{Broken, From, Happening, Presence, Settings, Shard, World};
use crate::watchers::Watchers;

/// How many happenings are taken in before what waits is committed.
const HAPPENINGS_PER_ROUND_MAX: usize = 1024;

/// What an engine is made of.
pub struct Parts {
    /// Where the records are.
    pub store: Arc<dyn Store>,
    /// Who mints grants.
    pub grantor: Arc<dyn Grantor>,
    /// The releases of the depot.
    pub releases: Arc<Releases>,
    /// What the shard is told once.
    pub settings: Settings,
}

/// Figures of a running engine.
#[derive(Debug, Default)]
pub struct Figures {
    /// Devices that are connected.
    pub connected: AtomicU64,
    /// Happenings taken in.
    pub happenings: AtomicU64,
    /// Records loaded.
    pub loads: AtomicU64,
    /// Operations handed to the store.
    pub operations: AtomicU64,
    /// Deltas that left.
    pub deltas: AtomicU64,
}

/// A running engine.
pub struct Engine {
    fleet: Fleet,
    mail: Sender<Mail>,
    figures: Arc<Figures>,
    marks: Arc<Table>,
    stopped: watch::Receiver<Option<String>>,
    thread: Option<JoinHandle<()>>,
    indexer: Option<JoinHandle<()>>,
}

/// What the thread receives.
pub(crate) enum Mail {
    Happening(Happening<Arc<Seat>>),
    Presence(Vec<DeviceId>, Sender<Vec<Presence>>),
    Settle(Sender<()>),
    Expel(DeviceId),
    /// Tells whom from now on about devices that move.
    Listen(Option<Sender<Told>>),
    Stop,
}

impl Engine {
    /// Builds the index and starts the threads. Jobs that were running go on where the record says they were.
    pub fn start(parts: Parts) -> Result<Self, Failure> {
        let mut reader = parts.store.reader()?;
        let known = reader.counts()?.devices;
        let running = reader.running()?;
        let (indexing, indexer) =
            indexing::start(parts.store.reader()?, Arc::clone(&parts.releases))?;
        let (mail, received) = unbounded();
        let (watchers, feed) = (Arc::new(Watchers::default()), Feed::new());
        let figures = Arc::new(Figures::default());
        // Before anybody is told anything: what was aborted stays aborted.
        let marks = Arc::new(Table::load(&mut *reader)?);
        let (stop, stopped) = watch::channel(None);
        let (shown, told) = (Arc::clone(&watchers), Arc::clone(&feed));
        let fleet = Fleet::new(mail.clone(), shown, told, indexing.clone());
        for device in running {
            drop(mail.send(Mail::Happening(Happening::Resume { device })));
        }
        let speech = Speech {
            grantor: parts.grantor,
            releases: parts.releases,
            watchers,
            feed,
        };
        let clock = Clock::start();
        let driver = Driver {
            shard: Shard::new(parts.settings, known),
            store: parts.store,
            reader,
            speech,
            mail: mail.clone(),
            figures: Arc::clone(&figures),
            last_round: clock.now(),
            now: clock.now(),
            made: Vec::new(),
            clock,
            random: seeded(),
            marks: Arc::clone(&marks),
            conductor: None,
            stop,
            to_load: Vec::new(),
            settling: Vec::new(),
            indexing,
            noted: HashMap::new(),
            round: Vec::new(),
            hasher: DefaultHashBuilder::default(),
        };
        let thread = std::thread::Builder::new()
            .name("refit-engine".into())
            .spawn(move || driver.run(&received))
            .map_err(|error| Failure::Unknown(Arc::new(error)))?;
        Ok(Self {
            fleet,
            mail,
            figures,
            marks,
            stopped,
            thread: Some(thread),
            indexer: Some(indexer),
        })
    }

    /// Returns the operations that transports call.
    pub fn fleet(&self) -> &Fleet {
        &self.fleet
    }

    /// Returns the figures.
    pub fn figures(&self) -> &Arc<Figures> {
        &self.figures
    }

    /// Returns the marks that stand.
    pub fn marks(&self) -> &Arc<Table> {
        &self.marks
    }

    /// Waits until the engine had to stop because nothing may be acknowledged any more, and says why.
    pub async fn broken(&self) -> String {
        let mut stopped = self.stopped.clone();
        match stopped.wait_for(Option::is_some).await {
            Ok(why) => why.clone().unwrap_or_default(),
            Err(_) => std::future::pending().await,
        }
    }

    /// Stops once everything that was taken in is decided and durable.
    pub fn stop(mut self) {
        drop(self.mail.send(Mail::Stop));
        if let Some(thread) = self.thread.take() {
            drop(thread.join());
        }
        self.fleet.indexing().tell(News::Stop);
        if let Some(indexer) = self.indexer.take() {
            drop(indexer.join());
        }
    }
}

struct Driver {
    shard: Shard<Arc<Seat>>,
    store: Arc<dyn Store>,
    reader: Box<dyn Reader>,
    speech: Speech,
    mail: Sender<Mail>,
    figures: Arc<Figures>,
    clock: Clock,
    random: fastrand::Rng,
    marks: Arc<Table>,
    /// Who is told of devices that move.
    conductor: Option<Sender<Told>>,
    stop: watch::Sender<Option<String>>,
    /// Both clocks at the last round.
    last_round: Now,
    /// Both clocks, as last read: before each piece of mail, and after each look at the store.
    now: Now,
    /// What a call of the shard made; kept for its memory.
    made: Vec<Output<Arc<Seat>>>,
    /// Records to read. They are read together: each look at the store is a transaction of its own.
    to_load: Vec<Wanted>,
    /// Who waits until so many operations have come back.
    settling: Vec<(u64, Sender<()>)>,
    indexing: Indexing,
    /// What the index is to be told of the commits under way, by their tickets.
    noted: HashMap<u64, Vec<Note>>,
    /// What it is to be told at the end of this round.
    round: Vec<Change>,
    hasher: DefaultHashBuilder,
}

impl Driver {
    fn run(mut self, received: &Receiver<Mail>) {
        let mut out = VecDeque::new();
        let mut stopping = false;
        while !(stopping && self.shard.is_settled()) {
            let next = match self.wait() {
                Some(wait) => received.recv_timeout(wait),
                None => received.recv().map_err(|_| RecvTimeoutError::Disconnected),
            };
            let first = match next {
                Ok(mail) => Some(mail),
                Err(RecvTimeoutError::Timeout) => None,
                Err(RecvTimeoutError::Disconnected) => return,
            };
            let more = received.try_iter().take(HAPPENINGS_PER_ROUND_MAX);
            for mail in first.into_iter().chain(more) {
                match self.take_in(mail, &mut out) {
                    Ok(last) => stopping |= last,
                    Err(Stopped) => return,
                }
            }
            if self.finish_round(&mut out).is_err() {
                return;
            }
        }
    }

    /// Timers, then what must be read, then what waits to be written: so that each is done once for all of a round.
    fn finish_round(&mut self, out: &mut VecDeque<Output<Arc<Seat>>>) -> Result<(), Stopped> {
        self.notice_jump();
        self.with_world(out, |shard, world, out| shard.tick(world, out));
        self.perform(out)?;
        while !self.to_load.is_empty() {
            self.load(out);
            self.perform(out)?;
        }
        self.with_world(out, |shard, _, out| shard.flush(out));
        self.perform(out)?;
        if !self.round.is_empty() {
            self.indexing
                .tell(News::Round(std::mem::take(&mut self.round)));
        }
        self.tell_moved();
        let settled = self.shard.settled();
        for (_, answer) in self.settling.extract_if(.., |(until, _)| *until <= settled) {
            // Whoever asked may have gone.
            answer.send(()).unwrap_or_default();
        }
        self.figures
            .connected
            .store(self.shard.connected() as u64, Ordering::Relaxed);
        Ok(())
    }

    fn tell_moved(&mut self) {
        let moved = self.shard.take_moved();
        if !moved.is_empty()
            && let Some(conductor) = &self.conductor
        {
            // It is gone only while the process stops.
            drop(conductor.send(Told::Moved(moved)));
        }
    }

    fn notice_jump(&mut self) {
        self.now = self.clock.now();
        let now = self.now;
        let before = std::mem::replace(&mut self.last_round, now);
        if let Some(milliseconds) = jump(before, now) {
            tracing::warn!(milliseconds, "the wall clock jumped; no timer moves");
            let kind = EventKind::ClockJumped { milliseconds };
            self.speech.feed.add(now.wall, None, kind);
        }
    }

    fn wait(&self) -> Option<Duration> {
        let due = self.shard.next_due()?;
        Some(Duration::from_millis(due.since(self.clock.now().mono)))
    }

    /// What the shard knows of it, and what only its connection does.
    fn presence(&self, device: &DeviceId) -> Presence {
        let presence = self.shard.presence(device);
        let Some(peer) = self.shard.peer(device) else {
            return presence;
        };
        match (presence, peer.ungranted()) {
            (Presence::Reachable, Some(why)) => Presence::Ungranted(why),
            (Presence::Reachable, None) if peer.missed_delta() => Presence::Narrow,
            (presence, _) => presence,
        }
    }

    /// Takes in one piece of mail; tells whether it was the last.
    fn take_in(
        &mut self,
        mail: Mail,
        out: &mut VecDeque<Output<Arc<Seat>>>,
    ) -> Result<bool, Stopped> {
        match mail {
            Mail::Happening(happening) => {
                self.now = self.clock.now();
                self.figures.happenings.fetch_add(1, Ordering::Relaxed);
                self.handle(happening, out);
                // What can be answered without waiting is answered at once.
                self.perform(out)?;
            }
            Mail::Presence(devices, answer) => {
                let presence = devices.iter().map(|device| self.presence(device));
                drop(answer.send(presence.collect()));
            }
            Mail::Settle(answer) => self.settling.push((self.shard.decided(), answer)),
            Mail::Expel(device) => {
                if let Some(peer) = self.shard.peer(&device) {
                    peer.close(Close::NotAllowed);
                }
            }
            Mail::Listen(conductor) => {
                self.shard.listen(conductor.is_some());
                self.conductor = conductor;
            }
            Mail::Stop => return Ok(true),
        }
        Ok(false)
    }

    /// Lets the shard handle it, and notes what the index is to know of it.
    fn handle(&mut self, happening: Happening<Arc<Seat>>, out: &mut VecDeque<Output<Arc<Seat>>>) {
        let mut came_or_went = None;
        match &happening {
            Happening::Attach { device, .. } | Happening::Detach { device, .. } => {
                came_or_went = Some((device.clone(), self.shard.peer(device).is_some()));
            }
            Happening::Committed { ticket, result } => self.durable(*ticket, result.as_deref()),
            _ => {}
        }
        self.with_world(out, |shard, world, out| shard.handle(happening, world, out));
        if let Some((device, before)) = came_or_went {
            let online = self.shard.peer(&device).is_some();
            if online != before {
                self.round.push(Change::Online(device, online));
            }
        }
    }

    fn durable(&mut self, ticket: u64, result: Result<&[Outcome], &Broken>) {
        let notes = self.noted.remove(&ticket).unwrap_or_default();
        for (note, outcome) in notes.into_iter().zip(result.unwrap_or_default()) {
            if let Outcome::Applied(guard) = outcome {
                self.round.push(Change::Committed(guard.key, note));
            }
        }
    }

    fn with_world(
        &mut self,
        out: &mut VecDeque<Output<Arc<Seat>>>,
        call: impl FnOnce(&mut Shard<Arc<Seat>>, &mut World<'_>, &mut Vec<Output<Arc<Seat>>>),
    ) {
        let Self {
            shard,
            speech,
            now,
            random,
            made,
            marks,
            ..
        } = self;
        let mut random = || random.u128(..);
        let mut world = World {
            now: *now,
            catalog: &*speech.releases,
            marks: &**marks,
            random: &mut random,
        };
        call(shard, &mut world, made);
        out.extend(made.drain(..));
    }

    /// Does what the shard wants, in order. An error means that nothing may be done any more.
    fn perform(&mut self, out: &mut VecDeque<Output<Arc<Seat>>>) -> Result<(), Stopped> {
        while let Some(output) = out.pop_front() {
            match output {
                Output::Load(wanted) => self.to_load.push(wanted),
                Output::Commit { ticket, operations } => self.commit(ticket, operations),
                Output::Stop { why } => {
                    tracing::error!("nothing more is acknowledged: {why}");
                    self.stop.send_replace(Some(why));
                    return Err(Stopped);
                }
                other => self.say(other),
            }
        }
        Ok(())
    }

    fn load(&mut self, out: &mut VecDeque<Output<Arc<Seat>>>) {
        let wanted = std::mem::take(&mut self.to_load);
        self.figures
            .loads
            .fetch_add(wanted.len() as u64, Ordering::Relaxed);
        let mut read = self.reader.load_many(&wanted).map(Vec::into_iter);
        self.now = self.clock.now();
        for Wanted { device, .. } in wanted {
            let happening = match &mut read {
                Ok(read) => {
                    let stored = read.next().flatten().map(Box::new);
                    Happening::Loaded { device, stored }
                }
                Err(failure) => Happening::LoadFailed {
                    device,
                    why: with_sources(failure),
                },
            };
            self.with_world(out, |shard, world, out| shard.handle(happening, world, out));
        }
    }

    fn commit(&mut self, ticket: u64, operations: Vec<refit_store::store::Operation>) {
        let notes = operations
            .iter()
            .map(|operation| Note::of(operation, &self.hasher));
        self.noted.insert(ticket, notes.collect());
        self.figures
            .operations
            .fetch_add(operations.len() as u64, Ordering::Relaxed);
        let mail = self.mail.clone();
        let done = Box::new(move |result: Result<_, Failure>| {
            let result = result.map_err(Broken::from);
            drop(mail.send(Mail::Happening(Happening::Committed { ticket, result })));
        });
        self.store.submit(operations, done);
    }

    fn say(&self, output: Output<Arc<Seat>>) {
        let now = self.now.wall;
        match output {
            Output::TakeOver { peer } => peer.close(Close::TakenOver),
            Output::Quiet { peer, hash } => peer.set_quiet(hash),
            Output::Answer {
                device,
                to,
                peer,
                reply,
            } => {
                if let From::Conductor { number, .. } = to {
                    return self.tell_conductor(number, reply);
                }
                self.speech.answer(&device, &to, peer.as_ref(), &reply, now);
            }
            Output::Delta {
                device,
                peer,
                telling,
            } => {
                self.figures.deltas.fetch_add(1, Ordering::Relaxed);
                self.speech.delta(&device, &peer, &telling, now);
            }
            Output::Jobs { device, entries } => {
                for entry in entries {
                    let kind = EventKind::Job(Box::new(entry));
                    self.speech.feed.add(now, Some(device.clone()), kind);
                }
            }
            Output::Event { device, event } => {
                self.speech.feed.add(now, Some(device), event.into());
            }
            Output::Trouble { device, why } => {
                tracing::error!(%device, "its record cannot be read: {why}");
            }
            Output::Load(_) | Output::Commit { .. } | Output::Stop { .. } => {}
        }
    }
}

struct Stopped;

impl Driver {
    fn tell_conductor(&self, number: u32, reply: Reply) {
        if let Some(conductor) = &self.conductor {
            let reply = Box::new(reply);
            drop(conductor.send(Told::Answered { number, reply }));
        }
    }
}
