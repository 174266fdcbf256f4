//! One transaction of the writer: guarded updates, the history of their jobs, and the counters' share of both.
//!
//! An operation is decided before it changes anything, so a refused one leaves nothing behind and needs no
//! savepoint.

use std::collections::HashMap;

use refit_protocol::digest::Digest;
use refit_protocol::rollout::Assignment;
use refit_replica::record::JobEntry;
use rusqlite::{Connection, OptionalExtension, Statement, params};

use crate::sqlite::audit;
use crate::sqlite::encode::Write;
use crate::sqlite::facts;
use crate::sqlite::rollout::kind_of;
use crate::sqlite::row;
use crate::sqlite::tally::{self, Tally};
use crate::store::{DeviceKey, Guard, Outcome};

/// The statements of the writer, prepared once.
pub(super) struct Statements<'c> {
    connection: &'c Connection,
    begin: Statement<'c>,
    commit: Statement<'c>,
    keep: Statement<'c>,
    shift: Statement<'c>,
    revision: Statement<'c>,
    create: Statement<'c>,
    job: Statement<'c>,
    job_new: Statement<'c>,
    job_note: Statement<'c>,
    job_move: Statement<'c>,
    count: Statement<'c>,
    artifact: Statement<'c>,
    artifact_new: Statement<'c>,
    /// The number of each artifact that was lately desired. Forgotten with a transaction that fails, since that may
    /// have made the number.
    artifacts: HashMap<Digest, i64>,
    /// What the open transaction adds to each counter.
    deltas: [i64; 10],
    /// What it does to the jobs of rollouts.
    tally: Tally,
}

/// How many artifacts' numbers are remembered.
const ARTIFACTS_MAX: usize = 4_096;

/// The counter of devices; those of jobs follow in the order of their codes.
const DEVICES: usize = 0;

const KEEP: &str = "UPDATE device SET revision = revision + 1, version = ?3, seen = coalesce(?4, seen), written = ?5,
     desired = ?6, reported = ?7, control = ?8, created = coalesce(created, first_seen, seen, written),
     first_seen = coalesce(first_seen, seen, ?4) WHERE num = ?1 AND revision = ?2 AND wants IS ?9 AND open IS ?10";
const SHIFT: &str = "UPDATE device SET revision = revision + 1, version = ?3, seen = coalesce(?4, seen), written = ?5,
     desired = ?6, reported = ?7, control = ?8, wants = ?9, open = ?10,
     created = coalesce(created, first_seen, seen, written), first_seen = coalesce(first_seen, seen, ?4) WHERE num = ?1 AND revision = ?2";
const CREATE: &str = "INSERT INTO device
     (ext_id, revision, version, seen, written, desired, reported, control, wants, open, created, first_seen)
     VALUES (?1, 1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?4, ?3) ON CONFLICT DO NOTHING";
const JOB_NEW: &str = "INSERT INTO job
     (num, id, software, previous, origin, opened, status, sent, started, ended, phase, percent, reason,
      rollout, wave, attempt, kind)
     VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17)";
const JOB_NOTE: &str =
    "UPDATE job SET sent = ?2, started = ?3, ended = ?4, phase = ?5, percent = ?6, reason = ?7
     WHERE seq = ?1";
const JOB_MOVE: &str =
    "UPDATE job SET sent = ?2, started = ?3, ended = ?4, phase = ?5, percent = ?6, reason = ?7,
     status = ?8, kind = CASE WHEN kind IS NULL OR kind BETWEEN 9 AND 11 THEN kind ELSE ?9 END WHERE seq = ?1";

/// A job that is in the history already.
struct Known {
    seq: i64,
    device: i64,
    status: i64,
    /// Rollout and wave, of a job of a rollout.
    whose: Option<(i64, i64)>,
}

