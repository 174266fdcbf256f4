//! What operators may do, and when it makes no sense.

use refit_protocol::time::Timestamp;
use refit_rollout::cluster::Group;
use refit_rollout::pace::Pace;
use refit_rollout::plan::{Millis, Plan, UpTo, Wave};
use refit_rollout::state::{Act, Because, Members, RolloutState, Scene, Status, Toll, WaveState};
use refit_rollout::step::{Health, Snapshot, Step, WaveView, step};
use refit_rollout::tally::Kind;

use crate::fleet::{BEGIN_MS, ROLLOUT};

const NOW: Timestamp = Timestamp(BEGIN_MS);

fn plan() -> Plan {
    let up_to = |count| Wave {
        up_to: Some(UpTo::Count(count)),
        ..Wave::default()
    };
    Plan {
        waves: vec![up_to(10), up_to(100)],
        ..Plan::new("firmware@2.0.0", "all")
    }
}

fn act(state: &RolloutState, act: &Act, by: &str) -> Result<RolloutState, &'static str> {
    act_on(&plan(), state, act, by, 100)
}

fn act_on(
    plan: &Plan,
    state: &RolloutState,
    act: &Act,
    by: &str,
    count: u32,
) -> Result<RolloutState, &'static str> {
    let scene = Scene {
        plan,
        waves: &[WaveView {
            members: 10,
            settled: 1,
            ..WaveView::default()
        }],
        members: Members {
            count,
            digest: count.into(),
        },
        approval_required: false,
        by,
        now: NOW,
    };
    state.act(act, &scene).map_err(|refusal| refusal.code)
}

fn with(status: Status) -> RolloutState {
    let since = Millis::from(NOW);
    let begun = matches!(status, Status::Running { .. } | Status::Paused { .. });
    RolloutState {
        status,
        waves: if begun {
            vec![WaveState::Open { since }, WaveState::Waiting]
        } else {
            vec![]
        },
        ..RolloutState::default()
    }
}

fn statuses() -> Vec<RolloutState> {
    let since = Millis::from(NOW);
    let because = Because::Operator { reason: None };
    vec![
        with(Status::Draft),
        with(Status::AwaitingApproval { since }),
        with(Status::Scheduled { at: since }),
        with(Status::Running { since }),
        with(Status::Paused {
            because: because.clone(),
            since,
            by: None,
        }),
        with(Status::Aborted {
            because,
            since,
            by: None,
        }),
        with(Status::Finished {
            since,
            unreached: 0,
        }),
    ]
}

#[test]
fn every_act_is_permitted_where_it_makes_sense_and_refused_with_a_reason_elsewhere() {
    let group = Group {
        model: Some("gw-200".into()),
        ..Group::default()
    };
    let exclude = Act::Exclude {
        group,
        reason: "they burn".into(),
    };
    let (pause, abort) = (Act::Pause { reason: None }, Act::Abort { reason: None });
    // DRAFT, AWAITING_APPROVAL, SCHEDULED, RUNNING, PAUSED, ABORTED, FINISHED
    for (what, expected) in [
        (
            Act::Start,
            "SCHEDULED started started started started started started",
        ),
        (
            Act::Approve,
            "nothing_to_approve SCHEDULED nothing_to_approve nothing_to_approve nothing_to_approve nothing_to_approve nothing_to_approve",
        ),
        (
            pause,
            "not_running not_running PAUSED PAUSED paused not_running not_running",
        ),
        (
            Act::Resume,
            "not_paused not_paused not_paused not_paused RUNNING not_paused not_paused",
        ),
        (
            Act::Advance,
            "not_running not_running not_running RUNNING paused not_running not_running",
        ),
        (abort, "ABORTED ABORTED ABORTED ABORTED ABORTED over over"),
        (
            Act::Retry { group: None },
            "not_running not_running not_running RUNNING PAUSED over over",
        ),
        (
            exclude,
            "not_running not_running not_running RUNNING PAUSED over over",
        ),
        (
            Act::SetPace(Some(Pace::constant(5))),
            "DRAFT AWAITING_APPROVAL SCHEDULED RUNNING PAUSED over over",
        ),
    ] {
        let said: Vec<String> = statuses()
            .iter()
            .map(|state| act(state, &what, "ben"))
            .map(|done| done.map_or_else(String::from, |next| next.status.as_str().into()))
            .collect();
        assert_eq!(said.join(" "), expected, "{what:?}");
    }
}

