//! The committed reference of the API, its problems and its metrics is the one that the code gives.

use std::path::Path;

use refit_testkit::TestServer;
use serde_json::Value;

use crate::asking::{ask_with, get};

/// Compares a committed page with what the code says; with `REFIT_BLESS=1`, writes it.
#[track_caller]
fn is_committed(name: &str, said: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../docs/reference")
        .join(name);
    if std::env::var_os("REFIT_BLESS").is_some() {
        std::fs::write(&path, said).unwrap();
    }
    let committed = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        committed == said,
        "{name} is another one now: look at it, then run this test with REFIT_BLESS=1"
    );
}

#[test]
fn the_committed_description_is_what_the_code_says() {
    is_committed("openapi.json", &refit_server::http::openapi());
}

#[test]
fn the_committed_table_of_access_is_what_the_code_says() {
    is_committed("access.md", &refit_server::http::access());
}

#[test]
fn the_committed_problems_are_what_the_code_says() {
    is_committed("problems.md", &refit_server::http::problems());
}

#[test]
fn the_committed_metrics_are_what_is_scraped() {
    let server = TestServer::start();
    let scraped = ask_with("GET", &server.url("/metrics"), &[], ()).bytes;
    let scraped = String::from_utf8(scraped).unwrap();
    let mut page = String::from(
        "# Metrics\n\n`GET /metrics`, in the Prometheus text format. No label ever holds a device's ID. Counters begin \
         anew with each start of the server, but for those of jobs and devices, which are kept with every commit.\n\n\
         | name | type | what it is |\n| --- | --- | --- |\n",
    );
    let mut lines = scraped.lines();
    while let Some(line) = lines.next() {
        let Some((name, help)) = line
            .strip_prefix("# HELP ")
            .and_then(|rest| rest.split_once(' '))
        else {
            continue;
        };
        let kind = lines
            .next()
            .and_then(|line| line.rsplit(' ').next())
            .unwrap();
        page = format!("{page}| `{name}` | {kind} | {help} |\n");
    }
    is_committed("metrics.md", &page);
}

#[test]
fn every_operation_is_described_and_needs_the_token() {
    let server = TestServer::start();
    let document = get(&server, "/api/v1/openapi.json").is(200);
    assert_eq!(document["openapi"], "3.1.0");
    assert_eq!(document["security"][0]["token"], Value::Array(Vec::new()));
    let paths = document["paths"].as_object().unwrap();
    assert_eq!(paths.len(), 54);
    let mut ids = std::collections::HashSet::new();
    for (path, operations) in paths {
        assert!(path.starts_with("/api/v1/"), "{path}");
        for (method, operation) in operations.as_object().unwrap() {
            let id = operation["operationId"].as_str().unwrap();
            assert!(ids.insert(id), "{id} is there twice");
            let summary = operation["summary"].as_str().unwrap_or_default();
            assert!(!summary.is_empty(), "{method} {path}");
        }
    }
}
