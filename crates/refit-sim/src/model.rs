//! The reference: what the design and the semantics say must be true of each device, kept from what was seen.
//!
//! It is written from those documents, not from the code: which jobs there were, who may have ended each, how long
//! its timers can have run, and what was wished.

use std::collections::BTreeMap;

use refit_protocol::diff::SOFTWARE_URL;
use refit_protocol::job::{JobId, Saying, Status};
use refit_protocol::software_url::{same, without_grant};
use refit_protocol::topic::Kind;
use refit_protocol::update::Update;
use refit_replica::record::JobEntry;
use serde_json::Value;

use crate::clock::{Millis, SECOND};
use crate::coverage::Coverage;
use crate::disk::Written;
use crate::net::ConnId;
use crate::options::Options;

/// How long something that was said may take until it is durable: queues, conflicts, slow commits.
const SLACK: Millis = 30 * SECOND;

/// What is known of all devices.
pub(crate) struct Model {
    devices: Vec<Known>,
    up: Stopwatch,
}

/// What is known of one device.
#[derive(Default)]
pub(crate) struct Known {
    pub(crate) jobs: BTreeMap<JobId, JobLife>,
    words: BTreeMap<JobId, Vec<Saying>>,
    /// Software that it reported without naming a job.
    reports: Vec<String>,
    wishes: Vec<(Millis, Option<String>)>,
    cancels: Vec<Millis>,
    retries: Vec<Millis>,
    attached: Option<ConnId>,
    subscribed: Option<ConnId>,
    reach: Stopwatch,
}

/// The life of one job.
#[derive(Clone, Debug)]
pub(crate) struct JobLife {
    /// Its place among the device's jobs.
    pub(crate) number: usize,
    pub(crate) software_url: String,
    pub(crate) status: Status,
    /// When it was first seen.
    seen: Millis,
    up_at: Millis,
    reach_at: Millis,
    ended: Option<Millis>,
    /// Whether the device can have heard of it.
    sent: bool,
}

/// Time while something holds.
#[derive(Clone, Copy, Debug, Default)]
struct Stopwatch {
    total: Millis,
    since: Option<Millis>,
}

impl Stopwatch {
    fn set(&mut self, runs: bool, now: Millis) {
        self.total = self.read(now);
        self.since = runs.then_some(now);
    }

    fn read(&self, now: Millis) -> Millis {
        self.total + self.since.map_or(0, |since| now - since)
    }
}

impl Model {
    pub(crate) fn new(devices: usize) -> Self {
        Self {
            devices: (0..devices).map(|_| Known::default()).collect(),
            up: Stopwatch::default(),
        }
    }

    pub(crate) fn known(&self, device: usize) -> &Known {
        &self.devices[device]
    }

    pub(crate) fn server_starts(&mut self, now: Millis) {
        self.up.set(true, now);
    }

    pub(crate) fn server_stops(&mut self, now: Millis) {
        self.up.set(false, now);
        for known in &mut self.devices {
            known.attached = None;
            known.subscribed = None;
            known.reach.set(false, now);
        }
    }

    pub(crate) fn attached(&mut self, device: usize, conn: ConnId, now: Millis) {
        let known = &mut self.devices[device];
        known.attached = Some(conn);
        known.subscribed = None;
        known.reach.set(false, now);
    }

    pub(crate) fn subscribed(&mut self, device: usize, conn: ConnId, now: Millis) {
        let known = &mut self.devices[device];
        if known.attached == Some(conn) && known.subscribed.is_none() {
            known.subscribed = Some(conn);
            known.reach.set(true, now);
        }
    }

    pub(crate) fn unsubscribed(&mut self, device: usize, conn: ConnId, now: Millis) {
        let known = &mut self.devices[device];
        if known.attached == Some(conn) {
            known.subscribed = None;
            known.reach.set(false, now);
        }
    }

    pub(crate) fn detached(&mut self, device: usize, conn: ConnId, now: Millis) {
        self.unsubscribed(device, conn, now);
        let known = &mut self.devices[device];
        if known.attached == Some(conn) {
            known.attached = None;
        }
    }

    /// Returns the connection on which the device can be told something.
    pub(crate) fn reachable_on(&self, device: usize) -> Option<ConnId> {
        self.devices[device].subscribed
    }

    /// Tells whether the device has a newer connection than this.
    pub(crate) fn is_older(&self, device: usize, conn: ConnId) -> bool {
        self.devices[device]
            .attached
            .is_some_and(|newest| newest != conn)
    }

