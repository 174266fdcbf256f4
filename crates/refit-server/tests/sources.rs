//! Which software of other hosts may be desired, over both doors, with the rule of a server without `--dev`.

use refit_protocol::software_source::{HostPattern, Sources};
use refit_replica::input::Policy;
use refit_testkit::server::Wishes;
use refit_testkit::{Device, TestServer};
use serde_json::{Value, json};

use crate::asking::{add_release, ask, until};

const DESIRED: &str = "/api/v1/devices/lamp-7/software";

fn server(sources: Sources) -> TestServer {
    let server = TestServer::start_with(&Wishes {
        policy: Policy {
            sources,
            ..Policy::default()
        },
        ..Wishes::default()
    });
    let mut device = Device::connect(server.mqtt_address(), "lamp-7").unwrap();
    device.subscribe("update/delta").unwrap();
    device
        .publish("update", br#"{"state":{"reported":{"n":1}}}"#)
        .unwrap();
    device.acknowledged().unwrap();
    until(&server, "/api/v1/devices/lamp-7", |shown| {
        shown["reported"]["n"] == 1
    });
    server
}

/// What an application hears for its wish over MQTT; by the token, since it hears too what became of others' wishes.
fn wished(server: &TestServer, url: &str) -> Value {
    let address = server.mqtt_address();
    let mut shop = Device::application(address, "lamp-7", server.token()).unwrap();
    shop.subscribe("update/accepted").unwrap();
    shop.subscribe("update/rejected").unwrap();
    let wish = json!({"state": {"desired": {"softwareURL": url}}, "clientToken": "shop"});
    shop.publish("update", wish.to_string().as_bytes()).unwrap();
    loop {
        let heard: Value = serde_json::from_slice(&shop.message().unwrap().payload).unwrap();
        if heard["clientToken"] == "shop" {
            return heard;
        }
    }
}

#[test]
fn files_scripts_passwords_and_the_devices_own_neighbourhood_are_refused_over_both_doors() {
    let server = server(Sources::default());
    for (url, why) in [
        ("file:///etc/passwd", "https"),
        ("javascript:alert(1)", "https"),
        ("data:,x", "https"),
        ("http://downloads.example/fw", "https"),
        ("https://me:pw@downloads.example/fw", "password"),
        ("https://169.254.169.254/latest/meta-data", "neighbourhood"),
        ("https://[fe80::1]/x", "neighbourhood"),
        ("https://127.0.0.1:8443/x", "neighbourhood"),
    ] {
        let rejected = wished(&server, url);
        assert_eq!(rejected["code"], 400, "{url}: {rejected}");
        assert!(
            rejected["message"].as_str().unwrap().contains(why),
            "{rejected}"
        );
        let body = json!({ "softwareURL": url }).to_string();
        let refused = ask(&server, "PUT", DESIRED, &body);
        assert_eq!(refused.status, 422, "{url}");
        assert!(
            refused.json()["detail"].as_str().unwrap().contains(why),
            "{url}"
        );
    }
}

#[test]
fn a_foreign_https_url_with_the_signature_of_a_store_is_taken_and_the_own_depot_always() {
    let server = server(Sources {
        hosts: vec![HostPattern::parse("*.amazonaws.com").unwrap()],
        ..Sources::default()
    });
    let url = "https://b.s3.eu-central-1.amazonaws.com/fw.bin?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Signature=0a";
    let accepted = wished(&server, url);
    assert!(accepted["version"].is_u64(), "{accepted}");
    let body = json!({ "softwareURL": url }).to_string();
    ask(&server, "PUT", DESIRED, &body).is(200);
    let refused = wished(&server, "https://elsewhere.example/fw.bin");
    assert!(
        refused["message"]
            .as_str()
            .unwrap()
            .contains("*.amazonaws.com"),
        "{refused}"
    );
    // The depot of this server is on loopback, and plain: it is known by its digest.
    let release = add_release(&server, "2.0.0", b"abc");
    let accepted = wished(&server, release["softwareURL"].as_str().unwrap());
    assert!(accepted["version"].is_u64(), "{accepted}");
}

#[test]
fn nothing_hides_behind_the_path_of_the_depot() {
    let server = server(Sources::default());
    let release = add_release(&server, "2.0.0", b"abc");
    let url = release["softwareURL"].as_str().unwrap();
    let path = url.split_once("://").unwrap().1.split_once('/').unwrap().1;
    for hidden in [
        format!("file:///{path}"),
        format!("javascript:alert(1)//://h/{path}"),
        format!("https://me:pw@h/{path}"),
        format!("https://h\\@evil/{path}"),
    ] {
        let rejected = wished(&server, &hidden);
        assert_eq!(rejected["code"], 400, "{hidden}: {rejected}");
        let body = json!({ "softwareURL": hidden }).to_string();
        let problem = ask(&server, "PUT", DESIRED, &body).json();
        assert_eq!(problem["errors"][0]["pointer"], "/softwareURL", "{problem}");
    }
    // Another name of the depot is the same depot.
    let accepted = wished(&server, &format!("https://cdn.example/{path}"));
    assert!(accepted["version"].is_u64(), "{accepted}");
}

#[test]
fn an_artifact_longer_than_the_operator_allows_is_refused_with_what_to_do() {
    let server = TestServer::start_with(&Wishes {
        upload_bytes_max: Some(8),
        ..Wishes::default()
    });
    let upload = |body: &str| ask(&server, "POST", "/api/v1/releases?name=fw&version=1", body);
    let problem = upload("123456789").is_problem(413, "too_large");
    assert_eq!(problem["max"], 8);
    assert!(
        problem["detail"].as_str().unwrap().contains("upload-max"),
        "{problem}"
    );
    upload("12345678").is(201);
}

#[test]
fn a_release_that_looks_like_an_option_or_a_hidden_file_is_refused() {
    let server = TestServer::start();
    for (name, version) in [
        ("-fw", "1"),
        (".fw", "1"),
        ("fw", "-1"),
        ("fw", ".1"),
        ("f%20w", "1"),
    ] {
        let path = format!("/api/v1/releases?name={name}&version={version}");
        let refused = ask(&server, "POST", &path, "x");
        assert_eq!(refused.status, 400, "{name}@{version}");
        let text = String::from_utf8(refused.bytes).unwrap();
        assert!(text.contains("at its beginning"), "{text}");
    }
}
