//! Rollouts in their tables: changed in a transaction of their own, if they still are what was decided from.

use refit_protocol::job::Status;
use refit_protocol::rollout::{Assignment, RolloutId, RolloutName};
use refit_protocol::time::Timestamp;
use refit_replica::record::JobEntry;
use rusqlite::{Connection, OptionalExtension, Row, params};

use crate::rollout::{
    AssignedRow, Cluster, JobKind, KindCounts, NewRollout, RolloutChange, RolloutGuard,
    RolloutOutcome, RolloutRow, Wave, WaveCounts,
};
use crate::sqlite::release::unreadable;
use crate::sqlite::row::{self, Unreadable};
use crate::store::DeviceKey;

pub(super) const ROLLOUTS: &str =
    "SELECT id, name, plan, state, status, revision, created, changed FROM rollout ORDER BY id";
pub(super) const ROLLOUT: &str =
    "SELECT id, name, plan, state, status, revision, created, changed FROM rollout WHERE name = ?";
pub(super) const WAVES: &str =
    "SELECT wave, size, members FROM rollout_wave WHERE rollout = ? ORDER BY wave";
pub(super) const COUNTS: &str =
    "SELECT wave, kind, n FROM rollout_count WHERE rollout = ? AND n <> 0 ORDER BY wave";
pub(super) const RECOUNT: &str =
    "SELECT wave, kind, count(*) FROM job WHERE rollout = ? GROUP BY wave, kind ORDER BY wave";
/// The other columns are those of the row that has the greatest attempt.
pub(super) const ASSIGNED: &str = "SELECT num, rollout, wave, max(attempt), kind FROM job
     WHERE rollout = ?1 AND num > ?2 GROUP BY num ORDER BY num LIMIT ?3";
/// The kinds stand in the text, so that the partial index is seen to fit.
pub(super) const CLUSTERS: &str = "SELECT kind, reason, previous, count(*) FROM job
     WHERE rollout = ?1 AND kind IN (4, 5, 6, 10, 13) GROUP BY kind, reason, previous
     ORDER BY 4 DESC, 1, 2, 3 LIMIT ?2";

/// The code of a late success; below are the codes of the states of jobs.
pub(super) const LATE_SUCCESS: i64 = 9;
/// The code of a job that the device fell back from.
pub(super) const REVERTED: i64 = 10;
/// The code of a job with a later attempt.
pub(super) const RETRIED: i64 = 11;

/// The code of a job of a device that had the software before.
const ALREADY_THERE: i64 = 12;
/// The code of a job that timed out while the device was at work.
const GONE_DARK: i64 = 13;

/// Returns as what a job is counted by its own line: what may come after its end is told by events.
pub(super) fn kind_of(entry: &JobEntry) -> i64 {
    match entry.status {
        Status::Succeeded if entry.was_already_there() => ALREADY_THERE,
        Status::TimedOut if entry.started.is_some() => GONE_DARK,
        status => row::code(status),
    }
}

/// Tells whether a kind is what came after the end of a job, which no state of it takes back.
pub(super) const fn is_after(kind: i64) -> bool {
    matches!(kind, LATE_SUCCESS..=RETRIED)
}

/// Makes a change.
pub(super) fn change(
    connection: &Connection,
    change: &RolloutChange,
) -> rusqlite::Result<RolloutOutcome> {
    match change {
        RolloutChange::Create(new) => create(connection, new),
        RolloutChange::Update {
            from,
            state,
            plan,
            waves,
            at,
        } => {
            let (state, status) = state.as_ref().map(|(state, word)| (state, word)).unzip();
            let id = i64::from(from.id.0);
            let changed = connection
                .prepare_cached(
                    "UPDATE rollout SET revision = revision + 1, state = coalesce(?3, state),
                     status = coalesce(?4, status), plan = coalesce(?5, plan), changed = ?6
                     WHERE id = ?1 AND revision = ?2",
                )?
                .execute(params![
                    id,
                    from.revision.cast_signed(),
                    state,
                    status,
                    plan,
                    at.0.cast_signed()
                ])?;
            if changed == 0 {
                let stands = revision(connection, id)?;
                return Ok(stands.map_or(RolloutOutcome::Missing, |revision| {
                    RolloutOutcome::Conflict(revision.cast_unsigned())
                }));
            }
            put_waves(connection, id, waves)?;
            Ok(RolloutOutcome::Done(RolloutGuard {
                id: from.id,
                revision: from.revision + 1,
            }))
        }
    }
}

