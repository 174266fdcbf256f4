//! The fleet, sorted by a plan: whom the selector finds, who of them can be taken in, and who is in which wave.
//!
//! This reads the whole fleet from the store, some seconds for a million devices, when a rollout begins, is approved or
//! rehearsed. [`sort`] is what the fleet's index will take the place of.

use std::collections::BTreeMap;

use hashbrown::HashSet;
use refit_protocol::device_id::DeviceId;
use refit_protocol::rollout::RolloutId;
use refit_protocol::time::Timestamp;
use refit_rollout::admit::LeftOut;
use refit_rollout::path::Next;
use refit_rollout::plan::Plan;
use refit_rollout::rehearse::Load;
use refit_rollout::state::Members;
use refit_rollout::waves::{self, Cut, Eligible};
use refit_selector::facts::NoLists;
use refit_selector::{Scene, Selector};
use refit_store::facts::ScanRow;
use refit_store::reader::Reader;
use refit_store::store::{DeviceKey, Failure};

use super::asked::Asked;
use super::member::Seen;
use super::ways::Ways;
use crate::fleet::Fleet;
use crate::shard::Presence;

/// How many devices are read at a time.
const PAGE_DEVICES: usize = 4_096;

/// The fleet, sorted by a plan.
#[derive(Default)]
pub(crate) struct Sorted {
    pub(crate) eligible: Vec<Found>,
    pub(crate) left_out: BTreeMap<LeftOut, u32>,
    /// For each wave the devices that its own selector finds.
    picked: Vec<HashSet<u32>>,
}

/// A device that can be taken in.
pub(crate) struct Found {
    pub(crate) key: u32,
    pub(crate) id: DeviceId,
    pub(crate) away: bool,
    pub(crate) facts: Seen,
    stratum: u32,
}

/// Tells whether a device is there to be told.
pub(crate) const fn is_away(presence: Presence) -> bool {
    matches!(presence, Presence::Away | Presence::Connected)
}

/// Reads the whole fleet page by page, with whether each device is away.
pub(crate) fn each(
    reader: &mut dyn Reader,
    fleet: &Fleet,
    mut see: impl FnMut(u32, ScanRow, bool),
) -> Result<(), Failure> {
    let mut after = DeviceKey(0);
    loop {
        let page = reader.scan(after, PAGE_DEVICES)?;
        let Some(last) = page.last() else {
            return Ok(());
        };
        after = last.key;
        let there = fleet.presence(page.iter().map(|row| row.id.clone()).collect());
        let there = there.into_iter().chain(std::iter::repeat(Presence::Away));
        for (row, presence) in page.into_iter().zip(there) {
            // Dense numbers, never used again: there are no four thousand million.
            if let Ok(key) = u32::try_from(row.key.0)
                && !row.gone
            {
                see(key, row, is_away(presence));
            }
        }
    }
}

/// Sorts the fleet by a plan, as it is now.
pub(crate) fn sort(
    reader: &mut dyn Reader,
    fleet: &Fleet,
    (rollout, plan, ways): (RolloutId, &Plan, &Ways),
    now: Timestamp,
) -> Result<Sorted, Failure> {
    let specs = plan.all_waves();
    let selectors: Vec<Option<Selector>> = specs
        .iter()
        .map(|wave| Selector::parse(wave.select.as_deref()?).ok())
        .collect();
    let mut sorted = Sorted {
        picked: vec![HashSet::new(); specs.len()],
        ..Sorted::default()
    };
    // What cannot be read finds nobody; `check` has refused it before.
    let Ok(select) = Selector::parse(&plan.select) else {
        return Ok(sorted);
    };
    let salt = rollout.to_string();
    let scene = Scene {
        now,
        salt: &salt,
        lists: &NoLists,
    };
    let mut strata: BTreeMap<(Option<String>, Option<String>), u32> = BTreeMap::new();
    each(reader, fleet, |key, row, away| {
        let asked = Asked::new(&row, ways, !away, now);
        if !select.matches(&asked, &scene) {
            return;
        }
        let facts = Seen::of(&row, rollout, plan, ways);
        if let Some(why) = facts.left_out() {
            *sorted.left_out.entry(why).or_default() += 1;
            return;
        }
        for (picked, selector) in sorted.picked.iter_mut().zip(&selectors) {
            if selector.as_ref().is_some_and(|s| s.matches(&asked, &scene)) {
                picked.insert(key);
            }
        }
        let next = strata.len() as u32;
        let kind = (facts.group.model.clone(), facts.group.from.clone());
        let stratum = *strata.entry(kind).or_insert(next);
        sorted.eligible.push(Found {
            key,
            id: row.id.clone(),
            away,
            facts,
            stratum,
        });
    })?;
    Ok(sorted)
}

impl Sorted {
    /// Cuts the eligible into waves.
    pub(crate) fn cut(&self, rollout: RolloutId, plan: &Plan) -> Cut {
        let eligible: Vec<Eligible<'_>> = self
            .eligible
            .iter()
            .map(|found| Eligible {
                key: found.key,
                id: found.id.as_str(),
                stratum: found.stratum,
            })
            .collect();
        waves::cut(rollout, plan, &eligible, |wave, key| {
            let picked = self.picked.get(usize::from(wave));
            picked.is_some_and(|picked| picked.contains(&key))
        })
    }

    /// Returns what makes this set of devices this set.
    pub(crate) fn members(&self, rollout: RolloutId) -> Members {
        let ids = self.eligible.iter().map(|found| found.id.as_str());
        waves::members(rollout, ids)
    }

    /// Returns what is to be downloaded.
    pub(crate) fn loads(&self) -> Vec<Load> {
        let mut loads: BTreeMap<u64, u32> = BTreeMap::new();
        for found in &self.eligible {
            if let (Some(Next::To(_)), Some((_, bytes))) = (&found.facts.next, &found.facts.to) {
                *loads.entry(*bytes).or_default() += 1;
            }
        }
        let loads = loads.into_iter();
        loads
            .map(|(bytes, devices)| Load { devices, bytes })
            .collect()
    }
}
