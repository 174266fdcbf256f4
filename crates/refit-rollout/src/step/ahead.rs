//! How a rollout goes on: jobs of open waves first, then the wave that is under way, then the next, then the end.

use alloc::vec::Vec;
use refit_protocol::measure::Span;
use refit_protocol::time::Timestamp;

use super::{Health, SLICE_JOBS_MAX, Snapshot, Step, Waiting, WaveView};
use crate::pace::Bucket;
use crate::plan::{GoOn, Membership, Millis};
use crate::state::{Because, WaveState};

/// How long after its end time a soak is looked at again while the gate lacks evidence.
const EVIDENCE_LOOK: Span = Span::minutes(1);

/// What is waited for so far, and when to look again.
#[derive(Default)]
struct Pending {
    why: Vec<Waiting>,
    until: Option<Timestamp>,
}

impl Pending {
    fn add(&mut self, why: Waiting, until: Option<Timestamp>) {
        self.why.push(why);
        self.until = self.until.into_iter().chain(until).min();
    }
}

/// Returns the next step of a rollout that nothing stops.
pub(super) fn ahead(snapshot: &Snapshot<'_>, now: Timestamp) -> Step {
    let mut pending = Pending::default();
    open(snapshot, now, &mut pending)
        .or_else(|| wave(snapshot, now, &mut pending))
        .or_else(|| finish(snapshot, now, &mut pending))
        .unwrap_or_else(|| {
            debug_assert!(!pending.why.is_empty(), "it waits for nothing");
            let end = snapshot.plan.schedule.end.map(Timestamp::from);
            Step::Wait {
                until: pending.until.into_iter().chain(end).min(),
                why: pending.why,
            }
        })
}

/// Opens jobs of the earliest open wave that has somebody who may get one.
fn open(snapshot: &Snapshot<'_>, now: Timestamp, pending: &mut Pending) -> Option<Step> {
    let open = (0_u16..)
        .zip(snapshot.waves)
        .filter(|(at, _)| snapshot.state.wave(*at).is_open());
    let mut first = None;
    for (at, wave) in open {
        for blocked in &wave.blocked {
            let (rule, count) = (blocked.rule, blocked.count);
            pending.add(
                Waiting::Blocked {
                    wave: at,
                    rule,
                    count,
                },
                blocked.until,
            );
        }
        if wave.ready > 0 && first.is_none() {
            first = Some((at, wave.ready));
        }
    }
    let (wave, ready) = first?;
    let at_most = room(snapshot, now, pending)?.min(ready);
    Some(Step::Open { wave, at_most })
}

/// Returns how many jobs may be opened at once, at least one; `None` if a limit is reached.
fn room(snapshot: &Snapshot<'_>, now: Timestamp, pending: &mut Pending) -> Option<u32> {
    let mut room = SLICE_JOBS_MAX;
    if let Some(max) = snapshot.plan.max_in_flight {
        room = room.min(max.saturating_sub(snapshot.in_flight));
        if room == 0 {
            pending.add(Waiting::InFlight { max }, None);
        }
    }
    if let Some(per_minute) = snapshot.per_minute() {
        let bucket = snapshot.state.bucket.unwrap_or_else(|| Bucket::new(now));
        let bucket = bucket.at(per_minute, now);
        room = room.min(bucket.jobs());
        if bucket.jobs() == 0 {
            pending.add(Waiting::Pace { per_minute }, bucket.next(per_minute));
        }
    }
    (room > 0).then_some(room)
}

/// Takes the wave that is under way further, or opens the next.
fn wave(snapshot: &Snapshot<'_>, now: Timestamp, pending: &mut Pending) -> Option<Step> {
    let state = snapshot.state;
    let Some(current) = state.current() else {
        return state.next_wave().map(|wave| Step::OpenWave { wave });
    };
    let plans = snapshot.plan.all_waves();
    let go_on = plans
        .get(usize::from(current))
        .map(|wave| wave.go_on)
        .unwrap_or_default();
    match (
        state.wave(current),
        snapshot.waves.get(usize::from(current)),
    ) {
        (WaveState::Open { .. }, Some(view)) => opened(current, view, &go_on, pending),
        (WaveState::Soaking { since }, _) => {
            soaking(snapshot, current, since, &go_on, now, pending)
        }
        _ => next(snapshot, go_on.manual, pending),
    }
}

