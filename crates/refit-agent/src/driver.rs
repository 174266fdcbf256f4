//! Threads, clocks and signals around the machine. No decisions.
//!
//! The main thread owns the machine and the journal; one thread keeps the link, one does the work, one waits for
//! SIGTERM. They speak to the main thread through one queue.
#![expect(
    clippy::disallowed_methods,
    reason = "this is where time and chance come from"
)]

mod keeper;
mod log;
mod threads;
mod who;

use crate::config::Settings;
use crate::files::{Files, Real};
use crate::installer::{Installer, Tree};
use crate::journal::{Entry, Journal};
use crate::link::{Event, Kind, Order, Orders, Server, Via};
use crate::machine::effect::{Effect, Facts};
use crate::machine::input::Input;
use crate::machine::state::{Policy, State};
use crate::machine::{Waking, next_due, step, wake};
use crate::root::Lock;
use crate::unpack::Limits;
use crate::wire;
use keeper::Nudge;
use log::{say, told};
use refit_protocol::device_id::DeviceId;
use refit_protocol::digest::Digest;
use refit_protocol::time::{Monotonic, Now, Timestamp};
use rustix::time::{ClockId, clock_gettime};
use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::Duration;
use who::Who;

/// The time for the good-bye to the server.
const GOOD_BYE: Duration = Duration::from_secs(2);

/// What the agent is started with.
#[derive(Clone, Debug)]
pub struct Start {
    /// Who this is; if it is not said, the identity says it.
    pub device: Option<DeviceId>,
    /// Where the server is; if it is not said, the identity says it.
    pub server: Option<Server>,
    /// How it speaks with the server.
    pub via: Via,
    /// The folder that the agent owns.
    pub root: PathBuf,
    /// The configuration file.
    pub settings: Settings,
}

/// What the main thread hears.
enum News {
    Input(Input),
    Link(Event),
    Stop,
}

/// Runs the agent until SIGTERM or SIGINT. `Err` says, in a line, why it cannot go on.
pub fn run(start: Start) -> Result<(), String> {
    let files: Arc<dyn Files> = Arc::new(Real);
    let mut lock = Lock::take(&start.root)?;
    let who = who::known(&start, &*files)?;
    lock.claim(&who.device, &start.root)?;
    let shown = start.root.display();
    let (journal, entry) = Journal::open(&*files, &start.root)
        .map_err(|e| format!("the journal in {shown} cannot be read: {e}"))?;
    let tree = Tree::open(Arc::clone(&files), &start.root, Limits::default())
        .map_err(|e| e.to_string())?;
    let running = tree.running().map_err(|e| e.to_string())?;
    let (news, heard) = channel();
    let stop = Arc::new(AtomicBool::new(false));
    threads::on_signal(news.clone())?;
    let link = threads::start_link(&start, &who, news.clone())?;
    let keeper = threads::start_keeper(&start, &who, Arc::clone(&files), news.clone())?;
    let worker = threads::start_worker(
        &start,
        &who,
        Arc::clone(&files),
        tree,
        Arc::clone(&stop),
        news,
    );
    let mut agent = Agent {
        files,
        journal,
        crash: Crash::from_environment(),
        orders: link.give,
        work: worker.tasks,
        stop_fetch: worker.stop_fetch,
        keeper,
        state_command: start.settings.state.clone(),
    };
    let waking = waking(&start, &who, entry, running)?;
    say(&format!("{} starts in {shown}", who.device));
    let (state, effects) = wake(waking, now());
    agent.perform(effects)?;
    agent.turn(state, &heard)?;
    stop.store(true, Ordering::Relaxed);
    agent.orders.give(Order::Close);
    // Told or not, the server notices that the device is gone.
    let _ = link.closed.recv_timeout(GOOD_BYE);
    say("stopped");
    Ok(())
}

struct Agent {
    files: Arc<dyn Files>,
    journal: Journal,
    crash: Crash,
    orders: Orders,
    work: Sender<(Effect, Arc<AtomicBool>)>,
    stop_fetch: Arc<AtomicBool>,
    state_command: Option<Vec<String>>,
    /// Who keeps the identity, if there is one.
    keeper: Option<Sender<Nudge>>,
}

impl Agent {
    fn turn(&mut self, mut state: State, heard: &Receiver<News>) -> Result<(), String> {
        loop {
            let news = match next_due(&state) {
                None => heard.recv().map_err(|_| RecvTimeoutError::Disconnected),
                Some(due) => heard.recv_timeout(Duration::from_millis(due.since(now().mono))),
            };
            let input = match news {
                Ok(News::Stop) | Err(RecvTimeoutError::Disconnected) => return Ok(()),
                Ok(News::Input(input)) => input,
                Ok(News::Link(event)) => {
                    self.nudge(&event);
                    match heard_from_link(event) {
                        Some(input) => input,
                        None => continue,
                    }
                }
                Err(RecvTimeoutError::Timeout) => Input::Tick,
            };
            let (next, effects) = step(state, input, now());
            self.perform(effects)?;
            state = next;
        }
    }

