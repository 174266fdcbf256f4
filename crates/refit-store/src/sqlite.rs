//! The store on one SQLite file.
//!
//! ```text
//! any thread   submit: writes the record's JSON, puts it into the queue ─┐
//! writer       takes what waits, one transaction, answers ◄──────────────┘   sqlite/writer.rs, transaction.rs
//! checkpointer copies the log into the file, asks the writer to start it anew sqlite/checkpoint.rs
//! readers      a connection each, beside all that                             sqlite/read.rs
//! ```
//!
//! A commit is one fsync of the log. Checkpoints have a thread of their own because SQLite's automatic ones make
//! single commits slow and do not report their errors.

mod access;
mod answer;
mod audit;
mod checkpoint;
mod count;
mod encode;
mod facts;
mod fault;
mod identity;
mod list;
mod lock;
mod read;
mod release;
mod rollout;
mod row;
mod scan;
mod schema;
mod tally;
mod transaction;
mod writer;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::JoinHandle;

use refit_access::audit::Entry;
use refit_protocol::limits::EPOCH_MAX;
use refit_protocol::time::Timestamp;

use crate::access::{AccessChange, AccessOutcome};
use crate::answer::{Answer, Keeping};
use crate::facts::{FactsChange, FactsOutcome};
use crate::identity::{IdentityChange, IdentityOutcome, Refusal, Standing};
use crate::list::{ListOutcome, NewList};
use crate::reader::Reader;
use crate::release::{Added, NewRelease, Removed};
use crate::rollout::{RolloutChange, RolloutOutcome};
use crate::sqlite::fault::{Condition, unreadable};
use crate::sqlite::lock::Lock;
use crate::sqlite::read::SqliteReader;
use crate::sqlite::writer::Queue;
use crate::stats::{Counters, Stats};
use crate::store::{Done, Failure, Health, Operation, Store};

/// The file in the data directory that holds everything.
pub const FILE_NAME: &str = "refit.db";

/// Called once, from a thread of the store, when it stops in doubt: the process should say so and end.
pub type OnBroken = Box<dyn Fn(&str) + Send + Sync>;

/// How a store is opened.
pub struct Options {
    /// The data directory; it must exist.
    pub directory: PathBuf,
    /// How many operations may wait to be written before more are refused with [`Failure::Busy`].
    pub waiting_max: usize,
    /// What to do when the store stops in doubt.
    pub on_broken: OnBroken,
}

impl Options {
    /// The defaults, for this data directory.
    pub fn new(directory: impl Into<PathBuf>) -> Self {
        Self {
            directory: directory.into(),
            waiting_max: 16_384,
            on_broken: Box::new(|_| {}),
        }
    }
}

