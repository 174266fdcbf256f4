//! What each grant binds, over real connections: the answer to "that device, and only that device?".

use refit_protocol::grant::{Fallback, GrantPolicy, Strength};
use refit_protocol::network::Cidr;
use refit_server::config::Grant;
use refit_testkit::server::Wishes;
use refit_testkit::{Device, TestServer};
use serde_json::{Value, json};

use crate::asking::{Answer, add_release, ask, ask_with, get, until};
use crate::events::Stream;

/// A server that believes a proxy on loopback, so that tests can come from any address.
fn behind_a_proxy() -> TestServer {
    TestServer::start_with(&Wishes {
        trusted_proxies: vec![Cidr::parse("127.0.0.0/8").unwrap()],
        ..Wishes::default()
    })
}

fn wish(server: &TestServer, device: &str, grant: Value) -> Answer {
    let body = json!({"release": "firmware@2.0.0", "grant": grant}).to_string();
    let path = format!("/api/v1/devices/{device}/software");
    ask(server, "PUT", &path, &body)
}

fn delta(server: &TestServer, device: &str) -> Value {
    let mut device = Device::connect(server.mqtt_address(), device).unwrap();
    device.subscribe("update/delta").unwrap();
    serde_json::from_slice(&device.message().unwrap().payload).unwrap()
}

fn download_from(delta: &Value, address: &str) -> Answer {
    let url = delta["state"]["softwareURL"].as_str().unwrap();
    ask_with("GET", url, &[("x-forwarded-for", address)], ())
}

#[test]
fn a_url_of_strength_address_is_good_from_its_network_alone() {
    let server = behind_a_proxy();
    add_release(&server, "2.0.0", b"abc");
    let network = json!({"strength": "address", "network": "203.0.113.0/24"});
    let shown = wish(&server, "lamp-7", network).is(200);
    assert_eq!(shown["grant"]["strength"], "address");
    let delta = delta(&server, "lamp-7");
    assert_eq!(
        (&delta["grant"], &delta["strength"]),
        (&json!("presigned"), &json!("address"))
    );
    assert_eq!(download_from(&delta, "203.0.113.7").bytes, b"abc");
    let refused = download_from(&delta, "198.51.100.1").is_problem(403, "grant_refused");
    assert_eq!(refused["reason"], "address");
    // The honest negative: another device behind the same address may use it.
    assert_eq!(download_from(&delta, "203.0.113.8").bytes, b"abc");
    let metrics = String::from_utf8(get(&server, "/metrics").bytes).unwrap();
    for line in [
        "refit_grants_minted_total{kind=\"presigned\",strength=\"address\"} 1",
        "refit_grant_uses_total{kind=\"presigned\",strength=\"address\"} 2",
        "refit_grant_refusals_total{reason=\"address\"} 1",
    ] {
        assert!(metrics.lines().any(|other| other == line), "{line}");
    }
}

#[test]
fn without_a_public_address_nothing_is_sent_and_why_says_so() {
    let server = TestServer::start();
    add_release(&server, "2.0.0", b"abc");
    wish(&server, "lamp-7", json!({"strength": "address"})).is(200);
    let mut device = Device::connect(server.mqtt_address(), "lamp-7").unwrap();
    device.subscribe("update/delta").unwrap();
    let shown = until(&server, "/api/v1/devices/lamp-7", |shown| {
        shown["why"][0]["rule"] == "ungranted"
    });
    let sentence = shown["why"][0]["sentence"].as_str().unwrap();
    assert!(sentence.contains("no public"), "{sentence}");
    // Another wish, with a fallback, is sent at once, and the blocker is gone.
    wish(
        &server,
        "lamp-7",
        json!({"strength": "address", "fallback": "time"}),
    )
    .is(200);
    let delta: Value = serde_json::from_slice(&device.message().unwrap().payload).unwrap();
    assert_eq!(delta["strength"], "time");
    let shown = get(&server, "/api/v1/devices/lamp-7").json();
    assert_eq!(shown["why"][0]["rule"], "sent");
}

