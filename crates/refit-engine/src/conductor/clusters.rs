//! What failures have in common: how they ended, what was said of why, and which devices they were on.

use std::collections::BTreeMap;

use refit_protocol::rollout::RolloutId;
use refit_rollout::cluster::{Group, class};
use refit_rollout::plan::Plan;
use refit_rollout::tally::Kind;
use refit_store::facts::SoftwareRef;
use refit_store::reader::{JobRow, Reader};
use refit_store::release::Release;
use refit_store::rollout::JobKind;
use refit_store::store::{DeviceKey, Failure};

use super::asked::model;
use super::figures;
use super::ways::Ways;

/// How many failed jobs are looked at, of each kind the newest.
const LOOKED_AT_MAX: usize = 1_000;

/// How many clusters are told.
const CLUSTERS_MAX: usize = 20;

/// Failures that have something in common.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cluster {
    /// How they ended.
    pub kind: Kind,
    /// What was said of why, without its numbers.
    pub reason: String,
    /// On which devices.
    pub group: Group,
    /// How many.
    pub jobs: u32,
}

/// Groups the failures of a rollout, the largest cluster first.
pub fn clusters(
    reader: &mut dyn Reader,
    id: RolloutId,
    plan: &Plan,
) -> Result<Vec<Cluster>, Failure> {
    let releases: Vec<Release> = reader.releases()?;
    let (ways, _) = Ways::find(plan, &releases);
    let mut counts: BTreeMap<(Kind, String, Group), u32> = BTreeMap::new();
    for stored in JobKind::all() {
        let Some(kind) = figures::kind(stored).filter(|kind| kind.cause().is_some()) else {
            continue;
        };
        for row in reader.rollout_jobs(id, Some(stored), None, LOOKED_AT_MAX)? {
            let group = group(reader, &row, &ways)?;
            let reason = class(row.entry.reason.as_deref().unwrap_or_default());
            *counts.entry((kind, reason, group)).or_default() += 1;
        }
    }
    let mut clusters: Vec<Cluster> = counts
        .into_iter()
        .map(|((kind, reason, group), jobs)| Cluster {
            kind,
            reason,
            group,
            jobs,
        })
        .collect();
    clusters.sort_by_key(|cluster| std::cmp::Reverse(cluster.jobs));
    clusters.truncate(CLUSTERS_MAX);
    Ok(clusters)
}

fn group(reader: &mut dyn Reader, job: &JobRow, ways: &Ways) -> Result<Group, Failure> {
    let from = job.entry.previous.as_deref().map(SoftwareRef::of);
    let from = from.as_ref().and_then(|software| ways.name(software));
    let key = reader.load(&job.device)?.map(|stored| stored.key.0);
    let row = match key {
        Some(key) => reader.scan(DeviceKey(key.saturating_sub(1)), 1)?.pop(),
        None => None,
    };
    Ok(Group {
        model: row.as_ref().and_then(model),
        from: from.map(|(_, version)| version.to_owned()),
        origin: None,
    })
}
