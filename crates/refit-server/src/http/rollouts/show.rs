//! How rollouts are shown.

use std::collections::BTreeMap;

use refit_engine::conductor::{self, Acted, clusters};
use refit_protocol::time::Timestamp;
use refit_rollout::admit::{Source, Standing};
use refit_rollout::check::Complaint;
use refit_rollout::state::{Status, WaveState};
use refit_rollout::step::WaveView;
use refit_rollout::tally::{Kind, Tally};
use refit_store::rollout::RolloutRow;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use crate::http::App;
use crate::http::count::Count;
use crate::http::show::Blocker;

/// A rollout, as a list shows it.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct RolloutLine {
    /// Its name.
    name: String,
    /// `DRAFT`, `AWAITING_APPROVAL`, `SCHEDULED`, `RUNNING`, `PAUSED`, `ABORTED` or `FINISHED`.
    status: String,
    /// Rises with each change: its ETag.
    pub(super) revision: u64,
    #[schema(value_type = String, format = DateTime)]
    created_at: String,
    #[schema(value_type = String, format = DateTime)]
    changed_at: String,
}

impl RolloutLine {
    pub(super) fn of(row: &RolloutRow) -> Self {
        Self {
            name: row.name.as_str().into(),
            status: row.status.clone(),
            revision: row.revision,
            created_at: row.created.rfc3339(),
            changed_at: row.changed.rfc3339(),
        }
    }
}

/// A page of rollouts.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct RolloutPage {
    pub(super) items: Vec<RolloutLine>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) next_cursor: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) count: Option<Count>,
}

/// A rollout.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Rollout {
    #[serde(flatten)]
    pub(super) line: RolloutLine,
    /// What was asked for: docs/reference/plan.md.
    #[schema(value_type = Object)]
    plan: Value,
    /// Why it stopped, if it did.
    because: Option<Because>,
    /// Since when it stands so.
    #[schema(value_type = Option<String>, format = DateTime)]
    since: Option<String>,
    /// Who stopped it; absent if it did so by itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    by: Option<String>,
    /// Who started it.
    started_by: Option<String>,
    /// Who agreed.
    approved_by: Vec<String>,
    /// How many devices it has; none before it begins.
    devices: u32,
    /// Its devices by how their newest job stands; those without one are left out.
    counts: BTreeMap<&'static str, u32>,
    /// Its waves; none before it begins.
    waves: Vec<Wave>,
    /// What it waits for, in sentences.
    waits_for: Vec<String>,
    /// What failures have in common.
    clusters: Vec<Cluster>,
    /// What an abort does to whom.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    toll: Option<Value>,
    /// Whether nothing was changed: this is what would be.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) dry_run: Option<bool>,
}

/// Why a rollout stopped.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Because {
    /// The stable name of the rule.
    rule: &'static str,
    /// In a sentence.
    text: String,
    /// The value and the line that it crossed, by rule.
    #[schema(value_type = Object)]
    detail: Value,
}

/// A wave.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Wave {
    /// What people call it, or its number from 1.
    name: String,
    /// `waiting`, `open`, `soaking` or `done`.
    status: &'static str,
    /// How many devices it has.
    devices: u32,
    /// How many of them have had a job.
    opened: u32,
    /// Its devices by how their newest job stands.
    counts: BTreeMap<&'static str, u32>,
}

/// Failures that have something in common.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Cluster {
    /// How they ended.
    kind: &'static str,
    /// What was said of why, without its numbers.
    reason: String,
    /// On which model, if that is known.
    model: Option<String>,
    /// From which version, if that is known.
    from: Option<String>,
    /// How many, of the newest 1,000 of each kind.
    jobs: u32,
}

/// How a device stands to a rollout that is not over.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct DeviceRollout {
    /// Its name.
    name: String,
    /// The wave that the device is in, from 1; none if it is in none.
    wave: Option<u32>,
    /// `done`, `at-work`, `next` or `blocked`.
    standing: &'static str,
    /// All that stands between the device and its job, what goes before the others first.
    why: Vec<Blocker>,
}

impl DeviceRollout {
    pub(crate) fn of(reason: conductor::Reason, seen: Option<Timestamp>, now: Timestamp) -> Self {
        let (standing, why) = match reason.standing {
            Standing::Done => ("done", Vec::new()),
            Standing::AtWork => ("at-work", Vec::new()),
            Standing::Admitted { .. } => ("next", Vec::new()),
            Standing::Blocked(blockers) => ("blocked", blockers),
        };
        Self {
            name: reason.rollout.as_str().into(),
            wave: reason.wave.map(|wave| u32::from(wave) + 1),
            standing,
            why: why
                .iter()
                .map(|blocker| {
                    // What a device said is as old as its last word.
                    let (source, at) = match blocker.source() {
                        Source::Server => ("server", now),
                        Source::Device => ("device", seen.unwrap_or(now)),
                    };
                    Blocker {
                        rule: blocker.rule().as_str(),
                        sentence: blocker.to_string(),
                        source,
                        as_of: at.rfc3339(),
                    }
                })
                .collect(),
        }
    }
}

