//! Devices: listed, shown, and told what they should be, through the engine and down to the store.

use std::io::Write;

use refit_testkit::{Device, TestServer};
use serde_json::{Value, json};

use crate::asking::{add_release, ask, ask_with, get, set_release, until};

#[test]
fn a_wish_makes_the_device_and_opens_a_job() {
    let server = TestServer::start();
    let release = add_release(&server, "2.0.0", b"new");
    let device = set_release(&server, "lamp-7", "firmware@2.0.0");
    assert_eq!(device["desired"]["softwareURL"], release["softwareURL"]);
    assert_eq!(device["desiredSoftware"]["release"], "firmware@2.0.0");
    assert_eq!(device["job"]["status"], "QUEUED");
    assert_eq!(device["job"]["origin"], "direct/first-admin");
    assert_eq!(
        (&device["online"], &device["converged"]),
        (&json!(false), &json!(false))
    );
    assert_eq!(device["why"][0]["rule"], "offline");
    let shown = get(&server, "/api/v1/devices/lamp-7");
    assert_eq!(shown.header("etag"), "\"1\"");
    assert_eq!(shown.json()["job"]["id"], device["job"]["id"]);
}

#[test]
fn a_device_that_does_its_job_is_shown_with_it() {
    let server = TestServer::start();
    add_release(&server, "2.0.0", b"new");
    set_release(&server, "lamp-7", "firmware@2.0.0");
    let mut device = Device::connect(server.mqtt_address(), "lamp-7").unwrap();
    let shown = until(&server, "/api/v1/devices/lamp-7", |shown| {
        shown["online"] == true
    });
    let why = shown["why"][0]["sentence"].as_str().unwrap();
    assert!(why.contains("has not subscribed"), "{why}");
    device.subscribe("update/delta").unwrap();
    let delta: Value = serde_json::from_slice(&device.message().unwrap().payload).unwrap();
    let shown = get(&server, "/api/v1/devices/lamp-7").is(200);
    assert_eq!(
        (&shown["online"], &shown["job"]["status"]),
        (&json!(true), &json!("SENT"))
    );
    assert_eq!(shown["why"][0]["rule"], "sent");
    let running = json!({"jobID": delta["jobID"], "status": "RUNNING", "progress": {"phase": "downloading", "percent": 40}});
    device
        .publish("update", running.to_string().as_bytes())
        .unwrap();
    device.acknowledged().unwrap();
    let shown = get(&server, "/api/v1/devices/lamp-7").is(200);
    assert_eq!(
        shown["job"]["progress"],
        json!({"phase": "downloading", "percent": 40})
    );
    let done = format!("jobID:{} SUCCESS", delta["jobID"].as_str().unwrap());
    device.publish("update", done.as_bytes()).unwrap();
    device.acknowledged().unwrap();
    let shown = get(&server, "/api/v1/devices/lamp-7").is(200);
    assert_eq!(
        (&shown["converged"], &shown["why"]),
        (&json!(true), &json!([]))
    );
    assert_eq!(
        (&shown["job"], &shown["lastJob"]["status"]),
        (&Value::Null, &json!("SUCCEEDED"))
    );
    assert_eq!(shown["reportedSoftware"]["release"], "firmware@2.0.0");
    assert!(shown["seenAt"].is_string(), "it has spoken");
    drop(device);
    until(&server, "/api/v1/devices/lamp-7", |shown| {
        shown["online"] == false
    });
}

#[test]
fn a_grant_is_never_shown() {
    let server = TestServer::start();
    let release = add_release(&server, "2.0.0", b"new");
    let url = format!(
        "{}?device=x&signature=y",
        release["softwareURL"].as_str().unwrap()
    );
    let body = json!({"softwareURL": url}).to_string();
    let device = ask(&server, "PUT", "/api/v1/devices/lamp-7/software", &body).is(200);
    assert!(!device.to_string().contains("signature"), "{device}");
    let body = json!({"softwareURL": "https://s.example/f?v=1&X-Amz-Signature=z"}).to_string();
    let device = ask(&server, "PUT", "/api/v1/devices/lamp-7/software", &body).is(200);
    assert_eq!(
        device["desiredSoftware"],
        json!({"softwareURL": "https://s.example/f?v=1", "release": null})
    );
    assert!(!device.to_string().contains("X-Amz"), "{device}");
}

