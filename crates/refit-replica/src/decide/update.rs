//! An update, from who may say it to what follows: rights, version, word about a job, states, job, answer.

use alloc::string::String;
use refit_protocol::diff::SOFTWARE_URL;
use refit_protocol::document::{json_bytes, value_bytes};
use refit_protocol::grant::GrantPolicy;
use refit_protocol::job::{JobId, Status};
use refit_protocol::limits::STATE_BYTES_MAX;
use refit_protocol::merge::merge;
use refit_protocol::rejection::{Code, Rejection};
use refit_protocol::reply::{Accepted, Changed, Rejected};
use refit_protocol::update::Update;
use serde_json::{Map, Value};

use crate::decide::Draft;
use crate::decide::acknowledge::{self, Heard, Word, acknowledge};
use crate::decide::desire::{self, Wish};
use crate::decide::report::{self, Says};
use crate::delta;
use crate::effect::Answer;
use crate::record::Record;
use crate::speaker::Speaker;

pub(super) fn update(draft: &mut Draft<'_, '_>, speaker: &Speaker, update: Update) {
    let job_id = update.job_id.clone();
    let client_token = update.client_token.clone();
    let told_before = told(draft);
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
        let told_now = told(draft);
        draft.decision.delta = told_now.is_some() && told_now != told_before;
    }
}

struct Done {
    job: Option<(JobId, Status)>,
    changed: Changed,
}

/// What a delta would say now; it leaves when this changes.
fn told(draft: &Draft<'_, '_>) -> Option<Told> {
    let due = delta::due_under(draft.record, draft.context.marks)?;
    let job = due.job.map(|job| job.id.clone());
    let grant = draft.record.grant.filter(|_| job.is_some());
    let state = due.state;
    Some(Told { state, job, grant })
}

#[derive(PartialEq)]
struct Told {
    state: Map<String, Value>,
    job: Option<JobId>,
    grant: Option<GrantPolicy>,
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
    desire::may_wish(wish, speaker, draft)?;
    if let Some(grant) = &update.grant {
        desire::can_be_granted(grant, draft)?;
    }
    if let Some(reported) = &mut update.reported {
        report::keep_no_grant(reported);
    }
    // A report without a word of RUNNING or an end is a bare one, whether or not it names its job (semantics 29).
    let says = match update.saying {
        None => Says::Bare,
        Some(_) => Says::WithJob,
    };
    let heard = hear(draft, &mut update)?;
    let changed = merge_states(draft, update.desired, update.reported);
    desire::choose_grant(draft, wish, update.grant.as_deref().copied());
    desire::follow(draft, wish, speaker);
    if changed
        .reported
        .as_ref()
        .is_some_and(|part| part.contains_key(SOFTWARE_URL))
    {
        report::software_reported(draft, says);
    }
    Ok(Done {
        job: job_of_answer(draft, heard),
        changed,
    })
}

pub(super) fn version_is(record: &Record, wanted: Option<u64>) -> Result<(), Rejection> {
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
pub(super) fn fits(record: &Record, update: &Update) -> Result<(), Rejection> {
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

pub(super) fn merge_states(
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
