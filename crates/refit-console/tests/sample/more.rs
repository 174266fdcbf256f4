//! The pages about rollouts, and the server's own.

use refit_console::chart::{Line, Lines};
use refit_console::layout::Section;
use refit_console::page::activity::{self, Activity, activity};
use refit_console::page::new_rollout::{NewRollout, Rehearsal, Typed, new_rollout};
use refit_console::page::rollout::{Act, Cluster, Rollout, Toll, Wave, rollout};
use refit_console::page::rollouts::{Rollouts, rollouts};
use refit_console::part::Tone;
use refit_protocol::time::Timestamp;

use super::{HOUR, NOW, ago, page, paused, segment};

pub(super) fn rollouts_page() -> String {
    let view = Rollouts {
        open: vec![paused()],
        over: vec![],
        next: None,
        has_release: true,
        may_start: true,
    };
    page(
        "Rollouts",
        Section::Rollouts,
        Some("/console/live/rollouts"),
        rollouts(&view),
    )
}

fn percent(value: f64) -> String {
    format!("{:.1} %", value * 100.0)
}

fn devices(value: f64) -> String {
    format!("{value:.0}")
}

fn over(values: impl Fn(f64) -> f64) -> Vec<(Timestamp, f64)> {
    (0..60)
        .map(|i| (ago((60 - i) * HOUR / 10), values(i as f64 / 60.0)))
        .collect()
}

pub(super) fn rollout_page() -> String {
    let span = (ago(6 * HOUR), NOW);
    let done = [
        Line {
            name: "done",
            class: "good",
            points: over(|x| 1600.0 * x.sqrt()),
        },
        Line {
            name: "planned",
            class: "waiting",
            points: over(|x| 1988.0 * x),
        },
    ];
    let failed = [Line {
        name: "failed",
        class: "bad",
        points: over(|x| 0.036 * x * x),
    }];
    let band: Vec<(Timestamp, f64, f64)> = over(|x| 0.036 * x * x)
        .into_iter()
        .map(|(at, value)| (at, (value - 0.006).max(0.0), value + 0.008))
        .collect();
    let wave = |name: &str, state: (&'static str, Tone), members, succeeded, failed| Wave {
        name: name.into(),
        state,
        members,
        parts: vec![
            segment("succeeded", succeeded, Tone::Good, ""),
            segment("failed", failed, Tone::Bad, ""),
            segment("waiting", members - succeeded - failed, Tone::Waiting, ""),
        ],
        took: (succeeded > 0).then_some((41_000, 190_000)),
        goes_on: "Goes on when 95 % have succeeded and were well for 30 min.".into(),
    };
    let view = Rollout {
        now: NOW,
        name: "gateway-1.1",
        release: "gateway 1.1.0".into(),
        selector: (
            "model ~ \"gw-*\" and tag.region in (eu, us)",
            "/devices?q=model".into(),
        ),
        state: ("paused", Tone::Warn),
        says: "Failed: 3.6 % of 1,661 that ended, over the 3 % at which it pauses.".into(),
        eligible: 1988,
        left_out: vec![
            (9, "retired", "/devices".into()),
            (3, "held", "/devices".into()),
        ],
        states: vec![
            segment("succeeded", 1600, Tone::Good, ""),
            segment("running", 40, Tone::Busy, ""),
            segment("failed", 61, Tone::Bad, ""),
            segment("waiting", 287, Tone::Waiting, ""),
        ],
        waiting: vec![
            segment("their wave", 250, Tone::Waiting, "c7"),
            segment("being back online", 30, Tone::Waiting, "c8"),
            segment("their window", 7, Tone::Waiting, "c3"),
        ],
        funnel: vec![
            ("told", 1701, "/devices".into()),
            ("at work", 1690, "/devices".into()),
            ("rebooted", 1655, "/devices".into()),
            ("succeeded", 1600, "/devices".into()),
        ],
        waves: vec![
            wave("1: canaries", ("done", Tone::Good), 20, 20, 0),
            wave("2: 10 %", ("done", Tone::Good), 200, 197, 3),
            wave("3: the rest", ("open", Tone::Busy), 1768, 1383, 58),
        ],
        progress: Some(Lines {
            label: "Devices done, and as planned, over six hours",
            span,
            top: 2000.0,
            write: devices,
            lines: &done,
            level: Some((1988.0, "all", Tone::Good)),
            band: &[],
        }),
        failures: Some(Lines {
            label: "Share that failed over six hours",
            span,
            top: 0.06,
            write: percent,
            lines: &failed,
            level: Some((0.03, "pauses at", Tone::Bad)),
            band: &band,
        }),
        clusters: vec![Cluster {
            reason: "verify",
            group: "gw-200 rev B, from 1.0.0".into(),
            failed: (61, 63),
            lift: None,
            href: "/devices".into(),
            examples: vec!["berlin-0003", "berlin-0017", "oslo-0001"],
            exclude: Some("{}".into()),
        }],
        acts: vec![Act::Resume, Act::Retry, Act::Abort],
        toll: Toll {
            untouched: 287,
            cancelled: 0,
            finishing: 40,
            stay: 1600,
        },
        revision: 12,
        plan: "/rollouts/gateway-1.1/plan".into(),
    };
    page(
        "gateway-1.1",
        Section::Rollouts,
        Some("/console/live/rollouts/gateway-1.1"),
        rollout(&view),
    )
}

pub(super) fn new_rollout_page() -> String {
    let view = NewRollout {
        now: NOW,
        releases: vec!["gateway@1.1.0".into(), "gateway@1.0.0".into()],
        typed: Typed {
            release: "gateway@1.1.0",
            selector: "model ~ \"gw-*\"",
            waves: "1%,10%,100%",
            max_failed: "3%",
            ..Typed::default()
        },
        mistake: None,
        problems: Vec::new(),
        rehearsal: Some(Rehearsal {
            eligible: (1988, "/devices".into()),
            left_out: vec![(9, "retired", "/devices".into())],
            waves: vec![20, 200, 1768],
            bytes: 34_000_000_000,
            shortest: 5 * HOUR,
            ends: Timestamp(NOW.0 + 5 * HOUR),
            detects: Some("The first wave alone can show a failure rate of 14 % or more.".into()),
            examples: vec!["berlin-0001", "oslo-0001"],
        }),
    };
    page("New rollout", Section::Rollouts, None, new_rollout(&view))
}

pub(super) fn activity_page() -> String {
    let line = |actor, action, subject: (&'static str, Option<String>)| activity::Line {
        at: ago(80_000),
        actor,
        action,
        subject,
        source: "192.0.2.7",
    };
    let view = Activity {
        now: NOW,
        health: vec![
            ("Commit, 99 of 100", "4.1 ms".into(), Tone::Good),
            ("Connections", "1,912".into(), Tone::Plain),
            ("Issuer expires", "in 40 d".into(), Tone::Warn),
        ],
        lines: vec![
            line(
                "user/ada",
                "paused the rollout",
                ("gateway-1.1", Some("/rollouts/gateway-1.1".into())),
            ),
            line("token/ci", "added the release", ("gateway 1.1.0", None)),
        ],
        filter: "",
        next: None,
        may_audit: true,
    };
    page(
        "Activity",
        Section::Activity,
        Some("/console/live/activity"),
        activity(&view),
    )
}
