//! To another CA while the server runs: rotate, switch, finish. Each can be tried first.

use std::sync::Arc;

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::http::HeaderMap;
use refit_engine::author::Author;
use refit_protocol::time::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::super::App;
use super::super::ask::{self, Dry, Query};
use super::super::error::{FieldCode, Problem};
use super::super::show;
use crate::caller::Caller;
use crate::identity::enrol::Office;
use crate::identity::rotate::{Manner, Turned};
use crate::wall;

/// How many of the devices may lack the new root at the switch, in percent, if nobody says.
const LACKING_PERCENT: f64 = 1.0;

/// How many ending tokens are named.
const TOKENS_SHOWN: usize = 100;

/// A rotation to begin.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct RotateCa {
    /// The next root, PEM, where it is the operator's own; else one is made.
    root: Option<String>,
}

/// A switch to the next CA.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct SwitchCa {
    /// How many of the devices that were heard in 90 days may lack the new root, in percent; 1 if it is not given.
    #[schema(minimum = 0, maximum = 100)]
    max_lacking_percent: Option<f64>,
    /// Whether devices that lack it are left behind: they cannot reach the server any more.
    #[serde(default)]
    force: bool,
}

/// The end of a rotation.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct FinishCa {
    /// Whether devices that hold certificates of the CA before are locked out; before the switch, whether the root that was
    /// to be next is withdrawn.
    #[serde(default)]
    force: bool,
}

/// What a step has made, or would make; devices and certificates are counted just before it.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct CaTurned {
    /// Where the rotation stands after it: `learning`, `moving` or `steady`.
    stage: &'static str,
    /// The number of the trust bundle after it.
    trust: u64,
    /// How many devices were heard in 90 days.
    seen: u64,
    /// How many of them lack the root that is to sign: they would not reach the server after the switch.
    lacking: u64,
    /// How many certificates in use are of an issuer that does not sign after it.
    left: u64,
    /// How many more have expired and can still be renewed; after the end they cannot.
    left_expired: u64,
    /// How many claim tokens end with it: they pin what the server shows no longer.
    ending_tokens: usize,
    /// Which, the newest first; the first hundred.
    ending_token_ids: Vec<String>,
    /// Whether nothing was changed, because it was only tried.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    dry_run: bool,
}

/// Begins the change to another CA: devices trust its root beside the present one, under a trust bundle of a higher
/// number. Nothing is signed by it yet.
#[utoipa::path(post, operation_id = "rotateCa", tag = "identity", path = "/api/v1/ca/rotate", params(Dry),
    request_body = RotateCa, responses(
    (status = 200, body = CaTurned),
    (status = "4XX", body = show::Problem, content_type = "application/problem+json"),
    (status = 507, body = show::Problem, content_type = "application/problem+json"),
))]
pub(crate) async fn rotate(
    State(app): State<Arc<App>>,
    caller: Caller,
    Query(dry): Query<Dry>,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<CaTurned>, Problem> {
    let asked: RotateCa = ask::document(&headers, body).await?;
    let manner = manner(&caller, dry, false);
    turn(app, manner, move |office, _, manner, now| {
        office.rotate(asked.root.as_deref(), manner, now)
    })
    .await
}

/// Has the new CA sign from now on: devices, and the server's own certificate if it is ours. Refused (409) while too
/// many devices do not trust its root; with an operator's own CA its files are read again.
#[utoipa::path(post, operation_id = "switchCa", tag = "identity", path = "/api/v1/ca/switch", params(Dry),
    request_body = SwitchCa, responses(
    (status = 200, body = CaTurned),
    (status = "4XX", body = show::Problem, content_type = "application/problem+json"),
    (status = 507, body = show::Problem, content_type = "application/problem+json"),
))]
pub(crate) async fn switch(
    State(app): State<Arc<App>>,
    caller: Caller,
    Query(dry): Query<Dry>,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<CaTurned>, Problem> {
    let asked: SwitchCa = ask::document(&headers, body).await?;
    let percent = asked.max_lacking_percent.unwrap_or(LACKING_PERCENT);
    if !(0.0..=100.0).contains(&percent) {
        let why = "maxLackingPercent is 0 to 100";
        return Err(Problem::of_field(
            "maxLackingPercent",
            FieldCode::OutOfRange,
            why,
        ));
    }
    let manner = manner(&caller, dry, asked.force);
    turn(app, manner, move |office, shows_own, manner, now| {
        office.switch(percent, shows_own, manner, now)
    })
    .await
}

/// Ends the trust in every CA but the one that signs. Refused (409) while devices hold certificates of another. By force
/// before the switch it takes the rotation back.
#[utoipa::path(post, operation_id = "finishCa", tag = "identity", path = "/api/v1/ca/finish", params(Dry),
    request_body = FinishCa, responses(
    (status = 200, body = CaTurned),
    (status = "4XX", body = show::Problem, content_type = "application/problem+json"),
    (status = 507, body = show::Problem, content_type = "application/problem+json"),
))]
pub(crate) async fn finish(
    State(app): State<Arc<App>>,
    caller: Caller,
    Query(dry): Query<Dry>,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<CaTurned>, Problem> {
    let asked: FinishCa = ask::document(&headers, body).await?;
    let manner = manner(&caller, dry, asked.force);
    turn(app, manner, |office, _, manner, now| {
        office.finish(manner, now)
    })
    .await
}

fn manner(caller: &Caller, dry: Dry, force: bool) -> Manner {
    Manner {
        by: Author::from(caller),
        dry: dry.dry_run,
        force,
    }
}

/// Takes a step, and has the doors follow it. Whoever goes away meanwhile takes nothing back.
async fn turn(
    app: Arc<App>,
    manner: Manner,
    step: impl FnOnce(&Office, bool, &Manner, Timestamp) -> Result<Turned, Problem> + Send + 'static,
) -> Result<Json<CaTurned>, Problem> {
    let (office, dry) = (Arc::clone(&app.office), manner.dry);
    let done = tokio::task::spawn_blocking(move || {
        // What is shown is the operator's own where it is not made here: then the tokens' pin stays.
        let privacy = app.privacy.as_ref();
        let shows_own = privacy.is_some_and(|privacy| !privacy.is_ours());
        let turned = step(&app.office, shows_own, &manner, wall::now())?;
        if let (Some(privacy), false) = (privacy, manner.dry) {
            privacy.follow().map_err(|error| {
                let why = format!(
                    "it is done, and the listeners do not follow it before a restart: {error}"
                );
                Problem::internal(&why)
            })?;
        }
        let tokens = turned.ending_tokens.iter().take(TOKENS_SHOWN);
        Ok(Json(CaTurned {
            stage: turned.stage.word(),
            trust: turned.number,
            seen: turned.seen,
            lacking: turned.lacking,
            left: turned.left,
            left_expired: turned.left_expired,
            ending_tokens: turned.ending_tokens.len(),
            ending_token_ids: tokens.map(ToString::to_string).collect(),
            dry_run: manner.dry,
        }))
    });
    let done = done
        .await
        .map_err(|_| Problem::internal("a change of the CA was abandoned"))?;
    if done.is_ok() && !dry {
        office.counted.forget().await;
    }
    done
}
