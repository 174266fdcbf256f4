//! Devices that poll over HTTP: the same contract as over MQTT, and the same state of reachability.

use std::num::NonZeroU32;
use std::time::{Duration, Instant};

use refit_server::config::Paces;
use refit_testkit::server::Wishes;
use refit_testkit::{Device, TestServer};
use refit_tls::pace::Pace;
use serde_json::{Value, json};

use crate::asking::{Answer, add_release, ask, ask_with, get, set_release, until};

fn poll(server: &TestServer, device: &str, tag: Option<&str>) -> Answer {
    let mut headers = vec![("refit-device", device)];
    headers.extend(tag.map(|tag| ("if-none-match", tag)));
    ask_with("GET", &server.url("/device/v1/delta"), &headers, ())
}

fn say(server: &TestServer, device: &str, payload: &str) -> Answer {
    let headers = [("refit-device", device)];
    ask_with("POST", &server.url("/device/v1/update"), &headers, payload)
}

fn shown(server: &TestServer, device: &str) -> Value {
    get(server, &format!("/api/v1/devices/{device}")).is(200)
}

#[test]
fn a_poller_goes_the_nine_steps() {
    let server = TestServer::start();
    let nothing = poll(&server, "lamp-7", None);
    assert_eq!(nothing.status, 204);
    let next: u64 = nothing.header("refit-next-poll").parse().unwrap();
    assert!((240..=360).contains(&next), "{next}");

    add_release(&server, "2.0.0", b"abc");
    set_release(&server, "lamp-7", "firmware@2.0.0");
    let answer = poll(&server, "lamp-7", None);
    let delta = answer.is(200);
    assert_eq!(
        (&delta["grant"], &delta["strength"]),
        (&json!("presigned"), &json!("time"))
    );
    assert!(
        (48..=72).contains(&delta["nextPoll"].as_u64().unwrap()),
        "{delta}"
    );
    assert!(answer.header("cache-control").contains("no-store"));
    let url = delta["state"]["softwareURL"].as_str().unwrap();
    assert_eq!(ask_with("GET", url, &[], ()).bytes, b"abc");

    // The same command again is known by its tag; without it there is a fresh grant.
    let tag = answer.header("etag").to_owned();
    let same = poll(&server, "lamp-7", Some(&tag));
    assert_eq!((same.status, same.bytes.len()), (304, 0));
    let again = poll(&server, "lamp-7", None).is(200);
    assert_eq!(again["jobID"], delta["jobID"]);

    let job = delta["jobID"].as_str().unwrap();
    let accepted = say(&server, "lamp-7", &format!("jobID:{job} SUCCESS")).is(200);
    assert_eq!(
        (&accepted["status"], &accepted["jobID"]),
        (&json!("SUCCEEDED"), &json!(job))
    );
    assert_eq!(poll(&server, "lamp-7", Some(&tag)).status, 204);
    assert_eq!(shown(&server, "lamp-7")["converged"], true);
}

#[test]
fn a_poller_is_reachable_and_what_it_is_told_is_sent() {
    let server = TestServer::start();
    add_release(&server, "2.0.0", b"abc");
    set_release(&server, "lamp-7", "firmware@2.0.0");
    assert_eq!(shown(&server, "lamp-7")["why"][0]["rule"], "offline");
    poll(&server, "lamp-7", None).is(200);
    let device = shown(&server, "lamp-7");
    assert_eq!(
        (&device["online"], &device["job"]["status"]),
        (&json!(true), &json!("SENT"))
    );
    assert_eq!(device["why"][0]["rule"], "sent");
}

#[test]
fn a_poller_that_stays_away_for_half_as_long_again_is_no_longer_reachable() {
    let wishes = Wishes {
        // It is looked each second who is gone: half of this is more.
        poll_interval: Some(Duration::from_secs(3)),
        ..Wishes::default()
    };
    let server = TestServer::start_with(&wishes);
    add_release(&server, "2.0.0", b"abc");
    set_release(&server, "lamp-7", "firmware@2.0.0");
    let polled = Instant::now();
    let delta = poll(&server, "lamp-7", None).is(200);
    assert_eq!(delta["nextPoll"], 3);
    let away = until(&server, "/api/v1/devices/lamp-7", |shown| {
        shown["online"] == false
    });
    assert!(polled.elapsed() >= Duration::from_millis(4500));
    assert_eq!(away["why"][0]["rule"], "offline");
    // It comes again, and is here again.
    let again = poll(&server, "lamp-7", None).is(200);
    assert_eq!(again["jobID"], delta["jobID"]);
    assert_eq!(shown(&server, "lamp-7")["online"], true);
}

