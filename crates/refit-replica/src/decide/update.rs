//! An update, from who may say it to what follows: rights, version, word about a job, states, job, answer.

use alloc::string::String;
use refit_protocol::diff::SOFTWARE_URL;
use refit_protocol::document::{json_bytes, value_bytes};
use refit_protocol::job::{JobId, Status};
use refit_protocol::limits::STATE_BYTES_MAX;
use refit_protocol::merge::merge;
use refit_protocol::rejection::{Code, Rejection};
use refit_protocol::reply::{Accepted, Changed, Rejected};
use refit_protocol::software_url::{same, without_grant};
use refit_protocol::update::Update;
use serde_json::{Map, Value};

use crate::decide::Draft;
use crate::decide::acknowledge::{self, Heard, Word, acknowledge};
use crate::decide::desire::{self, Wish};
use crate::delta;
use crate::effect::{Answer, Event};
use crate::job;
use crate::record::{Record, Withheld};
use crate::speaker::Speaker;

pub(super) fn update(draft: &mut Draft<'_, '_>, speaker: &Speaker, update: Update) {
    let job_id = update.job_id.clone();
    let client_token = update.client_token.clone();
    let told_before = told(draft.record);
    let answer = match apply(draft, speaker, update) {
        Ok(done) => Answer::Accepted(Accepted {
            version: draft.record.version,
            timestamp: draft.context.now.wall,
            job: done.job,
            changed: done.changed,
            client_token,
        }),
        Err(rejection) => Answer::Rejected(Rejected {
            rejection,
            timestamp: draft.context.now.wall,
            job_id,
            client_token,
        }),
    };
    draft.decision.answer = Some(answer);
    if draft.decision.changed && draft.context.reachable {
        let told_now = told(draft.record);
        draft.decision.delta = told_now.is_some() && told_now != told_before;
    }
}

struct Done {
    job: Option<(JobId, Status)>,
    changed: Changed,
}

/// What a delta would say now; it leaves when this changes.
fn told(record: &Record) -> Option<(Map<String, Value>, Option<JobId>)> {
    delta::due(record).map(|due| (due.state, due.job.map(|job| job.id.clone())))
}

fn apply(
    draft: &mut Draft<'_, '_>,
    speaker: &Speaker,
    mut update: Update,
) -> Result<Done, Rejection> {
    speaker.may_say(&update)?;
    if !acknowledge::repeats(draft.record, &update) {
        version_is(draft.record, update.version)?;
    }
    fits(draft.record, &update)?;
    let wish = match &mut update.desired {
        Some(desired) => desire::wish(desired, draft)?,
        None => Wish::Silent,
    };
    if let Some(reported) = &mut update.reported {
        keep_no_grant(reported);
    }
    // A report without a word of RUNNING or an end is a bare one, whether or not it names its job (semantics 29).
    let bare = update.saying.is_none();
    let heard = hear(draft, &mut update)?;
    let changed = merge_states(draft, update.desired, update.reported);
    desire::follow(draft, wish, speaker);
    if changed
        .reported
        .as_ref()
        .is_some_and(|part| part.contains_key(SOFTWARE_URL))
    {
        software_reported(draft, bare);
    }
    Ok(Done {
        job: job_of_answer(draft, heard),
        changed,
    })
}

fn version_is(record: &Record, wanted: Option<u64>) -> Result<(), Rejection> {
    match wanted {
        Some(wanted) if wanted != record.version => Err(Rejection::new(
            Code::Conflict,
            alloc::format!(
                "the record has version {}, not {wanted}; get it and try again",
                record.version
            ),
        )),
        Some(_) | None => Ok(()),
    }
}

/// The states may not outgrow their bound, and may always shrink. Merging cannot add more than the update holds, so
/// only a record that is near the bound is merged twice.
fn fits(record: &Record, update: &Update) -> Result<(), Rejection> {
    let patch_bytes = |patch: &Option<Map<String, Value>>| patch.as_ref().map_or(0, json_bytes);
    let before = states_bytes(&record.desired, &record.reported);
    // The desired software counts twice: as the wish, and as the room to report it.
    let most = before + 2 * patch_bytes(&update.desired) + patch_bytes(&update.reported);
    if most <= STATE_BYTES_MAX {
        return Ok(());
    }
    let after = states_bytes(
        &merged(&record.desired, update.desired.as_ref()),
        &merged(&record.reported, update.reported.as_ref()),
    );
    if after <= STATE_BYTES_MAX.max(before) {
        return Ok(());
    }
    Err(Rejection::new(
        Code::TooLarge,
        alloc::format!(
            "desired and reported, with room to report the desired software, would have {after} bytes; the most is {STATE_BYTES_MAX}"
        ),
    ))
}

