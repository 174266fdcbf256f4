//! The jobs of rollouts in the writer's transaction: the guard, the one job of an attempt, and the counts.

use std::collections::HashMap;

use refit_protocol::rollout::Assignment;
use refit_replica::effect::Event;
use rusqlite::{Connection, OptionalExtension, params};

use crate::rollout::RolloutGuard;
use crate::sqlite::rollout::{LATE_SUCCESS, RETRIED, REVERTED, is_after, revision};

const TAKEN: &str = "SELECT 1 FROM job WHERE rollout = ?1 AND num = ?2 AND attempt = ?3";
const EARLIER: &str = "SELECT seq, wave, kind FROM job
     WHERE rollout = ?1 AND num = ?2 AND attempt < ?3 AND kind <> 11";
const BY_ID: &str = "SELECT seq, rollout, wave, kind FROM job WHERE id = ? AND rollout IS NOT NULL";
const KIND: &str = "SELECT kind FROM job WHERE seq = ?";
const MOVE: &str = "UPDATE job SET kind = ?2 WHERE seq = ?1";
const FOLD: &str = "INSERT INTO rollout_count VALUES (?1, ?2, ?3, ?4)
     ON CONFLICT DO UPDATE SET n = n + ?4";

/// What the open transaction does to the jobs of rollouts.
#[derive(Default)]
pub(super) struct Tally {
    /// What it adds, by rollout, wave and kind.
    deltas: HashMap<(i64, i64, i64), i64>,
    /// The revisions that were looked up in it: nobody else can change them meanwhile.
    revisions: HashMap<u32, Option<i64>>,
}

impl Tally {
    pub(super) fn begin(&mut self) {
        self.deltas.clear();
        self.revisions.clear();
    }

    /// Tells whether the rollout that an operation is for still is what it was decided from.
    pub(super) fn stands(
        &mut self,
        connection: &Connection,
        guard: RolloutGuard,
    ) -> rusqlite::Result<bool> {
        let known = match self.revisions.get(&guard.id.0) {
            Some(known) => *known,
            None => {
                let known = revision(connection, i64::from(guard.id.0))?;
                self.revisions.insert(guard.id.0, known);
                known
            }
        };
        Ok(known == Some(guard.revision.cast_signed()))
    }

    /// Counts a job that was opened; the device's earlier attempts are retried now.
    pub(super) fn opened(
        &mut self,
        connection: &Connection,
        num: i64,
        assignment: Assignment,
        kind: i64,
    ) -> rusqlite::Result<()> {
        let rollout = i64::from(assignment.rollout.0);
        self.add((rollout, i64::from(assignment.wave), kind), 1);
        if assignment.attempt == 0 {
            return Ok(());
        }
        let earlier: Vec<(i64, i64, i64)> = connection
            .prepare_cached(EARLIER)?
            .query_map(params![rollout, num, assignment.attempt], |row| {
                Ok((row.get(0)?, row.get(1)?, row.get(2)?))
            })?
            .collect::<Result<_, _>>()?;
        for (seq, wave, kind) in earlier {
            connection
                .prepare_cached(MOVE)?
                .execute(params![seq, RETRIED])?;
            self.moved(rollout, wave, kind, RETRIED);
        }
        Ok(())
    }

    /// Counts what came after the end of a job.
    pub(super) fn came(&mut self, connection: &Connection, event: &Event) -> rusqlite::Result<()> {
        let (id, to) = match event {
            Event::LateSuccess(id) => (id, LATE_SUCCESS),
            Event::Reverted(id) => (id, REVERTED),
        };
        let job: Option<(i64, i64, i64, i64)> = connection
            .prepare_cached(BY_ID)?
            .query_row([id.as_str()], |row| {
                Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?))
            })
            .optional()?;
        if let Some((seq, rollout, wave, from)) = job.filter(|(.., from)| *from != RETRIED) {
            connection.prepare_cached(MOVE)?.execute(params![seq, to])?;
            self.moved(rollout, wave, from, to);
        }
        Ok(())
    }

    /// Counts that a job is in another state, unless it is counted as what came after its end. Its kind is read only
    /// now: the same operation may have opened the next attempt.
    pub(super) fn state_moves(
        &mut self,
        connection: &Connection,
        seq: i64,
        (rollout, wave): (i64, i64),
        to: i64,
    ) -> rusqlite::Result<()> {
        let from: i64 = connection
            .prepare_cached(KIND)?
            .query_row([seq], |row| row.get(0))?;
        if !is_after(from) {
            self.moved(rollout, wave, from, to);
        }
        Ok(())
    }

    fn moved(&mut self, rollout: i64, wave: i64, from: i64, to: i64) {
        self.add((rollout, wave, from), -1);
        self.add((rollout, wave, to), 1);
    }

    fn add(&mut self, of: (i64, i64, i64), count: i64) {
        *self.deltas.entry(of).or_default() += count;
    }

    /// Writes what was counted.
    pub(super) fn fold(&mut self, connection: &Connection) -> rusqlite::Result<()> {
        for ((rollout, wave, kind), delta) in self.deltas.drain().filter(|(_, delta)| *delta != 0) {
            connection
                .prepare_cached(FOLD)?
                .execute(params![rollout, wave, kind, delta])?;
        }
        Ok(())
    }
}

/// Tells whether the device has a job of this attempt.
pub(super) fn is_taken(
    connection: &Connection,
    num: i64,
    assignment: Assignment,
) -> rusqlite::Result<bool> {
    let Assignment {
        rollout, attempt, ..
    } = assignment;
    connection
        .prepare_cached(TAKEN)?
        .exists(params![rollout.0, num, attempt])
}
