//! The rollouts that are under way: who else may want a device.

use std::collections::BTreeMap;

use refit_protocol::rollout::{RolloutId, RolloutName};
use refit_rollout::admit::Rival;

/// The rollouts that are under way, with their priorities.
#[derive(Clone, Debug, Default)]
pub(crate) struct Peers(BTreeMap<RolloutId, (RolloutName, i32)>);

impl Peers {
    pub(crate) fn add(&mut self, id: RolloutId, name: RolloutName, priority: i32) {
        self.0.insert(id, (name, priority));
    }

    /// Returns a rollout as the rival of another; none if it is over.
    pub(crate) fn rival(&self, id: RolloutId) -> Option<Rival<'_>> {
        let (name, priority) = self.0.get(&id)?;
        Some(Rival::Rollout {
            id,
            name,
            priority: *priority,
        })
    }
}
