//! `?dryRun=true` for the identity of a device: how it would stand, and which of its certificates would be revoked.

use std::sync::Arc;

use axum::Json;
use refit_protocol::device_id::DeviceId;
use refit_store::identity::{CertificateState, IdentityOutcome, IdentityRow};
use serde_json::Map;

use super::{IdentityShown, unknown};
use crate::http::App;
use crate::http::enrolment::at_work;
use crate::http::error::Problem;
use crate::identity::acts::{Act, no_key_yet};
use crate::wall;

/// Shows an identity as it would be after this, or says why that would be refused.
pub(super) async fn pretend(
    app: &Arc<App>,
    device: DeviceId,
    act: Act,
) -> Result<Json<IdentityShown>, Problem> {
    let now = wall::now();
    let asked = device.clone();
    let tried = at_work(app, move |office| office.attempt(act.change(&asked, now)));
    let outcome = tried.await?;
    let asked = device.clone();
    let read = app
        .readers
        .read(move |reader| Ok((reader.identity(&asked)?, reader.certificates_of(&asked)?)));
    let (known, mut certificates) = read.await?;
    let (row, revoked) = match (outcome, act.standing()) {
        (IdentityOutcome::Barred { revoked }, Some(standing)) => {
            let row = known.unwrap_or_else(|| IdentityRow {
                device,
                standing,
                may_rekey: false,
                attributes: Map::new(),
                claimed: Map::new(),
                claim: None,
                since: now,
            });
            let row = IdentityRow {
                standing,
                may_rekey: false,
                since: now,
                ..row
            };
            (row, revoked)
        }
        (IdentityOutcome::Done, None) => {
            let row = known.ok_or_else(|| unknown(&device))?;
            let row = IdentityRow {
                may_rekey: true,
                since: now,
                ..row
            };
            (row, Vec::new())
        }
        (_, None) => return Err(no_key_yet(&device)),
        // It is so already.
        (_, Some(_)) => (known.ok_or_else(|| unknown(&device))?, Vec::new()),
    };
    for certificate in &mut certificates {
        if revoked.contains(&certificate.thumbprint) {
            certificate.state = CertificateState::Revoked;
        }
    }
    let mut shown = IdentityShown::of(row, certificates);
    shown.dry_run = Some(true);
    Ok(Json(shown))
}
