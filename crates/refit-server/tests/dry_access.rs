//! `?dryRun=true` for tokens, users, keys and identities: the answer is that of the change, nothing is changed, nothing
//! stands in the audit log, and no secret that is shown works.

use rcgen::KeyPair;
use refit_testkit::TestServer;
use serde_json::{Value, json};

use crate::asking::{Answer, add_release, ask, ask_with, get, set_release};
use crate::enrolling::{claim, csr, enrol};

/// Everything that a trial could have changed.
fn everything(server: &TestServer) -> Vec<Value> {
    let lists = [
        "/api/v1/devices",
        "/api/v1/tokens",
        "/api/v1/users",
        "/api/v1/enrolment-tokens",
        "/api/v1/grant-keys",
        "/api/v1/audit",
    ];
    let read = |list| {
        let mut shown = get(server, list).is(200);
        for item in shown["items"].as_array_mut().unwrap() {
            // When the token of these questions was last used.
            item["usedAt"].take();
        }
        shown
    };
    lists.map(read).to_vec()
}

/// Tries a change, and sees that nothing is another one afterwards.
#[track_caller]
fn tries(server: &TestServer, method: &str, path: &str, body: &str) -> Answer {
    let before = everything(server);
    let tried = ask(server, method, &format!("/api/v1{path}?dryRun=true"), body);
    assert_eq!(everything(server), before, "{method} {path}");
    tried
}

/// Tries a change, then makes it: both must answer the same but for these members and the mark.
#[track_caller]
fn tried_then_done(
    server: &TestServer,
    (method, path, body): (&str, &str, &str),
    status: u16,
    but_for: &[&str],
) -> (Value, Value) {
    let tried = tries(server, method, path, body).is(status);
    assert_eq!(tried["dryRun"], true, "{tried}");
    let done = ask(server, method, &format!("/api/v1{path}"), body).is(status);
    let plain = |value: &Value| {
        let mut value = value.as_object().unwrap().clone();
        value.remove("dryRun");
        value.retain(|name, _| !but_for.contains(&name.as_str()));
        value
    };
    assert_eq!(plain(&tried), plain(&done), "{method} {path}");
    (tried, done)
}

#[test]
fn a_token_that_is_tried_lets_nobody_in() {
    let server = TestServer::start();
    let wish = r#"{"name":"ci","role":"viewer","expiresIn":"P1D"}"#;
    let make = ("POST", "/tokens", wish);
    let own = ["id", "token", "createdAt", "expiresAt"];
    let (tried, done) = tried_then_done(&server, make, 201, &own);
    assert_eq!(tried["token"], "dry-run");
    assert_eq!(tried["id"], "dry-run");
    let url = server.url("/api/v1/session");
    let shown = ask_with("GET", &url, &[("authorization", "Bearer dry-run")], ());
    shown.is_problem(401, "unauthenticated");
    tries(&server, "POST", "/tokens", wish).is_problem(409, "name_taken");
    let odd = r#"{"name":"c i","role":"viewer"}"#;
    tries(&server, "POST", "/tokens", odd).is_problem(422, "unprocessable");

    let path = format!("/tokens/{}", done["id"].as_str().unwrap());
    let revoked = tries(&server, "DELETE", &path, "").is(200);
    assert_eq!(revoked["name"], "ci");
    assert_eq!(
        (&revoked["good"], &revoked["dryRun"]),
        (&json!(false), &json!(true))
    );
    let bearer = format!("Bearer {}", done["token"].as_str().unwrap());
    ask_with("GET", &url, &[("authorization", &bearer)], ()).is(200);
    ask(&server, "DELETE", &format!("/api/v1{path}"), "").is(204);
    tries(&server, "DELETE", &path, "").is_problem(404, "token_not_found");
}

