//! Jobs: the history of all devices, or of one.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::Uri;
use axum::response::{IntoResponse, Response};
use refit_protocol::job::{JobId, Status};
use refit_store::reader::{Counts, JobNumber, JobRow};
use serde::Deserialize;

use super::ask::{self, DevicePath, Page, Query};
use super::count::{COUNTED_MAX, Count};
use super::error::{FieldCode, Kind, Problem};
use super::show::{self, Job, JobPage};
use super::{App, narrow};
use crate::caller::Caller;

/// Which jobs are wanted.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Which {
    /// Only those in this state.
    #[param(
        pattern = "^(QUEUED|SENT|RUNNING|SUCCEEDED|FAILED|REJECTED|TIMED_OUT|CANCELLED|SUPERSEDED)$"
    )]
    status: Option<String>,
    /// How many items at most; 50 if it is not given.
    #[param(minimum = 1, maximum = 500)]
    limit: Option<usize>,
    /// The `nextCursor` of the page before.
    cursor: Option<String>,
    /// Whether to count the whole list, and how: `estimate` or `exact`; not, if it is not given.
    #[param(pattern = "^(estimate|exact)$")]
    count: Option<String>,
}

/// Lists jobs, the newest first.
#[utoipa::path(get, operation_id = "listJobs", tag = "jobs", path = "/api/v1/jobs", params(Which), responses(
    (status = 200, body = JobPage),
    (status = "4XX", body = show::Problem, content_type = "application/problem+json"),
))]
pub(crate) async fn list(
    State(app): State<Arc<App>>,
    caller: Caller,
    uri: Uri,
    Query(which): Query<Which>,
) -> Result<Response, Problem> {
    let part = Page {
        limit: which.limit,
        cursor: which.cursor,
        count: which.count,
    };
    let part = part.checked()?;
    let limit = part.limit;
    let status = which.status.as_deref().map(status).transpose()?;
    let list = format!("jobs:{}", status.map_or("", Status::as_str));
    let before = number(&app, &list, part.cursor.as_deref())?;
    let rights = caller.rights;
    let read = app.readers.read(move |reader| {
        let mut read =
            |before: Option<&JobNumber>, limit| reader.jobs(status, before.copied(), limit);
        let sees = |row: &JobRow| rights.sees(&row.device);
        let sees: Option<&dyn Fn(&JobRow) -> bool> = (!rights.sees_all()).then_some(&sees);
        let page = narrow::page(before, limit, &mut read, |row| row.number, sees)?;
        let count = match (part.count, sees) {
            (None, _) => None,
            (Some(_), None) => Some(counted(&reader.counts()?, status)),
            (Some(_), Some(sees)) => Some(narrow::count(read, |row| row.number, sees)?),
        };
        Ok((page, count))
    });
    let ((rows, next), count) = read.await?;
    Ok(page(&app, &uri, &list, (rows, next, count)))
}

/// Jobs are counted by state with each commit.
fn counted(counts: &Counts, status: Option<Status>) -> Count {
    Count::exact(match status {
        Some(status) => counts.jobs_in(status),
        None => counts.jobs.iter().sum(),
    })
}

fn status(text: &str) -> Result<Status, Problem> {
    Status::parse(text).ok_or_else(|| {
        let all = Status::ALL.map(Status::as_str).join(", ");
        let detail = format!("status is one of {all}");
        Problem::of_parameter("status", FieldCode::NotOneOf, detail)
    })
}

/// Lists the jobs of a device, the newest first.
#[utoipa::path(get, operation_id = "listJobsOfDevice", tag = "jobs", path = "/api/v1/devices/{id}/jobs", params(DevicePath, Page), responses(
    (status = 200, body = JobPage),
    (status = "4XX", body = show::Problem, content_type = "application/problem+json"),
))]
pub(crate) async fn of_device(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    uri: Uri,
    Query(asked): Query<Page>,
) -> Result<Response, Problem> {
    let device = ask::device(&id)?;
    let asked = asked.checked()?;
    let limit = asked.limit;
    let list = format!("jobs of {device}");
    let before = number(&app, &list, asked.cursor.as_deref())?;
    let read = app.readers.read(move |reader| {
        let rows = reader.jobs_of(&device, before, limit)?;
        let known = !rows.is_empty() || reader.load(&device)?.is_some();
        let count = match asked.count {
            Some(_) => {
                let count = reader.count_jobs_of(&device, COUNTED_MAX + 1)?;
                Some(Count::up_to(COUNTED_MAX, count))
            }
            None => None,
        };
        Ok(known.then_some((rows, count)))
    });
    match read.await? {
        Some((rows, count)) => {
            let next = rows.get(limit - 1).map(|last| last.number);
            Ok(page(&app, &uri, &list, (rows, next, count)))
        }
        None => Err(Problem::new(
            Kind::NoDevice,
            format!("there is no device {id}"),
        )),
    }
}

/// Shows a job.
#[utoipa::path(get, operation_id = "showJob", tag = "jobs", path = "/api/v1/jobs/{id}", params(("id" = String, Path,)), responses(
    (status = 200, body = Job),
    (status = "4XX", body = show::Problem, content_type = "application/problem+json"),
))]
pub(crate) async fn show(
    State(app): State<Arc<App>>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Json<Job>, Problem> {
    let no_such = || {
        Problem::new(
            Kind::NoJob,
            format!("there is no job {id:?}; GET /api/v1/jobs lists them"),
        )
    };
    let job = JobId::parse(&id).ok_or_else(no_such)?;
    let found = app
        .readers
        .read(move |reader| reader.job(&job))
        .await?
        .filter(|found| caller.rights.sees(&found.device))
        .ok_or_else(no_such)?;
    Ok(Json(Job::of(
        found.device.as_str(),
        found.entry,
        &app.releases,
    )))
}

fn number(app: &App, list: &str, cursor: Option<&str>) -> Result<Option<JobNumber>, Problem> {
    let Some(cursor) = cursor else {
        return Ok(None);
    };
    let number = app.cursors.read(list, cursor)?.parse();
    number
        .map(|number| Some(JobNumber(number)))
        .map_err(|_| Problem::new(Kind::BadCursor, ""))
}

fn page(
    app: &App,
    uri: &Uri,
    list: &str,
    (rows, next, count): (Vec<JobRow>, Option<JobNumber>, Option<Count>),
) -> Response {
    let next = next.map(|last| app.cursors.write(list, &last.0.to_string()));
    let items = rows
        .into_iter()
        .map(|row| Job::of(row.device.as_str(), row.entry, &app.releases));
    let link = ask::link_next(uri, next.as_deref());
    let page = JobPage {
        items: items.collect(),
        next_cursor: next,
        count,
    };
    (link, Json(page)).into_response()
}
