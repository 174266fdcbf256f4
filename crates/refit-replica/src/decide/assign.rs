//! A rollout assigns software to the device: a job is opened for it, or what stands against it is named.
//!
//! The order is hold, freeze, pin, direct, rollout by priority, newer (semantics 7).

use alloc::format;
use alloc::string::String;
use refit_protocol::diff::SOFTWARE_URL;
use refit_protocol::job::{JobId, Status};
use refit_protocol::software_url::{depot_digest, same, without_grant};
use refit_protocol::update::Update;
use serde_json::{Map, Value};

use crate::decide::{Draft, ask, desire, update};
use crate::effect::{Answer, Assigned};
use crate::input::Assign;
use crate::job;
use crate::record::{ALREADY_THERE, Job, Stage, Withheld};
use crate::why::Blocker;

pub(super) fn assign(draft: &mut Draft<'_, '_>, assign: &Assign) {
    let assigned = match standing(draft, assign) {
        Some(id) => Assigned::Stands(id),
        None => match against(draft, assign) {
            Some(blocker) => Assigned::Declined(blocker),
            None => open(draft, assign),
        },
    };
    draft.decision.answer = Some(Answer::Assigned(assigned));
}

/// Returns the job that the device has of this attempt, or of a later one: then this was said before.
fn standing(draft: &Draft<'_, '_>, assign: &Assign) -> Option<JobId> {
    let record = &draft.record;
    let open = record.job.as_ref().map(|job| (&job.id, job.assignment));
    let past = record.past.iter().map(|job| (&job.id, job.assignment));
    open.into_iter().chain(past).find_map(|(id, known)| {
        let known = known?;
        let said = known.rollout == assign.assignment.rollout
            && known.attempt >= assign.assignment.attempt;
        said.then(|| id.clone())
    })
}

/// Returns the first that stands against it.
fn against(draft: &Draft<'_, '_>, assign: &Assign) -> Option<Blocker> {
    let (record, marks) = (&draft.record, draft.context.marks);
    let rollout = assign.assignment.rollout;
    if record.gone {
        return blocker("removed", "the device was removed");
    }
    if record.held {
        return blocker(
            "held",
            "an operator holds it: release it with `refit device release`",
        );
    }
    if marks.is_frozen() {
        return blocker("frozen", "a freeze stops all new jobs");
    }
    if marks.is_aborted(rollout) {
        return blocker("aborted", "the rollout was aborted");
    }
    if record.pinned {
        return blocker("pinned", "an operator pinned its software");
    }
    if let Some(Withheld::Reverted { job }) = &record.withheld
        && !assign.past_revert
    {
        let why = format!("it fell back after job {job} had succeeded, and is held for that");
        return blocker("reverted", &why);
    }
    (record.job.as_ref())
        .and_then(|open| beaten_by(open, assign))
        .or_else(|| impossible(draft, assign))
}

/// Tells whether the open job goes before this.
fn beaten_by(open: &Job, assign: &Assign) -> Option<Blocker> {
    let id = &open.id;
    let running = matches!(open.stage, Stage::Running { .. });
    if running && same(&open.software_url, &assign.software_url) {
        let why = format!(
            "job {id} installs this software already, for {}",
            open.origin
        );
        return blocker("running", &why);
    }
    let Some(other) = open.assignment else {
        let why = format!("job {id} of {} goes before a rollout's", open.origin);
        return blocker("direct", &why);
    };
    if other.rollout == assign.assignment.rollout {
        return blocker(
            "attempt",
            &format!("its job {id} of an earlier attempt is open"),
        );
    }
    let theirs = (open.priority, other.rollout);
    if theirs > (assign.priority, assign.assignment.rollout) {
        let rule = match open.priority == assign.priority {
            true => "newer",
            false => "priority",
        };
        return blocker(rule, &format!("job {id} of {} goes before", open.origin));
    }
    None
}

/// What no order of precedence could change.
fn impossible(draft: &Draft<'_, '_>, assign: &Assign) -> Option<Blocker> {
    if let Some(digest) = depot_digest(&assign.software_url)
        && !draft.context.catalog.knows(&digest)
    {
        return blocker(
            "unknown-release",
            "no release has the artifact of the rollout",
        );
    }
    if let Some(grant) = &assign.grant
        && let Err(no) = desire::can_be_granted(grant, draft)
    {
        return blocker("grant", &no.message);
    }
    if !is_there(draft, assign) && job::capped(draft, &assign.software_url) {
        return blocker("capped", "this software failed here as often as it may");
    }
    let wish = Update {
        desired: Some(wish(assign)),
        ..Update::default()
    };
    let no = update::fits(draft.record, &wish).err()?;
    blocker("too-large", &no.message)
}

fn blocker(rule: &'static str, sentence: &str) -> Option<Blocker> {
    let sentence = String::from(sentence);
    Some(Blocker { rule, sentence })
}

fn wish(assign: &Assign) -> Map<String, Value> {
    let url = Value::String(without_grant(&assign.software_url));
    [(String::from(SOFTWARE_URL), url)].into_iter().collect()
}

fn is_there(draft: &Draft<'_, '_>, assign: &Assign) -> bool {
    let reported = draft.record.reported_software();
    reported.is_some_and(|url| same(url, &assign.software_url))
}

/// Writes the wish, and opens the job: for a device that is there already it ends at once.
fn open(draft: &mut Draft<'_, '_>, assign: &Assign) -> Assigned {
    job::end(draft, Status::Superseded, None, false);
    update::merge_states(draft, Some(wish(assign)), None);
    draft.record.withheld = None;
    draft.record.rollout = Some(assign.assignment.rollout);
    draft.record.grant = assign.grant;
    job::open_assigned(draft, assign);
    let id = match &draft.record.job {
        Some(job) => job.id.clone(),
        None => {
            return Assigned::Declined(Blocker {
                rule: "unknown-release",
                sentence: "the rollout names no software".into(),
            });
        }
    };
    if is_there(draft, assign) {
        job::end(draft, Status::Succeeded, Some(ALREADY_THERE.into()), false);
        return Assigned::AlreadyThere(id);
    }
    ask::tell(draft);
    Assigned::Opened(id)
}
