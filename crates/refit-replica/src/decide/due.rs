//! Time has passed: a job did not start, did not end, or its delta is sent again.

use alloc::string::String;
use refit_protocol::job::Status;

use crate::decide::{Draft, ask};
use crate::job;
use crate::record::Stage;
use crate::watch::Came;

pub(super) fn due(draft: &mut Draft<'_, '_>) {
    match draft.watch.came(draft.record, draft.context.now.mono) {
        Came::Nothing => tell_if_queued(draft),
        Came::Start => time_out(draft, "the device did not start in time"),
        Came::End => {
            let dark = matches!(
                draft.record.job.as_ref().map(|j| &j.stage),
                Some(Stage::Running { .. })
            );
            time_out(
                draft,
                if dark {
                    "gone dark: the device began and did not end in time"
                } else {
                    "the device did not answer in time"
                },
            );
        }
        Came::Resend => {
            draft.watch.resent();
            ask::tell(draft);
        }
    }
}

/// A job may still wait to be sent to a device that is here: its first delta could not be stored.
fn tell_if_queued(draft: &mut Draft<'_, '_>) {
    if matches!(
        draft.record.job.as_ref().map(|j| &j.stage),
        Some(Stage::Queued)
    ) {
        ask::tell(draft);
    }
}

/// A mark may have kept back what is due: a job that was not told yet, or that no timer would tell again.
pub(super) fn told_again(draft: &mut Draft<'_, '_>) {
    if draft.watch.waits_untold(draft.record) {
        ask::tell(draft);
    }
}

/// The device went away: what is left of its timers is stored, so that a crash takes nothing from it.
pub(super) fn detached(draft: &mut Draft<'_, '_>) {
    draft.decision.changed |= draft.watch.has_news(draft.record, draft.context.now.mono);
}

fn time_out(draft: &mut Draft<'_, '_>, reason: &str) {
    job::end(draft, Status::TimedOut, Some(String::from(reason)), false);
}
