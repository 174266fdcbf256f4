//! What watches the server, and what an agent asks first: no token needed.

use refit_testkit::TestServer;
use serde_json::Value;

use crate::asking::ask_with;

#[test]
fn it_lives_and_is_ready() {
    let server = TestServer::start();
    let get = |path: &str| ask_with("GET", &server.url(path), &[], ());
    assert_eq!(get("/livez").bytes, b"ok\n");
    assert_eq!(get("/readyz").bytes, b"ok\n");
    let verbose = get("/readyz?verbose");
    assert_eq!(
        verbose.bytes,
        b"store ok: writes work\nserving ok: requests and devices are taken\nok\n"
    );
    get("/readyz?loud").is_problem(400, "bad_query");
    let metrics = get("/metrics");
    assert_eq!(
        metrics.header("content-type"),
        "text/plain; version=0.0.4; charset=utf-8"
    );
    assert!(metrics.bytes.starts_with(b"# HELP refit_build_info "));
}

#[test]
fn an_agent_is_told_where_to_connect_and_what_time_it_is() {
    let server = TestServer::start();
    let told: Value = ask_with("GET", &server.url("/device/v1/bootstrap"), &[], ()).is(200);
    assert_eq!(told["mqtt"], format!("mqtt://{}", server.mqtt_address()));
    let now = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap()
        .as_millis() as u64;
    assert!(told["time"].as_u64().unwrap().abs_diff(now) < 60_000);
}