#[test]
fn who_started_it_cannot_approve_it() {
    let plan = Plan {
        approval: true,
        ..plan()
    };
    let draft = RolloutState::default();
    let asked = act_on(&plan, &draft, &Act::Start, "ann", 100).unwrap();
    assert_eq!(asked.status.as_str(), "AWAITING_APPROVAL");
    assert_eq!(
        act_on(&plan, &asked, &Act::Approve, "ann", 100),
        Err("second_person")
    );
    let approved = act_on(&plan, &asked, &Act::Approve, "ben", 100).unwrap();
    assert_eq!(approved.approvals.len(), 1);

    // It begins with what was approved, and asks again for anything else (semantics 14).
    for (count, expected) in [(100, "RUNNING"), (101, "AWAITING_APPROVAL")] {
        let snapshot = Snapshot {
            id: ROLLOUT,
            plan: &plan,
            state: &approved,
            waves: &[],
            members: Members {
                count,
                digest: count.into(),
            },
            in_flight: 0,
            silence: Default::default(),
            health: &Health::Off,
        };
        let begun = approved.follow(&Step::Begin, &snapshot, NOW).unwrap();
        assert_eq!(begun.status.as_str(), expected);
    }
}

#[test]
fn an_abort_says_what_happens_to_whom() {
    let mut wave = WaveView {
        members: 100,
        opened: 60,
        ..WaveView::default()
    };
    for (kind, count) in [
        (Kind::Queued, 5),
        (Kind::Sent, 10),
        (Kind::Running, 20),
        (Kind::Succeeded, 15),
        (Kind::Failed, 10),
    ] {
        wave.tally.add(kind, count);
    }
    let toll = Toll::of(&[wave]);
    let expected = Toll {
        untouched: 40,
        cancelled: 15,
        finishing: 20,
        stay: 15,
        without: 10,
    };
    assert_eq!(toll, expected);
}

#[test]
fn what_an_operator_has_seen_does_not_stop_it_again_and_what_comes_after_does() {
    let plan = plan();
    let view = |failed| {
        let mut wave = WaveView {
            members: 100,
            opened: 100,
            ready: 5,
            ..WaveView::default()
        };
        wave.tally.add(Kind::Succeeded, 20);
        wave.tally.add(Kind::Failed, failed);
        [wave, WaveView::default()]
    };
    let next = |state: &RolloutState, waves: &[WaveView]| {
        let snapshot = Snapshot {
            id: ROLLOUT,
            plan: &plan,
            state,
            waves,
            members: Members::default(),
            in_flight: 0,
            silence: Default::default(),
            health: &Health::Off,
        };
        step(
            &snapshot,
            refit_protocol::time::Now {
                wall: NOW,
                ..Default::default()
            },
        )
    };
    let state = with(Status::Running { since: NOW.into() });
    assert!(matches!(
        next(&state, &view(10)),
        Step::Pause(Because::Threshold(_))
    ));
    let waves = view(10);
    let scene = Scene {
        plan: &plan,
        waves: &waves,
        members: Members::default(),
        approval_required: false,
        by: "ann",
        now: NOW,
    };
    let paused = state.act(&Act::Pause { reason: None }, &scene).unwrap();
    let resumed = paused.act(&Act::Resume, &scene).unwrap();
    assert!(matches!(next(&resumed, &view(10)), Step::Open { .. }));
    assert!(matches!(next(&resumed, &view(14)), Step::Open { .. }));
    assert!(matches!(
        next(&resumed, &view(15)),
        Step::Pause(Because::Threshold(_))
    ));
}
