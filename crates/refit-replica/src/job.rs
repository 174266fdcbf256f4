//! The life of a job: it opens, is sent, runs, and ends exactly once (design §5 and §9.3).

use alloc::string::String;
use refit_protocol::job::{JobId, Progress, Saying, Status};
use refit_protocol::software_url::{same, without_grant};

use crate::decide::Draft;
use crate::input::Assign;
use crate::record::{Failures, Job, JobEntry, PAST_JOBS_MAX, PastJob, Stage, Withheld};

/// How many different failed software a record counts; the oldest is forgotten first.
const FAILURES_KEPT_MAX: usize = 4;

/// Opens a job for the desired software, as a rollout wants it.
pub(crate) fn open_assigned(draft: &mut Draft<'_, '_>, assign: &Assign) {
    open(draft, assign.origin.clone());
    let Some(job) = draft.record.job.as_mut() else {
        return;
    };
    job.assignment = Some(assign.assignment);
    job.priority = assign.priority;
    job.start_left_ms = assign.start_ms;
    job.end_left_ms = assign.end_ms;
    let entry = job.entry();
    draft.job_changed(entry);
}

/// Opens a job for the desired software.
pub(crate) fn open(draft: &mut Draft<'_, '_>, origin: String) {
    let Some(software_url) = draft.record.desired_software().map(without_grant) else {
        return;
    };
    let job = Job {
        id: JobId::new(draft.context.epoch, (draft.context.random)()),
        software_url,
        previous: draft.record.reported_software().map(String::from),
        origin,
        assignment: None,
        priority: 0,
        stage: Stage::Queued,
        opened: draft.context.now.wall,
        start_left_ms: draft.context.policy.start_ms,
        end_left_ms: draft.context.policy.end_ms,
        resends: 0,
    };
    draft.watch.start_over();
    draft.record.withheld = None;
    draft.job_changed(job.entry());
    draft.record.job = Some(job);
}

/// QUEUED → SENT: its delta leaves with this commit.
pub(crate) fn send(draft: &mut Draft<'_, '_>) {
    let at = draft.context.now.wall;
    let Some(job) = draft.record.job.as_mut() else {
        return;
    };
    if job.stage != Stage::Queued {
        return;
    }
    job.stage = Stage::Sent { at };
    let entry = job.entry();
    draft.job_changed(entry);
}

/// QUEUED or SENT → RUNNING, or further progress. A device may know of a job that is QUEUED by our books: the delta
/// left, and the note of it was lost in a crash.
pub(crate) fn run(draft: &mut Draft<'_, '_>, progress: Option<Progress>) {
    let at = draft.context.now.wall;
    let Some(job) = draft.record.job.as_mut() else {
        return;
    };
    let sent = job.sent();
    match (&mut job.stage, progress) {
        (Stage::Running { .. }, None) => return,
        (Stage::Running { progress: last, .. }, Some(progress)) if *last == progress => return,
        (Stage::Running { progress: last, .. }, Some(progress)) => *last = progress,
        (stage, progress) => {
            *stage = Stage::Running {
                sent,
                at,
                progress: progress.unwrap_or_default(),
            };
        }
    }
    let entry = job.entry();
    draft.job_changed(entry);
}

/// Any open state → its end. `spoken` tells whether the device's own word ends it.
pub(crate) fn end(draft: &mut Draft<'_, '_>, status: Status, reason: Option<String>, spoken: bool) {
    debug_assert!(status.is_final(), "a job ends in a final state");
    let Some(job) = draft.record.job.take() else {
        return;
    };
    draft.watch.start_over();
    let known = spoken || job.acknowledged();
    let ended = JobEntry {
        status,
        ended: Some(draft.context.now.wall),
        reason,
        ..job.entry()
    };
    draft.job_changed(ended);
    withhold(draft, &job, status);
    if job.sent().is_some() || known {
        remember(draft, job, status, known);
    }
}

/// After an end without success the wish stays, but nothing is sent for it (semantics 27). The reason that is kept is
/// the one that has to go: after the last failure that is allowed, desiring the same again would not do.
fn withhold(draft: &mut Draft<'_, '_>, job: &Job, status: Status) {
    if status == Status::Failed {
        count_failure(draft, &job.software_url);
    }
    let without_success = matches!(
        status,
        Status::Failed | Status::Rejected | Status::TimedOut | Status::Cancelled
    );
    let still_desired = draft
        .record
        .desired_software()
        .is_some_and(|url| same(url, &job.software_url));
    if !without_success || !still_desired {
        return;
    }
    draft.record.withheld = Some(match capped(draft, &job.software_url) {
        true => Withheld::Capped,
        false => Withheld::Ended {
            job: job.id.clone(),
            status,
        },
    });
}

/// Tells whether this software failed here as often as it may (semantics 33).
pub(crate) fn capped(draft: &Draft<'_, '_>, software_url: &str) -> bool {
    draft.record.failures.iter().any(|failed| {
        same(&failed.software_url, software_url)
            && failed.count >= draft.context.policy.failures_max
    })
}

fn count_failure(draft: &mut Draft<'_, '_>, software_url: &str) {
    let failures = &mut draft.record.failures;
    if let Some(known) = failures
        .iter_mut()
        .find(|f| same(&f.software_url, software_url))
    {
        known.count = known.count.saturating_add(1);
        return;
    }
    if failures.len() == FAILURES_KEPT_MAX {
        failures.remove(0);
    }
    failures.push(Failures {
        software_url: software_url.into(),
        count: 1,
    });
}

fn remember(draft: &mut Draft<'_, '_>, job: Job, status: Status, acknowledged: bool) {
    if draft.record.past.len() == PAST_JOBS_MAX {
        draft.record.past.remove(0);
    }
    draft.record.past.push(PastJob {
        id: job.id,
        software_url: job.software_url,
        assignment: job.assignment,
        status,
        acknowledged,
        late_success: false,
    });
}

/// Returns the end that a device's word gives a job; `None` for the word that ends none.
pub(crate) const fn end_of(saying: Saying) -> Option<Status> {
    match saying {
        Saying::Running => None,
        Saying::Success => Some(Status::Succeeded),
        Saying::Failure => Some(Status::Failed),
        Saying::Rejected => Some(Status::Rejected),
    }
}
