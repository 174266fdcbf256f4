//! Reading: one connection, its statements prepared once, each call one moment of the database.

use std::sync::Arc;

use refit_access::audit::Head;
use refit_access::span::Span;
use refit_protocol::claim::ClaimId;
use refit_protocol::device_id::DeviceId;
use refit_protocol::diff::SOFTWARE_URL;
use refit_protocol::digest::Digest;
use refit_protocol::job::{JobId, Progress, Status};
use refit_protocol::rollout::{RolloutId, RolloutName};
use refit_protocol::time::Timestamp;
use refit_replica::record::{JobEntry, Record};
use rusqlite::{Connection, OptionalExtension, Params, Row, params};
use serde_json::{Map, Value};

use crate::access::{SessionRow, TokenRow, UserRow};
use crate::answer::Answer;
use crate::audit::{AuditFilter, AuditFrom, AuditLine};
use crate::facts::{DeviceFacts, ScanRow};
use crate::identity::{
    BarredRows, CertificateRow, ClaimRow, IdentityRow, IssuerCount, TrustCount, TrustRow,
};
use crate::list::ListRow;
use crate::reader::{Counts, Desires, DeviceRow, JobNumber, JobRow, Reader, Wanted};
use crate::release::Release;
use crate::rollout::{AssignedRow, Cluster, JobKind, RolloutRow, Wave, WaveCounts};
use crate::sqlite::Shared;
use crate::sqlite::access;
use crate::sqlite::answer;
use crate::sqlite::audit;
use crate::sqlite::count;
use crate::sqlite::facts;
use crate::sqlite::fault::unreadable as failed;
use crate::sqlite::identity;
use crate::sqlite::list;
use crate::sqlite::release::{self, device_id, unreadable};
use crate::sqlite::rollout;
use crate::sqlite::row::{self, Control, Unreadable};
use crate::sqlite::scan;
use crate::store::{DeviceKey, Failure, Stored};

const LOAD: &str = "SELECT num, revision, version, seen, written, desired, reported, control
     FROM device WHERE ext_id = ?";
/// The plus keeps the index of names out of it: the name is compared in the row.
const LOAD_ROW: &str = "SELECT num, revision, version, seen, written, desired, reported, control
     FROM device WHERE num = ?2 AND +ext_id = ?1";
const DEVICES: &str = "SELECT ext_id, version, seen, desired, reported, control
     FROM device WHERE ext_id >= ? AND ext_id <> ? AND ext_id < ? AND coalesce(json_extract(control, '$.x'), 0) = 0 ORDER BY ext_id LIMIT ?";
const JOB: &str = "SELECT seq, ext_id, id, software, previous, origin, status, opened, sent, started, ended, phase,
     percent, reason, rollout, wave, attempt, kind FROM job JOIN device USING (num)";

/// A connection that reads.
pub(super) struct SqliteReader {
    connection: Connection,
    shared: Arc<Shared>,
}

impl SqliteReader {
    pub(super) const fn new(connection: Connection, shared: Arc<Shared>) -> Self {
        Self { connection, shared }
    }

    /// Returns the connection, unless the store has stopped: what it shows then may not be what reopening shows.
    fn ready(&self) -> Result<&Connection, Failure> {
        self.shared.condition.check()?;
        Ok(&self.connection)
    }

