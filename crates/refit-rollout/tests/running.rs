//! Rollouts run to their end over a model fleet, with failures, crashes and operators who get in the way.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "the body of a test that several tests share says what must hold in the shortest way"
)]

use refit_protocol::measure::{Share, Span};
use refit_rollout::pace::Pace;
use refit_rollout::plan::{
    Budget, Cause, GoOn, HoldOut, Plan, Retry, Then, Threshold, UpTo, Wave, default_thresholds,
};
use refit_rollout::state::{Act, Because, Status};
use refit_rollout::step::Step;
use refit_rollout::tally::{Kind, Tally};

use crate::fleet::{Chance, World};

/// Past this many turns a rollout goes in a circle.
const TURNS_MAX: usize = 60_000;

fn waves() -> Vec<Wave> {
    let go_on = GoOn {
        soak: Span::minutes(5),
        ..GoOn::default()
    };
    let up_to = |up_to| Wave {
        up_to: Some(up_to),
        go_on,
        ..Wave::default()
    };
    vec![
        Wave {
            select: Some("tag.ring = canary".into()),
            go_on,
            ..Wave::default()
        },
        up_to(UpTo::Share(Share::percent(20))),
        up_to(UpTo::Share(Share::ALL)),
    ]
}

fn some_plan(chance: &mut Chance) -> Plan {
    let mut plan = Plan {
        waves: waves(),
        ..Plan::new("firmware@2.0.0", "all")
    };
    if chance.percent(50) {
        plan.max_in_flight = Some(1 + chance.below(40) as u32);
    }
    if chance.percent(50) {
        plan.pace = Some(Pace::constant(1 + chance.below(200) as u32));
    }
    if chance.percent(50) {
        plan.budgets.push(Budget {
            per: "tag.site".into(),
            count: Some(1 + chance.below(3) as u32),
            share: None,
        });
    }
    if chance.percent(30) {
        plan.hold_out = Some(HoldOut {
            share: Share::percent(10),
            at_most: None,
        });
    }
    plan.retry = Retry {
        times: chance.below(3) as u8,
        back_off: Span::minutes(2),
        after: vec![Cause::Failed, Cause::TimedOut],
    };
    let mut lines = default_thresholds();
    if chance.percent(30) {
        lines.push(Threshold {
            then: Then::Abort,
            ..Threshold::early(&Cause::ALL, 8, 20)
        });
    }
    plan.thresholds = Some(lines);
    plan
}

/// What is counted by hand, job by job, since the rollout was last resumed.
fn ended_and_failed(world: &World, seen: Tally) -> (i64, i64) {
    let (mut ended, mut failed) = (0, 0);
    for (kind, count) in world.kinds() {
        let since = i64::from(count) - i64::from(seen.get(kind));
        let bad = matches!(
            kind,
            Kind::Failed | Kind::Rejected | Kind::TimedOut | Kind::GoneDark | Kind::Reverted
        );
        let good = matches!(
            kind,
            Kind::Succeeded | Kind::AlreadyThere | Kind::LateSuccess
        );
        failed += if bad { since.max(0) } else { 0 };
        ended += if bad || good { since.max(0) } else { 0 };
    }
    (ended, failed)
}

/// Runs a rollout to its end; an operator resumes whatever stops. Returns how it ended.
fn run(world: &mut World, meddle_percent: u64) -> Status {
    world.act(&Act::Start, "ann").unwrap();
    let mut seen = Tally::default();
    for _ in 0..TURNS_MAX {
        let before = world.opened_at.len();
        let figures = ended_and_failed(world, seen);
        let next = world.turn();
        let opened = world.opened_at.len() - before;
        holds(world, &next, opened, figures);
        match &next {
            Step::Wait { why, until } => {
                assert!(!why.is_empty(), "it waits for nothing");
                if world.state.status.is_over() {
                    return world.state.status.clone();
                }
                if matches!(world.state.status, Status::Paused { .. }) && world.chance.percent(30) {
                    world.act(&Act::Resume, "ann").unwrap();
                    seen = world
                        .state
                        .seen
                        .iter()
                        .fold(Tally::default(), |all, t| all.plus(t));
                } else {
                    assert!(world.pass(*until), "nothing ever happens: {why:?}");
                }
            }
            Step::Open { .. } => {
                assert!(opened > 0 || world.crashes_percent > 0, "nobody was ready")
            }
            _ => {}
        }
        if world.chance.percent(meddle_percent) {
            meddle(world);
            if !world.state.seen.is_empty() {
                seen = world
                    .state
                    .seen
                    .iter()
                    .fold(Tally::default(), |all, t| all.plus(t));
            }
        }
    }
    panic!("it goes in a circle: {:?}", world.state);
}

