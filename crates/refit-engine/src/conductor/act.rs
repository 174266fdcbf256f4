//! What operators do to a rollout: made, started and steered by a change of its row, and nothing else. The caller's
//! thread does it; the conductor sees the row.

use refit_access::audit::Entry;
use refit_protocol::rollout::{RolloutId, RolloutName};
use refit_protocol::time::Timestamp;
use refit_rollout::plan::Plan;
use refit_rollout::state::{Act, Members, Refusal, RolloutState, Scene, Status, Toll};
use refit_rollout::step::WaveView;
use refit_store::reader::Reader;
use refit_store::rollout::{NewRollout, RolloutChange, RolloutOutcome, RolloutRow};
use refit_store::store::Failure;
use serde_json::{Value, json};

use super::course::read;
use super::figures::views;
use super::sort::sort;
use super::ways::Ways;
use super::{Conductor, Waits};
use crate::author::Author;
use crate::events::RolloutAct;

/// How often an act is decided again because the rollout itself moved on in between.
const TRIES_MAX: usize = 8;

/// Who asks for something, and how.
#[derive(Clone, Debug)]
pub struct Asking {
    /// Who, for the audit log; a second person is another one of these.
    pub by: Author,
    /// The revision that the rollout must have; `None`: any.
    pub revision: Option<u64>,
    /// Whether it is only tried.
    pub is_dry: bool,
    /// When.
    pub now: Timestamp,
}

/// What an act made of a rollout.
#[derive(Clone, Debug)]
pub struct Acted {
    /// The rollout, as it is now, or would be.
    pub row: RolloutRow,
    /// Its plan.
    pub plan: Plan,
    /// Its state.
    pub state: RolloutState,
    /// How its waves stand.
    pub waves: Vec<WaveView>,
    /// What an abort does to whom.
    pub toll: Option<Toll>,
}

/// Why something was not done.
#[derive(Debug)]
pub enum NotDone {
    /// There is no such rollout.
    Missing,
    /// There is one of this name, or was.
    Taken,
    /// It has this revision, and not the one that was named.
    Revision(u64),
    /// It makes no sense now.
    Refused(Refusal),
    /// The store.
    Failed(Failure),
}

impl From<Failure> for NotDone {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

impl Conductor {
    /// Makes a rollout; started at once if that is asked for. The plan was [checked](Conductor::check).
    pub fn create(
        &self,
        reader: &mut dyn Reader,
        name: &RolloutName,
        plan: &Plan,
        starts: bool,
        asking: &Asking,
    ) -> Result<Acted, NotDone> {
        if reader.rollout(name)?.is_some() {
            return Err(NotDone::Taken);
        }
        let mut state = RolloutState::default();
        if starts {
            let scene = self.scene(plan, &[], Members::default(), asking);
            state = state.act(&Act::Start, &scene).map_err(NotDone::Refused)?;
        }
        let new = NewRollout {
            name: name.clone(),
            plan: text(plan)?,
            state: text(&state)?,
            status: state.status.as_str().into(),
            waves: Vec::new(),
            at: asking.now,
        };
        let mut row = RolloutRow {
            id: RolloutId(0),
            name: name.clone(),
            plan: new.plan.clone(),
            state: new.state.clone(),
            status: new.status.clone(),
            revision: 1,
            created: asking.now,
            changed: asking.now,
        };
        if !asking.is_dry {
            let after = json!({ "status": new.status, "plan": plan });
            let line = line(name, "create", None, Some(after), asking);
            let made = self
                .parts()
                .store
                .change_rollout(RolloutChange::Create(new), Some(line))?;
            let RolloutOutcome::Done(guard) = made else {
                return Err(NotDone::Taken);
            };
            row.id = guard.id;
            self.tell(asking.now, name, RolloutAct::Created, None);
            if starts {
                self.tell(asking.now, name, RolloutAct::Started, None);
            }
            self.look();
        }
        Ok(Acted {
            row,
            plan: plan.clone(),
            state,
            waves: Vec::new(),
            toll: None,
        })
    }

    /// Does something to a rollout, or says why not, or what would come of it.
    pub fn act(
        &self,
        reader: &mut dyn Reader,
        name: &RolloutName,
        act: &Act,
        asking: &Asking,
    ) -> Result<Acted, NotDone> {
        let mut tries = 0;
        loop {
            let row = reader.rollout(name)?.ok_or(NotDone::Missing)?;
            if asking.revision.is_some_and(|named| named != row.revision) {
                return Err(NotDone::Revision(row.revision));
            }
            let (plan, state) = read(&row)?;
            let waves = views(reader, row.id, &state)?;
            let members = self.members_for(reader, row.id, &plan, &state, act, asking.now)?;
            let scene = self.scene(&plan, &waves, members, asking);
            let next = state.act(act, &scene).map_err(NotDone::Refused)?;
            let toll = matches!(act, Act::Abort { .. }).then(|| Toll::of(&waves));
            let mut acted = Acted {
                row,
                plan,
                state: next,
                waves,
                toll,
            };
            acted.row.status = acted.state.status.as_str().into();
            if asking.is_dry {
                return Ok(acted);
            }
            match self.commit(&mut acted, (&state, act), asking)? {
                RolloutOutcome::Done(_) => return Ok(acted),
                RolloutOutcome::Missing | RolloutOutcome::Taken => return Err(NotDone::Missing),
                RolloutOutcome::Conflict(revision) => {
                    tries += 1;
                    if asking.revision.is_some() || tries >= TRIES_MAX {
                        return Err(NotDone::Revision(revision));
                    }
                }
            }
        }
    }

