//! Threads, clocks and signals around the machine. No decisions.
//!
//! The main thread owns the machine and the journal; one thread keeps the link, one does the work, one waits for
//! SIGTERM. They speak to the main thread through one queue.
#![expect(
    clippy::disallowed_methods,
    reason = "this is where time and chance come from"
)]

use crate::config::Settings;
use crate::files::{Files, Real};
use crate::hands::Hands;
use crate::health::HealthCommand;
use crate::http::Client;
use crate::installer::{Installer, Tree};
use crate::job::Outcome;
use crate::journal::{Entry, Journal, Stage};
use crate::link::{self, Event, Kind, Order, Orders, Server};
use crate::machine::effect::{Effect, Facts};
use crate::machine::input::Input;
use crate::machine::state::{Chance, Policy, State};
use crate::machine::{Waking, next_due, step, wake};
use crate::unpack::Limits;
use crate::wire;
use refit_protocol::device_id::DeviceId;
use refit_protocol::time::{Monotonic, Now, Timestamp};
use rustix::fs::{FlockOperation, flock};
use rustix::time::{ClockId, clock_gettime};
use std::fs::{self, File};
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::Duration;

/// The time for the good-bye to the server.
const GOOD_BYE: Duration = Duration::from_secs(2);

/// What the agent is started with.
#[derive(Clone, Debug)]
pub struct Start {
    /// Who this is.
    pub device: DeviceId,
    /// Where the server is.
    pub server: Server,
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
    let _lock = lock(&start.root)?;
    let files: Arc<dyn Files> = Arc::new(Real);
    let (journal, entry) = Journal::open(&*files, &start.root).map_err(|e| {
        format!(
            "the journal in {} cannot be read: {e}",
            start.root.display()
        )
    })?;
    let tree = Tree::open(Arc::clone(&files), &start.root, Limits::default())
        .map_err(|e| e.to_string())?;
    let running = tree.running().map_err(|e| e.to_string())?;
    let (news, heard) = channel();
    let stop = Arc::new(AtomicBool::new(false));
    on_signal(news.clone())?;
    let orders = start_link(&start, news.clone())?;
    let worker = start_worker(&start, Arc::clone(&files), tree, Arc::clone(&stop), news);
    let mut agent = Agent {
        files,
        journal,
        crash: Crash::from_environment(),
        orders: orders.give,
        work: worker.tasks,
        stop_fetch: worker.stop_fetch,
        state_command: start.settings.state.clone(),
    };
    let waking = waking(&start, entry, running)?;
    say(&format!(
        "{} starts in {}",
        start.device,
        start.root.display()
    ));
    let (state, effects) = wake(waking, now());
    agent.perform(effects)?;
    agent.turn(state, &heard)?;
    stop.store(true, Ordering::Relaxed);
    agent.orders.give(Order::Close);
    // Told or not, the server notices that the device is gone.
    let _ = orders.closed.recv_timeout(GOOD_BYE);
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
                Ok(News::Link(event)) => match heard_from_link(event) {
                    Some(input) => input,
                    None => continue,
                },
                Err(RecvTimeoutError::Timeout) => Input::Tick,
            };
            let (next, effects) = step(state, input, now());
            self.perform(effects)?;
            state = next;
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
            Effect::ApplyState(state) => self.apply_state(state),
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

    fn apply_state(&self, state: String) {
        if let Some(command) = self.state_command.clone() {
            thread::spawn(move || {
                if let Err(e) = run_with_input(&command, state.as_bytes()) {
                    say(&format!("the state command failed: {e}"));
                }
            });
        }
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
        Event::Message(kind, payload) => wire::read(kind, &payload).unwrap_or_else(|why| {
            say(&format!(
                "a message on {} is not understood: {why}",
                kind.path()
            ));
            None
        }),
    }
}

/// One line for a person about a step.
fn told(entry: &Entry) -> String {
    let (job, what) = match &entry.stage {
        Stage::Idle => return "idle".into(),
        Stage::Reporting => match &entry.memory.last {
            Some(last) => return format!("job {}: {}", last.job, outcome(&last.outcome)),
            None => return "reporting".into(),
        },
        Stage::Fetching(job, wanted) => {
            let what = wanted.release().map_or_else(
                || "unverified software".into(),
                |release| format!("{} {}", release.software.name, release.software.version),
            );
            (job, what)
        }
        Stage::Writing(job, release, _) | Stage::Fenced(job, release) => (
            job,
            format!("{} {}", release.software.name, release.software.version),
        ),
        Stage::Switching(job, trial)
        | Stage::Checking(job, trial)
        | Stage::Confirming(job, trial) => {
            let software = &trial.release.software;
            (job, format!("{} {}", software.name, software.version))
        }
        Stage::GoingBack(job, _, reason) => (job, reason.clone()),
    };
    format!("job {job}: {} {what}", entry.stage.name())
}

