//! What keeps an eye on the server: `/livez`, `/readyz` and `/metrics`.

use std::fmt::Write as _;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use axum::extract::State;
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};
use refit_access::matrix::Operation;
use serde::Deserialize;
use serde_json::json;

use super::ask::Query;
use super::error::{Kind, Problem};
use super::{App, gate};
use crate::health::{self, Check};
use crate::{metrics, wall};

/// Says that the process turns.
pub(crate) async fn live() -> &'static str {
    "ok\n"
}

/// How much `/readyz` says.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Detail {
    verbose: Option<String>,
}

/// Says whether requests can be expected to work.
pub(crate) async fn ready(
    State(app): State<Arc<App>>,
    Query(detail): Query<Detail>,
) -> Result<String, Problem> {
    let checks = checks(&app);
    if let Some(failed) = checks.iter().find(|check| !check.is_well) {
        let all: Vec<_> = checks
            .iter()
            .map(|c| json!({ "name": c.name, "well": c.is_well, "says": c.says }))
            .collect();
        let detail = format!("{}: {}", failed.name, failed.says);
        return Err(Problem::new(Kind::Unavailable, detail).with("checks", all));
    }
    let mut text = String::new();
    if detail.verbose.is_some() {
        for check in &checks {
            // Writing to a string cannot fail.
            let _ = writeln!(text, "{} ok: {}", check.name, check.says);
        }
    }
    text.push_str("ok\n");
    Ok(text)
}

pub(super) fn checks(app: &App) -> Vec<Check> {
    let certificate = app.privacy.as_ref();
    let certificate = certificate.map(|privacy| privacy.own.fault().map_or(Ok(()), Err));
    health::checks(&app.store.health(), *app.stopping.borrow(), certificate)
}

/// Shows the metrics: without `--dev` to whoever may see how the server is, since they tell a stranger how large the fleet
/// is and how far its updates are.
pub(crate) async fn metrics(
    State(app): State<Arc<App>>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    if !app.dev {
        let caller = gate::with_token(&app, &headers).ok_or_else(|| {
            let detail = "send `Authorization: Bearer` with the token of a viewer: `refit token new --name metrics --role viewer` makes one";
            Problem::new(Kind::Unauthenticated, detail).header(header::WWW_AUTHENTICATE, "Bearer")
        })?;
        let may = caller.rights.may(Operation::ServerRead, None);
        let detail = "metrics are for whoever may server:read, as viewers may";
        may.map_err(|_| Problem::new(Kind::Forbidden, detail))?;
    }
    let counts = app.readers.read(|reader| reader.counts()).await?;
    let text = metrics::write(&metrics::Figures {
        counts: &counts,
        stats: &app.store.stats(),
        counters: &app.counters,
        pollers: app.pollers.len(),
        grants: &app.granting.figures,
        trust: app.office.figures(wall::now()),
        mqtt: &app.mqtt,
        tokens_put_off: app.access.tokens_put_off(),
        connected: app.figures.connected.load(Relaxed),
        deltas: app.figures.deltas.load(Relaxed),
        followers: app.limits.followers(),
        stale_certificate: app
            .privacy
            .as_ref()
            .is_some_and(|privacy| privacy.own.fault().is_some()),
        ready: checks(&app).iter().all(|check| check.is_well),
    });
    Ok((
        [(
            header::CONTENT_TYPE,
            "text/plain; version=0.0.4; charset=utf-8",
        )],
        text,
    )
        .into_response())
}