impl<'c> Statements<'c> {
    pub(super) fn prepare(connection: &'c Connection) -> rusqlite::Result<Self> {
        Ok(Self {
            connection,
            begin: connection.prepare("BEGIN IMMEDIATE")?,
            commit: connection.prepare("COMMIT")?,
            keep: connection.prepare(KEEP)?,
            shift: connection.prepare(SHIFT)?,
            revision: connection.prepare("SELECT revision FROM device WHERE num = ?")?,
            create: connection.prepare(CREATE)?,
            job: connection
                .prepare("SELECT seq, num, status, rollout, wave FROM job WHERE id = ?")?,
            job_new: connection.prepare(JOB_NEW)?,
            job_note: connection.prepare(JOB_NOTE)?,
            job_move: connection.prepare(JOB_MOVE)?,
            count: connection.prepare("UPDATE counter SET n = n + ?2 WHERE kind = ?1")?,
            artifact: connection.prepare("SELECT num FROM artifact WHERE digest = ?")?,
            artifact_new: connection.prepare("INSERT INTO artifact (digest) VALUES (?)")?,
            artifacts: HashMap::new(),
            deltas: [0; 10],
            tally: Tally::default(),
        })
    }

    pub(super) fn begin(&mut self) -> rusqlite::Result<()> {
        self.tally.begin();
        self.begin.execute(()).map(drop)
    }

    /// Folds the counters, and makes all of it durable.
    pub(super) fn commit(&mut self) -> rusqlite::Result<()> {
        for (kind, delta) in (0_i64..).zip(&mut self.deltas) {
            if *delta != 0 {
                self.count.execute((kind, *delta))?;
                *delta = 0;
            }
        }
        self.tally.fold(self.connection)?;
        self.commit.execute(()).map(drop)
    }

    /// Forgets what a failed transaction had begun.
    pub(super) fn forget(&mut self) {
        self.deltas = [0; 10];
        self.artifacts.clear();
    }

    /// Writes one operation, if its guard holds.
    pub(super) fn apply(&mut self, write: &Write) -> rusqlite::Result<Outcome> {
        let known = self.known_jobs(write)?;
        let owner = write.from.map(|guard| guard.key.0.cast_signed());
        if known.iter().flatten().any(|job| Some(job.device) != owner) {
            return Ok(Outcome::Conflict);
        }
        if self.is_overtaken(write, owner, &known)? {
            return Ok(Outcome::Overtaken);
        }
        let outcome = match write.from {
            Some(guard) => self.change(write, guard)?,
            None => self.create(write)?,
        };
        if let Outcome::Applied(guard) = outcome {
            for (entry, known) in write.jobs.iter().zip(known) {
                self.note_job(guard.key.0.cast_signed(), entry, known)?;
            }
            if write.gone {
                facts::forget(self.connection, guard.key.0.cast_signed())?;
            }
            for event in &write.events {
                self.tally.came(self.connection, event)?;
            }
            for entry in &write.audit {
                audit::append(self.connection, entry)?;
            }
        }
        Ok(outcome)
    }

    /// Tells whether the rollout that this is for has moved on, or was here before.
    fn is_overtaken(
        &mut self,
        write: &Write,
        owner: Option<i64>,
        known: &[Option<Known>],
    ) -> rusqlite::Result<bool> {
        if let Some(guard) = write.rollout
            && !self.tally.stands(self.connection, guard)?
        {
            return Ok(true);
        }
        let jobs = write.jobs.iter().zip(known);
        let new = jobs.filter_map(|(entry, known)| entry.assignment.filter(|_| known.is_none()));
        let mut opened: Vec<Assignment> = Vec::new();
        for assignment in new {
            let is_same = |other: &Assignment| {
                (other.rollout, other.attempt) == (assignment.rollout, assignment.attempt)
            };
            let taken = match owner {
                Some(num) => tally::is_taken(self.connection, num, assignment)?,
                None => false,
            };
            if taken || opened.iter().any(is_same) {
                return Ok(true);
            }
            opened.push(assignment);
        }
        Ok(false)
    }

    fn known_jobs(&mut self, write: &Write) -> rusqlite::Result<Vec<Option<Known>>> {
        let mut known = Vec::with_capacity(write.jobs.len());
        for entry in &write.jobs {
            let job = self.job.query_row([entry.id.as_str()], |row| {
                Ok(Known {
                    seq: row.get(0)?,
                    device: row.get(1)?,
                    status: row.get(2)?,
                    whose: row.get::<_, Option<i64>>(3)?.zip(row.get(4)?),
                })
            });
            known.push(job.optional()?);
        }
        Ok(known)
    }

