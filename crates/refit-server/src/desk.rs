//! Where the API speaks with the engine: something is said, and its receipt is awaited.

use std::future::poll_fn;
use std::sync::Arc;
use std::time::Duration;

use refit_engine::fleet::Fleet;
use refit_engine::seat::{Outgoing, Seat, Wants};
use refit_protocol::rejection::Code;
use refit_store::store::{Health, Store};
use serde_json::Value;

use crate::http::error::{Kind, Problem};

/// How long a receipt may take. A commit takes milliseconds; this is a store that stands still.
const RECEIPT_MAX: Duration = Duration::from_secs(30);

/// Says something to the engine, and returns once it is decided, and durable if it changed anything.
///
/// Whoever goes away before that takes nothing back: it was said.
pub(crate) async fn say(
    fleet: &Fleet,
    store: &dyn Store,
    say: impl FnOnce(&Fleet, &Arc<Seat>),
) -> Result<(), Problem> {
    let full_before = store.stats().full;
    let seat = Seat::new(None);
    seat.set_wants(Wants::ANSWER);
    say(fleet, &seat);
    let Ok(answer) = tokio::time::timeout(RECEIPT_MAX, receipt(&seat)).await else {
        let detail = "the store has not answered in time; it is not known whether this was done: look, then try again";
        return Err(Problem::new(Kind::Unavailable, detail));
    };
    answer.map_err(|problem| {
        // The engine says only that it could not be stored; why, the store knows.
        let is_full = store.health() == Health::Full || store.stats().full > full_before;
        if problem.kind == Kind::Unavailable && is_full {
            Problem::full()
        } else {
            problem
        }
    })
}

/// Says something to the engine, and returns the whole answer: why it does not stand, if it does not, and the
/// document that says so.
pub(crate) async fn hear(
    fleet: &Fleet,
    say: impl FnOnce(&Fleet, &Arc<Seat>),
) -> Result<(Option<Code>, Vec<u8>), Problem> {
    let seat = Seat::new(None);
    seat.set_wants(Wants::ANSWER);
    say(fleet, &seat);
    let answered = async {
        loop {
            match poll_fn(|context| seat.poll_next(context)).await {
                Outgoing::Receipt {
                    refused, answer, ..
                } => return Ok((refused, answer.as_deref().unwrap_or_default().to_vec())),
                Outgoing::Close(_) => return Err(Problem::stopping()),
                Outgoing::Publish { .. } => {}
            }
        }
    };
    tokio::time::timeout(RECEIPT_MAX, answered)
        .await
        .unwrap_or_else(|_| {
            let detail = "the store has not answered in time; say it again";
            Err(Problem::new(Kind::Unavailable, detail))
        })
}

async fn receipt(seat: &Seat) -> Result<(), Problem> {
    loop {
        match poll_fn(|context| seat.poll_next(context)).await {
            Outgoing::Receipt { refused: None, .. } => return Ok(()),
            Outgoing::Receipt {
                refused: Some(code),
                answer,
                ..
            } => {
                let message = answer.as_deref().and_then(message).unwrap_or_default();
                return Err(Problem::new(Kind::of_code(code), message));
            }
            Outgoing::Close(_) => return Err(Problem::stopping()),
            Outgoing::Publish { .. } => {}
        }
    }
}

/// Takes the sentence out of a rejection.
fn message(answer: &[u8]) -> Option<String> {
    let answer: Value = serde_json::from_slice(answer).ok()?;
    Some(answer.get("message")?.as_str()?.to_owned())
}
