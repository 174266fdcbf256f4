//! When, and how fast: pace, timers, schedule, windows, soak.

use alloc::format;
use alloc::string::String;
use refit_protocol::measure::Span;
use refit_protocol::time::Timestamp;

use super::Complaints;
use crate::pace::PER_MINUTE_MAX;
use crate::plan::{Offline, Plan};
use crate::window::{self, Zone};

/// The longest timer of a job.
const TIMER_MAX: Span = Span::hours(366 * 24);

pub(super) fn check(plan: &Plan, now: Timestamp, all: &mut Complaints) {
    pace(plan, all);
    timers(plan, all);
    schedule(plan, now, all);
    soak(plan, all);
    offline(plan, all);
    windows(plan, now, all);
}

fn windows(plan: &Plan, now: Timestamp, all: &mut Complaints) {
    let Some(hours) = &plan.windows else { return };
    if hours.open.is_empty() {
        all.error(
            "windows.open",
            "no window ever opens",
            "name one, or leave windows out",
        );
    }
    let zone = hours.zone.parse::<Zone>();
    if let Err(unknown) = &zone {
        let hint = "write an IANA name, such as Europe/Berlin";
        all.error("windows.zone", format!("{unknown}"), hint);
    }
    match (window::read(hours.open.iter().map(String::as_str)), zone) {
        (Err(wrong), _) => {
            for why in wrong {
                let hint = "write days and times, such as \"mon-fri 22:00-05:00\"";
                all.error("windows.open", format!("{why}"), hint);
            }
        }
        (Ok(windows), Ok(zone)) if !windows.is_empty() => {
            let start = plan.schedule.start.map_or(now, Timestamp::from).max(now);
            let end = plan.schedule.end.map(Timestamp::from);
            if window::never_opens(&windows, &zone, start, end) {
                all.error(
                    "windows.open",
                    format!("no window opens in {zone} while the rollout runs"),
                    "add a window, or move schedule.end",
                );
            }
        }
        _ => {}
    }
}

fn pace(plan: &Plan, all: &mut Complaints) {
    if plan.max_in_flight == Some(0) {
        all.error(
            "maxInFlight",
            "nobody may be at work",
            "1 is the least; to begin later, use schedule.start",
        );
    }
    let Some(pace) = plan.pace else { return };
    if !(1..=PER_MINUTE_MAX).contains(&pace.per_minute) {
        all.error(
            "pace.perMinute",
            format!("{} jobs a minute", pace.per_minute),
            format!("write 1 to {PER_MINUTE_MAX}"),
        );
    }
    let Some(grow) = pace.grow else { return };
    if !(101..=1_000).contains(&grow.factor_percent) {
        all.error(
            "pace.grow.factorPercent",
            format!(
                "a step of {} % does not grow, or grows too fast",
                grow.factor_percent
            ),
            "write 101 to 1000: 200 doubles it",
        );
    }
    if grow.succeeded == 0 {
        all.error(
            "pace.grow.succeeded",
            "it grows without a success",
            "say after how many it takes a step",
        );
    }
    if grow.up_to <= pace.per_minute || grow.up_to > PER_MINUTE_MAX {
        all.error(
            "pace.grow.upTo",
            format!(
                "it begins at {} and ends at {}",
                pace.per_minute, grow.up_to
            ),
            format!("let it end above perMinute, at most {PER_MINUTE_MAX}"),
        );
    }
}

fn timers(plan: &Plan, all: &mut Complaints) {
    let timers = &plan.timers;
    if timers.end.is_zero() || timers.end > TIMER_MAX {
        all.error(
            "timers.end",
            format!("a job has {} to end", timers.end),
            format!("write up to {TIMER_MAX}: a job that never ends hides a device that went dark"),
        );
    }
    match timers.start {
        Some(start) if start.is_zero() => {
            all.error(
                "timers.start",
                "a device has no time to begin",
                "give it some, or leave it out",
            );
        }
        Some(start) if start >= timers.end => all.error(
            "timers.start",
            format!("a device has {start} to begin and {} to end", timers.end),
            "let it be shorter than timers.end",
        ),
        _ => {}
    }
}

fn schedule(plan: &Plan, now: Timestamp, all: &mut Complaints) {
    let schedule = &plan.schedule;
    let Some(end) = schedule.end else { return };
    if Timestamp::from(end) <= now {
        all.error(
            "schedule.end",
            "it lies in the past",
            "move it, or leave it out",
        );
    }
    let start = schedule.start.map_or(now, Timestamp::from).max(now);
    if schedule.start.is_some_and(|start| start >= end) {
        all.error("schedule", "it ends before it begins", "move start or end");
        return;
    }
    let soaks: u64 = plan
        .waves
        .iter()
        .map(|wave| wave.go_on.soak.as_millis())
        .sum();
    let span = end.0.saturating_sub(start.as_millis());
    if soaks > span {
        let short = Span::seconds(u32::try_from(span / 1_000).unwrap_or(u32::MAX));
        let long = Span::seconds(u32::try_from(soaks / 1_000).unwrap_or(u32::MAX));
        all.error(
            "schedule.end",
            format!("its waves soak for {long} in all, and it has {short}"),
            "move the end, or soak for less",
        );
    }
}

fn soak(plan: &Plan, all: &mut Complaints) {
    let Some(health) = &plan.health else { return };
    for (at, wave) in plan.waves.iter().enumerate() {
        if wave.go_on.soak > health.max_soak {
            all.error(
                format!("waves[{at}].goOn.soak"),
                format!(
                    "it soaks for {}, longer than health.maxSoak",
                    wave.go_on.soak
                ),
                format!("let it be at most {}", health.max_soak),
            );
        }
    }
}

fn offline(plan: &Plan, all: &mut Complaints) {
    if plan.offline != Offline::Queue {
        return;
    }
    let limits = [
        ("maxInFlight", plan.max_in_flight.is_some()),
        ("budgets", !plan.budgets.is_empty()),
        ("windows", plan.windows.is_some()),
    ];
    let named: alloc::vec::Vec<&str> = limits
        .into_iter()
        .filter(|(_, is_set)| *is_set)
        .map(|(name, _)| name)
        .collect();
    if !named.is_empty() {
        all.error(
            "offline",
            format!(
                "a job that waits for an absent device would slip past {}",
                named.join(", ")
            ),
            String::from("leave offline at \"wait\", or leave them out"),
        );
    }
}
