//! A fleet of figures, over which the planner runs: counts per wave, and jobs that end in the order in which they began.

use alloc::collections::VecDeque;
use alloc::format;
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;
use refit_protocol::measure::Span;
use refit_protocol::rollout::RolloutId;
use refit_protocol::time::{Monotonic, Now, Timestamp};

use super::{Assumed, Fleet, Forecast};
use crate::admit::Rule;
use crate::outage::Silence;
use crate::plan::{Millis, Plan};
use crate::state::{Act, Members, RolloutState, Scene, Status};
use crate::step::{Blocked, Health, Snapshot, Step, Waiting, WaveView, step};
use crate::tally::Kind;

/// Past this many steps a rehearsal gives up: some seconds of one core.
const STEPS_MAX: u32 = 500_000;

/// A pace is looked at this often: one job at a time would be a step each.
const PACE_LOOK_MS: u64 = 5_000;

/// How it went, and when each wave opened and was through.
pub(super) struct Run {
    pub(super) forecast: Forecast,
    pub(super) waves: Vec<(Option<Timestamp>, Option<Timestamp>)>,
}

struct Model<'a> {
    plan: &'a Plan,
    assumed: Assumed,
    state: RolloutState,
    views: Vec<WaveView>,
    /// Jobs that are open: when they end, their wave, how many.
    open: VecDeque<(u64, usize, u32)>,
    ended: u32,
    failed: u32,
    /// When the last job ended, or the rollout stopped.
    last: Timestamp,
}

pub(super) fn run(
    plan: &Plan,
    fleet: &Fleet,
    assumed: Assumed,
    start: Timestamp,
    closed: &dyn Fn(Timestamp) -> Option<Timestamp>,
) -> Run {
    let at = plan
        .schedule
        .start
        .map_or(start, Timestamp::from)
        .max(start);
    let mut model = Model::new(plan, fleet, assumed, at);
    let mut waves = vec![(None, None); model.views.len()];
    let mut now = at;
    for _ in 0..STEPS_MAX {
        model.finish_jobs(now);
        model.close(closed(now));
        let next = model.step(now);
        if let Step::OpenWave { wave } = next
            && let Some((opens, _)) = waves.get_mut(usize::from(wave))
        {
            *opens = Some(now);
        }
        if let Step::CloseWave { wave } = next
            && let Some((_, done)) = waves.get_mut(usize::from(wave))
        {
            *done = Some(now);
        }
        match next {
            Step::Open { wave, at_most } => model.begin_jobs(wave, at_most, now),
            Step::Pause(_) | Step::Abort(_) => {
                model.last = now;
                break;
            }
            Step::Finish { .. } => break,
            Step::Wait { why, until } => {
                if why.iter().any(|why| matches!(why, Waiting::Advance { .. })) {
                    model.advance(now);
                } else if let Some(later) = model.later(&why, until, now) {
                    now = later;
                } else {
                    break;
                }
            }
            Step::Begin | Step::OpenWave { .. } | Step::Soak { .. } | Step::CloseWave { .. } => {}
        }
    }
    Run {
        forecast: model.forecast(start),
        waves,
    }
}

impl<'a> Model<'a> {
    fn new(plan: &'a Plan, fleet: &Fleet, assumed: Assumed, at: Timestamp) -> Self {
        let views = (0..plan.all_waves().len()).map(|wave| {
            let figure = |figures: &[u32]| figures.get(wave).copied().unwrap_or_default();
            let (members, away) = (figure(&fleet.waves), figure(&fleet.away));
            let away = away.min(members);
            WaveView {
                members,
                away,
                ready: members - away,
                ..WaveView::default()
            }
        });
        let state = RolloutState {
            status: Status::Scheduled {
                at: Millis::from(at),
            },
            ..RolloutState::default()
        };
        Self {
            plan,
            assumed,
            state,
            views: views.collect(),
            open: VecDeque::new(),
            ended: 0,
            failed: 0,
            last: at,
        }
    }

    fn step(&mut self, now: Timestamp) -> Step {
        let snapshot = Snapshot {
            id: RolloutId(0),
            plan: self.plan,
            state: &self.state,
            waves: &self.views,
            members: Members::default(),
            in_flight: self.open.iter().map(|(_, _, count)| count).sum(),
            silence: Silence::default(),
            health: &Health::Off,
        };
        let clock = Now {
            wall: now,
            mono: Monotonic(now.as_millis()),
        };
        let next = step(&snapshot, clock);
        if let Some(state) = self.state.follow(&next, &snapshot, now) {
            self.state = state;
        }
        next
    }

