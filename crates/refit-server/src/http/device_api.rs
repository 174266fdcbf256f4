//! What a device says and asks over HTTP: its delta, its updates, and a credential for its job (semantics 41).
//!
//! The device is the one of its certificate; with `--dev`, the one that the header `Refit-Device` names.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use refit_engine::fleet::Submitted;
use refit_engine::output::Telling;
use refit_engine::send::{Granter, Wanted, granted};
use refit_engine::shard::Presence;
use refit_protocol::device_id::DeviceId;
use refit_protocol::digest::Digest;
use refit_protocol::grant::Strength;
use refit_protocol::job::JobId;
use refit_protocol::software_url::depot_digest;
use refit_protocol::time::Timestamp;
use refit_replica::record::Record;
use refit_replica::speaker::{Speaker, Wishes};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::App;
use super::ask;
use super::error::{Kind, Problem, Rendered};
use super::origin::Origin;
use crate::counters::Shed;
use crate::pollers::next_poll;
use crate::{desk, wall};

/// Names the device with `--dev`, where nobody proves who it is.
const REFIT_DEVICE: HeaderName = HeaderName::from_static("refit-device");

/// Says in seconds when to come again, also where there is no document to say it in.
const NEXT_POLL: HeaderName = HeaderName::from_static("refit-next-poll");

/// Answers `GET /device/v1/delta`.
pub(crate) async fn delta(
    State(app): State<Arc<App>>,
    origin: Origin,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let device = who(&app, &origin, &headers)?;
    let now = wall::now();
    if let Some(address) = origin.address {
        app.granting.seen(&device, address, now);
    }
    let record = asked(&app, &device).await?;
    let telling = record.as_ref().and_then(Telling::of);
    let has_job = telling
        .as_ref()
        .is_some_and(|telling| telling.job.is_some());
    let next = next_poll(app.poll_interval, has_job, random());
    app.pollers.waits(&device, next);
    let answer = match telling {
        None => StatusCode::NO_CONTENT.into_response(),
        Some(telling) => told(&app, &device, &telling, &origin, &headers, next),
    };
    Ok(coming_again(answer, next))
}

/// Lets the device be here, and returns its record once all is decided that came before.
async fn asked(app: &App, device: &DeviceId) -> Result<Option<Record>, Problem> {
    let seat = match app.pollers.seat(device) {
        Some(seat) => Some(seat),
        None if is_away(app, device).await? => {
            let seat = app.pollers.arrive(&app.fleet, device);
            Some(seat.ok_or_else(|| {
                Problem::new(Kind::Unavailable, "too many devices poll: come again later")
                    .header(header::RETRY_AFTER, "300")
            })?)
        }
        None => None,
    };
    // One that is connected elsewhere is told there; here it only has to be certain that all is decided.
    let speaker = match seat {
        Some(_) => Speaker::Device,
        None => Speaker::Application("poll".into(), Wishes::NONE),
    };
    desk::say_as_device(app, |fleet, seat| {
        fleet.ask(seat, speaker, device, 0);
    })
    .await?;
    let id = device.clone();
    let stored = app.readers.read(move |reader| reader.load(&id)).await?;
    Ok(stored.map(|stored| stored.record))
}

async fn is_away(app: &App, device: &DeviceId) -> Result<bool, Problem> {
    let (fleet, device) = (app.fleet.clone(), device.clone());
    let presence = app.readers.read(move |_| Ok(fleet.presence(vec![device])));
    Ok(presence.await?.first().is_none_or(|p| *p == Presence::Away))
}

