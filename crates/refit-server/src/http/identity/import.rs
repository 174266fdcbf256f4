//! IDs that are known before their devices come: a stream of lines in, a result per line out (NDJSON).
//!
//! Nothing is gathered but one line and one slice of lines, so a list may be as long as it likes. What was answered is
//! durable; a stream that is cut can be sent again from its beginning without harm.

use std::convert::Infallible;
use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use refit_access::matrix::Operation;
use refit_engine::author::Author;
use refit_protocol::device_id::DeviceId;
use refit_protocol::document;
use refit_store::identity::{IdentityChange, IdentityOutcome, REGISTER_MAX};
use serde_json::{Map, Value, json};

use super::super::ask::{Dry, Query};
use super::super::enrolment::at_work;
use super::super::error::Problem;
use super::super::lines::{Line, Lines};
use super::super::{App, show};
use crate::caller::Caller;
use crate::desk;
use crate::wall;

/// Registers devices by a stream of lines `{"id": "lamp-7", "attributes": {"site": "north"}}`. Each line is answered by
/// one, in order: `{"line": 1, "id": "lamp-7", "result": "registered"}`, or `known` for one that was registered or
/// enrolled before (its attributes are set anew), or `refused` with a `detail`. The answer begins while the request goes
/// on. Empty lines are skipped. With `dryRun` every line of the answer says so; an ID that is given twice, far apart, is
/// `registered` both times then.
#[utoipa::path(post, operation_id = "importDevices", tag = "identity", path = "/api/v1/devices:import",
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
    let importing = (app, Author::from(&caller), Lines::of(body));
    let answers = stream::unfold(importing, move |(app, by, mut lines)| async move {
        let slice = lines.next(REGISTER_MAX).await?;
        let slice = slice.into_iter().map(Read::of).collect();
        let answers = register(&app, &by, dry, slice).await;
        Some((Ok::<_, Infallible>(answers), (app, by, lines)))
    });
    let kind = [(header::CONTENT_TYPE, "application/x-ndjson")];
    (kind, Body::from_stream(answers)).into_response()
}

/// A line that was read: its number, and a device or what is wrong.
struct Read {
    number: u64,
    read: Result<(DeviceId, Map<String, Value>), String>,
}

impl Read {
    fn of(line: Line) -> Self {
        Self {
            number: line.number,
            read: line.read.and_then(|line| parse(&line)),
        }
    }
}

async fn register(app: &Arc<App>, by: &Author, dry: Dry, slice: Vec<Read>) -> Bytes {
    let devices: Vec<_> = slice
        .iter()
        .filter_map(|line| line.read.as_ref().ok().cloned())
        .collect();
    let mut new = match write(app, by.clone(), dry, devices).await {
        Ok(new) => Ok(new.into_iter()),
        Err(problem) => Err(problem.detail().to_owned()),
    };
    let mut answers = String::new();
    for line in slice {
        let mut answer = json!({ "line": line.number });
        let result = match (&line.read, new.as_mut()) {
            (Err(why), _) => {
                answer["detail"] = why.as_str().into();
                "refused"
            }
            (Ok(_), Err(why)) => {
                answer["detail"] = why.as_str().into();
                "refused"
            }
            (Ok(_), Ok(new)) => match new.next() {
                Some(true) => "registered",
                Some(false) | None => "known",
            },
        };
        if let Ok((device, _)) = &line.read {
            answer["id"] = device.as_str().into();
        }
        answer["result"] = result.into();
        if dry.dry_run {
            answer["dryRun"] = true.into();
        }
        answers += &answer.to_string();
        answers.push('\n');
    }
    answers.into()
}

async fn write(
    app: &Arc<App>,
    by: Author,
    dry: Dry,
    devices: Vec<(DeviceId, Map<String, Value>)>,
) -> Result<Vec<bool>, Problem> {
    if devices.is_empty() {
        return Ok(Vec::new());
    }
    let written = at_work(app, move |office| {
        let at = wall::now();
        let count = devices.len();
        let after = json!({ "registered": count });
        let target = "devices".into();
        let audit = desk::line(&by, Operation::EnrolmentWrite.as_str(), target, Some(after));
        office.decide(IdentityChange::Register { devices, at }, audit, dry)
    });
    match written.await? {
        IdentityOutcome::Registered(new) => Ok(new),
        _ => Err(Problem::internal("devices were not registered")),
    }
}

fn parse(line: &[u8]) -> Result<(DeviceId, Map<String, Value>), String> {
    let mut object = document::parse_object(line)?;
    let id = match object.remove("id") {
        Some(Value::String(id)) => DeviceId::parse(&id).map_err(|why| why.to_string())?,
        _ => return Err("id is missing, or no string".into()),
    };
    let attributes = match object.remove("attributes") {
        None => Map::new(),
        Some(Value::Object(attributes)) => attributes,
        Some(_) => return Err("attributes is not an object".into()),
    };
    match object.keys().next() {
        None => Ok((id, attributes)),
        Some(name) => Err(format!(
            "the member {name:?} is unknown; there are id and attributes"
        )),
    }
}
