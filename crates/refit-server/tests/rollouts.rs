//! Rollouts over the real server: simulated devices connect, are told, and say what became of it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

use refit_store::store::Store;
use refit_testkit::{Device, TestServer};
use serde_json::{Value, json};

use crate::asking::{add_release, ask, get, until};

/// A fleet of devices that are connected.
pub(crate) struct Fleet {
    threads: Vec<JoinHandle<Vec<String>>>,
    quit: Arc<AtomicBool>,
}

/// What a device says of its job.
pub(crate) type Says = fn(usize) -> &'static str;

fn id(number: usize) -> String {
    format!("gw-{number:03}")
}

fn json_of(bytes: &[u8]) -> Value {
    serde_json::from_slice(bytes).unwrap()
}

/// The software URL of a release.
fn url_of(server: &TestServer, version: &str) -> String {
    let release = get(server, &format!("/api/v1/releases/firmware/{version}")).is(200);
    release["softwareURL"].as_str().unwrap().to_owned()
}

/// Connects a device that runs a release; it is not subscribed yet.
fn connect(server: &TestServer, number: usize, url: &str, model: &str) -> Device {
    let mut device = Device::connect(server.mqtt_address(), &id(number)).unwrap();
    let report = json!({ "state": { "reported": {
        "softwareURL": url, "attributes": { "model": model },
    } } });
    device
        .publish("update", report.to_string().as_bytes())
        .unwrap();
    device.acknowledged().unwrap();
    device
}

impl Fleet {
    /// Connects devices that run a release, and answer each job in their own way.
    pub(crate) fn connect(
        server: &TestServer,
        numbers: std::ops::Range<usize>,
        url: &str,
        says: Says,
    ) -> Self {
        let quit = Arc::new(AtomicBool::new(false));
        let threads = numbers.map(|number| {
            let model = if number % 10 == 3 { "old" } else { "new" };
            let mut device = connect(server, number, url, model);
            device.subscribe("update/delta").unwrap();
            let quit = Arc::clone(&quit);
            std::thread::spawn(move || {
                let mut jobs = Vec::new();
                while let Ok(message) = device.message() {
                    let delta = json_of(&message.payload);
                    if quit.load(Ordering::Relaxed) {
                        break;
                    }
                    let Some(job) = delta["jobID"].as_str() else {
                        continue;
                    };
                    jobs.push(job.to_owned());
                    let said = format!("jobID:{job} {}", says(number));
                    if device.publish("update", said.as_bytes()).is_err() {
                        break;
                    }
                }
                jobs
            })
        });
        Self {
            threads: threads.collect(),
            quit,
        }
    }

    /// Waits until the server is gone; returns the jobs that each device was told of.
    pub(crate) fn told(self) -> Vec<Vec<String>> {
        self.quit.store(true, Ordering::Relaxed);
        let threads = self.threads.into_iter();
        threads.map(|thread| thread.join().unwrap()).collect()
    }
}

/// Two releases; returns the URL of the first.
fn releases(server: &TestServer) -> String {
    add_release(server, "1.0.0", b"one");
    add_release(server, "2.0.0", b"two");
    url_of(server, "1.0.0")
}

fn start(server: &TestServer, name: &str, plan: &Value) -> Value {
    let body = json!({ "name": name, "plan": plan, "start": true }).to_string();
    ask(server, "POST", "/api/v1/rollouts", &body).is(201)
}

fn plan_of(waves: &[&str]) -> Value {
    let waves: Vec<Value> = waves.iter().map(|up_to| json!({ "upTo": up_to })).collect();
    json!({ "releases": ["firmware@2.0.0"], "select": "all", "waves": waves })
}

fn reaches(server: &TestServer, name: &str, status: &str) -> Value {
    until(server, &format!("/api/v1/rollouts/{name}"), |shown| {
        shown["status"] == status
    })
}

#[test]
fn a_rollout_of_three_waves_comes_to_its_end() {
    let server = TestServer::start();
    let url = releases(&server);
    let fleet = Fleet::connect(&server, 0..200, &url, |_| "SUCCESS");
    let made = start(&server, "spring", &plan_of(&["1%", "10%", "100%"]));
    assert_eq!(made["status"], "SCHEDULED");
    let shown = reaches(&server, "spring", "FINISHED");
    let waves: Vec<_> = shown["waves"].as_array().unwrap().iter().collect();
    let sizes: Vec<_> = waves.iter().map(|wave| wave["devices"].as_u64()).collect();
    assert_eq!(sizes, [Some(2), Some(18), Some(180)]);
    assert_eq!(shown["counts"], json!({ "succeeded": 200 }));
    drop(server);
    let told = fleet.told();
    assert!(told.iter().all(|jobs| jobs.len() == 1), "{told:?}");
}