#[test]
fn refused_for_its_address_it_is_minted_again_three_times_then_follows_the_fallback() {
    for (fallback, last) in [("time", "time"), ("stop", "")] {
        let server = behind_a_proxy();
        add_release(&server, "2.0.0", b"abc");
        let network =
            json!({"strength": "address", "network": "203.0.113.0/24", "fallback": fallback});
        wish(&server, "lamp-7", network).is(200);
        let mut device = Device::connect(server.mqtt_address(), "lamp-7").unwrap();
        device.subscribe("update/delta").unwrap();
        for _ in 0..4 {
            let delta: Value = serde_json::from_slice(&device.message().unwrap().payload).unwrap();
            assert_eq!(delta["strength"], "address");
            download_from(&delta, "198.51.100.1").is_problem(403, "grant_refused");
            device.publish("get", b"").unwrap();
        }
        if last.is_empty() {
            let shown = until(&server, "/api/v1/devices/lamp-7", |shown| {
                shown["why"][0]["rule"] == "ungranted"
            });
            let sentence = shown["why"][0]["sentence"].as_str().unwrap();
            assert!(sentence.contains("another address"), "{sentence}");
        } else {
            let delta: Value = serde_json::from_slice(&device.message().unwrap().payload).unwrap();
            assert_eq!(delta["strength"], last);
        }
    }
}

#[test]
fn without_tls_what_needs_a_certificate_is_refused_with_what_to_do() {
    let server = TestServer::start();
    add_release(&server, "2.0.0", b"abc");
    for grant in [json!("credential"), json!({"strength": "device"})] {
        let refused = wish(&server, "lamp-7", grant).is_problem(422, "unprocessable");
        assert!(
            refused["detail"]
                .as_str()
                .unwrap()
                .contains("without --dev"),
            "{refused}"
        );
    }
    let wrong = wish(&server, "lamp-7", json!({"strength": "strong"}));
    wrong.is_problem(422, "unprocessable");
}

#[test]
fn a_merge_patch_chooses_its_grant_in_the_query() {
    let server = TestServer::start();
    let release = add_release(&server, "2.0.0", b"abc");
    let body = json!({"softwareURL": release["softwareURL"]}).to_string();
    let path = |grant: &str| format!("/api/v1/devices/lamp-7/desired?grant={grant}");
    let policy = "%7B%22lifetime%22:60,%22strength%22:%22time%22%7D";
    let shown = ask(&server, "PATCH", &path(policy), &body).is(200);
    assert_eq!(shown["grant"]["lifetime"], 60);
    let delta = delta(&server, "lamp-7");
    let lifetime =
        delta["metadata"]["grantExpires"].as_u64().unwrap() - delta["timestamp"].as_u64().unwrap();
    assert!((59_000..=60_000).contains(&lifetime), "{lifetime}");
    ask(&server, "PATCH", &path("key"), &body).is_problem(400, "bad_body");
    ask(&server, "PATCH", &path("%7B%7D%7D"), &body).is_problem(400, "bad_query");
    let shown = ask(&server, "PATCH", "/api/v1/devices/lamp-7/desired", &body).is(200);
    assert_eq!(shown["grant"], Value::Null);
}

#[test]
fn the_servers_default_and_minimum_count() {
    let grant = Grant {
        policy: GrantPolicy {
            strength: Strength::Address,
            min_strength: Strength::Address,
            fallback: Fallback::Time,
            ..GrantPolicy::default()
        },
        ..Grant::default()
    };
    let server = TestServer::start_with(&Wishes {
        grant,
        ..Wishes::default()
    });
    add_release(&server, "2.0.0", b"abc");
    for grant in [Value::Null, json!({"strength": "time"})] {
        wish(&server, "lamp-7", grant).is(200);
        let mut device = Device::connect(server.mqtt_address(), "lamp-7").unwrap();
        device.subscribe("update/delta").unwrap();
        until(&server, "/api/v1/devices/lamp-7", |shown| {
            shown["why"][0]["rule"] == "ungranted"
        });
    }
}

