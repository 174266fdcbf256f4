//! The one place where changes are made: each is said to the engine or written to the store together with whoever makes
//! it ([`Author`]), and what comes of it is awaited.

use std::future::poll_fn;
use std::sync::Arc;
use std::time::Duration;

use refit_access::audit::Entry;
use refit_access::matrix::Operation;
use refit_engine::author::Author;
use refit_engine::fleet::Fleet;
use refit_engine::seat::{Outgoing, Seat, Wants};
use refit_protocol::rejection::Code;
use refit_store::access::{AccessChange, AccessOutcome};
use refit_store::release::{Added, NewRelease, Removed};
use refit_store::store::{Failure, Health, Store};
use serde_json::{Value, json};

use crate::caller::Caller;
use crate::http::App;
use crate::http::error::{Kind, Problem};
use crate::wall;

/// How long a receipt may take. A commit takes milliseconds; this is a store that stands still.
const RECEIPT_MAX: Duration = Duration::from_secs(30);

impl From<&Caller> for Author {
    fn from(caller: &Caller) -> Self {
        Self {
            actor: caller.who.to_string(),
            source: caller.source,
            request: Some(caller.request_id.clone()),
        }
    }
}

/// Writes a line of the audit log: who did what, with what, and what that is now.
pub(crate) fn line(by: &Author, action: &str, target: String, after: Option<Value>) -> Entry {
    let after = after.map(|after| after.to_string());
    by.line(wall::now(), action, target, (None, after))
}

/// Changes who may do what, and returns once that is durable and counts.
pub(crate) async fn change_access(
    app: &App,
    by: Author,
    change: AccessChange,
) -> Result<AccessOutcome, Problem> {
    let access = Arc::clone(&app.access);
    let (action, target, after) = told(&change);
    let line = line(&by, action.as_str(), target, after);
    let changed = tokio::task::spawn_blocking(move || access.change(change, line));
    let changed = changed
        .await
        .map_err(|_| Problem::internal("a change of who may do what was abandoned"))?;
    changed.map_err(Problem::of_store)
}

/// Tells what would become of a change of who may do what, by the rules that it would be made by.
pub(crate) async fn try_access(app: &App, change: AccessChange) -> Result<AccessOutcome, Problem> {
    let store = Arc::clone(&app.store);
    let tried = tokio::task::spawn_blocking(move || store.try_access(change)).await;
    let tried = tried.map_err(|_| Problem::internal("a trial was abandoned"))?;
    tried.map_err(Problem::of_store)
}

/// Adds a line to the audit log about a change that is kept elsewhere.
pub(crate) async fn note(app: &App, line: Entry) -> Result<(), Problem> {
    let store = Arc::clone(&app.store);
    let noted = tokio::task::spawn_blocking(move || store.note(line)).await;
    let noted = noted.map_err(|_| Problem::internal("a line of the audit log was abandoned"))?;
    noted.map_err(Problem::of_store)
}

/// Says what a change of access is, with what, and what that is then; no secret, and no hash of one.
fn told(change: &AccessChange) -> (Operation, String, Option<Value>) {
    let of_user = |user: &str| format!("user:{user}");
    match change {
        AccessChange::AddToken(token) => {
            let scope = token
                .scope
                .as_deref()
                .and_then(|s| serde_json::from_str(s).ok());
            let scope: Option<Value> = scope;
            let after = json!({
                "id": token.id, "role": token.role, "scope": scope,
                "expires": token.expires.map(|at| at.0),
            });
            (
                Operation::TokenWrite,
                format!("token:{}", token.name),
                Some(after),
            )
        }
        AccessChange::RevokeToken { id, .. } => {
            let after = json!({ "id": id, "revoked": true });
            (Operation::TokenWrite, format!("token-id:{id}"), Some(after))
        }
        AccessChange::AddUser(user) => {
            let after = json!({ "role": user.role });
            (Operation::UserWrite, of_user(&user.name), Some(after))
        }
        AccessChange::SetRole { user, role } => (
            Operation::UserWrite,
            of_user(user),
            Some(json!({ "role": role })),
        ),
        AccessChange::SetPassword { user, .. } => {
            let after = json!({ "password": "changed" });
            (Operation::UserWrite, of_user(user), Some(after))
        }
        AccessChange::SetDisabled { user, disabled } => {
            let after = json!({ "disabled": disabled });
            (Operation::UserWrite, of_user(user), Some(after))
        }
        AccessChange::RemoveUser { user } => (Operation::UserWrite, of_user(user), None),
        AccessChange::AddSession(session) => {
            let after = json!({ "signedIn": true, "expires": session.expires.0 });
            (Operation::SessionBegin, of_user(&session.user), Some(after))
        }
        AccessChange::RemoveSession { .. } => (Operation::SessionEnd, "session".into(), None),
    }
}

/// Records a release. It waits for the disk.
pub(crate) fn add_release(app: &App, by: &Author, release: NewRelease) -> Result<Added, Failure> {
    let software = &release.software;
    let target = format!("release:{}@{}", software.name, software.version);
    let after = json!({ "sha256": software.digest.to_hex(), "length": software.length });
    let line = line(by, Operation::ReleaseAdd.as_str(), target, Some(after));
    app.store.add_release(release, Some(line))
}

/// Removes a release from the record. It waits for the disk.
pub(crate) fn remove_release(
    app: &App,
    by: &Author,
    name: &str,
    version: &str,
) -> Result<Removed, Failure> {
    let target = format!("release:{name}@{version}");
    let line = line(by, Operation::ReleaseRemove.as_str(), target, None);
    app.store.remove_release(name, version, Some(line))
}

/// Has somebody say something of a device; returns once it is decided, and durable if it changed anything.
pub(crate) async fn say(
    app: &App,
    by: &Author,
    say: impl FnOnce(&Fleet, &Arc<Seat>),
) -> Result<(), Problem> {
    said(&app.fleet, &*app.store, &Seat::of(by.clone(), None), say).await
}

/// Has a device say something itself: what it reports is in no audit log.
pub(crate) async fn say_as_device(
    app: &App,
    say: impl FnOnce(&Fleet, &Arc<Seat>),
) -> Result<(), Problem> {
    said(&app.fleet, &*app.store, &Seat::new(None), say).await
}

/// Says something to the engine, and returns once it is decided, and durable if it changed anything.
///
/// Whoever goes away before that takes nothing back: it was said.
async fn said(
    fleet: &Fleet,
    store: &dyn Store,
    seat: &Arc<Seat>,
    say: impl FnOnce(&Fleet, &Arc<Seat>),
) -> Result<(), Problem> {
    let full_before = store.stats().full;
    seat.set_wants(Wants::ANSWER);
    say(fleet, seat);
    let Ok(answer) = tokio::time::timeout(RECEIPT_MAX, receipt(seat)).await else {
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
