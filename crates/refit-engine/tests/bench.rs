//! A shard with a store made of a map, commits that wait to be let through, and connections that are numbers.

use std::collections::HashMap;
use std::sync::Arc;

use refit_engine::author::Author;
use refit_engine::output::{Output, Reply};
use refit_engine::shard::{Broken, From, Happening, Settings, Shard, What, World};
use refit_protocol::device_id::DeviceId;
use refit_protocol::digest::Digest;
use refit_protocol::rollout::{Assignment, RolloutId};
use refit_protocol::time::{Monotonic, Now, Timestamp};
use refit_replica::input::{Assign, Catalog, Input, Policy};
use refit_replica::marks::Unmarked;
use refit_replica::speaker::{Speaker, Wishes};
use refit_store::reader::Wanted;
use refit_store::rollout::RolloutGuard;
use refit_store::store::{DeviceKey, Guard, Operation, Outcome, Stored};

pub(crate) struct Bench {
    pub(crate) shard: Shard<u32>,
    pub(crate) stored: HashMap<DeviceId, Stored>,
    /// Commits that the store has and has not answered.
    pub(crate) commits: Vec<(u64, Vec<Operation>)>,
    /// Whether the store fails to read.
    pub(crate) unreadable: bool,
    /// By which number each record was read.
    pub(crate) loads_by: Vec<Option<DeviceKey>>,
    /// Everything else that came out, since it was last asked.
    said: Vec<String>,
    now: u64,
    random: u128,
    receipt: u32,
    /// Whose changes the audit log is to tell.
    pub(crate) author: Option<Arc<Author>>,
}

struct Everything;

impl Catalog for Everything {
    fn knows(&self, _: &Digest) -> bool {
        true
    }
}

/// Returns the software URL of a one-letter version.
pub(crate) fn url(version: char) -> String {
    format!("http://h/depot/sha256/{}", version.to_string().repeat(64))
}

impl Bench {
    pub(crate) fn new() -> Self {
        let settings = Settings {
            policy: Policy::default(),
            epoch: 0,
            devices_max: 10,
            unknown_devices_join: true,
        };
        Self {
            shard: Shard::new(settings, 0),
            stored: HashMap::new(),
            commits: Vec::new(),
            unreadable: false,
            loads_by: Vec::new(),
            said: Vec::new(),
            now: 1,
            random: 0,
            receipt: 0,
            author: None,
        }
    }

