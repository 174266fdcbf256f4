//! What stops a rollout beside its thresholds, and what a wave has to show before the next one opens.

use refit_protocol::measure::{Share, Span};
use refit_protocol::time::{Now, Timestamp};
use refit_rollout::outage::Silence;
use refit_rollout::plan::{self, GoOn, Membership, Millis, Plan, Wave};
use refit_rollout::state::{Because, Members, RolloutState, Status, WaveState};
use refit_rollout::step::{Health, Snapshot, Step, Waiting, WaveView, step};
use refit_rollout::tally::Kind;

use crate::fleet::{BEGIN_MS, ROLLOUT};

/// A rollout of two waves, the first under way, and all that a step is made from.
struct Bench {
    plan: Plan,
    state: RolloutState,
    waves: Vec<WaveView>,
    members: Members,
    silence: Silence,
    health: Health,
    minutes: u64,
}

impl Bench {
    fn new() -> Self {
        let since = Millis(BEGIN_MS);
        let wave = Wave {
            go_on: GoOn {
                soak: Span::minutes(60),
                ..GoOn::default()
            },
            ..Wave::default()
        };
        let members = Members {
            count: 100,
            digest: 1,
        };
        Self {
            plan: Plan {
                waves: vec![wave.clone(), wave],
                ..Plan::new("firmware@2.0.0", "all")
            },
            state: RolloutState {
                status: Status::Running { since },
                waves: vec![WaveState::Open { since }, WaveState::Waiting],
                members: Some(members),
                ..RolloutState::default()
            },
            waves: vec![
                WaveView {
                    members: 100,
                    opened: 100,
                    ..WaveView::default()
                };
                2
            ],
            members,
            silence: Silence::default(),
            health: Health::Off,
            minutes: 0,
        }
    }

    fn with(mut self, kind: Kind, count: u32) -> Self {
        self.waves[0].tally.add(kind, count);
        self
    }

    fn soaking(mut self) -> Self {
        let since = Millis(BEGIN_MS);
        self.state.waves[0] = WaveState::Soaking { since };
        self
    }

    fn next(&self) -> Step {
        let snapshot = Snapshot {
            id: ROLLOUT,
            plan: &self.plan,
            state: &self.state,
            waves: &self.waves,
            members: self.members,
            in_flight: 0,
            silence: self.silence,
            health: &self.health,
        };
        let now = Now {
            wall: Timestamp(BEGIN_MS + self.minutes * 60_000),
            ..Now::default()
        };
        step(&snapshot, now)
    }

    fn stops_by(&self) -> Option<&'static str> {
        match self.next() {
            Step::Pause(because) => Some(because.rule()),
            _ => None,
        }
    }
}

#[test]
fn an_outage_goes_before_the_failures_that_it_looks_like() {
    let mut bench = Bench::new().with(Kind::GoneDark, 50);
    assert_eq!(bench.stops_by(), Some("threshold"));
    bench.silence = Silence {
        untouched: 1_000,
        untouched_quiet: 300,
        usual: Some(Share::percent(2)),
    };
    assert_eq!(bench.stops_by(), Some("outage"));
}

#[test]
fn downloads_that_fail_pause_and_do_not_condemn_the_release() {
    let with = |failed| {
        Bench::new()
            .with(Kind::Succeeded, 80)
            .with(Kind::Delivery, failed)
    };
    assert_eq!(with(4).stops_by(), None);
    assert_eq!(with(5).stops_by(), Some("delivery"));
}

#[test]
fn a_continuous_rollout_that_grows_by_a_tenth_asks_again() {
    let mut bench = Bench::new();
    bench.plan.membership = Membership::Continuous;
    for (count, expected) in [(110, None), (111, Some("grew"))] {
        bench.members.count = count;
        assert_eq!(bench.stops_by(), expected, "{count}");
    }
    bench.plan.membership = Membership::Snapshot;
    assert_eq!(bench.stops_by(), None);
}