fn merged(state: &Map<String, Value>, patch: Option<&Map<String, Value>>) -> Map<String, Value> {
    let mut state = state.clone();
    if let Some(patch) = patch {
        merge(&mut state, patch.clone());
    }
    state
}

/// Both states, with room to report the desired software: a plain SUCCESS writes it, and must never be too large.
fn states_bytes(desired: &Map<String, Value>, reported: &Map<String, Value>) -> usize {
    const MEMBER_BYTES: usize = r#","softwareURL":"#.len();
    let url_bytes = |state: &Map<String, Value>| {
        state
            .get(SOFTWARE_URL)
            .map_or(0, |url| MEMBER_BYTES + value_bytes(url))
    };
    let reserved = url_bytes(desired).saturating_sub(url_bytes(reported));
    json_bytes(desired) + json_bytes(reported) + reserved
}

/// Hears what the update says of a job. A repetition's report of software is old and is dropped.
fn hear(
    draft: &mut Draft<'_, '_>,
    update: &mut Update,
) -> Result<Option<(JobId, Status)>, Rejection> {
    let Some(job_id) = update.job_id.take() else {
        return Ok(None);
    };
    let word = Word {
        job_id: job_id.clone(),
        saying: update.saying,
        progress: update.progress.take(),
        reason: update.reason.take(),
    };
    match acknowledge(draft, word, &mut update.reported)? {
        Heard::Counts(status) => Ok(Some((job_id, status))),
        Heard::Repeats(status) => {
            let newest = acknowledge::is_newest(draft.record, &job_id);
            match &mut update.reported {
                Some(reported) if newest => drop(reported.remove(SOFTWARE_URL)),
                reported => *reported = None,
            }
            Ok(Some((job_id, status)))
        }
    }
}

fn merge_states(
    draft: &mut Draft<'_, '_>,
    desired: Option<Map<String, Value>>,
    reported: Option<Map<String, Value>>,
) -> Changed {
    let changed = Changed {
        desired: desired.and_then(|patch| merge(&mut draft.record.desired, patch)),
        reported: reported.and_then(|patch| merge(&mut draft.record.reported, patch)),
    };
    if changed != Changed::default() {
        draft.state_changed();
    }
    changed
}

/// A device may report the URL that it was given, grant and all. Grants are never stored (design §6), and a fresh one
/// is no news.
fn keep_no_grant(reported: &mut Map<String, Value>) {
    if let Some(Value::String(url)) = reported.get_mut(SOFTWARE_URL) {
        *url = without_grant(url);
    }
}

/// The device runs this software, whatever became of the job that it names: as good as a bare report.
pub(super) fn runs(draft: &mut Draft<'_, '_>, software_url: String) {
    let mut patch = Map::new();
    patch.insert(
        SOFTWARE_URL.into(),
        Value::String(without_grant(&software_url)),
    );
    if merge_states(draft, None, Some(patch)).reported.is_some() {
        software_reported(draft, true);
    }
}

/// The device runs other software than before. `bare`: it did not say so as the end of the open job (semantics 29).
fn software_reported(draft: &mut Draft<'_, '_>, bare: bool) {
    if !delta::software_differs(draft.record) {
        draft.record.withheld = None;
    }
    let completes = bare
        && draft.record.job.as_ref().is_some_and(|job| {
            !job.acknowledged()
                && draft
                    .record
                    .reported_software()
                    .is_some_and(|url| same(url, &job.software_url))
        });
    if completes {
        job::end(draft, Status::Succeeded, None, true);
    }
    if draft.record.job.is_some() || draft.record.withheld.is_some() {
        return;
    }
    match reverted_from(draft.record) {
        Some(job) => {
            draft.decision.events.push(Event::Reverted(job.clone()));
            draft.record.withheld = Some(Withheld::Reverted { job });
        }
        None => draft.open_if_due(&Speaker::Device),
    }
}

/// Returns the job that had brought the desired software, if the device has fallen back from it.
fn reverted_from(record: &Record) -> Option<JobId> {
    let last = record.past.last()?;
    let had = last.status == Status::Succeeded
        && record
            .desired_software()
            .is_some_and(|url| same(url, &last.software_url));
    (had && delta::software_differs(record)).then(|| last.id.clone())
}

/// The answer speaks of the job that the update named, else of the one that it opened or ended (semantics 26).
fn job_of_answer(draft: &Draft<'_, '_>, heard: Option<(JobId, Status)>) -> Option<(JobId, Status)> {
    heard.or_else(|| {
        draft
            .decision
            .jobs
            .last()
            .map(|entry| (entry.id.clone(), entry.status))
    })
}
