//! SUBSCRIBE and UNSUBSCRIBE, for both kinds of clients.

use refit_packet::{
    Codes, Qos, ReasonCode, SubAck, Subscribe, Subscription, UnsubAck, Unsubscribe,
};
use refit_packet::{Version, shared};
use refit_protocol::topic::Kind;

use super::own::Own;
use super::verdict::Verdict;
use super::{Calls, End, Session, Subscriptions};

impl Session {
    /// Answers each filter in its place ([MQTT-3.9.3-1]), and then has the device told its delta: each time that it
    /// subscribes to it, whatever it says about retained messages.
    pub(super) fn subscribe(
        &mut self,
        subscribe: &Subscribe<'_>,
        calls: &impl Calls,
        out: &mut Vec<u8>,
    ) -> Result<(), End> {
        if subscribe.properties.subscription_id().is_some() {
            return Err(End::because(
                ReasonCode::SUBSCRIPTION_IDENTIFIERS_NOT_SUPPORTED,
                "a subscription identifier, and they are not available",
            ));
        }
        let mut codes = Vec::new();
        let mut why = "";
        let mut tells_delta = false;
        for subscription in &subscribe.filters {
            match self.grant(&subscription, calls) {
                Ok(grants_delta) => {
                    tells_delta |= grants_delta;
                    codes.push(granted(subscription.qos));
                }
                Err(verdict) => {
                    why = if why.is_empty() { verdict.why } else { why };
                    codes.push(verdict.reason);
                }
            }
        }
        let id = subscribe.id;
        self.voice.tell(why, out, |properties, version, out| {
            let codes = Codes::of(&codes);
            SubAck {
                id,
                properties,
                codes,
            }
            .encode(version, out)
        });
        if let Subscriptions::Device(own) = &self.subscriptions {
            calls.wants(own.wants());
        }
        if tells_delta {
            calls.subscribe();
        }
        Ok(())
    }

    /// Grants one subscription; tells whether a device's delta is in it.
    fn grant(
        &mut self,
        subscription: &Subscription<'_>,
        calls: &impl Calls,
    ) -> Result<bool, Verdict> {
        let filter = subscription.filter;
        if self.voice.version == Version::V5 && shared(filter).is_some() {
            return Err(Verdict::SHARED);
        }
        let qos = subscription.qos.min(Qos::AtLeastOnce);
        match &mut self.subscriptions {
            Subscriptions::Device(own) => {
                let id = calls.device().map_or("", |device| device.as_str());
                let within = Own::within(filter, id).ok_or(Verdict::FOREIGN_FILTER)?;
                own.add(within, qos)
            }
            Subscriptions::Application(watched) => {
                for watch in watched.add(filter, qos)? {
                    calls.watch(watch.kind, watch.scope);
                }
                Ok(false)
            }
        }
    }

    /// Answers each filter in its place ([MQTT-3.11.3-1]).
    pub(super) fn unsubscribe(
        &mut self,
        unsubscribe: &Unsubscribe<'_>,
        calls: &impl Calls,
        out: &mut Vec<u8>,
    ) {
        let told_delta = self.is_told_delta();
        let mut codes = Vec::new();
        for filter in &unsubscribe.filters {
            codes.push(if self.revoke(filter, calls) {
                ReasonCode::SUCCESS
            } else {
                ReasonCode::NO_SUBSCRIPTION_EXISTED
            });
        }
        if let Subscriptions::Device(own) = &self.subscriptions {
            calls.wants(own.wants());
        }
        if told_delta && !self.is_told_delta() {
            calls.unsubscribe();
        }
        let id = unsubscribe.id;
        self.voice.tell("", out, |properties, version, out| {
            let codes = Codes::of(&codes);
            UnsubAck {
                id,
                properties,
                codes,
            }
            .encode(version, out)
        });
    }

    fn revoke(&mut self, filter: &str, calls: &impl Calls) -> bool {
        match &mut self.subscriptions {
            Subscriptions::Device(own) => {
                let id = calls.device().map_or("", |device| device.as_str());
                Own::within(filter, id).is_some_and(|within| own.remove(within))
            }
            Subscriptions::Application(watched) => {
                let Some(ended) = watched.remove(filter) else {
                    return false;
                };
                for watch in ended {
                    calls.unwatch(watch.kind, &watch.scope);
                }
                true
            }
        }
    }

    fn is_told_delta(&self) -> bool {
        match &self.subscriptions {
            Subscriptions::Device(own) => own.qos(Kind::Delta).is_some(),
            Subscriptions::Application(_) => false,
        }
    }
}

/// QoS 2 is granted as 1 (semantics 37).
const fn granted(qos: Qos) -> ReasonCode {
    match qos {
        Qos::AtMostOnce => ReasonCode::SUCCESS,
        Qos::AtLeastOnce | Qos::ExactlyOnce => ReasonCode::GRANTED_QOS_1,
    }
}
