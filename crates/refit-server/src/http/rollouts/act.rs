//! What operators do to a rollout, one route each. All demand `If-Match` with its revision, and take `dryRun`.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use refit_rollout::cluster::Group;
use refit_rollout::pace::Pace;
use refit_rollout::state::Act;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use utoipa::ToSchema;

use super::show::Rollout;
use super::{RolloutPath, acted, asking, at_work, known};
use crate::caller::Caller;
use crate::http::App;
use crate::http::ask::{self, Dry, IfMatch, Query};
use crate::http::error::Problem;
use crate::http::show;

/// Nothing more to say.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Nothing {}

/// Why.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Reason {
    /// In a sentence, for the report.
    #[serde(default)]
    reason: Option<String>,
}

/// Devices with something in common; what is not named is not asked.
#[derive(Clone, Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Which {
    /// Their model.
    #[serde(default)]
    model: Option<String>,
    /// The version that they come from.
    #[serde(default)]
    from: Option<String>,
}

/// Whose failures are forgiven.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Again {
    /// Which of those that failed; all, if it is not given.
    #[serde(default)]
    group: Option<Which>,
}

/// Who gets no more jobs.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Without {
    /// Which devices.
    #[serde(default)]
    group: Which,
    /// Why, for the report.
    #[serde(default)]
    reason: String,
}

/// How fast jobs are opened.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct PaceOf {
    /// So many a minute; that of the plan, if it is not given.
    #[serde(default)]
    per_minute: Option<u32>,
}

impl From<Which> for Group {
    fn from(which: Which) -> Self {
        Self {
            model: which.model,
            from: which.from,
            origin: None,
        }
    }
}

macro_rules! acts {
    ($($(#[$doc:meta])* $name:ident, $id:literal, $path:literal, $body:ty, $act:expr;)*) => {$(
        $(#[$doc])*
        #[utoipa::path(post, operation_id = $id, tag = "rollouts", path = $path, params(RolloutPath, Dry, IfMatch),
            request_body(content = $body, content_type = "application/json"), responses(
            (status = 200, body = Rollout, headers(("ETag" = String, description = "its revision"))),
            (status = "4XX", body = show::Problem, content_type = "application/problem+json"),
        ))]
        pub(crate) async fn $name(
            State(app): State<Arc<App>>,
            caller: Caller,
            Path(name): Path<String>,
            Query(dry): Query<Dry>,
            headers: HeaderMap,
            body: Body,
        ) -> Result<Response, Problem> {
            let revision = ask::if_match(&headers)?.demanded()?;
            let body: $body = body_of(&headers, body).await?;
            let act: fn($body) -> Act = $act;
            done(&app, &caller, &name, act(body), revision, dry).await
        }
    )*};
}

acts! {
    /// Starts a draft: at once or at its time, or once a second person agrees.
    start, "startRollout", "/api/v1/rollouts/{name}/start", Nothing, |_| Act::Start;
    /// Agrees to a rollout that somebody else started.
    approve, "approveRollout", "/api/v1/rollouts/{name}/approve", Nothing, |_| Act::Approve;
    /// Opens no more jobs until it is resumed. Jobs that are open go on.
    pause, "pauseRollout", "/api/v1/rollouts/{name}/pause", Reason, |body| Act::Pause { reason: body.reason };
    /// Goes on from a pause. Thresholds count from here.
    resume, "resumeRollout", "/api/v1/rollouts/{name}/resume", Nothing, |_| Act::Resume;
    /// Opens the next wave now, whatever it waits for.
    advance, "advanceRollout", "/api/v1/rollouts/{name}/advance", Nothing, |_| Act::Advance;
    /// Ends it for good: jobs that have not begun are cancelled, those that run end as they end. `toll` says whom it
    /// concerns; with `dryRun`, before it happens.
    abort, "abortRollout", "/api/v1/rollouts/{name}/abort", Reason, |body| Act::Abort { reason: body.reason };
    /// Gives devices that failed for good one more try.
    retry, "retryRollout", "/api/v1/rollouts/{name}/retry", Again, |body| Act::Retry { group: body.group.map(Group::from) };
    /// Gives these devices no more jobs of this rollout.
    exclude, "excludeFromRollout", "/api/v1/rollouts/{name}/exclude", Without,
        |body| Act::Exclude { group: body.group.into(), reason: body.reason };
    /// Changes how fast its jobs are opened.
    pace, "paceRollout", "/api/v1/rollouts/{name}/pace", PaceOf, |body| Act::SetPace(body.per_minute.map(Pace::constant));
}

/// Reads a body that may be left out.
async fn body_of<T: DeserializeOwned + Default>(
    headers: &HeaderMap,
    body: Body,
) -> Result<T, Problem> {
    let bytes = ask::bytes(body).await?;
    if bytes.is_empty() {
        return Ok(T::default());
    }
    ask::document(headers, Body::from(bytes)).await
}

async fn done(
    app: &App,
    caller: &Caller,
    text: &str,
    act: Act,
    revision: Option<u64>,
    dry: Dry,
) -> Result<Response, Problem> {
    let name = known(text)?;
    let asking = asking(caller, revision, dry);
    let (conductor, of) = (app.conductor.clone(), name.clone());
    let made = at_work(app, &name, move |reader| {
        conductor.act(reader, &of, &act, &asking)
    });
    Ok(acted(app, &made.await?, dry, StatusCode::OK))
}
