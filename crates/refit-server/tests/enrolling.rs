//! Devices come by their identity over HTTP: with a token, once, and only for what the token says.

use std::io::Write;
use std::thread;

use rcgen::{CertificateParams, DistinguishedName, DnType, KeyPair};
use refit_testkit::TestServer;
use refit_testkit::server::Wishes;
use serde_json::{Value, json};

use crate::asking::{Answer, ask, ask_with, get};

pub(crate) fn csr(key: &KeyPair, name: Option<&str>) -> String {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    if let Some(name) = name {
        params.distinguished_name.push(DnType::CommonName, name);
    }
    let request = params.serialize_request(key).unwrap();
    pem("CERTIFICATE REQUEST", request.der())
}

fn pem(label: &str, der: &[u8]) -> String {
    use base64::Engine;
    let text = base64::engine::general_purpose::STANDARD.encode(der);
    let lines: Vec<&str> = (0..text.len())
        .step_by(64)
        .map(|at| &text[at..text.len().min(at + 64)])
        .collect();
    format!(
        "-----BEGIN {label}-----\n{}\n-----END {label}-----\n",
        lines.join("\n")
    )
}

pub(crate) fn claim(server: &TestServer, body: Value) -> Value {
    ask(
        server,
        "POST",
        "/api/v1/enrolment-tokens",
        &body.to_string(),
    )
    .is(201)
}

pub(crate) fn enrol(server: &TestServer, body: &Value) -> Answer {
    ask_with(
        "POST",
        &server.url("/device/v1/enrol"),
        &[],
        body.to_string(),
    )
}

fn left(server: &TestServer) -> u64 {
    let list = get(server, "/api/v1/enrolment-tokens").is(200);
    list["items"][0]["left"].as_u64().unwrap()
}

#[test]
fn a_device_gets_its_certificate_for_a_token() {
    let mut server = TestServer::start();
    let made = claim(
        &server,
        json!({"devices": 2, "idPattern": "lamp-*", "attributes": {"site": "north"}}),
    );
    let token = made["token"].as_str().unwrap().to_owned();
    assert!(token.starts_with("rfe_"), "{made}");
    let key = KeyPair::generate().unwrap();
    let body = json!({"token": token, "id": "lamp-7", "csr": csr(&key, None), "attributes": {"model": "m1"}});
    let answer = enrol(&server, &body).is(201);
    assert_eq!(answer["id"], "lamp-7");
    let chain = answer["certificate"].as_str().unwrap();
    assert_eq!(chain.matches("BEGIN CERTIFICATE").count(), 2);
    assert_eq!(answer["trust"]["number"], 1);
    assert_eq!(
        answer["trust"],
        ask_with("GET", &server.url("/device/v1/trust"), &[], ()).is(200)
    );
    assert!(answer["renewAfter"].as_u64() < answer["expires"].as_u64());
    // The answer was lost: the same again, also after a restart, and it is counted once.
    server.restart(&Wishes::default());
    assert_eq!(
        enrol(&server, &body).is(201)["certificate"],
        answer["certificate"]
    );
    assert_eq!(left(&server), 1);
    let shown = get(&server, "/api/v1/devices/lamp-7/identity").is(200);
    assert_eq!(shown["standing"], "enrolled");
    assert_eq!(shown["attributes"], json!({"site": "north"}));
    assert_eq!(shown["claimed"], json!({"model": "m1"}));
    assert_eq!(shown["certificates"].as_array().unwrap().len(), 1);
}

#[test]
fn the_secret_of_a_token_is_shown_once_and_kept_nowhere() {
    let mut server = TestServer::start();
    let bearer = format!("Bearer {}", server.token());
    let headers = [
        ("authorization", bearer.as_str()),
        ("idempotency-key", "k1"),
    ];
    let made = ask_with(
        "POST",
        &server.url("/api/v1/enrolment-tokens"),
        &headers,
        "{}",
    );
    assert_eq!(made.header("cache-control"), "no-store");
    let token = made.is(201)["token"].as_str().unwrap().to_owned();
    let secret = &token[token.len() - 22..];
    let list = get(&server, "/api/v1/enrolment-tokens").is(200);
    assert!(!list.to_string().contains(secret));
    server.stop();
    let raw = base64_tail(&token);
    for entry in walk(server.data()) {
        let bytes = std::fs::read(&entry).unwrap();
        assert!(!contains(&bytes, secret.as_bytes()), "{}", entry.display());
        assert!(!contains(&bytes, &raw), "{}", entry.display());
    }
}