#[test]
fn what_a_poller_says_is_answered_as_over_mqtt() {
    let server = TestServer::start();
    let rejected = say(&server, "lamp-7", r#"{"state":{"desired":{"a":1}}}"#);
    assert_eq!(
        (rejected.status, &rejected.json()["code"]),
        (403, &json!(403))
    );
    assert_eq!(rejected.header("content-type"), "application/json");
    assert_eq!(say(&server, "lamp-7", "nonsense").status, 400);
    assert_eq!(say(&server, "lamp-7", "jobID:0-never SUCCESS").status, 409);
    let accepted = say(
        &server,
        "lamp-7",
        r#"{"state":{"reported":{"a":1}},"clientToken":"t"}"#,
    );
    assert_eq!(accepted.is(200)["clientToken"], "t");
}

#[test]
fn without_a_name_or_with_a_bad_one_nobody_polls() {
    let server = TestServer::start();
    let path = server.url("/device/v1/delta");
    ask_with("GET", &path, &[], ()).is_problem(401, "unauthenticated");
    ask_with("GET", &path, &[("refit-device", "a/b")], ()).is_problem(400, "bad_device_id");
}

#[test]
fn a_device_that_is_connected_stays_connected_when_it_polls() {
    let server = TestServer::start();
    let mut device = Device::connect(server.mqtt_address(), "lamp-7").unwrap();
    device.subscribe("update/delta").unwrap();
    until(&server, "/api/v1/devices/lamp-7", |shown| {
        shown["online"] == true
    });
    add_release(&server, "2.0.0", b"abc");
    set_release(&server, "lamp-7", "firmware@2.0.0");
    let delta: Value = serde_json::from_slice(&device.message().unwrap().payload).unwrap();
    let polled = poll(&server, "lamp-7", None).is(200);
    assert_eq!(polled["jobID"], delta["jobID"]);
    // It hears of the next wish on the connection that it had.
    ask(
        &server,
        "PATCH",
        "/api/v1/devices/lamp-7/desired",
        r#"{"a":1}"#,
    )
    .is(200);
    let delta: Value = serde_json::from_slice(&device.message().unwrap().payload).unwrap();
    assert_eq!(delta["state"]["a"], 1);
}

#[test]
fn a_device_that_asks_too_often_is_told_to_wait() {
    let server = TestServer::start();
    let mut asked = (0..200).map(|_| poll(&server, "lamp-7", None));
    let refused = asked.find(|answer| answer.status != 204).unwrap();
    refused.is_problem(429, "too_many");
    assert!(refused.header("retry-after").parse::<u64>().unwrap() >= 1);
    assert_eq!(refused.header("ratelimit-policy"), "\"device\";q=60;w=30");
    assert_eq!(refused.header("ratelimit"), "\"device\";r=0;t=30");
    // Others are not held up by it.
    assert_eq!(poll(&server, "lamp-8", None).status, 204);
}

#[test]
fn a_device_that_says_too_much_is_told_to_wait_but_its_job_is_heard() {
    let pace = Pace {
        per_s: NonZeroU32::MIN,
        burst: NonZeroU32::new(3).unwrap(),
    };
    let server = TestServer::start_with(&Wishes {
        paces: Paces {
            device: pace,
            ..Paces::default()
        },
        ..Wishes::default()
    });
    let word = r#"{"state":{"reported":{"a":1}}}"#;
    let mut said = (0..60).map(|_| say(&server, "lamp-7", word));
    let refused = said.find(|answer| answer.status != 200).unwrap();
    refused.is_problem(429, "too_many");
    assert!(refused.header("retry-after").parse::<u64>().unwrap() >= 1);
    // There is no such job: that it was looked at is what counts.
    let mut end = (0..5).map(|_| say(&server, "lamp-7", "jobID:j1 SUCCESS").status);
    assert!(end.all(|status| status == 409));
    assert_eq!(say(&server, "lamp-8", word).status, 200);
}

#[test]
fn without_tls_no_credential_is_given() {
    let server = TestServer::start();
    let headers = [("refit-device", "lamp-7")];
    let url = server.url("/device/v1/credential");
    let refused = ask_with("POST", &url, &headers, r#"{"jobID":"j"}"#);
    let problem = refused.is_problem(403, "grant_refused");
    assert_eq!(problem["reason"], "no-certificate");
    assert!(
        problem["detail"].as_str().unwrap().contains("--dev"),
        "{problem}"
    );
}

#[test]
fn keys_rotate_without_breaking_grants_that_are_out() {
    let server = TestServer::start();
    add_release(&server, "2.0.0", b"abc");
    set_release(&server, "lamp-7", "firmware@2.0.0");
    let url = |delta: &Value| delta["state"]["softwareURL"].as_str().unwrap().to_owned();
    let old = url(&poll(&server, "lamp-7", None).is(200));
    let before = get(&server, "/api/v1/grant-keys").json();
    let after = ask(&server, "POST", "/api/v1/grant-keys", "").is(201);
    assert_eq!(after["items"].as_array().unwrap().len(), 2);
    assert_eq!(after["items"][1]["id"], before["items"][0]["id"]);
    assert_eq!(after["items"][0]["current"], true);
    let new = url(&poll(&server, "lamp-7", None).is(200));
    assert!(
        new.contains(after["items"][0]["id"].as_str().unwrap()),
        "{new}"
    );
    for url in [old, new] {
        assert_eq!(ask_with("GET", &url, &[], ()).bytes, b"abc");
    }
}
