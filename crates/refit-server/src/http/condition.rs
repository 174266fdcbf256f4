//! What the server knows of itself and of its machine, for `refit doctor`, which knows what is well.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, Uri, header};
use refit_access::matrix::Operation;
use refit_depot::grant::presigned::Bound;
use refit_engine::output::with_sources;
use refit_protocol::device_id::DeviceId;
use refit_protocol::digest::Digest;
use refit_protocol::time::Timestamp;
use rustix::fs::statvfs;
use rustix::process::{Resource, getrlimit};
use serde::Serialize;
use utoipa::ToSchema;

use super::App;
use super::enrolment::mqtt_url;
use super::error::Problem;
use super::show;
use crate::caller::Caller;
use crate::{privacy, wall};

/// How long an object store may take to show an artifact.
const DEPOT_MAX: Duration = Duration::from_secs(10);

/// How long the grant is good by which the public URL is tried.
const TRIAL: Duration = Duration::from_secs(60);

/// For whom that grant is minted: no certificate names it, and its record does not come into being by a download.
const TRIED_BY: &str = "refit-doctor";

/// What the server knows of itself.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Condition {
    /// The release of Refit that serves.
    version: String,
    /// Whether it takes devices without an identity, in plain text.
    dev: bool,
    /// What `/readyz` says, one by one.
    checks: Vec<CheckShown>,
    /// What its machine is called.
    host_name: String,
    /// The names that its certificate should have.
    names: Vec<String>,
    /// Where devices find MQTT, if they come the same way as this request.
    mqtt: String,
    /// The URL that devices download from.
    #[serde(rename = "publicURL")]
    public_url: String,
    /// How many devices are known.
    devices: u64,
    /// The disk of the data directory; absent if it cannot be asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    disk: Option<Disk>,
    /// How many files the process may have open; absent: any number.
    #[serde(skip_serializing_if = "Option::is_none")]
    open_files_max: Option<u64>,
    /// Whether the depot gives an artifact; absent while there are no releases.
    #[serde(skip_serializing_if = "Option::is_none")]
    depot: Option<CheckShown>,
    /// A download to try, good for a minute; for those alone who may download, and if there are releases.
    #[serde(skip_serializing_if = "Option::is_none")]
    trial: Option<String>,
}

/// One thing that must be so.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct CheckShown {
    /// What.
    name: String,
    /// Whether it is.
    well: bool,
    /// In words.
    says: String,
}

/// The room of a disk.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Disk {
    /// What the server can still write, in bytes.
    free_bytes: u64,
    /// All of it, in bytes.
    total_bytes: u64,
}

/// Shows what the server knows of itself and of its machine: `refit doctor` says what of it is well.
#[utoipa::path(get, operation_id = "showCondition", tag = "server", path = "/api/v1/condition", responses(
    (status = 200, body = Condition),
    (status = "4XX", body = show::Problem, content_type = "application/problem+json"),
))]
pub(crate) async fn show(
    State(app): State<Arc<App>>,
    caller: Caller,
    uri: Uri,
    headers: HeaderMap,
) -> Result<([(header::HeaderName, &'static str); 1], Json<Condition>), Problem> {
    let read = app
        .readers
        .read(|reader| Ok((reader.counts()?, reader.releases()?)));
    let (counts, releases) = read.await?;
    let releases = releases.into_iter().map(|release| release.software);
    let smallest = releases
        .filter(|software| software.length > 0)
        .min_by_key(|software| software.length);
    let digest = smallest.map(|software| software.digest);
    let depot = match &digest {
        Some(digest) => Some(depot(&app, digest).await),
        None => None,
    };
    let may_download = caller.rights.may(Operation::ReleaseDownload, None).is_ok();
    let data = app.places.data.clone();
    let disk = tokio::task::spawn_blocking(move || disk(&data)).await;
    let checks = super::probes::checks(&app).into_iter();
    // A trial is a secret for as long as it is good.
    let no_store = [(header::CACHE_CONTROL, "no-store")];
    let condition = Condition {
        version: app.places.version.clone(),
        dev: app.dev,
        checks: checks
            .map(|check| CheckShown {
                name: check.name.into(),
                well: check.is_well,
                says: check.says,
            })
            .collect(),
        host_name: privacy::host_name(),
        names: app
            .privacy
            .as_ref()
            .map(|privacy| privacy.names.clone())
            .unwrap_or_default(),
        mqtt: mqtt_url(&app.places.mqtt, &uri, &headers),
        public_url: app.places.public_url.clone(),
        devices: counts.devices,
        disk: disk.ok().flatten(),
        open_files_max: getrlimit(Resource::Nofile).current,
        depot,
        trial: digest
            .filter(|_| may_download)
            .and_then(|d| trial(&app, &d)),
    };
    Ok((no_store, Json(condition)))
}

async fn depot(app: &App, digest: &Digest) -> CheckShown {
    let opened = tokio::time::timeout(DEPOT_MAX, app.depot.artifact(digest)).await;
    let (well, says) = match opened {
        Ok(Ok(Some(_))) => (true, "it gives what releases have".to_owned()),
        Ok(Ok(None)) => (false, format!("the artifact {digest} is missing")),
        Ok(Err(error)) => (false, with_sources(&error)),
        Err(_) => (
            false,
            format!("it gave nothing within {} s", DEPOT_MAX.as_secs()),
        ),
    };
    CheckShown {
        name: "depot".into(),
        well,
        says,
    }
}

fn trial(app: &App, digest: &Digest) -> Option<String> {
    let device = DeviceId::parse(TRIED_BY).ok()?;
    let lifetime = u64::try_from(TRIAL.as_millis()).ok()?;
    let expires = Timestamp(wall::now().as_millis().saturating_add(lifetime));
    Some(app.grants.mint(digest, &device, Bound::Time, expires))
}

fn disk(data: &Path) -> Option<Disk> {
    let found = statvfs(data).ok()?;
    Some(Disk {
        free_bytes: found.f_bavail.saturating_mul(found.f_frsize),
        total_bytes: found.f_blocks.saturating_mul(found.f_frsize),
    })
}
