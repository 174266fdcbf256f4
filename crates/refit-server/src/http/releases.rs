//! Releases: listed, shown and removed; `upload.rs` takes them in.
//!
//! The bytes and the record that names them are two steps, so one request at a time takes them: whoever records or
//! removes a release knows that nobody else does, and bytes that no release names are removed again.

mod pretend;
mod room;
pub(crate) mod upload;

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::{StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use refit_engine::author::Author;
use refit_engine::events::EventKind;
use refit_engine::output::with_sources;
use refit_protocol::delta::Software;
use refit_protocol::device_id::DeviceId;
use refit_protocol::digest::Digest;
use refit_store::release::{Release, Removed};
use refit_store::store::Failure;

use super::ask::{Dry, Page, Query};
use super::error::{Kind, Problem};
use super::show::{self, ReleasePage};
use super::{App, whole};
use crate::caller::Caller;
use crate::desk;
use crate::wall;

/// How long names and versions may be.
const NAME_BYTES_MAX: usize = 64;
const VERSION_BYTES_MAX: usize = 64;

/// Lists releases: by name, each name's in the order of its versions.
#[utoipa::path(get, operation_id = "listReleases", tag = "releases", path = "/api/v1/releases", params(Page), responses(
    (status = 200, body = ReleasePage),
    (status = "4XX", body = show::Problem, content_type = "application/problem+json"),
))]
pub(crate) async fn list(
    State(app): State<Arc<App>>,
    uri: Uri,
    Query(page): Query<Page>,
) -> Result<Response, Problem> {
    let releases = app.readers.read(|reader| reader.releases()).await?;
    let of = (&app.cursors, "releases");
    let page = whole::page(of, (&uri, page), releases.iter().collect(), |one| {
        label(one)
    })?;
    let items = page.items.iter().map(|one| shown(&app, one, &releases));
    let shown = ReleasePage {
        items: items.collect(),
        next_cursor: page.next,
        count: page.count,
    };
    Ok((page.link, Json(shown)).into_response())
}

/// What a cursor says of the last release of a page.
fn label(release: &Release) -> String {
    let software = &release.software;
    format!("{}@{}", software.name, software.version)
}

/// Shows a release.
#[utoipa::path(get, operation_id = "showRelease", tag = "releases", path = "/api/v1/releases/{name}/{version}",
    params(ReleasePath), responses(
    (status = 200, body = show::Release),
    (status = "4XX", body = show::Problem, content_type = "application/problem+json"),
))]
pub(crate) async fn show(
    State(app): State<Arc<App>>,
    Path((name, version)): Path<(String, String)>,
) -> Result<Json<show::Release>, Problem> {
    let (n, v) = (name.clone(), version.clone());
    let read = app.readers.read(move |reader| {
        let Some(release) = reader.release(&n, &v)? else {
            return Ok(None);
        };
        let same = reader.releases_of(release.digest())?;
        Ok(Some((release, same)))
    });
    match read.await? {
        Some((release, same)) => Ok(Json(shown(&app, &release, &same))),
        None => Err(no_such(&name, &version)),
    }
}

fn no_such(name: &str, version: &str) -> Problem {
    let detail = format!(
        "there is no release {name}@{version}; GET /api/v1/releases lists those that there are"
    );
    Problem::new(Kind::NoRelease, detail)
}

fn shown(app: &App, release: &Release, among: &[Release]) -> show::Release {
    let software = &release.software;
    let others = among
        .iter()
        .filter(|other| other.digest() == release.digest());
    let others = others.map(|other| format!("{}@{}", other.software.name, other.software.version));
    let own = format!("{}@{}", software.name, software.version);
    show::Release {
        name: software.name.clone(),
        version: software.version.clone(),
        software_url: app.grants.stable_url(release.digest()),
        sha256: software.digest.to_hex(),
        length: software.length,
        format: software.format.as_str(),
        note: release.note.clone(),
        added_at: release.added.rfc3339(),
        same_as: others.filter(|other| *other != own).collect(),
        dry_run: None,
    }
}

/// A release, in a path.
#[derive(utoipa::IntoParams)]
#[into_params(parameter_in = Path)]
#[expect(dead_code, reason = "it describes what `Path` reads")]
pub(crate) struct ReleasePath {
    /// The name of the software.
    #[param(pattern = "^[A-Za-z0-9_][A-Za-z0-9._-]{0,63}$")]
    name: String,
    /// The version of the release.
    #[param(pattern = "^[A-Za-z0-9_+][A-Za-z0-9._+-]{0,63}$")]
    version: String,
}

