//! What operators do with identities: claim tokens, IDs known beforehand, and devices that are barred or let in anew.

pub(crate) mod import;
mod pretend;

use std::sync::Arc;

use axum::Json;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use refit_access::matrix::Operation;
use refit_engine::author::Author;
use refit_identity::IdPattern;
use refit_protocol::claim::ClaimId;
use refit_protocol::device_id::DeviceId;
use refit_protocol::time::Timestamp;
use refit_store::identity::{
    CertificateRow, CertificateState, ClaimRow, IdentityChange, IdentityOutcome, IdentityRow,
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use utoipa::ToSchema;

use super::ask::{self, DRY_RUN, DevicePath, Dry, Page, Query};
use super::count::Count;
use super::enrolment::at_work;
use super::error::{FieldCode, Kind, Problem};
use super::{App, duration, show, whole};
use crate::caller::Caller;
use crate::desk;
use crate::identity::acts::Act;
use crate::identity::claims::new_claim;
use crate::identity::enrol::Office;
use crate::wall;

/// How long a claim token is good if nobody says, and at most, in seconds.
const CLAIM_SECONDS: u64 = 7 * 86_400;
const CLAIM_SECONDS_MAX: u64 = 366 * 86_400;

/// For how many devices a claim token may be made.
const CLAIM_DEVICES_MAX: u64 = 10_000_000;

/// A claim token to make.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct NewClaim {
    /// For how many devices; 1 if it is not given.
    #[schema(minimum = 1, maximum = 10_000_000)]
    devices: Option<u64>,
    /// How long it is good, as ISO 8601 writes it, at most `P366D`; `P7D` if it is not given.
    #[schema(pattern = "^P([0-9]+W|([0-9]+D)?(T([0-9]+H)?([0-9]+M)?([0-9]+S)?)?)$")]
    expires_in: Option<String>,
    /// Which IDs it enrols: `*` is any run of characters, `?` any one. Any, if it is not given.
    id_pattern: Option<String>,
    /// What is known of the devices that it enrols.
    #[schema(value_type = Option<Object>)]
    attributes: Option<Map<String, Value>>,
}

/// A claim token, as it is shown.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ClaimShown {
    /// What it is spoken of by.
    id: String,
    /// For how many devices it was made.
    devices: u64,
    /// For how many more it is good.
    left: u64,
    /// Which IDs it enrols.
    id_pattern: Option<String>,
    /// What is known of the devices that it enrols.
    #[schema(value_type = Object)]
    attributes: Map<String, Value>,
    /// When it was made.
    created_at: String,
    /// From when on it is no longer good.
    expires_at: String,
    /// When it was revoked.
    revoked_at: Option<String>,
    /// Whether a device can enrol with it now.
    good: bool,
    /// `true` if nothing was changed, and this is what would be.
    #[serde(skip_serializing_if = "Option::is_none")]
    dry_run: Option<bool>,
}

/// A claim token that was just made: the only time that its text is shown.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ClaimMade {
    #[serde(flatten)]
    claim: ClaimShown,
    /// The token. It is not kept and cannot be shown again. With `dryRun` it is the word `dry-run`, as `id` is: no device
    /// enrols with it.
    token: String,
}

/// All claim tokens.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ClaimPage {
    items: Vec<ClaimShown>,
    /// The cursor of the next page, if there is one.
    next_cursor: Option<String>,
    /// How long the whole list is, if that was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    count: Option<Count>,
}

impl ClaimShown {
    fn of(row: ClaimRow, now: Timestamp) -> Self {
        Self {
            good: row.revoked.is_none() && row.expires > now && row.left > 0,
            id: row.id.to_string(),
            devices: row.devices,
            left: row.left,
            id_pattern: row.pattern,
            attributes: row.attributes,
            created_at: row.created.rfc3339(),
            expires_at: row.expires.rfc3339(),
            revoked_at: row.revoked.map(Timestamp::rfc3339),
            dry_run: None,
        }
    }
}

