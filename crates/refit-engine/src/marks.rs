//! The marks that stand, for every decision to read: a table that is swapped after the commit that sets a mark
//! (semantics 40). Nobody sets a freeze yet.

use std::collections::BTreeSet;
use std::sync::Arc;

use parking_lot::RwLock;
use refit_protocol::rollout::RolloutId;
use refit_replica::marks::Marks;
use refit_store::reader::Reader;
use refit_store::store::Failure;

/// The word of an aborted rollout's status.
const ABORTED: &str = "ABORTED";

/// The marks of one server.
#[derive(Debug, Default)]
pub struct Table {
    aborted: RwLock<Arc<BTreeSet<RolloutId>>>,
}

impl Table {
    /// Reads which marks stand.
    pub fn load(reader: &mut dyn Reader) -> Result<Self, Failure> {
        let rollouts = reader.rollouts()?.into_iter();
        let aborted = rollouts.filter(|row| row.status == ABORTED);
        let aborted = aborted.map(|row| row.id).collect();
        Ok(Self {
            aborted: RwLock::new(Arc::new(aborted)),
        })
    }

    /// Sets the mark of a rollout whose abort is durable: from now on nothing leaves for it.
    pub(crate) fn abort(&self, rollout: RolloutId) {
        let mut standing = self.aborted.write();
        let mut next = BTreeSet::clone(&standing);
        next.insert(rollout);
        *standing = Arc::new(next);
    }
}

impl Marks for Table {
    fn is_aborted(&self, rollout: RolloutId) -> bool {
        self.aborted.read().contains(&rollout)
    }

    fn is_frozen(&self) -> bool {
        false
    }
}
