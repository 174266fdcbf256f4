//! What is complained of, and where.

use super::*;
use crate::plan::{
    Cause, GoOn, Health, HoldOut, Hours, Millis, Offline, Retry, Schedule, Threshold, UpTo, Wave,
};
use refit_protocol::measure::{Share, Span};

const NOW: Timestamp = Timestamp(1_800_000_000_000);

fn paths(plan: &Plan) -> Vec<(Severity, String)> {
    let found = check(plan, NOW).into_iter();
    found
        .map(|complaint| (complaint.severity, complaint.path))
        .collect()
}

fn errors(plan: &Plan) -> Vec<String> {
    let errors = paths(plan)
        .into_iter()
        .filter(|(severity, _)| *severity == Severity::Error);
    errors.map(|(_, path)| path).collect()
}

fn plan() -> Plan {
    Plan::new("firmware@2.0.0", "model = gw-200")
}

fn up_to(up_to: UpTo) -> Wave {
    Wave {
        up_to: Some(up_to),
        ..Wave::default()
    }
}

#[test]
fn the_smallest_plan_is_fine() {
    assert_eq!(paths(&plan()), []);
}

#[test]
fn all_contradictions_are_found_at_once() {
    let bad = Plan {
        releases: vec!["firmware".into(), "a@1".into(), "a@2".into()],
        select: "modle = x".into(),
        waves: vec![
            up_to(UpTo::Share(Share::percent(10))),
            up_to(UpTo::Share(Share::percent(5))),
            Wave::default(),
            up_to(UpTo::Count(5)),
        ],
        max_in_flight: Some(0),
        retry: Retry {
            times: 1,
            after: vec![Cause::Reverted],
            ..Retry::default()
        },
        schedule: Schedule {
            start: Some(Millis(NOW.as_millis() + 10)),
            end: Some(Millis(NOW.as_millis() + 5)),
            ..Schedule::default()
        },
        health: Some(Health::default()),
        offline: Offline::Queue,
        ..plan()
    };
    assert_eq!(
        errors(&bad),
        [
            "releases[0]",
            "releases[2]",
            "select",
            "waves[1].upTo",
            "waves[3]",
            "health",
            "maxInFlight",
            "schedule",
            "offline",
            "retry.after",
        ]
    );
    let select = check(&bad, NOW)
        .into_iter()
        .find(|complaint| complaint.path == "select");
    assert_eq!(select.unwrap().hint, "write \"model = x\"");
}

#[test]
fn thresholds_are_a_share_or_a_count() {
    let share = Threshold::share(&[Cause::Failed], Share::percent(5));
    let count = Threshold::early(&[Cause::Failed], 5, 20);
    let lines = vec![
        share.clone(),
        Threshold {
            count: Some(5),
            ..share.clone()
        },
        Threshold {
            first: Some(4),
            ..count.clone()
        },
        Threshold {
            of: vec![],
            share: None,
            ..share.clone()
        },
        Threshold {
            after: Some(1),
            ..count
        },
    ];
    let plan = Plan {
        thresholds: Some(lines),
        ..plan()
    };
    assert_eq!(
        errors(&plan),
        [
            "thresholds[1]",
            "thresholds[2].first",
            "thresholds[3].of",
            "thresholds[3]",
            "thresholds[4].after",
        ]
    );
}

#[test]
fn soak_fits_into_schedule_and_patience() {
    let soak = |hours| Wave {
        go_on: GoOn {
            soak: Span::hours(hours),
            ..GoOn::default()
        },
        ..Wave::default()
    };
    let mut plan = Plan {
        waves: vec![soak(80)],
        health: Some(Health::default()),
        hold_out: Some(HoldOut {
            share: Share::percent(5),
            at_most: None,
        }),
        ..plan()
    };
    assert_eq!(errors(&plan), ["waves[0].goOn.soak"]);
    plan.health = None;
    plan.schedule.end = Some(Millis(NOW.as_millis() + 3_600_000));
    assert_eq!(errors(&plan), ["schedule.end"]);
}

#[test]
fn windows_that_never_open_and_zones_that_do_not_exist_are_told() {
    let hours = |open: &[&str], zone: &str| Plan {
        windows: Some(Hours {
            open: open.iter().map(|text| (*text).into()).collect(),
            zone_attribute: None,
            zone: zone.into(),
        }),
        ..plan()
    };
    assert_eq!(
        errors(&hours(&["mon-fri 22:00-05:00"], "Europe/Berlin")),
        Vec::<String>::new()
    );
    assert_eq!(errors(&hours(&[], "UTC")), ["windows.open"]);
    let both = ["windows.zone", "windows.open", "windows.open"];
    assert_eq!(
        errors(&hours(&["noon", "mon 12:00-12:00"], "Europe/Berlim")),
        both
    );
    // NOW is a Friday, 08:00 UTC; the rollout ends before the window begins.
    let mut late = hours(&["sun 01:00-02:00"], "UTC");
    late.schedule.end = Some(Millis(NOW.as_millis() + 24 * 3_600_000));
    assert_eq!(errors(&late), ["windows.open"]);
    late.schedule.end = Some(Millis(NOW.as_millis() + 72 * 3_600_000));
    assert_eq!(errors(&late), Vec::<String>::new());
}

#[test]
fn what_is_probably_not_meant_is_a_warning() {
    let warned = Plan {
        waves: vec![up_to(UpTo::Share(Share::percent(50)))],
        thresholds: Some(vec![]),
        hold_out: Some(HoldOut {
            share: Share::percent(5),
            at_most: None,
        }),
        ..plan()
    };
    let expected = ["waves", "holdOut", "thresholds"].map(|path| (Severity::Warning, path.into()));
    assert_eq!(paths(&warned), expected);
}
