//! One device on a bench: packets in, packets out, and a clock that is moved by hand.

use refit_packet::{Codes, ConnAck, Frame, SubAck, decode_from_client, frame};

use serde_json::json;

use super::*;

/// A device with its clock, and what it has sent.
struct Bench {
    device: Device,
    now: Instant,
    out: Output,
}

const BEGINNING: Duration = Duration::ZERO;

impl Bench {
    /// Device 0 speaks MQTT 5 and the plain form; 1 speaks 3.1.1 and JSON.
    fn new(number: usize) -> Self {
        let now = Instant::now();
        let device = Device::new(number, fastrand::Rng::with_seed(7), now, BEGINNING);
        Self {
            device,
            now,
            out: Output::default(),
        }
    }

    fn hear(&mut self, input: Input<'_>) -> &mut Self {
        self.out = Output::default();
        self.device.hear(input, self.now, &mut self.out);
        self
    }

    fn later(&mut self) -> &mut Self {
        self.now = self.now.max(self.device.due());
        self.hear(Input::Due)
    }

    fn connected(number: usize) -> Self {
        let mut bench = Self::new(number);
        bench.connect();
        bench
    }

    fn connect(&mut self) {
        assert!(self.later().out.connect);
        self.hear(Input::Connected);
        let answer = ConnAck {
            session_present: false,
            ..ConnAck::refusal(ReasonCode::SUCCESS)
        };
        self.hear(Input::Packet(Packet::ConnAck(answer)));
        let codes = [ReasonCode::GRANTED_QOS_1; 3];
        let answer = SubAck {
            id: PacketId::MIN,
            properties: Properties::NONE,
            codes: Codes::of(&codes),
        };
        self.hear(Input::Packet(Packet::SubAck(answer)));
        assert_eq!(self.out.told, [Told::Up]);
    }

    fn delta(&mut self, job: &str, url: &str) -> &mut Self {
        let id = self.device.id.clone();
        let delta = json!({ "jobID": job, "state": { "softwareURL": url },
            "software": { "version": "2.0.0", "sha256": "11" } });
        self.message(&format!("state/{id}/update/delta"), &delta)
    }

    fn message(&mut self, topic: &str, message: &Value) -> &mut Self {
        let payload = message.to_string();
        let publish = Publish {
            topic,
            delivery: Delivery::AtMostOnce,
            retain: false,
            properties: Properties::NONE,
            payload: payload.as_bytes(),
        };
        self.hear(Input::Packet(Packet::Publish(publish)))
    }

    /// What it published just now: the identifier, and the payload.
    fn published(&self) -> Option<(Option<PacketId>, String)> {
        let mut bytes = &self.out.bytes[..];
        while let Ok(Frame::Whole { len }) = frame(bytes, 1 << 16) {
            let packet = decode_from_client(&bytes[..len], self.device.version).unwrap();
            if let Packet::Publish(publish) = packet {
                let payload = String::from_utf8(publish.payload.to_vec()).unwrap();
                return Some((publish.delivery.id(), payload));
            }
            bytes = &bytes[len..];
        }
        None
    }

    fn acknowledge(&mut self) -> &mut Self {
        let id = self.device.in_flight.as_ref().unwrap().0;
        self.hear(Input::Packet(Packet::PubAck(PubAck::success(id))))
    }

    fn install(&mut self, job: &str) -> String {
        self.hear(Input::Fetched(job, Fetched::Whole(5)));
        loop {
            self.later();
            match self.published() {
                Some((_, payload)) if payload.contains("SUCCESS") => return payload,
                Some(_) => drop(self.acknowledge()),
                None => {}
            }
        }
    }
}

#[test]
fn a_command_is_taken_done_and_answered() {
    for (number, running, success) in [
        (0, "jobID:j-1 RUNNING", "jobID:j-1 SUCCESS"),
        (1, r#""status":"RUNNING""#, r#""softwareURL":"http://h/f""#),
    ] {
        let mut bench = Bench::connected(number);
        bench.delta("j-1", "http://h/f?grant=1");
        assert!(bench.published().unwrap().1.contains(running));
        assert_eq!(bench.out.fetch.as_ref().unwrap().url, "http://h/f?grant=1");
        bench.acknowledge();
        let told = Told::Acknowledged {
            job: "j-1".into(),
            word: Word::Running,
        };
        assert_eq!(bench.out.told, [told]);
        let said = bench.install("j-1");
        assert!(said.contains(success) && !said.contains("grant"), "{said}");
        bench.acknowledge();
        let told = Told::Acknowledged {
            job: "j-1".into(),
            word: Word::Success,
        };
        assert_eq!(bench.out.told, [told]);
    }
}

#[test]
fn what_was_not_acknowledged_is_said_again_on_the_next_connection() {
    let mut bench = Bench::connected(1);
    bench.delta("j-1", "http://h/f").acknowledge();
    bench.install("j-1");
    bench.hear(Input::Lost);
    assert_eq!(bench.out.told, [Told::Down]);
    bench.connect();
    assert!(bench.published().unwrap().1.contains("SUCCESS"));
}

#[test]
fn a_job_that_was_ended_is_not_done_twice() {
    let mut bench = Bench::connected(0);
    bench.delta("j-1", "http://h/f").acknowledge();
    bench.install("j-1");
    bench.acknowledge();
    bench.delta("j-1", "http://h/f");
    assert!(bench.out.fetch.is_none());
    assert_eq!(bench.published().unwrap().1, "jobID:j-1 SUCCESS");
}

#[test]
fn a_refused_url_is_asked_for_again_and_the_fresh_one_is_used() {
    let mut bench = Bench::connected(1);
    bench.delta("j-1", "http://h/f?grant=1").acknowledge();
    bench.hear(Input::Fetched("j-1", Fetched::Refused));
    assert_eq!(bench.published().unwrap(), (None, "{}".into()));
    bench.delta("j-1", "http://h/f?grant=2");
    assert!(bench.out.fetch.is_none());
    bench.later();
    assert_eq!(bench.out.fetch.as_ref().unwrap().url, "http://h/f?grant=2");
}

#[test]
fn what_cannot_be_stored_is_said_again_later() {
    let mut bench = Bench::connected(0);
    bench.delta("j-1", "http://h/f");
    let id = bench.published().unwrap().0.unwrap();
    bench.hear(Input::Packet(Packet::PubAck(PubAck::new(
        id,
        ReasonCode::QUOTA_EXCEEDED,
    ))));
    assert!(bench.published().is_none() && bench.out.told.is_empty());
    bench.later();
    assert!(bench.published().unwrap().1.contains("RUNNING"));
}

#[test]
fn a_refusal_is_told_and_ends_the_work() {
    let mut bench = Bench::connected(1);
    bench.delta("j-1", "http://h/f").acknowledge();
    let topic = format!("state/{}/update/rejected", bench.device.id);
    bench.message(
        &topic,
        &json!({ "code": 409, "message": "superseded", "jobID": "j-1" }),
    );
    let told = Told::Refused {
        job: "j-1".into(),
        message: "409 superseded".into(),
    };
    assert_eq!(bench.out.told, [told]);
    bench.hear(Input::Fetched("j-1", Fetched::Whole(5)));
    assert!(bench.out.told.is_empty());
}
