//! Who is in which wave: the eligible in an order by hash, cut once and frozen (decision 10).
//!
//! The order depends on the device and the rollout only, so it is the same on every node and after every restart, and
//! nobody is always the canary. The hold-out is drawn first, of every stratum its share.

use alloc::collections::BTreeMap;
use alloc::vec;
use alloc::vec::Vec;
use refit_protocol::measure::Share;
use refit_protocol::rollout::RolloutId;

use crate::plan::{HoldOut, Plan, UpTo};
use crate::state::Members;

/// One eligible device.
#[derive(Clone, Copy, Debug)]
pub struct Eligible<'a> {
    /// Its dense key in the index.
    pub key: u32,
    /// Its ID.
    pub id: &'a str,
    /// Its kind (model × from-version), as a number: the hold-out has of each its share.
    pub stratum: u32,
}

/// The members of a rollout, cut into waves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cut {
    /// The keys of each of [`Plan::all_waves`], sorted; the hold-out is the last, if the plan has one.
    pub waves: Vec<Vec<u32>>,
    /// For those who join later: where each wave ends in the order by hash ([`Cut::wave_of`]).
    pub ends: Vec<u64>,
    /// Who is in it, as a whole.
    pub members: Members,
}

/// Returns a device's place in the order of a rollout: the same for ever. FNV-1a over the rollout's number and the ID,
/// then the finaliser of SplitMix64 (Steele, Lea, Flood 2014), which FNV needs for its high bits.
pub fn place(rollout: RolloutId, id: &str) -> u64 {
    let bytes = rollout.0.to_le_bytes().into_iter().chain(id.bytes());
    let mut z = bytes.fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    });
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// Returns what makes this set of devices this set.
pub fn members<'a>(rollout: RolloutId, ids: impl IntoIterator<Item = &'a str>) -> Members {
    ids.into_iter().fold(Members::default(), |all, id| Members {
        count: all.count + 1,
        digest: all.digest ^ place(rollout, id),
    })
}

