//! Taking a release in: its bytes into the depot while they come, then the record that names them.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use axum::Json;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http_body_util::BodyExt;
use refit_depot::depot::Depot;
use refit_depot::intake::{self, Expected, Intake};
use refit_engine::author::Author;
use refit_engine::events::EventKind;
use refit_protocol::delta::{Format, Software};
use refit_protocol::digest::Digest;
use refit_store::release::{Added, NewRelease, Release};
use serde::Deserialize;
use tokio::sync::mpsc;

use super::pretend::would_add;
use super::room;
use super::{
    NAME_BYTES_MAX, VERSION_BYTES_MAX, exists, forget_unnamed, is_name, is_version, no_such, shown,
};
use crate::caller::Caller;
use crate::desk;
use crate::http::ask::Query;
use crate::http::error::{FieldCode, Kind, Problem};
use crate::http::slow::is_too_slow;
use crate::http::{App, BODY_PAUSE_MAX, show};
use crate::wall;

/// How long a note may be.
const NOTE_BYTES_MAX: usize = 1024;

/// How many pieces of an upload wait for the disk before the sender is slowed down.
const PIECES_WAITING_MAX: usize = 4;

/// How long the rest of an upload that failed is still taken off the sender's hands.
const DISCARD_MAX: Duration = Duration::from_secs(30);

/// What an upload is to be.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Upload {
    /// The name of the software.
    #[param(pattern = "^[A-Za-z0-9_][A-Za-z0-9._-]{0,63}$")]
    pub(super) name: String,
    /// The version of the release.
    #[param(pattern = "^[A-Za-z0-9_+][A-Za-z0-9._+-]{0,63}$")]
    pub(super) version: String,
    /// `file` (the default), or `tree` for a zstd-compressed pax archive of a directory.
    #[param(pattern = "^(file|tree)$")]
    format: Option<String>,
    /// A word about it, for people.
    #[param(max_length = 1024)]
    pub(super) note: Option<String>,
    /// The version that it comes right after, where its own version does not say.
    #[param(pattern = "^[A-Za-z0-9_+][A-Za-z0-9._+-]{0,63}$")]
    pub(super) after: Option<String>,
    /// Whether to keep nothing, and to answer what would be recorded.
    #[serde(default, rename = "dryRun")]
    #[param(required = false, rename = "dryRun")]
    dry_run: bool,
}

/// Adds a release. The body is its artifact.
///
/// The same bytes under the same name and version again change nothing; other bytes are refused. With
/// `Content-Digest: sha-256=:…:` (RFC 9530) only those bytes are taken. An upload that is cut short leaves nothing. With `dryRun` the body is taken and checked, and
/// the answer, its status too, is what adding it would be.
#[utoipa::path(post, operation_id = "addRelease", tag = "releases", path = "/api/v1/releases", params(Upload,
    ("Content-Digest" = Option<String>, Header, description = "the SHA-256 that the body must have"),
), request_body(content = Vec<u8>, content_type = "application/octet-stream"), responses(
    (status = 201, body = show::Release, description = "it was added"),
    (status = 200, body = show::Release, description = "the same was there"),
    (status = "4XX", body = show::Problem, content_type = "application/problem+json"),
    (status = 507, body = show::Problem, content_type = "application/problem+json"),
))]
pub(crate) async fn add(
    State(app): State<Arc<App>>,
    caller: Caller,
    Query(upload): Query<Upload>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let upload = upload.checked()?;
    let expected = Expected {
        length_max: room::length_max(&app, &headers)?,
        ..expected(&headers)?
    };
    let _turn = app.limits.uploads.try_acquire().map_err(|_| {
        Problem::new(
            Kind::TooMany,
            "too many uploads are under way; try again when one has ended",
        )
        .later(10)
    })?;
    let intake = received(&app, expected, body).await?;
    if upload.0.dry_run {
        return would_add(&app, &intake, upload).await;
    }
    let by = Author::from(&caller);
    let app_in_task = Arc::clone(&app);
    // A task of its own: whoever goes away after the last byte leaves no step undone.
    let recorded = tokio::spawn(async move { recorded(&app_in_task, by, intake, upload).await });
    recorded
        .await
        .map_err(|_| Problem::internal("recording a release was abandoned"))?
}