    /// Most changes leave alone what the indexes are about; for those one statement does, and touches no index.
    fn change(&mut self, write: &Write, guard: Guard) -> rusqlite::Result<Outcome> {
        let (num, revision) = (guard.key.0.cast_signed(), guard.revision.cast_signed());
        let wants = self.wants(write)?;
        let columns = params![
            num,
            revision,
            write.version,
            write.seen,
            write.written,
            write.desired(),
            write.reported(),
            write.control(),
            wants,
            write.open,
        ];
        if self.keep.execute(columns)? == 0 && self.shift.execute(columns)? == 0 {
            let stands: Option<i64> = self
                .revision
                .query_row([num], |row| row.get(0))
                .optional()?;
            return Ok(stands.map_or(Outcome::Missing, |_| Outcome::Conflict));
        }
        Ok(Outcome::Applied(Guard {
            key: guard.key,
            revision: guard.revision + 1,
        }))
    }

    fn create(&mut self, write: &Write) -> rusqlite::Result<Outcome> {
        let wants = self.wants(write)?;
        let made = self.create.insert(params![
            write.device.as_str(),
            write.version,
            write.seen,
            write.written,
            write.desired(),
            write.reported(),
            write.control(),
            wants,
            write.open,
        ]);
        let num = match made {
            Ok(num) => num,
            Err(rusqlite::Error::StatementChangedRows(_)) => return Ok(Outcome::Conflict),
            Err(error) => return Err(error),
        };
        self.deltas[DEVICES] += 1;
        Ok(Outcome::Applied(Guard {
            key: DeviceKey(num.cast_unsigned()),
            revision: 1,
        }))
    }

    /// Returns the number of what the desired URL names, if that lies in the depot.
    fn wants(&mut self, write: &Write) -> rusqlite::Result<Option<i64>> {
        let Some(digest) = write.wants else {
            return Ok(None);
        };
        if let Some(num) = self.artifacts.get(&digest) {
            return Ok(Some(*num));
        }
        let found = self
            .artifact
            .query_row([digest.as_bytes()], |row| row.get(0))
            .optional()?;
        let num = match found {
            Some(num) => num,
            None => self.artifact_new.insert([digest.as_bytes()])?,
        };
        if self.artifacts.len() >= ARTIFACTS_MAX {
            self.artifacts.clear();
        }
        self.artifacts.insert(digest, num);
        Ok(Some(num))
    }

    fn note_job(
        &mut self,
        num: i64,
        entry: &JobEntry,
        known: Option<Known>,
    ) -> rusqlite::Result<()> {
        let status = row::code(entry.status);
        let kind = kind_of(entry);
        let sent = entry.sent.map(|at| at.0.cast_signed());
        let started = entry.started.map(|at| at.0.cast_signed());
        let ended = entry.ended.map(|at| at.0.cast_signed());
        let (phase, percent) = (&entry.progress.phase, entry.progress.percent);
        let reason = &entry.reason;
        match known {
            None => {
                let opened = entry.opened.0.cast_signed();
                self.job_new.execute(params![
                    num,
                    entry.id.as_str(),
                    entry.software_url,
                    entry.previous,
                    entry.origin,
                    opened,
                    status,
                    sent,
                    started,
                    ended,
                    phase,
                    percent,
                    reason,
                    entry.assignment.map(|whose| whose.rollout.0),
                    entry.assignment.map(|whose| whose.wave),
                    entry.assignment.map(|whose| whose.attempt),
                    entry.assignment.map(|_| kind),
                ])?;
                if let Some(assignment) = entry.assignment {
                    self.tally.opened(self.connection, num, assignment, kind)?;
                }
            }
            Some(known) if known.status == status => {
                self.job_note.execute(params![
                    known.seq, sent, started, ended, phase, percent, reason
                ])?;
                return Ok(());
            }
            Some(known) => {
                if let Some(whose) = known.whose {
                    self.tally
                        .state_moves(self.connection, known.seq, whose, kind)?;
                }
                self.job_move.execute(params![
                    known.seq, sent, started, ended, phase, percent, reason, status, kind
                ])?;
                self.deltas[job_counter(known.status)] -= 1;
            }
        }
        self.deltas[job_counter(status)] += 1;
        Ok(())
    }
}

fn job_counter(code: i64) -> usize {
    (1 + code).clamp(1, 9) as usize
}