/// Makes a claim token. Its text is in the answer, and nowhere else.
#[utoipa::path(post, operation_id = "makeEnrolmentToken", tag = "identity", path = "/api/v1/enrolment-tokens",
    params(Dry), request_body = NewClaim, responses(
    (status = 201, body = ClaimMade, description = "it is made; with `dryRun`, it would be"),
    (status = "4XX", body = show::Problem, content_type = "application/problem+json"),
    (status = 507, body = show::Problem, content_type = "application/problem+json"),
))]
pub(crate) async fn make(
    State(app): State<Arc<App>>,
    caller: Caller,
    Query(dry): Query<Dry>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let asked: NewClaim = ask::document(&headers, body).await?;
    let by = Author::from(&caller);
    let made = at_work(&app, move |office| {
        made(office, &by, asked, wall::now(), dry)
    });
    let (token, row) = made.await?;
    let mut claim = ClaimShown::of(row, wall::now());
    let token = if dry.dry_run {
        claim.id = DRY_RUN.into();
        DRY_RUN.into()
    } else {
        token
    };
    claim.dry_run = dry.mark();
    let answer = ClaimMade { claim, token };
    let no_store = [(header::CACHE_CONTROL, "no-store")];
    Ok((StatusCode::CREATED, no_store, Json(answer)).into_response())
}

fn made(
    office: &Office,
    by: &Author,
    asked: NewClaim,
    now: Timestamp,
    dry: Dry,
) -> Result<(String, ClaimRow), Problem> {
    let devices = asked.devices.unwrap_or(1);
    if !(1..=CLAIM_DEVICES_MAX).contains(&devices) {
        let detail = format!("devices is 1 to {CLAIM_DEVICES_MAX}");
        return Err(Problem::of_field("devices", FieldCode::OutOfRange, detail));
    }
    let seconds = match &asked.expires_in {
        None => CLAIM_SECONDS,
        Some(text) => duration::field("expiresIn", text, CLAIM_SECONDS_MAX)?,
    };
    let pattern = asked.id_pattern.as_deref().map(IdPattern::parse);
    let pattern = pattern
        .transpose()
        .map_err(|why| Problem::of_field("idPattern", FieldCode::Malformed, why.to_string()))?;
    let expires = Timestamp(now.as_millis().saturating_add(seconds * 1000));
    let (claim, row) = new_claim(
        office.authority.presented(),
        devices,
        pattern.as_ref(),
        asked.attributes.unwrap_or_default(),
        (now, expires),
    )?;
    let target = format!("enrolment-token:{}", row.id);
    let after = json!({
        "devices": row.devices, "idPattern": row.pattern, "expires": row.expires.0, "attributes": row.attributes,
    });
    let audit = desk::line(by, Operation::EnrolmentWrite.as_str(), target, Some(after));
    match office.decide(IdentityChange::AddClaim(row.clone()), audit, dry)? {
        IdentityOutcome::Done => Ok((claim.to_text(), row)),
        IdentityOutcome::TooMany => Err(Problem::new(
            Kind::TooMany,
            "there are too many claim tokens that are good: revoke some",
        )),
        _ => Err(Problem::internal("a claim token was not recorded")),
    }
}

/// Lists all claim tokens, the newest first, without their secrets.
#[utoipa::path(get, operation_id = "listEnrolmentTokens", tag = "identity", path = "/api/v1/enrolment-tokens", params(Page), responses(
    (status = 200, body = ClaimPage),
    (status = "4XX", body = show::Problem, content_type = "application/problem+json"),
))]
pub(crate) async fn list(
    State(app): State<Arc<App>>,
    uri: Uri,
    Query(asked): Query<Page>,
) -> Result<Response, Problem> {
    let claims = app.readers.read(|reader| reader.claims()).await?;
    let of = (&app.cursors, "enrolment-tokens");
    let page = whole::page(of, (&uri, asked), claims, |claim| claim.id.to_string())?;
    let now = wall::now();
    let items = page.items.into_iter().map(|row| ClaimShown::of(row, now));
    let shown = ClaimPage {
        items: items.collect(),
        next_cursor: page.next,
        count: page.count,
    };
    Ok((page.link, Json(shown)).into_response())
}