fn create(connection: &Connection, new: &NewRollout) -> rusqlite::Result<RolloutOutcome> {
    let at = new.at.0.cast_signed();
    let made = connection
        .prepare_cached(
            "INSERT INTO rollout (name, plan, state, status, revision, created, changed)
             VALUES (?1, ?2, ?3, ?4, 1, ?5, ?5) ON CONFLICT DO NOTHING",
        )?
        .execute(params![
            new.name.as_str(),
            new.plan,
            new.state,
            new.status,
            at
        ])?;
    if made == 0 {
        return Ok(RolloutOutcome::Taken);
    }
    let id = connection.last_insert_rowid();
    put_waves(connection, id, &new.waves)?;
    Ok(RolloutOutcome::Done(RolloutGuard {
        id: RolloutId(id as u32),
        revision: 1,
    }))
}

fn put_waves(connection: &Connection, rollout: i64, waves: &[Wave]) -> rusqlite::Result<()> {
    let mut put = connection.prepare_cached(
        "INSERT INTO rollout_wave (rollout, wave, size, members) VALUES (?1, ?2, ?3, ?4)
         ON CONFLICT DO UPDATE SET size = ?3, members = ?4",
    )?;
    for wave in waves {
        put.execute(params![
            rollout,
            wave.wave,
            wave.size.cast_signed(),
            wave.members
        ])?;
    }
    Ok(())
}

/// Returns the revision of a rollout.
pub(super) fn revision(connection: &Connection, id: i64) -> rusqlite::Result<Option<i64>> {
    connection
        .prepare_cached("SELECT revision FROM rollout WHERE id = ?")?
        .query_row([id], |row| row.get(0))
        .optional()
}

/// Returns the question for the jobs of a rollout, all or those of one kind.
pub(super) fn jobs(job: &str, kind: Option<JobKind>) -> String {
    let kind = kind.map_or_else(String::new, |kind| format!("AND kind = {}", code(kind)));
    format!("{job} WHERE rollout = ? {kind} AND seq < ? ORDER BY seq DESC LIMIT ?")
}

/// Gathers counts, which come in the order of their waves.
pub(super) fn gather(counted: Vec<(u16, JobKind, u64)>) -> Vec<WaveCounts> {
    let mut waves: Vec<WaveCounts> = Vec::new();
    for (wave, kind, count) in counted {
        match waves.last_mut().filter(|last| last.wave == wave) {
            Some(last) => last.counts.set(kind, count),
            None => {
                let mut counts = KindCounts::default();
                counts.set(kind, count);
                waves.push(WaveCounts { wave, counts });
            }
        }
    }
    waves
}

/// The codes are stored: they may be added to, never given another meaning.
const fn code(kind: JobKind) -> i64 {
    match kind {
        JobKind::In(status) => row::code(status),
        JobKind::LateSuccess => LATE_SUCCESS,
        JobKind::Reverted => REVERTED,
        JobKind::Retried => RETRIED,
        JobKind::AlreadyThere => ALREADY_THERE,
        JobKind::GoneDark => GONE_DARK,
    }
}

fn kind(row: &Row<'_>, column: usize) -> rusqlite::Result<JobKind> {
    let stored: i64 = row.get(column)?;
    JobKind::all()
        .find(|kind| code(*kind) == stored)
        .ok_or_else(|| unreadable(column, Unreadable(format!("{stored} is no kind of job"))))
}