fn next(snapshot: &Snapshot<'_>, manual: bool, pending: &mut Pending) -> Option<Step> {
    let wave = snapshot.state.next_wave()?;
    if manual {
        pending.add(Waiting::Advance { wave }, None);
        return None;
    }
    Some(Step::OpenWave { wave })
}

/// Looks whether enough of a wave have succeeded: a share of those that can be reached, who are a quorum, and a floor
/// (semantics 14).
fn opened(wave: u16, view: &WaveView, go_on: &GoOn, pending: &mut Pending) -> Option<Step> {
    let ours = view.ours();
    let reachable = ours.saturating_sub(view.away);
    let have = view.tally.succeeded();
    let need = go_on
        .succeeded
        .at_least(reachable)
        .max(go_on.floor.min(ours));
    let quorum = go_on.quorum.at_least(ours);
    if have >= need && reachable >= quorum {
        return Some(Step::Soak { wave });
    }
    let possible = ours.saturating_sub(view.settled);
    if possible < need {
        return Some(Step::Pause(Because::OutOfReach {
            wave,
            possible,
            needed: need,
        }));
    }
    if have < need {
        pending.add(Waiting::Succeeded { wave, have, need }, None);
    }
    if reachable < quorum {
        let (have, need) = (reachable, quorum);
        pending.add(Waiting::Quorum { wave, have, need }, None);
    }
    None
}

fn soaking(
    snapshot: &Snapshot<'_>,
    wave: u16,
    since: Millis,
    go_on: &GoOn,
    now: Timestamp,
    pending: &mut Pending,
) -> Option<Step> {
    let end = |span: Span| Timestamp(since.0.saturating_add(span.as_millis()));
    if now < end(go_on.soak) {
        pending.add(Waiting::Soak { wave }, Some(end(go_on.soak)));
        return None;
    }
    let (what, is_last) = match snapshot.health {
        Health::Off | Health::GoOn => return Some(Step::CloseWave { wave }),
        // What is worse off was stopped before.
        Health::Stop(what) | Health::Wait(what) => (what.clone(), false),
        Health::Insufficient(what) => (what.clone(), true),
    };
    let max_soak = snapshot.plan.health.as_ref().map(|health| health.max_soak);
    let last = end(max_soak.unwrap_or_default());
    if is_last || now >= last {
        return Some(Step::Pause(Because::Evidence { wave, what }));
    }
    let look = Timestamp(now.as_millis().saturating_add(EVIDENCE_LOOK.as_millis()));
    pending.add(Waiting::Evidence { wave, what }, Some(look.min(last)));
    None
}

/// Ends a rollout whose waves are through: when nobody is at work, nobody may get a job, and those that are away were
/// waited for.
fn finish(snapshot: &Snapshot<'_>, now: Timestamp, pending: &mut Pending) -> Option<Step> {
    let through = |wave: &WaveState| match wave {
        WaveState::Done { since } => Some(since.0),
        _ => None,
    };
    let done: Option<Vec<u64>> = snapshot.state.waves.iter().map(through).collect();
    let last = done?.into_iter().max().unwrap_or_default();
    if snapshot.plan.membership == Membership::Continuous {
        pending.add(Waiting::Joining, None);
        return None;
    }
    let open = snapshot.all().open();
    if open > 0 {
        pending.add(Waiting::Work { open }, None);
        return None;
    }
    let to_do: u32 = snapshot.waves.iter().map(WaveView::to_do).sum();
    let patience = Timestamp(last.saturating_add(snapshot.plan.schedule.linger.as_millis()));
    if to_do == 0 || now >= patience {
        return Some(Step::Finish { unreached: to_do });
    }
    pending.add(Waiting::Away { count: to_do }, Some(patience));
    None
}