/// What holds after every step.
fn holds(world: &World, next: &Step, opened: usize, (ended, failed): (i64, i64)) {
    if let Some(max) = world.plan.max_in_flight {
        assert!(
            world.in_flight() <= max,
            "{} of {max} in flight",
            world.in_flight()
        );
    }
    for budget in &world.plan.budgets {
        let mut sites = std::collections::BTreeMap::<&str, u32>::new();
        for thing in world
            .things
            .iter()
            .filter(|thing| thing.busy_until > world.now)
        {
            *sites.entry(&thing.site).or_default() += 1;
        }
        let most = sites.values().max().copied().unwrap_or_default();
        assert!(most <= budget.count.unwrap(), "{most} at work at one site");
    }
    if opened > 0 {
        assert!(
            matches!(next, Step::Open { .. }),
            "{next:?} opened {opened}"
        );
        assert!(!world.state.status.is_over());
        // The usual lines, counted by hand: 5 of the first 20, more than 5 % after 100.
        assert!(
            failed < 5 || ended > 20,
            "opened after {failed} of {ended} failed"
        );
        assert!(
            ended < 100 || failed * 20 <= ended,
            "opened after {failed} of {ended} failed"
        );
    }
    if let Some(pace) = world
        .state
        .pace_of(&world.plan)
        .filter(|_| world.state.pace.is_none())
    {
        let minute = world
            .opened_at
            .iter()
            .rev()
            .take_while(|at| **at + 60_000 > world.now)
            .count();
        // A minute's worth, the bucket's ten seconds, and the first job after each resume.
        let most = pace.per_minute + pace.per_minute / 6 + 2;
        assert!(
            minute as u32 <= most + world.state.seen.len() as u32,
            "{minute} in a minute of {most}"
        );
    }
}

/// An operator does something, whether it makes sense or not.
fn meddle(world: &mut World) {
    let group = world.things[0].facts.clone();
    let act = match world.chance.below(60) {
        0..15 => Act::Pause { reason: None },
        15..30 => Act::Resume,
        30..40 => Act::Advance,
        40..45 => Act::Retry { group: None },
        45..47 => Act::Exclude {
            group,
            reason: "they burn".into(),
        },
        47..57 => Act::SetPace(Some(Pace::constant(1 + world.chance.below(500) as u32))),
        57..59 => Act::Approve,
        _ => Act::Abort { reason: None },
    };
    let before = world.state.clone();
    if world.act(&act, "ben").is_err() {
        assert_eq!(world.state, before, "a refusal changes nothing");
    }
}

#[test]
fn a_good_release_reaches_everyone() {
    for seed in 0..12 {
        let plan = some_plan(&mut Chance(seed));
        let mut world = World::new(plan, 100, seed);
        world.fails_percent = 0;
        let end = run(&mut world, 0);
        assert!(
            matches!(end, Status::Finished { unreached: 0, .. }),
            "{seed}: {end:?}"
        );
        let done = world
            .things
            .iter()
            .filter(|thing| !thing.jobs.is_empty())
            .count();
        assert_eq!(done, 100, "{seed}");
    }
}

#[test]
fn crashes_at_every_point_open_nothing_twice_and_forget_nobody() {
    for seed in 100..112 {
        let mut world = World::new(some_plan(&mut Chance(seed)), 100, seed);
        (world.fails_percent, world.crashes_percent) = (0, 40);
        let end = run(&mut world, 0);
        assert!(
            matches!(end, Status::Finished { unreached: 0, .. }),
            "{seed}: {end:?}"
        );
        assert!(
            world.things.iter().all(|thing| !thing.jobs.is_empty()),
            "{seed}"
        );
    }
}

#[test]
fn a_bad_release_stops_by_itself_in_its_first_waves() {
    for seed in 200..215 {
        let mut plan = some_plan(&mut Chance(seed));
        plan.retry = Retry::default();
        let mut world = World::new(plan, 300, seed);
        world.fails_percent = 60;
        world.act(&Act::Start, "ann").unwrap();
        let stopped = (0..TURNS_MAX).find_map(|_| match world.turn() {
            Step::Wait { until, .. } => {
                world.pass(until);
                None
            }
            Step::Pause(because) | Step::Abort(because) => Some(because),
            _ => None,
        });
        let because = stopped.unwrap();
        assert!(
            matches!(because, Because::Threshold(_) | Because::OutOfReach { .. }),
            "{seed}: {because:?}"
        );
        assert!(
            world.opened_at.len() <= 60,
            "{seed}: {} were touched",
            world.opened_at.len()
        );
    }
}

#[test]
fn whatever_fails_and_whoever_meddles_a_rollout_comes_to_its_end() {
    for seed in 300..340 {
        let mut chance = Chance(seed);
        let mut world = World::new(some_plan(&mut chance), 80, seed);
        world.fails_percent = chance.below(40);
        world.crashes_percent = chance.below(30);
        let end = run(&mut world, chance.below(20));
        assert!(end.is_over(), "{seed}");
        let open = world
            .kinds()
            .iter()
            .filter(|(kind, _)| kind.is_open())
            .count();
        assert!(
            open == 0 || matches!(end, Status::Aborted { .. }),
            "{seed}: {open} open"
        );
    }
}