/// A plan that was looked at.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Rehearsed {
    /// All that is wrong with it, the errors first.
    complaints: Vec<ComplaintShown>,
    /// What it would do; absent if it cannot be run.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    rehearsal: Option<Value>,
}

/// One thing that is wrong with a plan.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ComplaintShown {
    /// Where, such as `waves[1].upTo`.
    path: String,
    /// `error` or `warning`.
    #[schema(value_type = String)]
    severity: refit_rollout::check::Severity,
    /// What is wrong.
    message: String,
    /// What to do.
    hint: String,
}

impl Rehearsed {
    pub(super) fn of(rehearsed: conductor::Rehearsed) -> Self {
        let of = |complaint: Complaint| ComplaintShown {
            path: complaint.path,
            severity: complaint.severity,
            message: complaint.message,
            hint: complaint.hint,
        };
        Self {
            complaints: rehearsed.complaints.into_iter().map(of).collect(),
            rehearsal: rehearsed
                .rehearsal
                .and_then(|rehearsal| serde_json::to_value(rehearsal).ok()),
        }
    }
}

impl Rollout {
    pub(super) fn of(app: &App, acted: &Acted, clusters: Vec<clusters::Cluster>) -> Self {
        let (state, status) = (&acted.state, &acted.state.status);
        let all = acted.waves.iter().map(|wave| wave.tally);
        let all = all.fold(Tally::default(), |all, tally| all.plus(&tally));
        let specs = acted.plan.all_waves();
        let waves = acted.waves.iter().enumerate().map(|(at, view)| {
            let spec = specs.get(at);
            let name = spec.and_then(|spec| spec.name.clone());
            let wave = u16::try_from(at).unwrap_or(u16::MAX);
            Wave::of(name, at + 1, state.wave(wave), view)
        });
        let (since, by) = since(status);
        Self {
            line: RolloutLine::of(&acted.row),
            plan: serde_json::to_value(&acted.plan).unwrap_or_default(),
            because: status.because().map(|because| Because {
                rule: because.rule(),
                text: because.to_string(),
                detail: serde_json::to_value(because).unwrap_or_default(),
            }),
            since: since.map(|at| Timestamp::from(at).rfc3339()),
            by: by.cloned(),
            started_by: state.started_by.clone(),
            approved_by: state.approvals.iter().map(|a| a.by.clone()).collect(),
            devices: acted.waves.iter().map(|wave| wave.members).sum(),
            counts: counted(&all),
            waves: waves.collect(),
            waits_for: waits(app, acted),
            clusters: clusters.into_iter().map(Cluster::of).collect(),
            toll: acted.toll.and_then(|toll| serde_json::to_value(toll).ok()),
            dry_run: None,
        }
    }
}

/// Returns what a rollout waits for: what its state tells alone, and else what the conductor saw.
fn waits(app: &App, acted: &Acted) -> Vec<String> {
    let word = match acted.state.status {
        Status::Draft => "an operator has to start it",
        Status::AwaitingApproval { .. } => "a second person has to approve it",
        Status::Aborted { .. } | Status::Finished { .. } => return Vec::new(),
        Status::Paused { .. } => "it is paused: an operator has to resume it",
        Status::Scheduled { .. } | Status::Running { .. } => {
            let waits = app.conductor.waits(acted.row.id);
            return waits.unwrap_or_default().why;
        }
    };
    vec![word.into()]
}

fn since(status: &Status) -> (Option<refit_rollout::plan::Millis>, Option<&String>) {
    match status {
        Status::Draft => (None, None),
        Status::AwaitingApproval { since }
        | Status::Running { since }
        | Status::Finished { since, .. } => (Some(*since), None),
        Status::Scheduled { at } => (Some(*at), None),
        Status::Paused { since, by, .. } | Status::Aborted { since, by, .. } => {
            (Some(*since), by.as_ref())
        }
    }
}

fn counted(tally: &Tally) -> BTreeMap<&'static str, u32> {
    let kinds = Kind::ALL
        .into_iter()
        .map(|kind| (kind.as_str(), tally.get(kind)));
    kinds.filter(|(_, count)| *count > 0).collect()
}

impl Wave {
    fn of(name: Option<String>, number: usize, state: WaveState, view: &WaveView) -> Self {
        Self {
            name: name.unwrap_or_else(|| number.to_string()),
            status: match state {
                WaveState::Waiting => "waiting",
                WaveState::Open { .. } => "open",
                WaveState::Soaking { .. } => "soaking",
                WaveState::Done { .. } => "done",
            },
            devices: view.members,
            opened: view.opened,
            counts: counted(&view.tally),
        }
    }
}

impl Cluster {
    fn of(cluster: clusters::Cluster) -> Self {
        Self {
            kind: cluster.kind.as_str(),
            reason: cluster.reason,
            model: cluster.group.model,
            from: cluster.group.from,
            jobs: cluster.jobs,
        }
    }
}
