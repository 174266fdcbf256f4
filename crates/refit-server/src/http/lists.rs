//! Uploaded lists of device IDs, which selectors name: `in list NAME`.

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::Json;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use refit_access::matrix::Operation;
use refit_engine::author::Author;
use refit_protocol::device_id::DeviceId;
use refit_protocol::document;
use refit_selector::Selector;
use refit_selector::limits::is_name;
use refit_store::list::{LIST_IDS_MAX, LISTS_MAX, ListOutcome, ListRow, NewList};
use serde::Serialize;
use serde_json::{Value, json};
use utoipa::ToSchema;

use super::ask::{Dry, Page, Query};
use super::count::Count;
use super::error::{FieldCode, Kind, Problem};
use super::lines::{Line, Lines};
use super::{App, selector, show, whole};
use crate::caller::Caller;
use crate::{desk, wall};

/// How many lines are read at a time.
const SLICE: usize = 1_000;

/// A list, in a path.
#[derive(utoipa::IntoParams)]
#[into_params(parameter_in = Path)]
#[expect(dead_code, reason = "it describes what `checked` reads")]
pub(crate) struct ListPath {
    /// The list's name.
    #[param(pattern = "^[A-Za-z0-9_.-]{1,64}$")]
    name: String,
}

/// A list of IDs.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct DeviceList {
    name: String,
    /// How many IDs it has.
    count: u64,
    /// How many of them are devices that are known.
    known: u64,
    /// When it was uploaded.
    #[schema(value_type = String, format = DateTime)]
    changed_at: String,
    /// `true` if nothing was changed, and this is what would be; otherwise it is not there.
    #[serde(skip_serializing_if = "Option::is_none")]
    dry_run: Option<bool>,
}

/// A page of lists, by name.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ListPage {
    items: Vec<DeviceList>,
    /// The cursor of the next page, if there is one.
    next_cursor: Option<String>,
    /// How long the whole list is, if that was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    count: Option<Count>,
}

/// Names the uploaded lists.
#[utoipa::path(get, operation_id = "listLists", tag = "lists", path = "/api/v1/lists", params(Page), responses(
    (status = 200, body = ListPage),
    (status = "4XX", body = show::Problem, content_type = "application/problem+json"),
))]
pub(crate) async fn list(
    State(app): State<Arc<App>>,
    uri: Uri,
    Query(page): Query<Page>,
) -> Result<Response, Problem> {
    let all = app.readers.read(|reader| reader.lists()).await?;
    let cut = whole::page((&app.cursors, "lists"), (&uri, page), all, |row| {
        row.name.clone()
    })?;
    let items = cut.items.into_iter().map(|row| told(&app, row)).collect();
    let page = ListPage {
        items,
        next_cursor: cut.next,
        count: cut.count,
    };
    Ok((cut.link, Json(page)).into_response())
}

fn told(app: &App, row: ListRow) -> DeviceList {
    let selector = Selector::parse(&format!("in list {}", row.name)).ok();
    let index = app.fleet.indexing().index();
    let count = |selector| index.read(|index| index.count(&selector, &selector::ask()).ok());
    DeviceList {
        known: selector.and_then(count).unwrap_or_default(),
        name: row.name,
        count: row.count,
        changed_at: row.changed.rfc3339(),
        dry_run: None,
    }
}

/// Shows the IDs of a list, one a line.
#[utoipa::path(get, operation_id = "showList", tag = "lists", path = "/api/v1/lists/{name}", params(ListPath), responses(
    (status = 200, body = String, content_type = "text/plain"),
    (status = "4XX", body = show::Problem, content_type = "application/problem+json"),
))]
pub(crate) async fn show(
    State(app): State<Arc<App>>,
    Path(name): Path<String>,
) -> Result<Response, Problem> {
    let asked = checked(&name)?;
    let read = app.readers.read(move |reader| reader.list_ids(&asked));
    let ids = read.await?.ok_or_else(|| no_such(&name))?;
    let mut text = String::new();
    for id in ids {
        text += id.as_str();
        text.push('\n');
    }
    let kind = [(header::CONTENT_TYPE, "text/plain; charset=utf-8")];
    Ok((kind, text).into_response())
}

