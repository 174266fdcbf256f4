//! Devices: to list and show them, and to hand what an operator wants of one to the engine.

use std::sync::Arc;

use axum::Json;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use refit_access::matrix::Operation;
use refit_access::rights::Rights;
use refit_access::span::Span;
use refit_engine::author::Author;
use refit_engine::shard::Presence;
use refit_protocol::device_id::DeviceId;
use refit_protocol::diff::SOFTWARE_URL;
use refit_protocol::near::nearest;
use refit_protocol::update::Update;
use refit_replica::input::Input;
use refit_store::reader::{DeviceRow, Reader};
use refit_store::store::Failure;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use utoipa::ToSchema;

use super::ask::{self, DevicePath, Dry, GrantOf, IfMatch, IfMatchDemanded, Page, Query};
use super::count::{Asked, COUNTED_MAX, Count};
use super::enrolment::at_work;
use super::error::{FieldCode, Kind, Problem};
use super::pretend::pretend;
use super::releases::split_release;
use super::rollouts::show::DeviceRollout;
use super::selected::{self, List, Select};
use super::show::{self, Beside, Device, DeviceLine, DevicePage};
use super::{App, narrow};
use crate::caller::{Caller, no_such_device};
use crate::desk;
use crate::wall;

/// Lists devices, by ID; those that a selector means, in the order in which they became known. `count` is exact with a
/// selector.
#[utoipa::path(get, operation_id = "listDevices", tag = "devices", path = "/api/v1/devices", params(Page, Select), responses(
    (status = 200, body = DevicePage),
    (status = "4XX", body = show::Problem, content_type = "application/problem+json"),
))]
pub(crate) async fn list(
    State(app): State<Arc<App>>,
    caller: Caller,
    uri: Uri,
    Query(list): Query<List>,
) -> Result<Response, Problem> {
    let page = list.page().checked()?;
    if let Some(text) = list.select {
        return selected::page(&app, caller, &uri, &text, page).await;
    }
    let (limit, asked) = (page.limit, page.count);
    let after = page
        .cursor
        .map(|cursor| ask::device(&app.cursors.read("devices", &cursor)?))
        .transpose()?;
    let fleet = app.fleet.clone();
    let rights = caller.rights;
    let ((rows, next), presence, count) = app
        .readers
        .read(move |reader| {
            let page = page_of(reader, &rights, after, limit)?;
            let presence = fleet.presence(page.0.iter().map(|row| row.id.clone()).collect());
            let count = asked.map(|asked| count_of(reader, &rights, asked));
            Ok((page, presence, count.transpose()?))
        })
        .await?;
    let next = next.map(|last| app.cursors.write("devices", last.as_str()));
    let presence = presence
        .into_iter()
        .chain(std::iter::repeat(Presence::Away));
    let items = rows.into_iter().zip(presence);
    let items = items
        .map(|(row, presence)| DeviceLine::of(row, presence, &app.releases))
        .collect();
    let link = ask::link_next(&uri, next.as_deref());
    let page = DevicePage {
        items,
        next_cursor: next,
        count,
    };
    Ok((link, Json(page)).into_response())
}

/// Reads a page of the devices that are seen, without looking at those between the stretches of a scope.
fn page_of(
    reader: &mut dyn Reader,
    rights: &Rights,
    after: Option<DeviceId>,
    limit: usize,
) -> Result<narrow::Narrowed<DeviceRow, DeviceId>, Failure> {
    let key = |row: &DeviceRow| row.id.clone();
    let Some(spans) = rights.spans() else {
        let all = Span::all();
        let read = |after: Option<&DeviceId>, limit| reader.devices(&all, after, limit);
        return narrow::page(after, limit, read, key, None);
    };
    let done = after.as_ref().map_or(0, |after| {
        spans.partition_point(|span| span.before.as_str() <= after.as_str())
    });
    narrow::page_of_parts(
        &spans[done..],
        after,
        limit,
        |span, after, limit| reader.devices(span, after, limit),
        key,
        &|row| rights.sees(&row.id),
    )
}

/// Counts the devices that are seen. There is a counter of all that ever were; exactly they are counted up to a bound.
fn count_of(reader: &mut dyn Reader, rights: &Rights, asked: Asked) -> Result<Count, Failure> {
    if !rights.sees_all() {
        let (seen, next) = page_of(reader, rights, None, usize::MAX)?;
        let count = seen.len() as u64;
        return Ok(match next {
            None => Count::exact(count),
            Some(_) => Count::at_least(count),
        });
    }
    let counter = reader.counts()?.devices;
    if asked == Asked::Estimate || counter > COUNTED_MAX as u64 {
        return Ok(Count::estimate(counter));
    }
    reader.count_devices(COUNTED_MAX).map(Count::exact)
}