    fn list<T>(
        &self,
        sql: &str,
        params: impl Params,
        read: impl FnMut(&Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<Vec<T>, Failure> {
        list(self.ready()?, sql, params, read).map_err(failed)
    }
}

impl Reader for SqliteReader {
    fn load(&mut self, device: &DeviceId) -> Result<Option<Stored>, Failure> {
        load(self.ready()?, device).map_err(failed)
    }

    fn load_many(&mut self, wanted: &[Wanted]) -> Result<Vec<Option<Stored>>, Failure> {
        let moment = self.ready()?.unchecked_transaction().map_err(failed)?;
        let stored = load_many(&moment, wanted).map_err(failed)?;
        moment.finish().map_err(failed)?;
        Ok(stored)
    }

    fn devices(
        &mut self,
        within: &Span,
        after: Option<&DeviceId>,
        limit: usize,
    ) -> Result<Vec<DeviceRow>, Failure> {
        // The index is entered at one place: at the first of the span, or behind what was read before.
        let after = after.map_or("", DeviceId::as_str);
        let from = after.max(&within.from);
        self.list(
            DEVICES,
            params![from, after, within.before, at_most(limit)],
            read_device,
        )
    }

    fn facts(&mut self, device: &DeviceId) -> Result<Option<DeviceFacts>, Failure> {
        facts::of(self.ready()?, device).map_err(failed)
    }

    fn scan(&mut self, after: DeviceKey, limit: usize) -> Result<Vec<ScanRow>, Failure> {
        let moment = self.ready()?.unchecked_transaction().map_err(failed)?;
        let rows = scan::scan(&moment, after, at_most(limit)).map_err(failed)?;
        moment.finish().map_err(failed)?;
        Ok(rows)
    }

    fn keys(&mut self, devices: &[DeviceId]) -> Result<Vec<Option<DeviceKey>>, Failure> {
        scan::keys(self.ready()?, devices).map_err(failed)
    }

    fn lists(&mut self) -> Result<Vec<ListRow>, Failure> {
        list::all(self.ready()?).map_err(failed)
    }

    fn list_ids(&mut self, name: &str) -> Result<Option<Vec<DeviceId>>, Failure> {
        list::ids(self.ready()?, name).map_err(failed)
    }

    fn job(&mut self, id: &JobId) -> Result<Option<JobRow>, Failure> {
        let found = self.list(&format!("{JOB} WHERE id = ?"), [id.as_str()], read_job)?;
        Ok(found.into_iter().next())
    }

    fn jobs_of(
        &mut self,
        device: &DeviceId,
        before: Option<JobNumber>,
        limit: usize,
    ) -> Result<Vec<JobRow>, Failure> {
        let sql = format!(
            "{JOB} WHERE job.num = (SELECT num FROM device WHERE ext_id = ?) AND seq < ? ORDER BY seq DESC LIMIT ?"
        );
        self.list(
            &sql,
            params![device.as_str(), bound(before), at_most(limit)],
            read_job,
        )
    }

    fn jobs(
        &mut self,
        status: Option<Status>,
        before: Option<JobNumber>,
        limit: usize,
    ) -> Result<Vec<JobRow>, Failure> {
        let (before, limit) = (bound(before), at_most(limit));
        match status {
            None => {
                let sql = format!("{JOB} WHERE seq < ? ORDER BY seq DESC LIMIT ?");
                self.list(&sql, params![before, limit], read_job)
            }
            Some(status) => {
                let sql = format!("{JOB} WHERE status = ? AND seq < ? ORDER BY seq DESC LIMIT ?");
                self.list(&sql, params![row::code(status), before, limit], read_job)
            }
        }
    }

    fn running(&mut self) -> Result<Vec<DeviceId>, Failure> {
        // The state stands in the text, so that the partial index is seen to fit.
        let sql = format!(
            "SELECT ext_id FROM device WHERE open = {} ORDER BY num",
            row::RUNNING
        );
        self.list(&sql, (), |row| device_id(row, 0))
    }

    fn rollouts(&mut self) -> Result<Vec<RolloutRow>, Failure> {
        self.list(rollout::ROLLOUTS, (), rollout::rollout)
    }

    fn rollout(&mut self, name: &RolloutName) -> Result<Option<RolloutRow>, Failure> {
        let found = self.list(rollout::ROLLOUT, [name.as_str()], rollout::rollout)?;
        Ok(found.into_iter().next())
    }

    fn waves(&mut self, rollout: RolloutId) -> Result<Vec<Wave>, Failure> {
        self.list(rollout::WAVES, [rollout.0], rollout::wave)
    }

    fn rollout_counts(&mut self, rollout: RolloutId) -> Result<Vec<WaveCounts>, Failure> {
        let counted = self.list(rollout::COUNTS, [rollout.0], rollout::counted)?;
        Ok(rollout::gather(counted))
    }

    fn rollout_recount(&mut self, rollout: RolloutId) -> Result<Vec<WaveCounts>, Failure> {
        let counted = self.list(rollout::RECOUNT, [rollout.0], rollout::counted)?;
        Ok(rollout::gather(counted))
    }

    fn rollout_jobs(
        &mut self,
        rollout: RolloutId,
        kind: Option<JobKind>,
        before: Option<JobNumber>,
        limit: usize,
    ) -> Result<Vec<JobRow>, Failure> {
        let sql = rollout::jobs(JOB, kind);
        let params = params![rollout.0, bound(before), at_most(limit)];
        self.list(&sql, params, read_job)
    }

    fn assigned(
        &mut self,
        rollout: RolloutId,
        after: DeviceKey,
        limit: usize,
    ) -> Result<Vec<AssignedRow>, Failure> {
        let params = params![rollout.0, after.0.cast_signed(), at_most(limit)];
        self.list(rollout::ASSIGNED, params, rollout::assigned)
    }

    fn failure_clusters(
        &mut self,
        rollout: RolloutId,
        limit: usize,
    ) -> Result<Vec<Cluster>, Failure> {
        let params = params![rollout.0, at_most(limit)];
        self.list(rollout::CLUSTERS, params, rollout::cluster)
    }

    fn releases(&mut self) -> Result<Vec<Release>, Failure> {
        let sql = format!(
            "SELECT {} FROM release ORDER BY name, place",
            release::COLUMNS
        );
        self.list(&sql, (), release::read)
    }

    fn release(&mut self, name: &str, version: &str) -> Result<Option<Release>, Failure> {
        release::find(self.ready()?, name, version).map_err(failed)
    }

    fn releases_of(&mut self, digest: &Digest) -> Result<Vec<Release>, Failure> {
        let sql = format!(
            "SELECT {} FROM release WHERE digest = ? ORDER BY seq",
            release::COLUMNS
        );
        self.list(&sql, [digest.as_bytes()], release::read)
    }

    fn desires(&mut self, digest: &Digest) -> Result<Desires, Failure> {
        let moment = self.ready()?.unchecked_transaction().map_err(failed)?;
        let desires = release::desires(&moment, digest).map_err(failed)?;
        moment.finish().map_err(failed)?;
        Ok(desires)
    }

    fn counts(&mut self) -> Result<Counts, Failure> {
        let counters = self.list("SELECT kind, n FROM counter", (), pair)?;
        let mut counts = Counts::default();
        for (kind, count) in counters {
            match kind.checked_sub(1) {
                Some(job) if job >= 0 => count::put(&mut counts, job, count)?,
                _ => counts.devices = count.cast_unsigned(),
            }
        }
        Ok(counts)
    }

    fn recount(&mut self) -> Result<Counts, Failure> {
        let mut counts = Counts::default();
        let moment = self.ready()?.unchecked_transaction().map_err(failed)?;
        let devices = list(&moment, "SELECT 0, count(*) FROM device", (), pair).map_err(failed)?;
        let jobs = list(
            &moment,
            "SELECT status, count(*) FROM job GROUP BY status",
            (),
            pair,
        );
        let jobs = jobs.map_err(failed)?;
        moment.finish().map_err(failed)?;
        counts.devices = devices.iter().map(|(_, count)| count.cast_unsigned()).sum();
        for (status, count) in jobs {
            count::put(&mut counts, status, count)?;
        }
        Ok(counts)
    }

    fn tokens(&mut self) -> Result<Vec<TokenRow>, Failure> {
        self.list(access::TOKENS, (), access::token)
    }

    fn users(&mut self) -> Result<Vec<UserRow>, Failure> {
        self.list(access::USERS, (), access::user)
    }

    fn sessions(&mut self) -> Result<Vec<SessionRow>, Failure> {
        self.list(access::SESSIONS, (), access::session)
    }

    fn answer(
        &mut self,
        caller: &str,
        key: &str,
        since: Timestamp,
    ) -> Result<Option<Answer>, Failure> {
        let sql = format!(
            "SELECT {} FROM answer WHERE caller = ?1 AND key = ?2 AND at >= ?3",
            answer::COLUMNS
        );
        let since = since.0.cast_signed();
        let found = self.list(&sql, (caller, key, since), answer::read)?;
        Ok(found.into_iter().next())
    }

    fn claims(&mut self) -> Result<Vec<ClaimRow>, Failure> {
        self.list(identity::CLAIMS, (), identity::claim)
    }

    fn claim(&mut self, id: ClaimId) -> Result<Option<ClaimRow>, Failure> {
        let found = self.list(identity::CLAIM, [id.0], identity::claim)?;
        Ok(found.into_iter().next())
    }

    fn identity(&mut self, device: &DeviceId) -> Result<Option<IdentityRow>, Failure> {
        let found = self.list(identity::IDENTITY, [device.as_str()], identity::identity)?;
        Ok(found.into_iter().next())
    }

    fn certificates_of(&mut self, device: &DeviceId) -> Result<Vec<CertificateRow>, Failure> {
        let sql = identity::certificates(identity::CERTIFICATES_OF);
        self.list(&sql, [device.as_str()], identity::certificate)
    }

    fn barred(&mut self) -> Result<BarredRows, Failure> {
        let moment = self.ready()?.unchecked_transaction().map_err(failed)?;
        let devices = list(
            &moment,
            identity::BARRED_DEVICES,
            (),
            identity::barred_device,
        );
        let devices = devices.map_err(failed)?;
        let certificates = list(&moment, identity::BARRED_CERTIFICATES, (), identity::digest);
        let certificates = certificates.map_err(failed)?;
        moment.finish().map_err(failed)?;
        Ok(BarredRows {
            devices,
            certificates,
        })
    }

    fn trust(&mut self, limit: usize) -> Result<Vec<TrustRow>, Failure> {
        self.list(identity::TRUST, [at_most(limit)], identity::trust)
    }

    fn issuers(&mut self, at: Timestamp) -> Result<Vec<IssuerCount>, Failure> {
        self.list(identity::ISSUERS, [at.0.cast_signed()], identity::issuer)
    }

    fn holders_of_others(
        &mut self,
        issuer: Digest,
        at: Timestamp,
    ) -> Result<Vec<DeviceId>, Failure> {
        let which = params![issuer.as_bytes(), at.0.cast_signed()];
        self.list(identity::HOLDERS_OF_OTHERS, which, identity::device)
    }

    fn trust_counts(&mut self, since: Timestamp) -> Result<Vec<TrustCount>, Failure> {
        let since = since.0.cast_signed();
        self.list(identity::TRUST_COUNTS, [since], identity::trust_count)
    }

    fn audit(
        &mut self,
        from: AuditFrom,
        filter: &AuditFilter,
        limit: usize,
    ) -> Result<Vec<AuditLine>, Failure> {
        audit::list(self.ready()?, from, filter, limit).map_err(failed)
    }

    fn audit_head(&mut self) -> Result<(u64, Head), Failure> {
        audit::head(self.ready()?).map_err(failed)
    }

    fn count_devices(&mut self, most: usize) -> Result<u64, Failure> {
        count::devices(self.ready()?, most).map_err(failed)
    }

    fn count_jobs_of(&mut self, device: &DeviceId, most: usize) -> Result<u64, Failure> {
        count::jobs_of(self.ready()?, device, most).map_err(failed)
    }

    fn count_audit(&mut self, filter: &AuditFilter, newest: usize) -> Result<u64, Failure> {
        count::audit(self.ready()?, filter, newest).map_err(failed)
    }

    fn meta(&mut self, key: &str) -> Result<Option<String>, Failure> {
        let found = self.list("SELECT value FROM meta WHERE key = ?", [key], |row| {
            row.get(0)
        })?;
        Ok(found.into_iter().next())
    }
}

fn list<T>(
    connection: &Connection,
    sql: &str,
    params: impl Params,
    read: impl FnMut(&Row<'_>) -> rusqlite::Result<T>,
) -> rusqlite::Result<Vec<T>> {
    connection
        .prepare_cached(sql)?
        .query_map(params, read)?
        .collect()
}

fn pair(row: &Row<'_>) -> rusqlite::Result<(i64, i64)> {
    Ok((row.get(0)?, row.get(1)?))
}

/// A negative limit would mean none to SQLite.
fn at_most(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
}

/// The numbers of jobs that come before `before`, or all.
fn bound(before: Option<JobNumber>) -> i64 {
    before.map_or(i64::MAX, |number| number.0.cast_signed())
}

fn load(connection: &Connection, device: &DeviceId) -> rusqlite::Result<Option<Stored>> {
    connection
        .prepare_cached(LOAD)?
        .query_row([device.as_str()], read_stored)
        .optional()
}

fn load_many(connection: &Connection, wanted: &[Wanted]) -> rusqlite::Result<Vec<Option<Stored>>> {
    let mut by_row = connection.prepare_cached(LOAD_ROW)?;
    let mut all = Vec::with_capacity(wanted.len());
    for Wanted { device, key } in wanted {
        let row = match key {
            Some(key) => by_row
                .query_row(params![device.as_str(), key.0.cast_signed()], read_stored)
                .optional()?,
            None => None,
        };
        all.push(match row {
            Some(stored) => Some(stored),
            None => load(connection, device)?,
        });
    }
    Ok(all)
}

fn read_stored(row: &Row<'_>) -> rusqlite::Result<Stored> {
    let mut record = Record {
        version: row.get::<_, i64>(2)?.cast_unsigned(),
        desired: document(row, 5)?,
        reported: document(row, 6)?,
        ..Record::default()
    };
    if let Some(control) = control(row, 7)? {
        control
            .fill(&mut record)
            .map_err(|why| unreadable(7, why))?;
    }
    Ok(Stored {
        key: DeviceKey(row.get::<_, i64>(0)?.cast_unsigned()),
        revision: row.get::<_, i64>(1)?.cast_unsigned(),
        seen: time(row, 3)?,
        written: Timestamp(row.get::<_, i64>(4)?.cast_unsigned()),
        record,
    })
}

fn read_device(row: &Row<'_>) -> rusqlite::Result<DeviceRow> {
    let job = match control(row, 5)? {
        Some(control) => control.open_job().map_err(|why| unreadable(5, why))?,
        None => None,
    };
    Ok(DeviceRow {
        id: device_id(row, 0)?,
        version: row.get::<_, i64>(1)?.cast_unsigned(),
        desired_software: software(document(row, 3)?),
        reported_software: software(document(row, 4)?),
        job,
        seen: time(row, 2)?,
    })
}

fn read_job(row: &Row<'_>) -> rusqlite::Result<JobRow> {
    let id = row.get_ref(2)?.as_str()?;
    let (assignment, kind) = rollout::whose(row, 14)?.unzip();
    Ok(JobRow {
        kind,
        number: JobNumber(row.get::<_, i64>(0)?.cast_unsigned()),
        device: device_id(row, 1)?,
        entry: JobEntry {
            id: row::job_id(id).map_err(|why| unreadable(2, why))?,
            software_url: row.get(3)?,
            previous: row.get(4)?,
            origin: row.get(5)?,
            assignment,
            status: row::status(row.get(6)?).map_err(|why| unreadable(6, why))?,
            opened: Timestamp(row.get::<_, i64>(7)?.cast_unsigned()),
            sent: time(row, 8)?,
            started: time(row, 9)?,
            ended: time(row, 10)?,
            progress: Progress {
                phase: row.get(11)?,
                percent: row.get(12)?,
            },
            reason: row.get(13)?,
        },
    })
}

fn time(row: &Row<'_>, column: usize) -> rusqlite::Result<Option<Timestamp>> {
    let stored: Option<i64> = row.get(column)?;
    Ok(stored.map(|at| Timestamp(at.cast_unsigned())))
}

fn document(row: &Row<'_>, column: usize) -> rusqlite::Result<Map<String, Value>> {
    let text = row.get_ref(column)?.as_bytes()?;
    serde_json::from_slice(text).map_err(|error| unreadable(column, Unreadable(error.to_string())))
}

fn control<'r>(row: &'r Row<'_>, column: usize) -> rusqlite::Result<Option<Control<'r>>> {
    let text = row.get_ref(column)?.as_str_or_null()?;
    let control = text.map(serde_json::from_str).transpose();
    control.map_err(|error| unreadable(column, Unreadable(error.to_string())))
}

fn software(mut document: Map<String, Value>) -> Option<String> {
    match document.remove(SOFTWARE_URL) {
        Some(Value::String(url)) => Some(url),
        _ => None,
    }
}
