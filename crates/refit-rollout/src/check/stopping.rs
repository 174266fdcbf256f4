//! When it stops: thresholds, retries, health.

use alloc::collections::BTreeSet;
use alloc::format;
use refit_protocol::measure::Share;

use super::Complaints;
use crate::plan::{Cause, Plan, Threshold};

/// How many thresholds a plan may have.
const THRESHOLDS_MAX: usize = 32;

/// How often a device may be tried again.
const RETRIES_MAX: u8 = 10;

pub(super) fn check(plan: &Plan, all: &mut Complaints) {
    match plan.thresholds.as_deref() {
        Some([]) => all.warn(
            "thresholds",
            "it never stops by itself",
            "leave thresholds out for the usual ones: 5 of the first 20, or more than 5 % after 100",
        ),
        Some(lines) if lines.len() > THRESHOLDS_MAX => {
            all.error("thresholds", format!("{} lines", lines.len()), format!("use at most {THRESHOLDS_MAX}"));
        }
        _ => {}
    }
    for (at, line) in plan.thresholds.iter().flatten().enumerate() {
        threshold(at, line, all);
    }
    retry(plan, all);
    if let Some(health) = &plan.health {
        if health.alpha == Share::percent(0) || health.alpha > Share::percent(20) {
            all.error(
                "health.alpha",
                format!("{} is no chance of error", health.alpha),
                "write up to 20%, such as 1%",
            );
        }
        if health.metrics.is_empty() {
            all.error(
                "health.metrics",
                "nothing is watched",
                "name silence, reboots or health, or leave health out",
            );
        }
        if health.margin == Share::percent(0) {
            all.error(
                "health.margin",
                "no evidence shows that there is no difference at all",
                "allow some, such as 1%",
            );
        }
    }
}

fn threshold(at: usize, line: &Threshold, all: &mut Complaints) {
    let path = format!("thresholds[{at}]");
    if line.of.is_empty() {
        all.error(
            format!("{path}.of"),
            "it counts nothing",
            "name failed, rejected, timed-out, gone-dark or reverted",
        );
    }
    if line.of.iter().collect::<BTreeSet<_>>().len() < line.of.len() {
        all.error(
            format!("{path}.of"),
            "a cause is named twice",
            "name it once",
        );
    }
    match (line.share, line.count) {
        (None, None) => all.error(&*path, "it has no line", "add share, or count"),
        (Some(_), Some(_)) => {
            all.error(
                &*path,
                "it has both share and count",
                "make two of it: the first that is crossed stops",
            );
        }
        _ => {}
    }
    if line.share == Some(Share::ALL) {
        all.error(
            format!("{path}.share"),
            "more than all cannot fail",
            "write less than 100%",
        );
    }
    if line.after.is_some() && line.share.is_none() {
        all.error(
            format!("{path}.after"),
            "it belongs to a share",
            "leave it out, or use share",
        );
    }
    if line.share.is_some() && line.after == Some(0) {
        all.error(
            format!("{path}.after"),
            "a share of nothing is nothing",
            "1 is the least, 100 is wise",
        );
    }
    if line.count == Some(0) {
        all.error(
            format!("{path}.count"),
            "it is reached before anything fails",
            "1 is the least",
        );
    }
    match (line.count, line.first) {
        (None, Some(_)) => all.error(
            format!("{path}.first"),
            "it belongs to a count",
            "leave it out, or use count",
        ),
        (Some(count), Some(first)) if first < count => all.error(
            format!("{path}.first"),
            format!("{count} of the first {first} cannot fail"),
            "let first be at least count",
        ),
        _ => {}
    }
}

fn retry(plan: &Plan, all: &mut Complaints) {
    let retry = &plan.retry;
    if retry.times > RETRIES_MAX {
        all.error(
            "retry.times",
            format!("{} retries", retry.times),
            format!("use at most {RETRIES_MAX}"),
        );
    }
    if retry.times > 0 && retry.after.is_empty() {
        all.error(
            "retry.after",
            "no end is followed by another try",
            "name some, or set retry.times = 0",
        );
    }
    if retry.after.contains(&Cause::Reverted) {
        all.error(
            "retry.after",
            "a device that fell back is held until an operator frees it",
            "leave reverted out",
        );
    }
    if retry.back_off.is_zero() {
        all.error(
            "retry.backOff",
            "it would fail in a circle",
            "wait at least some seconds",
        );
    }
}