/// Shows a device.
#[utoipa::path(get, operation_id = "showDevice", tag = "devices", path = "/api/v1/devices/{id}", params(DevicePath), responses(
    (status = 200, body = Device, headers(("ETag" = String, description = "the version of the record"))),
    (status = "4XX", body = show::Problem, content_type = "application/problem+json"),
))]
pub(crate) async fn show(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    shown(&app, ask::device(&id)?).await
}

async fn shown(app: &App, device: DeviceId) -> Result<Response, Problem> {
    let (fleet, id) = (app.fleet.clone(), device.clone());
    let conductor = app.conductor.clone();
    let read = app.readers.read(move |reader| {
        let Some(stored) = reader.load(&id)?.filter(|stored| !stored.record.gone) else {
            return Ok(None);
        };
        let last_job = reader.jobs_of(&id, None, 1)?.pop().map(|row| row.entry);
        let standing = reader.identity(&id)?.map(|row| row.standing);
        let facts = reader.facts(&id)?.unwrap_or_default();
        let rollouts = conductor.why(reader, &id, wall::now())?;
        let presence = fleet.presence(vec![id]).pop().unwrap_or(Presence::Away);
        Ok(Some((
            stored,
            rollouts,
            Beside {
                presence,
                last_job,
                standing,
                facts,
                now: wall::now(),
            },
        )))
    });
    let Some((stored, rollouts, beside)) = read.await? else {
        return Err(no_such_device(&device));
    };
    let now = beside.now;
    let mut shown = Device::of(device.as_str(), &stored, beside, &app.releases);
    shown.rollouts = rollouts
        .into_iter()
        .map(|reason| DeviceRollout::of(reason, stored.seen, now))
        .collect();
    let mut response = Json(&shown).into_response();
    if let Ok(tag) = HeaderValue::from_str(&format!("\"{}\"", shown.version)) {
        response.headers_mut().insert(header::ETAG, tag);
    }
    Ok(response)
}

/// Changes what a device should be, and makes the device if nobody knows it.
///
/// The body is a merge patch (RFC 7396) of the desired state. Writing `softwareURL` opens a job, also if it is the same
/// as before; `null` takes it back. `If-Match` is demanded: whoever has not read the record says so with `*`.
#[utoipa::path(patch, operation_id = "desire", tag = "devices", path = "/api/v1/devices/{id}/desired", params(
    DevicePath, GrantOf, IfMatchDemanded,
), request_body(content = Object, content_type = "application/merge-patch+json"), responses(
    (status = 200, body = Device),
    (status = 204, description = "done, and the caller may not read devices"),
    (status = "4XX", body = show::Problem, content_type = "application/problem+json"),
    (status = 507, body = show::Problem, content_type = "application/problem+json"),
))]
pub(crate) async fn desire(
    State(app): State<Arc<App>>,
    caller: Caller,
    Path(id): Path<String>,
    Query(query): Query<GrantOf>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let device = ask::device(&id)?;
    let version = ask::if_match(&headers)?.demanded()?;
    let (grant, dry) = query.read()?;
    let patch = ask::object(&headers, body).await?;
    desired(&app, &caller, device, patch, grant, version, dry).await
}

async fn desired(
    app: &App,
    caller: &Caller,
    device: DeviceId,
    patch: Map<String, Value>,
    grant: Option<Value>,
    version: Option<u64>,
    dry: Dry,
) -> Result<Response, Problem> {
    let mut update = Map::new();
    update.insert("state".into(), json!({ "desired": patch }));
    if let Some(version) = version {
        update.insert("version".into(), version.into());
    }
    if let Some(grant) = grant {
        update.insert("grant".into(), grant);
    }
    let update = Update::from_object(update).map_err(|refused| {
        Problem::new(
            Kind::of_code(refused.rejection.code),
            refused.rejection.message,
        )
    })?;
    let speaker = caller.speaker(&device);
    let input = Input::Update { speaker, update };
    changed(app, caller, device, input, version, dry).await
}

