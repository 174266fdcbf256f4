//! The one thread that writes: it takes what waits, makes one transaction of it, and answers when that is durable.
//!
//! While a transaction is synced the next one gathers by itself, so under load the groups are large without anyone
//! waiting for them; a little load is let gather for [`GATHER`].

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed, Ordering::SeqCst};
use std::sync::mpsc::{self, Receiver, Sender, TryRecvError};
use std::thread::{Builder, JoinHandle};
use std::time::{Duration, Instant};

use rusqlite::Connection;

use crate::sqlite::Shared;
use crate::sqlite::checkpoint;
use crate::sqlite::encode::Write;
use crate::sqlite::transaction::Statements;
use crate::store::{Done, Failure, Operation, Outcome};

/// How many operations a transaction takes before it is closed: beyond this a commit gets longer, not cheaper.
const TRANSACTION_OPERATIONS_MAX: usize = 256;

/// How long a transaction waits for company, counted from its first operation.
const GATHER: Duration = Duration::from_millis(2);

/// The transaction before had at least this many operations: company is likely, and worth waiting for.
const GATHER_FROM: usize = 4;

/// The way to the writer.
#[derive(Clone)]
pub(super) struct Queue {
    tasks: Sender<Task>,
    waiting_max: u64,
    restart: Arc<AtomicBool>,
    shared: Arc<Shared>,
}

enum Task {
    Batch {
        writes: Vec<Write>,
        done: Done,
    },
    /// A batch that is not taken; it is answered from the writer, so that an answer never comes from inside `submit`.
    Refuse {
        failure: Failure,
        done: Done,
    },
    Act(Act),
    /// Look at the flags.
    Wake,
}

/// Something else than a batch: it gets the connection, or the reason why it cannot.
type Act = Box<dyn FnOnce(&mut Writer<'_>) + Send>;

impl Queue {
    pub(super) fn submit(&self, batch: Vec<Operation>, done: Done) {
        let count = batch.len() as u64;
        let waiting = self.shared.counters.waiting.fetch_add(count, SeqCst);
        let task = if waiting + count > self.waiting_max {
            self.shared.counters.waiting.fetch_sub(count, SeqCst);
            Task::Refuse {
                failure: Failure::Busy,
                done,
            }
        } else {
            match batch.into_iter().map(Write::of).collect() {
                Ok(writes) => Task::Batch { writes, done },
                Err(failure) => {
                    self.shared.counters.waiting.fetch_sub(count, SeqCst);
                    Task::Refuse { failure, done }
                }
            }
        };
        if let Err(unsent) = self.tasks.send(task) {
            self.answer_closed(unsent.0);
        }
    }

    /// Runs `act` in a transaction of its own on the writer, and waits until that is durable.
    pub(super) fn act<T: Send + 'static>(
        &self,
        act: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, Failure> {
        let (answer, answered) = mpsc::sync_channel(1);
        let task = Task::Act(Box::new(move |writer| drop(answer.send(writer.alone(act)))));
        self.tasks.send(task).map_err(|_| Failure::Closed)?;
        answered.recv().unwrap_or(Err(Failure::Closed))
    }

    /// Asks for the log to be started anew after the transaction at hand.
    pub(super) fn ask_restart(&self) {
        self.restart.store(true, SeqCst);
        // If nobody listens any more, the store is being closed and the log with it.
        drop(self.tasks.send(Task::Wake));
    }

    /// Asks for a write that tells whether there is room again.
    pub(super) fn probe(&self) {
        let task = Task::Act(Box::new(|writer| {
            // Its outcome is the store's condition, which `alone` has noted.
            drop(writer.alone(|connection| {
                connection.execute(
                    "INSERT INTO meta VALUES ('probe', '') ON CONFLICT DO UPDATE SET value = ''",
                    (),
                )
            }));
        }));
        drop(self.tasks.send(task));
    }

    fn answer_closed(&self, task: Task) {
        match task {
            Task::Batch { done, .. } | Task::Refuse { done, .. } => done(Err(Failure::Closed)),
            Task::Act(_) | Task::Wake => {}
        }
    }
}

/// Starts the writer.
pub(super) fn start(
    connection: Connection,
    waiting_max: usize,
    shared: &Arc<Shared>,
) -> std::io::Result<(Queue, JoinHandle<()>)> {
    let (tasks, waiting) = mpsc::channel();
    let restart = Arc::new(AtomicBool::new(false));
    let queue = Queue {
        tasks,
        waiting_max: waiting_max as u64,
        restart: restart.clone(),
        shared: shared.clone(),
    };
    let shared = shared.clone();
    let thread = Builder::new()
        .name("refit-store-writer".into())
        .spawn(move || run(&connection, &waiting, &restart, &shared))?;
    Ok((queue, thread))
}

fn run(connection: &Connection, waiting: &Receiver<Task>, restart: &AtomicBool, shared: &Shared) {
    let statements = match Statements::prepare(connection) {
        Ok(statements) => statements,
        // Every task that comes is then answered with that.
        Err(error) => {
            return shared
                .condition
                .stop(&format!("preparing to write: {error}"));
        }
    };
    let mut writer = Writer {
        connection,
        statements,
        shared,
        order: Vec::new(),
        last: 0,
    };
    let mut group = Vec::new();
    while let Ok(task) = waiting.recv() {
        let mut next = Some(task);
        while let Some(task) = next.take() {
            next = writer.take(task, waiting, &mut group);
            writer.write(&mut group);
        }
        if restart.swap(false, SeqCst) {
            checkpoint::restart(connection, shared);
        }
    }
}

/// The writing side of the store.
struct Writer<'c> {
    connection: &'c Connection,
    statements: Statements<'c>,
    shared: &'c Shared,
    /// The order in which operations are written: by device, as the tree lies. Kept for its memory.
    order: Vec<(u64, u32, u32)>,
    /// How many operations the transaction before had.
    last: usize,
}