/// A claim token, in a path.
#[derive(utoipa::IntoParams)]
#[into_params(parameter_in = Path)]
#[expect(dead_code, reason = "it describes what `Path` reads")]
pub(crate) struct ClaimPath {
    /// What the token is spoken of by.
    #[param(pattern = "^[0-9a-f]{16}$")]
    id: String,
}

/// Revokes a claim token. Devices that have enrolled with it stay.
#[utoipa::path(delete, operation_id = "revokeEnrolmentToken", tag = "identity", path = "/api/v1/enrolment-tokens/{id}",
    params(ClaimPath, Dry), responses(
    (status = 204),
    (status = 200, body = ClaimShown, description = "it would be revoked, and be this; nothing was"),
    (status = "4XX", body = show::Problem, content_type = "application/problem+json"),
    (status = 507, body = show::Problem, content_type = "application/problem+json"),
))]
pub(crate) async fn revoke_claim(
    State(app): State<Arc<App>>,
    caller: Caller,
    Path(id): Path<String>,
    Query(dry): Query<Dry>,
) -> Result<Response, Problem> {
    let missing = move || {
        Problem::new(
            Kind::NotFound,
            "there is no claim token of this ID that is not revoked; GET /api/v1/enrolment-tokens lists them",
        )
    };
    let claim = ClaimId::parse(&id).ok_or_else(missing)?;
    let by = Author::from(&caller);
    let at = wall::now();
    let revoked = at_work(&app, move |office| {
        let target = format!("enrolment-token:{claim}");
        let after = json!({ "revoked": true });
        let audit = desk::line(&by, Operation::EnrolmentWrite.as_str(), target, Some(after));
        office.decide(IdentityChange::RevokeClaim { id: claim, at }, audit, dry)
    });
    match revoked.await? {
        IdentityOutcome::Done if dry.dry_run => {}
        IdentityOutcome::Done => return Ok(StatusCode::NO_CONTENT.into_response()),
        _ => return Err(missing()),
    }
    let found = app.readers.read(move |reader| reader.claim(claim)).await?;
    let mut row = found.ok_or_else(missing)?;
    row.revoked = Some(at);
    let mut shown = ClaimShown::of(row, at);
    shown.dry_run = dry.mark();
    Ok(Json(shown).into_response())
}

/// The identity of a device.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct IdentityShown {
    /// The device.
    #[serde(rename = "deviceID")]
    device_id: String,
    /// `registered`, `enrolled`, `revoked`, `retired` or `cloned`.
    standing: &'static str,
    /// Since when.
    since: String,
    /// Whether it may enrol once with a new key.
    may_enrol_anew: bool,
    /// What an operator said of it.
    #[schema(value_type = Object)]
    attributes: Map<String, Value>,
    /// What it said of itself.
    #[schema(value_type = Object)]
    claimed: Map<String, Value>,
    /// The claim token that it enrolled with.
    enrolment_token: Option<String>,
    /// Its certificates, the newest first.
    certificates: Vec<CertificateShown>,
    /// `true` if nothing was changed, and this is what would be.
    #[serde(skip_serializing_if = "Option::is_none")]
    dry_run: Option<bool>,
}

/// A certificate of a device.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct CertificateShown {
    /// The SHA-256 of its DER.
    thumbprint: String,
    /// Its serial number.
    serial: String,
    /// `active`, `superseded` or `revoked`.
    state: &'static str,
    /// Before this it is not good.
    not_before: String,
    /// After this it is not good.
    not_after: String,
}