/// Has the engine decide, or decides on a copy; shows the device as it is then.
async fn changed(
    app: &App,
    caller: &Caller,
    device: DeviceId,
    input: Input,
    version: Option<u64>,
    dry: Dry,
) -> Result<Response, Problem> {
    let done = if dry.dry_run {
        pretend(app, &device, input).await
    } else {
        let by = Author::from(caller);
        let said = desk::say(app, &by, |fleet, seat| match input {
            Input::Update { speaker, update } => fleet.update(seat, speaker, &device, update, 0),
            input => fleet.operate(seat, &device, input, 0),
        });
        match said.await {
            Ok(()) => shown(app, device.clone()).await,
            Err(problem) => Err(problem),
        }
    };
    match done {
        Err(problem) if problem.kind == Kind::Conflict => {
            Err(of_conflict(app, device, version, problem).await?)
        }
        // Whoever may write, and not read, learns that it is done, and nothing else.
        Ok(_) if caller.may(Operation::DeviceRead, Some(&device)).is_err() => {
            Ok(StatusCode::NO_CONTENT.into_response())
        }
        done => done,
    }
}

/// Which software a device should run: either a release, or any URL.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct SetSoftware {
    /// A release of this server: `name@version`.
    #[schema(pattern = "^[A-Za-z0-9_][A-Za-z0-9._-]*@[A-Za-z0-9_+][A-Za-z0-9._+-]*$")]
    release: Option<String>,
    /// A URL, of this server's depot or of any other store.
    #[serde(rename = "softwareURL")]
    software_url: Option<String>,
    /// Which grant it is given by; the server's default if it is not there.
    #[schema(value_type = Option<show::GrantPolicy>)]
    grant: Option<Value>,
}

/// Says which software a device should run.
///
/// It takes the place of what was desired before, so `If-Match` is not demanded.
#[utoipa::path(put, operation_id = "setSoftware", tag = "devices", path = "/api/v1/devices/{id}/software", params(
    DevicePath, Dry, IfMatch,
), request_body = SetSoftware, responses(
    (status = 200, body = Device),
    (status = 204, description = "done, and the caller may not read devices"),
    (status = "4XX", body = show::Problem, content_type = "application/problem+json"),
    (status = 507, body = show::Problem, content_type = "application/problem+json"),
))]
pub(crate) async fn set_software(
    State(app): State<Arc<App>>,
    caller: Caller,
    Path(id): Path<String>,
    Query(dry): Query<Dry>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let device = ask::device(&id)?;
    let version = ask::if_match(&headers)?.version();
    let wanted: SetSoftware = ask::document(&headers, body).await?;
    let url = match (wanted.release, wanted.software_url) {
        (Some(release), None) => url_of(&app, &caller, &release).await?,
        (None, Some(url)) => url,
        (Some(_), Some(_)) | (None, None) => {
            let detail = "give either release or softwareURL";
            return Err(Problem::of_field("release", FieldCode::NotTogether, detail));
        }
    };
    let mut patch = Map::new();
    patch.insert(SOFTWARE_URL.into(), url.into());
    let done = desired(&app, &caller, device, patch, wanted.grant, version, dry).await;
    done.map_err(|problem| match problem.kind {
        // Of all that can be malformed in a wish, only these two come from the body; what is said of the URL names it.
        Kind::BadBody => {
            let detail = problem.detail();
            let is_url = detail.contains(SOFTWARE_URL);
            let field = if is_url { SOFTWARE_URL } else { "grant" };
            Problem::of_field(field, FieldCode::Malformed, detail)
        }
        _ => problem,
    })
}

async fn url_of(app: &App, caller: &Caller, text: &str) -> Result<String, Problem> {
    let Some((name, version)) = split_release(text) else {
        return Err(Problem::new(
            Kind::UnknownRelease,
            format!("{text:?} is not a release; write name@version"),
        ));
    };
    let releases = app.readers.read(|reader| reader.releases()).await?;
    let found = releases
        .iter()
        .find(|r| r.software.name == name && r.software.version == version);
    match found {
        Some(release) => Ok(app.grants.stable_url(release.digest())),
        None => {
            let known = releases
                .iter()
                .map(|r| format!("{}@{}", r.software.name, r.software.version));
            let known: Vec<String> = known.collect();
            // A guess names a release, which is for those who may see them.
            let sees = caller.may(Operation::ReleaseRead, None).is_ok();
            let known = known.iter().map(String::as_str).filter(|_| sees);
            let near = nearest(text, known);
            let hint = near.map_or_else(
                || "add it with `refit release add`; GET /api/v1/releases lists those that there are".to_owned(),
                |near| format!("did you mean {near}?"),
            );
            Err(Problem::new(
                Kind::UnknownRelease,
                format!("there is no release {text}: {hint}"),
            ))
        }
    }
}

