//! IDs that are known before their devices come: a stream of lines in, a result per line out (NDJSON).
//!
//! Nothing is gathered but one line and one slice of lines, so a list may be as long as it likes. What was answered is
//! durable; a stream that is cut can be sent again from its beginning without harm.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::Arc;

use axum::body::{Body, BodyDataStream, Bytes};
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use futures_util::{StreamExt, stream};
use refit_access::matrix::Operation;
use refit_engine::author::Author;
use refit_protocol::device_id::DeviceId;
use refit_protocol::document;
use refit_store::identity::{IdentityChange, IdentityOutcome, REGISTER_MAX};
use serde_json::{Map, Value, json};

use super::super::ask::{Dry, Query};
use super::super::enrolment::at_work;
use super::super::error::Problem;
use super::super::{App, BODY_PAUSE_MAX, show};
use crate::caller::Caller;
use crate::desk;
use crate::wall;

/// The longest line, in bytes: an ID, and attributes of the size that a state may have.
const LINE_BYTES_MAX: usize = 16 * 1024;

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
    let importing = Importing {
        app,
        by: Author::from(&caller),
        dry,
        body: body.into_data_stream(),
        rest: Vec::new(),
        lines: VecDeque::new(),
        number: 0,
        skipping: false,
        ended: false,
    };
    let answers = stream::unfold(importing, |mut importing| async move {
        let answers = importing.next().await?;
        Some((Ok::<_, Infallible>(answers), importing))
    });
    let kind = [(header::CONTENT_TYPE, "application/x-ndjson")];
    (kind, Body::from_stream(answers)).into_response()
}

struct Importing {
    app: Arc<App>,
    by: Author,
    dry: Dry,
    body: BodyDataStream,
    /// The beginning of a line whose end has not come.
    rest: Vec<u8>,
    lines: VecDeque<Line>,
    number: u64,
    /// The rest of this line is not taken.
    skipping: bool,
    ended: bool,
}

/// A line that was read: its number, and a device or what is wrong.
struct Line {
    number: u64,
    read: Result<(DeviceId, Map<String, Value>), String>,
}

impl Importing {
    /// Answers the next slice; nothing when all is answered.
    async fn next(&mut self) -> Option<Bytes> {
        while self.lines.is_empty() {
            if self.ended {
                return None;
            }
            self.read().await;
        }
        let count = self.lines.len().min(REGISTER_MAX);
        let slice: Vec<Line> = self.lines.drain(..count).collect();
        Some(self.register(slice).await)
    }

    /// Takes in what comes next, line by line.
    async fn read(&mut self) {
        match tokio::time::timeout(BODY_PAUSE_MAX, self.body.next()).await {
            Ok(Some(Ok(bytes))) => self.take(&bytes),
            Ok(None) => {
                self.end_line();
                self.ended = true;
            }
            Ok(Some(Err(_))) => self.cut("the request was cut short here; send the list again"),
            Err(_) => self.cut("nothing came for too long; send the list again"),
        }
    }

    fn cut(&mut self, why: &str) {
        self.number += 1;
        self.ended = true;
        self.lines.push_back(Line {
            number: self.number,
            read: Err(why.into()),
        });
    }

    fn take(&mut self, mut bytes: &[u8]) {
        while let Some(end) = bytes.iter().position(|byte| *byte == b'\n') {
            let (line, rest) = bytes.split_at(end);
            self.gather(line);
            self.end_line();
            bytes = rest.get(1..).unwrap_or_default();
        }
        self.gather(bytes);
    }

    fn gather(&mut self, part: &[u8]) {
        if self.skipping || self.rest.len() + part.len() > LINE_BYTES_MAX {
            self.skipping = true;
            self.rest.clear();
        } else {
            self.rest.extend_from_slice(part);
        }
    }

    fn end_line(&mut self) {
        self.number += u64::from(!(self.ended));
        let line = std::mem::take(&mut self.rest);
        let read = if std::mem::take(&mut self.skipping) {
            Err(format!("the line is longer than {LINE_BYTES_MAX} bytes"))
        } else if line.trim_ascii().is_empty() {
            return;
        } else {
            parse(&line)
        };
        self.lines.push_back(Line {
            number: self.number,
            read,
        });
    }

    async fn register(&mut self, slice: Vec<Line>) -> Bytes {
        let devices: Vec<_> = slice
            .iter()
            .filter_map(|line| line.read.as_ref().ok().cloned())
            .collect();
        let mut new = match self.write(devices).await {
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
            if self.dry.dry_run {
                answer["dryRun"] = true.into();
            }
            answers += &answer.to_string();
            answers.push('\n');
        }
        answers.into()
    }

    async fn write(
        &mut self,
        devices: Vec<(DeviceId, Map<String, Value>)>,
    ) -> Result<Vec<bool>, Problem> {
        if devices.is_empty() {
            return Ok(Vec::new());
        }
        let (by, dry) = (self.by.clone(), self.dry);
        let written = at_work(&self.app, move |office| {
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
