//! What keeps an eye on the server: `/livez`, `/readyz` and `/metrics`.

use std::fmt::Write as _;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::json;

use super::App;
use super::ask::Query;
use super::error::{Kind, Problem};
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

/// Shows the metrics.
pub(crate) async fn metrics(State(app): State<Arc<App>>) -> Result<Response, Problem> {
    let counts = app.readers.read(|reader| reader.counts()).await?;
    let text = metrics::write(&metrics::Figures {
        counts: &counts,
        stats: &app.store.stats(),
        counters: &app.counters,
        pollers: app.pollers.len(),
        grants: &app.granting.figures,
        trust: app.office.figures(wall::now()),
        mqtt: &app.mqtt,
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