/// What the store recounts, by the planner's kinds.
fn recounted(data: &std::path::Path, name: &str) -> Value {
    let options = refit_store::sqlite::Options::new(data);
    let store = refit_store::sqlite::SqliteStore::open(options).unwrap();
    let mut reader = store.reader().unwrap();
    let name = refit_protocol::rollout::RolloutName::parse(name).unwrap();
    let id = reader.rollout(&name).unwrap().unwrap().id;
    let (counted, recounted) = (
        reader.rollout_counts(id).unwrap(),
        reader.rollout_recount(id).unwrap(),
    );
    assert_eq!(counted, recounted);
    let mut all: BTreeMap<&str, u32> = BTreeMap::new();
    for wave in recounted {
        let tally = refit_engine::conductor::figures::tally(&wave.counts);
        for kind in refit_rollout::tally::Kind::ALL {
            if tally.get(kind) > 0 {
                *all.entry(kind.as_str()).or_default() += tally.get(kind);
            }
        }
    }
    json!(all)
}

/// Devices that have said what they run, and went away.
fn known(server: &TestServer, numbers: std::ops::Range<usize>, url: &str) {
    for number in numbers {
        drop(connect(server, number, url, "new"));
    }
}

fn has_open(counts: &Value) -> bool {
    ["queued", "sent", "running"]
        .iter()
        .any(|kind| counts.get(kind).is_some())
}

#[test]
fn a_release_that_fails_on_a_model_pauses_at_its_threshold_and_all_count_alike() {
    let mut server = TestServer::start();
    let url = releases(&server);
    let fleet = Fleet::connect(&server, 0..200, &url, |number| match number % 10 {
        3 => "FAILURE bad flash 0x1f",
        _ => "SUCCESS",
    });
    let mut plan = plan_of(&["50%", "100%"]);
    plan["thresholds"] = json!([{ "of": ["failed"], "count": 3 }]);
    start(&server, "autumn", &plan);
    let shown = reaches(&server, "autumn", "PAUSED");
    assert_eq!(shown["because"]["rule"], "threshold", "{shown}");
    let shown = until(&server, "/api/v1/rollouts/autumn", |shown| {
        !has_open(&shown["counts"])
    });
    assert_eq!(shown["waves"][1]["opened"], 0, "{shown}");
    let failed = get(&server, "/api/v1/jobs?status=FAILED").is(200);
    let device = failed["items"][0]["deviceID"].as_str().unwrap();
    let why = |device: &str| {
        let shown = get(&server, &format!("/api/v1/devices/{device}")).is(200);
        let rollout = shown["rollouts"][0].clone();
        let rules = rollout["why"].as_array().unwrap().iter();
        let rules: Vec<_> = rules
            .map(|b| b["rule"].as_str().unwrap().to_owned())
            .collect();
        (rollout["standing"].as_str().unwrap().to_owned(), rules)
    };
    let (standing, rules) = why(device);
    assert_eq!(
        (&*standing, rules),
        ("blocked", vec!["paused".into(), "ended".into()])
    );
    let done = get(&server, "/api/v1/jobs?status=SUCCEEDED").is(200);
    let device = done["items"][0]["deviceID"].as_str().unwrap();
    assert_eq!(why(device).0, "done");
    let cluster = &shown["clusters"][0];
    assert_eq!(cluster["model"], "old", "{shown}");
    assert_eq!(cluster["from"], "1.0.0");
    assert_eq!(cluster["jobs"], shown["counts"]["failed"]);
    server.stop();
    assert_eq!(recounted(server.data(), "autumn"), shown["counts"]);
    drop(server);
    fleet.told();
}

