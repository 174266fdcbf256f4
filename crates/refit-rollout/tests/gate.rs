//! The health gate against chance: how often it is wrong, and how soon it is right.

use refit_protocol::time::Timestamp;
use refit_rollout::describe;
use refit_rollout::gate::{Baseline, Event, Gate, Hour, Metric, Settings, Sites, Tally, Verdict};

use crate::chance::Chance;

const START: Timestamp = Timestamp(0);
const LOOKS: u64 = 60;

fn hour_of(updated: (u64, u64), baseline: (u64, u64)) -> Hour {
    let tally = |(events, device_hours)| Tally {
        events,
        device_hours,
    };
    Hour {
        updated: tally(updated),
        baseline: tally(baseline),
    }
}

/// One hour of two arms of this size and rate per hour.
fn chance_hour(chance: &mut Chance, n: (u64, u64), rate: (f64, f64)) -> Hour {
    let updated = chance.events(n.0, rate.0);
    let baseline = chance.events(n.1, rate.1);
    hour_of((updated, n.0), (baseline, n.1))
}

fn stopped(gate: &Gate) -> bool {
    matches!(gate.verdict(START), Verdict::Stop { .. })
}

fn share(seeds: u64, what: impl Fn(&mut Chance) -> bool) -> f64 {
    let hits = (0..seeds)
        .filter(|seed| what(&mut Chance(seed << 32 | 0x5eed)))
        .count();
    hits as f64 / seeds as f64
}

/// A rollout of two waves and two metrics with a release that changes nothing, looked at each hour: arms of unequal
/// size, and a common rate that jumps about twentyfold from hour to hour.
fn healthy_rollout_stops(chance: &mut Chance) -> bool {
    let settings = Settings {
        metrics: vec![Metric::Silence, Metric::Reboots],
        waves: 2,
        ..Settings::default()
    };
    [(100 + (400.0 * chance.unit()) as u64, 300), (2_000, 300)]
        .into_iter()
        .any(|n| {
            let mut gate = Gate::new(settings.clone(), START);
            for hour in 0..LOOKS {
                let rate = 0.0001 + 0.002 * chance.unit().powi(3);
                for metric in [Metric::Silence, Metric::Reboots] {
                    let seen = chance_hour(chance, n, (rate, rate));
                    gate.observe(metric, hour, seen);
                }
                // A stop stands, so that asking once at the end is asking at every hour.
            }
            stopped(&gate)
        })
}

#[test]
fn ten_thousand_healthy_rollouts_are_stopped_no_oftener_than_alpha() {
    let false_stops = share(10_000, healthy_rollout_stops);
    println!("false stops: {:.3} %", false_stops * 100.0);
    assert!(false_stops <= 0.01, "{false_stops}");
    assert!(
        false_stops > 0.000_1,
        "{false_stops}: a gate that never errs has no power either"
    );
}

/// What the gate is not: a one-sided z-test at 5 % of two shares, pooled, looked at each hour.
#[test]
fn a_naive_z_test_cries_wolf_in_a_quarter_of_healthy_rollouts() {
    let false_stops = share(4_000, |chance| {
        let (mut of_updated, mut of_baseline, mut n) = (0.0, 0.0, 0.0);
        (0..LOOKS).any(|_| {
            of_updated += chance.events(300, 0.01) as f64;
            of_baseline += chance.events(300, 0.01) as f64;
            n += 300.0;
            let pooled = (of_updated + of_baseline) / (2.0 * n);
            let error = (2.0 * pooled * (1.0 - pooled) / n).sqrt();
            error > 0.0 && (of_updated - of_baseline) / n / error > 1.645
        })
    });
    println!("false alarms of a z-test: {:.1} %", false_stops * 100.0);
    assert!((0.22..0.34).contains(&false_stops), "{false_stops}");
}

/// 2 % of all devices reboot in nearly every third hour, whatever they run. Who counts each of these events measures
/// into which arm they fell.
fn chronic_rebooters_stop(chance: &mut Chance, once: bool) -> bool {
    let mut rebooters: Vec<(u32, bool)> = Vec::new();
    for device in 0..600 {
        if chance.unit() < 0.02 {
            rebooters.push((device, chance.unit() < 0.5));
        }
    }
    let mut gate = Gate::new(Settings::from(Metric::Reboots), START);
    let mut sites = Sites::default();
    for hour in 0..LOOKS {
        let mut events: Vec<Event<'_>> = Vec::new();
        for (device, updated) in &rebooters {
            if chance.unit() < 0.3 {
                events.push(Event {
                    device: *device,
                    updated: *updated,
                    site: None,
                });
            }
        }
        let had = |of: bool| {
            let had = rebooters.iter().filter(|(device, _)| sites.had(*device));
            had.filter(|(_, updated)| *updated == of).count() as u64
        };
        let at_risk = if once {
            (300 - had(true), 300 - had(false))
        } else {
            (300, 300)
        };
        let counted = if once {
            sites.fold(events)
        } else {
            Sites::default().fold(events)
        };
        let seen = hour_of((counted.0, at_risk.0), (counted.1, at_risk.1));
        gate.observe(Metric::Reboots, hour, seen);
    }
    stopped(&gate)
}

