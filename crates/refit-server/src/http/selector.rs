//! Selectors, as they come in a query: read, or refused with the place of the mistake; and how one is answered.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use refit_index::{Ask, UnknownList};
use refit_selector::{Mistake, Selector};
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;

use super::App;
use super::ask::Query;
use super::error::{Kind, Problem};
use super::show;
use crate::wall;

/// What a selector is asked with: now, and no rollout to shuffle `sample`.
pub(super) fn ask() -> Ask<'static> {
    Ask {
        now: wall::now(),
        salt: "",
    }
}

/// Reads a selector. What it names has to be there: `not in list` of a list that is not would mean everybody.
pub(super) fn read(app: &App, text: &str) -> Result<Selector, Problem> {
    let selector = Selector::parse(text).map_err(|mistake| mistaken(&mistake))?;
    let index = app.fleet.indexing().index();
    index
        .read(|index| index.page(&selector, &ask(), None, 0))
        .map_err(|unknown| no_list(&unknown))?;
    Ok(selector)
}

fn mistaken(mistake: &Mistake) -> Problem {
    let detail = match &mistake.suggestion {
        Some(suggestion) => format!("{}; write `{suggestion}`", mistake.message),
        None => mistake.message.clone(),
    };
    let position = json!({ "offset": mistake.at, "length": mistake.length });
    let problem = Problem::new(Kind::BadSelector, detail).with("position", position);
    match &mistake.suggestion {
        Some(suggestion) => problem.with("suggestion", suggestion.as_str()),
        None => problem,
    }
}

pub(super) fn no_list(unknown: &UnknownList) -> Problem {
    Problem::new(Kind::BadSelector, unknown.to_string()).with("list", unknown.0.as_str())
}

/// Looks at the index, which takes milliseconds of a large fleet, off the async threads.
pub(super) async fn look<T: Send + 'static>(
    look: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Problem> {
    tokio::task::spawn_blocking(look)
        .await
        .map_err(|_| Problem::internal("a look at the index was abandoned"))
}

/// The selector to explain.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Explained {
    /// A selector, as `model = gw-200 and version < 1.4.0`.
    #[param(min_length = 1, max_length = 4096)]
    select: String,
}

/// How a selector is answered.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Explanation {
    /// The selector in its one canonical form.
    selector: String,
    /// Its parts in the order in which they are asked, each below the one that it is part of.
    steps: Vec<Step>,
    /// The terms that rest on what devices say of themselves: a device can lie its way in or out.
    claimed_by_devices: Vec<String>,
    /// How many devices are meant.
    count: u64,
    /// Of how many.
    of: u64,
}

/// A part of a selector.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Step {
    /// How deep it stands; 0 is the whole.
    depth: usize,
    /// `and`, `or`, `not`, or a term.
    part: String,
    /// Where a term is looked up.
    by: Option<&'static str>,
    /// What it is thought to cost, in scans of one byte a device.
    cost: f64,
    /// How many devices it is thought to find by itself.
    expected: u64,
}

/// Explains a selector: its canonical form, how it is answered, and how many devices it means now.
#[utoipa::path(get, operation_id = "explainSelector", tag = "devices", path = "/api/v1/selector/explain",
    params(Explained), responses(
    (status = 200, body = Explanation),
    (status = "4XX", body = show::Problem, content_type = "application/problem+json"),
))]
pub(crate) async fn explain(
    State(app): State<Arc<App>>,
    Query(query): Query<Explained>,
) -> Result<Json<Explanation>, Problem> {
    let selector = read(&app, &query.select)?;
    let index = Arc::clone(app.fleet.indexing().index());
    let explained = look(move || index.read(|index| index.explain(&selector, &ask())));
    let explained = explained.await?.map_err(|unknown| no_list(&unknown))?;
    let steps = explained.steps.into_iter().map(|step| Step {
        depth: step.depth,
        part: step.part,
        by: step.by,
        cost: step.cost,
        expected: step.expected,
    });
    Ok(Json(Explanation {
        selector: explained.selector,
        steps: steps.collect(),
        claimed_by_devices: explained.claimed_by_devices,
        count: explained.count,
        of: explained.of,
    }))
}
