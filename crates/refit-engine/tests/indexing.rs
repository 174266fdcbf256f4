//! The index of a running engine is the one that would be built from the store, whatever has happened.
#![expect(
    clippy::disallowed_methods,
    reason = "a running engine has a clock of its own"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::future::poll_fn;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use refit_engine::driver::{Engine, Parts};
use refit_engine::indexing::Indexing;
use refit_engine::releases::Releases;
use refit_engine::seat::{Outgoing, Seat, Wants};
use refit_engine::send::{Grantor, Minted, Wanted};
use refit_engine::shard::Settings;
use refit_index::{Ask, Index, Known};
use refit_protocol::claim::ClaimId;
use refit_protocol::delta::Software;
use refit_protocol::device_id::DeviceId;
use refit_protocol::digest::Digest;
use refit_protocol::grant::Ungranted;
use refit_protocol::job::Status;
use refit_protocol::time::Timestamp;
use refit_protocol::update::Update;
use refit_replica::input::{Input, Policy};
use refit_replica::speaker::Speaker;
use refit_selector::Selector;
use refit_selector::facts::Certificate;
use refit_store::facts::{Edit, FactsChange};
use refit_store::identity::{
    CertificateRow, CertificateState, ClaimRow, Enrolment, IdentityChange, Standing,
};
use refit_store::sqlite::{Options, SqliteStore};
use refit_store::store::Store;
use serde_json::{Map, Value, json};

struct NoGrants;

impl Grantor for NoGrants {
    fn mint(&self, _: &Wanted<'_>, _: Timestamp) -> Result<Minted, Ungranted> {
        Err(Ungranted::NoAddress)
    }
}

struct World {
    home: tempfile::TempDir,
    store: Arc<dyn Store>,
    releases: Arc<Releases>,
    engine: Engine,
    /// Who is connected.
    seats: BTreeMap<DeviceId, Arc<Seat>>,
}

fn start(store: &Arc<dyn Store>, releases: &Arc<Releases>) -> Engine {
    Engine::start(Parts {
        store: Arc::clone(store),
        grantor: Arc::new(NoGrants),
        releases: Arc::clone(releases),
        settings: Settings {
            policy: Policy::default(),
            epoch: 0,
            devices_max: 1_000,
            unknown_devices_join: true,
        },
    })
    .unwrap()
}

fn device(name: &str) -> DeviceId {
    DeviceId::parse(name).unwrap()
}

fn url(byte: u8) -> String {
    format!("http://h/depot/sha256/{}", format!("{byte:02x}").repeat(32))
}

fn software(byte: u8, version: &str) -> Software {
    Software {
        name: "firmware".into(),
        version: version.into(),
        digest: Digest::from_bytes([byte; 32]),
        length: 1,
        format: refit_protocol::delta::Format::File,
    }
}

impl World {
    fn new() -> Self {
        let home = tempfile::tempdir().unwrap();
        let store: Arc<dyn Store> = Arc::new(SqliteStore::open(Options::new(home.path())).unwrap());
        let releases = Arc::new(Releases::default());
        releases.add(software(1, "1.0.0"));
        releases.add(software(2, "2.0.0"));
        let engine = start(&store, &releases);
        Self {
            home,
            store,
            releases,
            engine,
            seats: BTreeMap::new(),
        }
    }

    fn indexing(&self) -> &Indexing {
        self.engine.fleet().indexing()
    }

    fn connect(&mut self, id: &DeviceId) {
        let seat = Seat::new(Some(id.clone()));
        self.engine.fleet().attach(&seat);
        self.seats.insert(id.clone(), seat);
    }

    fn disconnect(&mut self, id: &DeviceId) {
        if let Some(seat) = self.seats.remove(id) {
            self.engine.fleet().detach(&seat);
        }
    }

    /// Has somebody say something, and waits for the receipt.
    fn say(&self, speaker: Speaker, id: &DeviceId, update: Value) {
        let Value::Object(update) = update else {
            panic!("no object")
        };
        let update = Update::from_object(update).unwrap();
        self.heard(|seat| self.engine.fleet().update(seat, speaker, id, update, 0));
    }

    fn operate(&self, id: &DeviceId, input: Input) {
        self.heard(|seat| self.engine.fleet().operate(seat, id, input, 0));
    }

    fn heard(&self, say: impl FnOnce(&Arc<Seat>)) {
        let seat = Seat::new(None);
        seat.set_wants(Wants::ANSWER);
        say(&seat);
        let wait = poll_fn(|context| seat.poll_next(context));
        let mut wait = std::pin::pin!(wait);
        let deadline = Instant::now() + Duration::from_secs(30);
        while Instant::now() < deadline {
            let mut context = Context::from_waker(Waker::noop());
            if let Poll::Ready(Outgoing::Receipt { .. }) = wait.as_mut().poll(&mut context) {
                return;
            }
            std::thread::yield_now();
        }
        panic!("nobody answered");
    }