#[test]
fn a_grant_outlives_a_restart_with_its_wish() {
    let mut server = TestServer::start();
    add_release(&server, "2.0.0", b"abc");
    wish(&server, "lamp-7", json!({"lifetime": 60})).is(200);
    server.restart(&Wishes::default());
    let shown = get(&server, "/api/v1/devices/lamp-7").json();
    assert_eq!(shown["grant"]["lifetime"], 60);
}

/// Polls as a device that comes from this address.
fn poll_from(server: &TestServer, device: &str, address: &str) -> Answer {
    let headers = [("refit-device", device), ("x-forwarded-for", address)];
    ask_with("GET", &server.url("/device/v1/delta"), &headers, ())
}

#[test]
fn the_address_of_the_https_ask_counts_before_that_of_the_connection() {
    let server = behind_a_proxy();
    add_release(&server, "2.0.0", b"abc");
    wish(&server, "lamp-7", json!({"strength": "address"})).is(200);
    let polled = poll_from(&server, "lamp-7", "203.0.113.7").is(200);
    assert_eq!(polled["strength"], "address");
    assert_eq!(download_from(&polled, "203.0.113.7").status, 200);
    download_from(&polled, "203.0.113.8").is_problem(403, "grant_refused");
    // Over MQTT it comes from loopback, which is no public address; what it asked from over HTTPS counts.
    let connected = delta(&server, "lamp-7");
    assert_eq!(download_from(&connected, "203.0.113.7").status, 200);
    download_from(&connected, "203.0.113.8").is_problem(403, "grant_refused");
    // In IPv6 its whole site counts.
    let polled = poll_from(&server, "lamp-7", "2001:db8:1:2::3").is(200);
    assert_eq!(download_from(&polled, "2001:db8:1:2:ffff::4").status, 200);
    download_from(&polled, "2001:db8:1:3::3").is_problem(403, "grant_refused");
}

#[test]
fn the_feed_tells_mint_use_and_refusal_once_a_job() {
    let server = behind_a_proxy();
    let mut stream = Stream::open(&server, "", None);
    add_release(&server, "2.0.0", b"abc");
    wish(
        &server,
        "lamp-7",
        json!({"strength": "address", "network": "203.0.113.0/24"}),
    )
    .is(200);
    let delta = poll_from(&server, "lamp-7", "203.0.113.7").is(200);
    let minted = stream.until("grant.minted");
    assert_eq!(
        (&minted["jobID"], &minted["strength"]),
        (&delta["jobID"], &json!("address"))
    );
    for _ in 0..5 {
        assert_eq!(download_from(&delta, "203.0.113.7").status, 200);
        download_from(&delta, "198.51.100.1").is_problem(403, "grant_refused");
    }
    let used = stream.until("grant.used");
    assert_eq!(used["jobID"], delta["jobID"]);
    let refused = stream.until("grant.refused");
    assert_eq!(
        (&refused["jobID"], &refused["reason"]),
        (&delta["jobID"], &json!("address"))
    );
    // The next of them is of another job: the four repetitions of each were not told.
    wish(
        &server,
        "lamp-7",
        json!({"strength": "address", "network": "198.51.100.0/24"}),
    )
    .is(200);
    ask(
        &server,
        "PATCH",
        "/api/v1/devices/lamp-7/desired",
        r#"{"softwareURL":null}"#,
    )
    .is(200);
    wish(&server, "lamp-7", json!({"strength": "time"})).is(200);
    let next = poll_from(&server, "lamp-7", "203.0.113.7").is(200);
    assert_ne!(next["jobID"], delta["jobID"]);
    assert_eq!(download_from(&next, "203.0.113.7").status, 200);
    assert_eq!(stream.until("grant.used")["jobID"], next["jobID"]);
}