fn told(
    app: &App,
    device: &DeviceId,
    telling: &Telling,
    origin: &Origin,
    headers: &HeaderMap,
    next: Duration,
) -> Response {
    let tag = tag(telling);
    let known = headers
        .get(header::IF_NONE_MATCH)
        .map(HeaderValue::as_bytes);
    if known.is_some_and(|list| refit_depot::serve::tags::match_weakly(list, tag.as_bytes())) {
        return ([(header::ETAG, tag)], StatusCode::NOT_MODIFIED).into_response();
    }
    let granter = Granter {
        grantor: &*app.granting,
        releases: &app.releases,
        feed: app.fleet.feed(),
    };
    let told = granted(&granter, device, telling, origin.address, wall::now());
    if let Some(seat) = app.pollers.seat(device) {
        seat.set_ungranted(told.ungranted);
    }
    let document = told
        .payload
        .and_then(|payload| serde_json::from_slice(&payload).ok());
    let Some(Value::Object(mut document)) = document else {
        return StatusCode::NO_CONTENT.into_response();
    };
    document.insert("nextPoll".into(), next.as_secs().into());
    let kinds = [
        (header::CONTENT_TYPE, "application/json"),
        // A grant may be in it.
        (header::CACHE_CONTROL, "private, no-store"),
    ];
    (
        kinds,
        [(header::ETAG, tag)],
        Value::Object(document).to_string(),
    )
        .into_response()
}

/// Two tellings with the same tag are the same command: neither its time nor its grant is in it.
fn tag(telling: &Telling) -> String {
    let job = telling.job.as_ref().map(|(id, _)| id.as_str());
    let grant = telling.grant.map(|grant| json!(grant));
    let whole = json!([telling.version, job, telling.state, grant]).to_string();
    let digest = Digest::from_bytes(Sha256::digest(whole).into()).to_hex();
    format!("\"{}\"", &digest[..16])
}

fn coming_again(mut response: Response, next: Duration) -> Response {
    if let Ok(value) = HeaderValue::from_str(&next.as_secs().to_string()) {
        response.headers_mut().insert(NEXT_POLL, value);
    }
    response
}

/// Answers `POST /device/v1/update` with the document that MQTT would have published, its code as the status.
pub(crate) async fn update(
    State(app): State<Arc<App>>,
    origin: Origin,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let device = named(&app, &origin, &headers)?;
    let payload = ask::bytes(body).await?;
    let turn = app.limits.updates.take(&device, &payload);
    turn.map_err(|wait| too_often(&app, wait))?;
    let heard = desk::hear(&app.fleet, |fleet, seat| {
        let submitted = fleet.submit(seat, Speaker::Device, &device, &payload, 0);
        debug_assert_eq!(submitted, Submitted::Later, "a fresh seat knows no report");
    });
    let (refused, answer) = heard.await?;
    let status = refused.map_or(200, |code| code.number());
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut response = ([(header::CONTENT_TYPE, "application/json")], answer).into_response();
    *response.status_mut() = status;
    response.extensions_mut().insert(Rendered);
    Ok(response)
}

/// Answers `POST /device/v1/credential`: the credential for the artifact of the device's own open job.
pub(crate) async fn credential(
    State(app): State<Arc<App>>,
    origin: Origin,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let device = who(&app, &origin, &headers)?;
    let Some(bearer) = &origin.certificate else {
        let what = if app.dev {
            "with --dev devices have no certificates, and a credential is bound to one: serve without --dev, and enrol"
        } else {
            "ask over HTTPS with the device's own certificate"
        };
        let problem = Problem::new(Kind::GrantRefused, what);
        return Err(problem.with("reason", "no-certificate"));
    };
    let wish = ask::object(&headers, body).await?;
    let job = wish
        .get("jobID")
        .and_then(Value::as_str)
        .and_then(JobId::parse);
    let job = job.ok_or_else(|| Problem::new(Kind::BadBody, "name the job: {\"jobID\": …}"))?;
    let id = device.clone();
    let stored = app.readers.read(move |reader| reader.load(&id)).await?;
    let no_job = || {
        let detail = "the device has no open job of this ID, so there is nothing to download: wait for the next delta";
        Problem::new(Kind::NoJob, detail).with("jobID", job.as_str())
    };
    let record = stored.ok_or_else(no_job)?.record;
    let telling = Telling::of(&record).ok_or_else(no_job)?;
    let open = telling.job.as_ref().filter(|(open, _)| *open == job);
    let digest = open
        .and_then(|(_, url)| depot_digest(url))
        .ok_or_else(no_job)?;
    let now = wall::now();
    let wanted = Wanted {
        digest,
        length: app.releases.find(&digest).map(|known| known.length),
        device: &device,
        job: Some(&job),
        policy: telling.grant.as_ref(),
        address: origin.address,
    };
    if !app.granting.is_by_credential(&wanted, now) {
        let detail = "this job is given by a pre-signed URL: the delta has it, and a fresh one comes on asking for it";
        let problem = Problem::new(Kind::GrantRefused, detail);
        return Err(problem.with("reason", "not-by-credential"));
    }
    let answer = if app.granting.credential_strength(wanted.policy) == Strength::Time {
        from_store(&app, &wanted, now).await?
    } else {
        None
    };
    let answer = answer.unwrap_or_else(|| of_our_own(&app, &wanted, &bearer.thumbprint, now));
    let kinds = [
        (header::CONTENT_TYPE, "application/json"),
        (header::CACHE_CONTROL, "no-store"),
    ];
    Ok((kinds, answer.to_string()).into_response())
}