    fn describe(&self, id: &DeviceId, tags: Value, attributes: Value, make: bool) {
        let change = FactsChange {
            device: id.clone(),
            tags: Edit::Patch(serde_json::from_value(tags).unwrap()),
            attributes: Edit::Patch(serde_json::from_value(attributes).unwrap()),
            make,
            from: None,
        };
        self.store
            .change_facts(vec![change], Timestamp(5), None)
            .unwrap();
        self.indexing().look_again(vec![id.clone()]);
    }

    fn settle(&self) {
        assert!(self.engine.fleet().settle() && self.indexing().settle());
    }

    fn count(&self, selector: &str) -> u64 {
        let selector = Selector::parse(selector).unwrap();
        let ask = Ask {
            now: Timestamp(u64::MAX / 2),
            salt: "",
        };
        self.indexing()
            .index()
            .read(|index| index.count(&selector, &ask))
            .unwrap()
    }

    /// Compares the index with one that is built anew. Who is online, and when those were heard who went, is in memory
    /// alone.
    fn check(&self) {
        self.settle();
        let anew = start(&self.store, &self.releases);
        let rebuilt = anew.fleet().indexing().index();
        self.indexing().index().read(|kept| {
            rebuilt.read(|rebuilt| {
                assert_eq!(kept.len(), rebuilt.len());
                for key in 0..200 {
                    let (kept, rebuilt) = (kept.device(key), rebuilt.device(key));
                    let online = kept
                        .as_ref()
                        .is_some_and(|kept| self.seats.keys().any(|id| id.as_str() == kept.id));
                    assert_eq!(
                        kept.as_ref().is_some_and(|kept| kept.online),
                        online,
                        "{kept:?}"
                    );
                    assert_eq!(durable(kept.as_ref()), durable(rebuilt.as_ref()));
                    let seen = |known: Option<&Known<'_>>| known.and_then(|known| known.last_seen);
                    assert!(seen(kept.as_ref()) >= seen(rebuilt.as_ref()), "{kept:?}");
                }
                lists(kept, rebuilt);
            });
        });
        anew.stop();
    }
}

fn durable<'a>(known: Option<&Known<'a>>) -> Option<Known<'a>> {
    known.cloned().map(|known| Known {
        online: false,
        last_seen: None,
        ..known
    })
}

fn lists(kept: &Index, rebuilt: &Index) {
    let selector = Selector::parse("in list pilot").unwrap();
    let ask = Ask {
        now: Timestamp(0),
        salt: "",
    };
    let keys = |index: &Index| index.select(&selector, &ask).ok();
    assert_eq!(keys(kept), keys(rebuilt));
}

fn operator() -> Speaker {
    Speaker::Operator("ada".into())
}

fn reports(state: Value) -> Value {
    json!({ "state": { "reported": state } })
}

fn enrolment(id: &DeviceId, serial: u8, until: u64) -> IdentityChange {
    let certificate = CertificateRow {
        thumbprint: Digest::from_bytes([serial; 32]),
        device: id.clone(),
        key: Digest::from_bytes([serial; 32]),
        serial: vec![serial],
        issuer: Digest::from_bytes([0; 32]),
        not_before: Timestamp(1),
        not_after: Timestamp(until),
        state: CertificateState::Active,
        previous: None,
        claim: Some(ClaimId([1; 8])),
        chain: String::new(),
    };
    IdentityChange::Enrol(Box::new(Enrolment {
        certificate,
        attributes: Map::from_iter([("site".into(), json!("north"))]),
        claimed: Map::new(),
        at: Timestamp(9),
    }))
}

fn add_claim(world: &World) {
    let claim = ClaimRow {
        id: ClaimId([1; 8]),
        hash: [1; 32],
        devices: 100,
        left: 100,
        pattern: None,
        attributes: Map::new(),
        created: Timestamp(1),
        expires: Timestamp(u64::MAX / 4),
        revoked: None,
    };
    let change = IdentityChange::AddClaim(claim);
    world.store.change_identity(change, None).unwrap();
}

#[test]
fn the_kept_index_is_the_one_that_would_be_built() {
    (0..4).for_each(lived);
}

