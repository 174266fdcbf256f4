//! May this device get its job now, and if not, why? One implementation, by which jobs are opened and which `why` prints
//! (semantics 25): all that stands in the way, in order of precedence, and taking exactly that away lets the device go on.

mod blocker;
mod rule;

use alloc::vec::Vec;
use refit_protocol::grant::Strength;
use refit_protocol::rollout::{RolloutId, RolloutName};
use refit_protocol::time::Timestamp;

pub use self::blocker::{Blocker, Source};
pub use self::rule::Rule;
use crate::budget::Full;
use crate::cluster::Group;
use crate::path::Next;
use crate::plan::{Millis, Offline, Plan};
use crate::state::{RolloutState, Status};
use crate::tally::Kind;

/// One device, as far as its job of one rollout goes. What does not stand in its way is `None` or empty.
#[derive(Clone, Debug)]
pub struct Device<'a> {
    /// The wave that it is in; `None`: it is in none.
    pub wave: Option<u16>,
    /// Why it was left out when the members were frozen.
    pub left_out: Option<LeftOut>,
    /// Its facts, as clusters know them.
    pub facts: &'a Group,
    /// Why an operator, or its fall-back, holds it.
    pub held: Option<&'a str>,
    /// Whether a freeze is over it.
    pub frozen: bool,
    /// The software that it is pinned to.
    pub pinned: Option<&'a str>,
    /// What else has a say over its software now.
    pub rival: Option<Rival<'a>>,
    /// Its newest job of this rollout.
    pub last: Option<Last>,
    /// Whether this software failed on it as often as it may (semantics 33).
    pub capped: bool,
    /// Which release is next for it; `None`: what it runs is not known (semantics 16).
    pub next: Option<Next>,
    /// Why the release does not fit it.
    pub unfit: Option<&'a str>,
    /// The strongest that its grant can be bound to.
    pub strength: Strength,
    /// Its windows are closed, until then; `None` within: they never open.
    pub closed: Option<Option<Timestamp>>,
    /// A budget without room.
    pub full: Option<Full>,
    /// It is away, since then if that is known.
    pub away: Option<Option<Timestamp>>,
}

/// Why a device that the selector finds was not taken in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum LeftOut {
    /// Its updates are switched off.
    UpdatesOff,
    /// It is retired.
    Retired,
    /// The release did not fit it.
    Incompatible,
    /// It was held.
    Held,
    /// It has a later version, and the plan does not permit to go back.
    Downgrade,
    /// No release that it can install leads on.
    NoWay,
    /// What it runs was not known.
    Unknown,
}

/// Something else that wants to decide about a device's software, while its wish stands.
#[derive(Clone, Copy, Debug)]
pub enum Rival<'a> {
    /// An application's own write.
    Direct {
        /// Which application.
        application: &'a str,
    },
    /// Another rollout that is under way.
    Rollout {
        /// Which.
        id: RolloutId,
        /// What it is called.
        name: &'a RolloutName,
        /// Its priority.
        priority: i32,
    },
}

/// A device's newest job of this rollout.
#[derive(Clone, Copy, Debug)]
pub struct Last {
    /// Which try it was, from 0.
    pub attempt: u8,
    /// What it counts as.
    pub kind: Kind,
    /// When it ended; of an open one when it was opened.
    pub at: Timestamp,
}

/// The rollout that asks.
#[derive(Clone, Copy, Debug)]
pub struct Asking<'a> {
    /// Which.
    pub id: RolloutId,
    /// Its plan.
    pub plan: &'a Plan,
    /// Where it stands.
    pub state: &'a RolloutState,
    /// When.
    pub now: Timestamp,
}

/// What is true of a device and its job.
#[derive(Clone, Debug, PartialEq)]
pub enum Standing {
    /// It runs the release.
    Done,
    /// It has an open job.
    AtWork,
    /// It may get the job of this try.
    Admitted {
        /// Which try, from 0.
        attempt: u8,
    },
    /// It may not, for these reasons, the one that goes before the others first. Never empty.
    Blocked(Vec<Blocker>),
}

/// Returns what is true of a device's job of this rollout.
pub fn admit(device: &Device<'_>, asking: &Asking<'_>) -> Standing {
    match device.last {
        Some(last) if last.kind.is_success() => return Standing::Done,
        Some(last) if last.kind.is_open() => return Standing::AtWork,
        _ => {}
    }
    let blockers: Vec<Blocker> = say(device, asking)
        .into_iter()
        .chain(membership(device, asking))
        .chain(history(device, asking))
        .chain(release(device, asking.plan))
        .chain(moment(device, asking.plan))
        .flatten()
        .collect();
    if blockers.is_empty() {
        Standing::Admitted {
            attempt: device.last.map_or(0, |last| last.attempt.saturating_add(1)),
        }
    } else {
        Standing::Blocked(blockers)
    }
}

