//! Who gets what: releases, selectors, waves, hold-out, budgets, grants.

use alloc::collections::BTreeSet;
use alloc::format;
use alloc::string::{String, ToString};
use refit_protocol::grant::{Fallback, GrantKind, Strength};
use refit_protocol::measure::Share;
use refit_selector::Selector;

use super::Complaints;
use crate::gate::Baseline;
use crate::plan::{Plan, UpTo, Wave};

/// How many waves a plan may have.
const WAVES_MAX: usize = 100;

/// How many budgets.
const BUDGETS_MAX: usize = 8;

pub(super) fn check(plan: &Plan, all: &mut Complaints) {
    releases(plan, all);
    selector("select", &plan.select, all);
    if let Some(select) = &plan.expected_offline {
        selector("expectedOffline", select, all);
    }
    waves(plan, all);
    hold_out(plan, all);
    budgets(plan, all);
    grant(plan, all);
}

fn releases(plan: &Plan, all: &mut Complaints) {
    if plan.releases.is_empty() {
        all.error(
            "releases",
            "no release is named",
            "name one, as \"firmware@2.0.0\"",
        );
    }
    let mut names = BTreeSet::new();
    for (at, release) in plan.releases.iter().enumerate() {
        let path = format!("releases[{at}]");
        match release.split_once('@') {
            Some((name, version)) if !name.is_empty() && !version.is_empty() => {
                if !names.insert(name) {
                    all.error(
                        path,
                        format!("{name} is named twice"),
                        "a device has one version of a software: leave one out",
                    );
                }
            }
            _ => all.error(
                path,
                format!("{release:?} is no release"),
                "write its name and version, as \"firmware@2.0.0\"",
            ),
        }
    }
}

fn selector(path: &str, text: &str, all: &mut Complaints) {
    if let Err(mistake) = Selector::parse(text) {
        let hint = mistake.mended(text).map_or_else(
            || String::from("see `refit selector explain`"),
            |mended| format!("write \"{mended}\""),
        );
        all.error(path, mistake.message, hint);
    }
}

fn waves(plan: &Plan, all: &mut Complaints) {
    if plan.waves.len() > WAVES_MAX {
        all.error(
            "waves",
            format!("{} waves", plan.waves.len()),
            format!("use at most {WAVES_MAX}"),
        );
    }
    let (mut names, mut before, mut through) = (BTreeSet::new(), None, false);
    for (at, wave) in plan.waves.iter().enumerate() {
        if through {
            all.error(
                format!("waves[{at}]"),
                "an earlier wave reaches everyone, so this one is empty",
                "leave it out, or let the earlier one end sooner",
            );
        }
        if let Some(name) = &wave.name
            && !names.insert(name)
        {
            all.error(
                format!("waves[{at}].name"),
                format!("{name:?} is named twice"),
                "use another name",
            );
        }
        size(at, wave, &mut before, all);
        go_on(at, wave, all);
        through |= reaches_all(wave);
    }
    if !plan.waves.is_empty() && !through {
        all.warn(
            "waves",
            "the last wave does not reach everyone",
            "end with upTo = \"100%\" unless the others shall stay as they are",
        );
    }
}

fn reaches_all(wave: &Wave) -> bool {
    wave.select.is_none()
        && wave
            .up_to
            .is_none_or(|up_to| up_to == UpTo::Share(Share::ALL))
}

fn size(at: usize, wave: &Wave, before: &mut Option<(usize, UpTo)>, all: &mut Complaints) {
    if let Some(select) = &wave.select {
        selector(&format!("waves[{at}].select"), select, all);
        if wave.up_to.is_some() {
            all.error(
                format!("waves[{at}]"),
                "it has both select and upTo",
                "a wave is either those that match, or as many as it says: leave one out",
            );
        }
        return;
    }
    let (path, Some(up_to)) = (format!("waves[{at}].upTo"), wave.up_to) else {
        return;
    };
    if matches!(up_to, UpTo::Count(0)) || up_to == UpTo::Share(Share::percent(0)) {
        all.error(
            &*path,
            "it reaches nobody",
            "write a count or a share above 0",
        );
    }
    let shrinks = match (*before, up_to) {
        (Some((_, UpTo::Share(last))), UpTo::Share(share)) => share <= last,
        (Some((_, UpTo::Count(last))), UpTo::Count(count)) => count <= last,
        _ => false,
    };
    if let Some((earlier, _)) = before.filter(|_| shrinks) {
        all.error(
            path,
            format!("it reaches no farther than waves[{earlier}], so it is empty"),
            "upTo is how far the rollout has come, earlier waves included: let it rise",
        );
    }
    *before = Some((at, up_to));
}

