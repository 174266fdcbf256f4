//! The keys that grants are signed with: what may be told of them, and a new one.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use refit_access::matrix::Operation;
use refit_depot::grant::keys;
use refit_engine::author::Author;
use refit_protocol::time::Timestamp;
use serde::Serialize;
use serde_json::json;
use utoipa::ToSchema;

use super::App;
use super::ask::{DRY_RUN, Dry, Query};
use super::error::{Kind, Problem};
use super::show;
use crate::caller::Caller;
use crate::desk;
use crate::wall;

/// A key, without its secret.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct GrantKey {
    /// Its name, as it stands in URLs.
    id: String,
    /// Whether it signs; the others check what they signed.
    current: bool,
    /// When all that it signed has expired; `null` if that is not known.
    #[schema(value_type = Option<String>, format = DateTime)]
    until: Option<String>,
}

/// All keys, the one that signs first.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct GrantKeyList {
    items: Vec<GrantKey>,
    /// `true` if nothing was changed, and this is what would be; the new key is called `dry-run`.
    #[serde(skip_serializing_if = "Option::is_none")]
    dry_run: Option<bool>,
}

/// Lists the keys of grants.
#[utoipa::path(get, operation_id = "listGrantKeys", tag = "grants", path = "/api/v1/grant-keys", responses(
    (status = 200, body = GrantKeyList),
    (status = "4XX", body = show::Problem, content_type = "application/problem+json"),
))]
pub(crate) async fn list(State(app): State<Arc<App>>) -> Json<GrantKeyList> {
    Json(listed(app.grants.keys()))
}

/// Makes a new key, which signs from now on. Grants that are out stay good.
#[utoipa::path(post, operation_id = "rotateGrantKeys", tag = "grants", path = "/api/v1/grant-keys", params(Dry), responses(
    (status = 201, body = GrantKeyList, description = "it signs now; with `dryRun`, it would"),
    (status = "4XX", body = show::Problem, content_type = "application/problem+json"),
))]
pub(crate) async fn rotate(
    State(app): State<Arc<App>>,
    caller: Caller,
    Query(dry): Query<Dry>,
) -> Result<Response, Problem> {
    if dry.dry_run {
        let keys = app.grants.try_rotate(wall::now()).map_err(of_keys)?;
        let mut list = listed(keys);
        for key in list.items.iter_mut().filter(|key| key.current) {
            key.id = DRY_RUN.into();
        }
        list.dry_run = dry.mark();
        return Ok((StatusCode::CREATED, Json(list)).into_response());
    }
    let grants = Arc::clone(&app.grants);
    let rotated = tokio::task::spawn_blocking(move || grants.rotate(wall::now())).await;
    let rotated = rotated.map_err(|_| Problem::internal("a rotation was abandoned"))?;
    rotated.map_err(of_keys)?;
    // The keys lie in a file of their own, so the line follows the change instead of being one with it.
    let current = app.grants.keys().into_iter().find(|key| key.current);
    let after = current.map(|key| json!({ "key": key.id }));
    let line = desk::line(
        &Author::from(&caller),
        Operation::TrustWrite.as_str(),
        "grant-keys".into(),
        after,
    );
    desk::note(&app, line).await?;
    Ok((StatusCode::CREATED, Json(listed(app.grants.keys()))).into_response())
}

fn of_keys(error: keys::Error) -> Problem {
    let detail = format!("failed to {error}");
    match error {
        keys::Error::Full { .. } => Problem::new(Kind::Conflict, detail),
        _ => Problem::internal(&detail),
    }
}

fn listed(keys: Vec<keys::Known>) -> GrantKeyList {
    let items = keys.into_iter().map(|key| GrantKey {
        id: key.id,
        current: key.current,
        until: key
            .until
            .filter(|until| *until > 0)
            .map(|until| Timestamp(until.saturating_mul(1000)).rfc3339()),
    });
    GrantKeyList {
        items: items.collect(),
        dry_run: None,
    }
}
