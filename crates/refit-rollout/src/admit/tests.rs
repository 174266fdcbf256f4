//! What stands in a device's way, case by case.

use super::*;
use crate::plan::{Cause, Retry};
use crate::state::{Because, WaveState};
use refit_protocol::measure::Span;

const NOW: Timestamp = Timestamp(1_800_000_000_000);

fn open_state() -> RolloutState {
    let since = Millis::from(NOW);
    RolloutState {
        status: Status::Running { since },
        waves: vec![WaveState::Open { since }, WaveState::Waiting],
        ..RolloutState::default()
    }
}

fn free(facts: &Group) -> Device<'_> {
    Device {
        wave: Some(0),
        left_out: None,
        facts,
        held: None,
        frozen: false,
        pinned: None,
        rival: None,
        last: None,
        capped: false,
        next: Some(Next::To(2)),
        unfit: None,
        strength: Strength::Time,
        closed: None,
        full: None,
        away: None,
    }
}

fn rules(device: &Device<'_>, plan: &Plan, state: &RolloutState) -> Vec<Rule> {
    let asking = Asking {
        id: RolloutId(7),
        plan,
        state,
        now: NOW,
    };
    match admit(device, &asking) {
        Standing::Blocked(blockers) => blockers.iter().map(Blocker::rule).collect(),
        _ => Vec::new(),
    }
}

#[test]
fn all_blockers_are_named_in_order_of_precedence() {
    let (plan, state, facts) = (Plan::new("f@2", "all"), open_state(), Group::default());
    let name = RolloutName::parse("other").unwrap();
    let device = Device {
        held: Some("it fell back"),
        frozen: true,
        pinned: Some("f@1"),
        rival: Some(Rival::Rollout {
            id: RolloutId(1),
            name: &name,
            priority: 1,
        }),
        wave: Some(1),
        unfit: Some("it wants rev C"),
        closed: Some(None),
        away: Some(None),
        ..free(&facts)
    };
    let found = rules(&device, &plan, &state);
    use Rule::*;
    assert_eq!(
        found,
        [
            Held,
            Frozen,
            Pinned,
            Priority,
            WaveNotOpen,
            Unfit,
            Window,
            Offline
        ]
    );
    assert!(found.is_sorted());
    assert_eq!(rules(&free(&facts), &plan, &state), []);
}

#[test]
fn two_rollouts_are_settled_by_priority_and_then_by_age() {
    let (state, facts, name) = (
        open_state(),
        Group::default(),
        RolloutName::parse("other").unwrap(),
    );
    for (other, own_priority, priority, expected) in [
        (1, 0, 1, Some(Rule::Priority)),
        (9, 0, 1, Some(Rule::Priority)),
        (1, 0, 0, None),
        (9, 0, 0, Some(Rule::Newer)),
        (9, 1, 0, None),
    ] {
        let plan = Plan {
            priority: own_priority,
            ..Plan::new("f@2", "all")
        };
        let device = Device {
            rival: Some(Rival::Rollout {
                id: RolloutId(other),
                name: &name,
                priority,
            }),
            ..free(&facts)
        };
        assert_eq!(rules(&device, &plan, &state).first().copied(), expected);
    }
}

#[test]
fn a_failed_device_is_tried_again_as_often_as_the_plan_says_and_not_sooner() {
    let (state, facts) = (open_state(), Group::default());
    let plan = Plan {
        retry: Retry {
            times: 2,
            back_off: Span::minutes(10),
            after: vec![Cause::Failed],
        },
        ..Plan::new("f@2", "all")
    };
    let tried = |attempt, kind, minutes_ago: u64| Device {
        last: Some(Last {
            attempt,
            kind,
            at: Timestamp(NOW.as_millis() - minutes_ago * 60_000),
        }),
        ..free(&facts)
    };
    for (attempt, kind, minutes_ago, expected) in [
        (0, Kind::Failed, 9, Some(Rule::BackOff)),
        (0, Kind::Failed, 10, None),
        (1, Kind::Failed, 19, Some(Rule::BackOff)),
        (1, Kind::Failed, 20, None),
        (2, Kind::Failed, 900, Some(Rule::Ended)),
        (0, Kind::Rejected, 900, Some(Rule::Ended)),
        (9, Kind::Delivery, 10, None),
        (0, Kind::Cancelled, 900, Some(Rule::Ended)),
    ] {
        let found = rules(&tried(attempt, kind, minutes_ago), &plan, &state);
        assert_eq!(
            found.first().copied(),
            expected,
            "{attempt} {kind:?} {minutes_ago}"
        );
    }
    let mut forgiving = state.clone();
    forgiving.retried.push(crate::state::Retried {
        group: None,
        at: NOW.into(),
    });
    assert_eq!(rules(&tried(2, Kind::Failed, 1), &plan, &forgiving), []);
}

#[test]
fn who_is_done_or_at_work_is_not_blocked() {
    let (plan, state, facts) = (Plan::new("f@2", "all"), open_state(), Group::default());
    let asking = Asking {
        id: RolloutId(7),
        plan: &plan,
        state: &state,
        now: NOW,
    };
    let with = |kind| Device {
        last: Some(Last {
            attempt: 0,
            kind,
            at: NOW,
        }),
        frozen: true,
        ..free(&facts)
    };
    assert_eq!(admit(&with(Kind::LateSuccess), &asking), Standing::Done);
    assert_eq!(admit(&with(Kind::Running), &asking), Standing::AtWork);
}

#[test]
fn every_status_but_running_blocks() {
    let (plan, facts) = (Plan::new("f@2", "all"), Group::default());
    let since = Millis::from(NOW);
    let because = Because::Operator { reason: None };
    for (status, expected) in [
        (Status::Draft, Rule::NotBegun),
        (Status::AwaitingApproval { since }, Rule::NotBegun),
        (Status::Scheduled { at: since }, Rule::NotBegun),
        (
            Status::Paused {
                because,
                since,
                by: None,
            },
            Rule::Paused,
        ),
        (
            Status::Finished {
                since,
                unreached: 0,
            },
            Rule::Over,
        ),
    ] {
        let state = RolloutState {
            status,
            ..open_state()
        };
        assert_eq!(rules(&free(&facts), &plan, &state), [expected]);
    }
}
