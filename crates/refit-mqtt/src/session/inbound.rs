//! What is owed to the client: a PUBACK or PUBREC for each message with an identifier, in the order of the messages
//! ([MQTT-4.6.0-2], [MQTT-4.6.0-3]), in whatever order the receipts come; and its QoS 2 identifiers until PUBREL.

use std::collections::VecDeque;

use refit_packet::{Delivery, PacketId, ReasonCode, Version};
use refit_protocol::rejection::Code;

use super::verdict::Verdict;
use super::{End, Session};

/// The receipt of a message that has no identifier to acknowledge.
pub(super) const UNACKNOWLEDGED: u32 = u32::MAX;

/// Receipts count up to here and go round: far more than can be outstanding.
const RECEIPTS: u32 = 1 << 31;

/// One message that is to be acknowledged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Owed {
    pub(super) id: PacketId,
    /// QoS 2: it gets a PUBREC.
    pub(super) exactly_once: bool,
}

impl Owed {
    pub(super) const fn of(delivery: Delivery) -> Option<Self> {
        match delivery {
            Delivery::AtMostOnce => None,
            Delivery::AtLeastOnce { id, .. } => Some(Self {
                id,
                exactly_once: false,
            }),
            Delivery::ExactlyOnce { id, .. } => Some(Self {
                id,
                exactly_once: true,
            }),
        }
    }
}

/// Present only while something is in it.
#[derive(Debug, Default)]
pub(super) struct Inbound {
    /// In the order of the messages; a verdict that is there waits for those before it.
    owed: VecDeque<(Owed, Option<Verdict>)>,
    /// The receipt of the first one; the others follow without gaps.
    first: u32,
    /// QoS 2 identifiers between PUBREC and PUBREL.
    unreleased: Vec<PacketId>,
}

impl Inbound {
    /// Tells whether a PUBREC for this identifier has still to leave.
    pub(super) fn owes(&self, id: PacketId) -> bool {
        self.owed
            .iter()
            .any(|(owed, _)| owed.exactly_once && owed.id == id)
    }

    /// Frees a QoS 2 identifier; tells whether it was in use.
    pub(super) fn release(&mut self, id: PacketId) -> bool {
        let at = self.unreleased.iter().position(|held| *held == id);
        at.map(|at| self.unreleased.swap_remove(at)).is_some()
    }

    fn outstanding(&self) -> usize {
        self.owed.len() + self.unreleased.len()
    }

    fn is_empty(&self) -> bool {
        self.outstanding() == 0
    }
}

impl Session {
    /// Tells whether a QoS 2 message is one that came before and is not released; if so it is answered again, and not
    /// passed on again ([MQTT-4.3.3-10]; in 3.1.1 [MQTT-4.3.3-2]).
    pub(super) fn is_repeated(&self, id: PacketId, out: &mut Vec<u8>) -> bool {
        let Some(inbound) = &self.inbound else {
            return false;
        };
        if inbound.unreleased.contains(&id) {
            let owed = Owed {
                id,
                exactly_once: true,
            };
            self.voice.acknowledge(owed, Verdict::GOOD, out);
            return true;
        }
        inbound.owes(id)
    }

    /// Ends a client that goes beyond the Receive Maximum ([MQTT-3.3.4-7]), or in 3.1.1, which has none, one that never
    /// releases its QoS 2 messages.
    pub(super) fn check_quota(&self, delivery: Delivery) -> Result<(), End> {
        let Some(inbound) = &self.inbound else {
            return Ok(());
        };
        let exceeded = match self.voice.version {
            Version::V5 => inbound.outstanding() >= usize::from(self.limits().receive_maximum),
            Version::V311 => {
                matches!(delivery, Delivery::ExactlyOnce { .. })
                    && inbound.outstanding() >= self.limits().unreleased_max
            }
        };
        if exceeded {
            return Err(End::because(
                ReasonCode::RECEIVE_MAXIMUM_EXCEEDED,
                "more unacknowledged messages than were agreed",
            ));
        }
        Ok(())
    }

    /// Returns the number that the next message with an identifier is submitted under.
    pub(super) fn next_receipt(&self) -> u32 {
        self.inbound.as_ref().map_or(0, |inbound| {
            (inbound.first + inbound.owed.len() as u32) % RECEIPTS
        })
    }

    /// Notes that a message is to be acknowledged, with the verdict if it is known already.
    pub(super) fn owe(&mut self, owed: Owed, verdict: Option<Verdict>, out: &mut Vec<u8>) {
        if let (None, Some(verdict), false) = (&self.inbound, verdict, owed.exactly_once) {
            // Nothing waits before it, and nothing is kept of it.
            return self.voice.acknowledge(owed, verdict, out);
        }
        let inbound = self.inbound.get_or_insert_default();
        inbound.owed.push_back((owed, verdict));
        self.acknowledge_in_order(out);
    }

    /// A receipt came.
    pub(super) fn receipt(
        &mut self,
        receipt: u32,
        refused: Option<Code>,
        out: &mut Vec<u8>,
    ) -> Result<(), End> {
        if receipt == UNACKNOWLEDGED {
            return Ok(());
        }
        if self.voice.version == Version::V311 && refused == Some(Code::Unavailable) {
            return Err(End::NOT_STORED);
        }
        if let Some(inbound) = &mut self.inbound {
            let at = receipt.wrapping_sub(inbound.first) % RECEIPTS;
            if let Some((_, verdict)) = inbound.owed.get_mut(at as usize) {
                *verdict = Some(Verdict::of(refused));
            }
        }
        self.acknowledge_in_order(out);
        Ok(())
    }

    fn acknowledge_in_order(&mut self, out: &mut Vec<u8>) {
        let voice = self.voice;
        let Some(inbound) = &mut self.inbound else {
            return;
        };
        while let Some((owed, Some(verdict))) = inbound.owed.front().copied() {
            inbound.owed.pop_front();
            inbound.first = (inbound.first + 1) % RECEIPTS;
            voice.acknowledge(owed, verdict, out);
            // In 5 a PUBREC with a failure frees the identifier; 3.1.1 knows no failure.
            if owed.exactly_once
                && (voice.version == Version::V311 || verdict.reason == ReasonCode::SUCCESS)
            {
                inbound.unreleased.push(owed.id);
            }
        }
        self.tidy_inbound();
    }

    pub(super) fn tidy_inbound(&mut self) {
        if self
            .inbound
            .as_ref()
            .is_some_and(|inbound| inbound.is_empty())
        {
            self.inbound = None;
        }
    }
}
