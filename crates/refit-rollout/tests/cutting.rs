//! Waves part the eligible devices: whatever the plan, everyone is in exactly one, and in the same one each time.

use proptest::prelude::*;
use refit_protocol::measure::Share;
use refit_rollout::plan::{HoldOut, Plan, UpTo, Wave};
use refit_rollout::waves::{Cut, Eligible, cut, place};

use crate::fleet::ROLLOUT;

fn plan(shares: &[u32], select: bool, hold_out: Option<u32>) -> Plan {
    let mut waves: Vec<Wave> = shares
        .iter()
        .map(|percent| Wave {
            up_to: Some(UpTo::Share(Share::percent(*percent))),
            ..Wave::default()
        })
        .collect();
    if select {
        waves.insert(
            0,
            Wave {
                select: Some("tag.ring = canary".into()),
                ..Wave::default()
            },
        );
    }
    Plan {
        waves,
        hold_out: hold_out.map(|percent| HoldOut {
            share: Share::percent(percent),
            at_most: None,
        }),
        ..Plan::new("firmware@2.0.0", "all")
    }
}

fn cut_of(plan: &Plan, ids: &[String]) -> Cut {
    let eligible: Vec<Eligible<'_>> = (0..)
        .zip(ids)
        .map(|(key, id)| Eligible {
            key,
            id,
            stratum: key % 5,
        })
        .collect();
    cut(ROLLOUT, plan, &eligible, |_, key| key % 7 == 0)
}

proptest! {
    #[test]
    fn everyone_is_in_exactly_one_wave(
        mut shares in prop::collection::vec(1_u32..100, 0..5),
        select: bool,
        hold_out in prop::option::of(1_u32..50),
        devices in 0_u32..400,
    ) {
        shares.sort_unstable();
        shares.push(100);
        let ids: Vec<String> = (0..devices).map(|n| format!("gw-{n}")).collect();
        let plan = plan(&shares, select, hold_out);
        let cut = cut_of(&plan, &ids);
        prop_assert_eq!(cut.waves.len(), plan.all_waves().len());
        let mut all: Vec<u32> = cut.waves.iter().flatten().copied().collect();
        all.sort_unstable();
        prop_assert_eq!(all, (0..devices).collect::<Vec<_>>());
        prop_assert_eq!(&cut, &cut_of(&plan, &ids));

        // No wave reaches farther than it says.
        let mut far = 0;
        for (wave, spec) in cut.waves.iter().zip(&plan.waves) {
            far += wave.len() as u32;
            if let Some(up_to) = spec.up_to.filter(|up_to| *up_to != UpTo::Share(Share::ALL)) {
                prop_assert!(far <= up_to.of(devices).max(far - wave.len() as u32));
            }
        }
    }

    #[test]
    fn who_was_in_a_smaller_wave_is_in_the_larger_one(small in 1_u32..50, more in 0_u32..50, devices in 1_u32..400) {
        let ids: Vec<String> = (0..devices).map(|n| format!("gw-{n}")).collect();
        let first = |percent| cut_of(&plan(&[percent, 100], false, None), &ids).waves[0].clone();
        let (a, b) = (first(small), first(small + more));
        prop_assert!(a.iter().all(|key| b.contains(key)));
    }

    #[test]
    fn who_joins_comes_into_some_wave_of_a_plan_that_reaches_all(shares in prop::collection::vec(1_u32..100, 0..5), id in "[a-z0-9]{1,20}") {
        let mut shares = shares;
        shares.sort_unstable();
        shares.push(100);
        let ids: Vec<String> = (0..100).map(|n| format!("gw-{n}")).collect();
        let cut = cut_of(&plan(&shares, false, Some(10)), &ids);
        let wave = Cut::wave_of(&cut.ends, place(ROLLOUT, &id));
        prop_assert!(wave.is_some_and(|wave| usize::from(wave) < shares.len()));
    }
}