/// Removes a release, unless a device desires it.
#[utoipa::path(delete, operation_id = "removeRelease", tag = "releases", path = "/api/v1/releases/{name}/{version}",
    params(ReleasePath, Dry), responses(
    (status = 204),
    (status = 200, body = show::Removal, description = "it would be removed; nothing was"),
    (status = "4XX", body = show::Problem, content_type = "application/problem+json"),
))]
pub(crate) async fn remove(
    State(app): State<Arc<App>>,
    caller: Caller,
    Path((name, version)): Path<(String, String)>,
    Query(dry): Query<Dry>,
) -> Result<Response, Problem> {
    if dry.dry_run {
        return pretend::would_remove(&app, name, version).await;
    }
    let by = Author::from(&caller);
    let removal = tokio::spawn(async move {
        let _one = app.recording.lock().await;
        let at_work = Arc::clone(&app);
        let removed = tokio::task::spawn_blocking(move || removed(&at_work, &by, &name, &version));
        let last = removed
            .await
            .map_err(|_| Problem::internal("removing a release was abandoned"))??;
        if let Some(digest) = last {
            forget_unnamed(&app, &digest).await;
        }
        Ok(StatusCode::NO_CONTENT)
    });
    let removed: Result<StatusCode, Problem> = removal
        .await
        .map_err(|_| Problem::internal("removing a release was abandoned"))?;
    Ok(removed?.into_response())
}

/// Refuses to remove what a device desires.
fn desired(name: &str, version: &str, devices: u64, first: &DeviceId) -> Problem {
    let detail = format!(
        "{name}@{version} is desired by {devices} device(s), {first} among them: desire another release of it first"
    );
    Problem::new(Kind::ReleaseDesired, detail)
        .with("deviceID", first.as_str())
        .with("devices", devices)
}

/// Refuses other bytes under a name and version that are taken.
fn exists(known: &Release) -> Problem {
    let Software { name, version, .. } = &known.software;
    let sha256 = known.digest().to_hex();
    let detail = format!(
        "{name}@{version} is recorded with other bytes (SHA-256 {sha256}); a release never changes: use another version"
    );
    Problem::new(Kind::ReleaseExists, detail).with("sha256", sha256)
}

/// Removes the record; returns the digest that no other release may name.
fn removed(app: &App, by: &Author, name: &str, version: &str) -> Result<Option<Digest>, Problem> {
    let release = app
        .store
        .reader()
        .and_then(|mut reader| reader.release(name, version));
    let Some(release) = release.map_err(Problem::of_store)? else {
        return Err(no_such(name, version));
    };
    // First no new wish for it is taken; those that were taken become durable; then the store looks whether there is one.
    app.releases.remove(name, version);
    let outcome = match app.fleet.settle() {
        true => desk::remove_release(app, by, name, version),
        false => Err(Failure::Closed),
    };
    if !matches!(outcome, Ok(Removed::Gone { .. } | Removed::Missing)) {
        app.releases.add(release.software.clone());
    }
    match outcome.map_err(Problem::of_store)? {
        Removed::Gone { release, last } => {
            let last = last.then(|| *release.digest());
            app.fleet.indexing().release_removed();
            let (name, version) = (name.to_owned(), version.to_owned());
            app.fleet.feed().add(
                wall::now(),
                None,
                EventKind::ReleaseRemoved { name, version },
            );
            Ok(last)
        }
        Removed::Missing => Err(no_such(name, version)),
        Removed::Desired { devices, first } => Err(desired(name, version, devices, &first)),
    }
}

/// Removes bytes that no release names. If it cannot be told, they stay: they only take room.
async fn forget_unnamed(app: &App, digest: &Digest) {
    let of = *digest;
    let named = app
        .readers
        .read(move |reader| reader.releases_of(&of))
        .await;
    if named.is_ok_and(|releases| releases.is_empty())
        && let Err(error) = app.depot.remove(digest).await
    {
        tracing::warn!(
            "bytes that no release names were left: {}",
            with_sources(&error)
        );
    }
}

fn is_name(text: &str) -> bool {
    (1..=NAME_BYTES_MAX).contains(&text.len())
        && !text.starts_with(['.', '-'])
        && text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-'))
}

fn is_version(text: &str) -> bool {
    (1..=VERSION_BYTES_MAX).contains(&text.len())
        && !text.starts_with(['.', '-'])
        && text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-' | b'+'))
}

/// Splits `name@version`.
pub(crate) fn split_release(text: &str) -> Option<(&str, &str)> {
    text.split_once('@')
        .filter(|(name, version)| is_name(name) && is_version(version))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_versions_are_safe_in_paths_and_on_command_lines() {
        for (text, is) in [
            ("firmware@2.0.0", true),
            ("a@1.0.0-rc.1+b5", true),
            ("firmware", false),
            ("@1", false),
            ("a@", false),
            ("a/b@1", false),
            ("a@1@2", false),
            (".a@1", false),
            ("-a@1", false),
            ("--config@1", false),
            ("a@-1", false),
            ("a-@1-", true),
            ("a@..", false),
        ] {
            assert_eq!(split_release(text).is_some(), is, "{text}");
        }
        assert!(!is_name(&"x".repeat(65)) && !is_version(&"1".repeat(65)));
    }
}
