//! Any history: nothing panics, and what is owed is paid in order.

use std::collections::VecDeque;
use std::sync::Arc;

use proptest::prelude::*;
use refit_engine::seat::Outgoing;
use refit_packet::{Frame, Packet, PacketId, Qos, Version, decode_from_server, frame};
use refit_protocol::device_id::DeviceId;
use refit_protocol::rejection::Code;
use refit_protocol::topic::Kind;

use super::bench::{Bench, bytes_of};

#[derive(Clone, Debug)]
enum Step {
    Publish(Qos, u16),
    Release(u16),
    /// One of the receipts that are outstanding.
    Receipt(usize, bool),
    Subscribe(usize, bool),
    Tell(Kind),
    Acknowledge(u16),
    Noise(Vec<u8>),
}

const FILTERS: [&str; 4] = ["update/delta", "#", "+/accepted", "x"];

fn step() -> impl Strategy<Value = Step> {
    let qos = prop_oneof![
        Just(Qos::AtMostOnce),
        Just(Qos::AtLeastOnce),
        Just(Qos::ExactlyOnce)
    ];
    prop_oneof![
        8 => (qos, 1..6u16).prop_map(|(qos, id)| Step::Publish(qos, id)),
        3 => (1..6u16).prop_map(Step::Release),
        8 => (any::<usize>(), any::<bool>()).prop_map(|(n, ok)| Step::Receipt(n, ok)),
        2 => (0..FILTERS.len(), any::<bool>()).prop_map(|(f, on)| Step::Subscribe(f, on)),
        4 => (0..5usize).prop_map(|k| Step::Tell(Kind::OUTGOING[k])),
        3 => (1..9u16).prop_map(Step::Acknowledge),
        1 => prop::collection::vec(any::<u8>(), 1..40).prop_map(Step::Noise),
    ]
}

/// What the test knows of a session.
struct Model {
    bench: Bench,
    /// Identifiers of messages that were passed on and not acknowledged, in order, and the receipts not given.
    owed: VecDeque<(u16, Qos)>,
    receipts: Vec<u32>,
    next: u32,
    released: Vec<u16>,
}

impl Model {
    /// Plays one step; tells whether the session goes on.
    fn play(&mut self, step: Step) -> bool {
        let mut out = Vec::new();
        let bench = &mut self.bench;
        let mut receive = |line: String| {
            let packet = bytes_of(&line, bench.version);
            bench
                .session
                .receive(&packet, &bench.ledger, &mut out)
                .is_ok()
        };
        let goes_on = match step {
            Step::Publish(qos, id) => {
                let repeated = qos == Qos::ExactlyOnce && self.released.contains(&id);
                let number = if qos == Qos::AtMostOnce {
                    String::new()
                } else {
                    format!("#{id} ")
                };
                let goes_on = receive(format!("PUBLISH q{} {number}state/d/update a", qos as u8));
                if goes_on && qos != Qos::AtMostOnce && !repeated {
                    self.owed.push_back((id, qos));
                    self.receipts.push(self.next);
                    self.next += 1;
                    if qos == Qos::ExactlyOnce {
                        self.released.push(id);
                    }
                }
                goes_on
            }
            Step::Release(id) => {
                let goes_on = receive(format!("PUBREL #{id}"));
                self.released.retain(|held| *held != id);
                goes_on
            }
            Step::Subscribe(filter, true) => {
                receive(format!("SUBSCRIBE #1 state/d/{}@1", FILTERS[filter]))
            }
            Step::Subscribe(filter, false) => {
                receive(format!("UNSUBSCRIBE #1 state/d/{}", FILTERS[filter]))
            }
            Step::Acknowledge(id) => receive(format!("PUBACK #{id}")),
            Step::Noise(bytes) => {
                return bench
                    .session
                    .receive(&bytes, &bench.ledger, &mut out)
                    .is_ok();
            }
            Step::Receipt(which, stands) if !self.receipts.is_empty() => {
                let receipt = self.receipts.remove(which % self.receipts.len());
                let outgoing = Outgoing::Receipt {
                    receipt,
                    refused: (!stands).then_some(Code::Conflict),
                    answer: None,
                };
                bench
                    .session
                    .send(outgoing, &bench.ledger, &mut out)
                    .is_ok()
            }
            Step::Receipt(..) => true,
            Step::Tell(kind) => {
                let outgoing = Outgoing::Publish {
                    device: DeviceId::parse("d").unwrap(),
                    kind,
                    payload: Arc::from(&b"p"[..]),
                };
                bench
                    .session
                    .send(outgoing, &bench.ledger, &mut out)
                    .is_ok()
            }
        };
        self.check(&out);
        goes_on
    }

    /// Acknowledgements are of the oldest message that is owed, but for repetitions of QoS 2.
    fn check(&mut self, mut sent: &[u8]) {
        while let Ok(Frame::Whole { len }) = frame(sent, 1 << 20) {
            let packet = decode_from_server(&sent[..len], self.bench.version).unwrap();
            match packet {
                Packet::PubAck(ack) => self.paid(ack.id, Qos::AtLeastOnce),
                Packet::PubRec(ack) if ack.reason.is_failure() => {
                    self.released.retain(|held| *held != ack.id.get());
                    self.paid(ack.id, Qos::ExactlyOnce);
                }
                Packet::PubRec(ack)
                    if self.owed.front() == Some(&(ack.id.get(), Qos::ExactlyOnce)) =>
                {
                    self.paid(ack.id, Qos::ExactlyOnce)
                }
                Packet::PubRec(ack) => assert!(self.released.contains(&ack.id.get())),
                _ => {}
            }
            sent = &sent[len..];
        }
        assert!(sent.is_empty());
        if self.owed.is_empty() {
            // The session forgot them all, and counts anew.
            assert!(self.receipts.is_empty());
        }
    }

    fn paid(&mut self, id: PacketId, qos: Qos) {
        assert_eq!(self.owed.pop_front(), Some((id.get(), qos)));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whatever_happens_what_is_owed_is_paid_in_order(
        is_5 in any::<bool>(),
        steps in prop::collection::vec(step(), 1..120),
    ) {
        let version = if is_5 { Version::V5 } else { Version::V311 };
        let mut model = Model {
            bench: Bench::device(version),
            owed: VecDeque::new(),
            receipts: Vec::new(),
            next: 0,
            released: Vec::new(),
        };
        for step in steps {
            if model.bench.session.inbound.is_none() {
                model.next = 0;
            }
            if !model.play(step) {
                break;
            }
        }
    }

    #[test]
    fn no_bytes_make_it_panic(packets in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..60), 1..8)) {
        for version in [Version::V311, Version::V5] {
            let mut bench = Bench::device(version);
            for packet in &packets {
                let mut out = Vec::new();
                if let Err(end) = bench.session.receive(packet, &bench.ledger, &mut out) {
                    bench.session.farewell(end, &mut out);
                }
            }
        }
    }
}