/// Lives through what chance makes of this seed, and compares now and then.
fn lived(seed: u64) {
    let mut random = fastrand::Rng::with_seed(seed);
    let mut world = World::new();
    add_claim(&world);
    let ids: Vec<DeviceId> = (0..12).map(|n| device(&format!("d{n}"))).collect();
    for step in 0..400_u32 {
        let id = &ids[random.usize(..ids.len())];
        match random.u8(..20) {
            0..3 => world.connect(id),
            3 => world.disconnect(id),
            4..7 => {
                let state = json!({ "softwareURL": url(random.u8(1..4)) });
                world.say(Speaker::Device, id, reports(state));
            }
            7 => {
                let attributes = json!({ "battery": random.u8(..3), "model": "own", "deep": {} });
                let state = json!({ "attributes": attributes });
                world.say(Speaker::Device, id, reports(state));
            }
            8 => world.say(Speaker::Device, id, reports(json!({ "attributes": null }))),
            9..12 => {
                let wish =
                    json!({ "state": { "desired": { "softwareURL": url(random.u8(1..4)) } } });
                world.say(operator(), id, wish);
            }
            12 => {
                let open = world.store.reader().unwrap().load(id).unwrap();
                if let Some(job) = open.and_then(|stored| stored.record.job) {
                    let status = ["SUCCESS", "FAILURE", "RUNNING"][random.usize(..3)];
                    let said = json!({ "jobID": job.id.as_str(), "status": status, "reason": "disk full" });
                    world.say(Speaker::Device, id, said);
                }
            }
            13 => world.operate(id, Input::Cancel),
            14 => {
                if random.u8(..3) == 0 {
                    world.operate(id, Input::Remove);
                }
            }
            15..17 => {
                let value = [json!("a"), json!("b"), Value::Null][random.usize(..3)].clone();
                world.describe(
                    id,
                    json!({ "ring": value }),
                    json!({ "model": value }),
                    random.bool(),
                );
            }
            17 => {
                let change = enrolment(id, step as u8, [1_000, u64::MAX / 4][random.usize(..2)]);
                world.store.change_identity(change, None).unwrap();
                world.indexing().look_again(vec![id.clone()]);
            }
            18 => {
                if random.bool() {
                    world.releases.add(software(3, "3.0.0"));
                    world.indexing().release_added(Digest::from_bytes([3; 32]));
                } else {
                    world.releases.remove("firmware", "3.0.0");
                    world.indexing().release_removed();
                }
            }
            _ => {
                let some = ids.iter().filter(|_| random.bool()).cloned();
                let list = refit_store::list::NewList {
                    name: "pilot".into(),
                    ids: some.collect::<BTreeSet<_>>(),
                    at: Timestamp(1),
                };
                world.store.put_list(list.clone(), None).unwrap();
                world.indexing().list_put(list.name, list.ids);
            }
        }
        if step % 20 == 0 {
            world.check();
        }
    }
    world.check();
    world.engine.stop();
    drop(world.home);
}

#[test]
fn a_device_that_connects_before_it_is_known_is_online_when_it_is() {
    let mut world = World::new();
    let id = device("lamp-7");
    world.connect(&id);
    world.settle();
    assert_eq!(world.count("all"), 0);
    world.say(
        Speaker::Device,
        &id,
        reports(json!({ "softwareURL": url(1) })),
    );
    world.settle();
    assert_eq!(world.count("online and version = 1.0.0"), 1);
    world.operate(&id, Input::Remove);
    world.settle();
    assert_eq!(world.count("all"), 0);
    world.disconnect(&id);
    world.say(
        operator(),
        &id,
        json!({ "state": { "desired": { "softwareURL": url(2) } } }),
    );
    world.settle();
    assert_eq!(
        world.count("drifting and not online and job.status = queued"),
        1
    );
    world.engine.stop();
}

#[test]
fn whose_word_stands_is_settled_in_one_order() {
    let world = World::new();
    add_claim(&world);
    let id = device("lamp-7");
    let own = json!({ "model": "own", "site": "own", "cores": 4 });
    world.say(Speaker::Device, &id, reports(json!({ "attributes": own })));
    world.settle();
    assert_eq!(
        world.count("model = own and attr.site = own and attr.cores > 3"),
        1
    );
    world
        .store
        .change_identity(enrolment(&id, 1, 1_000), None)
        .unwrap();
    world.indexing().look_again(vec![id.clone()]);
    world.settle();
    assert_eq!(
        world.count("model = own and attr.site = north and cert = expired"),
        1
    );
    assert_eq!(world.count("enrolled.token = 0101010101010101"), 1);
    world.describe(
        &id,
        json!({}),
        json!({ "model": "gw", "site": "south" }),
        false,
    );
    world.settle();
    assert_eq!(world.count("model = gw and attr.site = south"), 1);
    world.engine.stop();
}

#[test]
fn a_certificate_expires_in_the_index_when_its_time_has_come() {
    let world = World::new();
    add_claim(&world);
    let id = device("lamp-7");
    world.say(Speaker::Device, &id, reports(json!({})));
    let now = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap();
    let until = now.as_millis() as u64 + 300;
    let outcome = world.store.change_identity(enrolment(&id, 1, until), None);
    assert!(outcome.is_ok());
    world.indexing().look_again(vec![id]);
    world.settle();
    let identity = world.store.reader().unwrap().identity(&device("lamp-7"));
    assert_eq!(identity.unwrap().unwrap().standing, Standing::Enrolled);
    let is = |state: Certificate| world.count(&format!("cert = {}", state.as_str())) == 1;
    let deadline = Instant::now() + Duration::from_secs(30);
    while !is(Certificate::Expired) && Instant::now() < deadline {
        std::thread::yield_now();
    }
    assert!(is(Certificate::Expired) && !is(Certificate::Enrolled));
    assert_eq!(
        world.count(&format!("job.status = {}", Status::Failed.as_str())),
        0
    );
    world.engine.stop();
}