impl Upload {
    fn checked(self) -> Result<(Self, Format), Problem> {
        use FieldCode::{Malformed, NotOneOf, OutOfRange};
        let refuse =
            |name: &str, code, detail: String| Err(Problem::of_parameter(name, code, detail));
        if !is_name(&self.name) {
            return refuse(
                "name",
                Malformed,
                format!(
                    "{:?} is not a name: use 1 to {NAME_BYTES_MAX} of A-Z a-z 0-9 . _ -, and neither . nor - at its beginning",
                    self.name
                ),
            );
        }
        for (name, version) in [
            ("version", Some(&self.version)),
            ("after", self.after.as_ref()),
        ] {
            if let Some(version) = version.filter(|version| !is_version(version)) {
                return refuse(
                    name,
                    Malformed,
                    format!(
                        "{version:?} is not a version: use 1 to {VERSION_BYTES_MAX} of A-Z a-z 0-9 . _ - +, and neither . nor - at its beginning"
                    ),
                );
            }
        }
        if self
            .note
            .as_ref()
            .is_some_and(|note| note.len() > NOTE_BYTES_MAX)
        {
            return refuse(
                "note",
                OutOfRange,
                format!("a note has at most {NOTE_BYTES_MAX} bytes"),
            );
        }
        let Some(format) = self
            .format
            .as_deref()
            .map_or(Some(Format::File), Format::parse)
        else {
            return refuse("format", NotOneOf, "format is file or tree".into());
        };
        Ok((self, format))
    }
}

/// Reads what is announced of the body.
fn expected(headers: &HeaderMap) -> Result<Expected, Problem> {
    let length = headers
        .get(header::CONTENT_LENGTH)
        .and_then(|value| value.to_str().ok()?.parse().ok());
    let mut expected = Expected {
        length,
        ..Expected::default()
    };
    if let Some(value) = headers
        .get("content-digest")
        .or_else(|| headers.get("digest"))
    {
        let digest = value
            .to_str()
            .ok()
            .and_then(announced_digest)
            .ok_or_else(|| {
                Problem::new(
                    Kind::BadRequest,
                    "write Content-Digest as sha-256=:<44 characters of base64>:",
                )
            })?;
        expected.digest = Some(digest);
    }
    Ok(expected)
}

/// Reads `sha-256=:base64:` (RFC 9530), or the same without colons, as its predecessor wrote it (RFC 3230).
fn announced_digest(value: &str) -> Option<Digest> {
    value.split(',').find_map(|part| {
        let (name, value) = part.trim().split_once('=')?;
        let bytes = STANDARD.decode(value.trim_matches(':')).ok()?;
        let bytes = name.eq_ignore_ascii_case("sha-256").then_some(bytes)?;
        Some(Digest::from_bytes(bytes.try_into().ok()?))
    })
}

/// Takes the body into the depot, not yet kept: an intake that is dropped leaves nothing.
async fn received(app: &App, expected: Expected, mut body: Body) -> Result<Intake, Problem> {
    let (pieces, waiting) = mpsc::channel(PIECES_WAITING_MAX);
    let depot = app.depot.clone();
    let writer = tokio::task::spawn_blocking(move || written(&depot, expected, waiting));
    let arrived = passed_on(app, &mut body, &pieces).await;
    drop(pieces);
    let written = writer
        .await
        .map_err(|_| Problem::internal("an upload was abandoned"))?;
    let is_at_reserve = arrived
        .as_ref()
        .is_err_and(|why| why.kind == Kind::DiskFull);
    let is_refused = matches!(
        &written,
        Err(intake::Error::Full(_) | intake::Error::Backend(_))
    );
    if is_at_reserve || is_refused {
        discard(&mut body).await;
    }
    arrived?;
    written.map_err(of_intake)
}

/// Reads what is still to come of a body that is no longer wanted. Many a client looks for the answer only when it has
/// sent everything; a connection that is closed before that tells it of a broken pipe, and not of the full disk.
async fn discard(body: &mut Body) {
    let rest = async { while let Some(Ok(_)) = body.frame().await {} };
    drop(tokio::time::timeout(DISCARD_MAX, rest).await);
}

/// Hands the body to the writer, until either has come to its end.
async fn passed_on(
    app: &App,
    body: &mut Body,
    pieces: &mpsc::Sender<Piece>,
) -> Result<(), Problem> {
    let mut lookout = room::Lookout::default();
    loop {
        let frame = tokio::select! {
            // The writer has given up, and says why.
            () = pieces.closed() => return Ok(()),
            frame = tokio::time::timeout(BODY_PAUSE_MAX, body.frame()) => frame,
        };
        let piece = match frame {
            Err(_) => {
                return Err(Problem::new(
                    Kind::TooSlow,
                    "the upload stood still; nothing of it is left",
                ));
            }
            Ok(Some(Err(error))) if is_too_slow(&error) => {
                let detail = format!("{error}; nothing of the upload is left");
                return Err(Problem::new(Kind::TooSlow, detail));
            }
            Ok(Some(Err(error))) => {
                let detail = format!("the upload was cut short: {error}; nothing of it is left");
                return Err(Problem::new(Kind::BadBody, detail));
            }
            Ok(None) => Piece::End,
            Ok(Some(Ok(frame))) => match frame.into_data() {
                Ok(bytes) => Piece::Bytes(bytes),
                Err(_) => continue,
            },
        };
        let is_end = matches!(piece, Piece::End);
        if let Piece::Bytes(bytes) = &piece {
            app.counters
                .received_bytes
                .fetch_add(bytes.len() as u64, Relaxed);
            if lookout.is_at_reserve(bytes.len(), || room::left(app)) {
                return Err(Problem::full());
            }
        }
        if pieces.send(piece).await.is_err() || is_end {
            return Ok(());
        }
    }
}