/// A token for our own depot, for this certificate alone.
fn of_our_own(app: &App, wanted: &Wanted<'_>, thumbprint: &[u8; 32], now: Timestamp) -> Value {
    let feed = app.fleet.feed();
    let (token, expires) = app.granting.credential(wanted, thumbprint, feed, now);
    json!({
        "url": app.grants.stable_url(&wanted.digest),
        "token": token,
        "expires": expires.as_millis(),
        "strength": "device",
    })
}

/// A credential of the object store for the one key, good for whoever holds it; `None` if the store gives none.
async fn from_store(
    app: &App,
    wanted: &Wanted<'_>,
    now: Timestamp,
) -> Result<Option<Value>, Problem> {
    let asked = app.granting.session(wanted, app.fleet.feed(), now).await;
    let session = asked.map_err(|error| Problem::of_depot(&error))?;
    Ok(session.map(|session| {
        json!({
            "url": app.grants.stable_url(&wanted.digest),
            "expires": session.expires.as_millis(),
            "strength": "time",
            "aws": {
                "accessKeyId": session.access_key_id,
                "secretAccessKey": *session.secret_access_key,
                "sessionToken": *session.session_token,
                "region": session.region,
                "endpoint": session.endpoint,
                "bucket": session.bucket,
                "key": session.key,
            },
        })
    }))
}

/// Tells which device asks, if it may ask now.
fn who(app: &App, origin: &Origin, headers: &HeaderMap) -> Result<DeviceId, Problem> {
    let device = named(app, origin, headers)?;
    let (turn, standing) = app.limits.paces.told(&device);
    turn.map_err(|wait| {
        let said = standing.headers("device").into_iter();
        said.fold(too_often(app, wait), |problem, (name, value)| {
            problem.header(name, &value)
        })
    })?;
    Ok(device)
}

/// Tells which device this is.
fn named(app: &App, origin: &Origin, headers: &HeaderMap) -> Result<DeviceId, Problem> {
    if let Some(barred) = &origin.barred {
        return Err(Problem::new(Kind::DeviceBarred, barred.to_string()));
    }
    let device = match &origin.certificate {
        Some(bearer) => bearer.device.clone(),
        None if app.dev => {
            let named = headers
                .get(REFIT_DEVICE)
                .and_then(|name| name.to_str().ok());
            let named = named.ok_or_else(|| {
                Problem::new(
                    Kind::Unauthenticated,
                    "say who asks with the header Refit-Device",
                )
            })?;
            ask::device(named)?
        }
        None => {
            let detail = "a device asks over TLS with its own certificate: enrol it with `refit-agent enrol`";
            return Err(Problem::new(Kind::Unauthenticated, detail));
        }
    };
    Ok(device)
}

fn too_often(app: &App, wait: Duration) -> Problem {
    app.counters.shed(Shed::Device);
    let detail = "the device asks too often: wait as Retry-After says";
    Problem::new(Kind::TooMany, detail).later(wait.as_secs() as u32 + 1)
}

fn random() -> u32 {
    let mut bytes = [0; 4];
    // Without it all come at the same time once; nothing else depends on it.
    let _ = getrandom::fill(&mut bytes);
    u32::from_be_bytes(bytes)
}
