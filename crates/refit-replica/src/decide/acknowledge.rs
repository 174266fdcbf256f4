//! A device speaks of a job. Its word counts only for the job that it names (design §5, semantics 28).

use alloc::format;
use alloc::string::String;
use refit_protocol::diff::SOFTWARE_URL;
use refit_protocol::job::{JobId, Progress, Saying, Status};
use refit_protocol::rejection::{Code, Rejection};
use refit_protocol::software_url::same;
use serde_json::{Map, Value};

use crate::decide::Draft;
use crate::effect::Event;
use crate::job;

/// An acknowledgement, taken apart from the update that carried it.
pub(super) struct Word {
    pub(super) job_id: JobId,
    pub(super) saying: Option<Saying>,
    pub(super) progress: Option<Progress>,
    pub(super) reason: Option<String>,
}

/// What an acknowledgement came to.
pub(super) enum Heard {
    /// It is of the open job, or of one that succeeded: the rest of the update counts.
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
    hear_past(draft, &word)
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
    let Some(end) = job::end_of(saying) else {
        job::run(draft, word.progress);
        return Status::Running;
    };
    let (end, reason) = match end {
        Status::Succeeded => success(&open.software_url.clone(), reported),
        other => (other, word.reason),
    };
    job::end(draft, end, reason, true);
    end
}

/// SUCCESS with another reported software is a failure, with that reason.
fn success(
    software_url: &str,
    reported: &mut Option<Map<String, Value>>,
) -> (Status, Option<String>) {
    let reported = reported.get_or_insert_default();
    match reported.get(SOFTWARE_URL) {
        Some(Value::String(url)) if !same(url, software_url) => {
            let reason = "the device said SUCCESS and reported other software than the job's";
            (Status::Failed, Some(reason.into()))
        }
        Some(Value::String(_)) => (Status::Succeeded, None),
        Some(_) => {
            let reason = "the device said SUCCESS and reported that it has no software";
            (Status::Failed, Some(reason.into()))
        }
        None => {
            reported.insert(SOFTWARE_URL.into(), software_url.into());
            (Status::Succeeded, None)
        }
    }
}

fn hear_past(draft: &mut Draft<'_, '_>, word: &Word) -> Result<Heard, Rejection> {
    let Some(past) = draft.record.past_job(&word.job_id) else {
        return Err(conflict(
            "there is no such job of this device, or it is long over".into(),
        ));
    };
    let status = past.status;
    let same_end = word.saying.and_then(job::end_of) == Some(status);
    if same_end || (word.saying.is_none() && status == Status::Succeeded) {
        return Ok(Heard::Repeats(status));
    }
    if word.saying == Some(Saying::Success) {
        late_success(draft, &word.job_id);
    }
    Err(conflict(format!(
        "the job has ended as {status}; what counts is the newest delta"
    )))
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
    let without_word = matches!(
        past.status,
        Status::Superseded | Status::TimedOut | Status::Cancelled
    );
    let later_spoken = draft.record.past[at + 1..]
        .iter()
        .any(|job| job.acknowledged)
        || draft
            .record
            .job
            .as_ref()
            .is_some_and(crate::record::Job::acknowledged);
    if !without_word || past.late_success || later_spoken {
        return;
    }
    let software_url = past.software_url.clone();
    draft.record.past[at].late_success = true;
    draft.decision.changed = true;
    draft.decision.events.push(Event::LateSuccess(id.clone()));
    super::update::runs(draft, software_url);
}