/// What the writer is given. Without the end it knows that the upload was cut.
enum Piece {
    Bytes(Bytes),
    End,
}

fn written(
    depot: &Depot,
    expected: Expected,
    mut waiting: mpsc::Receiver<Piece>,
) -> Result<Intake, intake::Error> {
    let mut intake = depot.intake(expected)?;
    while let Some(piece) = waiting.blocking_recv() {
        match piece {
            Piece::Bytes(bytes) => intake.write(&bytes)?,
            Piece::End => return Ok(intake),
        }
    }
    Err(intake::Error::Broken)
}

pub(super) fn of_intake(error: intake::Error) -> Problem {
    let message = error.to_string();
    match error {
        intake::Error::TooLong { max } => room::too_long(max),
        intake::Error::LengthDiffers { .. } => Problem::new(Kind::BadBody, message),
        intake::Error::DigestDiffers { .. } => Problem::new(Kind::DigestDiffers, message),
        intake::Error::Full(_) => Problem::full(),
        intake::Error::Backend(under) => Problem::of_depot(&under),
        intake::Error::Broken => Problem::internal(&message),
    }
}

async fn recorded(
    app: &Arc<App>,
    by: Author,
    intake: Intake,
    (upload, format): (Upload, Format),
) -> Result<Response, Problem> {
    let _one = app.recording.lock().await;
    let stored = intake.commit().await.map_err(of_intake)?;
    let release = NewRelease {
        software: Software {
            name: upload.name,
            version: upload.version,
            digest: stored.digest,
            length: stored.length,
            format,
        },
        note: upload.note,
        after: upload.after,
        added: wall::now(),
    };
    let at_work = Arc::clone(app);
    let recorded = tokio::task::spawn_blocking(move || record(&at_work, &by, release)).await;
    let recorded = recorded.map_err(|_| Problem::internal("recording a release was abandoned"));
    let recorded = recorded.flatten();
    if recorded.is_err() {
        forget_unnamed(app, &stored.digest).await;
    }
    let (status, release, among) = recorded?;
    let shown = shown(app, &release, &among);
    let location = format!("/api/v1/releases/{}/{}", shown.name, shown.version);
    let mut response = (status, Json(shown)).into_response();
    if let Ok(location) = HeaderValue::from_str(&location) {
        response.headers_mut().insert(header::LOCATION, location);
    }
    Ok(response)
}

fn record(
    app: &App,
    by: &Author,
    release: NewRelease,
) -> Result<(StatusCode, Release, Vec<Release>), Problem> {
    let (name, version) = (
        release.software.name.clone(),
        release.software.version.clone(),
    );
    let added = desk::add_release(app, by, release);
    let (status, release) = match added.map_err(Problem::of_store)? {
        Added::New(release) => {
            app.releases.add(release.software.clone());
            app.fleet.indexing().release_added(release.software.digest);
            app.fleet
                .feed()
                .add(wall::now(), None, EventKind::ReleaseAdded { name, version });
            (StatusCode::CREATED, release)
        }
        Added::Already(release) => (StatusCode::OK, release),
        Added::Conflict(release) => return Err(exists(&release)),
        Added::NoSuchVersion(after) => return Err(no_such(&name, &after)),
    };
    let mut reader = app.store.reader().map_err(Problem::of_store)?;
    let among = reader
        .releases_of(release.digest())
        .map_err(Problem::of_store)?;
    Ok((status, release, among))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_is_announced_in_the_new_and_in_the_old_form() {
        let base64 = STANDARD.encode([7; 32]);
        for value in [
            format!("sha-256=:{base64}:"),
            format!("SHA-256={base64}"),
            format!("sha-512=:AA==:, sha-256=:{base64}:"),
        ] {
            assert_eq!(
                announced_digest(&value),
                Some(Digest::from_bytes([7; 32])),
                "{value}"
            );
        }
        for value in [
            "",
            "sha-256",
            "sha-256=:AA==:",
            &format!("sha-512=:{base64}:"),
        ] {
            assert_eq!(announced_digest(value), None, "{value}");
        }
    }
}