/// Who has the say: hold > freeze > pin > direct > rollout by priority > newer (semantics 7).
fn say(device: &Device<'_>, asking: &Asking<'_>) -> [Option<Blocker>; 4] {
    let rival = device.rival.and_then(|rival| match rival {
        Rival::Direct { application } => Some(Blocker::Direct(application.into())),
        Rival::Rollout { id, name, priority } => {
            let (own, other) = (asking.plan.priority, priority);
            if other > own {
                Some(Blocker::Priority(name.clone(), other))
            } else {
                (other == own && id > asking.id).then(|| Blocker::Newer(name.clone()))
            }
        }
    });
    [
        device.held.map(|why| Blocker::Held(why.into())),
        device.frozen.then_some(Blocker::Frozen),
        device.pinned.map(|to| Blocker::Pinned(to.into())),
        rival,
    ]
}

/// Whether it is this device's turn.
fn membership(device: &Device<'_>, asking: &Asking<'_>) -> [Option<Blocker>; 4] {
    let state = asking.state;
    let left_out = device.left_out.map(Blocker::LeftOut);
    let selected = device.wave.is_some() || left_out.is_some();
    let status = match &state.status {
        Status::Running { .. } => None,
        Status::Paused { because, .. } => Some(Blocker::Paused(because.clone())),
        Status::Aborted { .. } | Status::Finished { .. } => Some(Blocker::Over),
        Status::Scheduled { at } => Some(Blocker::NotBegun(Some((*at).into()))),
        Status::Draft | Status::AwaitingApproval { .. } => Some(Blocker::NotBegun(None)),
    };
    let waits = |wave: &u16| status.is_none() && !state.wave(*wave).is_open();
    [
        if selected {
            left_out
        } else {
            Some(Blocker::NotSelected)
        },
        state
            .exclusion(device.facts)
            .map(|one| Blocker::Excluded(one.reason.clone())),
        device.wave.filter(waits).map(Blocker::WaveNotOpen),
        status,
    ]
}

/// What its earlier tries mean.
fn history(device: &Device<'_>, asking: &Asking<'_>) -> [Option<Blocker>; 2] {
    let capped = device.capped.then_some(Blocker::Capped);
    let Some(last) = device.last else {
        return [None, capped];
    };
    if asking.state.forgiven(device.facts, Millis::from(last.at)) {
        return [None, capped];
    }
    // Delivery is our fault: it is tried again without end, at the longest pause of the plan's retries.
    let retry = &asking.plan.retry;
    let wait = match last.kind {
        Kind::Delivery => Some(retry.back_off),
        kind => kind
            .cause()
            .and_then(|cause| retry.next(cause, last.attempt)),
    };
    let blocker = match wait {
        None => Some(Blocker::Ended {
            kind: last.kind,
            tries: last.attempt.saturating_add(1),
        }),
        Some(wait) => {
            let until = Timestamp(last.at.as_millis().saturating_add(wait.as_millis()));
            (asking.now < until).then_some(Blocker::BackOff(until))
        }
    };
    [blocker, capped]
}

/// Whether the release is for this device.
fn release(device: &Device<'_>, plan: &Plan) -> [Option<Blocker>; 3] {
    let next = match device.next {
        None => Some(Blocker::FirstContact),
        Some(Next::Downgrade) => Some(Blocker::Downgrade),
        Some(Next::NoWay) => Some(Blocker::NoWay),
        Some(Next::NoTarget) => Some(Blocker::Withdrawn),
        Some(Next::There | Next::To(_)) => None,
    };
    let weak = (device.strength < plan.min_strength()).then(|| Blocker::Grant {
        can: device.strength,
        must: plan.min_strength(),
    });
    [
        device.unfit.map(|why| Blocker::Unfit(why.into())),
        next,
        weak,
    ]
}

/// Whether now is the moment.
fn moment(device: &Device<'_>, plan: &Plan) -> [Option<Blocker>; 3] {
    let waits = plan.offline == Offline::Wait;
    [
        device.closed.map(Blocker::Closed),
        device.full.clone().map(Blocker::Budget),
        device.away.filter(|_| waits).map(Blocker::Offline),
    ]
}

#[cfg(test)]
mod tests;