/// Puts a list in the place of the one of its name. The body has an ID a line, or a JSON object with an `id` a line. An ID may
/// be in a list before its device is known. Of a line that is no ID nothing is kept: 422, with its number.
#[utoipa::path(put, operation_id = "putList", tag = "lists", path = "/api/v1/lists/{name}", params(ListPath, Dry),
    request_body(content = String, content_type = "text/plain"), responses(
    (status = 200, body = DeviceList, description = "it took the place of another"),
    (status = 201, body = DeviceList),
    (status = "4XX", body = show::Problem, content_type = "application/problem+json"),
    (status = 507, body = show::Problem, content_type = "application/problem+json"),
))]
pub(crate) async fn put(
    State(app): State<Arc<App>>,
    caller: Caller,
    Path(name): Path<String>,
    Query(dry): Query<Dry>,
    body: Body,
) -> Result<Response, Problem> {
    let name = checked(&name)?;
    let list = NewList {
        name: name.clone(),
        ids: ids(Lines::of(body)).await?,
        at: wall::now(),
    };
    let row = ListRow {
        name: name.clone(),
        count: list.ids.len() as u64,
        changed: list.at,
    };
    if dry.dry_run {
        let mut list = told(&app, row);
        list.dry_run = Some(true);
        return Ok(Json(list).into_response());
    }
    let after = json!({ "count": row.count });
    let line = desk::line(
        &Author::from(&caller),
        Operation::ListWrite.as_str(),
        format!("list:{name}"),
        Some(after),
    );
    let (store, indexing) = (Arc::clone(&app.store), app.fleet.indexing().clone());
    let put = tokio::task::spawn_blocking(move || {
        let outcome = store.put_list(list.clone(), Some(line))?;
        if matches!(outcome, ListOutcome::Put { .. }) {
            indexing.list_put(list.name, list.ids);
            indexing.settle();
        }
        Ok(outcome)
    });
    let put = put
        .await
        .map_err(|_| Problem::internal("a list was abandoned"))?;
    match put.map_err(Problem::of_store)? {
        ListOutcome::Put { made } => {
            let status = if made {
                StatusCode::CREATED
            } else {
                StatusCode::OK
            };
            Ok((status, Json(told(&app, row))).into_response())
        }
        ListOutcome::Full => Err(Problem::new(
            Kind::Conflict,
            format!("there are {LISTS_MAX} lists already: remove one"),
        )),
    }
}

async fn ids(mut lines: Lines) -> Result<BTreeSet<DeviceId>, Problem> {
    let mut ids = BTreeSet::new();
    while let Some(slice) = lines.next(SLICE).await {
        for line in slice {
            ids.insert(id(line)?);
        }
        if ids.len() > LIST_IDS_MAX {
            let detail = format!("a list has at most {LIST_IDS_MAX} IDs; make several");
            return Err(Problem::new(Kind::TooLarge, detail));
        }
    }
    Ok(ids)
}

fn id(line: Line) -> Result<DeviceId, Problem> {
    let number = line.number;
    let read = line.read.and_then(|bytes| match bytes.trim_ascii() {
        object @ [b'{', ..] => match document::parse_object(object)?.remove("id") {
            Some(Value::String(id)) => DeviceId::parse(&id).map_err(|why| why.to_string()),
            Some(_) | None => Err("id is missing, or no string".into()),
        },
        text => {
            let text = std::str::from_utf8(text).map_err(|why| why.to_string())?;
            DeviceId::parse(text).map_err(|why| why.to_string())
        }
    });
    read.map_err(|why| {
        let detail = format!("line {number}: {why}");
        Problem::of_field("", FieldCode::Malformed, detail).with("line", number)
    })
}

/// Removes a list. Selectors that name it are refused from then on.
#[utoipa::path(delete, operation_id = "removeList", tag = "lists", path = "/api/v1/lists/{name}", params(ListPath, Dry), responses(
    (status = 204),
    (status = 200, body = DeviceList, description = "this list would be removed; nothing was"),
    (status = "4XX", body = show::Problem, content_type = "application/problem+json"),
    (status = 507, body = show::Problem, content_type = "application/problem+json"),
))]
pub(crate) async fn remove(
    State(app): State<Arc<App>>,
    caller: Caller,
    Path(name): Path<String>,
    Query(dry): Query<Dry>,
) -> Result<Response, Problem> {
    let name = checked(&name)?;
    if dry.dry_run {
        let all = app.readers.read(|reader| reader.lists()).await?;
        let found = all.into_iter().find(|row| row.name == name);
        let mut list = told(&app, found.ok_or_else(|| no_such(&name))?);
        list.dry_run = Some(true);
        return Ok(Json(list).into_response());
    }
    let line = desk::line(
        &Author::from(&caller),
        Operation::ListWrite.as_str(),
        format!("list:{name}"),
        None,
    );
    let (store, indexing) = (Arc::clone(&app.store), app.fleet.indexing().clone());
    let gone = name.clone();
    let removed = tokio::task::spawn_blocking(move || {
        let removed = store.remove_list(&gone, Some(line))?;
        if removed {
            indexing.list_removed(gone);
            indexing.settle();
        }
        Ok(removed)
    });
    let removed = removed
        .await
        .map_err(|_| Problem::internal("the removal of a list was abandoned"))?;
    match removed.map_err(Problem::of_store)? {
        true => Ok(StatusCode::NO_CONTENT.into_response()),
        false => Err(no_such(&name)),
    }
}

fn no_such(name: &str) -> Problem {
    let detail = format!("there is no list {name}; GET /api/v1/lists names those that there are");
    Problem::new(Kind::NoList, detail)
}

/// Checks that a name can be one of a list, as selectors read it.
fn checked(name: &str) -> Result<String, Problem> {
    if is_name(name) {
        return Ok(name.to_owned());
    }
    let detail = "a list's name has 1 to 64 letters, digits and _ - .";
    Err(Problem::new(Kind::BadRequest, detail))
}
