//! The committed description of the API is the one that the code gives.

use std::path::Path;

use refit_testkit::TestServer;
use serde_json::Value;

use crate::asking::get;

#[test]
fn the_committed_document_is_what_the_code_says() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/reference/openapi.json");
    let said = refit_server::http::openapi();
    if std::env::var_os("REFIT_BLESS").is_some() {
        std::fs::write(&path, &said).unwrap();
    }
    let committed = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        committed == said,
        "the API changed: look at it, then run this test with REFIT_BLESS=1"
    );
}

#[test]
fn every_operation_is_described_and_needs_the_token() {
    let server = TestServer::start();
    let document = get(&server, "/api/v1/openapi.json").is(200);
    assert_eq!(document["openapi"], "3.1.0");
    assert_eq!(
        document["security"][0]["operator"],
        Value::Array(Vec::new())
    );
    let paths = document["paths"].as_object().unwrap();
    assert_eq!(paths.len(), 14);
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
