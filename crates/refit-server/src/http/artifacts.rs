//! Downloads: an artifact of the depot, for whoever holds a grant for it.
//!
//! What to answer is decided by `refit_depot::serve`; here the bytes are streamed, a piece at a time as the peer
//! reads them.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri, header};
use axum::response::Response;
use futures_util::TryStreamExt;
use refit_access::matrix::Operation;
use refit_depot::artifact::Artifact;
use refit_depot::grant::credential;
use refit_depot::serve::{self, Answer, Ask, Status};
use refit_engine::output::with_sources;
use refit_protocol::device_id::DeviceId;
use refit_protocol::digest::Digest;
use tokio::sync::OwnedSemaphorePermit;

use super::error::{Kind, Problem};
use super::origin::Origin;
use super::shares::{DOWNLOADS_PER_DEVICE_MAX, Share};
use super::{App, gate};
use crate::counters::{Counters, Download};
use crate::wall;

/// How soon to ask again when too many download at once, in seconds. Devices spread it by themselves.
const PUT_OFF_S: u32 = 10;

/// Serves `GET` and `HEAD` of an artifact.
pub(crate) async fn download(
    State(app): State<Arc<App>>,
    method: Method,
    Path(digest): Path<String>,
    uri: Uri,
    origin: Origin,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let none = || Problem::new(Kind::NoArtifact, "no release has this artifact (any more)");
    let digest = Digest::parse(&digest).ok_or_else(none)?;
    let (granted, device) = granted(&app, &digest, &uri, &origin, &headers)?;
    let place = place(&app, device)?;
    let opened = app.depot.artifact(&digest).await;
    let artifact = opened
        .map_err(|error| Problem::of_depot(&error))?
        .ok_or_else(none)?;
    app.counters.download(granted);
    let answer = decided(&method, &headers, &artifact);
    respond(answer, artifact, place, &app.counters)
}

/// A place among the downloads, given back when the last piece is sent, or the peer goes.
struct Place {
    _of_all: OwnedSemaphorePermit,
    _of_device: Option<Share>,
}

/// Takes a place among all downloads, and among those of the device.
fn place(app: &App, device: Option<DeviceId>) -> Result<Place, Problem> {
    let put_off = |kind, detail: String| {
        app.counters.download(Download::PutOff);
        Problem::new(kind, detail).later(PUT_OFF_S)
    };
    let of_device = match device {
        None => None,
        Some(device) => {
            let share = app.limits.shares.take(device.clone());
            Some(share.ok_or_else(|| {
                let detail = format!(
                    "{device} has {DOWNLOADS_PER_DEVICE_MAX} downloads under way, which is all it may have: end one, \
                     or go on in a moment from where you are"
                );
                put_off(Kind::TooMany, detail).with("deviceID", device.as_str())
            })?)
        }
    };
    let of_all = Arc::clone(&app.limits.downloads).try_acquire_owned();
    let of_all = of_all.map_err(|_| {
        let detail = "too many download at once: go on in a moment, from where you are";
        put_off(Kind::Unavailable, detail.into())
    })?;
    Ok(Place {
        _of_all: of_all,
        _of_device: of_device,
    })
}

/// Tells whether somebody asks by right of a token.
fn may_download(app: &App, headers: &HeaderMap) -> bool {
    let pass = gate::with_token(app, headers);
    pass.is_some_and(|pass| pass.rights.may(Operation::ReleaseDownload, None).is_ok())
}