/// A batch with what becomes of it.
struct Batch {
    writes: Vec<Write>,
    outcomes: Vec<Outcome>,
    done: Done,
}

impl<'c> Writer<'c> {
    /// Gathers a group from a first task on; returns a task that ended the gathering and is still to be done.
    fn take(
        &mut self,
        first: Task,
        waiting: &Receiver<Task>,
        group: &mut Vec<Batch>,
    ) -> Option<Task> {
        let until = Instant::now() + GATHER;
        let mut operations = 0;
        let mut task = first;
        loop {
            match task {
                Task::Batch { writes, done } => {
                    operations += writes.len();
                    let outcomes = Vec::with_capacity(writes.len());
                    group.push(Batch {
                        writes,
                        outcomes,
                        done,
                    });
                }
                Task::Refuse { failure, done } => answer(done, Err(failure)),
                Task::Act(act) if group.is_empty() => act(self),
                Task::Act(act) => return Some(Task::Act(act)),
                Task::Wake => {}
            }
            if operations >= TRANSACTION_OPERATIONS_MAX {
                return None;
            }
            task = match waiting.try_recv() {
                Ok(task) => task,
                Err(TryRecvError::Disconnected) => return None,
                Err(TryRecvError::Empty) if group.is_empty() || self.last < GATHER_FROM => {
                    return None;
                }
                Err(TryRecvError::Empty) => {
                    let left = until.saturating_duration_since(Instant::now());
                    match waiting.recv_timeout(left) {
                        Ok(task) => task,
                        Err(_) => return None,
                    }
                }
            };
        }
    }

    /// Writes a group in one transaction, and answers.
    fn write(&mut self, group: &mut Vec<Batch>) {
        let operations: usize = group.iter().map(|batch| batch.writes.len()).sum();
        if group.is_empty() {
            return;
        }
        let written = self.shared.condition.check().and_then(|()| {
            let begun = Instant::now();
            let written = self.transact(group);
            self.note(operations, begun.elapsed(), &written);
            written
        });
        self.last = operations;
        self.shared
            .counters
            .waiting
            .fetch_sub(operations as u64, SeqCst);
        for batch in group.drain(..) {
            answer(batch.done, written.clone().map(|()| batch.outcomes));
        }
    }

    fn transact(&mut self, group: &mut [Batch]) -> Result<(), Failure> {
        let tried = self.try_transact(group);
        self.settle("writing records", tried)
    }

    fn try_transact(&mut self, group: &mut [Batch]) -> rusqlite::Result<()> {
        self.sort(group);
        self.statements.begin()?;
        for (_, batch, place) in &self.order {
            let batch = &mut group[*batch as usize];
            let place = *place as usize;
            batch.outcomes[place] = self.statements.apply(&batch.writes[place])?;
        }
        self.statements.commit()
    }

    /// Orders the operations of a group by device; those on one device, and new devices, keep their order.
    fn sort(&mut self, group: &mut [Batch]) {
        self.order.clear();
        for (number, batch) in group.iter_mut().enumerate() {
            batch.outcomes.resize(batch.writes.len(), Outcome::Conflict);
            for (place, write) in batch.writes.iter().enumerate() {
                let key = write.from.map_or(u64::MAX, |guard| guard.key.0);
                self.order.push((key, number as u32, place as u32));
            }
        }
        self.order.sort_unstable();
    }

    /// Does something in a transaction of its own.
    fn alone<T>(
        &mut self,
        act: impl FnOnce(&Connection) -> rusqlite::Result<T>,
    ) -> Result<T, Failure> {
        self.shared.condition.check()?;
        let tried = self.try_alone(act);
        self.settle("writing", tried)
    }

    fn try_alone<T>(
        &mut self,
        act: impl FnOnce(&Connection) -> rusqlite::Result<T>,
    ) -> rusqlite::Result<T> {
        self.statements.begin()?;
        let done = act(self.connection)?;
        self.statements.commit()?;
        Ok(done)
    }

    /// Closes a transaction that failed, and says what that means.
    fn settle<T>(&mut self, during: &str, tried: rusqlite::Result<T>) -> Result<T, Failure> {
        match tried {
            Ok(done) => {
                self.shared.condition.written();
                Ok(done)
            }
            Err(error) => {
                self.statements.forget();
                let failure = self.shared.condition.failed(during, error);
                // Some errors have rolled back by themselves.
                if !self.connection.is_autocommit()
                    && let Err(error) = self.connection.execute_batch("ROLLBACK")
                {
                    return Err(self.shared.condition.failed("rolling back", error));
                }
                Err(failure)
            }
        }
    }

    fn note(&self, operations: usize, took: Duration, written: &Result<(), Failure>) {
        let counters = &self.shared.counters;
        match written {
            Ok(()) => {
                counters.commits.fetch_add(1, Relaxed);
                counters.batch.size(operations);
                counters.commit_us.duration(took);
            }
            Err(Failure::Full) => drop(counters.full.fetch_add(1, Relaxed)),
            Err(_) => {}
        }
    }
}

/// Answers a batch. A panic of whoever is told is theirs; it must not end the thread that all depend on.
fn answer(done: Done, outcomes: Result<Vec<Outcome>, Failure>) {
    if catch_unwind(AssertUnwindSafe(|| done(outcomes))).is_err() {
        tracing::error!(
            "the answer to a batch panicked; its outcome is lost to whoever waited for it"
        );
    }
}
