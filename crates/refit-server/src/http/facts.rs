//! What is said of a device beside its state, and by whom: shown with its source, and changed by operators.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use refit_access::matrix::Operation;
use refit_engine::author::Author;
use refit_protocol::device_id::DeviceId;
use refit_protocol::time::Timestamp;
use refit_selector::field::Source;
use refit_store::facts::{DeviceFacts, Edit, FactsChange, FactsError, FactsOutcome};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use utoipa::ToSchema;

use super::ask::{self, DevicePath, Dry, IfMatch, Query};
use super::error::{FieldCode, Kind, Problem};
use super::{App, show};
use crate::caller::{Caller, no_such_device};
use crate::{desk, wall};

/// The member of reported state that holds what a device says of itself.
const ATTRIBUTES: &str = "attributes";

/// What is said of a device.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Facts {
    /// Its tags, which operators set.
    pub(crate) tags: BTreeMap<String, String>,
    /// Its attributes. Where several say something, the operator's word stands, then the certificate's.
    pub(crate) attributes: BTreeMap<String, Attribute>,
    /// When its record was made.
    #[schema(value_type = String, format = DateTime)]
    pub(crate) created_at: String,
    /// When it first spoke.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub(crate) first_seen_at: Option<String>,
    /// When operators last changed what they say of it.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub(crate) changed_at: Option<String>,
    /// The version of what operators say; the ETag of these facts.
    pub(crate) version: u64,
    /// `true` if nothing was changed, and this is what would be; otherwise it is not there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) dry_run: Option<bool>,
}

/// An attribute.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Attribute {
    /// A text, a number, `true` or `false`.
    pub(crate) value: Value,
    /// Who says so: `operator`, `certificate` (what it was enrolled with) or `device`.
    #[schema(pattern = "^(operator|certificate|device)$")]
    pub(crate) source: &'static str,
}

impl Facts {
    /// `reported` is what the device says of itself.
    pub(super) fn of(known: DeviceFacts, reported: &Map<String, Value>) -> Self {
        let mut attributes = BTreeMap::new();
        let own = reported.get(ATTRIBUTES).and_then(Value::as_object);
        let own = own.cloned().unwrap_or_default();
        for (all, source) in [
            (own, Source::Device),
            (known.enrolment, Source::Certificate),
            (known.operator.attributes, Source::Operator),
        ] {
            let source = source.as_str();
            let flat = all.into_iter().filter(|(_, value)| is_flat(value));
            attributes.extend(flat.map(|(name, value)| (name, Attribute { value, source })));
        }
        Self {
            tags: known.operator.tags,
            attributes,
            created_at: known.created.rfc3339(),
            first_seen_at: known.first_seen.map(Timestamp::rfc3339),
            changed_at: known.changed.map(Timestamp::rfc3339),
            version: version(known.changed),
            dry_run: None,
        }
    }
}

const fn is_flat(value: &Value) -> bool {
    matches!(value, Value::String(_) | Value::Number(_) | Value::Bool(_))
}

fn version(changed: Option<Timestamp>) -> u64 {
    changed.map_or(0, Timestamp::as_millis)
}

/// Shows what is said of a device, and by whom.
#[utoipa::path(get, operation_id = "showFacts", tag = "devices", path = "/api/v1/devices/{id}/facts", params(DevicePath), responses(
    (status = 200, body = Facts, headers(("ETag" = String, description = "the version of what operators say"))),
    (status = "4XX", body = show::Problem, content_type = "application/problem+json"),
))]
pub(crate) async fn show(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    let device = ask::device(&id)?;
    let (facts, reported) = known(&app, &device).await?;
    Ok(shown(Facts::of(facts, &reported)))
}

fn shown(facts: Facts) -> Response {
    let tag = HeaderValue::from_str(&format!("\"{}\"", facts.version));
    let mut response = Json(facts).into_response();
    if let Ok(tag) = tag {
        response.headers_mut().insert(header::ETAG, tag);
    }
    response
}

/// Reads what is said of a device, and what it reports.
async fn known(app: &App, device: &DeviceId) -> Result<(DeviceFacts, Map<String, Value>), Problem> {
    let id = device.clone();
    let read = app.readers.read(move |reader| {
        let stored = reader.load(&id)?.filter(|stored| !stored.record.gone);
        Ok(match stored {
            Some(stored) => reader
                .facts(&id)?
                .map(|facts| (facts, stored.record.reported)),
            None => None,
        })
    });
    read.await?.ok_or_else(|| no_such_device(device))
}

/// What an operator says of a device. What is not named stays; `null` takes it away.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct ChangedFacts {
    /// Tags by name: 64 at most, of `a-z 0-9 . _ -`. A value may be empty.
    #[serde(default)]
    pub(super) tags: BTreeMap<String, Option<String>>,
    /// Attributes by name: texts, numbers, `true` or `false`.
    #[serde(default)]
    #[schema(value_type = Object)]
    pub(super) attributes: BTreeMap<String, Option<Value>>,
}

