//! Somebody wishes: the desired state changes, and with it the job.

use alloc::string::String;
use refit_protocol::diff::SOFTWARE_URL;
use refit_protocol::grant::GrantPolicy;
use refit_protocol::job::Status;
use refit_protocol::rejection::{Code, Rejection};
use refit_protocol::software_source::Sources;
use refit_protocol::software_url::{depot_digest, same, without_grant};
use serde_json::{Map, Value};

use crate::decide::Draft;
use crate::delta;
use crate::job;
use crate::record::{Stage, Withheld};
use crate::speaker::Speaker;

/// What a wish says of the software.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wish {
    /// Nothing.
    Silent,
    /// This one, whether or not it was desired before.
    Written,
    /// None at all.
    Removed,
}

/// Reads the wish, and makes a depot URL stable: whoever desires it may have copied one with a grant in it.
pub(super) fn wish(
    desired: &mut Map<String, Value>,
    draft: &Draft<'_, '_>,
) -> Result<Wish, Rejection> {
    match desired.get_mut(SOFTWARE_URL) {
        None => Ok(Wish::Silent),
        Some(Value::String(url)) => {
            if let Some(digest) = depot_digest(url) {
                if !draft.context.catalog.knows(&digest) {
                    return Err(Rejection::new(
                        Code::Unprocessable,
                        "no release has the artifact of this softwareURL; add the release first",
                    ));
                }
                *url = without_grant(url);
                // Its host is never asked, since the URL is minted anew: any is right, an earlier name of the depot or
                // a CDN. But it is kept and shown, so nothing hides in it: no other scheme, and no password.
                let checked = Sources::open().check(url);
                checked.map_err(|why| Rejection::new(Code::Malformed, why))?;
            } else {
                let sources = &draft.context.policy.sources;
                let checked = sources.check(url);
                checked.map_err(|why| Rejection::new(Code::Malformed, why))?;
            }
            Ok(Wish::Written)
        }
        Some(_) => Ok(Wish::Removed),
    }
}

/// Refuses a wish of software that a freeze or a pin stands against. Taking a wish back is always in order.
pub(super) fn may_wish(
    wish: Wish,
    speaker: &Speaker,
    draft: &Draft<'_, '_>,
) -> Result<(), Rejection> {
    if wish != Wish::Written {
        return Ok(());
    }
    if draft.context.marks.is_frozen() {
        return Err(frozen());
    }
    let bound = draft.record.pinned && !matches!(speaker, Speaker::Operator(_));
    if bound {
        let why = "an operator pinned the software of this device; nobody else may desire other";
        return Err(Rejection::new(Code::Conflict, why));
    }
    Ok(())
}

/// Says that a freeze stands.
pub(super) fn frozen() -> Rejection {
    let why = "a freeze stops all new jobs and wishes of software; lift it first";
    Rejection::new(Code::Conflict, why)
}

/// Refuses a grant that no device can have here.
pub(super) fn can_be_granted(grant: &GrantPolicy, draft: &Draft<'_, '_>) -> Result<(), Rejection> {
    if grant.needs_certificate() && !draft.context.policy.certificates {
        return Err(Rejection::new(
            Code::Unprocessable,
            "devices have no certificates here, so nothing can be bound to one: serve with TLS (without --dev), or choose a pre-signed URL of strength time or address",
        ));
    }
    Ok(())
}

/// The grant belongs to the wish: a wish that chooses none is given by the server's default.
pub(super) fn choose_grant(draft: &mut Draft<'_, '_>, wish: Wish, chosen: Option<GrantPolicy>) {
    if wish != Wish::Silent && draft.record.grant != chosen {
        draft.record.grant = chosen;
        draft.decision.changed = true;
    }
}

/// Brings the job in line with the new wish.
pub(super) fn follow(draft: &mut Draft<'_, '_>, wish: Wish, speaker: &Speaker) {
    match wish {
        Wish::Silent => {}
        Wish::Removed => unwish(draft),
        Wish::Written => {
            draft.decision.changed |= draft.record.withheld.take().is_some();
            disown(draft);
            supersede_other(draft);
            draft.open_if_due(speaker);
        }
    }
}

/// The wish is no longer a rollout's.
fn disown(draft: &mut Draft<'_, '_>) {
    draft.decision.changed |= draft.record.rollout.take().is_some();
}

/// The wish is gone: what was not begun ends, what runs is left to end (semantics 5).
fn unwish(draft: &mut Draft<'_, '_>) {
    draft.decision.changed |= draft.record.withheld.take().is_some();
    disown(draft);
    let begun = matches!(
        draft.record.job.as_ref().map(|j| &j.stage),
        Some(Stage::Running { .. })
    );
    if !begun {
        job::end(
            draft,
            Status::Cancelled,
            Some("the wish was taken back".into()),
            false,
        );
    }
}

/// Another software, or the one that the device has, takes the place of an open job's.
fn supersede_other(draft: &mut Draft<'_, '_>) {
    let Some(open) = &draft.record.job else {
        return;
    };
    let for_it = draft
        .record
        .desired_software()
        .is_some_and(|url| same(url, &open.software_url));
    // A job that runs is for the software that the device may have reported early (semantics 29): it goes on.
    if !for_it {
        job::end(draft, Status::Superseded, None, false);
    }
}

/// Opens a job, unless this software failed here as often as it may.
pub(super) fn open_unless_capped(draft: &mut Draft<'_, '_>, origin: String) {
    let Some(desired) = draft.record.desired_software() else {
        return;
    };
    if job::capped(draft, desired) {
        draft.record.withheld = Some(Withheld::Capped);
        draft.decision.changed = true;
        return;
    }
    job::open(draft, origin);
}

/// An operator wants another try: counts and reasons are forgotten.
pub(super) fn retry(draft: &mut Draft<'_, '_>) {
    draft.decision.changed |= draft.record.withheld.take().is_some();
    draft.decision.changed |= !draft.record.failures.is_empty();
    draft.record.failures.clear();
    disown(draft);
    if draft.record.job.is_none() && delta::software_differs(draft.record) {
        job::open(draft, "retry".into());
    }
    super::ask::tell(draft);
}
