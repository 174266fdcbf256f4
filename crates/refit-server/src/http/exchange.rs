//! What operators say of a whole fleet, as a stream of lines (NDJSON): out, and in again, here or at another server.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use refit_access::matrix::Operation;
use refit_access::rights::Rights;
use refit_engine::author::Author;
use refit_index::Selection;
use refit_protocol::device_id::DeviceId;
use refit_protocol::document;
use refit_store::facts::{Edit, FactsChange, FactsOutcome, ScanRow};
use refit_store::store::DeviceKey;
use serde::Deserialize;
use serde_json::{Value, json};

use super::ask::{Dry, Query};
use super::error::Problem;
use super::lines::{Line, Lines};
use super::selected::Select;
use super::{App, facts, selector, show};
use crate::caller::Caller;

/// How many lines are changed at a time: the index is waited for after each.
const SLICE: usize = 500;

/// How many rows are read for a piece of the export.
const ROWS: usize = 500;

/// A line of the import.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Described {
    id: String,
    #[serde(default)]
    tags: BTreeMap<String, String>,
    #[serde(default)]
    attributes: BTreeMap<String, Value>,
}

/// Says anew what operators say of devices, by a stream of lines `{"id": "lamp-7", "tags": {"ring": "canary"},
/// "attributes": {"model": "gw-200"}}`: what a line does not name is taken away, and a device that nobody knows is made.
/// Each line is answered by one, in order: `{"line": 1, "id": "lamp-7", "result": "changed"}`, or `made`, `same`, or
/// `refused` with a `detail`. The answer begins while the request goes on. Empty lines are skipped. With `dryRun` every
/// line of the answer says so.
#[utoipa::path(post, operation_id = "importFacts", tag = "devices", path = "/api/v1/facts:import",
    params(Dry), request_body(content = String, content_type = "application/x-ndjson"), responses(
    (status = 200, body = String, content_type = "application/x-ndjson"),
    (status = "4XX", body = show::Problem, content_type = "application/problem+json"),
))]
pub(crate) async fn import(
    State(app): State<Arc<App>>,
    caller: Caller,
    Query(dry): Query<Dry>,
    body: Body,
) -> Response {
    let importing = (app, caller, Lines::of(body));
    let answers = stream::unfold(importing, move |(app, caller, mut lines)| async move {
        let slice = lines.next(SLICE).await?;
        let answers = described(&app, &caller, dry, slice).await;
        Some((Ok::<_, Infallible>(answers), (app, caller, lines)))
    });
    ndjson(Body::from_stream(answers))
}

fn ndjson(body: Body) -> Response {
    ([(header::CONTENT_TYPE, "application/x-ndjson")], body).into_response()
}

async fn described(app: &App, caller: &Caller, dry: Dry, slice: Vec<Line>) -> Bytes {
    let mut lines = Vec::with_capacity(slice.len());
    let mut changes = Vec::with_capacity(slice.len());
    for line in slice {
        let read = line.read.and_then(|bytes| parse(&bytes));
        let read = read.and_then(|change| {
            let may = caller.may(Operation::DeviceDescribe, Some(&change.device));
            may.map_err(|problem| problem.detail().to_owned())?;
            Ok(change)
        });
        let read = read.map(|change| {
            let device = change.device.clone();
            changes.push(change);
            device
        });
        lines.push((line.number, read));
    }
    let by = Author::from(caller);
    let outcomes = match changes.is_empty() {
        true => Ok(Vec::new()),
        false if dry.dry_run => pretended(app, changes).await,
        false => facts::describe(app, &by, "devices".into(), changes).await,
    };
    let mut outcomes = outcomes.map(Vec::into_iter);
    let mut answers = String::new();
    for (number, read) in lines {
        let mut answer = json!({ "line": number });
        let (result, detail) = match (&read, &mut outcomes) {
            (Err(why), _) => ("refused", Some(why.clone())),
            (Ok(_), Err(problem)) => ("refused", Some(problem.detail().to_owned())),
            (Ok(_), Ok(outcomes)) => outcomes.next().map_or(("refused", None), |one| word(&one)),
        };
        if let Ok(device) = &read {
            answer["id"] = device.as_str().into();
        }
        answer["result"] = result.into();
        if let Some(detail) = detail {
            answer["detail"] = detail.into();
        }
        if dry.dry_run {
            answer["dryRun"] = true.into();
        }
        answers += &answer.to_string();
        answers.push('\n');
    }
    answers.into()
}