#[test]
fn an_abort_takes_back_what_has_not_begun_and_no_delta_leaves_after_it() {
    let server = TestServer::start();
    let url = releases(&server);
    known(&server, 0..20, &url);
    let mut silent: Vec<Device> = (20..25)
        .map(|number| {
            let mut device = connect(&server, number, &url, "new");
            device.subscribe("update/delta").unwrap();
            device
        })
        .collect();
    let mut plan = plan_of(&[]);
    plan["offline"] = "queue".into();
    start(&server, "winter", &plan);
    until(&server, "/api/v1/rollouts/winter", |shown| {
        shown["counts"] == json!({ "queued": 20, "sent": 5 })
    });
    for device in &mut silent {
        assert!(device.message().unwrap().topic.ends_with("delta"));
    }
    let path = "/api/v1/rollouts/winter/abort";
    let tried = ask(&server, "POST", &format!("{path}?dryRun=true"), "").is(200);
    assert_eq!(tried["toll"]["cancelled"], 25, "{tried}");
    assert_eq!(tried["dryRun"], true);
    let shown = get(&server, "/api/v1/rollouts/winter").is(200);
    assert_eq!(shown["status"], "RUNNING");
    let done = ask(&server, "POST", path, r#"{"reason":"it burns"}"#).is(200);
    assert_eq!(done["status"], "ABORTED");
    let shown = get(&server, "/api/v1/rollouts/winter").is(200);
    assert_eq!(shown["counts"], json!({ "cancelled": 25 }), "{shown}");
    assert_eq!(shown["because"]["text"], "an operator said: it burns");
    for number in 0..20 {
        let mut device = Device::connect(server.mqtt_address(), &id(number)).unwrap();
        device.subscribe("update/accepted").unwrap();
        device.subscribe("update/delta").unwrap();
        // A delta would leave once nothing more waits: between the two.
        for count in 1..=2 {
            let report = format!(r#"{{"state":{{"reported":{{"here":{count}}}}}}}"#);
            device.publish("update", report.as_bytes()).unwrap();
            let heard = device.message().unwrap();
            assert!(heard.topic.ends_with("accepted"), "{heard:?}");
        }
    }
    let jobs = |status: &str| format!("/api/v1/jobs?status={status}");
    until(&server, &jobs("SENT"), |page| page["items"] == json!([]));
    until(&server, &jobs("QUEUED"), |page| page["items"] == json!([]));
    ask(&server, "POST", path, "").is_problem(409, "conflict");
}

#[test]
fn a_server_that_starts_again_while_a_wave_opens_goes_on_and_opens_nothing_twice() {
    let mut server = TestServer::start();
    let url = releases(&server);
    known(&server, 0..100, &url);
    let mut plan = plan_of(&[]);
    plan["offline"] = "queue".into();
    plan["pace"] = json!({ "perMinute": 240 });
    start(&server, "summer", &plan);
    let opened = |shown: &Value| shown["waves"][0]["opened"].as_u64().unwrap_or_default();
    let path = "/api/v1/rollouts/summer";
    let before = until(&server, path, |shown| opened(shown) > 2);
    assert!(opened(&before) < 100, "{before}");
    server.restart(&refit_testkit::server::Wishes::default());
    let raised = format!("{path}/pace");
    ask(&server, "POST", &raised, r#"{"perMinute":100000}"#).is(200);
    until(&server, path, |shown| opened(shown) == 100);
    let jobs = get(&server, "/api/v1/jobs?limit=500").is(200);
    let jobs = jobs["items"].as_array().unwrap();
    let devices: std::collections::BTreeSet<_> =
        jobs.iter().map(|job| job["deviceID"].as_str()).collect();
    assert_eq!((jobs.len(), devices.len()), (100, 100));
    server.stop();
    assert_eq!(recounted(server.data(), "summer"), json!({ "queued": 100 }));
}

#[test]
fn a_plan_is_told_all_that_is_wrong_with_it_and_rehearsed_if_nothing_is() {
    let server = TestServer::start();
    let url = releases(&server);
    known(&server, 0..30, &url);
    let bad = json!({ "plan": {
        "releases": ["firmware@9.0.0"], "select": "modle = x",
        "waves": [{ "upTo": "100%" }, { "upTo": "10%" }],
    } });
    let looked = ask(&server, "POST", "/api/v1/rollouts:plan", &bad.to_string()).is(200);
    let paths = looked["complaints"].as_array().unwrap().iter();
    let paths: Vec<_> = paths.map(|one| one["path"].as_str().unwrap()).collect();
    for path in ["releases[0]", "select", "waves[1]"] {
        assert!(paths.contains(&path), "{looked}");
    }
    assert_eq!(looked["rehearsal"], Value::Null);
    let make = json!({ "name": "bad", "plan": bad["plan"] }).to_string();
    let refused = ask(&server, "POST", "/api/v1/rollouts", &make).is_problem(422, "bad_plan");
    assert!(
        refused["errors"].as_array().unwrap().len() >= 3,
        "{refused}"
    );
    let good = json!({ "plan": plan_of(&["10%", "100%"]) }).to_string();
    let looked = ask(&server, "POST", "/api/v1/rollouts:plan", &good).is(200);
    let rehearsal = &looked["rehearsal"];
    assert_eq!(rehearsal["eligible"], 30, "{looked}");
    assert_eq!(rehearsal["waves"][0]["devices"], 3);
    assert_eq!(rehearsal["bytes"], 90);
    get(&server, "/api/v1/rollouts/bad").is_problem(404, "rollout_not_found");
}

#[test]
fn whoever_started_a_rollout_cannot_approve_it_and_a_revision_is_honoured() {
    let server = TestServer::start();
    let url = releases(&server);
    known(&server, 0..3, &url);
    let mut plan = plan_of(&[]);
    plan["approval"] = true.into();
    let made = start(&server, "careful", &plan);
    assert_eq!(made["status"], "AWAITING_APPROVAL");
    let own = ask(&server, "POST", "/api/v1/rollouts/careful/approve", "");
    assert_eq!(own.is_problem(409, "conflict")["reason"], "second_person");
    let bearer = format!("Bearer {}", server.token());
    let stale = crate::asking::ask_with(
        "POST",
        &server.url("/api/v1/rollouts/careful/abort"),
        &[("authorization", &bearer), ("if-match", "\"7\"")],
        (),
    );
    assert_eq!(stale.is_problem(412, "version_conflict")["revision"], 1);
    let twice = json!({ "name": "careful", "plan": plan }).to_string();
    ask(&server, "POST", "/api/v1/rollouts", &twice).is_problem(409, "name_taken");
}