/// Cuts the eligible devices into the waves of a plan. `matches(wave, key)` tells whether a device matches the selector of
/// that wave.
pub fn cut(
    rollout: RolloutId,
    plan: &Plan,
    eligible: &[Eligible<'_>],
    matches: impl Fn(u16, u32) -> bool,
) -> Cut {
    let mut order: Vec<(u64, Eligible<'_>)> = eligible
        .iter()
        .map(|device| (place(rollout, device.id), *device))
        .collect();
    order.sort_unstable_by_key(|(place, device)| (*place, device.key));
    let digest = order.iter().fold(0, |all, (place, _)| all ^ place);
    let count = order.len() as u32;

    let held_out = plan.hold_out.map(|hold_out| draw(&mut order, hold_out));
    let specs = plan.all_waves();
    let own = specs.len() - usize::from(held_out.is_some());
    let (mut waves, mut ends, mut so_far) = (Vec::with_capacity(specs.len()), vec![], 0_u32);
    let mut end = 0;
    for (at, spec) in (0_u16..).zip(specs.iter().take(own)) {
        let mut wave = Vec::new();
        if spec.select.is_some() {
            order.retain(|(_, device)| {
                let is_in = matches(at, device.key);
                if is_in {
                    wave.push(device.key);
                }
                !is_in
            });
        } else {
            let target = spec.up_to.map_or(u32::MAX, |up_to| up_to.of(count));
            let more = (target.saturating_sub(so_far) as usize).min(order.len());
            wave.extend(order.drain(..more).map(|(place, device)| {
                end = place.saturating_add(1);
                device.key
            }));
            if reaches_all(spec.up_to) {
                end = u64::MAX;
            }
        }
        so_far += wave.len() as u32;
        wave.sort_unstable();
        waves.push(wave);
        ends.push(if spec.select.is_some() { 0 } else { end });
    }
    if let Some(mut wave) = held_out {
        wave.sort_unstable();
        waves.push(wave);
        ends.push(0);
    }
    Cut {
        waves,
        ends,
        members: Members { count, digest },
    }
}

fn reaches_all(up_to: Option<UpTo>) -> bool {
    match up_to {
        None => true,
        Some(UpTo::Share(share)) => share == Share::ALL,
        Some(UpTo::Count(_)) => false,
    }
}

/// Takes the hold-out from an order: of every stratum its share, the remainders to the largest, within the most that it
/// may be.
fn draw(order: &mut Vec<(u64, Eligible<'_>)>, hold_out: HoldOut) -> Vec<u32> {
    let mut sizes: BTreeMap<u32, u32> = BTreeMap::new();
    for (_, device) in order.iter() {
        *sizes.entry(device.stratum).or_default() += 1;
    }
    let all = order.len() as u32;
    let total = hold_out
        .share
        .at_least(all)
        .min(hold_out.at_most.unwrap_or(u32::MAX));
    // Each stratum's part of the total, rounded down; what that leaves goes to those that lost the most by it.
    let mut quota: BTreeMap<u32, u32> = BTreeMap::new();
    let mut lost: Vec<(u64, u32)> = Vec::new();
    for (stratum, size) in &sizes {
        let parts = u64::from(*size) * u64::from(total);
        quota.insert(*stratum, (parts / u64::from(all.max(1))) as u32);
        lost.push((parts % u64::from(all.max(1)), *stratum));
    }
    lost.sort_unstable_by(|a, b| b.cmp(a));
    let left = total - quota.values().sum::<u32>();
    for (_, stratum) in lost.iter().take(left as usize) {
        *quota.entry(*stratum).or_default() += 1;
    }
    let mut held_out = Vec::new();
    // From the end of the order: a hold-out of another size leaves the first waves as they are.
    let mut kept: Vec<(u64, Eligible<'_>)> = Vec::with_capacity(order.len());
    for (place, device) in order.drain(..).rev() {
        match quota.get_mut(&device.stratum) {
            Some(left) if *left > 0 => {
                *left -= 1;
                held_out.push(device.key);
            }
            _ => kept.push((place, device)),
        }
    }
    kept.reverse();
    *order = kept;
    held_out
}

impl Cut {
    /// Returns the wave of a device that joins later and matches no wave's selector: that of its place; `None`: the plan's
    /// waves do not reach that far.
    pub fn wave_of(ends: &[u64], place: u64) -> Option<u16> {
        let at = ends.iter().position(|end| place < *end)?;
        u16::try_from(at).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::Wave;
    use alloc::string::String;

    const R: RolloutId = RolloutId(7);

    fn plan(waves: &[&str]) -> Plan {
        let wave = |text: &&str| Wave {
            up_to: Some(match Share::parse(text) {
                Some(share) => UpTo::Share(share),
                None => UpTo::Count(text.parse().unwrap()),
            }),
            ..Wave::default()
        };
        Plan {
            waves: waves.iter().map(wave).collect(),
            ..Plan::new("firmware@2.0.0", "all")
        }
    }

    fn ids(count: u32) -> Vec<String> {
        (0..count).map(|n| format!("gw-{n}")).collect()
    }

    fn devices(ids: &[String]) -> Vec<Eligible<'_>> {
        (0..)
            .zip(ids)
            .map(|(key, id)| Eligible {
                key,
                id,
                stratum: key % 3,
            })
            .collect()
    }

    fn sizes(cut: &Cut) -> Vec<usize> {
        cut.waves.iter().map(Vec::len).collect()
    }

    #[test]
    fn waves_reach_as_far_as_they_say() {
        let ids = ids(1_000);
        let cut_of = |waves: &[&str]| sizes(&cut(R, &plan(waves), &devices(&ids), |_, _| false));
        assert_eq!(cut_of(&["1%", "10%", "100%"]), [10, 90, 900]);
        assert_eq!(cut_of(&["5", "50%", "100%"]), [5, 495, 500]);
        assert_eq!(cut_of(&["50%", "10%", "100%"]), [500, 0, 500]);
        assert_eq!(cut_of(&[]), [1_000]);
    }

    #[test]
    fn a_selector_takes_its_devices_first_and_they_count() {
        let ids = ids(100);
        let mut plan = plan(&["0", "50%", "100%"]);
        plan.waves[0] = Wave {
            select: Some("tag.ring = canary".into()),
            ..Wave::default()
        };
        let cut = cut(R, &plan, &devices(&ids), |wave, key| wave == 0 && key < 20);
        assert_eq!(cut.waves[0], (0..20).collect::<Vec<_>>());
        assert_eq!(sizes(&cut), [20, 30, 50]);
    }

    #[test]
    fn the_hold_out_has_of_every_stratum_its_share_and_comes_last() {
        let ids = ids(3_000);
        let plan = Plan {
            hold_out: Some(HoldOut {
                share: Share::percent(10),
                at_most: None,
            }),
            ..plan(&["1%", "100%"])
        };
        let with = cut(R, &plan, &devices(&ids), |_, _| false);
        assert_eq!(sizes(&with), [30, 2_670, 300]);
        for stratum in 0..3 {
            assert_eq!(
                with.waves[2]
                    .iter()
                    .filter(|key| *key % 3 == stratum)
                    .count(),
                100
            );
        }
        let mut more = plan.clone();
        more.hold_out = Some(HoldOut {
            share: Share::percent(20),
            at_most: Some(450),
        });
        let more = cut(R, &more, &devices(&ids), |_, _| false);
        assert_eq!(sizes(&more), [30, 2_520, 450]);
        assert_eq!(more.waves[0], with.waves[0], "the canaries stay the same");
    }

    #[test]
    fn who_joins_later_comes_into_the_wave_of_its_place() {
        let ids = ids(1_000);
        let cut = cut(R, &plan(&["10%", "50%", "100%"]), &devices(&ids), |_, _| {
            false
        });
        for (key, id) in (0..).zip(&ids) {
            let wave = Cut::wave_of(&cut.ends, place(R, id)).unwrap();
            assert!(cut.waves[usize::from(wave)].contains(&key), "{id}");
        }
        assert_eq!(Cut::wave_of(&cut.ends, u64::MAX - 1), Some(2));
    }

    #[test]
    fn the_order_never_changes_and_is_another_for_each_rollout() {
        // These figures are a promise: a rollout that goes on after an upgrade keeps its waves.
        assert_eq!(place(RolloutId(1), "gw-1"), 1_642_430_487_114_192_750);
        assert_ne!(place(RolloutId(1), "gw-1"), place(RolloutId(2), "gw-1"));
        let ids = ["a", "b", "c"];
        assert_eq!(members(R, ids), members(R, ids.into_iter().rev()));
        assert_ne!(members(R, ids), members(R, ["a", "b", "d"]));
    }
}
