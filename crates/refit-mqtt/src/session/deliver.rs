//! What the engine put on the seat, on its way to the client.

use refit_engine::seat::{Close, Outgoing};
use refit_packet::{Delivery, PacketId, Properties, PublishParts, Qos};
use refit_protocol::topic::ROOT;

use super::outbound::Message;
use super::{Calls, End, Note, Session, Subscriptions};

impl Session {
    /// Takes in what the engine wants said, in its order.
    pub fn send(
        &mut self,
        outgoing: Outgoing,
        calls: &impl Calls,
        out: &mut Vec<u8>,
    ) -> Result<(), End> {
        match outgoing {
            Outgoing::Receipt {
                receipt, refused, ..
            } => self.receipt(receipt, refused, out),
            Outgoing::Publish {
                device,
                kind,
                payload,
            } => {
                let message = Message {
                    device,
                    kind,
                    payload,
                };
                self.deliver(message, calls, out)
            }
            Outgoing::Close(close) => Err(End::asked(close)),
        }
    }

    pub(super) fn deliver(
        &mut self,
        message: Message,
        calls: &impl Calls,
        out: &mut Vec<u8>,
    ) -> Result<(), End> {
        let Some(qos) = self.subscribed(&message) else {
            // It was unsubscribed while the message was on its way.
            return Ok(());
        };
        // What waits goes first, or messages of one topic would change their order ([MQTT-4.6.0-6]).
        let must_wait = match &self.outbound {
            Some(outbound) => {
                outbound.waiting() > 0 || (qos == Qos::AtLeastOnce && !self.window_is_open())
            }
            None => false,
        };
        if !must_wait {
            self.write(&message, qos, calls, out);
            return Ok(());
        }
        let waiting_max = self.limits().waiting_max;
        let outbound = self.outbound.get_or_insert_default();
        if outbound.waiting() >= waiting_max {
            return Err(End::asked(Close::TooSlow));
        }
        outbound.wait(message);
        Ok(())
    }

    /// PUBACK: the window has room again ([MQTT-3.3.4-9]).
    pub(super) fn acknowledged(
        &mut self,
        id: PacketId,
        calls: &impl Calls,
        out: &mut Vec<u8>,
    ) -> Result<(), End> {
        if let Some(outbound) = &mut self.outbound {
            outbound.acknowledged(id);
        }
        while self.window_is_open() {
            let waiting = self.outbound.as_mut().and_then(|o| o.next_waiting());
            let Some(message) = waiting else { break };
            if let Some(qos) = self.subscribed(&message) {
                self.write(&message, qos, calls, out);
            }
        }
        if self
            .outbound
            .as_ref()
            .is_some_and(|outbound| outbound.is_empty())
        {
            self.outbound = None;
        }
        Ok(())
    }

    fn window_is_open(&self) -> bool {
        let in_flight = self.outbound.as_ref().map_or(0, |o| o.in_flight());
        in_flight < usize::from(self.window)
    }

    /// Returns the highest QoS of the subscriptions that match ([MQTT-3.3.5-1]; in 5 [MQTT-3.3.4-2]); a message is sent once.
    fn subscribed(&self, message: &Message) -> Option<Qos> {
        match &self.subscriptions {
            Subscriptions::Device(own) => own.qos(message.kind),
            Subscriptions::Application(watched) => watched.qos(&message.device, message.kind),
        }
    }

    fn write(&mut self, message: &Message, qos: Qos, calls: &impl Calls, out: &mut Vec<u8>) {
        let id = (qos != Qos::AtMostOnce).then(|| self.next_id());
        let delivery = match id {
            None => Delivery::AtMostOnce,
            Some(id) => Delivery::AtLeastOnce { id, dup: false },
        };
        let topic = [ROOT, "/", message.device.as_str(), "/", message.kind.path()];
        let publish = PublishParts {
            topic: &topic,
            delivery,
            retain: false,
            properties: Properties::NONE,
            payload: &message.payload,
        };
        if self.voice.put(out, |v, out| publish.encode(v, out)) {
            if let Some(id) = id {
                self.outbound.get_or_insert_default().sent(id);
            }
            calls.note(Note::Sent(message.kind));
        } else {
            calls.note(Note::TooLarge(message.kind));
        }
    }

    /// Returns an identifier that is not in use ([MQTT-2.2.1-3]); the window is far smaller than their number.
    fn next_id(&mut self) -> PacketId {
        loop {
            self.last_id = self.last_id.wrapping_add(1);
            let Some(id) = PacketId::new(self.last_id) else {
                continue;
            };
            if !self
                .outbound
                .as_ref()
                .is_some_and(|outbound| outbound.uses(id))
            {
                return id;
            }
        }
    }
}
