//! The fleet's CA, as operators see it: what devices trust, how many have moved to it, and when what expires.

pub(crate) mod turn;

use std::sync::Arc;
use std::time::Instant;

use axum::Json;
use axum::extract::State;
use refit_protocol::time::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;

use super::App;
use super::error::Problem;
use super::show;
use crate::identity::rotation::{History, others};
use crate::wall;

/// The CA.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct CaShown {
    /// How far a change of the CA is: `steady`, `learning` (devices learn the next root) or `moving` (they renew).
    stage: &'static str,
    /// The number of the trust bundle that devices should hold.
    trust: u64,
    /// How many roots are in it.
    roots: usize,
    /// When the first of them expires.
    roots_expire_at: Option<String>,
    /// The SHA-256 of the issuer's name, as the list of issuers has it.
    issuer: String,
    /// When the issuer's certificate expires.
    issuer_expires_at: String,
    /// What claim tokens pin: the SHA-256 of the certificate at the top of the presented chain.
    presented: String,
    /// When devices and certificates were counted: that is done once a minute at most.
    counted_at: String,
    /// Which bundle those devices reported that were heard in the last 90 days.
    holds: Vec<TrustHeld>,
    /// How many of those devices do not hold the newest bundle.
    behind: u64,
    /// How many of them lack the root that signs, or is to sign next: it is this that `refit ca switch` looks at.
    lacking: u64,
    /// The certificates in use, by issuer.
    issuers: Vec<IssuerShown>,
    /// How many certificates in use are of another issuer than the present one.
    left_to_renew: u64,
    /// The certificate of the root that was trusted first, and those after it, PEM.
    certificates: String,
}

/// How many devices hold a bundle.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct TrustHeld {
    /// Its number; 0: they reported none.
    number: u64,
    /// How many devices.
    devices: u64,
}

/// The certificates of one issuer.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct IssuerShown {
    /// The SHA-256 of the issuer's name.
    issuer: String,
    /// How many are in use.
    certificates: u64,
    /// When the first of them expires.
    first_expires_at: String,
}

/// Shows the fleet's CA: what devices trust, how many have moved, and when what expires. Devices
/// and certificates are counted once a minute at most; `countedAt` says when.
#[utoipa::path(get, operation_id = "showCa", tag = "identity", path = "/api/v1/ca", responses(
    (status = 200, body = CaShown),
    (status = "4XX", body = show::Problem, content_type = "application/problem+json"),
))]
pub(crate) async fn show(State(app): State<Arc<App>>) -> Result<Json<CaShown>, Problem> {
    let now = wall::now();
    let counted = &app.office.counted;
    let counts = counted.get(&app.readers, Instant::now(), now).await?;
    let (holds, issuers) = (&counts.holds, &counts.issuers);
    let authority = &app.office.authority;
    let trusted = authority.trusted();
    let (bundle, own) = (&trusted.bundle, trusted.ca.name());
    let behind = holds.iter().filter(|held| held.number != bundle.number);
    let history = app.readers.read(|reader| History::read(reader)).await?;
    let next = history
        .next(bundle)
        .unwrap_or_else(|| trusted.ca.root_der());
    Ok(Json(CaShown {
        stage: history.stage(&trusted).word(),
        lacking: history.lacking(next, holds),
        trust: bundle.number,
        roots: bundle.roots().len(),
        roots_expire_at: bundle.first_expiry().map(Timestamp::rfc3339),
        issuer: own.to_hex(),
        issuer_expires_at: trusted.ca.validity().not_after.rfc3339(),
        presented: authority.presented().to_hex(),
        counted_at: counts.at.rfc3339(),
        behind: behind.map(|held| held.devices).sum(),
        left_to_renew: others(issuers, own),
        holds: holds
            .iter()
            .map(|held| TrustHeld {
                number: held.number,
                devices: held.devices,
            })
            .collect(),
        issuers: issuers
            .iter()
            .map(|issuer| IssuerShown {
                issuer: issuer.issuer.to_hex(),
                certificates: issuer.certificates,
                first_expires_at: issuer.first_expiry.rfc3339(),
            })
            .collect(),
        certificates: bundle.text().to_owned(),
    }))
}