fn go_on(at: usize, wave: &Wave, all: &mut Complaints) {
    let go_on = &wave.go_on;
    if go_on.succeeded == Share::percent(0) && go_on.floor == 0 {
        all.warn(
            format!("waves[{at}].goOn"),
            "it goes on although nobody succeeded",
            "ask for a share in succeeded, or a count in floor",
        );
    }
    if let Some(UpTo::Count(count)) = wave.up_to
        && go_on.floor > count
    {
        all.error(
            format!("waves[{at}].goOn.floor"),
            format!("{} of {count} devices cannot succeed", go_on.floor),
            "lower it, or let the wave reach farther",
        );
    }
}

fn hold_out(plan: &Plan, all: &mut Complaints) {
    let compares = plan
        .health
        .as_ref()
        .is_some_and(|health| health.baseline == Baseline::HoldOut);
    match plan.hold_out {
        None if compares => all.error(
            "health",
            "it compares with a hold-out, and there is none",
            "add holdOut.share, such as \"5%\", or set health.baseline = \"before\"",
        ),
        Some(hold_out) if hold_out.share == Share::percent(0) || hold_out.at_most == Some(0) => {
            all.error(
                "holdOut",
                "it has nobody",
                "give it a share above 0, or leave it out",
            );
        }
        Some(hold_out) if hold_out.share > Share::percent(50) => {
            all.error(
                "holdOut.share",
                "more than half are kept back",
                "use at most 50%",
            );
        }
        Some(_) if !compares => all.warn(
            "holdOut",
            "devices are kept back, and nothing is compared with them",
            "add a [health] table, or leave the hold-out out",
        ),
        _ => {}
    }
}

fn budgets(plan: &Plan, all: &mut Complaints) {
    if plan.budgets.len() > BUDGETS_MAX {
        all.error(
            "budgets",
            format!("{} budgets", plan.budgets.len()),
            format!("use at most {BUDGETS_MAX}"),
        );
    }
    let mut labels = BTreeSet::new();
    for (at, budget) in plan.budgets.iter().enumerate() {
        let path = format!("budgets[{at}]");
        // What `has LABEL` can be asked of is a label.
        let valid = ["tag.", "attr."]
            .iter()
            .any(|kind| budget.per.starts_with(kind))
            && Selector::parse(&format!("has {}", budget.per)).is_ok();
        if !valid && budget.per != "model" {
            all.error(
                format!("{path}.per"),
                format!("{:?} is no label", budget.per),
                "write tag.NAME, attr.NAME or model",
            );
        }
        if !labels.insert(&budget.per) {
            all.error(
                &*path,
                format!("{} has two budgets", budget.per),
                "put count and share into one",
            );
        }
        match (budget.count, budget.share) {
            (None, None) => all.error(path, "it has no limit", "add count or share"),
            (Some(0), _) => all.error(path, "nobody may be at work", "a count is 1 at the least"),
            (_, Some(share)) if share == Share::percent(0) => {
                all.error(path, "nobody may be at work", "a share is above 0");
            }
            _ => {}
        }
    }
}

fn grant(plan: &Plan, all: &mut Complaints) {
    let Some(grant) = plan.grant else { return };
    let strength = match grant.kind {
        GrantKind::Presigned => grant.strength,
        GrantKind::Credential => Strength::Device,
    };
    if strength < grant.min_strength {
        all.error(
            "grant.minStrength",
            format!(
                "{} is asked for, and the grant is bound to {} only",
                grant.min_strength.as_str(),
                strength.as_str()
            ),
            format!(
                "set grant.strength = \"{}\", or lower it",
                grant.min_strength.as_str()
            ),
        );
    }
    if grant.fallback == Fallback::Time && grant.min_strength > Strength::Time {
        all.error(
            "grant.fallback",
            format!(
                "it falls back to time, and {} is asked for",
                grant.min_strength.as_str()
            ),
            "set it to \"stop\" or \"credential\"".to_string(),
        );
    }
}
