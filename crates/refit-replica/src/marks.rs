//! Big acts are marks (semantics 40): an abort or a freeze commits one mark, and every device is read through it from
//! then on. What a mark makes of a record is folded into it at its next input, or by a sweeper
//! ([`Input::Fold`](crate::input::Input::Fold)).

use alloc::borrow::Cow;
use refit_protocol::diff::SOFTWARE_URL;
use refit_protocol::job::Status;
use refit_protocol::rollout::RolloutId;
use refit_protocol::software_url::same;

use crate::decide::Draft;
use crate::job;
use crate::record::{Job, Record};

/// The marks that stand now, as they concern one device.
pub trait Marks {
    /// Tells whether this rollout was aborted.
    fn is_aborted(&self, rollout: RolloutId) -> bool;

    /// Tells whether the device is frozen: no new job, no resend, no direct wish of software (semantics 24).
    fn is_frozen(&self) -> bool;
}

/// No mark stands.
#[derive(Clone, Copy, Debug, Default)]
pub struct Unmarked;

impl Marks for Unmarked {
    fn is_aborted(&self, _rollout: RolloutId) -> bool {
        false
    }

    fn is_frozen(&self) -> bool {
        false
    }
}

/// Tells whether the open job is one of an aborted rollout: nothing is sent for it any more, even if it runs.
pub(crate) fn is_aborted(record: &Record, marks: &dyn Marks) -> bool {
    let assignment = record.job.as_ref().and_then(|job| job.assignment);
    assignment.is_some_and(|assignment| marks.is_aborted(assignment.rollout))
}

/// Tells whether the open job is over by that: the device has not begun (semantics 5).
fn is_over(record: &Record, marks: &dyn Marks) -> bool {
    let begun = record.job.as_ref().is_some_and(Job::acknowledged);
    !begun && is_aborted(record, marks)
}

/// Returns the record as it is to be read: without the job that a mark has ended, and without its wish.
pub fn through<'a>(record: &'a Record, marks: &dyn Marks) -> Cow<'a, Record> {
    if !is_over(record, marks) {
        return Cow::Borrowed(record);
    }
    let mut read = record.clone();
    let job = read.job.take();
    if job.is_some_and(|job| is_wished(&read, &job.software_url)) {
        read.desired.remove(SOFTWARE_URL);
    }
    Cow::Owned(read)
}

/// Folds what the marks make of the record into it: the job is CANCELLED, and its wish is removed, never set to an
/// older one.
pub(crate) fn fold(draft: &mut Draft<'_, '_>) {
    if !is_over(draft.record, draft.context.marks) {
        return;
    }
    let url = draft
        .record
        .job
        .as_ref()
        .map(|job| job.software_url.clone());
    let wished = url.is_some_and(|url| is_wished(draft.record, &url));
    job::end(
        draft,
        Status::Cancelled,
        Some("the rollout was aborted".into()),
        false,
    );
    if wished {
        draft.record.desired.remove(SOFTWARE_URL);
        draft.record.withheld = None;
        draft.record.rollout = None;
        draft.record.grant = None;
        draft.state_changed();
    }
}

fn is_wished(record: &Record, software_url: &str) -> bool {
    record
        .desired_software()
        .is_some_and(|url| same(url, software_url))
}