    fn commit(
        &self,
        acted: &mut Acted,
        (before, act): (&RolloutState, &Act),
        asking: &Asking,
    ) -> Result<RolloutOutcome, NotDone> {
        let (row, state) = (&acted.row, &acted.state);
        let word = word(act);
        let after = json!({ "status": state.status.as_str(), "act": detail(act) });
        let was = json!({ "status": before.status.as_str() });
        let change = RolloutChange::Update {
            from: row.guard(),
            state: Some((text(state)?, state.status.as_str().into())),
            plan: None,
            waves: Vec::new(),
            at: asking.now,
        };
        let line = line(&row.name, word, Some(was), Some(after), asking);
        let outcome = self.parts().store.change_rollout(change, Some(line))?;
        if let RolloutOutcome::Done(guard) = outcome {
            if matches!(state.status, Status::Aborted { .. }) {
                // Before anybody hears that it is done: from now on no delta leaves for it.
                self.parts().marks.abort(guard.id);
                self.says(guard.id, Waits::default());
            }
            self.tell(asking.now, &row.name, told(act), detail_text(act));
            self.look();
            acted.row.revision = guard.revision;
            acted.row.changed = asking.now;
        }
        Ok(outcome)
    }

    fn scene<'a>(
        &self,
        plan: &'a Plan,
        waves: &'a [WaveView],
        members: Members,
        asking: &'a Asking,
    ) -> Scene<'a> {
        Scene {
            plan,
            waves,
            members,
            approval_required: self.parts().approval_required,
            by: &asking.by.actor,
            now: asking.now,
        }
    }

    /// Whom the selector finds now is read only for those acts that are about it.
    fn members_for(
        &self,
        reader: &mut dyn Reader,
        id: RolloutId,
        plan: &Plan,
        state: &RolloutState,
        act: &Act,
        now: Timestamp,
    ) -> Result<Members, Failure> {
        match act {
            Act::Approve => {
                let (ways, _) = Ways::find(plan, &reader.releases()?);
                let sorted = sort(reader, &self.parts().fleet, (id, plan, &ways), now)?;
                Ok(sorted.members(id))
            }
            _ => Ok(state.members.unwrap_or_default()),
        }
    }
}

fn text<T: serde::Serialize>(document: &T) -> Result<String, Failure> {
    serde_json::to_string(document)
        .map_err(|error| Failure::Corrupt(format!("a rollout's document: {error}")))
}

fn line(
    name: &RolloutName,
    word: &str,
    before: Option<Value>,
    after: Option<Value>,
    asking: &Asking,
) -> Entry {
    let texts = (
        before.map(|before| before.to_string()),
        after.map(|after| after.to_string()),
    );
    let action = match word {
        "approve" => "rollout:approve",
        _ => "rollout:steer",
    };
    asking
        .by
        .line(asking.now, action, format!("rollout:{name}"), texts)
}

/// Returns the word of an act, as it is asked for.
const fn word(act: &Act) -> &'static str {
    match act {
        Act::Start => "start",
        Act::Approve => "approve",
        Act::Pause { .. } => "pause",
        Act::Resume => "resume",
        Act::Advance => "advance",
        Act::Abort { .. } => "abort",
        Act::Retry { .. } => "retry",
        Act::Exclude { .. } => "exclude",
        Act::SetPace(_) => "pace",
    }
}

/// Returns an act, as it is told.
const fn told(act: &Act) -> RolloutAct {
    match act {
        Act::Start => RolloutAct::Started,
        Act::Approve => RolloutAct::Approved,
        Act::Pause { .. } => RolloutAct::Paused,
        Act::Resume => RolloutAct::Resumed,
        Act::Advance => RolloutAct::Advanced,
        Act::Abort { .. } => RolloutAct::Aborted,
        Act::Retry { .. } => RolloutAct::Retried,
        Act::Exclude { .. } | Act::SetPace(_) => RolloutAct::Changed,
    }
}

fn detail(act: &Act) -> Value {
    let (word, more) = (
        word(act),
        match act {
            Act::Pause { reason } | Act::Abort { reason } => json!({ "reason": reason }),
            Act::Retry { group } => json!({ "group": group }),
            Act::Exclude { group, reason } => json!({ "group": group, "reason": reason }),
            Act::SetPace(pace) => json!({ "pace": pace }),
            Act::Start | Act::Approve | Act::Resume | Act::Advance => Value::Null,
        },
    );
    json!({ "is": word, "with": more })
}

fn detail_text(act: &Act) -> Option<String> {
    match act {
        Act::Pause { reason } | Act::Abort { reason } => reason.clone(),
        Act::Exclude { reason, .. } => Some(reason.clone()),
        _ => None,
    }
}
