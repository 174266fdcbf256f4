//! Whoever speaks too often (semantics 37): the words that its job waits for are still heard, the others are refused
//! with code 429 on `rejected`, and whoever does not heed that either is ended.

use std::sync::Arc;

use refit_packet::{Publish, ReasonCode};
use refit_protocol::device_id::DeviceId;
use refit_protocol::rejection::{Code, Rejection};
use refit_protocol::reply::Rejected;
use refit_protocol::topic::{Kind, Topic};
use refit_protocol::update::Update;
use refit_replica::speaker::Speaker;

use super::inbound::Owed;
use super::outbound::Message;
use super::verdict::Verdict;
use super::{Calls, End, Note, Session};
use crate::quota::Share;

const MESSAGE: &str = "too often; say it again in a second";

impl Session {
    /// Takes in a message for which there is no turn.
    pub(super) fn in_excess(
        &mut self,
        publish: &Publish<'_>,
        topic: Topic<'_>,
        speaker: Speaker,
        calls: &impl Calls,
        out: &mut Vec<u8>,
    ) -> Result<(), End> {
        let update = match topic.kind {
            Kind::Update => Update::parse(publish.payload),
            _ => Ok(Update::default()),
        };
        let saying = update.as_ref().ok().and_then(|update| update.saying);
        let share = Share::reserved_for(saying);
        if share.is_some_and(|share| calls.takes_turn(share)) {
            return self.pass_on(publish, topic, speaker, calls, out);
        }
        calls.note(Note::TooOften);
        if !calls.takes_turn(Share::Refusal) {
            return Err(End::because(
                ReasonCode::QUOTA_EXCEEDED,
                "it was told again and again that it speaks too often",
            ));
        }
        let (job_id, client_token) = match update {
            Ok(update) => (update.job_id, update.client_token),
            Err(refused) => (None, refused.client_token),
        };
        let rejected = Rejected {
            rejection: Rejection::new(Code::TooMany, MESSAGE),
            timestamp: calls.wall(),
            job_id,
            client_token,
        };
        // `Session::target` has read it: it is one.
        if let Ok(device) = DeviceId::parse(topic.device) {
            let message = Message {
                device,
                kind: topic.kind.refused(),
                payload: Arc::from(rejected.to_json()),
            };
            self.deliver(message, calls, out)?;
        }
        if let Some(owed) = Owed::of(publish.delivery) {
            self.owe(owed, Some(Verdict::of(Some(Code::TooMany))), out);
        }
        Ok(())
    }
}