/// Changes what operators say of a device: its tags and attributes.
///
/// The body is a merge patch (RFC 7396). `If-Match` is demanded, with the ETag of the facts, or `*`.
#[utoipa::path(patch, operation_id = "changeFacts", tag = "devices", path = "/api/v1/devices/{id}/facts", params(
    DevicePath, Dry, IfMatch,
), request_body(content = ChangedFacts, content_type = "application/merge-patch+json"), responses(
    (status = 200, body = Facts),
    (status = 204, description = "done, and the caller may not read devices"),
    (status = "4XX", body = show::Problem, content_type = "application/problem+json"),
    (status = 507, body = show::Problem, content_type = "application/problem+json"),
))]
pub(crate) async fn change(
    State(app): State<Arc<App>>,
    caller: Caller,
    Path(id): Path<String>,
    Query(dry): Query<Dry>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let device = ask::device(&id)?;
    let from = ask::if_match(&headers)?.demanded()?;
    let changed: ChangedFacts = ask::document(&headers, body).await?;
    let change = FactsChange {
        device: device.clone(),
        tags: Edit::Patch(changed.tags),
        attributes: Edit::Patch(changed.attributes),
        make: false,
        from: from.map(Timestamp),
    };
    let shown = if dry.dry_run {
        pretended(&app, &device, &change).await?
    } else {
        let by = Author::from(&caller);
        let target = format!("device:{device}");
        let outcomes = describe(&app, &by, target, vec![change]).await?;
        match outcomes.into_iter().next() {
            Some(FactsOutcome::Changed { .. } | FactsOutcome::Same(_)) => {
                let (facts, reported) = known(&app, &device).await?;
                shown(Facts::of(facts, &reported))
            }
            Some(FactsOutcome::Conflict) => return Err(another_version()),
            Some(FactsOutcome::Refused(why)) => return Err(refused(&why)),
            Some(FactsOutcome::Missing) | None => return Err(no_such_device(&device)),
        }
    };
    // Whoever may write, and not read, learns that it is done, and nothing else.
    match caller.may(Operation::DeviceRead, Some(&device)) {
        Ok(()) => Ok(shown),
        Err(_) => Ok(axum::http::StatusCode::NO_CONTENT.into_response()),
    }
}

async fn pretended(
    app: &App,
    device: &DeviceId,
    change: &FactsChange,
) -> Result<Response, Problem> {
    let (mut facts, reported) = known(app, device).await?;
    let is = version(facts.changed);
    if change.from.is_some_and(|from| from.as_millis() != is) {
        return Err(another_version());
    }
    facts.operator = facts.operator.edited(change).map_err(|why| refused(&why))?;
    let mut facts = Facts::of(facts, &reported);
    facts.dry_run = Some(true);
    Ok(Json(facts).into_response())
}

fn another_version() -> Problem {
    let detail = "what operators say of it has changed since: read the facts, then send their ETag";
    Problem::new(Kind::VersionConflict, detail)
}

fn refused(why: &FactsError) -> Problem {
    let code = match why {
        FactsError::Key(_) => FieldCode::Malformed,
        FactsError::ValueKind(_) => FieldCode::WrongType,
        FactsError::ValueTooLong(_) | FactsError::TooMany | FactsError::TooLarge(_) => {
            FieldCode::OutOfRange
        }
    };
    Problem::of_field(of(why), code, why.to_string())
}

/// Returns the member that is wrong, as far as that is one.
const fn of(why: &FactsError) -> &'static str {
    match why {
        FactsError::ValueKind(_) => ATTRIBUTES,
        FactsError::Key(_)
        | FactsError::ValueTooLong(_)
        | FactsError::TooMany
        | FactsError::TooLarge(_) => "tags",
    }
}

/// Changes what is said of devices, and returns once that is durable and selectors find it.
pub(super) async fn describe(
    app: &App,
    by: &Author,
    target: String,
    changes: Vec<FactsChange>,
) -> Result<Vec<FactsOutcome>, Problem> {
    let after = match changes.as_slice() {
        [one] => told(one),
        many => json!({ "described": many.len() }),
    };
    let line = desk::line(by, Operation::DeviceDescribe.as_str(), target, Some(after));
    let (store, indexing) = (Arc::clone(&app.store), app.fleet.indexing().clone());
    let changed = tokio::task::spawn_blocking(move || {
        let devices: Vec<DeviceId> = changes.iter().map(|one| one.device.clone()).collect();
        let outcomes = store.change_facts(changes, wall::now(), Some(line))?;
        let changed = devices.into_iter().zip(&outcomes);
        let changed = changed.filter(|(_, one)| matches!(one, FactsOutcome::Changed { .. }));
        indexing.look_again(changed.map(|(device, _)| device).collect());
        indexing.settle();
        Ok(outcomes)
    });
    let changed = changed.await;
    changed
        .map_err(|_| Problem::internal("a change of facts was abandoned"))?
        .map_err(Problem::of_store)
}

fn told(change: &FactsChange) -> Value {
    json!({ "tags": members(&change.tags), "attributes": members(&change.attributes) })
}

fn members<T: Clone + Into<Value>>(edit: &Edit<T>) -> Map<String, Value> {
    match edit {
        Edit::Patch(patch) => {
            let all = patch.iter();
            all.map(|(name, value)| (name.clone(), value.clone().map_or(Value::Null, Into::into)))
                .collect()
        }
        Edit::Replace(all) => {
            let all = all.iter();
            all.map(|(name, value)| (name.clone(), value.clone().into()))
                .collect()
        }
    }
}