    fn with(&mut self, call: impl FnOnce(&mut Shard<u32>, &mut World<'_>, &mut Vec<Output<u32>>)) {
        let mut random = || {
            self.random += 1;
            self.random
        };
        let mut world = World {
            now: Now {
                wall: Timestamp(self.now),
                mono: Monotonic(self.now),
            },
            catalog: &Everything,
            marks: &Unmarked,
            random: &mut random,
        };
        let mut out = Vec::new();
        call(&mut self.shard, &mut world, &mut out);
        self.shard.flush(&mut out);
        for output in out {
            self.perform(output);
        }
    }

    fn perform(&mut self, output: Output<u32>) {
        match output {
            Output::Load(Wanted { device, .. }) if self.unreadable => {
                let why = "the disk is gone".into();
                self.happen(Happening::LoadFailed { device, why });
            }
            Output::Load(Wanted { device, key }) => {
                self.loads_by.push(key);
                let stored = self.stored.get(&device).cloned().map(Box::new);
                self.happen(Happening::Loaded { device, stored });
            }
            Output::Commit { ticket, operations } => self.commits.push((ticket, operations)),
            Output::Answer { to, reply, .. } => self.said.push(answer(&to, &reply)),
            Output::Delta { peer, telling, .. } => {
                let job = telling
                    .job
                    .map_or_else(|| "no job".into(), |(id, _)| id.to_string());
                self.said.push(format!("delta to {peer}: {job}"));
            }
            Output::TakeOver { peer } => self.said.push(format!("{peer} taken over")),
            Output::Quiet { peer, hash } => self.said.push(format!("{peer} quiet {hash}")),
            Output::Stop { why } => self.said.push(format!("stop: {why}")),
            Output::Jobs { .. } | Output::Event { .. } | Output::Trouble { .. } => {}
        }
    }

    pub(crate) fn happen(&mut self, happening: Happening<u32>) {
        self.with(|shard, world, out| shard.handle(happening, world, out));
    }

    pub(crate) fn connect(&mut self, peer: u32) {
        self.happen(Happening::Attach { device: d(), peer });
        self.happen(Happening::Subscribe { device: d(), peer });
    }

    pub(crate) fn device_says(&mut self, peer: u32, payload: &str) {
        self.submit(peer, Speaker::Device, payload);
    }

    pub(crate) fn application_desires(&mut self, version: char) {
        self.desires(Speaker::Application("app".into(), Wishes::ALL), version);
    }

    pub(crate) fn operator_desires(&mut self, version: char) {
        self.desires(Speaker::Operator("op".into()), version);
    }

    pub(crate) fn operator_says(&mut self, payload: &str) {
        self.submit(99, Speaker::Operator("op".into()), payload);
    }

    fn desires(&mut self, speaker: Speaker, version: char) {
        let payload = format!(
            r#"{{"state":{{"desired":{{"softwareURL":"{}"}}}}}}"#,
            url(version)
        );
        self.submit(99, speaker, &payload);
    }

    fn submit(&mut self, peer: u32, speaker: Speaker, payload: &str) {
        self.receipt += 1;
        let what = What::Payload {
            speaker,
            payload: payload.as_bytes().into(),
            hash: 7,
        };
        let from = From::Peer {
            peer,
            receipt: self.receipt,
            author: self.author.clone(),
        };
        self.happen(Happening::Submit {
            device: d(),
            what,
            from,
        });
    }

    /// A rollout, as it stood, wants the device to have this software.
    pub(crate) fn rollout_assigns(&mut self, version: char) {
        let rollout = RolloutId(1);
        let assign = Assign {
            assignment: Assignment {
                rollout,
                wave: 0,
                attempt: 0,
            },
            origin: "rollout/spring".into(),
            priority: 0,
            software_url: url(version),
            grant: None,
            start_ms: None,
            end_ms: 1_000,
            past_revert: false,
        };
        let guard = RolloutGuard {
            id: rollout,
            revision: 3,
        };
        let from = From::Conductor { number: 7, guard };
        self.happen(Happening::Submit {
            device: d(),
            what: What::Input(Box::new(Input::Assign(Box::new(assign)))),
            from,
        });
    }

    /// Lets the oldest commit come back, as if all rollouts had moved on meanwhile.
    pub(crate) fn commit_overtaken(&mut self) {
        let (ticket, operations) = self.commits.remove(0);
        let outcomes = operations
            .into_iter()
            .map(|operation| match operation.rollout {
                Some(_) => Outcome::Overtaken,
                None => self.write(operation),
            })
            .collect();
        self.happen(Happening::Committed {
            ticket,
            result: Ok(outcomes),
        });
    }

    /// Lets the oldest commit through, as the store would.
    pub(crate) fn commit(&mut self) {
        let (ticket, operations) = self.commits.remove(0);
        let outcomes = operations
            .into_iter()
            .map(|operation| self.write(operation))
            .collect();
        self.happen(Happening::Committed {
            ticket,
            result: Ok(outcomes),
        });
    }

    fn write(&mut self, operation: Operation) -> Outcome {
        let key = DeviceKey(1);
        let present = self.stored.get(&operation.device).map(|s| s.revision);
        if present != operation.from.map(|guard| guard.revision) {
            return Outcome::Conflict;
        }
        let revision = present.map_or(1, |revision| revision + 1);
        let record = operation.record;
        self.stored.insert(
            operation.device,
            Stored {
                key,
                revision,
                seen: operation.seen,
                written: operation.at,
                record,
            },
        );
        Outcome::Applied(Guard { key, revision })
    }

    pub(crate) fn fail_commit(&mut self, broken: Broken) {
        let (ticket, _) = self.commits.remove(0);
        self.happen(Happening::Committed {
            ticket,
            result: Err(broken),
        });
    }

    pub(crate) fn commit_all(&mut self) {
        while !self.commits.is_empty() {
            self.commit();
        }
    }

    /// Lets time pass to the next timer.
    pub(crate) fn pass(&mut self) {
        self.now = self.shard.next_due().unwrap().0;
        self.with(|shard, world, out| shard.tick(world, out));
    }

    /// Takes what was said since.
    pub(crate) fn said(&mut self) -> Vec<String> {
        std::mem::take(&mut self.said)
    }
}

pub(crate) fn d() -> DeviceId {
    DeviceId::parse("d").unwrap()
}

fn answer(to: &From<u32>, reply: &Reply) -> String {
    let peer = match to {
        From::Peer { peer, .. } => peer.to_string(),
        From::Conductor { number, .. } => format!("conductor {number}"),
        From::Nobody => panic!("nobody is answered"),
    };
    match reply {
        Reply::Accepted(accepted) => format!("{peer}: accepted {}", accepted.version),
        Reply::Rejected(rejected) => {
            format!("{peer}: rejected {}", rejected.rejection.code.number())
        }
        Reply::Shown(_) => format!("{peer}: shown"),
        Reply::NotShown(_) => format!("{peer}: not shown"),
        Reply::Assigned(assigned) => format!("{peer}: {assigned:?}"),
        Reply::Overtaken => format!("{peer}: overtaken"),
        Reply::Done => format!("{peer}: done"),
    }
}
