//! Design §9.8, semantics 25: for every device that does not run what it should `why` names the reasons, and with
//! exactly those gone it proceeds; with one of them left it does not.

use refit_protocol::job::JobId;
use refit_replica::delta::software_differs;
use refit_replica::why::why;

use crate::clock::SECOND;
use crate::operator::Want;
use crate::transition::Event;
use crate::world::World;

const NAME: &str = "why_names";

/// A device whose reasons are taken away.
#[derive(Debug)]
pub(crate) struct Trial {
    device: usize,
    rules: Vec<&'static str>,
    /// How many deltas with a job it was sent before.
    told: u64,
    /// Its open job, if it has one.
    job: Option<JobId>,
}

/// How long one reason is gone before it is seen what follows.
const PAUSE: u64 = 90 * SECOND;

impl World {
    /// Asks why of every device, and takes all reasons away but one.
    pub(crate) fn begin_trials(&mut self) {
        let mut trials = Vec::new();
        for index in 0..self.devices.len() {
            let Some(record) = self.disk.record(&self.devices[index].id) else {
                continue;
            };
            let reachable = self.model.reachable_on(index).is_some();
            let rules: Vec<&'static str> =
                why(record, reachable).map(|blocker| blocker.rule).collect();
            let differs = software_differs(record);
            if differs == rules.is_empty() {
                let found = format!("d{index}: differs: {differs}, and why says {rules:?}");
                self.checks.breach(NAME, found);
            } else if differs {
                let told = self.checks.commands(index);
                let job = record.job.as_ref().map(|job| job.id.clone());
                trials.push(Trial {
                    device: index,
                    rules,
                    told,
                    job,
                });
            }
        }
        for trial in &trials {
            for rule in trial.rules.iter().skip(1) {
                self.take_away(trial.device, rule);
            }
        }
        self.trials = trials;
        self.clock.after(PAUSE, Event::LastReason);
    }

    /// With one reason left nothing has happened; now it goes too.
    pub(crate) fn take_last_reasons(&mut self) {
        let trials = std::mem::take(&mut self.trials);
        for trial in &trials {
            if self.checks.commands(trial.device) != trial.told {
                let found = format!(
                    "d{} went on with {:?} in its way",
                    trial.device,
                    trial.rules.first()
                );
                self.checks.breach(NAME, found);
            }
            if let Some(rule) = trial.rules.first() {
                self.take_away(trial.device, rule);
            }
        }
        self.trials = trials;
        self.clock.after(PAUSE, Event::Proceeded);
    }

    /// With all reasons gone, each was sent a job.
    pub(crate) fn check_proceeded(&mut self) {
        for trial in std::mem::take(&mut self.trials) {
            // It may also turn out that it had ended its job, or had the software, all along, and could not say so.
            let record = self.disk.record(&self.devices[trial.device].id);
            let settled = record.is_some_and(|record| {
                let same = record.job.as_ref().map(|job| &job.id) == trial.job.as_ref();
                !same || !software_differs(record)
            });
            if self.checks.commands(trial.device) == trial.told && !settled {
                let found = format!("d{} did not go on without {:?}", trial.device, trial.rules);
                self.checks.breach(NAME, found);
            }
        }
    }

    fn take_away(&mut self, device: usize, rule: &str) {
        match rule {
            "held" => self.wants(device, Want::Hold(false)),
            "ended" | "reverted" | "capped" => self.wants(device, Want::Retry),
            "offline" => {
                self.devices[device].absent = false;
                self.power_returns(device);
            }
            _ => {}
        }
    }
}
