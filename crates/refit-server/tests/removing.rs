//! Devices that are removed, and what the CA says of those that are there.

use rcgen::KeyPair;
use refit_testkit::TestServer;
use refit_testkit::server::Wishes;
use serde_json::{Value, json};

use crate::asking::{ask, ask_with, get};
use crate::enrolling::{claim, csr, enrol};

#[test]
fn the_ca_says_who_has_moved_and_when_what_expires() {
    let server = TestServer::start();
    let made = claim(&server, json!({"devices": 9}));
    for (id, trust) in [("a", 1), ("b", 0)] {
        let key = KeyPair::generate().unwrap();
        enrol(
            &server,
            &json!({"token": made["token"], "id": id, "csr": csr(&key, None)}),
        )
        .is(201);
        let mut device = refit_testkit::Device::connect(server.mqtt_address(), id).unwrap();
        let report = json!({"state": {"reported": {"agent": {"trust": trust}}}});
        device
            .publish("update", report.to_string().as_bytes())
            .unwrap();
        device.acknowledged().unwrap();
    }
    let shown = get(&server, "/api/v1/ca").is(200);
    assert_eq!(
        (&shown["trust"], &shown["behind"], &shown["leftToRenew"]),
        (&json!(1), &json!(1), &json!(0))
    );
    assert_eq!(
        shown["holds"],
        json!([{"number": 0, "devices": 1}, {"number": 1, "devices": 1}])
    );
    assert_eq!(shown["issuers"][0]["certificates"], 2);
    assert_eq!(shown["issuers"][0]["issuer"], shown["issuer"]);
    assert!(
        shown["certificates"]
            .as_str()
            .unwrap()
            .starts_with("-----BEGIN CERTIFICATE")
    );
}

#[test]
fn a_removed_device_comes_back_above_its_old_version_and_old_jobs_mean_nothing() {
    let mut server = TestServer::start();
    let connect = |server: &TestServer| {
        refit_testkit::Device::connect(server.mqtt_address(), "lamp-7").unwrap()
    };
    crate::asking::add_release(&server, "2.0.0", b"new");
    crate::asking::set_release(&server, "lamp-7", "firmware@2.0.0");
    let mut device = connect(&server);
    device.subscribe("update/delta").unwrap();
    let delta: Value = serde_json::from_slice(&device.message().unwrap().payload).unwrap();
    let before = get(&server, "/api/v1/devices/lamp-7").is(200)["version"]
        .as_u64()
        .unwrap();
    let bearer = format!("Bearer {}", server.token());
    let unsaid = ask_with(
        "DELETE",
        &server.url("/api/v1/devices/lamp-7"),
        &[("authorization", &bearer)],
        (),
    );
    unsaid.is_problem(428, "precondition_required");
    ask(&server, "DELETE", "/api/v1/devices/lamp-7", "").is(204);
    get(&server, "/api/v1/devices/lamp-7").is_problem(404, "device_not_found");
    ask(&server, "DELETE", "/api/v1/devices/lamp-7", "").is_problem(404, "device_not_found");
    assert_eq!(get(&server, "/api/v1/devices").is(200)["items"], json!([]));
    server.restart(&Wishes::default());
    get(&server, "/api/v1/devices/lamp-7").is_problem(404, "device_not_found");
    let mut device = connect(&server);
    device.subscribe("update/rejected").unwrap();
    let word = format!("jobID:{} SUCCESS", delta["jobID"].as_str().unwrap());
    device.publish("update", word.as_bytes()).unwrap();
    let rejected: Value = serde_json::from_slice(&device.message().unwrap().payload).unwrap();
    assert_eq!(rejected["code"], 409);
    device
        .publish("update", br#"{"state":{"reported":{"on":true}}}"#)
        .unwrap();
    device.acknowledged().unwrap();
    let shown = get(&server, "/api/v1/devices/lamp-7").is(200);
    assert!(shown["version"].as_u64().unwrap() > before, "{shown}");
    assert_eq!(
        (&shown["desired"], &shown["reported"]),
        (&json!({}), &json!({"on": true}))
    );
}

#[test]
fn removing_a_device_revokes_what_it_has() {
    let server = TestServer::start();
    let made = claim(&server, json!({"devices": 9}));
    let key = KeyPair::generate().unwrap();
    let body = json!({"token": made["token"], "id": "d", "csr": csr(&key, None)});
    enrol(&server, &body).is(201);
    ask(
        &server,
        "PATCH",
        "/api/v1/devices/d/desired",
        r#"{"on":true}"#,
    )
    .is(200);
    ask(&server, "DELETE", "/api/v1/devices/d", "").is(204);
    assert_eq!(
        get(&server, "/api/v1/devices/d/identity").is(200)["standing"],
        "revoked"
    );
    enrol(&server, &body).is_problem(403, "device_barred");
}

#[test]
fn a_device_that_may_not_connect_is_not_said_to_be_away() {
    let server = TestServer::start();
    let made = claim(&server, json!({"devices": 9}));
    let key = KeyPair::generate().unwrap();
    let body = json!({"token": made["token"], "id": "d", "csr": csr(&key, None)});
    enrol(&server, &body).is(201);
    let wish = r#"{"softwareURL":"https://h/x"}"#;
    ask(&server, "PATCH", "/api/v1/devices/d/desired", wish).is(200);
    for (act, rule) in [("revoke", "revoked"), ("retire", "retired")] {
        ask(&server, "POST", &format!("/api/v1/devices/d/{act}"), "").is(200);
        let shown = get(&server, "/api/v1/devices/d").is(200);
        assert_eq!(shown["why"][0]["rule"], rule, "{shown}");
    }
}
