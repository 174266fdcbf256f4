//! Rollouts run: one thread asks the planner what is next for each rollout under way, commits that, and has the shard
//! open the jobs. Start here.
//!
//! It is nobody's leader. Whatever it decides, it decides from one revision of a rollout's row, and the store takes it
//! only while that stands; operators' acts ([`Conductor::act`]) change the same row from their own threads. What is
//! opened is told from the jobs, so a start after a crash, however far a wave was, goes on and opens nothing twice.
//!
//! The engine's thread is not held up: it sends the numbers of devices that moved, once a round, and only while a
//! rollout is under way. The rest is read from the store here.
//!
//! `conductor/turn.rs` is the loop, `course.rs` a rollout with its members, `member.rs` one device, `sort.rs` the fleet
//! sorted by a plan, `hands.rs` what is done to devices, `act.rs` what operators do, `rehearsal.rs` and `why.rs` what
//! they ask.
//!
//! Not here yet: an outage of the untouched, the health gate, devices that join later, and the figures of a second
//! server's devices ([`unsupported`]).

mod act;
mod asked;
pub mod clusters;
mod course;
pub mod figures;
mod hands;
mod member;
mod pack;
mod peers;
mod rehearsal;
mod sort;
mod turn;
mod ways;
mod why;

use std::collections::HashMap;
use std::sync::Arc;
use std::thread::JoinHandle;

use crossbeam_channel::{Sender, unbounded};
use parking_lot::Mutex;
use refit_protocol::digest::Digest;
use refit_protocol::grant::Strength;
use refit_protocol::rollout::{RolloutId, RolloutName};
use refit_protocol::time::Timestamp;
use refit_store::store::{DeviceKey, Failure, Store};

pub use self::act::{Acted, Asking, NotDone};
pub use self::course::read;
pub use self::rehearsal::{Rehearsed, unsupported};
use self::turn::Turn;
pub use self::why::Reason;
use crate::events::{EventKind, Feed, RolloutAct, RolloutEvent};
use crate::fleet::Fleet;
use crate::marks::Table;
use crate::output::Reply;

/// What a conductor is made of.
pub struct Parts {
    /// Where the rollouts are.
    pub store: Arc<dyn Store>,
    /// Through which devices are told.
    pub fleet: Fleet,
    /// The marks that an abort sets.
    pub marks: Arc<Table>,
    /// Where an artifact is: the URL that is wished for.
    pub url: Box<dyn Fn(&Digest) -> String + Send + Sync>,
    /// The strongest that a grant of this server can be bound to.
    pub strength: Strength,
    /// Whether each rollout needs a second person.
    pub approval_required: bool,
}

/// The conductor, as requests see it. Cloning it is cheap.
#[derive(Clone)]
pub struct Conductor(Arc<Shared>);

struct Shared {
    parts: Parts,
    mail: Sender<Told>,
    board: Mutex<HashMap<RolloutId, Waits>>,
}

/// What a rollout waits for, as the conductor last saw it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Waits {
    /// Each in a sentence.
    pub why: Vec<String>,
    /// When it is looked at again even if nothing happens.
    pub until: Option<Timestamp>,
}

/// A conductor that runs.
pub struct Conducting {
    conductor: Conductor,
    thread: Option<JoinHandle<()>>,
}

/// What the conductor's thread is told.
pub(crate) enum Told {
    /// These devices came, went or changed.
    Moved(Vec<DeviceKey>),
    /// What it wanted of a device is decided.
    Answered {
        number: u32,
        reply: Box<Reply>,
    },
    /// A rollout is another one now.
    Look,
    Stop,
}

impl Conductor {
    /// Starts the thread: rollouts that are under way go on where they were.
    pub fn start(parts: Parts) -> Result<Conducting, Failure> {
        let (mail, told) = unbounded();
        let conductor = Self(Arc::new(Shared {
            parts,
            mail,
            board: Mutex::default(),
        }));
        let turn = Turn::new(conductor.clone())?;
        let thread = std::thread::Builder::new()
            .name("refit-conductor".into())
            .spawn(move || turn.run(&told))
            .map_err(|error| Failure::Unknown(Arc::new(error)))?;
        Ok(Conducting {
            conductor,
            thread: Some(thread),
        })
    }

    /// Returns what a rollout waits for; nothing if the conductor has not looked yet.
    pub fn waits(&self, rollout: RolloutId) -> Option<Waits> {
        self.0.board.lock().get(&rollout).cloned()
    }

    fn parts(&self) -> &Parts {
        &self.0.parts
    }

    fn says(&self, rollout: RolloutId, waits: Waits) {
        self.0.board.lock().insert(rollout, waits);
    }

    /// Has the conductor look at the rollouts again.
    fn look(&self) {
        // It is gone only while the process stops.
        drop(self.0.mail.send(Told::Look));
    }

    fn feed(&self) -> &Feed {
        self.0.parts.fleet.feed()
    }

    fn tell(&self, at: Timestamp, name: &RolloutName, act: RolloutAct, detail: Option<String>) {
        let event = RolloutEvent {
            name: name.clone(),
            act,
            detail,
        };
        self.feed()
            .add(at, None, EventKind::Rollout(Box::new(event)));
    }
}

impl Conducting {
    /// Returns the conductor.
    pub fn conductor(&self) -> &Conductor {
        &self.conductor
    }

    /// Stops the thread. What it had handed out goes on.
    pub fn stop(mut self) {
        drop(self.conductor.0.mail.send(Told::Stop));
        if let Some(thread) = self.thread.take() {
            drop(thread.join());
        }
    }
}
