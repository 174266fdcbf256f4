//! What the server says: the receipt first, then the answer; and deltas, each with a grant of its device's own.

use std::sync::Arc;

use refit_engine::output::{Reply, Telling};
use refit_engine::shard::From;
use refit_protocol::delta::{Delta, Granted};
use refit_protocol::device_id::DeviceId;
use refit_protocol::diff::SOFTWARE_URL;
use refit_protocol::grant::{GrantKind, Strength};
use refit_protocol::rejection::Code;
use refit_protocol::reply::Accepted;
use refit_protocol::software_url::depot_digest;
use refit_protocol::time::Timestamp;
use refit_protocol::topic::Kind;
use refit_replica::delta::due;
use refit_replica::record::Record;
use serde_json::Value;

use crate::device;
use crate::net::{ConnId, Down, OPERATORS};
use crate::planted::Planted;
use crate::world::World;

impl World {
    pub(crate) fn answer(
        &mut self,
        device: &DeviceId,
        to: From<ConnId>,
        own: Option<ConnId>,
        reply: &Reply,
    ) {
        let From::Peer { peer, receipt, .. } = to else {
            return;
        };
        let Some(submission) = self.server.receipts.remove(&receipt) else {
            return self
                .checks
                .breach("answers", format!("{device}: receipt {receipt} twice"));
        };
        self.check_answer(device, reply);
        let index = submission.device;
        self.trace
            .say(self.clock.now(), index, || format!("= [{peer}] {reply:?}"));
        if peer == OPERATORS {
            self.operator_hears(submission.packet);
        } else {
            self.give_receipt(peer, index, submission.packet, reply);
        }
        let (kind, payload, others_too) = match reply {
            Reply::Accepted(accepted) => (Kind::Accepted, accepted.to_json(), is_change(accepted)),
            Reply::Rejected(rejected) => (Kind::Rejected, rejected.to_json(), false),
            Reply::Shown(json) => (Kind::GetAccepted, json.clone(), false),
            Reply::NotShown(rejected) => (Kind::GetRejected, rejected.to_json(), false),
            Reply::Assigned(_) | Reply::Overtaken | Reply::Done => return,
        };
        self.trace.mix_bytes(&payload);
        if let Some(own) = own
            && (others_too || own == peer)
        {
            self.checks.sent(index);
            self.server_sends(
                own,
                Down::Publish {
                    kind,
                    payload: payload.into(),
                },
            );
        }
    }

    /// What could not be stored gets no receipt in MQTT 3.1.1: the connection is closed, so that the client repeats it
    /// (semantics 37).
    fn give_receipt(&mut self, peer: ConnId, device: usize, packet: u32, reply: &Reply) {
        let simple = matches!(self.devices[device].kind, device::Kind::Simple(_));
        if simple && reply.refused() == Some(Code::Unavailable) {
            return self.server_closes(peer);
        }
        self.server_sends(peer, Down::Puback { packet });
    }

    /// Tells a device what its durable record says, without waiting for anything (planted).
    pub(crate) fn tell_at_once(&mut self, device: usize, conn: ConnId) {
        let record = self.disk.record(&self.devices[device].id).cloned();
        let queued = |record: &Record| record.job.as_ref().is_some_and(|job| job.sent().is_none());
        if let Some(record) = record.filter(|record| !queued(record)) {
            self.tell_from(&record, device, conn);
        }
    }

    /// Tells a device what a record says (planted).
    pub(crate) fn tell_from(&mut self, record: &Record, device: usize, conn: ConnId) {
        let Some(due) = due(record) else { return };
        let telling = Telling {
            version: record.version,
            job: due
                .job
                .map(|job| (job.id.clone(), job.software_url.clone())),
            previous: record.reported_software().map(Into::into),
            grant: record.grant,
            state: due.state,
        };
        let id = self.devices[device].id.clone();
        self.tell(&id, conn, &telling);
    }

    /// Tells a device what it should have, with a grant of its own.
    pub(crate) fn tell(&mut self, device: &DeviceId, peer: ConnId, telling: &Telling) {
        self.check_delta(device, peer, telling);
        let wall = self.server.time(self.clock.now()).wall;
        let mut state = telling.state.clone();
        let mut software = None;
        if let Some(Value::String(url)) = state.get_mut(SOFTWARE_URL)
            && let Some(digest) = depot_digest(url)
        {
            software = self.releases.software(&digest);
            *url = format!("{url}?for={device}&until={}", wall.0 + 3_600_000);
        }
        let job = telling.job.as_ref();
        let payload: Arc<[u8]> = Delta {
            version: telling.version,
            timestamp: wall,
            job_id: job.map(|(id, _)| id),
            state: &state,
            previous: telling.previous.as_deref(),
            software: software.as_ref(),
            grant: software.as_ref().map(|_| Granted {
                kind: GrantKind::Presigned,
                strength: Strength::Time,
                expires: Some(Timestamp(wall.0 + 3_600_000)),
            }),
        }
        .to_json()
        .into();
        self.trace.mix_bytes(&payload);
        let peer = match self.options.planted {
            Some(Planted::DeltaToAnother) => self.another(peer),
            _ => peer,
        };
        self.server_sends(
            peer,
            Down::Publish {
                kind: Kind::Delta,
                payload,
            },
        );
    }
}

/// Tells whether an accepted update changed anything: then the device hears of it, whoever spoke.
fn is_change(accepted: &Accepted) -> bool {
    accepted.changed.desired.is_some()
        || accepted.changed.reported.is_some()
        || accepted.job.is_some()
}