#[test]
fn what_is_tried_on_a_user_is_what_is_done() {
    let server = TestServer::start();
    let add = r#"{"name":"ada","role":"operator","password":"correct horse battery"}"#;
    tried_then_done(&server, ("POST", "/users", add), 201, &["createdAt"]);
    tries(&server, "POST", "/users", add).is_problem(409, "name_taken");
    for change in [
        r#"{"role":"viewer"}"#,
        r#"{"disabled":true}"#,
        r#"{"disabled":false}"#,
        r#"{"password":"another horse battery"}"#,
    ] {
        tried_then_done(&server, ("PATCH", "/users/ada", change), 200, &[]);
    }
    let short = r#"{"password":"short"}"#;
    tries(&server, "PATCH", "/users/ada", short).is_problem(422, "unprocessable");
    tries(&server, "PATCH", "/users/bob", r#"{"disabled":true}"#).is_problem(404, "user_not_found");
    // A password that was only tried does not let her in, and the old one does.
    tries(
        &server,
        "PATCH",
        "/users/ada",
        r#"{"password":"a third horse battery"}"#,
    )
    .is(200);
    let sign_in = |password: &str| {
        let body = json!({ "user": "ada", "password": password }).to_string();
        ask_with("POST", &server.url("/api/v1/session"), &[], body.as_str())
    };
    sign_in("a third horse battery").is_problem(401, "unauthenticated");
    sign_in("another horse battery").is(200);
    let removed = tries(&server, "DELETE", "/users/ada", "").is(200);
    assert_eq!(
        (&removed["name"], &removed["dryRun"]),
        (&json!("ada"), &json!(true))
    );
    ask(&server, "DELETE", "/api/v1/users/ada", "").is(204);
    tries(&server, "DELETE", "/users/ada", "").is_problem(404, "user_not_found");
}

#[test]
fn a_claim_token_that_is_tried_enrols_nothing() {
    let server = TestServer::start();
    let wish = r#"{"devices":3,"idPattern":"lamp-*"}"#;
    let make = ("POST", "/enrolment-tokens", wish);
    let own = ["id", "token", "createdAt", "expiresAt"];
    let (tried, done) = tried_then_done(&server, make, 201, &own);
    assert_eq!(
        (&tried["id"], &tried["token"]),
        (&json!("dry-run"), &json!("dry-run"))
    );
    let path = format!("/enrolment-tokens/{}", done["id"].as_str().unwrap());
    let revoked = tries(&server, "DELETE", &path, "").is(200);
    assert_eq!(revoked["idPattern"], "lamp-*");
    assert_eq!(
        (&revoked["good"], &revoked["dryRun"]),
        (&json!(false), &json!(true))
    );
    ask(&server, "DELETE", &format!("/api/v1{path}"), "").is(204);
    tries(&server, "DELETE", &path, "").is_problem(404, "not_found");
}

#[test]
fn an_import_that_is_tried_registers_nothing() {
    let server = TestServer::start();
    let lines = "{\"id\":\"a\"}\n{\"id\":\"b\"}\n{\"id\":\"a\"}\nodd\n";
    let results = |answer: Answer| {
        String::from_utf8(answer.bytes)
            .unwrap()
            .lines()
            .map(|line| {
                let line: Value = serde_json::from_str(line).unwrap();
                (
                    line["result"].as_str().unwrap().to_owned(),
                    line["dryRun"] == true,
                )
            })
            .collect::<Vec<_>>()
    };
    let all = |words: [&str; 4], dry: bool| words.map(|word| (word.to_owned(), dry)).to_vec();
    let new = ["registered", "registered", "known", "refused"];
    let tried = tries(&server, "POST", "/devices:import", lines);
    assert_eq!(results(tried), all(new, true));
    get(&server, "/api/v1/devices/a/identity").is_problem(404, "device_not_found");
    let done = ask(&server, "POST", "/api/v1/devices:import", lines);
    assert_eq!(results(done), all(new, false));
    let again = tries(&server, "POST", "/devices:import", lines);
    assert_eq!(
        results(again),
        all(["known", "known", "known", "refused"], true)
    );
}

#[test]
fn what_is_tried_on_an_identity_is_what_is_done() {
    let server = TestServer::start();
    let made = claim(&server, json!({"devices": 9}));
    let key = KeyPair::generate().unwrap();
    enrol(
        &server,
        &json!({"token": made["token"], "id": "d", "csr": csr(&key, None)}),
    )
    .is(201);
    let identity = || get(&server, "/api/v1/devices/d/identity").is(200);
    for (verb, standing, anew) in [
        ("re-enrol", "enrolled", true),
        ("revoke", "revoked", false),
        // Said again, it changes nothing, so `since` is the same.
        ("revoke", "revoked", false),
        ("re-enrol", "revoked", true),
        ("retire", "retired", false),
    ] {
        let before = identity();
        let path = format!("/devices/d/{verb}");
        let own = ["since"];
        let (tried, _) = tried_then_done(&server, ("POST", &path, ""), 200, &own);
        assert_eq!(
            (&tried["standing"], &tried["mayEnrolAnew"]),
            (&json!(standing), &json!(anew))
        );
        assert_eq!(
            tried["since"] == before["since"],
            before == identity(),
            "{verb}"
        );
    }
    let stranger = |verb: &str| tries(&server, "POST", &format!("/devices/e/{verb}"), "");
    stranger("re-enrol").is_problem(404, "device_not_found");
    assert_eq!(stranger("revoke").is(200)["standing"], "revoked");
    get(&server, "/api/v1/devices/e/identity").is_problem(404, "device_not_found");
}

#[test]
fn removing_a_device_can_be_tried() {
    let server = TestServer::start();
    let wish = r#"{"softwareURL":"http://h/x"}"#;
    ask(&server, "PUT", "/api/v1/devices/d/software", wish).is(200);
    let tried = tries(&server, "DELETE", "/devices/d", "").is(200);
    assert_eq!(tried["desired"], json!({}));
    assert_eq!(tried["lastJob"]["status"], "CANCELLED");
    assert_eq!(tried["dryRun"], true);
    let bearer = format!("Bearer {}", server.token());
    let url = server.url("/api/v1/devices/d?dryRun=true");
    let stale = [("authorization", bearer.as_str()), ("if-match", "\"9\"")];
    ask_with("DELETE", &url, &stale, ()).is_problem(412, "version_conflict");
    ask_with("DELETE", &url, &stale[..1], ()).is_problem(428, "precondition_required");
    ask(&server, "DELETE", "/api/v1/devices/d", "").is(204);
    // One that was removed is unknown, in a trial as in earnest.
    for query in ["?dryRun=true", ""] {
        let again = ask(&server, "DELETE", &format!("/api/v1/devices/d{query}"), "");
        again.is_problem(404, "device_not_found");
        let hold = format!("/api/v1/devices/d/hold{query}");
        ask(&server, "POST", &hold, "").is_problem(404, "device_not_found");
    }
}

#[test]
fn rotating_the_keys_of_grants_can_be_tried() {
    let server = TestServer::start();
    add_release(&server, "2.0.0", b"new");
    set_release(&server, "lamp-7", "firmware@2.0.0");
    // A key that has signed nothing is forgotten with its rotation.
    let sign = || {
        let url = server.url("/device/v1/delta");
        ask_with("GET", &url, &[("refit-device", "lamp-7")], ()).is(200)
    };
    let keys = |answer: Answer| {
        let shown = answer.is(201);
        let items = shown["items"].as_array().unwrap().clone();
        assert_eq!(items[0]["current"], true);
        items
    };
    sign();
    let tried = keys(tries(&server, "POST", "/grant-keys", ""));
    assert_eq!(tried[0]["id"], "dry-run");
    let done = keys(ask(&server, "POST", "/api/v1/grant-keys", ""));
    assert_eq!((tried.len(), done.len()), (2, 2));
    assert_eq!(tried[1], done[1]);
    let is_full = || {
        sign();
        ask(&server, "POST", "/api/v1/grant-keys", "").status == 409
    };
    assert!((0..20).any(|_| is_full()), "there is room for any number");
    tries(&server, "POST", "/grant-keys", "").is_problem(409, "conflict");
}