#[test]
fn chronic_rebooters_are_counted_once_and_stop_nothing() {
    let once = share(1_000, |chance| chronic_rebooters_stop(chance, true));
    let hourly = share(1_000, |chance| chronic_rebooters_stop(chance, false));
    println!(
        "chronic rebooters, false stops: counted once {:.1} %, every hour {:.1} %",
        once * 100.0,
        hourly * 100.0
    );
    assert!(once <= 0.01, "{once}");
    assert!(hourly > 0.1, "{hourly}: why count once, then?");
}

/// Goes on at any of three days' hours.
fn goes_on(chance: &mut Chance, settings: &Settings, n: (u64, u64), rate: (f64, f64)) -> bool {
    let mut gate = Gate::new(settings.clone(), START);
    (0..72).any(|hour| {
        let seen = chance_hour(chance, n, rate);
        gate.observe(Metric::Silence, hour, seen);
        gate.verdict(START) == Verdict::GoOn
    })
}

#[test]
fn a_release_that_is_worse_by_the_margin_goes_on_in_less_than_one_of_twenty() {
    let settings = Settings::from(Metric::Silence);
    for (n, base) in [
        ((300, 300), 0.0),
        ((1_000, 300), 0.01),
        ((300, 3_000), 0.03),
    ] {
        let rate = (0.01 / 24.0 + base / 24.0, base / 24.0);
        let wrong = share(1_500, |chance| goes_on(chance, &settings, n, rate));
        assert!(wrong <= 0.05, "{n:?} {base}: {wrong}");
    }
}

#[test]
fn a_healthy_release_goes_on() {
    let settings = Settings::from(Metric::Silence);
    let rate = (0.002 / 24.0, 0.002 / 24.0);
    let right = share(300, |chance| {
        goes_on(chance, &settings, (1_000, 1_000), rate)
    });
    assert!(right > 0.95, "{right}");
}

#[test]
fn about_three_hundred_devices_without_an_event_exclude_one_point() {
    let settings = Settings::from(Metric::Silence);
    let excluded = settings.detectable(300, 24).unwrap().over(24);
    assert!((0.009_9..0.012).contains(&excluded), "{excluded}");
    assert_eq!(settings.detectable(0, 24), None);

    // And what `plan` says is what the gate does.
    let hours_of = |devices: u64| {
        let mut gate = Gate::new(settings.clone(), START);
        (0..72).position(|hour| {
            gate.observe(Metric::Silence, hour, hour_of((0, devices), (0, devices)));
            gate.verdict(START) == Verdict::GoOn
        })
    };
    assert!(hours_of(340) < Some(24));
    assert!(hours_of(290) >= Some(24));
}

#[test]
fn events_in_the_canary_alone_stop_it_after_as_many_as_plan_says() {
    let settings = Settings::default();
    let few = settings.stops_after(300, 300).unwrap();
    assert!((8..16).contains(&few), "{few}");
    // A larger hold-out knows better what is normal.
    assert!(settings.stops_after(300, 3_000).unwrap() < few);
    assert_eq!(settings.stops_after(1_000_000, 1), None);

    let mut gate = Gate::new(settings, START);
    for hour in 0..few {
        assert!(!stopped(&gate), "after {hour} events");
        gate.observe(Metric::Health, hour, hour_of((1, 300), (0, 300)));
    }
    let Verdict::Stop {
        metric,
        e,
        observed,
        baseline,
    } = gate.verdict(START)
    else {
        panic!("{few} events did not stop it");
    };
    assert_eq!((metric, baseline.0), (Metric::Health, 0.0));
    assert!(e >= 300.0 && (observed.0 - 1.0 / 300.0).abs() < 1e-9);
    // It stands, though the hold-out catches up.
    for hour in few..few + 100 {
        gate.observe(Metric::Health, hour, hour_of((0, 300), (3, 300)));
    }
    assert!(stopped(&gate));
}

#[test]
fn evidence_that_does_not_come_waits_and_then_is_insufficient() {
    let settings = Settings {
        metrics: vec![Metric::Silence, Metric::Reboots],
        ..Settings::default()
    };
    let mut gate = Gate::new(settings, START);
    gate.observe(Metric::Silence, 0, hour_of((0, 100_000), (0, 100_000)));
    gate.observe(Metric::Reboots, 0, hour_of((0, 50), (0, 50)));
    let Verdict::Wait { missing } = gate.verdict(Timestamp(71 * 3_600_000)) else {
        panic!("it does not wait");
    };
    // Silence is through; of reboots nothing is known yet, and 300 devices for a day would do.
    assert_eq!(missing.len(), 1);
    assert_eq!(
        (missing[0].metric, missing[0].bound),
        (Metric::Reboots, None)
    );
    assert!((6_800..7_300).contains(&missing[0].device_hours));
    let late = gate.verdict(Timestamp(72 * 3_600_000));
    assert_eq!(late, Verdict::Insufficient { missing });
}