fn base64_tail(token: &str) -> Vec<u8> {
    use base64::Engine;
    let bytes = base64::engine::general_purpose::URL_SAFE_NO_PAD
        .decode(token.trim_start_matches("rfe_"))
        .unwrap();
    bytes[bytes.len() - 16..].to_vec()
}

fn contains(hay: &[u8], needle: &[u8]) -> bool {
    hay.windows(needle.len()).any(|w| w == needle)
}

fn walk(folder: &std::path::Path) -> Vec<std::path::PathBuf> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap().flatten() {
        match entry.path() {
            path if path.is_dir() => files.extend(walk(&path)),
            path => files.push(path),
        }
    }
    files
}

#[test]
fn of_a_hundred_that_race_as_many_enrol_as_the_token_says() {
    let server = TestServer::start();
    let made = claim(&server, json!({"devices": 7}));
    let statuses: Vec<u16> = thread::scope(|scope| {
        let racers: Vec<_> = (0..100)
            .map(|n| {
                let (server, token) = (&server, &made["token"]);
                scope.spawn(move || {
                    let key = KeyPair::generate().unwrap();
                    let id = format!("d{n}");
                    enrol(
                        server,
                        &json!({"token": token, "id": id, "csr": csr(&key, None)}),
                    )
                    .status
                })
            })
            .collect();
        racers
            .into_iter()
            .map(|racer| racer.join().unwrap())
            .collect()
    });
    let count = |status: u16| statuses.iter().filter(|s| **s == status).count();
    assert_eq!((count(201), count(403)), (7, 93), "{statuses:?}");
    assert_eq!(left(&server), 0);
}

#[test]
fn what_does_not_fit_the_token_is_refused_and_costs_nothing() {
    let server = TestServer::start();
    let made = claim(&server, json!({"devices": 5, "idPattern": "lamp-?"}));
    let token = made["token"].as_str().unwrap();
    let key = KeyPair::generate().unwrap();
    let plain = csr(&key, None);
    let wrong_secret = {
        let at = token.len() - 1;
        let other = if token.ends_with('A') { "Q" } else { "A" };
        format!("{}{other}", &token[..at])
    };
    let weak = include_str!("../../refit-identity/tests/data/rsa1024.csr.pem");
    for (body, status, code) in [
        (
            json!({"token": token, "id": "door-1", "csr": plain}),
            403,
            "enrolment_refused",
        ),
        (
            json!({"token": token, "id": "lamp-77", "csr": plain}),
            403,
            "enrolment_refused",
        ),
        (json!({"token": token, "csr": plain}), 400, "bad_body"),
        (
            json!({"token": token, "id": "lamp/7", "csr": plain}),
            400,
            "bad_body",
        ),
        (
            json!({"token": token, "id": "lamp-7", "csr": csr(&key, Some("lamp-8"))}),
            400,
            "bad_csr",
        ),
        (
            json!({"token": token, "id": "lamp-7", "csr": weak}),
            400,
            "bad_csr",
        ),
        (
            json!({"token": token, "id": "lamp-7", "csr": "x"}),
            400,
            "bad_csr",
        ),
        (
            json!({"token": wrong_secret, "id": "lamp-7", "csr": plain}),
            403,
            "enrolment_refused",
        ),
        (
            json!({"token": "rfe_x", "id": "lamp-7", "csr": plain}),
            400,
            "bad_body",
        ),
        (
            json!({"id": "lamp-7", "csr": plain}),
            403,
            "enrolment_refused",
        ),
        (
            json!({"token": token, "id": "lamp-7", "csr": plain, "x": 1}),
            400,
            "bad_body",
        ),
        (
            json!({"token": token, "id": "lamp-7", "csr": "x".repeat(17_000)}),
            413,
            "too_large",
        ),
    ] {
        enrol(&server, &body).is_problem(status, code);
    }
    assert_eq!(left(&server), 5);
    // The common name of the request is as good as an ID beside it.
    let body = json!({"token": token, "csr": csr(&key, Some("lamp-7"))});
    assert_eq!(enrol(&server, &body).is(201)["id"], "lamp-7");
}