/// Checks the grant in the query; an operator's token serves too. It is checked before anything is looked up, so that
/// nobody learns which artifacts there are. Whoever has a grant is told by it, an operator is nobody's device.
fn granted(
    app: &App,
    digest: &Digest,
    uri: &Uri,
    origin: &Origin,
    headers: &HeaderMap,
) -> Result<(Download, Option<DeviceId>), Problem> {
    let (asker, now) = (origin.asker(), wall::now());
    let (query, feed) = (uri.query().unwrap_or_default(), app.fleet.feed());
    let credential = gate::bearer(headers)
        .and_then(|token| std::str::from_utf8(token).ok())
        .filter(|token| token.starts_with(credential::PREFIX));
    let checked = match credential {
        Some(token) => app.grants.check_credential(digest, token, &asker, now),
        None => app.grants.check(digest, query, &asker, now),
    };
    let refused = match checked {
        // What was signed for it before is void as well, whoever shows it.
        Ok(granted) if app.office.identities.is_barred(&granted.device) => {
            app.counters.download(Download::Refused);
            let detail = "the device that this was given to was revoked or retired";
            return Err(Problem::new(Kind::DeviceBarred, detail));
        }
        Ok(granted) => {
            app.granting.used(&granted, feed, now);
            return Ok((Download::Granted, Some(granted.device)));
        }
        Err(_) if may_download(app, headers) => return Ok((Download::Operator, None)),
        Err(refused) => refused,
    };
    // Whose certificate it is, that device asks from there, whether or not its grant is good from there.
    if let (Some(bearer), Some(address)) = (&origin.certificate, origin.address) {
        app.granting.seen(&bearer.device, address, now);
    }
    app.granting.refused(&refused, feed, now);
    app.counters.download(Download::Refused);
    Err(Problem::new(Kind::GrantRefused, refused.to_string()).with("reason", refused.reason()))
}

fn decided(method: &Method, headers: &HeaderMap, artifact: &Artifact) -> Answer {
    let joined = |name: HeaderName| {
        let mut values = headers.get_all(name).iter().map(HeaderValue::as_bytes);
        let first = values.next()?.to_vec();
        Some(values.fold(first, |joined, value| [&joined[..], b", ", value].concat()))
    };
    let (range, if_range) = (joined(header::RANGE), joined(header::IF_RANGE));
    let (if_match, if_none_match) = (joined(header::IF_MATCH), joined(header::IF_NONE_MATCH));
    let ask = Ask {
        head: method == Method::HEAD,
        range: range.as_deref(),
        if_range: if_range.as_deref(),
        if_match: if_match.as_deref(),
        if_none_match: if_none_match.as_deref(),
    };
    serve::answer(&ask, &artifact.digest(), artifact.length())
}

fn respond(
    answer: Answer,
    artifact: Artifact,
    place: Place,
    counters: &Arc<Counters>,
) -> Result<Response, Problem> {
    let headers = answer.headers().iter().filter_map(|(name, value)| {
        Some((
            HeaderName::from_static(name),
            HeaderValue::from_str(value).ok()?,
        ))
    });
    let headers: HeaderMap = headers.collect();
    let kind = match answer.status {
        Status::Whole | Status::Partial | Status::NotModified => None,
        Status::PreconditionFailed => Some((
            Kind::VersionConflict,
            "the artifact is not the one that If-Match names",
        )),
        Status::OutOfRange => Some((Kind::OutOfRange, "begin before the end, or from the start")),
    };
    if let Some((kind, detail)) = kind {
        let problem = Problem::new(kind, detail);
        return Err(headers.iter().fold(problem, |problem, (name, value)| {
            problem.header(name.clone(), value.to_str().unwrap_or_default())
        }));
    }
    let body = answer.body.map_or_else(Body::empty, |range| {
        let counters = Arc::clone(counters);
        // A piece is asked for when the connection has room, so a slow peer costs one piece of memory.
        let pieces = artifact.stream(range).inspect_ok(move |piece| {
            // Held for as long as there are pieces: given back when the last is sent, or the peer goes.
            let _ = &place;
            counters.sent_bytes.fetch_add(piece.len() as u64, Relaxed);
        });
        Body::from_stream(pieces.inspect_err(|error| {
            tracing::error!("a download was cut: {}", with_sources(error));
        }))
    });
    let mut response = Response::new(body);
    *response.status_mut() = StatusCode::from_u16(answer.status.code()).unwrap_or_default();
    *response.headers_mut() = headers;
    Ok(response)
}
