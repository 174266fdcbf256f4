//! What was submitted, read; and what is refused before the replica sees it.

use refit_protocol::rejection::{Code, Rejection};
use refit_protocol::reply::Rejected;
use refit_protocol::time::Timestamp;
use refit_protocol::update::Update;
use refit_replica::input::Input;
use refit_replica::speaker::Speaker;

use super::held::Held;
use crate::output::Reply;
use crate::shard::What;

/// Reads an input, and by which hash it may be known again.
pub(super) fn read(what: &What, now: Timestamp) -> Result<(Input, u64), Rejected> {
    match what {
        What::Input(input) => Ok((Input::clone(input), 0)),
        What::Payload {
            speaker,
            payload,
            hash,
        } => match Update::parse(payload) {
            Ok(update) => Ok((
                Input::Update {
                    speaker: speaker.clone(),
                    update,
                },
                *hash,
            )),
            Err(refused) => Err(Rejected {
                rejection: refused.rejection,
                timestamp: now,
                job_id: None,
                client_token: refused.client_token,
            }),
        },
    }
}

/// A device is made when it first speaks, or when an operator desires something of it (semantics 36); for anything
/// else it does not exist.
pub(super) fn refuse_unknown<P>(input: &Input, room: bool, now: Timestamp) -> Option<Held<P>> {
    let not_found = || Rejection::new(Code::NotFound, "there is no such device");
    let rejected = |rejection| refusal_of(update_in(input), rejection, now);
    let full = || {
        let why = "this server takes no further unknown devices; an operator may make it by desiring something of it";
        Rejection::new(Code::Forbidden, why)
    };
    let reply = match input {
        Input::Update {
            speaker: Speaker::Device,
            ..
        } if !room => Reply::Rejected(rejected(full())),
        Input::Ask {
            speaker: Speaker::Device,
        } if !room => Reply::NotShown(rejected(full())),
        Input::Ask {
            speaker: Speaker::Operator(_) | Speaker::Application(..),
        } => Reply::NotShown(rejected(not_found())),
        Input::Update {
            speaker: Speaker::Application(..),
            ..
        } => Reply::Rejected(rejected(not_found())),
        Input::Cancel
        | Input::Hold(_)
        | Input::Retry
        | Input::Pin(_)
        | Input::Remove
        | Input::Assign(_)
        | Input::At(..) => Reply::Rejected(rejected(not_found())),
        Input::Subscribed if !room => return Some(Held::nothing()),
        Input::Detached | Input::Due | Input::Fold => return Some(Held::nothing()),
        Input::Update { .. }
        | Input::Ask {
            speaker: Speaker::Device,
        }
        | Input::Subscribed => {
            return None;
        }
    };
    Some(Held::refused(reply))
}

pub(super) fn refusal(what: &What, rejection: Rejection, now: Timestamp) -> Rejected {
    match what {
        What::Input(input) => refusal_of(update_in(input), rejection, now),
        What::Payload { payload, .. } => {
            refusal_of(Update::parse(payload).ok().as_ref(), rejection, now)
        }
    }
}

/// Refuses, with what the update can be told apart by.
fn refusal_of(update: Option<&Update>, rejection: Rejection, timestamp: Timestamp) -> Rejected {
    Rejected {
        rejection,
        timestamp,
        job_id: update.and_then(|update| update.job_id.clone()),
        client_token: update.and_then(|update| update.client_token.clone()),
    }
}

const fn update_in(input: &Input) -> Option<&Update> {
    match input {
        Input::Update { update, .. } => Some(update),
        _ => None,
    }
}
