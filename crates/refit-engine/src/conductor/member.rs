//! One device of a rollout: what the planner's rules ask of it, read from its row and its jobs.

use refit_protocol::device_id::DeviceId;
use refit_protocol::digest::Digest;
use refit_protocol::grant::Strength;
use refit_protocol::rollout::RolloutId;
use refit_protocol::time::Timestamp;
use refit_replica::record::Withheld;
use refit_replica::why::Blocker;
use refit_rollout::admit::{Device, Last, LeftOut, Rival};
use refit_rollout::budget::Full;
use refit_rollout::cluster::Group;
use refit_rollout::path::Next;
use refit_rollout::plan::Plan;
use refit_store::facts::ScanRow;
use refit_store::identity::Standing;
use refit_store::reader::{JobRow, Reader};
use refit_store::store::Failure;

use super::asked::{attribute, label, model};
use super::figures;
use super::peers::Peers;
use super::ways::Ways;

/// How many of its newest jobs are looked through for the one of a rollout.
const JOBS_LOOKED_THROUGH_MAX: usize = 32;

/// One device of a rollout.
#[derive(Clone, Debug)]
pub(crate) struct Member {
    pub(crate) id: DeviceId,
    pub(crate) facts: Seen,
    /// Its newest job of the rollout.
    pub(crate) last: Option<Last>,
    /// Whether it is not there to be told.
    pub(crate) away: bool,
    /// What its record said against the last assignment, until it changes.
    pub(crate) declined: Option<Declined>,
}

/// What its row says.
#[derive(Clone, Debug, Default)]
pub(crate) struct Seen {
    pub(crate) group: Group,
    pub(crate) next: Option<Next>,
    pub(crate) to: Option<(Digest, u64)>,
    unfit: Option<String>,
    held: Option<&'static str>,
    left_out: Option<LeftOut>,
    pinned: bool,
    capped: bool,
    /// Its open job is somebody else's.
    rival: Option<Other>,
    seen: Option<Timestamp>,
    pub(crate) zone: Option<String>,
    pub(crate) labels: Vec<Option<String>>,
}

#[derive(Clone, Copy, Debug)]
enum Other {
    Rollout(RolloutId),
    Direct,
}

/// Why its record would not have the job.
#[derive(Clone, Debug)]
pub(crate) struct Declined {
    pub(crate) by: Blocker,
    /// When it may be asked again, whether it changes or not.
    pub(crate) until: Timestamp,
}

impl Seen {
    /// Reads the row of a device for a plan.
    pub(crate) fn of(row: &ScanRow, rollout: RolloutId, plan: &Plan, ways: &Ways) -> Self {
        let way = ways.from(row.reported.as_ref());
        let reverted = matches!(row.withheld, Some(Withheld::Reverted { .. }));
        let held = match (row.held, reverted) {
            (true, _) => Some("an operator holds it: release it with `refit device release`"),
            (false, true) => Some("it fell back from its last software, and is held for that"),
            (false, false) => None,
        };
        let retired = matches!(
            row.standing,
            Some(Standing::Revoked | Standing::Retired | Standing::Cloned)
        );
        let rival = row.job.and_then(|(_, assignment)| match assignment {
            None => Some(Other::Direct),
            Some(other) => (other.rollout != rollout).then_some(Other::Rollout(other.rollout)),
        });
        let trusts = plan.trust_reported;
        let zone = plan.windows.as_ref().and_then(|hours| {
            let name = hours.zone_attribute.as_deref()?;
            attribute(row, name, trusts)
        });
        Self {
            group: Group {
                model: model(row),
                from: way.from,
                origin: None,
            },
            left_out: left_out(&way.next, way.unfit.is_some(), held.is_some(), retired),
            next: way.next,
            to: way.to,
            unfit: way.unfit,
            held,
            pinned: row.pinned,
            capped: matches!(row.withheld, Some(Withheld::Capped)),
            rival,
            seen: row.seen,
            zone,
            labels: plan
                .budgets
                .iter()
                .map(|budget| label(row, &budget.per, trusts))
                .collect(),
        }
    }

