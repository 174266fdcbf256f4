//! Rollouts: made, listed, shown, rehearsed and reported; `rollouts/act.rs` steers them.

pub(crate) mod act;
pub(crate) mod show;

use std::sync::Arc;

use axum::Json;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use refit_engine::author::Author;
use refit_engine::conductor::{Acted, Asking, NotDone, clusters, figures};
use refit_protocol::rollout::RolloutName;
use refit_rollout::check::{Complaint, Severity};
use refit_rollout::plan::Plan;
use refit_rollout::report::{Known, report};
use refit_store::reader::Reader;
use refit_store::store::Failure;
use serde::Deserialize;
use serde_json::Value;
use utoipa::ToSchema;

use self::show::{Rehearsed, Rollout, RolloutLine, RolloutPage};
use super::ask::{self, Dry, Page, Query};
use super::error::{FieldCode, FieldError, Kind, Problem};
use super::{App, show as shared, whole};
use crate::caller::Caller;
use crate::wall;

/// A rollout, in a path.
#[derive(utoipa::IntoParams)]
#[into_params(parameter_in = Path)]
#[expect(dead_code, reason = "it describes what `name` reads")]
pub(crate) struct RolloutPath {
    /// The rollout's name.
    #[param(pattern = "^[a-z0-9][a-z0-9._-]{0,63}$")]
    name: String,
}

/// A rollout to make.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct NewRollout {
    /// What people call it; unique for ever.
    #[schema(pattern = "^[a-z0-9][a-z0-9._-]{0,63}$")]
    name: String,
    /// What it shall do: docs/reference/plan.md.
    #[schema(value_type = Object)]
    plan: Value,
    /// Whether it starts at once; else it is a draft.
    #[serde(default)]
    start: bool,
}

/// A plan to look at.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct PlanToLookAt {
    /// The plan: docs/reference/plan.md.
    #[schema(value_type = Object)]
    plan: Value,
}

/// Reads a name.
pub(super) fn name(text: &str) -> Result<RolloutName, Problem> {
    RolloutName::parse(text)
        .map_err(|why| Problem::of_field("name", FieldCode::Malformed, format!("the name: {why}")))
}

/// Reads the name of a path: what cannot be one is not there.
pub(super) fn known(text: &str) -> Result<RolloutName, Problem> {
    RolloutName::parse(text).map_err(|_| no_such(text))
}

pub(super) fn no_such(name: &str) -> Problem {
    let detail =
        format!("there is no rollout {name}; GET /api/v1/rollouts lists those that there are");
    Problem::new(Kind::NoRollout, detail)
}

/// Reads a plan. There is no secret in one, so what is wrong is told in full.
fn plan(document: Value) -> Result<Plan, Problem> {
    serde_path_to_error::deserialize(document).map_err(|error| {
        let path = error.path().to_string();
        let segments = path.split('.').filter(|segment| *segment != ".");
        let segments = ["plan"].into_iter().chain(segments);
        let detail = format!("plan.{path}: {}", error.inner());
        let error = FieldError::of_field(segments, FieldCode::Malformed, detail);
        Problem::of_fields(Kind::Unprocessable, &[error])
    })
}

/// Refuses a plan for all that is wrong with it.
fn refuse(complaints: &[Complaint]) -> Result<(), Problem> {
    let errors = complaints.iter().filter(|c| c.severity == Severity::Error);
    let errors: Vec<FieldError> = errors
        .map(|complaint| {
            let path = ["plan", complaint.path.as_str()];
            FieldError::of_field(path, FieldCode::OutOfRange, complaint.to_string())
        })
        .collect();
    if errors.is_empty() {
        return Ok(());
    }
    Err(Problem::of_fields(Kind::BadPlan, &errors))
}

pub(super) fn asking(caller: &Caller, revision: Option<u64>, dry: Dry) -> Asking {
    Asking {
        by: Author::from(caller),
        revision,
        is_dry: dry.dry_run,
        now: wall::now(),
    }
}