pub(super) fn rollout(row: &Row<'_>) -> rusqlite::Result<RolloutRow> {
    let name = row.get_ref(1)?.as_str()?;
    let name = RolloutName::parse(name)
        .map_err(|why| unreadable(1, Unreadable(format!("{name:?}: {why}"))))?;
    Ok(RolloutRow {
        id: RolloutId(row.get(0)?),
        name,
        plan: row.get(2)?,
        state: row.get(3)?,
        status: row.get(4)?,
        revision: row.get::<_, i64>(5)?.cast_unsigned(),
        created: Timestamp(row.get::<_, i64>(6)?.cast_unsigned()),
        changed: Timestamp(row.get::<_, i64>(7)?.cast_unsigned()),
    })
}

pub(super) fn wave(row: &Row<'_>) -> rusqlite::Result<Wave> {
    Ok(Wave {
        wave: row.get(0)?,
        size: row.get::<_, i64>(1)?.cast_unsigned(),
        members: row.get(2)?,
    })
}

pub(super) fn counted(row: &Row<'_>) -> rusqlite::Result<(u16, JobKind, u64)> {
    Ok((
        row.get(0)?,
        kind(row, 1)?,
        row.get::<_, i64>(2)?.cast_unsigned(),
    ))
}

pub(super) fn assigned(row: &Row<'_>) -> rusqlite::Result<AssignedRow> {
    Ok(AssignedRow {
        key: DeviceKey(row.get::<_, i64>(0)?.cast_unsigned()),
        assignment: Assignment {
            rollout: RolloutId(row.get(1)?),
            wave: row.get(2)?,
            attempt: row.get(3)?,
        },
        kind: kind(row, 4)?,
    })
}

pub(super) fn cluster(row: &Row<'_>) -> rusqlite::Result<Cluster> {
    Ok(Cluster {
        kind: kind(row, 0)?,
        reason: row.get(1)?,
        previous: row.get(2)?,
        jobs: row.get::<_, i64>(3)?.cast_unsigned(),
    })
}

/// Reads whose job a job is, and as what it is counted, from four columns; they are NULL for a job of no rollout.
pub(super) fn whose(
    row: &Row<'_>,
    column: usize,
) -> rusqlite::Result<Option<(Assignment, JobKind)>> {
    let Some(rollout) = row.get(column)? else {
        return Ok(None);
    };
    let assignment = Assignment {
        rollout: RolloutId(rollout),
        wave: row.get(column + 1)?,
        attempt: row.get(column + 2)?,
    };
    Ok(Some((assignment, kind(row, column + 3)?)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_asked_of_a_large_rollout_is_found_by_an_index() {
        let mut connection = Connection::open_in_memory().unwrap();
        crate::sqlite::schema::migrate_all(&mut connection).unwrap();
        let failed = JobKind::In(Status::Failed);
        let jobs_of_a_kind = jobs("SELECT seq FROM job", Some(failed));
        for (sql, index) in [
            (
                CLUSTERS,
                "COVERING INDEX job_failure (rollout=? AND kind=?)",
            ),
            (ASSIGNED, "INDEX job_rollout (rollout=? AND num>?)"),
            (
                &jobs_of_a_kind,
                "INDEX job_rollout_kind (rollout=? AND kind=? AND rowid<?)",
            ),
            (RECOUNT, "INDEX job_rollout"),
        ] {
            let mut question = connection
                .prepare(&format!("EXPLAIN QUERY PLAN {sql}"))
                .unwrap();
            let steps = question.raw_query().mapped(|row| row.get(3));
            let plan: Vec<String> = steps.collect::<Result<_, _>>().unwrap();
            assert!(
                plan.iter().any(|step| step.contains(index)),
                "{sql}: {plan:?}"
            );
        }
    }

    #[test]
    fn codes_are_those_that_were_always_stored() {
        assert!(JobKind::all().map(code).eq(0..14));
    }
}
