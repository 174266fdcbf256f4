//! What is wrong with a field or a parameter is told by its place, for programs too.

use refit_testkit::TestServer;
use serde_json::Value;

use crate::asking::{ask, get};

/// Returns the places and codes of all that is wrong.
#[track_caller]
fn errors(problem: &Value, place: &str) -> Vec<(String, String)> {
    let all = problem["errors"].as_array().unwrap();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let of = |error: &Value| {
        assert!(!text(&error["detail"]).is_empty());
        (text(&error[place]), text(&error["code"]))
    };
    all.iter().map(of).collect()
}

#[test]
fn a_body_where_none_is_taken_is_refused() {
    let server = TestServer::start();
    ask(&server, "PATCH", "/api/v1/devices/d/desired", r#"{"a":1}"#).is(200);
    for (method, path) in [
        ("POST", "/api/v1/devices/d/hold"),
        ("POST", "/api/v1/devices/d/revoke?dryRun=true"),
        ("POST", "/api/v1/grant-keys"),
        ("DELETE", "/api/v1/devices/d"),
    ] {
        let refused = ask(&server, method, path, r#"{"dryRun":true}"#);
        let problem = refused.is_problem(400, "bad_body");
        assert!(problem["detail"].as_str().unwrap().contains("no body"));
    }
    let shown = get(&server, "/api/v1/devices/d").is(200);
    assert_eq!(
        (&shown["held"], &shown["version"]),
        (&Value::from(false), &Value::from(1))
    );
    ask(&server, "POST", "/api/v1/devices/d/hold", "").is(200);
}

#[test]
fn a_field_is_named_by_a_pointer() {
    let server = TestServer::start();
    let software = "/api/v1/devices/lamp-7/software";
    for (method, path, body, pointer, code) in [
        (
            "PUT",
            software,
            r#"{"releese":"a@1"}"#,
            "/releese",
            "unknown",
        ),
        (
            "PUT",
            software,
            r#"{"release":7}"#,
            "/release",
            "wrong_type",
        ),
        ("PUT", software, "{}", "/release", "not_together"),
        (
            "PUT",
            software,
            r#"{"softwareURL":"https://a.example/b","grant":{"kind":"x"}}"#,
            "/grant",
            "malformed",
        ),
        (
            "POST",
            "/api/v1/tokens",
            r#"{"name":"a"}"#,
            "/role",
            "missing",
        ),
        (
            "POST",
            "/api/v1/tokens",
            r#"{"name":"a","role":"god"}"#,
            "/role",
            "not_one_of",
        ),
        (
            "POST",
            "/api/v1/tokens",
            r#"{"name":"a","role":"application","devices":["a",7]}"#,
            "/devices/1",
            "wrong_type",
        ),
        (
            "POST",
            "/api/v1/tokens",
            r#"{"name":"a","role":"viewer","expiresIn":"P1Y"}"#,
            "/expiresIn",
            "malformed",
        ),
        (
            "POST",
            "/api/v1/enrolment-tokens",
            r#"{"devices":0}"#,
            "/devices",
            "out_of_range",
        ),
        (
            "POST",
            "/api/v1/enrolment-tokens",
            r#"{"expiresIn":"P367D"}"#,
            "/expiresIn",
            "out_of_range",
        ),
        ("PATCH", "/api/v1/users/anna", "{}", "", "not_together"),
        (
            "POST",
            "/api/v1/users",
            r#"{"name":"anna","role":"admin","password":4711}"#,
            "/password",
            "wrong_type",
        ),
    ] {
        let problem = ask(&server, method, path, body).is_problem(422, "unprocessable");
        let expected = vec![(pointer.to_owned(), code.to_owned())];
        assert_eq!(errors(&problem, "pointer"), expected, "{problem}");
        assert!(!problem.to_string().contains("4711"));
    }
}

#[test]
fn a_parameter_is_named_and_none_is_ignored() {
    let server = TestServer::start();
    let add = "/api/v1/releases?name=a&version=1";
    for (method, path, parameter, code) in [
        ("GET", "/api/v1/devices?limit=0", "limit", "out_of_range"),
        ("GET", "/api/v1/devices?limit=x", "limit", "malformed"),
        ("GET", "/api/v1/devices?page=2", "page", "unknown"),
        ("GET", "/api/v1/devices/lamp-7?x", "x", "unknown"),
        ("GET", "/api/v1/jobs?status=OPEN", "status", "not_one_of"),
        ("GET", "/api/v1/audit?order=up", "order", "not_one_of"),
        ("POST", "/api/v1/releases?version=1", "name", "missing"),
        ("POST", &format!("{add}&format=zip"), "format", "not_one_of"),
        ("POST", &format!("{add}&dryRun=yes"), "dryRun", "malformed"),
        ("DELETE", "/api/v1/session?dryRun=true", "dryRun", "unknown"),
        ("POST", "/api/v1/session?x=1", "x", "unknown"),
    ] {
        let problem = ask(&server, method, path, "").is_problem(400, "bad_query");
        let expected = vec![(parameter.to_owned(), code.to_owned())];
        assert_eq!(errors(&problem, "parameter"), expected, "{problem}");
    }
    let two = get(&server, "/api/v1/jobs?limt=1&cursr=x").is_problem(400, "bad_query");
    assert_eq!(errors(&two, "parameter").len(), 2);
    let detail = two["detail"].as_str().unwrap();
    assert!(detail.contains("did you mean limit?"), "{detail}");
}
