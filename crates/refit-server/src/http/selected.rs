//! Lists of the devices that a selector means: found in the index, and shown from their records.

use std::sync::Arc;

use axum::Json;
use axum::http::Uri;
use axum::response::{IntoResponse, Response};
use refit_access::rights::Rights;
use refit_engine::shard::Presence;
use refit_index::Index;
use refit_protocol::device_id::DeviceId;
use refit_selector::Selector;
use refit_store::reader::{DeviceRow, Wanted};
use refit_store::store::{DeviceKey, Stored};
use serde::Deserialize;
use utoipa::IntoParams;

use super::App;
use super::ask::{self, Page, Part};
use super::count::Count;
use super::error::{Kind, Problem};
use super::selector;
use super::show::{DeviceLine, DevicePage};
use crate::caller::Caller;

/// Which devices are wanted, and which part of their list.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct List {
    limit: Option<usize>,
    cursor: Option<String>,
    count: Option<String>,
    pub(super) select: Option<String>,
}

impl List {
    pub(super) fn page(&self) -> Page {
        Page {
            limit: self.limit,
            cursor: self.cursor.clone(),
            count: self.count.clone(),
        }
    }
}

/// Which devices are meant.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Select {
    /// A selector, as `model = gw-200 and version < 1.4.0`; all devices, if it is not given.
    #[param(min_length = 1, max_length = 4096)]
    pub(crate) select: Option<String>,
}

/// Answers with a page of the devices that are meant and seen.
pub(super) async fn page(
    app: &App,
    caller: Caller,
    uri: &Uri,
    text: &str,
    part: Part,
) -> Result<Response, Problem> {
    let selector = selector::read(app, text)?;
    let list = format!("devices {selector}");
    let place = part.cursor.map(|cursor| app.cursors.read(&list, &cursor));
    let after = place.transpose()?.map(|place| place.parse::<u64>());
    let after = after
        .transpose()
        .map_err(|_| Problem::new(Kind::BadCursor, "the cursor is none of this list"))?;
    let (limit, asked) = (part.limit, part.count);
    let (index, fleet) = (Arc::clone(app.fleet.indexing().index()), app.fleet.clone());
    let rights = caller.rights;
    let read = app.readers.read(move |reader| {
        let (found, next, count) = index.read(|index| {
            let (found, next) = find(index, &selector, &rights, after, limit);
            let count = asked.map(|_| Count::exact(count(index, &selector, &rights)));
            (found, next, count)
        });
        let stored = reader.load_many(&found)?;
        let rows = found
            .into_iter()
            .zip(stored)
            .filter_map(|(wanted, stored)| {
                let stored = stored.filter(|stored| !stored.record.gone)?;
                Some(row(wanted.device, &stored))
            });
        let rows: Vec<DeviceRow> = rows.collect();
        let presence = fleet.presence(rows.iter().map(|row| row.id.clone()).collect());
        Ok((rows, next, count, presence))
    });
    let (rows, next, count, presence) = read.await?;
    let next = next.map(|next| app.cursors.write(&list, &next.to_string()));
    let presence = presence
        .into_iter()
        .chain(std::iter::repeat(Presence::Away));
    let items = rows.into_iter().zip(presence);
    let page = DevicePage {
        items: items
            .map(|(row, presence)| DeviceLine::of(row, presence, &app.releases))
            .collect(),
        next_cursor: next,
        count,
    };
    let link = ask::link_next(uri, page.next_cursor.as_deref());
    Ok((link, Json(page)).into_response())
}

/// Finds a page of devices, and behind which key the next one begins, if there may be more. A list that was removed a
/// moment ago has nobody.
fn find(
    index: &Index,
    selector: &Selector,
    rights: &Rights,
    mut after: Option<u64>,
    limit: usize,
) -> (Vec<Wanted>, Option<u64>) {
    let mut found = Vec::new();
    loop {
        let ask = selector::ask();
        let keys = index.page(selector, &ask, after, limit).unwrap_or_default();
        let is_last = keys.len() < limit;
        for key in keys {
            after = Some(key);
            let id = index.id(key).map(DeviceId::parse);
            if let Some(Ok(device)) = id
                && rights.sees(&device)
            {
                let key = Some(DeviceKey(key));
                found.push(Wanted { device, key });
                if found.len() == limit {
                    return (found, after);
                }
            }
        }
        if is_last {
            return (found, None);
        }
    }
}

/// Counts the devices that are meant and seen.
pub(super) fn count(index: &Index, selector: &Selector, rights: &Rights) -> u64 {
    let ask = selector::ask();
    if rights.sees_all() {
        return index.count(selector, &ask).unwrap_or_default();
    }
    let selection = index.select(selector, &ask).unwrap_or_default();
    let ids = selection.keys().filter_map(|key| index.id(key));
    let devices = ids.filter_map(|id| DeviceId::parse(id).ok());
    devices.filter(|device| rights.sees(device)).count() as u64
}

fn row(id: DeviceId, stored: &Stored) -> DeviceRow {
    let record = &stored.record;
    DeviceRow {
        id,
        version: record.version,
        desired_software: record.desired_software().map(Into::into),
        reported_software: record.reported_software().map(Into::into),
        job: record
            .job
            .as_ref()
            .map(|job| (job.id.clone(), job.status())),
        seen: stored.seen,
    }
}