/// Says why something was not done.
pub(super) fn problem(name: &str, not_done: NotDone) -> Problem {
    match not_done {
        NotDone::Missing => no_such(name),
        NotDone::Taken => Problem::new(
            Kind::Taken,
            format!("there is, or was, a rollout {name}; names are not used again"),
        ),
        NotDone::Revision(revision) => Problem::new(
            Kind::VersionConflict,
            format!("the rollout {name} has revision {revision} now: look at it, then decide"),
        )
        .with("revision", revision),
        NotDone::Refused(refusal) => {
            Problem::new(Kind::Conflict, refusal.message.clone()).with("reason", refusal.code)
        }
        NotDone::Failed(failure) => Problem::of_store(failure),
    }
}

/// Reads and does something with the conductor, off the async threads.
pub(super) async fn at_work<T: Send + 'static>(
    app: &App,
    name: &RolloutName,
    work: impl FnOnce(&mut dyn Reader) -> Result<T, NotDone> + Send + 'static,
) -> Result<T, Problem> {
    let done = app.readers.read(move |reader| match work(reader) {
        Err(NotDone::Failed(failure)) => Err(failure),
        other => Ok(other),
    });
    done.await?
        .map_err(|not_done| problem(name.as_str(), not_done))
}

/// Shows what came of an act, with its revision as the ETag.
pub(super) fn acted(app: &App, acted: &Acted, dry: Dry, status: StatusCode) -> Response {
    let mut shown = Rollout::of(app, acted, Vec::new());
    shown.dry_run = dry.dry_run.then_some(true);
    tagged(status, &shown)
}

fn tagged(status: StatusCode, shown: &Rollout) -> Response {
    let mut response = (status, Json(shown)).into_response();
    if let Ok(tag) = HeaderValue::from_str(&format!("\"{}\"", shown.line.revision)) {
        response.headers_mut().insert(header::ETAG, tag);
    }
    response
}

/// Makes a rollout: as a draft, or started at once. A contradictory plan is refused with all that is wrong.
#[utoipa::path(post, operation_id = "createRollout", tag = "rollouts", path = "/api/v1/rollouts", params(Dry),
    request_body = NewRollout, responses(
    (status = 201, body = Rollout, headers(("ETag" = String, description = "its revision"))),
    (status = "4XX", body = shared::Problem, content_type = "application/problem+json"),
))]
pub(crate) async fn create(
    State(app): State<Arc<App>>,
    caller: Caller,
    Query(dry): Query<Dry>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let new: NewRollout = ask::document(&headers, body).await?;
    let name = name(&new.name)?;
    let plan = plan(new.plan)?;
    let asking = asking(&caller, None, dry);
    let (conductor, at) = (app.conductor.clone(), asking.now);
    let (of, starts) = (name.clone(), new.start);
    let made = at_work(&app, &name, move |reader| {
        let complaints = conductor.check(reader, &plan, at)?;
        if complaints.iter().any(|c| c.severity == Severity::Error) {
            return Ok(Err(complaints));
        }
        let made = conductor.create(reader, &of, &plan, starts, &asking)?;
        Ok(Ok(made))
    });
    match made.await? {
        Ok(made) => Ok(acted(&app, &made, dry, StatusCode::CREATED)),
        Err(complaints) => {
            refuse(&complaints)?;
            Err(Problem::internal("a plan was refused for nothing"))
        }
    }
}

/// Lists rollouts, the newest first.
#[utoipa::path(get, operation_id = "listRollouts", tag = "rollouts", path = "/api/v1/rollouts", params(Page), responses(
    (status = 200, body = RolloutPage),
    (status = "4XX", body = shared::Problem, content_type = "application/problem+json"),
))]
pub(crate) async fn list(
    State(app): State<Arc<App>>,
    uri: Uri,
    Query(page): Query<Page>,
) -> Result<Response, Problem> {
    let mut rows = app.readers.read(|reader| reader.rollouts()).await?;
    rows.reverse();
    let of = (&app.cursors, "rollouts");
    let page = whole::page(of, (&uri, page), rows, |row| row.name.as_str().to_owned())?;
    let shown = RolloutPage {
        items: page.items.iter().map(RolloutLine::of).collect(),
        next_cursor: page.next,
        count: page.count,
    };
    Ok((page.link, Json(shown)).into_response())
}

