//! A plan, checked and rehearsed over the real records before it starts.

use refit_protocol::measure::{Share, Span};
use refit_protocol::rollout::RolloutId;
use refit_protocol::time::Timestamp;
use refit_rollout::check::{Complaint, Severity, check};
use refit_rollout::plan::{Membership, Plan};
use refit_rollout::rehearse::{Assumed, Fleet, Rehearsal, rehearse};
use refit_rollout::window::{self, Zone};
use refit_selector::Selector;
use refit_store::reader::Reader;
use refit_store::store::Failure;

use super::Conductor;
use super::sort::sort;
use super::ways::Ways;

/// How long a job is assumed to take: nothing is measured of it yet.
const JOB: Span = Span::minutes(5);

/// What a plan would do, and what is wrong with it.
#[derive(Clone, Debug)]
pub struct Rehearsed {
    /// What is wrong; if there is an error the plan is not rehearsed.
    pub complaints: Vec<Complaint>,
    /// What it would do.
    pub rehearsal: Option<Rehearsal>,
}

/// Complains of what the planner knows and this server does not run yet: it would be taken for done.
pub fn unsupported(plan: &Plan) -> Vec<Complaint> {
    let mut complaints = Vec::new();
    let mut error = |path: &str, message: &str, hint: &str| {
        complaints.push(Complaint {
            path: path.into(),
            severity: Severity::Error,
            message: message.into(),
            hint: hint.into(),
        });
    };
    if plan.health.is_some() {
        error(
            "health",
            "this server does not compare health after boot yet",
            "leave it out, and let waves soak",
        );
    }
    if plan.membership == Membership::Continuous {
        error(
            "membership",
            "this server does not let devices join a rollout yet",
            "leave it out, and start another rollout for those that come later",
        );
    }
    if plan.expected_offline.is_some() {
        error(
            "expectedOffline",
            "this server does not suspect outages yet, so there is nothing to except",
            "leave it out",
        );
    }
    let texts = plan.waves.iter().filter_map(|wave| wave.select.as_deref());
    for text in texts.chain([plan.select.as_str()]) {
        if let Ok(selector) = Selector::parse(text)
            && !selector.lists().is_empty()
        {
            error(
                "select",
                "rollouts do not read uploaded lists yet",
                "name a tag or an attribute instead of `in list`",
            );
        }
    }
    complaints
}

impl Conductor {
    /// Says all that is wrong with a plan, the errors first.
    pub fn check(
        &self,
        reader: &mut dyn Reader,
        plan: &Plan,
        now: Timestamp,
    ) -> Result<Vec<Complaint>, Failure> {
        let mut complaints = check(plan, now);
        complaints.extend(unsupported(plan));
        // Of what is no release at all `check` has spoken.
        let (_, missing) = Ways::find(plan, &reader.releases()?);
        let known: Vec<String> = complaints.iter().map(|c| c.path.clone()).collect();
        complaints.extend(missing.into_iter().filter(|c| !known.contains(&c.path)));
        complaints.sort_by_key(|complaint| complaint.severity);
        Ok(complaints)
    }

    /// Checks a plan, and rehearses it over the fleet as it is now. `id` is that of the rollout, if there is one: the
    /// waves that it will have.
    pub fn rehearse(
        &self,
        reader: &mut dyn Reader,
        plan: &Plan,
        id: Option<RolloutId>,
        now: Timestamp,
    ) -> Result<Rehearsed, Failure> {
        let complaints = self.check(reader, plan, now)?;
        let is_wrong = complaints.iter().any(|c| c.severity == Severity::Error);
        if is_wrong {
            return Ok(Rehearsed {
                complaints,
                rehearsal: None,
            });
        }
        let id = match id {
            Some(id) => id,
            // The next that is given.
            None => {
                let last = reader.rollouts()?.last().map_or(0, |row| row.id.0);
                RolloutId(last.saturating_add(1))
            }
        };
        let (ways, _) = Ways::find(plan, &reader.releases()?);
        let sorted = sort(reader, &self.parts().fleet, (id, plan, &ways), now)?;
        let cut = sorted.cut(id, plan);
        let away: hashbrown::HashSet<u32> = sorted
            .eligible
            .iter()
            .filter(|found| found.away)
            .map(|found| found.key)
            .collect();
        let count = |keys: &Vec<u32>| keys.len() as u32;
        let count_away =
            |keys: &Vec<u32>| keys.iter().filter(|key| away.contains(*key)).count() as u32;
        let fleet = Fleet {
            waves: cut.waves.iter().map(count).collect(),
            away: cut.waves.iter().map(count_away).collect(),
            left_out: sorted.left_out.clone().into_iter().collect(),
            loads: sorted.loads(),
        };
        let assumed = Assumed {
            job: JOB,
            fails: Share::percent(0),
        };
        let hours = plan.windows.as_ref();
        let windows = hours
            .and_then(|hours| window::read(hours.open.iter().map(String::as_str)).ok())
            .unwrap_or_default();
        let zone = hours.and_then(|hours| hours.zone.parse().ok());
        let zone = zone.unwrap_or_else(Zone::utc);
        let closed = |at: Timestamp| {
            if windows.is_empty() {
                return None;
            }
            let opening = window::next(&windows, &zone, at)?;
            (opening.from > at).then_some(opening.from)
        };
        let rehearsal = rehearse(plan, &fleet, assumed, now, &closed);
        Ok(Rehearsed {
            complaints,
            rehearsal: Some(rehearsal),
        })
    }
}
