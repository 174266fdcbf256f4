//! Design §9.4: when faults stop, every device that is online converges to desired or ends in a named failure; and
//! what the server believes of its software is true.

use refit_protocol::job::{JobId, Status};
use refit_protocol::software_url::same;
use refit_replica::delta::software_differs;
use refit_replica::record::{Job, Record};

use crate::world::World;

const NAME: &str = "converges";

impl World {
    /// All that was begun has come to its end.
    pub(crate) fn check_converged(&mut self) {
        for index in 0..self.devices.len() {
            let found = self.has_converged(index);
            self.checks.found(NAME, found);
        }
    }

    fn has_converged(&self, index: usize) -> Result<(), String> {
        let device = &self.devices[index];
        let Some(record) = self.disk.record(&device.id) else {
            return Ok(());
        };
        if device.absent {
            return Ok(());
        }
        if !device.up {
            return Err(format!("d{index} has not found its way back to the server"));
        }
        // What is held waits; `why` says so.
        let waits = |job: &Job| record.held && job.status() != Status::Running;
        if let Some(job) = record.job.as_ref().filter(|job| !waits(job)) {
            return Err(format!(
                "d{index} has job {} still open: {}",
                job.id,
                job.status()
            ));
        }
        if !device.is_honest() {
            return Ok(());
        }
        if software_differs(record) && record.withheld.is_none() && !record.held {
            return Err(format!(
                "d{index} does not run what it should, and nothing is in its way"
            ));
        }
        if let Some(busy) = device.is_busy() {
            return Err(format!("d{index} is {busy} still"));
        }
        self.is_true(index, record)
    }

    /// The software that the record has as reported is what the device really runs.
    fn is_true(&self, index: usize, record: &Record) -> Result<(), String> {
        let runs = self.devices[index].runs();
        let agree = match (record.reported_software(), &runs) {
            (None, None) => true,
            (Some(reported), Some(runs)) => same(reported, runs),
            (Some(_), None) | (None, Some(_)) => false,
        };
        // Of a word that comes when more than four jobs were sent since nothing is known any more (semantics 28).
        let understood = |id: &JobId| self.model.known(index).remembers(id);
        if agree || !self.devices[index].last_job().is_none_or(understood) {
            return Ok(());
        }
        Err(format!(
            "d{index} runs {runs:?}, and the record says {:?}",
            record.reported_software()
        ))
    }
}
