//! Design §9.1: what was acknowledged is there after any crash.

use refit_engine::output::Reply;
use refit_protocol::device_id::DeviceId;
use refit_protocol::job::{JobId, Status};
use refit_protocol::merge::merge;
use refit_protocol::reply::{Accepted, Changed};
use refit_replica::record::Record;
use serde_json::Value;

use crate::disk::Row;
use crate::world::{World, index_of};

const NAME: &str = "acknowledged_is_durable";

/// The newest thing that was acknowledged to or about a device.
pub(super) struct Acknowledged {
    version: u64,
    changed: Changed,
    job: Option<(JobId, Status)>,
}

impl World {
    /// An answer leaves: what it says is durable now.
    pub(crate) fn check_answer(&mut self, device: &DeviceId, reply: &Reply) {
        let found = match reply {
            Reply::Accepted(accepted) => self.accepted_is_durable(device, accepted),
            Reply::Shown(json) => self.shown_is_durable(device, json),
            Reply::Rejected(_)
            | Reply::NotShown(_)
            | Reply::Assigned(_)
            | Reply::Overtaken
            | Reply::Done => Ok(()),
        };
        self.checks.found(NAME, found);
        if let (Reply::Accepted(accepted), Some(index)) = (reply, index_of(device)) {
            let acknowledged = Acknowledged {
                version: accepted.version,
                changed: accepted.changed.clone(),
                job: accepted.job.clone(),
            };
            self.checks.acknowledged.insert(index, acknowledged);
        }
    }

    fn accepted_is_durable(&self, device: &DeviceId, accepted: &Accepted) -> Result<(), String> {
        let Some(row) = self.disk.row(device) else {
            return Err(format!(
                "{device} was answered, and nothing is stored of it"
            ));
        };
        let version = accepted.version;
        if let Some(record) = self.disk.at_version(device, version) {
            says(record, &accepted.changed).map_err(|what| {
                format!("{device} was answered version {version}, which has not {what}")
            })?;
        }
        still_there(device, row, version, accepted.job.as_ref())
    }

    fn shown_is_durable(&self, device: &DeviceId, json: &[u8]) -> Result<(), String> {
        let shown: Value = serde_json::from_slice(json).map_err(|error| error.to_string())?;
        let version = shown["version"].as_u64().unwrap_or(u64::MAX);
        let durable = self.disk.record(device).map_or(0, |record| record.version);
        if durable < version {
            return Err(format!(
                "{device} was shown version {version}, and {durable} is durable"
            ));
        }
        Ok(())
    }

    /// The server died: the last thing that was acknowledged about each device is still there.
    pub(crate) fn check_acknowledged_after_crash(&mut self) {
        for (index, acknowledged) in &self.checks.acknowledged {
            let device = &self.devices[*index].id;
            let Acknowledged {
                version,
                changed,
                job,
            } = acknowledged;
            let found = match self.disk.row(device) {
                None => Err(format!("{device} is gone after a crash")),
                Some(row) => still_there(device, row, *version, job.as_ref()).and_then(|()| {
                    let same = self.disk.record(device).filter(|r| r.version == *version);
                    same.map_or(Ok(()), |record| {
                        says(record, changed)
                            .map_err(|what| format!("{device} lost {what} in a crash"))
                    })
                }),
            };
            if let Err(found) = found {
                return self.checks.breach(NAME, found);
            }
        }
    }
}

/// Tells whether a record has what changed.
fn says(record: &Record, changed: &Changed) -> Result<(), String> {
    let parts = [
        (&record.desired, &changed.desired),
        (&record.reported, &changed.reported),
    ];
    for (state, part) in parts {
        if let Some(part) = part
            && let Some(lacks) = merge(&mut state.clone(), part.clone())
        {
            return Err(Value::Object(lacks).to_string());
        }
    }
    Ok(())
}

fn still_there(
    device: &DeviceId,
    row: &Row,
    version: u64,
    job: Option<&(JobId, Status)>,
) -> Result<(), String> {
    let durable = row
        .stored
        .as_ref()
        .map_or(0, |stored| stored.record.version);
    if durable < version {
        return Err(format!(
            "{device} was answered version {version}, and {durable} is durable"
        ));
    }
    let Some((id, status)) = job else {
        return Ok(());
    };
    let line = row.jobs.get(id).map(|entry| entry.status);
    let there = match line {
        Some(line) if status.is_final() => line == *status,
        Some(line) => line >= *status,
        None => false,
    };
    if there {
        return Ok(());
    }
    Err(format!(
        "{device} was answered that job {id} is {status}, and it is {line:?} on the disk"
    ))
}
