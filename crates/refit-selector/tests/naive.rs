//! The answers are those of a naive evaluator that shares no code with the room.

use proptest::prelude::*;
use refit_protocol::measure::Share;
use refit_protocol::time::Timestamp;
use refit_selector::sample::{Draw, Place};
use refit_selector::{Scene, Selector};

use crate::generate::{NOW_MS, OneList, Style, device, question};

const SALT: &str = "rollout-7";

/// The draw itself has tests of its own; here it is only composed.
fn drawn(parts: u32, id: &str) -> bool {
    let share = Share::parse(&format!("{}.{:04}%", parts / 10_000, parts % 10_000)).unwrap();
    Draw::new(share, SALT).has(Place::of(id))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn random_trees_are_answered_as_a_naive_evaluator_does(
        question in question(),
        style: u64,
        devices in prop::collection::vec(device(), 1..12),
    ) {
        let text = question.write(&mut Style(style));
        let selector = Selector::parse(&text).map_err(|mistake| TestCaseError::fail(format!("{text}: {mistake}")))?;
        let scene = Scene { now: Timestamp(NOW_MS), salt: SALT, lists: &OneList };
        for device in &devices {
            prop_assert_eq!(
                selector.matches(device, &scene), question.holds(device, &drawn),
                "{} of {:?}", &selector, device
            );
        }
    }

    #[test]
    fn a_smaller_share_is_part_of_a_larger(a in 1..=1_000_000_u32, b in 1..=1_000_000_u32, id in "[a-z0-9-]{1,12}") {
        prop_assert!(!drawn(a.min(b), &id) || drawn(a.max(b), &id));
    }
}
