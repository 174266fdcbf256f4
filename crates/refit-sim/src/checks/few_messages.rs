//! No message causes more than a bounded number of others (reliability §4.4, 9).

use crate::checks::Checks;
use crate::world::World;

impl Checks {
    /// Somebody said or asked something about a device, or it subscribed.
    pub(crate) fn asked(&mut self, device: usize) {
        *self.asked.entry(device).or_default() += 1;
    }

    /// A message leaves for a device, beside the receipt of what it said.
    pub(crate) fn sent(&mut self, device: usize) {
        *self.sent.entry(device).or_default() += 1;
    }
}

impl World {
    /// An answer and a delta for each input, and the resends that each job may have; a crash forgets some of those.
    pub(crate) fn check_few_messages(&mut self) {
        for (device, sent) in &self.checks.sent {
            let asked = self.checks.asked.get(device).copied().unwrap_or(0);
            let jobs = self.model.known(*device).jobs.len() as u64;
            let lives = u64::from(self.server.life);
            let resends = jobs.max(1) * u64::from(self.options.policy.resends_max) * lives;
            if *sent > 2 * asked + resends {
                let found =
                    format!("d{device}: {sent} messages after {asked} inputs and {jobs} jobs");
                return self.checks.breach("few_messages", found);
            }
        }
    }
}