    /// A device said something, and the server got it.
    pub(crate) fn device_says(&mut self, device: usize, kind: Kind, payload: &[u8]) {
        let Kind::Update = kind else { return };
        let Ok(update) = Update::parse(payload) else {
            return;
        };
        let known = &mut self.devices[device];
        match (update.job_id, update.saying) {
            (Some(job), Some(saying)) => {
                let words = known.words.entry(job.clone()).or_default();
                if !words.contains(&saying) {
                    words.push(saying);
                }
                // SUCCESS, even late, says what the device runs (semantics 28).
                if saying == Saying::Success
                    && let Some(life) = known.jobs.get(&job)
                {
                    let url = life.software_url.clone();
                    known.reported(url);
                }
            }
            (Some(_), None) => {}
            (None, _) => {
                if let Some(Value::String(url)) =
                    update.reported.as_ref().and_then(|r| r.get(SOFTWARE_URL))
                {
                    known.reported(without_grant(url));
                }
            }
        }
    }

    /// An operator wished for this software, or for none.
    pub(crate) fn wished(&mut self, device: usize, url: Option<String>, now: Millis) {
        self.devices[device].wishes.push((now, url));
    }

    pub(crate) fn cancelled(&mut self, device: usize, now: Millis) {
        self.devices[device].cancels.push(now);
    }

    pub(crate) fn retried(&mut self, device: usize, now: Millis) {
        self.devices[device].retries.push(now);
    }

    /// Returns how long the server was away since a job was opened.
    pub(crate) fn away_since(&self, device: usize, id: &JobId, now: Millis) -> Millis {
        self.devices[device].jobs.get(id).map_or(0, |job| {
            (now - job.seen).saturating_sub(self.up.read(now) - job.up_at)
        })
    }

    /// A write became durable: its jobs may only have gone where they may go, for a cause that was seen.
    pub(crate) fn written(
        &mut self,
        device: usize,
        written: &Written<'_>,
        now: Millis,
        options: &Options,
        coverage: &mut Coverage,
    ) -> Result<(), String> {
        let up = self.up.read(now);
        let known = &mut self.devices[device];
        for entry in written.jobs {
            known.job_written(entry, now, up, options, coverage)?;
        }
        known.one_is_open(written)
    }
}

/// How many ended jobs that were sent a record remembers (semantics 28).
const REMEMBERED: usize = 4;

impl Known {
    /// Tells whether a late word about a job can still be understood: no more than so many were sent after it.
    pub(crate) fn remembers(&self, id: &JobId) -> bool {
        self.jobs.get(id).is_some_and(|job| {
            let later = |other: &&JobLife| other.sent && other.number > job.number;
            self.jobs.values().filter(later).count() < REMEMBERED
        })
    }

    fn reported(&mut self, url: String) {
        if !self.reports.contains(&url) {
            self.reports.push(url);
        }
    }

    fn job_written(
        &mut self,
        entry: &JobEntry,
        now: Millis,
        up: Millis,
        options: &Options,
        coverage: &mut Coverage,
    ) -> Result<(), String> {
        let reach = self.reach.read(now);
        if !self.jobs.contains_key(&entry.id) {
            self.may_open(entry, now, options)?;
            let life = JobLife {
                number: self.jobs.len(),
                software_url: entry.software_url.clone(),
                status: Status::Queued,
                seen: now,
                up_at: up,
                reach_at: reach,
                ended: None,
                sent: false,
            };
            self.jobs.insert(entry.id.clone(), life);
        }
        let Some(job) = self.jobs.get(&entry.id).cloned() else {
            return Ok(());
        };
        let (from, to) = (job.status, entry.status);
        may_go(&entry.id, from, to)?;
        if to != Status::Queued {
            coverage.edge(from, to);
        }
        if to.is_final() && !from.is_final() {
            let ran = if from == Status::Running {
                up - job.up_at
            } else {
                reach - job.reach_at
            };
            self.may_end(entry, &job, ran, options)?;
        }
        if let Some(job) = self.jobs.get_mut(&entry.id) {
            job.status = to;
            job.sent |= entry.sent.is_some() || to == Status::Running;
            job.ended = job.ended.or_else(|| to.is_final().then_some(now));
        }
        Ok(())
    }