#[test]
fn enough_of_those_that_can_be_reached_must_succeed_and_they_must_be_a_quorum() {
    let next = |succeeded, away, left, settled| {
        let mut bench = Bench::new().with(Kind::Succeeded, succeeded);
        bench.plan.thresholds = Some(vec![]);
        (
            bench.waves[0].away,
            bench.waves[0].left,
            bench.waves[0].settled,
        ) = (away, left, settled);
        match bench.next() {
            Step::Soak { wave: 0 } => "soak",
            Step::Pause(Because::OutOfReach { .. }) => "out of reach",
            Step::Wait { why, .. } if matches!(why[0], Waiting::Succeeded { .. }) => "succeeded",
            Step::Wait { why, .. } if matches!(why[0], Waiting::Quorum { .. }) => "quorum",
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(next(89, 0, 0, 0), "succeeded");
    assert_eq!(next(90, 0, 0, 0), "soak");
    assert_eq!(next(45, 50, 0, 0), "soak", "dead devices do not hold it up");
    assert_eq!(next(45, 51, 0, 0), "quorum");
    assert_eq!(
        next(72, 0, 20, 0),
        "soak",
        "nor those that are out of its hands"
    );
    assert_eq!(next(80, 0, 0, 11), "out of reach");
}

#[test]
fn a_wave_soaks_its_time_and_then_needs_evidence() {
    let mut bench = Bench::new().with(Kind::Succeeded, 100).soaking();
    bench.plan.health = Some(plan::Health {
        max_soak: Span::hours(3),
        ..plan::Health::default()
    });
    let lacking = || Health::Wait("300 device-hours".into());
    for (minutes, health, expected) in [
        (59, Health::GoOn, "soak until 60"),
        (60, Health::GoOn, "close"),
        (60, lacking(), "evidence until 61"),
        (179, lacking(), "evidence until 180"),
        (180, lacking(), "pause: evidence"),
        (60, Health::Insufficient("all".into()), "pause: evidence"),
        (5, Health::Stop("silence".into()), "pause: health"),
    ] {
        (bench.minutes, bench.health) = (minutes, health);
        let until = |until: Option<Timestamp>| (until.unwrap().as_millis() - BEGIN_MS) / 60_000;
        let said = match bench.next() {
            Step::CloseWave { wave: 0 } => "close".into(),
            Step::Pause(because) => format!("pause: {}", because.rule()),
            Step::Wait { why, until: at } => match &why[0] {
                Waiting::Soak { wave: 0 } => format!("soak until {}", until(at)),
                Waiting::Evidence { wave: 0, .. } => format!("evidence until {}", until(at)),
                other => format!("{other:?}"),
            },
            other => format!("{other:?}"),
        };
        assert_eq!(said, expected);
    }
}

#[test]
fn a_paused_rollout_still_aborts_and_does_nothing_else() {
    let mut bench = Bench::new()
        .with(Kind::Failed, 50)
        .with(Kind::Succeeded, 50);
    bench.waves[0].ready = 10;
    bench.state.status = Status::Paused {
        because: Because::Operator { reason: None },
        since: Millis(BEGIN_MS),
        by: None,
    };
    assert!(matches!(bench.next(), Step::Wait { .. }));
    let mut lines = plan::default_thresholds();
    lines[1].then = plan::Then::Abort;
    bench.plan.thresholds = Some(lines);
    assert!(matches!(bench.next(), Step::Abort(Because::Threshold(_))));
}

#[test]
fn the_schedule_ends_it_wherever_it_stands() {
    let mut bench = Bench::new().with(Kind::Succeeded, 10);
    bench.waves[1].opened = 0;
    bench.plan.schedule.end = Some(Millis(BEGIN_MS + 60_000));
    assert!(
        matches!(bench.next(), Step::Wait { until: Some(at), .. } if at == Timestamp(BEGIN_MS + 60_000))
    );
    bench.minutes = 1;
    assert_eq!(bench.next(), Step::Finish { unreached: 100 });
}