impl IdentityShown {
    fn of(row: IdentityRow, certificates: Vec<CertificateRow>) -> Self {
        Self {
            device_id: row.device.to_string(),
            standing: row.standing.word(),
            since: row.since.rfc3339(),
            may_enrol_anew: row.may_rekey,
            attributes: row.attributes,
            claimed: row.claimed,
            enrolment_token: row.claim.map(|id| id.to_string()),
            certificates: certificates.iter().map(CertificateShown::of).collect(),
            dry_run: None,
        }
    }
}

impl CertificateShown {
    fn of(row: &CertificateRow) -> Self {
        Self {
            thumbprint: row.thumbprint.to_hex(),
            serial: row.serial.iter().map(|b| format!("{b:02x}")).collect(),
            state: match row.state {
                CertificateState::Active => "active",
                CertificateState::Superseded => "superseded",
                CertificateState::Revoked => "revoked",
            },
            not_before: row.not_before.rfc3339(),
            not_after: row.not_after.rfc3339(),
        }
    }
}

/// Shows the identity of a device: where it stands, and its certificates.
#[utoipa::path(get, operation_id = "showIdentity", tag = "identity", path = "/api/v1/devices/{id}/identity",
    params(DevicePath), responses(
    (status = 200, body = IdentityShown),
    (status = "4XX", body = show::Problem, content_type = "application/problem+json"),
))]
pub(crate) async fn show(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
) -> Result<Json<IdentityShown>, Problem> {
    shown(&app, ask::device(&id)?).await
}

async fn shown(app: &Arc<App>, device: DeviceId) -> Result<Json<IdentityShown>, Problem> {
    let asked = device.clone();
    let read = app.readers.read(move |reader| {
        let Some(identity) = reader.identity(&asked)? else {
            return Ok(None);
        };
        Ok(Some((identity, reader.certificates_of(&asked)?)))
    });
    match read.await? {
        Some((row, certificates)) => Ok(Json(IdentityShown::of(row, certificates))),
        None => Err(unknown(&device)),
    }
}

fn unknown(device: &DeviceId) -> Problem {
    Problem::new(
        Kind::NoDevice,
        format!("{device} was neither registered nor enrolled"),
    )
}

macro_rules! operations {
    ($($(#[$doc:meta])* $name:ident, $id:literal, $path:literal, $act:expr;)*) => {$(
        $(#[$doc])*
        #[utoipa::path(post, operation_id = $id, tag = "identity", path = $path, params(DevicePath, Dry), responses(
            (status = 200, body = IdentityShown),
            (status = "4XX", body = show::Problem, content_type = "application/problem+json"),
            (status = 507, body = show::Problem, content_type = "application/problem+json"),
        ))]
        pub(crate) async fn $name(
            State(app): State<Arc<App>>,
            caller: Caller,
            Path(id): Path<String>,
            Query(dry): Query<Dry>,
        ) -> Result<Json<IdentityShown>, Problem> {
            let device = ask::device(&id)?;
            if dry.dry_run {
                return pretend::pretend(&app, device, $act).await;
            }
            let by = Author::from(&caller);
            let at = device.clone();
            at_work(&app, move |office| office.act($act, &by, &at, wall::now())).await?;
            shown(&app, device).await
        }
    )*};
}

operations! {
    /// Revokes all certificates of a device, at once: its connection is cut, and nothing that it shows lets it in. An
    /// ID that nobody knows yet is barred as well. To say it again changes nothing.
    revoke, "revokeDevice", "/api/v1/devices/{id}/revoke", Act::Revoke;
    /// Takes a device out of service: as revoking does, and it is shown as retired.
    retire, "retireDevice", "/api/v1/devices/{id}/retire", Act::Retire;
    /// Allows a device one new key: it can enrol once more, with a claim token. What it has is good until then, unless
    /// it is revoked, retired or held as cloned.
    re_enrol, "allowNewKey", "/api/v1/devices/{id}/re-enrol", Act::AllowKey;
}
