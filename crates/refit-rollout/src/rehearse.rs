//! What would this plan do? Who is in which wave and who never can be, how many bytes, how long at the least, and a run of
//! the planner itself over a model of the fleet: the same code that opens jobs says beforehand what it will open.
//!
//! Of the fleet only figures go in. The model is even: each job takes the time that is assumed, every so-many-th fails, and
//! who is away stays away. Chance would make two rehearsals differ, and nobody could compare plans.

mod model;

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use refit_protocol::measure::{Share, Span};
use refit_protocol::time::Timestamp;
use serde::Serialize;

use crate::admit::LeftOut;
use crate::plan::{Millis, Plan};
use crate::threshold::{Row, table};

/// What is known of the fleet.
#[derive(Clone, Debug, Default)]
pub struct Fleet {
    /// How many devices each of [`Plan::all_waves`] has ([`crate::waves::cut`]).
    pub waves: Vec<u32>,
    /// How many of each wave are away now.
    pub away: Vec<u32>,
    /// Who the selector finds and could not be taken in, by reason.
    pub left_out: Vec<(LeftOut, u32)>,
    /// What has to be downloaded: so many devices, so many bytes each, over all the releases on their way.
    pub loads: Vec<Load>,
}

/// Devices that download alike.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Load {
    /// So many devices,
    pub devices: u32,
    /// so many bytes each.
    pub bytes: u64,
}

/// What is assumed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Assumed {
    /// How long a job takes: the median of the last rollouts of this software.
    pub job: Span,
    /// Which share of the devices fails.
    pub fails: Share,
}

/// What a plan would do.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Rehearsal {
    /// How many devices the selector finds.
    pub matched: u32,
    /// How many of them can be taken in.
    pub eligible: u32,
    /// Why the others cannot, in counts.
    pub left_out: Vec<(String, u32)>,
    /// The waves.
    pub waves: Vec<Wave>,
    /// How many bytes are downloaded if each device does so once.
    pub bytes: u64,
    /// How long it takes if nobody is away and nothing fails; `None`: it does not come to an end.
    pub at_least: Option<Span>,
    /// What becomes of it as things are now.
    pub forecast: Forecast,
    /// What each threshold means at this size.
    pub tables: Vec<Vec<Row>>,
    /// What should be looked at before it starts.
    pub notes: Vec<String>,
}

/// A wave of a rehearsal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Wave {
    /// What people call it, or its number from 1.
    pub name: String,
    /// How many devices.
    pub devices: u32,
    /// When it opens; `None`: it never does.
    pub opens: Option<Millis>,
    /// When it is through.
    pub done: Option<Millis>,
}

/// What becomes of a rollout in the model.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Forecast {
    /// FINISHED, PAUSED, ABORTED, or RUNNING if it was still under way when the rehearsal gave up.
    pub ends: &'static str,
    /// Why it stopped.
    pub because: Option<String>,
    /// After how long its last job ended, or it stopped.
    pub after: Span,
    /// How many jobs were opened.
    pub opened: u32,
    /// How many devices succeeded.
    pub succeeded: u32,
    /// How many failed.
    pub failed: u32,
}

/// Rehearses a plan. `closed` tells until when windows are closed at a time, in the zone that most devices are in.
pub fn rehearse(
    plan: &Plan,
    fleet: &Fleet,
    assumed: Assumed,
    now: Timestamp,
    closed: &dyn Fn(Timestamp) -> Option<Timestamp>,
) -> Rehearsal {
    let best = Fleet {
        away: Vec::new(),
        ..fleet.clone()
    };
    let flawless = Assumed {
        fails: Share::percent(0),
        ..assumed
    };
    let best = model::run(plan, &best, flawless, now, closed);
    let run = model::run(plan, fleet, assumed, now, closed);
    let eligible = fleet
        .waves
        .iter()
        .fold(0, |all: u32, wave| all.saturating_add(*wave));
    let left_out = fleet.left_out.iter().map(|(_, count)| count);
    let matched = left_out.fold(eligible, |all, count| all.saturating_add(*count));
    let loads = fleet.loads.iter();
    let bytes = loads.map(|load| u64::from(load.devices).saturating_mul(load.bytes));
    Rehearsal {
        matched,
        eligible,
        left_out: fleet
            .left_out
            .iter()
            .map(|(why, count)| (format!("{why}"), *count))
            .collect(),
        waves: waves(plan, fleet, &run.waves),
        bytes: bytes.fold(0, u64::saturating_add),
        at_least: (best.forecast.ends == "FINISHED").then_some(best.forecast.after),
        forecast: run.forecast,
        tables: plan
            .all_thresholds()
            .iter()
            .map(|line| table(line, eligible))
            .collect(),
        notes: notes(plan, fleet, matched, eligible),
    }
}

fn waves(
    plan: &Plan,
    fleet: &Fleet,
    times: &[(Option<Timestamp>, Option<Timestamp>)],
) -> Vec<Wave> {
    let specs = plan.all_waves();
    let named = specs
        .iter()
        .zip(1..)
        .map(|(wave, number)| wave.name.clone().unwrap_or_else(|| format!("{number}")));
    named
        .zip(&fleet.waves)
        .enumerate()
        .map(|(at, (name, devices))| {
            let (opens, done) = times.get(at).copied().unwrap_or_default();
            Wave {
                name,
                devices: *devices,
                opens: opens.map(Millis::from),
                done: done.map(Millis::from),
            }
        })
        .collect()
}

fn notes(plan: &Plan, fleet: &Fleet, matched: u32, eligible: u32) -> Vec<String> {
    let mut notes = Vec::new();
    if matched == 0 {
        notes.push("the selector finds nobody: see `refit selector explain`".into());
    } else if eligible == 0 {
        notes.push(format!(
            "of {matched} devices that the selector finds none can be taken in"
        ));
    }
    for (wave, number) in fleet.waves.iter().zip(1..) {
        if *wave == 0 && eligible > 0 {
            notes.push(format!("wave {number} is empty"));
        }
    }
    for (line, number) in plan.all_thresholds().iter().zip(1..) {
        if eligible > 0 && line.stops_at(eligible).is_none_or(|k| k > eligible) {
            notes.push(format!(
                "threshold {number} never stops a rollout of {eligible} devices: in a small fleet use count"
            ));
        }
    }
    let away: u32 = fleet.away.iter().sum();
    if away > 0 {
        notes.push(format!(
            "{away} of {eligible} devices are away: they get their job when they are back"
        ));
    }
    notes
}

#[cfg(test)]
mod tests;
