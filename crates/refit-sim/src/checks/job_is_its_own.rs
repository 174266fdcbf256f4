//! Design §9.2: a device is never sent a job that is not its own, nor an older one after a newer.

use refit_engine::output::Telling;
use refit_protocol::device_id::DeviceId;
use refit_protocol::diff::SOFTWARE_URL;
use refit_protocol::job::Status;
use refit_protocol::software_url::same;
use serde_json::Value;

use crate::net::ConnId;
use crate::world::{World, index_of};

const NAME: &str = "job_is_its_own";

impl World {
    /// A delta leaves.
    pub(crate) fn check_delta(&mut self, device: &DeviceId, peer: ConnId, telling: &Telling) {
        let Some(index) = index_of(device) else {
            return;
        };
        self.checks.sent(index);
        if telling.job.is_some() {
            *self.checks.commands.entry(index).or_default() += 1;
        }
        let waits = self.delta_waited(index);
        self.checks.found("delta_waits", waits);
        let found = self.delta_is_right(index, device, peer, telling);
        self.checks.found(NAME, found);
    }

    fn delta_is_right(
        &mut self,
        index: usize,
        device: &DeviceId,
        peer: ConnId,
        telling: &Telling,
    ) -> Result<(), String> {
        if self.net.get(peer).map(|c| c.device) != Some(index) {
            return Err(format!(
                "a delta for {device} leaves on somebody else's connection"
            ));
        }
        let Some(record) = self.disk.record(device) else {
            return Err(format!("a delta for {device}, of which nothing is stored"));
        };
        if record.version != telling.version {
            let (said, is) = (telling.version, record.version);
            return Err(format!(
                "a delta of {device} says version {said}, and {is} is durable"
            ));
        }
        let told = telling.state.get(SOFTWARE_URL).and_then(Value::as_str);
        match (&telling.job, told) {
            (None, None) => Ok(()),
            (None, Some(_)) => Err(format!("{device} is told software without a job")),
            (Some((id, _)), None) => Err(format!("{device} is told job {id} without software")),
            (Some((id, url)), Some(told)) => {
                if record.held {
                    return Err(format!("{device} is held, and is told job {id}"));
                }
                if !same(url, told)
                    || record
                        .desired_software()
                        .is_none_or(|want| !same(want, told))
                {
                    return Err(format!(
                        "{device} is told {told} for job {id}, which is for {url}"
                    ));
                }
                self.is_its_newest(index, id)
            }
        }
    }

    fn is_its_newest(
        &mut self,
        index: usize,
        id: &refit_protocol::job::JobId,
    ) -> Result<(), String> {
        let Some(job) = self.model.known(index).jobs.get(id) else {
            return Err(format!(
                "d{index} is sent job {id}, which is not durable, or another's"
            ));
        };
        if !matches!(job.status, Status::Sent | Status::Running) {
            return Err(format!(
                "d{index} is sent job {id}, which is {}",
                job.status
            ));
        }
        let newest = self.checks.told.entry(index).or_default();
        if job.number < *newest {
            return Err(format!("d{index} is sent job {id} after a newer one"));
        }
        *newest = job.number;
        Ok(())
    }

    /// A delta arrives: on one connection its version never goes back, and it is for this device.
    pub(crate) fn check_arrived(&mut self, conn: ConnId, device: usize, delta: &Value) {
        let version = delta["version"].as_u64().unwrap_or(0);
        let Some(connection) = self.net.get_mut(conn) else {
            return;
        };
        let newest = std::mem::replace(&mut connection.newest, version);
        if version < newest {
            self.checks.breach(
                NAME,
                format!("d{device} got version {version} after {newest} on one connection"),
            );
        }
        let url = delta["state"][SOFTWARE_URL].as_str();
        let granted = url.and_then(|url| url.split_once("?for=d"));
        let whose = granted.map(|(_, query)| query.split('&').next().unwrap_or_default());
        if whose.is_some_and(|whose| whose != device.to_string()) {
            self.checks
                .breach(NAME, format!("d{device} got the delta of d{whose:?}"));
        }
    }
}
