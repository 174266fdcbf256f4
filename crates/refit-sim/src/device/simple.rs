//! The device of thirty lines: it remembers its last job, and acknowledges in plain text. And its bad relatives.
//!
//! While it installs it hears nothing, as a callback does that blocks; what came meanwhile is heard after it.

use std::collections::VecDeque;

use refit_protocol::diff::SOFTWARE_URL;
use refit_protocol::job::JobId;
use refit_protocol::software_url::without_grant;
use refit_protocol::topic::Kind as Topic;
use serde_json::{Value, json};

use crate::clock::{MINUTE, SECOND};
use crate::device::{Done, Kind};
use crate::net::{ConnId, Up};
use crate::releases::Releases;
use crate::world::World;

/// How it behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Manner {
    /// It does what it is told, and says so.
    Honest,
    /// Its installations fail, and it says so.
    Failing,
    /// It says anything.
    Liar,
    /// It listens, and never says a word.
    Mute,
}

/// One such device. Its file outlives the program: what runs, and the acknowledgement of its last job.
pub(crate) struct Simple {
    pub(crate) manner: Manner,
    pub(crate) runs: Option<String>,
    last: Option<Said>,
    /// Whether the acknowledgement is still to be acknowledged itself, under this packet.
    open: Option<u32>,
    installing: Option<JobId>,
    waiting: VecDeque<Value>,
    /// All jobs it was ever told of: a liar names them.
    heard: Vec<JobId>,
}

/// The acknowledgement of a job.
#[derive(Clone)]
struct Said {
    job: JobId,
    word: &'static str,
}

impl Said {
    fn plain(&self) -> Vec<u8> {
        format!("jobID:{} {}", self.job, self.word).into_bytes()
    }
}

impl Simple {
    pub(crate) const fn new(manner: Manner) -> Self {
        Self {
            manner,
            runs: None,
            last: None,
            open: None,
            installing: None,
            waiting: VecDeque::new(),
            heard: Vec::new(),
        }
    }

    /// A message was acknowledged.
    pub(crate) fn acknowledged(&mut self, packet: u32) {
        if self.open == Some(packet) {
            self.open = None;
        }
    }

    pub(crate) fn last_job(&self) -> Option<&JobId> {
        self.last.as_ref().map(|last| &last.job)
    }

    pub(crate) fn is_busy(&self) -> Option<String> {
        let installing = self
            .installing
            .as_ref()
            .map(|job| format!("installing {job}"));
        installing.or_else(|| {
            self.open
                .map(|packet| format!("waiting for the receipt of {packet}"))
        })
    }
}

impl World {
    fn simple(&mut self, device: usize) -> Option<&mut Simple> {
        match &mut self.devices[device].kind {
            Kind::Simple(simple) => Some(simple),
            Kind::Agent(_) => None,
        }
    }

    pub(crate) fn simple_starts(&mut self, device: usize) {
        let Some(simple) = self.simple(device) else {
            return;
        };
        simple.installing = None;
        simple.waiting.clear();
        if simple.manner != Manner::Mute {
            let wait = self.chances.device.between(MINUTE, 20 * MINUTE);
            self.device_plans(device, wait, Done::Whim);
        }
    }

    /// Client libraries differ: what was not acknowledged is sent again before the subscription, or after it.
    pub(crate) fn simple_connected(&mut self, device: usize, conn: ConnId) {
        let first = self.chances.device.permille(500);
        if first {
            self.repeat(device);
        }
        self.device_sends(conn, Up::Subscribe);
        if !first {
            self.repeat(device);
        }
    }

    pub(crate) fn simple_subscribed(&mut self, _device: usize) {}

    fn repeat(&mut self, device: usize) {
        let Some(simple) = self.simple(device) else {
            return;
        };
        if simple.open.is_some() {
            self.say_last(device);
        }
    }

    fn say_last(&mut self, device: usize) {
        let Some(said) = self.simple(device).and_then(|simple| simple.last.clone()) else {
            return;
        };
        let packet = self.device_publishes(device, Topic::Update, said.plain());
        if let Some(simple) = self.simple(device) {
            simple.open = Some(packet);
        }
    }

    pub(crate) fn simple_hears(&mut self, device: usize, kind: Topic, document: &Value) {
        let Some(simple) = self.simple(device) else {
            return;
        };
        if kind != Topic::Delta || simple.manner == Manner::Mute {
            return;
        }
        if simple.installing.is_some() {
            simple.waiting.push_back(document.clone());
            return;
        }
        self.follow_delta(device, document);
    }