/// Tells what would become of changes, each for itself.
async fn pretended(app: &App, changes: Vec<FactsChange>) -> Result<Vec<FactsOutcome>, Problem> {
    let tried = app.readers.read(move |reader| {
        let mut outcomes = Vec::with_capacity(changes.len());
        for change in &changes {
            let stored = reader.load(&change.device)?;
            let key = stored.as_ref().map_or(DeviceKey(0), |stored| stored.key);
            let known = match &stored {
                Some(stored) if stored.record.gone => None,
                _ => Some(reader.facts(&change.device)?.unwrap_or_default().operator),
            };
            outcomes.push(match known.as_ref().map(|known| known.edited(change)) {
                None => FactsOutcome::Missing,
                Some(Err(why)) => FactsOutcome::Refused(why),
                Some(Ok(facts)) if stored.is_some() && Some(&facts) == known.as_ref() => {
                    FactsOutcome::Same(key)
                }
                Some(Ok(facts)) => FactsOutcome::Changed {
                    key,
                    made: stored.is_none(),
                    facts,
                },
            });
        }
        Ok(outcomes)
    });
    tried.await
}

fn word(outcome: &FactsOutcome) -> (&'static str, Option<String>) {
    match outcome {
        FactsOutcome::Changed { made: true, .. } => ("made", None),
        FactsOutcome::Changed { made: false, .. } => ("changed", None),
        FactsOutcome::Same(_) => ("same", None),
        FactsOutcome::Refused(why) => ("refused", Some(why.to_string())),
        FactsOutcome::Missing | FactsOutcome::Conflict => {
            ("refused", Some("the device was removed".into()))
        }
    }
}

fn parse(line: &[u8]) -> Result<FactsChange, String> {
    let object = document::parse_object(line)?;
    let read: Described =
        serde_json::from_value(Value::Object(object)).map_err(|why| why.to_string())?;
    Ok(FactsChange {
        device: DeviceId::parse(&read.id).map_err(|why| why.to_string())?,
        tags: Edit::Replace(read.tags),
        attributes: Edit::Replace(read.attributes),
        make: true,
        from: None,
    })
}

/// Writes what operators say of devices as a stream of lines, of each device one, in the form that the import takes.
#[utoipa::path(get, operation_id = "exportFacts", tag = "devices", path = "/api/v1/facts:export", params(Select), responses(
    (status = 200, body = String, content_type = "application/x-ndjson"),
    (status = "4XX", body = show::Problem, content_type = "application/problem+json"),
))]
pub(crate) async fn export(
    State(app): State<Arc<App>>,
    caller: Caller,
    Query(query): Query<Select>,
) -> Result<Response, Problem> {
    let selection = match &query.select {
        None => None,
        Some(text) => {
            let selector = selector::read(&app, text)?;
            let index = Arc::clone(app.fleet.indexing().index());
            let look = move || index.read(|index| index.select(&selector, &selector::ask()));
            let selection = selector::look(look).await?;
            Some(Arc::new(selection.map_err(|why| selector::no_list(&why))?))
        }
    };
    let exporting = (app, caller.rights, selection, Some(DeviceKey(0)));
    let pieces = stream::unfold(exporting, |(app, rights, selection, after)| async move {
        let after = after?;
        let read = app.readers.read(move |reader| reader.scan(after, ROWS));
        // What fails cuts the stream, so that nobody takes a part for the whole.
        let piece = read.await.map_err(|problem| problem.detail().to_owned());
        let (piece, next) = match piece {
            Ok(rows) => {
                let next = rows.last().map(|last| last.key);
                (Ok(written(&rows, &rights, selection.as_deref())), next)
            }
            Err(why) => (Err(std::io::Error::other(why)), None),
        };
        Some((piece, (app, rights, selection, next)))
    });
    Ok(ndjson(Body::from_stream(pieces)))
}

fn written(rows: &[ScanRow], rights: &Rights, selection: Option<&Selection>) -> Bytes {
    let mut lines = String::new();
    for row in rows {
        let is_meant = selection.is_none_or(|selection| selection.has(row.key.0));
        if !row.gone && is_meant && rights.sees(&row.id) {
            let (tags, attributes) = (&row.operator.tags, &row.operator.attributes);
            let line = json!({ "id": row.id.as_str(), "tags": tags, "attributes": attributes });
            lines += &line.to_string();
            lines.push('\n');
        }
    }
    lines.into()
}
