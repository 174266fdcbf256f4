//! A device says what it runs: a job is completed by it, a fall is noticed, a missing job is opened.

use alloc::string::String;
use refit_protocol::diff::SOFTWARE_URL;
use refit_protocol::job::{JobId, Status};
use refit_protocol::software_url::{same, without_grant};
use serde_json::{Map, Value};

use crate::decide::Draft;
use crate::decide::update::merge_states;
use crate::delta;
use crate::effect::Event;
use crate::job;
use crate::record::{Record, Withheld};
use crate::speaker::Speaker;

/// A device may report the URL that it was given, grant and all. Grants are never stored (design §6), and a fresh one
/// is no news.
pub(super) fn keep_no_grant(reported: &mut Map<String, Value>) {
    if let Some(Value::String(url)) = reported.get_mut(SOFTWARE_URL) {
        *url = without_grant(url);
    }
}

/// How a device says which software it runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Says {
    /// Without naming a job.
    Bare,
    /// As part of its word about the newest job.
    WithJob,
    /// By the late SUCCESS of a job that had ended.
    Late,
}

/// The device runs the software of a job that had ended otherwise.
pub(super) fn runs(draft: &mut Draft<'_, '_>, software_url: String) {
    let mut patch = Map::new();
    patch.insert(
        SOFTWARE_URL.into(),
        Value::String(without_grant(&software_url)),
    );
    if merge_states(draft, None, Some(patch)).reported.is_some() {
        software_reported(draft, Says::Late);
    }
}

/// The device runs other software than before. If it did not say so as the end of the open job, that completes a job
/// which it never acknowledged (semantics 29).
pub(super) fn software_reported(draft: &mut Draft<'_, '_>, says: Says) {
    if !delta::software_differs(draft.record) {
        draft.record.withheld = None;
    }
    let completes = says != Says::WithJob
        && draft.record.job.as_ref().is_some_and(|job| {
            !job.acknowledged()
                && draft
                    .record
                    .reported_software()
                    .is_some_and(|url| same(url, &job.software_url))
        });
    if completes {
        // A late word is about another job: of this one the device has not spoken, and may still do what came before it.
        job::end(draft, Status::Succeeded, None, says == Says::Bare);
    }
    if draft.record.job.is_some() || draft.record.withheld.is_some() {
        return;
    }
    match reverted_from(draft.record).filter(|_| says != Says::Late) {
        Some(job) => {
            draft.decision.events.push(Event::Reverted(job.clone()));
            draft.record.withheld = Some(Withheld::Reverted { job });
        }
        None if draft.record.rollout.is_some() => {
            let differs = delta::software_differs(draft.record);
            draft.record.withheld = differs.then_some(Withheld::Planned);
        }
        None => draft.open_if_due(&Speaker::Device),
    }
}

/// Returns the job that had brought the desired software, if the device has fallen back from it.
fn reverted_from(record: &Record) -> Option<JobId> {
    let last = record.past.last()?;
    let had = (last.status == Status::Succeeded || last.late_success)
        && record
            .desired_software()
            .is_some_and(|url| same(url, &last.software_url));
    (had && delta::software_differs(record)).then(|| last.id.clone())
}