    fn follow_delta(&mut self, device: usize, document: &Value) {
        let Some(simple) = self.simple(device) else {
            return;
        };
        let job = document["jobID"].as_str().and_then(JobId::parse);
        let url = document["state"][SOFTWARE_URL].as_str().map(without_grant);
        let manner = simple.manner;
        if let (Some(job), Some(url)) = (job, url) {
            simple.heard.push(job.clone());
            if manner == Manner::Liar {
                return self.lie(device, Some(job));
            }
            if simple.last.as_ref().is_some_and(|last| last.job == job) {
                return self.say_last(device);
            }
            simple.installing = Some(job.clone());
            let wait = self.chances.device.between(SECOND, MINUTE);
            self.device_plans(device, wait, Done::Installed { job, url });
        } else if manner != Manner::Liar {
            self.report_state(device, document);
        }
    }

    /// The rest of the state is what it is told to be, and it says so.
    fn report_state(&mut self, device: usize, document: &Value) {
        let mut state = document["state"].clone();
        if let Some(state) = state.as_object_mut() {
            state.remove(SOFTWARE_URL);
        }
        let update = json!({"state": {"reported": state}});
        self.device_publishes(device, Topic::Update, update.to_string().into_bytes());
    }

    pub(crate) fn simple_installed(&mut self, device: usize, job: JobId, url: String) {
        let Some(simple) = self.simple(device) else {
            return;
        };
        simple.installing = None;
        let good = simple.manner == Manner::Honest;
        if good {
            simple.runs = Some(url);
        }
        let word = if good { "SUCCESS" } else { "FAILURE no room" };
        simple.last = Some(Said { job, word });
        simple.open = Some(0);
        self.say_last(device);
        while let Some(document) = self.next_waiting(device) {
            self.follow_delta(device, &document);
        }
    }

    fn next_waiting(&mut self, device: usize) -> Option<Value> {
        let simple = self.simple(device)?;
        if simple.installing.is_some() {
            return None;
        }
        simple.waiting.pop_front()
    }

    /// Now and then it asks, subscribes again, or says RUNNING; a liar lies.
    pub(crate) fn simple_whim(&mut self, device: usize) {
        if self.calm {
            return;
        }
        let wait = self.chances.device.between(MINUTE, 20 * MINUTE);
        self.device_plans(device, wait, Done::Whim);
        let Some(simple) = self.simple(device) else {
            return;
        };
        if simple.manner == Manner::Liar {
            return self.lie(device, None);
        }
        let running = simple.installing.clone();
        let Some(conn) = self.devices[device]
            .conn
            .filter(|_| self.devices[device].up)
        else {
            return;
        };
        match self.chances.device.below(5) {
            0 => drop(self.device_publishes(device, Topic::Get, Vec::new())),
            1 => self.device_sends(conn, Up::Subscribe),
            2 => {
                self.device_sends(conn, Up::Unsubscribe);
                self.device_sends(conn, Up::Subscribe);
            }
            _ => {
                if let Some(job) = running {
                    let plain = format!("jobID:{job} RUNNING").into_bytes();
                    self.device_publishes(device, Topic::Update, plain);
                }
            }
        }
    }

    /// Anything but the truth; once in a while that too.
    fn lie(&mut self, device: usize, job: Option<JobId>) {
        let pick = self.chances.device.below(9);
        let number = self.chances.device.any();
        let url = self.releases.digest(number).map(Releases::url);
        let Some(simple) = self.simple(device) else {
            return;
        };
        let heard = &simple.heard;
        let known = heard.get(number as usize % heard.len().max(1)).cloned();
        let job = job
            .or(known)
            .map_or_else(|| "1-nobody".into(), |job| job.to_string());
        let lie = match pick {
            0 => format!("jobID:{job} SUCCESS"),
            1 => format!("jobID:{job} FAILURE because"),
            2 => format!("jobID:{job} REJECTED"),
            3 => format!("jobID:{job} RUNNING"),
            4 => json!({"jobID": job, "status": "SUCCESS", "state": {"reported": {"softwareURL": url}}}).to_string(),
            5 => json!({"state": {"reported": {"softwareURL": url, "x": number}}}).to_string(),
            6 => json!({"state": {"desired": {"softwareURL": url}}}).to_string(),
            7 => r#"{"state": {"reported": {"softwareURL": null}}}"#.into(),
            _ => "{\"state\":".into(),
        };
        let same_again = self.chances.device.below(3);
        for _ in 0..=same_again {
            self.device_publishes(device, Topic::Update, lie.clone().into_bytes());
        }
    }
}
