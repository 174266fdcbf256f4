//! A device subscribes or asks: it is told what it should have.

use crate::decide::Draft;
use crate::delta;
use crate::effect::Answer;
use crate::speaker::Speaker;

/// Shows the record; the device itself is due its delta with it, an onlooker is not (semantics 32).
pub(super) fn ask(draft: &mut Draft<'_, '_>, speaker: &Speaker) {
    draft.decision.answer = Some(Answer::Shown);
    if *speaker == Speaker::Device {
        tell(draft);
    }
}

/// Makes the delta due if there is one and the device can be reached.
pub(super) fn tell(draft: &mut Draft<'_, '_>) {
    draft.decision.delta =
        draft.context.reachable && delta::due_under(draft.record, draft.context.marks).is_some();
}
