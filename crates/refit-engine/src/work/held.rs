//! The effects of one decided task: what is let out when it is durable.

use refit_protocol::device_id::DeviceId;
use refit_protocol::reply::{Accepted, Changed, Shown};
use refit_protocol::time::Timestamp;
use refit_replica::effect::{Answer, Decision, Event};
use refit_replica::record::{JobEntry, Record};

use crate::output::{Output, Reply};
use crate::shard::From;

/// The effects of one decided task.
pub(crate) struct Held<P> {
    to: From<P>,
    reply: Option<Reply>,
    jobs: Vec<JobEntry>,
    events: Vec<Event>,
    /// By which hash the same report is known again; 0: not at all.
    pub(super) quiet: u64,
}

impl<P> Held<P> {
    pub(super) fn nothing() -> Self {
        Self {
            to: From::Nobody,
            reply: None,
            jobs: Vec::new(),
            events: Vec::new(),
            quiet: 0,
        }
    }

    pub(super) fn refused(reply: Reply) -> Self {
        Self {
            reply: Some(reply),
            ..Self::nothing()
        }
    }

    /// Names who is to hear of it.
    pub(super) fn heard_by(self, to: From<P>) -> Self {
        Self { to, ..self }
    }

    pub(super) fn of(decision: Decision, record: &Record, now: Timestamp, hash: u64) -> Self {
        let quiet = match &decision.answer {
            Some(Answer::Accepted(_)) if !decision.changed => hash,
            _ => 0,
        };
        let reply = Some(match decision.answer {
            Some(Answer::Accepted(accepted)) => Reply::Accepted(accepted),
            Some(Answer::Rejected(rejected)) => Reply::Rejected(rejected),
            Some(Answer::Assigned(assigned)) => Reply::Assigned(assigned),
            Some(Answer::Shown) => Reply::Shown(show(record, now)),
            None => Reply::Done,
        });
        Self {
            to: From::Nobody,
            reply,
            jobs: decision.jobs,
            events: decision.events,
            quiet,
        }
    }

    /// Lets the effects out: they are durable.
    pub(crate) fn release(self, device: &DeviceId, peer: Option<&P>, out: &mut Vec<Output<P>>)
    where
        P: Clone + PartialEq,
    {
        if self.quiet != 0
            && let (From::Peer { peer: speaker, .. }, Some(peer)) = (&self.to, peer)
            && speaker == peer
        {
            out.push(Output::Quiet {
                peer: peer.clone(),
                hash: self.quiet,
            });
        }
        if let Some(reply) = self.reply
            && !matches!(self.to, From::Nobody)
        {
            let peer = peer.cloned();
            out.push(Output::Answer {
                device: device.clone(),
                to: self.to,
                peer,
                reply,
            });
        }
        if !self.jobs.is_empty() {
            out.push(Output::Jobs {
                device: device.clone(),
                entries: self.jobs,
            });
        }
        for event in self.events {
            out.push(Output::Event {
                device: device.clone(),
                event,
            });
        }
    }
}

fn show(record: &Record, timestamp: Timestamp) -> Vec<u8> {
    Shown {
        version: record.version,
        timestamp,
        job: record.job.as_ref().map(|job| (&job.id, job.status())),
        desired: &record.desired,
        reported: &record.reported,
    }
    .to_json()
}

/// Tells whether an accepted update changed anything.
pub(crate) fn is_change(accepted: &Accepted) -> bool {
    accepted.changed != Changed::default() || accepted.job.is_some()
}
