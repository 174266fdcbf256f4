//! `?dryRun=true` for devices: what a change would make of the record, decided on a copy that is thrown away.
//!
//! It is the same decision that the engine would make now, with the same rules; only nobody hears of it.

use axum::Json;
use axum::response::{IntoResponse, Response};
use refit_engine::shard::Presence;
use refit_protocol::device_id::DeviceId;
use refit_protocol::time::{Monotonic, Now};
use refit_replica::decide::decide;
use refit_replica::effect::Answer;
use refit_replica::input::{Context, Input};
use refit_replica::record::Record;
use refit_replica::speaker::Speaker;
use refit_replica::watch::Watch;
use refit_store::facts::DeviceFacts;
use refit_store::store::{DeviceKey, Stored};

use super::App;
use super::ask::DRY_RUN;
use super::error::{Kind, Problem};
use super::show::{Beside, Device};
use crate::caller::no_such_device as no_such;
use crate::wall;

const fn is_operators_wish(input: &Input) -> bool {
    matches!(
        input,
        Input::Update {
            speaker: Speaker::Operator(_),
            ..
        }
    )
}

/// Shows a device as it would be after this input, or says why that would be refused.
pub(super) async fn pretend(
    app: &App,
    device: &DeviceId,
    input: Input,
) -> Result<Response, Problem> {
    let (fleet, id) = (app.fleet.clone(), device.clone());
    let read = app.readers.read(move |reader| {
        let stored = reader.load(&id)?;
        let last_job = reader.jobs_of(&id, None, 1)?.pop().map(|row| row.entry);
        let standing = reader.identity(&id)?.map(|row| row.standing);
        let made_now = || DeviceFacts {
            created: wall::now(),
            ..DeviceFacts::default()
        };
        let facts = reader.facts(&id)?.unwrap_or_else(made_now);
        let presence = fleet.presence(vec![id]).pop().unwrap_or(Presence::Away);
        Ok((stored, last_job, standing, facts, presence))
    });
    let (stored, last_job, standing, facts, presence) = read.await?;
    let now = wall::now();
    let mut stored = match stored {
        // One that was removed is as unknown as one that never was, but for its version.
        Some(stored) if !stored.record.gone || is_operators_wish(&input) => stored,
        // An operator's wish makes the device; anything else is for one that is there.
        None if is_operators_wish(&input) => Stored {
            key: DeviceKey(0),
            revision: 0,
            seen: None,
            written: now,
            record: Record::default(),
        },
        Some(_) | None => return Err(no_such(device)),
    };
    let known = last_job.as_ref().map(|job| job.id.clone());
    let mut decision = decide(
        &mut stored.record,
        &mut Watch::default(),
        input,
        &mut Context {
            now: Now {
                wall: now,
                mono: Monotonic(0),
            },
            epoch: app.store.epoch(),
            reachable: matches!(presence, Presence::Reachable | Presence::Narrow),
            policy: &app.policy,
            catalog: &*app.releases,
            marks: &*app.marks,
            // For the ID of a job that nobody sees, and for pauses that nobody waits.
            random: &mut || 0,
        },
    );
    if let Some(Answer::Rejected(no)) = decision.answer {
        let kind = Kind::of_code(no.rejection.code);
        return Err(Problem::new(kind, no.rejection.message));
    }
    let open = stored.record.job.as_ref().map(|job| job.entry());
    let beside = Beside {
        presence,
        last_job: open.or_else(|| decision.jobs.pop()).or(last_job),
        standing,
        facts,
        now,
    };
    let mut shown = Device::of(device.as_str(), &stored, beside, &app.releases);
    for job in shown.job.iter_mut().chain(shown.last_job.iter_mut()) {
        if known.as_ref().is_none_or(|known| known.as_str() != job.id) {
            job.id = DRY_RUN.into();
        }
    }
    shown.dry_run = Some(true);
    Ok(Json(shown).into_response())
}