    /// Who is ready waits while windows are closed.
    fn close(&mut self, until: Option<Timestamp>) {
        for view in &mut self.views {
            let waiting = view
                .blocked
                .iter()
                .filter(|blocked| blocked.rule == Rule::Window);
            let ready = waiting.fold(view.ready, |all, blocked| all + blocked.count);
            view.blocked.clear();
            if view.away > 0 {
                view.blocked.push(Blocked {
                    rule: Rule::Offline,
                    count: view.away,
                    until: None,
                });
            }
            view.ready = ready;
            if ready > 0 && until.is_some() {
                view.ready = 0;
                view.blocked.push(Blocked {
                    rule: Rule::Window,
                    count: ready,
                    until,
                });
            }
        }
    }

    fn begin_jobs(&mut self, wave: u16, at_most: u32, now: Timestamp) {
        let wave = usize::from(wave);
        let Some(view) = self.views.get_mut(wave) else {
            return;
        };
        let count = at_most.min(view.ready);
        view.ready -= count;
        view.opened += count;
        view.tally.add(Kind::Running, count);
        let ends = now.as_millis().saturating_add(self.assumed.job.as_millis());
        self.open.push_back((ends, wave, count));
    }

    fn finish_jobs(&mut self, now: Timestamp) {
        while let Some((ends, wave, count)) = self.open.front().copied()
            && ends <= now.as_millis()
        {
            self.open.pop_front();
            self.ended += count;
            // Failures are spread evenly, so that each share is that of the assumption.
            let failed = self.assumed.fails.at_most(self.ended) - self.failed;
            self.failed += failed;
            self.last = Timestamp(ends);
            let Some(view) = self.views.get_mut(wave) else {
                continue;
            };
            for _ in 0..count {
                view.tally.turn(Kind::Running, Kind::Succeeded);
            }
            for _ in 0..failed {
                view.tally.turn(Kind::Succeeded, Kind::Failed);
            }
            view.settled += failed;
        }
    }

    /// Opens a wave that waits for an operator: in a rehearsal they are quick.
    fn advance(&mut self, now: Timestamp) {
        let scene = Scene {
            plan: self.plan,
            waves: &self.views,
            members: Members::default(),
            approval_required: false,
            by: "rehearsal",
            now,
        };
        if let Ok(state) = self.state.act(&Act::Advance, &scene) {
            self.state = state;
        }
    }

    /// Returns when something happens next; `None`: nothing does but that devices come back.
    fn later(
        &self,
        why: &[Waiting],
        until: Option<Timestamp>,
        now: Timestamp,
    ) -> Option<Timestamp> {
        let only_away = why.iter().all(|why| {
            matches!(why, Waiting::Away { .. } | Waiting::Joining)
                || matches!(
                    why,
                    Waiting::Blocked {
                        rule: Rule::Offline,
                        ..
                    }
                )
        });
        let ends = self.open.front().map(|(ends, ..)| Timestamp(*ends));
        if only_away && ends.is_none() {
            return None;
        }
        let next = until.into_iter().chain(ends).filter(|at| *at > now).min()?;
        let paced = why.iter().any(|why| matches!(why, Waiting::Pace { .. }));
        let look = Timestamp(now.as_millis() + if paced { PACE_LOOK_MS } else { 0 });
        Some(next.max(look))
    }

    fn forecast(&self, start: Timestamp) -> Forecast {
        let (ends, because): (_, Option<String>) = match &self.state.status {
            Status::Paused { because, .. } => ("PAUSED", Some(format!("{because}"))),
            Status::Aborted { because, .. } => ("ABORTED", Some(format!("{because}"))),
            // All that can be reached are done; the rest is waited for.
            _ if self.open.is_empty() && self.views.iter().all(|view| view.ready == 0) => {
                ("FINISHED", None)
            }
            _ => ("RUNNING", None),
        };
        let after = self.last.as_millis().saturating_sub(start.as_millis()) / 1_000;
        Forecast {
            ends,
            because,
            after: Span::seconds(u32::try_from(after).unwrap_or(u32::MAX)),
            opened: self.views.iter().map(|view| view.opened).sum(),
            succeeded: self.ended - self.failed,
            failed: self.failed,
        }
    }
}