    /// Returns why the device could not be taken in, were members frozen now.
    pub(crate) const fn left_out(&self) -> Option<LeftOut> {
        self.left_out
    }
}

fn left_out(next: &Option<Next>, unfit: bool, held: bool, retired: bool) -> Option<LeftOut> {
    if retired {
        return Some(LeftOut::Retired);
    }
    if held {
        return Some(LeftOut::Held);
    }
    if unfit {
        return Some(LeftOut::Incompatible);
    }
    match next {
        None => Some(LeftOut::Unknown),
        Some(Next::Downgrade) => Some(LeftOut::Downgrade),
        Some(Next::NoWay | Next::NoTarget) => Some(LeftOut::NoWay),
        Some(Next::There | Next::To(_)) => None,
    }
}

/// What holds for all devices of a rollout, or comes from beside.
pub(crate) struct Around<'a> {
    pub(crate) wave: Option<u16>,
    pub(crate) left_out: Option<LeftOut>,
    pub(crate) peers: &'a Peers,
    pub(crate) strength: Strength,
    pub(crate) closed: Option<Option<Timestamp>>,
    pub(crate) full: Option<Full>,
    pub(crate) now: Timestamp,
}

impl Member {
    /// Returns the device as the planner's rules ask for it.
    pub(crate) fn device<'a>(&'a self, around: Around<'a>) -> Device<'a> {
        let seen = &self.facts;
        let declined = self.declined.as_ref();
        let declined = declined.filter(|declined| around.now < declined.until);
        let by = |rules: &[&str]| {
            let by = declined.filter(|declined| rules.contains(&declined.by.rule));
            by.map(|declined| declined.by.sentence.as_str())
        };
        let rival = seen.rival.and_then(|rival| match rival {
            Other::Direct => Some(Rival::Direct {
                application: "that opened its present job",
            }),
            Other::Rollout(id) => around.peers.rival(id),
        });
        let direct = by(&["direct", "running", "priority", "newer", "attempt"]);
        let rival = rival.or_else(|| direct.map(|application| Rival::Direct { application }));
        Device {
            wave: around.wave,
            left_out: around.left_out,
            facts: &seen.group,
            held: seen.held.or_else(|| by(&["held", "reverted", "removed"])),
            frozen: by(&["frozen"]).is_some(),
            pinned: (seen.pinned || by(&["pinned"]).is_some())
                .then_some("the software that it has"),
            rival,
            last: self.last,
            capped: seen.capped || by(&["capped"]).is_some(),
            next: match by(&["unknown-release"]) {
                Some(_) => Some(Next::NoTarget),
                None => seen.next,
            },
            unfit: seen
                .unfit
                .as_deref()
                .or_else(|| by(&["too-large", "grant"])),
            strength: around.strength,
            closed: around.closed,
            full: around.full,
            away: self.away.then_some(seen.seen),
        }
    }
}

/// Returns a device's newest job of a rollout.
pub(crate) fn last_of(
    reader: &mut dyn Reader,
    device: &DeviceId,
    rollout: RolloutId,
) -> Result<Option<Last>, Failure> {
    let jobs = reader.jobs_of(device, None, JOBS_LOOKED_THROUGH_MAX)?;
    Ok(jobs.iter().find_map(|row| last(row, rollout)))
}

/// Returns what a job is to a rollout, if it is its.
pub(crate) fn last(row: &JobRow, rollout: RolloutId) -> Option<Last> {
    let assignment = row.entry.assignment?;
    let kind = figures::kind(row.kind?)?;
    (assignment.rollout == rollout).then(|| Last {
        attempt: assignment.attempt,
        kind,
        at: row.entry.ended.unwrap_or(row.entry.opened),
    })
}