/// Why a store cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another process holds the data directory.
    #[error("{} is in use by another server; stop that one, or choose another data directory", .0.display())]
    InUse(PathBuf),
    /// A file cannot be made or opened.
    #[error("cannot open {}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The SQLite library has a fault that loses commits.
    #[error("SQLite {0} can lose commits; build with 3.51.3 (3051003) or newer")]
    Library(i32),
    /// A newer program has written this store.
    #[error(
        "the data was written by a newer version (schema {newest}, this program knows {known}); use that version"
    )]
    Newer {
        /// The newest migration that was run.
        newest: i64,
        /// The newest that this program has.
        known: i64,
    },
    /// A migration is not the one that was run.
    #[error(
        "migration {0} of the data is not the one that this program has; use the version that wrote it"
    )]
    Altered(i64),
    /// SQLite refused.
    #[error("cannot open the database")]
    Database(#[from] rusqlite::Error),
    /// A thread could not be started.
    #[error("cannot start a thread of the store")]
    Thread(#[source] std::io::Error),
    /// What is in the database makes no sense.
    #[error("the database cannot be read: {0}")]
    Unreadable(String),
}

/// The store on one SQLite file, open.
pub struct SqliteStore {
    path: PathBuf,
    epoch: u16,
    shared: Arc<Shared>,
    /// In the order of closing; taken when dropped.
    threads: Option<Threads>,
    _lock: Lock,
}

struct Threads {
    checkpointer: checkpoint::Checkpointer,
    queue: Queue,
    writer: JoinHandle<()>,
}

/// What the threads of a store have in common.
struct Shared {
    condition: Condition,
    counters: Counters,
}

impl SqliteStore {
    /// Opens the store in a data directory; makes it if there is none.
    pub fn open(options: Options) -> Result<Self, OpenError> {
        let lock = Lock::take(&options.directory)?;
        let path = options.directory.join(FILE_NAME);
        lock::make_private(&path)?;
        let connection = schema::open_writer(&path)?;
        let epoch = read_epoch(&connection)?;
        let shared = Arc::new(Shared {
            condition: Condition::new(options.on_broken),
            counters: Counters::default(),
        });
        let threads = start(connection, &path, options.waiting_max, &shared)?;
        Ok(Self {
            path,
            epoch,
            shared,
            threads: Some(threads),
            _lock: lock,
        })
    }

    /// Returns the queue to the writer, unless the store is being closed.
    fn queue(&self) -> Result<&Queue, Failure> {
        self.threads
            .as_ref()
            .map(|threads| &threads.queue)
            .ok_or(Failure::Closed)
    }
}

fn start(
    connection: rusqlite::Connection,
    path: &Path,
    waiting_max: usize,
    shared: &Arc<Shared>,
) -> Result<Threads, OpenError> {
    let (queue, writer) =
        writer::start(connection, waiting_max, shared).map_err(OpenError::Thread)?;
    let second = schema::open_checkpointer(path)?;
    let checkpointer =
        checkpoint::start(second, queue.clone(), shared).map_err(OpenError::Thread)?;
    Ok(Threads {
        checkpointer,
        queue,
        writer,
    })
}

fn read_epoch(connection: &rusqlite::Connection) -> Result<u16, OpenError> {
    let text: String =
        connection.query_row("SELECT value FROM meta WHERE key = 'epoch'", (), |row| {
            row.get(0)
        })?;
    let epoch = text.parse().ok().filter(|epoch| *epoch <= EPOCH_MAX);
    epoch.ok_or_else(|| OpenError::Unreadable(format!("{text:?} is no epoch")))
}

impl Store for SqliteStore {
    fn submit(&self, batch: Vec<Operation>, done: Done) {
        match self.queue() {
            Ok(queue) => queue.submit(batch, done),
            Err(failure) => done(Err(failure)),
        }
    }

    fn reader(&self) -> Result<Box<dyn Reader>, Failure> {
        self.shared.condition.check()?;
        let connection = schema::open_reader(&self.path).map_err(unreadable)?;
        Ok(Box::new(SqliteReader::new(connection, self.shared.clone())))
    }

    fn add_release(&self, new: NewRelease, audit: Option<Entry>) -> Result<Added, Failure> {
        self.queue()?.act(move |connection| {
            let added = release::add(connection, &new)?;
            let changed = matches!(added, Added::New(_));
            audit::append_if(changed, connection, audit.as_ref())?;
            Ok(added)
        })
    }

    fn remove_release(
        &self,
        name: &str,
        version: &str,
        audit: Option<Entry>,
    ) -> Result<Removed, Failure> {
        let (name, version) = (name.to_owned(), version.to_owned());
        self.queue()?.act(move |connection| {
            let removed = release::remove(connection, &name, &version)?;
            let changed = matches!(removed, Removed::Gone { .. });
            audit::append_if(changed, connection, audit.as_ref())?;
            Ok(removed)
        })
    }

    fn change_access(
        &self,
        change: AccessChange,
        audit: Option<Entry>,
    ) -> Result<AccessOutcome, Failure> {
        self.queue()?.act(move |connection| {
            let outcome = access::change(connection, &change)?;
            let changed = outcome == AccessOutcome::Done;
            audit::append_if(changed, connection, audit.as_ref())?;
            Ok(outcome)
        })
    }

    fn try_access(&self, change: AccessChange) -> Result<AccessOutcome, Failure> {
        self.queue()?
            .act(move |connection| undone(connection, || access::change(connection, &change)))
    }

    fn note(&self, entry: Entry) -> Result<(), Failure> {
        self.queue()?
            .act(move |connection| audit::append(connection, &entry))
    }

    fn note_token_use(&self, id: &str, at: Timestamp) -> Result<(), Failure> {
        let id = id.to_owned();
        self.queue()?
            .act(move |connection| access::note_use(connection, &id, at))
    }

    fn change_identity(
        &self,
        change: IdentityChange,
        audit: Option<Entry>,
    ) -> Result<IdentityOutcome, Failure> {
        self.queue()?.act(move |connection| {
            let outcome = identity::change(connection, &change)?;
            let audit = audit.map(|line| match outcome {
                IdentityOutcome::Refused(Refusal::Cloned) => Entry {
                    after: Some(format!("{{\"standing\":\"{}\"}}", Standing::Cloned.word())),
                    ..line
                },
                _ => line,
            });
            audit::append_if(outcome.is_change(), connection, audit.as_ref())?;
            Ok(outcome)
        })
    }

    fn change_facts(
        &self,
        changes: Vec<FactsChange>,
        at: Timestamp,
        audit: Option<Entry>,
    ) -> Result<Vec<FactsOutcome>, Failure> {
        self.queue()?.act(move |connection| {
            let outcomes: Vec<FactsOutcome> = changes
                .iter()
                .map(|change| facts::change(connection, change, at))
                .collect::<Result<_, _>>()?;
            let changed = outcomes
                .iter()
                .any(|outcome| matches!(outcome, FactsOutcome::Changed { .. }));
            audit::append_if(changed, connection, audit.as_ref())?;
            Ok(outcomes)
        })
    }

    fn put_list(&self, list: NewList, audit: Option<Entry>) -> Result<ListOutcome, Failure> {
        self.queue()?.act(move |connection| {
            let outcome = list::put(connection, &list)?;
            let changed = matches!(outcome, ListOutcome::Put { .. });
            audit::append_if(changed, connection, audit.as_ref())?;
            Ok(outcome)
        })
    }

    fn remove_list(&self, name: &str, audit: Option<Entry>) -> Result<bool, Failure> {
        let name = name.to_owned();
        self.queue()?.act(move |connection| {
            let removed = list::remove(connection, &name)?;
            audit::append_if(removed, connection, audit.as_ref())?;
            Ok(removed)
        })
    }

    fn try_identity(&self, change: IdentityChange) -> Result<IdentityOutcome, Failure> {
        self.queue()?
            .act(move |connection| undone(connection, || identity::change(connection, &change)))
    }

    fn change_rollout(
        &self,
        change: RolloutChange,
        audit: Option<Entry>,
    ) -> Result<RolloutOutcome, Failure> {
        self.queue()?.act(move |connection| {
            let outcome = rollout::change(connection, &change)?;
            let changed = matches!(outcome, RolloutOutcome::Done(_));
            audit::append_if(changed, connection, audit.as_ref())?;
            Ok(outcome)
        })
    }

    fn put_meta(&self, key: &str, value: &str) -> Result<(), Failure> {
        let (key, value) = (key.to_owned(), value.to_owned());
        self.queue()?.act(move |connection| {
            connection
                .prepare_cached(
                    "INSERT INTO meta VALUES (?1, ?2) ON CONFLICT DO UPDATE SET value = ?2",
                )?
                .execute((key, value))
                .map(drop)
        })
    }

    fn keep_answer(&self, new: Answer, keeping: Keeping) -> Result<(), Failure> {
        self.queue()?
            .act(move |connection| answer::keep(connection, &new, keeping))
    }

    fn epoch(&self) -> u16 {
        self.epoch
    }

    fn health(&self) -> Health {
        self.shared.condition.health()
    }

    fn stats(&self) -> Stats {
        self.shared.counters.snapshot()
    }
}

/// Makes a change within the open transaction, and takes it back.
fn undone<T>(
    connection: &rusqlite::Connection,
    change: impl FnOnce() -> rusqlite::Result<T>,
) -> rusqlite::Result<T> {
    connection.execute_batch("SAVEPOINT tried")?;
    let outcome = change()?;
    connection.execute_batch("ROLLBACK TO tried; RELEASE tried")?;
    Ok(outcome)
}

impl Drop for SqliteStore {
    /// Writes what was submitted, answers it, and closes the file.
    fn drop(&mut self) {
        let Some(threads) = self.threads.take() else {
            return;
        };
        threads.checkpointer.stop();
        // The writer ends when the last queue to it is gone.
        drop(threads.queue);
        if threads.writer.thread().id() != std::thread::current().id()
            && threads.writer.join().is_err()
        {
            tracing::error!("the thread that writes had ended before the store was closed");
        }
    }
}