    /// A job opens for software that somebody wished for; after an end without success only when it is wished for
    /// again, or tried again (semantics 27); and not for what failed here as often as it may (semantics 33).
    fn may_open(&self, entry: &JobEntry, now: Millis, options: &Options) -> Result<(), String> {
        let JobEntry {
            id, software_url, ..
        } = entry;
        let wished = |since: Millis| {
            let is = |(at, url): &&(Millis, Option<String>)| {
                *at + SLACK >= since && url.as_ref().is_some_and(|url| same(url, software_url))
            };
            self.wishes.iter().any(|wish| is(&wish))
        };
        if !wished(0) {
            return Err(format!(
                "job {id} for {software_url}, which nobody wished for"
            ));
        }
        let last_retry = self.retries.iter().max().copied();
        let retried = |since: Millis| last_retry.is_some_and(|at| at + SLACK >= since);
        let last = self
            .jobs
            .values()
            .filter(|job| same(&job.software_url, software_url));
        if let Some(last) = last.max_by_key(|job| job.number)
            && let Some(ended) = last.ended
            && without_success(last.status)
            && !wished(ended)
            && !retried(ended)
        {
            return Err(format!(
                "job {id} opened by itself after another for the same software ended as {}",
                last.status
            ));
        }
        let counted = |job: &&JobLife| {
            job.status == Status::Failed
                && same(&job.software_url, software_url)
                && last_retry.is_none_or(|at| job.ended.is_some_and(|ended| ended > at + SLACK))
        };
        let failed = self.jobs.values().filter(counted).count();
        if failed >= usize::from(options.policy.failures_max) && !retried(now) {
            return Err(format!(
                "job {id} opened after {failed} failures of the same software"
            ));
        }
        Ok(())
    }

    /// A job ends by its own acknowledgement, its timeout, or an operator (design §9.3).
    fn may_end(
        &self,
        entry: &JobEntry,
        job: &JobLife,
        ran: Millis,
        options: &Options,
    ) -> Result<(), String> {
        let id = &entry.id;
        let said = |saying: Saying| {
            self.words
                .get(id)
                .is_some_and(|words| words.contains(&saying))
        };
        let since = |at: &Millis| *at + SLACK >= job.seen;
        let legal = match entry.status {
            Status::Succeeded => {
                let reported = self.reports.iter().any(|url| same(url, &job.software_url));
                said(Saying::Success) || (reported && job.status != Status::Running)
            }
            // SUCCESS with other software is a failure.
            Status::Failed => said(Saying::Failure) || said(Saying::Success),
            Status::Rejected => said(Saying::Rejected),
            Status::TimedOut => {
                let start = options
                    .policy
                    .start_ms
                    .filter(|_| job.status != Status::Running);
                ran + SLACK
                    >= start.map_or(options.policy.end_ms, |start| {
                        start.min(options.policy.end_ms)
                    })
            }
            Status::Cancelled => {
                let taken_back = self
                    .wishes
                    .iter()
                    .any(|(at, url)| since(at) && url.is_none());
                self.cancels.iter().any(since) || taken_back
            }
            Status::Superseded => self.wishes.iter().any(|(at, url)| {
                since(at)
                    && url
                        .as_ref()
                        .is_some_and(|url| !same(url, &job.software_url))
            }),
            Status::Queued | Status::Sent | Status::Running => true,
        };
        if legal {
            return Ok(());
        }
        let status = entry.status;
        Err(format!(
            "job {id} ended from {} as {status} without a cause (its timer ran {ran} ms at most; device said {:?})",
            job.status,
            self.words.get(id)
        ))
    }

    /// A device has one open job at most, and the record and the job's own line agree on it.
    fn one_is_open(&self, written: &Written<'_>) -> Result<(), String> {
        let open: Vec<_> = self
            .jobs
            .iter()
            .filter(|(_, job)| !job.status.is_final())
            .collect();
        let in_record = written.record.job.as_ref();
        let agree = match (&open[..], in_record) {
            ([], None) => true,
            ([(id, life)], Some(job)) => **id == job.id && life.status == job.status(),
            _ => false,
        };
        if agree {
            return Ok(());
        }
        Err(format!(
            "open by their lines: {open:?}; in the record: {:?}",
            in_record.map(|job| (&job.id, job.status()))
        ))
    }
}

fn may_go(id: &JobId, from: Status, to: Status) -> Result<(), String> {
    let legal = match from {
        Status::Queued => true,
        Status::Sent => to != Status::Queued,
        Status::Running => to != Status::Queued && to != Status::Sent,
        ended => ended == to,
    };
    if legal {
        return Ok(());
    }
    Err(format!("job {id} went from {from} to {to}"))
}

pub(crate) const fn without_success(status: Status) -> bool {
    matches!(
        status,
        Status::Failed | Status::Rejected | Status::TimedOut | Status::Cancelled
    )
}
