//! What operators may do to a rollout, and why not at the moment.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::fmt;
use refit_protocol::time::Timestamp;
use serde::Serialize;

use super::{Approval, Because, Exclusion, Members, Retried, RolloutState, Status, WaveState};
use crate::cluster::Group;
use crate::pace::{Bucket, PER_MINUTE_MAX, Pace};
use crate::plan::Plan;
use crate::step::WaveView;
use crate::tally::Kind;

/// How many exclusions, approvals and retries a rollout keeps.
const KEPT_MAX: usize = 64;

/// What an operator does.
#[derive(Clone, Debug, PartialEq)]
pub enum Act {
    /// Lets it begin, at once or at its time.
    Start,
    /// Agrees, as a second person.
    Approve,
    /// Stops opening jobs.
    Pause {
        /// Why.
        reason: Option<String>,
    },
    /// Goes on.
    Resume,
    /// Opens the next wave now.
    Advance,
    /// Takes back what has not begun, for good.
    Abort {
        /// Why.
        reason: Option<String>,
    },
    /// Gives those that failed one more try.
    Retry {
        /// Which of them; `None`: all.
        group: Option<Group>,
    },
    /// Gives these devices no more jobs.
    Exclude {
        /// Which.
        group: Group,
        /// Why.
        reason: String,
    },
    /// Opens jobs at another pace; `None`: that of the plan.
    SetPace(Option<Pace>),
}

/// What an act is judged by.
#[derive(Clone, Copy, Debug)]
pub struct Scene<'a> {
    /// The plan.
    pub plan: &'a Plan,
    /// How its waves stand.
    pub waves: &'a [WaveView],
    /// Whom the selector finds now.
    pub members: Members,
    /// Whether the server asks for a second person.
    pub approval_required: bool,
    /// Who acts.
    pub by: &'a str,
    /// When.
    pub now: Timestamp,
}

/// Why an act makes no sense now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// Its stable name.
    pub code: &'static str,
    /// What is wrong and what to do.
    pub message: String,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl core::error::Error for Refusal {}

/// What an abort does to whom, in devices.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Toll {
    /// Nothing happens to them: they have had no job.
    pub untouched: u32,
    /// Their job is taken back before it begins.
    pub cancelled: u32,
    /// They are at work, and end as they end.
    pub finishing: u32,
    /// They run the release, and keep it.
    pub stay: u32,
    /// They ended otherwise.
    pub without: u32,
}

impl Toll {
    /// Returns what an abort would do now.
    pub fn of(waves: &[WaveView]) -> Self {
        waves.iter().fold(Self::default(), |toll, wave| {
            let (open, tally) = (wave.tally.get(Kind::Running), &wave.tally);
            let cancelled = tally
                .get(Kind::Queued)
                .saturating_add(tally.get(Kind::Sent));
            let (stay, untouched) = (tally.succeeded(), wave.members.saturating_sub(wave.opened));
            let known = untouched + cancelled + open + stay;
            Self {
                untouched: toll.untouched + untouched,
                cancelled: toll.cancelled + cancelled,
                finishing: toll.finishing + open,
                stay: toll.stay + stay,
                without: toll.without + wave.members.saturating_sub(known),
            }
        })
    }
}

impl RolloutState {
    /// Returns the state after an act, or why it is refused. Nothing happens to devices but through this state.
    pub fn act(&self, act: &Act, scene: &Scene<'_>) -> Result<Self, Refusal> {
        let mut next = self.clone();
        match act {
            Act::Start => next.start(scene),
            Act::Approve => next.approve(scene),
            Act::Pause { reason } => next.pause(reason, scene),
            Act::Resume => next.resume(scene),
            Act::Advance => next.advance(scene),
            Act::Abort { reason } => next.abort(reason, scene),
            Act::Retry { group } => next.retry(group, scene),
            Act::Exclude { group, reason } => next.exclude(group, reason, scene),
            Act::SetPace(pace) => next.set_pace(*pace),
        }?;
        Ok(next)
    }

    fn start(&mut self, scene: &Scene<'_>) -> Result<(), Refusal> {
        if self.status != Status::Draft {
            return Err(self.refuse("started", "it was started already"));
        }
        self.started_by = Some(scene.by.to_string());
        self.needs_approval = scene.plan.approval || scene.approval_required;
        self.status = if self.needs_approval {
            Status::AwaitingApproval {
                since: scene.now.into(),
            }
        } else {
            scheduled(scene)
        };
        Ok(())
    }

    fn approve(&mut self, scene: &Scene<'_>) -> Result<(), Refusal> {
        let grew = matches!(
            self.status,
            Status::Paused {
                because: Because::Grew { .. },
                ..
            }
        );
        if !grew && !matches!(self.status, Status::AwaitingApproval { .. }) {
            return Err(self.refuse("nothing_to_approve", "it does not wait for approval"));
        }
        if self.started_by.as_deref() == Some(scene.by) {
            return Err(self.refuse(
                "second_person",
                "who started it cannot approve it: ask another operator",
            ));
        }
        self.members = Some(scene.members);
        keep(
            &mut self.approvals,
            Approval {
                by: scene.by.to_string(),
                at: scene.now.into(),
                members: scene.members,
            },
        );
        if grew {
            self.run_again(scene);
        } else {
            self.status = scheduled(scene);
        }
        Ok(())
    }