#[test]
fn an_hour_is_heard_once_and_in_order() {
    let mut gate = Gate::new(Settings::from(Metric::Silence), START);
    let seen = hour_of((1, 300), (0, 300));
    assert!(gate.observe(Metric::Silence, 5, seen));
    let after = gate.clone();
    assert!(!gate.observe(Metric::Silence, 5, seen));
    assert!(!gate.observe(Metric::Silence, 4, seen));
    assert!(!gate.observe(Metric::Health, 6, seen), "nobody watches it");
    assert_eq!(gate, after);
    assert_eq!(gate.seen(Metric::Silence), Some(seen));
    assert_eq!(gate.seen(Metric::Health), None);
}

#[test]
fn a_gate_without_a_baseline_or_a_metric_is_open() {
    for settings in [
        Settings {
            baseline: Baseline::Off,
            ..Settings::default()
        },
        Settings {
            metrics: Vec::new(),
            ..Settings::default()
        },
    ] {
        assert_eq!(Gate::new(settings, START).verdict(START), Verdict::GoOn);
    }
}

#[test]
fn a_hold_out_of_nobody_stops_nothing_and_leaves_the_margin_absolute() {
    let mut gate = Gate::new(Settings::from(Metric::Silence), START);
    gate.observe(Metric::Silence, 0, hour_of((300, 300), (0, 0)));
    assert!(matches!(gate.verdict(START), Verdict::Wait { .. }));
    let mut quiet = Gate::new(Settings::from(Metric::Silence), START);
    for hour in 0..24 {
        quiet.observe(Metric::Silence, hour, hour_of((0, 400), (0, 0)));
    }
    assert_eq!(quiet.verdict(START), Verdict::GoOn);
}

#[test]
fn more_events_than_device_hours_are_no_more_than_all() {
    let mut gate = Gate::new(Settings::from(Metric::Silence), START);
    gate.observe(Metric::Silence, 0, hour_of((u64::MAX, 3), (7, 2)));
    assert_eq!(gate.seen(Metric::Silence), Some(hour_of((3, 3), (2, 2))));
}

#[test]
fn a_stored_gate_goes_on_where_it_was() {
    let mut chance = Chance(1);
    let mut gate = Gate::new(Settings::default(), START);
    for hour in 0..50 {
        let seen = chance_hour(&mut chance, (300, 200), (0.02, 0.01));
        gate.observe(Metric::Reboots, hour, seen);
        let stored = serde_json::to_string(&gate).unwrap();
        let read: Gate = serde_json::from_str(&stored).unwrap();
        assert_eq!(read, gate);
        gate = read;
    }
    assert!(stopped(&gate));
}

#[test]
fn a_power_cut_at_a_site_is_one_event_and_knows_nothing_of_arms() {
    let cut = |device, updated| Event {
        device,
        updated,
        site: Some("leeds"),
    };
    let alone = |device, updated| Event {
        device,
        updated,
        site: None,
    };
    let mut sites = Sites::default();
    // The smallest key of the site is the one that counts, in whatever order they come.
    assert_eq!(
        sites.fold([cut(9, true), cut(3, false), cut(8, true), alone(1, true)]),
        (1, 1)
    );
    // All of them have had their event; the site's others have not.
    assert_eq!(sites.fold([cut(8, true), cut(11, true)]), (1, 0));
    assert_eq!(sites.devices().collect::<Vec<_>>(), [1, 3, 8, 9, 11]);
}

#[test]
fn a_gate_says_what_is_missing_and_why_it_stopped() {
    let settings = Settings::from(Metric::Silence);
    let mut gate = Gate::new(settings.clone(), START);
    let say = |gate: &Gate| describe::gate(&gate.verdict(START), &settings);
    assert_eq!(
        say(&gate).unwrap(),
        "health not shown yet: silence: nothing is excluded yet, 1.00 in 24 h is demanded (7190 device-hours without an event)"
    );
    gate.observe(Metric::Silence, 0, hour_of((40, 1_000), (1, 1_000)));
    let stopped = say(&gate).unwrap();
    assert!(
        stopped.starts_with("stopped by silence: 96.00 % of the updated devices against 2.40 % of those not updated, in 24 h"),
        "{stopped}"
    );
    let open = Gate::new(
        Settings {
            metrics: Vec::new(),
            ..settings.clone()
        },
        START,
    );
    assert_eq!(say(&open), None);
}
