//! What the client owes: PUBACKs for our QoS 1 messages. No more leave than it takes at once; the rest waits here, of
//! deltas only the newest.

use std::collections::VecDeque;
use std::sync::Arc;

use refit_packet::PacketId;
use refit_protocol::device_id::DeviceId;
use refit_protocol::topic::Kind;

/// A message for the client.
#[derive(Clone, Debug)]
pub(super) struct Message {
    pub(super) device: DeviceId,
    pub(super) kind: Kind,
    pub(super) payload: Arc<[u8]>,
}

/// Present only while something is in it.
#[derive(Debug, Default)]
pub(super) struct Outbound {
    /// Sent and not acknowledged, in the order of sending, in which most are acknowledged.
    in_flight: VecDeque<PacketId>,
    waiting: VecDeque<Message>,
}

impl Outbound {
    pub(super) fn is_empty(&self) -> bool {
        self.in_flight.is_empty() && self.waiting.is_empty()
    }

    pub(super) fn in_flight(&self) -> usize {
        self.in_flight.len()
    }

    pub(super) fn waiting(&self) -> usize {
        self.waiting.len()
    }

    pub(super) fn uses(&self, id: PacketId) -> bool {
        self.in_flight.contains(&id)
    }

    pub(super) fn sent(&mut self, id: PacketId) {
        self.in_flight.push_back(id);
    }

    /// A PUBACK for something that is not in flight is nobody's loss.
    pub(super) fn acknowledged(&mut self, id: PacketId) {
        if let Some(at) = self.in_flight.iter().position(|sent| *sent == id) {
            self.in_flight.remove(at);
        }
    }

    /// Lets a message wait; a newer delta replaces an older one of the same device.
    pub(super) fn wait(&mut self, message: Message) {
        if message.kind == Kind::Delta {
            self.waiting
                .retain(|other| !(other.kind == Kind::Delta && other.device == message.device));
        }
        self.waiting.push_back(message);
    }

    pub(super) fn next_waiting(&mut self) -> Option<Message> {
        self.waiting.pop_front()
    }
}