    fn pause(&mut self, reason: &Option<String>, scene: &Scene<'_>) -> Result<(), Refusal> {
        match self.status {
            Status::Scheduled { .. } | Status::Running { .. } => {}
            Status::Paused { .. } => return Err(self.refuse("paused", "it is paused already")),
            _ => return Err(self.refuse("not_running", "there is nothing to pause")),
        }
        self.status = Status::Paused {
            because: Because::Operator {
                reason: reason.clone(),
            },
            since: scene.now.into(),
            by: Some(scene.by.to_string()),
        };
        Ok(())
    }

    fn resume(&mut self, scene: &Scene<'_>) -> Result<(), Refusal> {
        let Status::Paused { because, .. } = &self.status else {
            return Err(self.refuse("not_paused", "it is not paused"));
        };
        if matches!(because, Because::Grew { .. }) {
            if self.needs_approval {
                return Err(self.refuse(
                    "approval",
                    "more devices match than were approved: a second person has to approve it",
                ));
            }
            self.members = Some(scene.members);
        }
        if matches!(
            because,
            Because::OutOfReach { .. } | Because::Evidence { .. }
        ) {
            // It would stop again at once: whoever resumes says that this wave will do.
            let current = self.current();
            self.finish_wave(current, scene.now);
        }
        self.run_again(scene);
        Ok(())
    }

    /// Goes on from a pause; what has been counted so far was seen.
    fn run_again(&mut self, scene: &Scene<'_>) {
        if self.waves.is_empty() {
            self.status = scheduled(scene);
            return;
        }
        self.seen = scene.waves.iter().map(|wave| wave.tally).collect();
        self.bucket = Some(Bucket::new(scene.now));
        self.status = Status::Running {
            since: scene.now.into(),
        };
    }

    fn advance(&mut self, scene: &Scene<'_>) -> Result<(), Refusal> {
        match self.status {
            Status::Running { .. } => {}
            Status::Paused { .. } => {
                return Err(self.refuse("paused", "it is paused: resume it first"));
            }
            _ => return Err(self.refuse("not_running", "no wave is under way")),
        }
        let Some(next) = self.next_wave() else {
            return Err(self.refuse("last_wave", "its last wave is open"));
        };
        let current = self.current();
        self.finish_wave(current, scene.now);
        self.set_wave(
            next,
            WaveState::Open {
                since: scene.now.into(),
            },
        );
        Ok(())
    }

    fn abort(&mut self, reason: &Option<String>, scene: &Scene<'_>) -> Result<(), Refusal> {
        if self.status.is_over() {
            return Err(self.refuse("over", "it is over"));
        }
        self.status = Status::Aborted {
            because: Because::Operator {
                reason: reason.clone(),
            },
            since: scene.now.into(),
            by: Some(scene.by.to_string()),
        };
        Ok(())
    }

    fn retry(&mut self, group: &Option<Group>, scene: &Scene<'_>) -> Result<(), Refusal> {
        self.must_be_under_way()?;
        if scene.waves.iter().all(|wave| wave.settled == 0) {
            return Err(self.refuse("nothing_failed", "no device has failed for good"));
        }
        keep(
            &mut self.retried,
            Retried {
                group: group.clone(),
                at: scene.now.into(),
            },
        );
        Ok(())
    }

    fn exclude(&mut self, group: &Group, reason: &str, scene: &Scene<'_>) -> Result<(), Refusal> {
        self.must_be_under_way()?;
        if *group == Group::default() {
            return Err(self.refuse(
                "everyone",
                "a group that names nothing is everyone: name a model, a version or an origin, or abort",
            ));
        }
        if reason.trim().is_empty() {
            return Err(self.refuse(
                "reason",
                "say why they are excluded: it is part of the report",
            ));
        }
        if self.excluded.len() >= KEPT_MAX {
            return Err(self.refuse("too_many", "it has 64 exclusions: abort, and select better"));
        }
        self.excluded.push(Exclusion {
            group: group.clone(),
            reason: reason.to_string(),
            by: scene.by.to_string(),
            at: scene.now.into(),
        });
        Ok(())
    }

    fn set_pace(&mut self, pace: Option<Pace>) -> Result<(), Refusal> {
        if self.status.is_over() {
            return Err(self.refuse("over", "it is over"));
        }
        if pace.is_some_and(|pace| !(1..=PER_MINUTE_MAX).contains(&pace.per_minute)) {
            return Err(self.refuse(
                "pace",
                "a pace is 1 to 10,000,000 a minute: to stop it, pause it",
            ));
        }
        self.pace = pace;
        Ok(())
    }

    fn must_be_under_way(&self) -> Result<(), Refusal> {
        match self.status {
            Status::Running { .. } | Status::Paused { .. } => Ok(()),
            Status::Aborted { .. } | Status::Finished { .. } => {
                Err(self.refuse("over", "it is over: start a new one"))
            }
            _ => Err(self.refuse("not_running", "it has not begun: edit its plan")),
        }
    }

    fn refuse(&self, code: &'static str, why: &str) -> Refusal {
        Refusal {
            code,
            message: format!("the rollout is {}: {why}", self.status.as_str()),
        }
    }
}

fn scheduled(scene: &Scene<'_>) -> Status {
    Status::Scheduled {
        at: scene
            .plan
            .schedule
            .start
            .unwrap_or_else(|| scene.now.into()),
    }
}

/// Keeps the newest.
fn keep<T>(all: &mut Vec<T>, newest: T) {
    if all.len() >= KEPT_MAX {
        all.remove(0);
    }
    all.push(newest);
}