#[test]
fn a_token_gives_no_second_key_and_an_operator_does_once() {
    let server = TestServer::start();
    let made = claim(&server, json!({"devices": 9}));
    let ask_for = |key: &KeyPair| {
        enrol(
            &server,
            &json!({"token": made["token"], "id": "d", "csr": csr(key, None)}),
        )
    };
    let keys: Vec<_> = (0..4).map(|_| KeyPair::generate().unwrap()).collect();
    ask_for(&keys[0]).is(201);
    ask_for(&keys[1]).is_problem(409, "device_has_key");
    let unknown = ask(&server, "POST", "/api/v1/devices/e/re-enrol", "");
    unknown.is_problem(404, "device_not_found");
    ask(&server, "POST", "/api/v1/devices/d/re-enrol", "").is(200);
    ask_for(&keys[1]).is(201);
    ask_for(&keys[2]).is_problem(409, "device_has_key");
    let shown = ask(&server, "POST", "/api/v1/devices/d/revoke", "").is(200);
    assert_eq!(shown["standing"], "revoked");
    ask_for(&keys[1]).is_problem(403, "device_barred");
    ask_for(&keys[2]).is_problem(403, "device_barred");
    let again = ask(&server, "POST", "/api/v1/devices/d/revoke", "").is(200);
    assert_eq!(
        again["since"], shown["since"],
        "to say it again changes nothing"
    );
    ask(&server, "POST", "/api/v1/devices/d/re-enrol", "").is(200);
    ask_for(&keys[0]).is_problem(403, "device_barred");
    ask_for(&keys[3]).is(201);
    let shown = get(&server, "/api/v1/devices/d/identity").is(200);
    let states: Vec<_> = shown["certificates"]
        .as_array()
        .unwrap()
        .iter()
        .map(|c| c["state"].as_str().unwrap())
        .collect();
    assert_eq!(states, ["active", "revoked", "revoked"]);
}

#[test]
fn a_revoked_token_enrols_nobody_else() {
    let server = TestServer::start();
    let made = claim(&server, json!({"devices": 9}));
    let path = format!("/api/v1/enrolment-tokens/{}", made["id"].as_str().unwrap());
    ask(&server, "DELETE", &path, "").is(204);
    ask(&server, "DELETE", &path, "").is_problem(404, "not_found");
    let key = KeyPair::generate().unwrap();
    let refused = enrol(
        &server,
        &json!({"token": made["token"], "id": "d", "csr": csr(&key, None)}),
    );
    let problem = refused.is_problem(403, "enrolment_refused");
    assert!(problem["detail"].as_str().unwrap().contains("was revoked"));
    for bad in [
        json!({"devices": 0}),
        json!({"expiresIn": "PT0S"}),
        json!({"idPattern": "a/b"}),
        json!({"idPattern": ""}),
        json!({"device": 3}),
    ] {
        ask(
            &server,
            "POST",
            "/api/v1/enrolment-tokens",
            &bad.to_string(),
        )
        .is_problem(422, "unprocessable");
    }
}

