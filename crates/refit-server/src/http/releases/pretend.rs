//! `?dryRun=true` for releases: what adding or removing one would do, from what is recorded now.

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use refit_depot::intake::Intake;
use refit_protocol::delta::{Format, Software};
use refit_store::release::Release;

use super::upload::{Upload, of_intake};
use super::{desired, exists, no_such, shown};
use crate::http::error::Problem;
use crate::http::{App, show};
use crate::wall;

/// Says what would be recorded. The bytes came and were checked; the intake goes, and they with it.
pub(super) async fn would_add(
    app: &App,
    intake: &Intake,
    (upload, format): (Upload, Format),
) -> Result<Response, Problem> {
    let digest = intake.checked().map_err(of_intake)?;
    let read = app.readers.read(move |reader| {
        let of_name = reader.releases()?;
        let of_name = of_name
            .into_iter()
            .filter(|r| r.software.name == upload.name);
        Ok((
            of_name.collect::<Vec<_>>(),
            reader.releases_of(&digest)?,
            upload,
        ))
    });
    let (of_name, mut among, upload) = read.await?;
    let find = |version: &str| of_name.iter().find(|r| r.software.version == version);
    let (status, release) = match find(&upload.version) {
        Some(known) if *known.digest() == digest => (StatusCode::OK, known.clone()),
        Some(known) => return Err(exists(known)),
        None => {
            if let Some(after) = upload.after.filter(|after| find(after).is_none()) {
                return Err(no_such(&upload.name, &after));
            }
            let software = Software {
                name: upload.name,
                version: upload.version,
                digest,
                length: intake.length(),
                format,
            };
            let release = Release {
                software,
                place: 0,
                note: upload.note,
                added: wall::now(),
            };
            among.push(release.clone());
            (StatusCode::CREATED, release)
        }
    };
    let mut shown = shown(app, &release, &among);
    shown.dry_run = Some(true);
    Ok((status, Json(shown)).into_response())
}

/// Says what removing a release would do, or why it would be refused.
pub(super) async fn would_remove(
    app: &App,
    name: String,
    version: String,
) -> Result<Response, Problem> {
    let (n, v) = (name.clone(), version.clone());
    let read = app.readers.read(move |reader| {
        let Some(release) = reader.release(&n, &v)? else {
            return Ok(None);
        };
        let same = reader.releases_of(release.digest())?.len();
        let desires = reader.desires(release.digest())?;
        Ok(Some((release, same, desires)))
    });
    let Some((release, same, desires)) = read.await? else {
        return Err(no_such(&name, &version));
    };
    if let Some(first) = desires.first {
        return Err(desired(&name, &version, desires.devices, &first));
    }
    let software = release.software;
    let removal = show::Removal {
        name,
        version,
        sha256: software.digest.to_hex(),
        freed: if same > 1 { 0 } else { software.length },
        dry_run: true,
    };
    Ok(Json(removal).into_response())
}