/// Reads a rollout with its figures.
fn read(
    reader: &mut dyn Reader,
    name: &RolloutName,
) -> Result<Option<(Acted, Vec<clusters::Cluster>)>, Failure> {
    let Some(row) = reader.rollout(name)? else {
        return Ok(None);
    };
    let (plan, state) = refit_engine::conductor::read(&row)?;
    let waves = figures::views(reader, row.id, &state)?;
    let clusters = clusters::clusters(reader, row.id, &plan)?;
    let acted = Acted {
        row,
        plan,
        state,
        waves,
        toll: None,
    };
    Ok(Some((acted, clusters)))
}

/// Shows a rollout: its plan, where it stands and why, its counts by wave, what it waits for, and what failures have in
/// common.
#[utoipa::path(get, operation_id = "showRollout", tag = "rollouts", path = "/api/v1/rollouts/{name}",
    params(RolloutPath), responses(
    (status = 200, body = Rollout, headers(("ETag" = String, description = "its revision"))),
    (status = "4XX", body = shared::Problem, content_type = "application/problem+json"),
))]
pub(crate) async fn show(
    State(app): State<Arc<App>>,
    Path(text): Path<String>,
) -> Result<Response, Problem> {
    let name = known(&text)?;
    let found = app.readers.read(move |reader| read(reader, &name)).await?;
    let (acted, clusters) = found.ok_or_else(|| no_such(&text))?;
    Ok(tagged(StatusCode::OK, &Rollout::of(&app, &acted, clusters)))
}

/// Looks at a plan before it starts: all that is wrong with it, and what it would do with the fleet as it is now.
#[utoipa::path(post, operation_id = "planRollout", tag = "rollouts", path = "/api/v1/rollouts:plan",
    request_body = PlanToLookAt, responses(
    (status = 200, body = Rehearsed),
    (status = "4XX", body = shared::Problem, content_type = "application/problem+json"),
))]
pub(crate) async fn look_at(
    State(app): State<Arc<App>>,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<Rehearsed>, Problem> {
    let wanted: PlanToLookAt = ask::document(&headers, body).await?;
    let plan = plan(wanted.plan)?;
    let conductor = app.conductor.clone();
    let rehearsed = app
        .readers
        .read(move |reader| conductor.rehearse(reader, &plan, None, wall::now()));
    Ok(Json(Rehearsed::of(rehearsed.await?)))
}

/// How a report is written.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Form {
    /// `json` (the default) or `csv`.
    #[param(pattern = "^(json|csv)$")]
    format: Option<String>,
}

/// Reports a rollout: its plan, who approved, and what became of it by wave.
#[utoipa::path(get, operation_id = "reportRollout", tag = "rollouts", path = "/api/v1/rollouts/{name}/report",
    params(RolloutPath, Form), responses(
    (status = 200, body = Object),
    (status = "4XX", body = shared::Problem, content_type = "application/problem+json"),
))]
pub(crate) async fn reported(
    State(app): State<Arc<App>>,
    Path(text): Path<String>,
    Query(form): Query<Form>,
) -> Result<Response, Problem> {
    let name = known(&text)?;
    let found = app.readers.read(move |reader| read(reader, &name)).await?;
    let (of, _) = found.ok_or_else(|| no_such(&text))?;
    let id = (of.row.id, &of.row.name);
    let report = report(id, &of.plan, &of.state, &of.waves, Known::default());
    match form.format.as_deref() {
        None | Some("json") => Ok(Json(report).into_response()),
        Some("csv") => {
            let kind = [(
                header::CONTENT_TYPE,
                "text/csv; charset=utf-8; header=present",
            )];
            Ok((kind, report.to_csv()).into_response())
        }
        Some(other) => {
            let detail = format!("{other:?} is no format: json or csv");
            Err(Problem::of_parameter("format", FieldCode::NotOneOf, detail))
        }
    }
}
