//! The audit log: read here, and written only with the changes themselves. Whoever verifies it does so with the lines in
//! hand (`refit audit verify`), since a server that lies would say that all is well.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::Uri;
use axum::response::{IntoResponse, Response};
use refit_store::audit::{AuditFilter, AuditFrom, AuditLine};
use refit_store::reader::Reader;
use refit_store::store::Failure;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::App;
use super::ask::{self, Page, Query};
use super::count::{Asked, Count, LINES_MAX};
use super::error::{FieldCode, Kind, Problem};
use super::show;

/// Which lines are wanted.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Which {
    /// Only what this one did: `token:ci`, `user:anna`, `device:lamp-7`, `server`.
    actor: Option<String>,
    /// Only such changes: `software:assign`.
    action: Option<String>,
    /// Only what was done to this: `device:lamp-7`.
    target: Option<String>,
    /// `newest`, if it is not given, or `oldest`: which lines come first.
    #[param(pattern = "^(newest|oldest)$")]
    order: Option<String>,
    /// How many items at most; 50 if it is not given.
    #[param(minimum = 1, maximum = 500)]
    limit: Option<usize>,
    /// The `nextCursor` of the page before.
    cursor: Option<String>,
    /// Whether to count the whole list, and how: `estimate` or `exact`; not, if it is not given. With a filter the
    /// newest 10,000 lines are looked at.
    #[param(pattern = "^(estimate|exact)$")]
    count: Option<String>,
}

/// A line of the audit log.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Line {
    /// Its number: from 1, without gaps.
    number: u64,
    /// When.
    #[schema(format = DateTime)]
    at: String,
    /// The same in milliseconds since the Unix epoch: what the hash covers.
    timestamp: u64,
    /// Who.
    actor: String,
    /// What, by the name of the operation.
    action: String,
    /// With what.
    target: String,
    /// From which address.
    #[serde(skip_serializing_if = "Option::is_none")]
    source: Option<String>,
    /// In which request.
    #[serde(skip_serializing_if = "Option::is_none")]
    request: Option<String>,
    /// What it was: JSON, as the text that the hash covers.
    #[serde(skip_serializing_if = "Option::is_none")]
    before: Option<String>,
    /// What it is now: JSON, as the text that the hash covers.
    #[serde(skip_serializing_if = "Option::is_none")]
    after: Option<String>,
    /// The head of the chain with this line at its end: SHA-256 over it and the head before.
    #[schema(pattern = "^[0-9a-f]{64}$")]
    head: String,
}

impl Line {
    fn of(line: AuditLine) -> Self {
        let AuditLine {
            number,
            entry,
            head,
        } = line;
        Self {
            number,
            at: entry.at.rfc3339(),
            timestamp: entry.at.as_millis(),
            actor: entry.actor,
            action: entry.action,
            target: entry.target,
            source: entry.source,
            request: entry.request,
            before: entry.before,
            after: entry.after,
            head: head.to_string(),
        }
    }
}

/// A page of the audit log.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct LinePage {
    items: Vec<Line>,
    /// The cursor of the next page, if there is one.
    next_cursor: Option<String>,
    /// How long the whole list is, if that was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    count: Option<Count>,
}

/// The end of the chain.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct HeadShown {
    /// The number of the last line; 0: there is none.
    number: u64,
    /// The head: to be noted somewhere else, for `refit audit verify --head`.
    head: String,
}

/// Lists lines of the audit log.
#[utoipa::path(get, operation_id = "listAudit", tag = "audit", path = "/api/v1/audit", params(Which), responses(
    (status = 200, body = LinePage),
    (status = "4XX", body = show::Problem, content_type = "application/problem+json"),
))]
pub(crate) async fn list(
    State(app): State<Arc<App>>,
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
    let oldest_first = match which.order.as_deref() {
        None | Some("newest") => false,
        Some("oldest") => true,
        Some(_) => {
            let detail = "order is newest or oldest";
            return Err(Problem::of_parameter("order", FieldCode::NotOneOf, detail));
        }
    };
    let filter = AuditFilter {
        actor: which.actor,
        action: which.action,
        target: which.target,
    };
    let list = format!("audit {oldest_first} {filter:?}");
    let place = match part.cursor {
        None => None,
        Some(cursor) => {
            let place = app.cursors.read(&list, &cursor)?.parse::<u64>();
            Some(place.map_err(|_| Problem::new(Kind::BadCursor, ""))?)
        }
    };
    let from = if oldest_first {
        AuditFrom::After(place.unwrap_or_default())
    } else {
        AuditFrom::Before(place)
    };
    let read = app.readers.read(move |reader| {
        let lines = reader.audit(from, &filter, limit)?;
        let count = match part.count {
            Some(asked) => Some(count_of(reader, &filter, asked)?),
            None => None,
        };
        Ok((lines, count))
    });
    let (lines, count) = read.await?;
    let next = lines
        .get(limit - 1)
        .map(|last| app.cursors.write(&list, &last.number.to_string()));
    let link = ask::link_next(&uri, next.as_deref());
    let page = LinePage {
        items: lines.into_iter().map(Line::of).collect(),
        next_cursor: next,
        count,
    };
    Ok((link, Json(page)).into_response())
}

/// Counts the lines that fit. Without a filter the last one's number says it.
fn count_of(reader: &mut dyn Reader, filter: &AuditFilter, asked: Asked) -> Result<Count, Failure> {
    let (whole, _) = reader.audit_head()?;
    if *filter == AuditFilter::default() {
        return Ok(Count::exact(whole));
    }
    let counted = reader.count_audit(filter, LINES_MAX)?;
    Ok(match asked {
        Asked::Exact if whole > LINES_MAX as u64 => Count::at_least(counted),
        Asked::Exact | Asked::Estimate => Count::of_sample(counted, LINES_MAX as u64, whole),
    })
}

/// Shows the head of the audit log.
#[utoipa::path(get, operation_id = "showAuditHead", tag = "audit", path = "/api/v1/audit/head", responses(
    (status = 200, body = HeadShown),
    (status = "4XX", body = show::Problem, content_type = "application/problem+json"),
))]
pub(crate) async fn head(State(app): State<Arc<App>>) -> Result<Json<HeadShown>, Problem> {
    let (number, head) = app.readers.read(|reader| reader.audit_head()).await?;
    Ok(Json(HeadShown {
        number,
        head: head.to_string(),
    }))
}
