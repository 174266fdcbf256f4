//! A device speaks of a job. Its word counts only for the job that it names (design §5, semantics 28).

use alloc::format;
use alloc::string::String;
use refit_protocol::diff::SOFTWARE_URL;
use refit_protocol::job::{JobId, Progress, Saying, Status};
use refit_protocol::merge::merge;
use refit_protocol::rejection::{Code, Rejection};
use refit_protocol::software_url::{same, without_grant};
use refit_protocol::update::Update;
use serde_json::{Map, Value};

use crate::decide::Draft;
use crate::effect::Event;
use crate::job;
use crate::record::{Job, Record};

/// An acknowledgement, taken apart from the update that carried it.
pub(super) struct Word {
    pub(super) job_id: JobId,
    pub(super) saying: Option<Saying>,
    pub(super) progress: Option<Progress>,
    pub(super) reason: Option<String>,
}

/// What an acknowledgement came to.
pub(super) enum Heard {
    /// It is of the newest job: the rest of the update counts.
    Counts(Status),
    /// It repeats how a job ended: answered the same again, and what it reports of the software is old.
    Repeats(Status),
}

/// Hears a word about a job. `reported` is what the same update reports; a plain SUCCESS says through it that the
/// device now runs the software of the job.
pub(super) fn acknowledge(
    draft: &mut Draft<'_, '_>,
    word: Word,
    reported: &mut Option<Map<String, Value>>,
) -> Result<Heard, Rejection> {
    if draft
        .record
        .job
        .as_ref()
        .is_some_and(|job| job.id == word.job_id)
    {
        return Ok(Heard::Counts(hear_open(draft, word, reported)));
    }
    hear_past(draft, &word, reported.as_ref())
}

/// Tells whether an update only says again how a job ended. Such a one changes nothing, so no version guards it: its
/// sender repeats it because the answer was lost.
pub(super) fn repeats(record: &Record, update: &Update) -> bool {
    let (Some(id), Some(saying)) = (&update.job_id, update.saying) else {
        return false;
    };
    record.past_job(id).is_some_and(|past| {
        end_given(saying, &past.software_url, update.reported.as_ref()) == Some(past.status)
    })
}

fn hear_open(
    draft: &mut Draft<'_, '_>,
    word: Word,
    reported: &mut Option<Map<String, Value>>,
) -> Status {
    let Some(open) = &draft.record.job else {
        return Status::Cancelled;
    };
    let status = open.status();
    let Some(saying) = word.saying else {
        return status;
    };
    let Some(end) = end_given(saying, &open.software_url, reported.as_ref()) else {
        job::run(draft, word.progress);
        return Status::Running;
    };
    if end == Status::Succeeded {
        let runs = without_grant(&open.software_url);
        let reported = reported.get_or_insert_default();
        reported.entry(SOFTWARE_URL).or_insert(Value::String(runs));
    }
    let contradicts = saying == Saying::Success && end == Status::Failed;
    let reason = match contradicts {
        true => Some("the device said SUCCESS and reported other software than the job's".into()),
        false => word.reason,
    };
    job::end(draft, end, reason, true);
    end
}

/// Returns the end that a word gives a job; SUCCESS with another reported software, or none at all, is a failure.
fn end_given(
    saying: Saying,
    software_url: &str,
    reported: Option<&Map<String, Value>>,
) -> Option<Status> {
    let end = job::end_of(saying)?;
    let other = match reported.and_then(|reported| reported.get(SOFTWARE_URL)) {
        None => false,
        Some(Value::String(url)) => !same(url, software_url),
        Some(_) => true,
    };
    Some(match end {
        Status::Succeeded if other => Status::Failed,
        end => end,
    })
}

fn hear_past(
    draft: &mut Draft<'_, '_>,
    word: &Word,
    reported: Option<&Map<String, Value>>,
) -> Result<Heard, Rejection> {
    let Some(past) = draft.record.past_job(&word.job_id) else {
        return Err(conflict(
            "there is no such job of this device, or it is long over".into(),
        ));
    };
    let status = past.status;
    match word.saying {
        // No word of an end, only a report: it stands if the device can know of no later job.
        None if status == Status::Succeeded && is_newest(draft.record, &word.job_id) => {
            return Ok(Heard::Counts(status));
        }
        // The report stood when it came first, and opened a job.
        None if status == Status::Succeeded && is_known(draft.record, reported) => {
            return Ok(Heard::Repeats(status));
        }
        None => {}
        Some(saying) => {
            let end = end_given(saying, &past.software_url, reported);
            // SUCCESS of a job that another's late word had completed is the device's first word about it.
            if end == Some(Status::Succeeded) {
                late_success(draft, &word.job_id);
            }
            if end == Some(status) {
                return Ok(Heard::Repeats(status));
            }
        }
    }
    Err(conflict(format!(
        "the job has ended as {status}; what counts is the newest delta"
    )))
}

/// Tells whether the state already holds all of a report.
fn is_known(record: &Record, reported: Option<&Map<String, Value>>) -> bool {
    reported.is_none_or(|patch| merge(&mut record.reported.clone(), patch.clone()).is_none())
}

/// Tells whether no job came after this ended one.
pub(super) fn is_newest(record: &Record, id: &JobId) -> bool {
    record.job.is_none() && record.past.last().is_some_and(|job| job.id == *id)
}

fn conflict(message: String) -> Rejection {
    Rejection::new(Code::Conflict, message)
}

/// The job stays as it ended, but the device runs its software now, unless it has since spoken of a later job.
fn late_success(draft: &mut Draft<'_, '_>, id: &JobId) {
    let Some(at) = draft.record.past.iter().position(|job| job.id == *id) else {
        return;
    };
    let past = &draft.record.past[at];
    let ended_otherwise = matches!(
        past.status,
        Status::Superseded | Status::TimedOut | Status::Cancelled
    );
    let unheard = past.status == Status::Succeeded && !past.acknowledged;
    let later_spoken = draft.record.past[at + 1..]
        .iter()
        .any(|job| job.acknowledged)
        || draft.record.job.as_ref().is_some_and(Job::acknowledged);
    if !(ended_otherwise || unheard) || past.late_success || later_spoken {
        return;
    }
    let software_url = past.software_url.clone();
    draft.record.past[at].late_success = ended_otherwise;
    // An older job's SUCCESS that still comes after this one is older news.
    draft.record.past[at].acknowledged = true;
    draft.decision.changed = true;
    if ended_otherwise {
        draft.decision.events.push(Event::LateSuccess(id.clone()));
    }
    super::report::runs(draft, software_url);
}