fn outcome(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Success(release) => {
            format!(
                "SUCCESS, {} {}",
                release.software.name, release.software.version
            )
        }
        Outcome::Failure(reason) => format!("FAILURE: {reason}"),
        Outcome::Rejected(reason) => format!("REJECTED: {reason}"),
    }
}

fn run_with_input(command: &[String], input: &[u8]) -> std::io::Result<()> {
    let Some((program, arguments)) = command.split_first() else {
        return Ok(());
    };
    let mut child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::piped())
        .spawn()?;
    if let Some(mut stdin) = child.stdin.take() {
        stdin.write_all(input)?;
    }
    let status = child.wait()?;
    if status.success() {
        Ok(())
    } else {
        Err(std::io::Error::other(status.to_string()))
    }
}

struct Link {
    give: Orders,
    closed: Receiver<()>,
}

fn start_link(start: &Start, news: Sender<News>) -> Result<Link, String> {
    let (give, inbox) = link::orders().map_err(|e| format!("no queue for the link: {e}"))?;
    let (sender, closed) = channel();
    let (device, server) = (start.device.clone(), start.server.clone());
    let mut chance = Chance {
        seed: seed()?,
        drawn: 0,
    };
    let spread = start.settings.connect_spread.as_millis() as u64;
    let first = Duration::from_millis(share(device.as_str()).checked_rem(spread).unwrap_or(0));
    thread::spawn(move || {
        let mut say = |event| drop(news.send(News::Link(event)));
        let mut draw = |end| chance.below(end);
        link::keep(device.as_str(), &server, first, &inbox, &mut draw, &mut say);
        sender.send(())
    });
    Ok(Link { give, closed })
}

struct Worker {
    tasks: Sender<(Effect, Arc<AtomicBool>)>,
    stop_fetch: Arc<AtomicBool>,
}

fn start_worker(
    start: &Start,
    files: Arc<dyn Files>,
    tree: Tree,
    stop: Arc<AtomicBool>,
    news: Sender<News>,
) -> Worker {
    let hands = Hands {
        files,
        installer: Arc::new(tree),
        http: Arc::new(Client::new()),
        health: Arc::new(HealthCommand {
            configured: start.settings.health.clone(),
            stop,
        }),
        root: start.root.clone(),
        length_max: start.settings.artifact_bytes_max,
    };
    let (tasks, queue) = channel::<(Effect, Arc<AtomicBool>)>();
    thread::spawn(move || {
        for (effect, stop) in queue {
            let mut say = |input| drop(news.send(News::Input(input)));
            hands.work(effect, &stop, &mut say);
        }
    });
    Worker {
        tasks,
        stop_fetch: Arc::new(AtomicBool::new(false)),
    }
}

fn waking(
    start: &Start,
    entry: Entry,
    running: Option<refit_protocol::digest::Digest>,
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
        },
        seed: seed()?,
    })
}

fn seed() -> Result<u64, String> {
    getrandom::u64().map_err(|e| format!("the system gives no random numbers: {e}"))
}

/// A number that is always the same for a device, and spreads devices evenly (FNV-1a).
fn share(device: &str) -> u64 {
    let step = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    device.bytes().fold(0xcbf2_9ce4_8422_2325, step)
}

/// Two agents in one root would undo each other's work.
fn lock(root: &Path) -> Result<File, String> {
    let cannot = |e: std::io::Error| format!("the root {} cannot be used: {e}", root.display());
    fs::create_dir_all(root).map_err(cannot)?;
    let file = File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .open(root.join("lock"))
        .map_err(cannot)?;
    match flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(file),
        Err(_) => Err(format!(
            "another refit-agent runs in {}: stop it, or give this one another --root",
            root.display()
        )),
    }
}

/// SIGTERM and SIGINT end the agent in good order.
fn on_signal(news: Sender<News>) -> Result<(), String> {
    let failed = |e: std::io::Error| format!("signals cannot be caught: {e}");
    let (mut read, write) = UnixStream::pair().map_err(failed)?;
    for signal in [signal_hook::consts::SIGTERM, signal_hook::consts::SIGINT] {
        let write = write.try_clone().map_err(failed)?;
        signal_hook::low_level::pipe::register(signal, write).map_err(failed)?;
    }
    thread::spawn(move || {
        let mut byte = [0];
        while read.read(&mut byte).is_ok_and(|count| count > 0) {
            drop(news.send(News::Stop));
        }
    });
    Ok(())
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

fn say(line: &str) {
    // Whether anybody reads it changes nothing.
    drop(writeln!(std::io::stderr(), "refit-agent: {line}"));
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
