//! Operators and applications: they say what they want until they are answered.

use refit_engine::shard::What;
use refit_protocol::software_url::same;
use refit_replica::input::Input;
use refit_replica::speaker::Speaker;
use serde_json::json;
use std::collections::BTreeSet;

use crate::clock::SECOND;
use crate::planted::Planted;
use crate::transition::Event;
use crate::world::World;

/// How long an operator waits for an answer.
const PATIENCE: u64 = 15 * SECOND;

/// How often one thing is said.
const TRIES_MAX: u32 = 200;

/// Something that an operator wants of a device.
#[derive(Clone, Debug)]
pub(crate) struct Act {
    pub(crate) number: u32,
    pub(crate) device: usize,
    pub(crate) want: Want,
}

/// What is wanted.
#[derive(Clone, Debug)]
pub(crate) enum Want {
    /// That it runs this software.
    Software(String),
    /// Nothing any more.
    NoSoftware,
    /// Some other state.
    State(u64),
    /// That its job ends.
    Cancel,
    /// That it is held, or let go.
    Hold(bool),
    /// Another try.
    Retry,
}

/// All operators.
#[derive(Default)]
pub(crate) struct Operators {
    acts: u32,
    unanswered: BTreeSet<u32>,
}

impl World {
    /// An operator wants something now.
    pub(crate) fn wants(&mut self, device: usize, want: Want) {
        self.wants_in(0, device, want);
    }

    /// An operator will want something.
    pub(crate) fn wants_in(&mut self, wait: u64, device: usize, want: Want) {
        self.operators.acts += 1;
        let number = self.operators.acts;
        self.operators.unanswered.insert(number);
        let act = Act {
            number,
            device,
            want,
        };
        self.clock.after(wait, Event::Says { act, tries: 0 });
    }

    pub(crate) fn operator_hears(&mut self, number: u32) {
        self.operators.unanswered.remove(&number);
    }

    pub(crate) fn operator_says(&mut self, act: Act, tries: u32) {
        if !self.operators.unanswered.contains(&act.number) || tries > TRIES_MAX {
            return;
        }
        let tries = tries + 1;
        let again = Event::Says {
            act: act.clone(),
            tries,
        };
        self.clock.after(PATIENCE, again);
        if self.server.shard.is_none() {
            return;
        }
        let Act {
            number,
            device,
            want,
        } = act;
        let now = self.clock.now();
        self.trace.say(now, device, || format!("! {want:?}"));
        self.trace.mix(u64::from(number));
        match &want {
            Want::Software(url) => self.model.wished(device, Some(url.clone()), now),
            Want::NoSoftware => self.model.wished(device, None, now),
            Want::Cancel => self.model.cancelled(device, now),
            Want::Retry => self.model.retried(device, now),
            Want::State(_) | Want::Hold(_) => {}
        }
        if let Want::Software(url) = &want
            && self.options.planted == Some(Planted::ForgetsToSupersede)
            && self.keeps_the_open_job(device, url)
        {
            return self.operator_hears(number);
        }
        self.operator_submits(device, number, what(&want));
    }

    /// The wish is written, and the open job for other software stays open (planted).
    fn keeps_the_open_job(&mut self, device: usize, url: &str) -> bool {
        let id = &self.devices[device].id;
        let open = self.disk.record(id).and_then(|record| record.job.as_ref());
        if open.is_none_or(|job| same(&job.software_url, url)) {
            return false;
        }
        self.disk.tamper(id, |record| {
            record.version += 1;
            record.desired.insert("softwareURL".into(), url.into());
        });
        true
    }
}

fn what(want: &Want) -> What {
    let speaker = || Speaker::Operator("operator".into());
    let payload = |desired: serde_json::Value| What::Payload {
        speaker: speaker(),
        payload: json!({"state": {"desired": desired}})
            .to_string()
            .into_bytes()
            .into(),
        hash: 0,
    };
    match want {
        Want::Software(url) => payload(json!({"softwareURL": url})),
        Want::NoSoftware => payload(json!({"softwareURL": null})),
        Want::State(number) => payload(json!({"note": {"number": number, "odd": number % 2 == 1}})),
        Want::Cancel => What::Input(Box::new(Input::Cancel)),
        Want::Hold(held) => What::Input(Box::new(Input::Hold(*held))),
        Want::Retry => What::Input(Box::new(Input::Retry)),
    }
}
