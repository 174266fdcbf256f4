//! The thread that copies the log into the file, and keeps the log short.
//!
//! A pass beside a busy writer copies but can never start the log anew: the writer always has a page not yet copied.
//! So when the log is long, the writer is asked to do that, right after a pass, when little is left to copy and the
//! file's sync is short (`docs/decisions/0005` has the measurements behind each number here).

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread::{Builder, JoinHandle};
use std::time::{Duration, Instant};

use rusqlite::Connection;

use crate::sqlite::Shared;
use crate::sqlite::writer::Queue;

/// How often it is looked whether a pass is worth while.
const TICK: Duration = Duration::from_millis(25);

/// A pass is worth while after this many commits…
const PASS_COMMITS: u64 = 8;

/// … or, if there was any, after this time: a page that changes often is then copied once a second.
const PASS_AT_LATEST: Duration = Duration::from_secs(1);

/// The length of the log at which the writer is asked to start it anew.
const WAL_CAP_BYTES: u64 = 16 << 20;

/// The length of the log at which somebody should look: a reader must be holding on to an old moment.
const WAL_ALARM_BYTES: u64 = 256 << 20;

/// How long to wait before asking again when a reader was in the way: each try makes the writer wait for it.
const RESTART_AGAIN: Duration = Duration::from_millis(500);

/// How often a write is tried while the disk is full.
const PROBE: Duration = Duration::from_secs(1);

/// The length of a page in the log, with its header.
const FRAME_BYTES: u64 = 4096 + 24;

/// The running thread.
pub(super) struct Checkpointer {
    stop: Sender<()>,
    thread: JoinHandle<()>,
}

impl Checkpointer {
    pub(super) fn stop(self) {
        drop(self.stop);
        if self.thread.thread().id() != std::thread::current().id() && self.thread.join().is_err() {
            tracing::error!("the checkpointer had ended before the store was closed");
        }
    }
}

/// Starts the checkpointer.
pub(super) fn start(
    connection: Connection,
    queue: Queue,
    shared: &Arc<Shared>,
) -> std::io::Result<Checkpointer> {
    let (stop, stopped) = mpsc::channel();
    let mut passes = Passes {
        connection,
        queue,
        shared: shared.clone(),
        commits: 0,
        complete: false,
        last: Instant::now(),
        asked: None,
        probed: Instant::now(),
        full: false,
        alarmed: false,
    };
    let thread = Builder::new()
        .name("refit-store-checkpointer".into())
        .spawn(move || passes.run(&stopped))?;
    Ok(Checkpointer { stop, thread })
}

/// Starts the log anew. Runs on the writer's thread and connection, where nobody can add to the log meanwhile.
pub(super) fn restart(connection: &Connection, shared: &Shared) {
    let begun = Instant::now();
    match checkpoint(connection, "PRAGMA wal_checkpoint(RESTART)") {
        Ok(_) => shared.counters.restart_us.duration(begun.elapsed()),
        Err(error) => note_failure(shared, "starting the log anew", error),
    }
}

struct Passes {
    connection: Connection,
    queue: Queue,
    shared: Arc<Shared>,
    /// How many commits there were at the last pass.
    commits: u64,
    /// Whether that copied all of them.
    complete: bool,
    last: Instant,
    /// When the log was last asked to be started anew, and its length then.
    asked: Option<(Instant, u64)>,
    probed: Instant,
    /// Whether the last pass found no room.
    full: bool,
    alarmed: bool,
}

/// What a pass found.
struct Pass {
    wal_bytes: u64,
    complete: bool,
}

impl Passes {
    fn run(&mut self, stopped: &Receiver<()>) {
        while stopped.recv_timeout(TICK) == Err(RecvTimeoutError::Timeout) {
            if self.shared.condition.check().is_err() {
                return;
            }
            if self.shared.condition.is_full() && self.probed.elapsed() >= PROBE {
                self.probed = Instant::now();
                self.queue.probe();
            }
            if self.is_worth_while() {
                self.pass();
            }
        }
    }

    fn is_worth_while(&self) -> bool {
        let commits = self.shared.counters.commits.load(Relaxed) - self.commits;
        if self.full {
            return self.last.elapsed() >= PROBE;
        }
        commits >= PASS_COMMITS
            || ((commits > 0 || !self.complete) && self.last.elapsed() >= PASS_AT_LATEST)
    }

    fn pass(&mut self) {
        self.commits = self.shared.counters.commits.load(Relaxed);
        let pass = checkpoint(&self.connection, "PRAGMA wal_checkpoint(PASSIVE)");
        self.last = Instant::now();
        match pass {
            Ok(pass) => self.passed(&pass),
            Err(error) if is_full(&error) => {
                if !self.full {
                    tracing::warn!(
                        "the disk has no room to fold the log into the database; the log grows"
                    );
                }
                self.full = true;
            }
            Err(error) => note_failure(&self.shared, "copying the log", error),
        }
    }

    fn passed(&mut self, pass: &Pass) {
        self.full = false;
        self.complete = pass.complete;
        self.shared.counters.passes.fetch_add(1, Relaxed);
        self.shared
            .counters
            .wal_bytes
            .store(pass.wal_bytes, Relaxed);
        self.alarm(pass.wal_bytes);
        if pass.wal_bytes > WAL_CAP_BYTES && self.may_ask(pass.wal_bytes) {
            self.asked = Some((Instant::now(), pass.wal_bytes));
            self.queue.ask_restart();
        }
    }

    /// A log that is not shorter than when it was last asked for was not started anew: a reader was in the way.
    fn may_ask(&self, wal_bytes: u64) -> bool {
        match self.asked {
            Some((asked, then)) if wal_bytes >= then => asked.elapsed() >= RESTART_AGAIN,
            Some(_) | None => true,
        }
    }

    fn alarm(&mut self, wal_bytes: u64) {
        let long = wal_bytes > WAL_ALARM_BYTES;
        if long && !self.alarmed {
            tracing::warn!(
                wal_bytes,
                "the write-ahead log is long: a reader holds on to an old moment"
            );
        }
        self.alarmed = long;
    }
}

fn checkpoint(connection: &Connection, sql: &str) -> rusqlite::Result<Pass> {
    connection.prepare_cached(sql)?.query_row((), |row| {
        let (log, copied): (i64, i64) = (row.get(1)?, row.get(2)?);
        Ok(Pass {
            wal_bytes: log.max(0).cast_unsigned() * FRAME_BYTES,
            complete: log == copied,
        })
    })
}

fn note_failure(shared: &Shared, during: &str, error: rusqlite::Error) {
    // No room is noted by whoever writes; all else leaves the file in doubt, and stops the store.
    if !is_full(&error) {
        shared.condition.stop(&format!("{during}: {error}"));
    }
}

fn is_full(error: &rusqlite::Error) -> bool {
    error.sqlite_error_code() == Some(rusqlite::ErrorCode::DiskFull)
}