    fn nudge(&self, event: &Event) {
        let nudge = match event {
            Event::Up => Nudge::Up,
            Event::Refused => Nudge::Refused,
            Event::Down(_) | Event::Message(..) => return,
        };
        if let Some(keeper) = &self.keeper {
            drop(keeper.send(nudge));
        }
    }

    fn perform(&mut self, effects: Vec<Effect>) -> Result<(), String> {
        effects.into_iter().try_for_each(|effect| self.act(effect))
    }

    fn act(&mut self, effect: Effect) -> Result<(), String> {
        match effect {
            Effect::Journal(entry) => return self.record(&entry),
            Effect::StopFetch => self.stop_fetch.store(true, Ordering::Relaxed),
            Effect::Publish(update) => {
                self.orders
                    .give(Order::Publish(Kind::Update, wire::write(&update)));
            }
            Effect::Ask => self.orders.give(Order::Publish(Kind::Get, b"{}".to_vec())),
            Effect::ApplyState(state) => {
                if let Some(command) = self.state_command.clone() {
                    threads::apply_state(command, state);
                }
            }
            Effect::Fetch { .. } => {
                // Each download has a flag of its own: stopping one cannot stop the next.
                self.stop_fetch.store(true, Ordering::Relaxed);
                self.stop_fetch = Arc::new(AtomicBool::new(false));
                self.hand_over(effect);
            }
            Effect::Write(..)
            | Effect::Switch(..)
            | Effect::Check(..)
            | Effect::Confirm { .. }
            | Effect::GoBack { .. } => self.hand_over(effect),
        }
        Ok(())
    }

    fn hand_over(&self, effect: Effect) {
        // The worker ends only with the process.
        drop(self.work.send((effect, Arc::clone(&self.stop_fetch))));
    }

    fn record(&mut self, entry: &Entry) -> Result<(), String> {
        let stage = entry.stage.name();
        say(&told(entry));
        self.crash.here("before", stage);
        self.journal.write(&*self.files, entry).map_err(|e| {
            format!("the journal cannot be written: {e}; nothing more is done without it")
        })?;
        self.crash.here("after", stage);
        Ok(())
    }
}

fn heard_from_link(event: Event) -> Option<Input> {
    match event {
        Event::Up => {
            say("connected");
            Some(Input::Connected)
        }
        Event::Down(reason) => {
            say(&format!("not connected: {reason}"));
            Some(Input::Disconnected)
        }
        Event::Refused => None,
        Event::Message(kind, payload) => wire::read(kind, &payload).unwrap_or_else(|why| {
            say(&format!(
                "a message on {} is not understood: {why}",
                kind.path()
            ));
            None
        }),
    }
}

fn waking(
    start: &Start,
    who: &Who,
    entry: Entry,
    running: Option<Digest>,
) -> Result<Waking, String> {
    let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    Ok(Waking {
        entry,
        running,
        policy: Policy {
            allow_unverified: start.settings.allow_unverified,
            length_max: start.settings.artifact_bytes_max,
        },
        facts: Facts {
            agent: env!("CARGO_PKG_VERSION").into(),
            boot: boot.trim().into(),
            trust: who
                .current()
                .map(|current| current.get().identity.trust.number),
        },
        seed: seed()?,
    })
}

fn seed() -> Result<u64, String> {
    getrandom::u64().map_err(|e| format!("the system gives no random numbers: {e}"))
}

/// Both clocks. The one for deadlines counts while the device sleeps: an agreement ages then too.
fn now() -> Now {
    let millis = |time: rustix::time::Timespec| {
        (time.tv_sec as u64)
            .saturating_mul(1000)
            .saturating_add(time.tv_nsec as u64 / 1_000_000)
    };
    Now {
        wall: Timestamp(millis(clock_gettime(ClockId::Realtime))),
        mono: Monotonic(millis(clock_gettime(ClockId::Boottime))),
    }
}

/// For the tests that stop the agent at a journal step: `REFIT_AGENT_CRASH_AT=after:switching` kills the process
/// right after that entry is durable, `before:switching` right before it is written. Not for any other use.
struct Crash(Option<String>);

impl Crash {
    fn from_environment() -> Self {
        Self(std::env::var("REFIT_AGENT_CRASH_AT").ok())
    }

    fn here(&self, when: &str, stage: &str) {
        if self.0.as_deref() == Some(&*format!("{when}:{stage}")) {
            // SIGKILL, as when the power goes: nothing is flushed, nothing is said.
            let _ = rustix::process::kill_process(
                rustix::process::getpid(),
                rustix::process::Signal::KILL,
            );
            std::process::abort();
        }
    }
}
