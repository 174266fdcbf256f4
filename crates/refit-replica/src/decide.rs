//! The one match: what follows from each input. Start here.

pub(crate) mod acknowledge;
mod ask;
mod assign;
mod desire;
mod due;
mod report;
mod update;

use refit_protocol::job::Status;
use refit_protocol::rejection::{Code, Rejection};
use refit_protocol::reply::Rejected;

use crate::delta;
use crate::effect::{Answer, Decision};
use crate::input::{Context, Input};
use crate::job;
use crate::marks;
use crate::record::{JobEntry, Record};
use crate::speaker::Speaker;
use crate::watch::Watch;

/// Decides what follows from `input`. The record and its watch are changed in place; if `changed` is false in the
/// answer, the record is as it was. Whoever could not store the record drops the watch with it and begins again with
/// a fresh one: that only lengthens timers.
pub fn decide(
    record: &mut Record,
    watch: &mut Watch,
    input: Input,
    context: &mut Context<'_>,
) -> Decision {
    let mut draft = Draft {
        record,
        watch,
        context,
        decision: Decision::default(),
    };
    marks::fold(&mut draft);
    take(&mut draft, input);
    draft.close()
}

fn take(draft: &mut Draft<'_, '_>, input: Input) {
    match input {
        Input::Update { speaker, update } => update::update(draft, &speaker, update),
        Input::Ask { speaker } => ask::ask(draft, &speaker),
        Input::Subscribed => ask::tell(draft),
        Input::Detached => due::detached(draft),
        Input::Due => due::due(draft),
        Input::Cancel => cancel(draft),
        Input::Hold(held) => hold(draft, held),
        Input::Retry => match draft.context.marks.is_frozen() {
            true => refuse(draft, desire::frozen()),
            false => desire::retry(draft),
        },
        Input::Pin(pinned) => pin(draft, pinned),
        Input::Assign(assign) => assign::assign(draft, &assign),
        Input::Fold => due::told_again(draft),
        Input::Remove => remove(draft),
        Input::At(version, input) => match update::version_is(draft.record, Some(version)) {
            Ok(()) => take(draft, *input),
            Err(rejection) => refuse(draft, rejection),
        },
    }
}

/// Answers what an operator wanted with why it is not done.
fn refuse(draft: &mut Draft<'_, '_>, rejection: Rejection) {
    draft.decision.answer = Some(Answer::Rejected(Rejected {
        rejection,
        timestamp: draft.context.now.wall,
        job_id: None,
        client_token: None,
    }));
}

fn cancel(draft: &mut Draft<'_, '_>) {
    if draft.record.job.is_none() {
        let none = "it has no open job to end";
        return refuse(draft, Rejection::new(Code::Conflict, none));
    }
    job::end(
        draft,
        Status::Cancelled,
        Some("cancelled by an operator".into()),
        false,
    );
}

/// Leaves a tombstone: the version, which goes on rising. Jobs that were, are no longer known (semantics 34).
fn remove(draft: &mut Draft<'_, '_>) {
    job::end(
        draft,
        Status::Cancelled,
        Some("the device was removed".into()),
        false,
    );
    draft.state_changed();
    *draft.record = Record {
        version: draft.record.version,
        gone: true,
        ..Record::default()
    };
}

fn hold(draft: &mut Draft<'_, '_>, held: bool) {
    if draft.record.held != held {
        draft.record.held = held;
        draft.decision.changed = true;
        // Nothing new is due to a device that is now held.
        if !held {
            ask::tell(draft);
        }
    }
}

fn pin(draft: &mut Draft<'_, '_>, pinned: bool) {
    draft.decision.changed |= draft.record.pinned != pinned;
    draft.record.pinned = pinned;
}

/// A decision in the making.
pub(crate) struct Draft<'r, 'c> {
    pub(crate) record: &'r mut Record,
    pub(crate) watch: &'r mut Watch,
    pub(crate) context: &'r mut Context<'c>,
    pub(crate) decision: Decision,
}

impl Draft<'_, '_> {
    /// Notes that a job is another one now. Of one job only its last state in this decision counts.
    pub(crate) fn job_changed(&mut self, entry: JobEntry) {
        self.decision.changed = true;
        self.decision.jobs.retain(|known| known.id != entry.id);
        self.decision.jobs.push(entry);
    }

    /// Raises the version: desired or reported is another one now (semantics 34).
    pub(crate) fn state_changed(&mut self) {
        self.decision.changed = true;
        let floor = u64::from(self.context.epoch) << 40;
        self.record.version = (self.record.version + 1).max(floor + 1);
    }

    /// Opens the job that the difference calls for, if nothing withholds it.
    pub(crate) fn open_if_due(&mut self, speaker: &Speaker) {
        if self.record.job.is_none()
            && self.record.withheld.is_none()
            && delta::software_differs(self.record)
        {
            desire::open_unless_capped(self, speaker.origin());
        }
    }

    fn close(mut self) -> Decision {
        if self.decision.delta {
            let due = delta::due_under(self.record, self.context.marks);
            if due.is_some_and(|due| due.job.is_some()) {
                job::send(&mut self);
            }
            self.watch.delta_leaves(self.record, self.context);
        }
        self.answer_as_it_ends();
        if self.decision.changed {
            self.watch.note(self.record, self.context.now.mono);
        }
        self.watch.follow(self.record, self.context);
        self.decision
    }

    /// The answer leaves when all of this is durable, so it tells the state that its job has then.
    fn answer_as_it_ends(&mut self) {
        let Some(Answer::Accepted(accepted)) = &mut self.decision.answer else {
            return;
        };
        if let Some((id, status)) = &mut accepted.job
            && let Some(entry) = self.decision.jobs.iter().find(|entry| entry.id == *id)
        {
            *status = entry.status;
        }
    }
}
