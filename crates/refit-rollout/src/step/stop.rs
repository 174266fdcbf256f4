//! What stops a rollout by itself, the gravest first. It is looked at before a job is opened.

use alloc::vec::Vec;
use refit_protocol::time::Timestamp;

use super::{Health, Snapshot, Step};
use crate::plan::{Membership, Then};
use crate::state::{Because, WaveState};
use crate::tally::Kind;
use crate::threshold::{Crossed, Figures, crossed};

/// How many downloads must fail before the depot is suspected, and which share of the jobs that is at the least, in
/// per cent: fewer are a device's own network.
const DELIVERY_JOBS_MIN: u32 = 5;
const DELIVERY_PERCENT: u64 = 5;

pub(super) fn while_running(snapshot: &Snapshot<'_>, now: Timestamp) -> Option<Step> {
    if snapshot
        .plan
        .schedule
        .end
        .is_some_and(|end| now >= end.into())
    {
        let unreached = snapshot
            .waves
            .iter()
            .map(|wave| wave.members.saturating_sub(wave.opened));
        return Some(Step::Finish {
            unreached: unreached.sum(),
        });
    }
    // An outage looks like failures: it is asked first, and books none.
    outage(snapshot)
        .map(Step::Pause)
        .or_else(|| lines(snapshot).map(stopped))
        .or_else(|| delivery(snapshot).map(Step::Pause))
        .or_else(|| grew(snapshot).map(Step::Pause))
        .or_else(|| health(snapshot).map(Step::Pause))
}

/// What was paused may still get worse: jobs that are open go on.
pub(super) fn while_paused(snapshot: &Snapshot<'_>) -> Option<Step> {
    if outage(snapshot).is_some() {
        return None;
    }
    lines(snapshot)
        .filter(|crossed| crossed.threshold.then == Then::Abort)
        .map(stopped)
}

fn stopped(crossed: Crossed) -> Step {
    match crossed.threshold.then {
        Then::Abort => Step::Abort(Because::Threshold(crossed)),
        Then::Pause => Step::Pause(Because::Threshold(crossed)),
    }
}

/// Returns the line that was crossed since the rollout was last resumed.
fn lines(snapshot: &Snapshot<'_>) -> Option<Crossed> {
    let waves: Vec<Figures> = snapshot
        .waves
        .iter()
        .enumerate()
        .map(|(at, wave)| Figures {
            tally: wave.tally.since(&snapshot.state.seen(at)),
            overdue: wave.overdue,
        })
        .collect();
    let all = waves.iter().fold(Figures::default(), |all, wave| Figures {
        tally: all.tally.plus(&wave.tally),
        overdue: all.overdue.saturating_add(wave.overdue),
    });
    crossed(&snapshot.plan.all_thresholds(), &all, &waves)
}

fn outage(snapshot: &Snapshot<'_>) -> Option<Because> {
    snapshot.silence.is_outage().then_some(Because::Outage {
        quiet: snapshot.silence.untouched_quiet,
        of: snapshot.silence.untouched,
    })
}

fn delivery(snapshot: &Snapshot<'_>) -> Option<Because> {
    let seen = (0..snapshot.waves.len()).map(|at| snapshot.state.seen(at));
    let seen = seen.fold(crate::tally::Tally::default(), |all, tally| {
        all.plus(&tally)
    });
    let since = snapshot.all().since(&seen);
    let (count, of) = (since.get(Kind::Delivery), since.jobs());
    let enough = u64::from(count) * 100 >= u64::from(of) * DELIVERY_PERCENT;
    (count >= DELIVERY_JOBS_MIN && enough).then_some(Because::Delivery { count, of })
}

fn grew(snapshot: &Snapshot<'_>) -> Option<Because> {
    let (from, to) = (snapshot.state.members?, snapshot.members);
    let joins = snapshot.plan.membership == Membership::Continuous;
    (joins && to.outgrew(from)).then_some(Because::Grew { from, to })
}

fn health(snapshot: &Snapshot<'_>) -> Option<Because> {
    let wave = snapshot.state.current()?;
    let under_way = !matches!(snapshot.state.wave(wave), WaveState::Done { .. });
    match snapshot.health {
        Health::Stop(what) if under_way => Some(Because::Health {
            wave,
            what: what.clone(),
        }),
        _ => None,
    }
}
