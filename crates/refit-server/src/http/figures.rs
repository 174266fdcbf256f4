//! The fleet in figures, each with the selector that names exactly those devices.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use refit_index::{Ask, Cell, Index};
use refit_selector::Selector;
use refit_selector::field::Field;
use serde::Serialize;
use utoipa::ToSchema;

use super::error::Problem;
use super::{App, selector, show};

/// The whole fleet.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Fleet {
    /// All devices.
    devices: Figure,
    /// Those that can be reached.
    online: Figure,
    /// Those that run other software than they should, or none that is known.
    drifting: Figure,
    /// Those whose latest job went wrong.
    failing: Figure,
    /// Those that were not heard for seven days, or ever.
    unseen: Figure,
    /// How many run which version of which software.
    software: Vec<SoftwareCount>,
    /// How many of which model run which version; the map of the two.
    models: Vec<ModelCount>,
}

/// How many devices a selector means.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Figure {
    count: u64,
    /// The selector that names them.
    select: &'static str,
}

/// One version of one software.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct SoftwareCount {
    /// The name of the software; `null`: it is no release of this server, or none.
    software: Option<String>,
    version: Option<String>,
    count: u64,
}

/// One model with one version.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ModelCount {
    /// The model; `null`: nobody said.
    model: Option<String>,
    version: Option<String>,
    count: u64,
}

/// Shows the whole fleet in figures.
#[utoipa::path(get, operation_id = "showFleet", tag = "devices", path = "/api/v1/fleet", responses(
    (status = 200, body = Fleet),
    (status = "4XX", body = show::Problem, content_type = "application/problem+json"),
))]
pub(crate) async fn show(State(app): State<Arc<App>>) -> Result<Json<Fleet>, Problem> {
    let index = Arc::clone(app.fleet.indexing().index());
    let fleet = selector::look(move || index.read(|index| of(index, &selector::ask()))).await?;
    fleet
        .map(Json)
        .ok_or_else(|| Problem::internal("a selector of our own is none"))
}

fn of(index: &Index, ask: &Ask<'_>) -> Option<Fleet> {
    let figure = |select: &'static str| {
        let count = index.count(&Selector::parse(select).ok()?, ask).ok()?;
        Some(Figure { count, select })
    };
    let all = Selector::parse("all").ok()?;
    let map = |first, second| -> Option<Vec<Cell>> { index.group(&all, ask, &first, &second).ok() };
    let software = map(Field::Software, Field::Version)?;
    let models = map(Field::Model, Field::Version)?;
    Some(Fleet {
        devices: figure("all")?,
        online: figure("online")?,
        drifting: figure("drifting")?,
        failing: figure("job.status in (FAILED, REJECTED, TIMED_OUT)")?,
        unseen: figure("not seen within 7d")?,
        software: software
            .into_iter()
            .map(|cell| SoftwareCount {
                software: cell.first,
                version: cell.second,
                count: cell.count,
            })
            .collect(),
        models: models
            .into_iter()
            .map(|cell| ModelCount {
                model: cell.first,
                version: cell.second,
                count: cell.count,
            })
            .collect(),
    })
}