#[test]
fn the_desired_state_is_merged_and_null_takes_back() {
    let server = TestServer::start();
    let patch = |body: Value| {
        ask(
            &server,
            "PATCH",
            "/api/v1/devices/lamp-7/desired",
            &body.to_string(),
        )
        .is(200)
    };
    patch(json!({"light": {"red": 1, "blue": 2}, "on": true}));
    let device = patch(json!({"light": {"red": null, "green": 3}}));
    assert_eq!(
        device["desired"],
        json!({"light": {"blue": 2, "green": 3}, "on": true})
    );
    assert_eq!(device["version"], 2);
}

#[test]
fn a_wish_for_another_version_is_refused_and_changes_nothing() {
    let server = TestServer::start();
    let bearer = format!("Bearer {}", server.token());
    let url = server.url("/api/v1/devices/lamp-7/desired");
    let patch = |version: &str, body: &'static str| {
        ask_with(
            "PATCH",
            &url,
            &[("authorization", &bearer), ("if-match", version)],
            body,
        )
    };
    ask(
        &server,
        "PATCH",
        "/api/v1/devices/lamp-7/desired",
        r#"{"a":1}"#,
    )
    .is(200);
    assert_eq!(patch("\"1\"", r#"{"a":2}"#).is(200)["version"], 2);
    patch("\"1\"", r#"{"a":3}"#).is_problem(412, "version_conflict");
    patch("\"x\"", r#"{"a":3}"#).is_problem(400, "bad_request");
    assert_eq!(
        get(&server, "/api/v1/devices/lamp-7").is(200)["desired"],
        json!({"a": 2})
    );
}

#[test]
fn devices_are_listed_page_by_page() {
    let server = TestServer::start();
    for number in 0..5 {
        ask(
            &server,
            "PATCH",
            &format!("/api/v1/devices/d{number}/desired"),
            r#"{"a":1}"#,
        )
        .is(200);
    }
    let connected = Device::connect(server.mqtt_address(), "d3").unwrap();
    let (mut path, mut seen) = ("/api/v1/devices?limit=2".to_owned(), Vec::new());
    loop {
        let answer = get(&server, &path);
        let page = answer.is(200);
        for item in page["items"].as_array().unwrap() {
            seen.push((
                item["id"].as_str().unwrap().to_owned(),
                item["online"] == true,
            ));
        }
        let Some(next) = page["nextCursor"].as_str() else {
            break;
        };
        path = format!("/api/v1/devices?limit=2&cursor={next}");
        assert_eq!(answer.header("link"), format!("<{path}>; rel=\"next\""));
    }
    let expected: Vec<_> = (0..5).map(|n| (format!("d{n}"), n == 3)).collect();
    assert_eq!(seen, expected);
    drop(connected);
}

#[test]
fn an_operator_holds_releases_cancels_and_retries() {
    let server = TestServer::start();
    add_release(&server, "2.0.0", b"new");
    set_release(&server, "lamp-7", "firmware@2.0.0");
    let post = |what: &str| {
        ask(
            &server,
            "POST",
            &format!("/api/v1/devices/lamp-7/{what}"),
            "",
        )
        .is(200)
    };
    let rules = |device: &Value| -> Vec<String> {
        device["why"]
            .as_array()
            .unwrap()
            .iter()
            .map(|b| b["rule"].as_str().unwrap().to_owned())
            .collect()
    };
    assert!(rules(&post("hold")).contains(&"held".to_owned()));
    assert!(!rules(&post("release")).contains(&"held".to_owned()));
    let cancelled = post("cancel");
    assert_eq!(
        (&cancelled["job"], &cancelled["lastJob"]["status"]),
        (&Value::Null, &json!("CANCELLED"))
    );
    assert!(rules(&cancelled).contains(&"ended".to_owned()));
    let again = ask(&server, "POST", "/api/v1/devices/lamp-7/cancel", "");
    assert_eq!(
        again.is_problem(409, "conflict")["detail"],
        "it has no open job to end"
    );
    let retried = post("retry");
    assert_eq!(retried["job"]["status"], "QUEUED");
    assert_ne!(retried["job"]["id"], cancelled["lastJob"]["id"]);
}

#[test]
fn a_change_of_a_record_says_of_which_version() {
    let server = TestServer::start();
    add_release(&server, "2.0.0", b"new");
    set_release(&server, "lamp-7", "firmware@2.0.0");
    let bearer = format!("Bearer {}", server.token());
    let send = |method: &str, what: &str, version: Option<&str>| {
        let url = server.url(&format!("/api/v1/devices/lamp-7/{what}"));
        let mut headers = vec![("authorization", bearer.as_str())];
        headers.extend(version.map(|version| ("if-match", version)));
        match method {
            "PATCH" => ask_with(method, &url, &headers, r#"{"a":1}"#),
            _ => ask_with(method, &url, &headers, ()),
        }
    };
    for (method, what) in [
        ("PATCH", "desired"),
        ("POST", "hold"),
        ("POST", "release"),
        ("POST", "retry"),
        ("POST", "cancel"),
    ] {
        send(method, what, None).is_problem(428, "precondition_required");
        send(method, what, Some("\"7\"")).is_problem(412, "version_conflict");
    }
    assert_eq!(
        get(&server, "/api/v1/devices/lamp-7").header("etag"),
        "\"1\""
    );
    assert_eq!(send("POST", "hold", Some("\"1\"")).is(200)["held"], true);
    let cancelled = send("POST", "cancel", Some("\"1\"")).is(200);
    assert_eq!(cancelled["lastJob"]["status"], "CANCELLED");
    // The version fits, and there is nothing to end all the same.
    send("POST", "cancel", Some("\"1\"")).is_problem(409, "conflict");
    assert_eq!(send("PATCH", "desired", Some("*")).is(200)["version"], 2);
}

#[test]
fn what_is_wrong_with_a_wish_is_told() {
    let server = TestServer::start();
    add_release(&server, "2.0.0", b"new");
    let put = |body: &str| ask(&server, "PUT", "/api/v1/devices/lamp-7/software", body);
    let near = put(r#"{"release":"firmware@2.0.1"}"#).is_problem(422, "unknown_release");
    assert!(
        near["detail"]
            .as_str()
            .unwrap()
            .contains("did you mean firmware@2.0.0?"),
        "{near}"
    );
    put(r#"{"release":"firmware"}"#).is_problem(422, "unknown_release");
    put(r#"{"release":"x@1","softwareURL":"http://h"}"#).is_problem(422, "unprocessable");
    put("{}").is_problem(422, "unprocessable");
    put(r#"{"relaese":"x@1"}"#).is_problem(422, "unprocessable");
    let gone = format!(
        r#"{{"softwareURL":"http://h/depot/sha256/{}"}}"#,
        "a".repeat(64)
    );
    put(&gone).is_problem(422, "unprocessable");
    let patch = |body: &str| ask(&server, "PATCH", "/api/v1/devices/lamp-7/desired", body);
    for bad in [
        "",
        "[1]",
        "{",
        r#"{"a":1,"a":2}"#,
        r#"{"a":[null]}"#,
        r#"{"a":99999999999999999999}"#,
    ] {
        patch(bad).is_problem(400, "bad_body");
    }
    patch(&format!(r#"{{"a":"{}"}}"#, "x".repeat(9000))).is_problem(413, "too_large");
    get(&server, "/api/v1/devices/lamp-7").is_problem(404, "device_not_found");
}

#[test]
fn what_is_not_there_is_not_found() {
    let server = TestServer::start();
    get(&server, "/api/v1/devices/nobody").is_problem(404, "device_not_found");
    get(&server, "/api/v1/devices/nobody/jobs").is_problem(404, "device_not_found");
    for what in ["cancel", "hold", "release", "retry"] {
        let path = format!("/api/v1/devices/nobody/{what}");
        ask(&server, "POST", &path, "").is_problem(404, "device_not_found");
    }
    get(&server, "/api/v1/devices/no%20body").is_problem(400, "bad_device_id");
    get(&server, "/api/v1/devices/no%FFbody").is_problem(400, "bad_request");
}

#[test]
fn a_delta_too_large_for_the_client_is_said_to_be() {
    let server = TestServer::start();
    add_release(&server, "2.0.0", b"new");
    set_release(&server, "lamp-7", "firmware@2.0.0");
    // CONNECT of MQTT 5 with a Maximum Packet Size of 128, and SUBSCRIBE to the delta.
    let mut narrow = std::net::TcpStream::connect(server.mqtt_address()).unwrap();
    narrow
        .write_all(b"\x10\x18\0\x04MQTT\x05\x02\0\x3c\x05\x27\0\0\0\x80\0\x06lamp-7")
        .unwrap();
    narrow
        .write_all(b"\x82\x1f\0\x01\0\0\x19state/lamp-7/update/delta\x01")
        .unwrap();
    until(&server, "/api/v1/devices/lamp-7", |shown| {
        let why = shown["why"][0]["sentence"].as_str().unwrap();
        why.contains("maximum packet size")
    });
}