#[test]
fn a_list_of_ids_is_taken_as_a_stream_with_a_result_per_line() {
    let server = TestServer::start();
    let mut list = Vec::new();
    for n in 0..1200 {
        writeln!(list, r#"{{"id":"d{n}","attributes":{{"rack":{n}}}}}"#).unwrap();
    }
    list.extend_from_slice(
        b"\n{\"id\":\"d0\"}\nnot json\n{\"id\":\"a b\"}\n{\"id\":\"x\",\"y\":1}\n",
    );
    list.extend_from_slice(format!("{{\"id\":\"{}\"}}\n", "x".repeat(20_000)).as_bytes());
    list.extend_from_slice(b"{\"id\":\"last\"}");
    let bearer = format!("Bearer {}", server.token());
    let headers = [
        ("authorization", bearer.as_str()),
        ("content-type", "application/x-ndjson"),
    ];
    let answer = ask_with(
        "POST",
        &server.url("/api/v1/devices:import"),
        &headers,
        list.as_slice(),
    );
    assert_eq!(
        answer.status,
        200,
        "{}",
        String::from_utf8_lossy(&answer.bytes)
    );
    let lines: Vec<Value> = answer
        .bytes
        .split(|b| *b == b'\n')
        .filter(|l| !l.is_empty())
        .map(|line| serde_json::from_slice(line).unwrap())
        .collect();
    assert_eq!(lines.len(), 1206);
    assert!(
        lines[..1200]
            .iter()
            .all(|line| line["result"] == "registered")
    );
    assert_eq!(
        lines[1199],
        json!({"line": 1200, "id": "d1199", "result": "registered"})
    );
    let rest: Vec<_> = lines[1200..]
        .iter()
        .map(|line| {
            (
                line["line"].as_u64().unwrap(),
                line["result"].as_str().unwrap(),
            )
        })
        .collect();
    assert_eq!(
        rest,
        [
            (1202, "known"),
            (1203, "refused"),
            (1204, "refused"),
            (1205, "refused"),
            (1206, "refused"),
            (1207, "registered")
        ]
    );
    assert!(
        lines[1204]["detail"]
            .as_str()
            .unwrap()
            .contains("longer than")
    );
    let shown = get(&server, "/api/v1/devices/d7/identity").is(200);
    assert_eq!(
        (&shown["standing"], &shown["attributes"]),
        (&json!("registered"), &json!({"rack": 7}))
    );
}

#[test]
fn who_shows_no_certificate_renews_nothing() {
    let server = TestServer::start();
    let renew =
        |path: &str, body: Value| ask_with("POST", &server.url(path), &[], body.to_string());
    renew("/device/v1/renew", json!({"csr": "x"})).is_problem(401, "certificate_needed");
    let nonce = ask_with("GET", &server.url("/device/v1/nonce"), &[], ());
    assert_eq!(nonce.header("cache-control"), "no-store");
    let nonce = nonce.is(200);
    let expired =
        |nonce: &Value| json!({"certificate": "x", "csr": "x", "nonce": nonce, "signature": "AA"});
    renew("/device/v1/renew/expired", expired(&nonce["nonce"])).is_problem(400, "bad_body");
    let other = json!("A".repeat(43));
    renew("/device/v1/renew/expired", expired(&other)).is_problem(403, "enrolment_refused");
}

#[test]
fn a_ca_that_is_not_whole_is_named_before_anybody_is_served() {
    use std::os::unix::fs::PermissionsExt;
    let home = tempfile::tempdir().unwrap();
    let data = home.path().join("data");
    TestServer::start_on(&data, &Wishes::default())
        .unwrap()
        .stop();
    let key = data.join("ca/issuer.key");
    let fault = || {
        TestServer::start_on(&data, &Wishes::default())
            .err()
            .unwrap()
            .to_string()
    };
    let mode =
        |mode| std::fs::set_permissions(&key, std::fs::Permissions::from_mode(mode)).unwrap();
    assert_eq!(
        std::fs::metadata(&key).unwrap().permissions().mode() & 0o777,
        0o600
    );
    mode(0o640);
    assert!(fault().contains("chmod 600"), "{}", fault());
    mode(0o600);
    let whole = std::fs::read(&key).unwrap();
    std::fs::copy(data.join("ca/root.key"), &key).unwrap();
    assert!(fault().contains("the key is not the one"), "{}", fault());
    std::fs::write(&key, "x").unwrap();
    assert!(fault().contains("PKCS #8"), "{}", fault());
    std::fs::remove_file(&key).unwrap();
    assert!(fault().contains("is missing"), "{}", fault());
    std::fs::write(&key, whole).unwrap();
    mode(0o600);
    TestServer::start_on(&data, &Wishes::default())
        .unwrap()
        .stop();
    // Another CA under the same devices would lock all of them out.
    std::fs::rename(data.join("ca"), data.join("old")).unwrap();
    assert!(fault().contains("root.pem is missing"), "{}", fault());
    let other = tempfile::tempdir().unwrap();
    let other = other.path().join("data");
    TestServer::start_on(&other, &Wishes::default())
        .unwrap()
        .stop();
    std::fs::rename(other.join("ca"), data.join("ca")).unwrap();
    assert!(fault().contains("not in the trust bundle"), "{}", fault());
}
