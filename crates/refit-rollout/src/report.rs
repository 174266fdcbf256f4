//! What is left of a rollout that is over: who asked for what, who agreed, what became of it. Data; the page and the file are
//! made elsewhere.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use refit_protocol::measure::Share;
use refit_protocol::rollout::{RolloutId, RolloutName};
use serde::Serialize;

use crate::cluster::Cluster;
use crate::plan::{Millis, Plan};
use crate::state::{Approval, Exclusion, RolloutState};
use crate::step::WaveView;
use crate::tally::Kind;

/// What is left of a rollout.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// Its number.
    pub id: RolloutId,
    /// Its name.
    pub name: RolloutName,
    /// What was asked for.
    pub plan: Plan,
    /// How it ended.
    pub status: &'static str,
    /// Why, if it did not come to its end.
    pub because: Option<String>,
    /// Who started it.
    pub started_by: Option<String>,
    /// Who agreed, to what, when.
    pub approvals: Vec<Approval>,
    /// Who was excluded, by whom and why.
    pub excluded: Vec<Exclusion>,
    /// What happened to it, in order.
    pub events: Vec<Event>,
    /// Its waves.
    pub waves: Vec<Wave>,
    /// How many devices it had.
    pub devices: u32,
    /// How many run the release,
    pub succeeded: u32,
    /// that as a share,
    pub share: Share,
    /// and how many never had a job.
    pub unreached: u32,
    /// How many devices came from which version, and how they ended.
    pub from: Vec<From>,
    /// What the failures had in common.
    pub clusters: Vec<Cluster>,
}

/// Something that happened to a rollout: an act, a step, an edit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Event {
    /// When.
    pub at: Millis,
    /// Who; `None`: the planner.
    pub by: Option<String>,
    /// What, in a line.
    pub what: String,
}

/// A wave of a report.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Wave {
    /// What people call it, or its number from 1.
    pub name: String,
    /// How many devices.
    pub devices: u32,
    /// Its jobs by what became of them; those that never happened are left out.
    pub jobs: Vec<(&'static str, u32)>,
}

/// Devices that came from one version.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct From {
    /// The version, or the software where that is not known.
    pub version: String,
    /// How many run the release now.
    pub succeeded: u32,
    /// How many do not.
    pub without: u32,
}

/// What is known beside plan and state.
#[derive(Clone, Debug, Default)]
pub struct Known {
    /// What happened, in order.
    pub events: Vec<Event>,
    /// From which versions.
    pub from: Vec<From>,
    /// What the failures had in common.
    pub clusters: Vec<Cluster>,
}

/// Returns the report of a rollout as it stands.
pub fn report(
    (id, name): (RolloutId, &RolloutName),
    plan: &Plan,
    state: &RolloutState,
    waves: &[WaveView],
    known: Known,
) -> Report {
    let sum = |of: &dyn Fn(&WaveView) -> u32| waves.iter().map(of).fold(0, u32::saturating_add);
    let devices = sum(&|wave| wave.members);
    let succeeded = sum(&|wave| wave.tally.succeeded());
    Report {
        id,
        name: name.clone(),
        plan: plan.clone(),
        status: state.status.as_str(),
        because: state.status.because().map(|because| format!("{because}")),
        started_by: state.started_by.clone(),
        approvals: state.approvals.clone(),
        excluded: state.excluded.clone(),
        events: known.events,
        waves: plan
            .all_waves()
            .iter()
            .zip(1..)
            .zip(waves)
            .map(|((spec, number), view)| {
                wave(
                    spec.name.clone().unwrap_or_else(|| format!("{number}")),
                    view,
                )
            })
            .collect(),
        devices,
        succeeded,
        share: Share::of(succeeded, devices),
        unreached: sum(&|wave| wave.members.saturating_sub(wave.opened)),
        from: known.from,
        clusters: known.clusters,
    }
}

fn wave(name: String, view: &WaveView) -> Wave {
    let jobs = Kind::ALL
        .into_iter()
        .map(|kind| (kind.as_str(), view.tally.get(kind)));
    Wave {
        name,
        devices: view.members,
        jobs: jobs.filter(|(_, count)| *count > 0).collect(),
    }
}

impl Report {
    /// Returns its figures as CSV (RFC 4180): a line for each wave and result.
    pub fn to_csv(&self) -> String {
        let mut text = String::from("rollout,wave,devices,result,jobs\r\n");
        for wave in &self.waves {
            let name = field(&wave.name);
            for (result, count) in &wave.jobs {
                let line = format!("{},{name},{},{result},{count}\r\n", self.name, wave.devices);
                text.push_str(&line);
            }
        }
        text
    }
}

/// Quotes a field where it must be; one that a spreadsheet would take for a formula gets an apostrophe.
fn field(text: &str) -> String {
    let formula = text.starts_with(['=', '+', '-', '@', '\t', '\r']);
    let text = if formula {
        format!("'{text}")
    } else {
        text.into()
    };
    if text.contains([',', '"', '\n', '\r']) {
        format!("\"{}\"", text.replace('"', "\"\""))
    } else {
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan;
    use crate::state::{Because, Status};

    #[test]
    fn a_report_counts_devices_and_says_why_it_stopped() {
        let plan = Plan {
            waves: vec![
                plan::Wave {
                    name: Some("=canary, \"first\"".into()),
                    ..plan::Wave::default()
                },
                plan::Wave::default(),
            ],
            ..Plan::new("firmware@2.0.0", "all")
        };
        let state = RolloutState {
            status: Status::Aborted {
                because: Because::Operator {
                    reason: Some("it burns".into()),
                },
                since: Millis(5),
                by: Some("ann".into()),
            },
            ..RolloutState::default()
        };
        let view = |members, opened, failed| {
            let mut view = WaveView {
                members,
                opened,
                ..WaveView::default()
            };
            view.tally.add(Kind::Succeeded, opened - failed);
            view.tally.add(Kind::Failed, failed);
            view
        };
        let name = RolloutName::parse("spring").unwrap();
        let waves = [view(10, 10, 2), view(90, 0, 0)];
        let report = report(
            (RolloutId(3), &name),
            &plan,
            &state,
            &waves,
            Known::default(),
        );
        assert_eq!(
            (report.devices, report.succeeded, report.unreached),
            (100, 8, 90)
        );
        assert_eq!(
            report.because.as_deref(),
            Some("an operator said: it burns")
        );
        assert_eq!(
            report.to_csv(),
            "rollout,wave,devices,result,jobs\r\n\
             spring,\"'=canary, \"\"first\"\"\",10,succeeded,8\r\n\
             spring,\"'=canary, \"\"first\"\"\",10,failed,2\r\n"
        );
        assert!(
            serde_json::to_string(&report)
                .unwrap()
                .contains(r#""name":"spring""#)
        );
    }
}