macro_rules! operations {
    ($($(#[$doc:meta])* $name:ident, $id:literal, $path:literal, $input:expr;)*) => {$(
        $(#[$doc])*
        #[utoipa::path(post, operation_id = $id, tag = "devices", path = $path, params(DevicePath, Dry, IfMatchDemanded), responses(
            (status = 200, body = Device),
            (status = 204, description = "done, and the caller may not read devices"),
            (status = "4XX", body = show::Problem, content_type = "application/problem+json"),
            (status = 507, body = show::Problem, content_type = "application/problem+json"),
        ))]
        pub(crate) async fn $name(
            State(app): State<Arc<App>>,
            caller: Caller,
            Path(id): Path<String>,
            Query(dry): Query<Dry>,
            headers: HeaderMap,
        ) -> Result<Response, Problem> {
            operated(&app, &caller, &id, &headers, $input, dry).await
        }
    )*};
}

operations! {
    /// Ends the open job of a device. Its wish stays, and nothing is sent for it until it is desired again. Without an
    /// open job there is nothing to end: 409.
    cancel, "cancelJob", "/api/v1/devices/{id}/cancel", Input::Cancel;
    /// Keeps software from a device until it is released.
    hold, "holdDevice", "/api/v1/devices/{id}/hold", Input::Hold(true);
    /// Lets a device that was held have its software.
    release, "releaseDevice", "/api/v1/devices/{id}/release", Input::Hold(false);
    /// Tries again what failed, and forgets how often it did.
    retry, "retryDevice", "/api/v1/devices/{id}/retry", Input::Retry;
}

async fn operated(
    app: &App,
    caller: &Caller,
    id: &str,
    headers: &HeaderMap,
    input: Input,
    dry: Dry,
) -> Result<Response, Problem> {
    let device = ask::device(id)?;
    let version = ask::if_match(headers)?.demanded()?;
    let input = match version {
        None => input,
        Some(version) => Input::At(version, Box::new(input)),
    };
    changed(app, caller, device, input, version, dry).await
}

/// Removes a device: its state and its jobs' meaning are gone, its certificates are revoked, its connection is cut.
///
/// Its history stays. Should the ID come back, its record goes on above the old version, and old job IDs mean nothing.
/// A device with an identity needs an operator's leave to enrol anew. `If-Match` is demanded.
#[utoipa::path(delete, operation_id = "removeDevice", tag = "devices", path = "/api/v1/devices/{id}", params(
    DevicePath, Dry, IfMatchDemanded,
), responses(
    (status = 204),
    (status = 200, body = Device, description = "it would be removed, and this be left of its record; nothing was"),
    (status = "4XX", body = show::Problem, content_type = "application/problem+json"),
    (status = 507, body = show::Problem, content_type = "application/problem+json"),
))]
pub(crate) async fn remove(
    State(app): State<Arc<App>>,
    caller: Caller,
    Path(id): Path<String>,
    Query(dry): Query<Dry>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let device = ask::device(&id)?;
    let version = ask::if_match(&headers)?.demanded()?;
    let input = match version {
        None => Input::Remove,
        Some(version) => Input::At(version, Box::new(Input::Remove)),
    };
    if dry.dry_run {
        return changed(&app, &caller, device, input, version, dry).await;
    }
    let by = Author::from(&caller);
    let said = desk::say(&app, &by, |fleet, seat| {
        fleet.operate(seat, &device, input, 0);
    });
    match said.await {
        Ok(()) => {}
        Err(problem) if problem.kind == Kind::Conflict => {
            return Err(of_conflict(&app, device, version, problem).await?);
        }
        Err(problem) => return Err(problem),
    }
    let bar = at_work(&app, move |office| {
        office.removed(&by, &device, wall::now())
    });
    bar.await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// Tells whether it was the version that did not fit, or the state.
async fn of_conflict(
    app: &App,
    device: DeviceId,
    version: Option<u64>,
    problem: Problem,
) -> Result<Problem, Problem> {
    let Some(version) = version else {
        return Ok(problem);
    };
    let read = app.readers.read(move |reader| reader.load(&device)).await?;
    Ok(match read {
        Some(stored) if stored.record.version == version => problem,
        Some(_) | None => problem.now(Kind::VersionConflict),
    })
}
