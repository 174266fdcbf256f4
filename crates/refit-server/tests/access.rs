//! Every route of the description, asked for by everybody there is: what the table says is what happens.

use std::collections::BTreeSet;
use std::path::Path;

use refit_access::matrix::{Nature, Operation, Target};
use refit_access::rights::{Denial, Rights};
use refit_access::role::Role;
use refit_access::scope::Scope;
use refit_access::token::{Purpose, Secret};
use refit_protocol::device_id::DeviceId;
use refit_protocol::time::Timestamp;
use refit_replica::record::Record;
use refit_store::access::{AccessChange, AccessOutcome, TokenRow};
use refit_store::sqlite::{Options, SqliteStore};
use refit_store::store::{Operation as Written, Outcome, Store};
use refit_testkit::TestServer;
use refit_testkit::server::Wishes;
use serde_json::{Value, json};

use crate::asking::{Answer, ask, ask_with, get};

/// Makes a token; returns its ID and text.
pub(crate) fn made(server: &TestServer, body: &Value) -> (String, String) {
    let made = ask(server, "POST", "/api/v1/tokens", &body.to_string()).is(201);
    let text = |name: &str| made[name].as_str().unwrap().to_owned();
    (text("id"), text("token"))
}

/// Everybody: what they are called, what they show, and what they may.
pub(crate) fn everybody(server: &TestServer) -> Vec<(&'static str, String, Rights)> {
    let mut all = Vec::new();
    for role in Role::OF_USERS {
        let (_, text) = made(
            server,
            &json!({ "name": role.as_str(), "role": role.as_str() }),
        );
        all.push((role.as_str(), text, Rights::new(role, None).unwrap()));
    }
    let named = Operation::ALL.into_iter().filter(|one| one.is_for_scopes());
    let named: Vec<&str> = named.map(Operation::as_str).collect();
    let applications: [(&str, &str, Option<&[&str]>); 3] = [
        ("looks", "lamp-*", None),
        ("does", "lamp-*", Some(&named)),
        ("elsewhere", "door-*", Some(&named)),
    ];
    for (name, devices, may) in applications {
        let scope = Scope::new(&[devices], may).unwrap();
        let mut body = json!({ "name": name, "role": "application", "devices": [devices] });
        if let Some(may) = may {
            body["may"] = json!(may);
        }
        let rights = Rights::new(Role::Application, Some(scope)).unwrap();
        all.push((name, made(server, &body).1, rights));
    }
    all
}

struct Route {
    method: String,
    path: String,
    operations: Vec<Operation>,
}

/// Reads the routes of the description; each must need something that the table has.
fn routes(server: &TestServer) -> Vec<Route> {
    let document = get(server, "/api/v1/openapi.json").is(200);
    let mut routes = Vec::new();
    for (path, methods) in document["paths"].as_object().unwrap() {
        for (method, described) in methods.as_object().unwrap() {
            let names = match &described["x-refit-operation"] {
                Value::String(name) => vec![name.clone()],
                Value::Array(names) => names
                    .iter()
                    .map(|n| n.as_str().unwrap().to_owned())
                    .collect(),
                _ => panic!("{method} {path} does not say what it needs"),
            };
            let read = |name: &String| {
                Operation::parse(name)
                    .unwrap_or_else(|| panic!("{method} {path}: the table lacks {name}"))
            };
            routes.push(Route {
                method: method.to_uppercase(),
                path: path.clone(),
                operations: names.iter().map(read).collect(),
            });
        }
    }
    routes
}

fn asked(server: &TestServer, route: &Route, token: Option<&str>) -> Answer {
    let path = if route.path.starts_with("/api/v1/devices/{id}") {
        route.path.replace("{id}", "lamp-7")
    } else {
        let path = route.path.replace("{id}", "none").replace("{name}", "none");
        path.replace("{version}", "1")
    };
    // A stream of events would not end; one that goes on behind an event that never was does.
    let path = if path == "/api/v1/events" {
        format!("{path}?after=none-1")
    } else {
        path
    };
    let bearer = token.map(|token| format!("Bearer {token}"));
    let mut headers = vec![("if-match", "*")];
    headers.extend(
        bearer
            .iter()
            .map(|bearer| ("authorization", bearer.as_str())),
    );
    let url = server.url(&path);
    match route.method.as_str() {
        "GET" | "DELETE" => ask_with(&route.method, &url, &headers, ()),
        method => ask_with(method, &url, &headers, "{}"),
    }
}

/// What the table says: nothing against it, or why not.
fn verdict(route: &Route, rights: &Rights) -> Result<(), (Operation, Denial)> {
    let lamp = DeviceId::parse("lamp-7").unwrap();
    let names_device = route.path.starts_with("/api/v1/devices/{id}");
    let verdicts = route.operations.iter().map(|operation| {
        let is_of_device = names_device && operation.target() == Target::Device;
        let denied = rights.may(*operation, is_of_device.then_some(&lamp));
        denied.map_err(|denial| (*operation, denial))
    });
    verdicts
        .reduce(|first, next| first.or_else(|first| next.map_err(|_| first)))
        .unwrap()
}

#[test]
fn every_route_answers_each_role_as_the_table_says() {
    let server = TestServer::start();
    let everybody = everybody(&server);
    let routes = routes(&server);
    for route in &routes {
        if route.operations == [Operation::SessionBegin] {
            continue;
        }
        for (name, token, rights) in &everybody {
            let answer = asked(&server, route, Some(token));
            let what = format!("{name}: {} {}", route.method, route.path);
            match verdict(route, rights) {
                Ok(()) => assert!(!matches!(answer.status, 401 | 403), "{what}: {answer:?}"),
                Err((operation, Denial::Device)) if operation.nature() == Nature::Read => {
                    answer.is_problem(404, "device_not_found");
                }
                Err((operation, _)) => {
                    let problem = answer.is_problem(403, "forbidden");
                    assert_eq!(problem["operation"], operation.as_str(), "{what}");
                }
            }
        }
    }
    // What is left is done over MQTT too, or without a description.
    let routed: BTreeSet<Operation> = routes.iter().flat_map(|r| r.operations.clone()).collect();
    let left: Vec<_> = Operation::ALL
        .into_iter()
        .filter(|one| !routed.contains(one))
        .collect();
    assert_eq!(
        left,
        [Operation::ReleaseDownload],
        "the table has what nobody asks for"
    );
}

#[test]
fn nobody_is_let_through_without_a_token_that_is_good() {
    let home = tempfile::tempdir().unwrap();
    let data = home.path().join("data");
    drop(TestServer::start_on(&data, &Wishes::default()).unwrap());
    let expired = Secret::of(Purpose::Token, &[7; 32]);
    let row = TokenRow {
        id: "expired".into(),
        name: "expired".into(),
        role: "admin".into(),
        scope: None,
        hash: expired.hash().0,
        created: Timestamp(1),
        expires: Some(Timestamp(2)),
        used: None,
        revoked: None,
    };
    let store = SqliteStore::open(Options::new(&data)).unwrap();
    let added = store
        .change_access(AccessChange::AddToken(row), None)
        .unwrap();
    assert_eq!(added, AccessOutcome::Done);
    drop(store);
    let server = TestServer::start_on(&data, &Wishes::default()).unwrap();
    let (id, revoked) = made(&server, &json!({ "name": "revoked", "role": "admin" }));
    ask(&server, "DELETE", &format!("/api/v1/tokens/{id}"), "").is(204);
    let unknown = Secret::of(Purpose::Token, &[9; 32]);
    let session = Secret::of(Purpose::Session, &[9; 32]);
    let shown = [
        None,
        Some(""),
        Some(revoked.as_str()),
        Some(expired.expose()),
        Some(unknown.expose()),
        Some(session.expose()),
    ];
    for route in routes(&server) {
        if route.operations == [Operation::SessionBegin] {
            continue;
        }
        for token in shown {
            let answer = asked(&server, &route, token);
            answer.is_problem(401, "unauthenticated");
            assert_eq!(answer.header("www-authenticate"), "Bearer");
        }
    }
}

#[test]
fn lists_hold_what_is_in_scope() {
    let server = TestServer::start();
    for device in ["door-1", "lamp-1", "lamp-2"] {
        let path = format!("/api/v1/devices/{device}/software");
        ask(&server, "PUT", &path, r#"{"softwareURL":"http://h/x"}"#).is(200);
    }
    let (_, token) = made(
        &server,
        &json!({ "name": "app", "role": "application", "devices": ["lamp-*"] }),
    );
    let bearer = format!("Bearer {token}");
    let asked = |path: &str| {
        let answer = ask_with("GET", &server.url(path), &[("authorization", &bearer)], ());
        answer.is(200)
    };
    let of = |list: Value, name: &str| {
        let items = list["items"].as_array().unwrap().clone();
        let mut ids: Vec<String> = items
            .iter()
            .map(|i| i[name].as_str().unwrap().to_owned())
            .collect();
        ids.sort();
        ids
    };
    assert_eq!(of(asked("/api/v1/devices"), "id"), ["lamp-1", "lamp-2"]);
    assert_eq!(of(asked("/api/v1/jobs"), "deviceID"), ["lamp-1", "lamp-2"]);
    let first = asked("/api/v1/devices?limit=1");
    let rest = format!(
        "/api/v1/devices?cursor={}",
        first["nextCursor"].as_str().unwrap()
    );
    assert_eq!(of(asked(&rest), "id"), ["lamp-2"]);
}

#[test]
fn a_scope_of_one_plant_is_one_page_among_many_devices() {
    let home = tempfile::tempdir().unwrap();
    let data = home.path().join("data");
    drop(TestServer::start_on(&data, &Wishes::default()).unwrap());
    let ids = (0..6000).map(|n| format!("plant-{}-{n:04}", n % 6));
    let plant = ["plant-7-0001", "plant-7-0002", "plant-70-1", "zoo-1"].map(str::to_owned);
    fill(&data, ids.chain(plant));
    let server = TestServer::start_on(&data, &Wishes::default()).unwrap();
    let listed = |name: &str, devices: &[&str]| {
        let body = json!({ "name": name, "role": "application", "devices": devices });
        let bearer = format!("Bearer {}", made(&server, &body).1);
        let url = server.url("/api/v1/devices?limit=500");
        let page = ask_with("GET", &url, &[("authorization", &bearer)], ()).is(200);
        let items = page["items"].as_array().unwrap().iter();
        let ids: Vec<String> = items
            .map(|item| item["id"].as_str().unwrap().to_owned())
            .collect();
        (ids, page["nextCursor"].is_null())
    };
    let both = ["plant-7-0001", "plant-7-0002"].map(str::to_owned).to_vec();
    assert_eq!(listed("glob", &["plant-7-*"]), (both.clone(), true));
    assert_eq!(
        listed("ids", &both.iter().map(String::as_str).collect::<Vec<_>>()),
        (both, true)
    );
    let two = ["plant-0-0000", "zoo-1"].map(str::to_owned).to_vec();
    assert_eq!(listed("far", &["zoo-*", "plant-0-0000"]), (two, true));
    // A pattern without a beginning is looked for everywhere, a part of it a page.
    assert_eq!(listed("end", &["*-1"]), (Vec::new(), false));
}

/// Writes devices into the store of a server that does not run.
fn fill(data: &Path, ids: impl Iterator<Item = String>) {
    let store = SqliteStore::open(Options::new(data)).unwrap();
    let made = ids.map(|id| Written {
        device: DeviceId::parse(&id).unwrap(),
        from: None,
        record: Record::default(),
        jobs: Vec::new(),
        seen: None,
        at: Timestamp(1),
        events: Vec::new(),
        rollout: None,
        audit: Vec::new(),
    });
    let outcomes = store.commit(made.collect()).unwrap();
    let is_applied = |outcome: &Outcome| matches!(outcome, Outcome::Applied(_));
    assert!(outcomes.iter().all(is_applied));
}

#[test]
fn software_and_state_are_two_rights() {
    let server = TestServer::start();
    ask(
        &server,
        "PUT",
        "/api/v1/devices/lamp-7/software",
        r#"{"softwareURL":"http://h/x"}"#,
    )
    .is(200);
    let bodies = [
        r#"{"softwareURL":"http://h/y"}"#,
        r#"{"a":1}"#,
        r#"{"softwareURL":"http://h/z","a":2}"#,
    ];
    for (may, expected) in [
        ("state:write", [403, 204, 403]),
        ("software:assign", [204, 403, 403]),
    ] {
        let body = json!({ "name": may.replace(':', "-"), "role": "application", "devices": ["lamp-7"], "may": [may] });
        let (_, token) = made(&server, &body);
        let bearer = format!("Bearer {token}");
        let headers = [("authorization", bearer.as_str()), ("if-match", "*")];
        let url = server.url("/api/v1/devices/lamp-7/desired");
        for (body, status) in bodies.into_iter().zip(expected) {
            let answer = ask_with("PATCH", &url, &headers, body);
            assert_eq!(answer.status, status, "{may} {body}: {answer:?}");
        }
    }
}

#[test]
fn who_writes_and_may_not_read_is_shown_nothing() {
    let server = TestServer::start();
    let may = [
        "state:write",
        "software:assign",
        "device:hold",
        "job:cancel",
    ];
    let body = json!({ "name": "app", "role": "application", "devices": ["lamp-*"], "may": may });
    let bearer = format!("Bearer {}", made(&server, &body).1);
    let headers = [("authorization", bearer.as_str()), ("if-match", "*")];
    let say = |method: &str, path: &str, body: &str| {
        let url = server.url(&format!("/api/v1/devices/{path}"));
        ask_with(method, &url, &headers, body)
    };
    let release = server.url("/api/v1/releases?name=fw&version=1.0.0");
    let operator = format!("Bearer {}", server.token());
    ask_with("POST", &release, &[("authorization", &operator)], "bytes").is(201);
    let lamp = "/api/v1/devices/lamp-7/software";
    ask(&server, "PUT", lamp, r#"{"softwareURL":"http://h/x"}"#).is(200);
    for query in ["?dryRun=true", ""] {
        for (method, path, body) in [
            ("PATCH", "desired", r#"{"a":1}"#),
            ("PUT", "software", r#"{"softwareURL":"http://h/y"}"#),
            ("POST", "hold", ""),
            ("POST", "release", ""),
            ("POST", "cancel", ""),
        ] {
            let answer = say(method, &format!("lamp-7/{path}{query}"), body);
            answer.is(204);
            assert!(answer.bytes.is_empty(), "{path}{query}");
        }
        let path = format!("lamp-7/software{query}");
        let problem = say("PUT", &path, r#"{"release":"fw@1.0.1"}"#);
        let problem = problem.is_problem(422, "unknown_release");
        assert!(!problem.to_string().contains("fw@1.0.0"), "{problem}");
        // An application makes no device, not even in a trial.
        let answer = say("PATCH", &format!("lamp-8/desired{query}"), r#"{"a":1}"#);
        answer.is_problem(404, "device_not_found");
    }
}

#[test]
fn a_session_is_a_cookie_for_own_pages_and_ends_at_once() {
    let server = TestServer::start();
    let user = r#"{"name":"ada","role":"operator","password":"correct horse battery"}"#;
    ask(&server, "POST", "/api/v1/users", user).is(201);
    let url = server.url("/api/v1/session");
    let sign_in = |password: &str| {
        let body = json!({ "user": "ada", "password": password }).to_string();
        ask_with("POST", &url, &[], body.as_str())
    };
    sign_in("wrong horse battery").is_problem(401, "unauthenticated");
    let answer = sign_in("correct horse battery");
    answer.is(200);
    let cookie = answer.header("set-cookie").to_owned();
    assert!(cookie.contains("; HttpOnly; SameSite=Strict"), "{cookie}");
    let cookie = cookie.split(';').next().unwrap();
    let origin = server.url("");
    let shown = ask_with("GET", &url, &[("cookie", cookie)], ()).is(200);
    assert_eq!(
        (shown["name"].as_str(), shown["role"].as_str()),
        (Some("ada"), Some("operator"))
    );
    let put = |headers: &[(&str, &str)]| {
        let url = server.url("/api/v1/devices/lamp-7/software");
        ask_with("PUT", &url, headers, r#"{"softwareURL":"http://h/x"}"#)
    };
    put(&[("cookie", cookie)]).is_problem(403, "forbidden");
    put(&[("cookie", cookie), ("origin", "https://evil.example")]).is_problem(403, "forbidden");
    put(&[("cookie", cookie), ("origin", &origin)]).is(200);
    ask(
        &server,
        "PATCH",
        "/api/v1/users/ada",
        r#"{"disabled":true}"#,
    )
    .is(200);
    ask_with("GET", &url, &[("cookie", cookie)], ()).is_problem(401, "unauthenticated");
    sign_in("correct horse battery").is_problem(401, "unauthenticated");
}

#[test]
fn guesses_run_out_and_it_is_said_for_how_long() {
    let server = TestServer::start();
    let url = server.url("/api/v1/session");
    let guess = || {
        ask_with(
            "POST",
            &url,
            &[],
            r#"{"user":"nobody","password":"correct horse"}"#,
        )
    };
    for _ in 0..refit_access::throttle::ACCOUNT_TRIES {
        guess().is_problem(401, "unauthenticated");
    }
    let answer = guess();
    answer.is_problem(429, "too_many");
    assert!(answer.header("retry-after").parse::<u64>().unwrap() > 0);
}

/// Semantics 21: a change is told with what was before it, and never with a secret.
#[test]
fn the_audit_log_tells_what_access_was_before() {
    let server = TestServer::start();
    let (id, _) = made(
        &server,
        &json!({ "name": "app", "role": "application", "devices": ["lamp-*"], "may": ["device:read"] }),
    );
    let user = r#"{"name":"ada","role":"viewer","password":"correct horse battery"}"#;
    ask(&server, "POST", "/api/v1/users", user).is(201);
    for change in [
        r#"{"role":"operator"}"#,
        r#"{"disabled":true}"#,
        r#"{"disabled":true}"#,
        r#"{"password":"another horse battery"}"#,
    ] {
        ask(&server, "PATCH", "/api/v1/users/ada", change).is(200);
    }
    ask(&server, "DELETE", "/api/v1/users/ada", "").is(204);
    ask(&server, "DELETE", &format!("/api/v1/tokens/{id}"), "").is(204);
    let log = get(&server, "/api/v1/audit?order=oldest").is(200);
    let read = |value: &Value| {
        value
            .as_str()
            .map_or(Value::Null, |text| serde_json::from_str(text).unwrap())
    };
    let lines: Vec<(String, Value)> = log["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|line| {
            (
                line["target"].as_str().unwrap().to_owned(),
                read(&line["before"]),
            )
        })
        .collect();
    let ada = "user:ada".to_owned();
    let token = json!({
        "name": "app", "role": "application", "expires": null,
        "scope": { "devices": ["lamp-*"], "may": ["device:read"] },
    });
    assert_eq!(
        lines,
        [
            ("token:app".to_owned(), Value::Null),
            (ada.clone(), Value::Null),
            (ada.clone(), json!({ "role": "viewer" })),
            (ada.clone(), json!({ "disabled": false })),
            (ada.clone(), json!({ "disabled": true })),
            (ada.clone(), Value::Null),
            (ada, json!({ "role": "operator", "disabled": true })),
            ("token:app".to_owned(), token),
        ]
    );
}

#[test]
fn a_caller_that_asks_too_often_is_told_to_wait_and_others_are_not() {
    use std::io::{Read as _, Write as _};
    let server = TestServer::start();
    let mut stream = std::net::TcpStream::connect(server.http_address()).unwrap();
    let wish = |last: bool| {
        format!(
            "GET /api/v1/session HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {}\r\n{}\r\n",
            server.token(),
            if last { "connection: close\r\n" } else { "" }
        )
    };
    let mut reading = stream.try_clone().unwrap();
    let reader = std::thread::spawn(move || {
        let mut answers = String::new();
        reading.read_to_string(&mut answers).map(|_| answers)
    });
    // One after the other as fast as they are answered; far more than a bucket, and than it gets while they are.
    for n in 1..=8000 {
        if stream.write_all(wish(n == 8000).as_bytes()).is_err() {
            break;
        }
    }
    let answers = reader.join().unwrap().unwrap();
    let refused = answers.matches("HTTP/1.1 429").count();
    assert!(
        refused > 0 && answers.contains("retry-after: "),
        "{refused}"
    );
    // Each answer says how many more there may be, and the refused ones that there are none.
    let policy = "\r\nratelimit-policy: \"caller\";q=1000;w=5\r\n";
    let all = answers.matches("HTTP/1.1 ").count();
    assert_eq!(answers.matches(policy).count(), all);
    let none = answers
        .matches("\r\nratelimit: \"caller\";r=0;t=5\r\n")
        .count();
    assert!(none >= refused, "{none} of {refused}");
    assert!(answers.matches("HTTP/1.1 200").count() >= 1000);
    let metrics = ask_with("GET", &server.url("/metrics"), &[], ()).bytes;
    let line = format!("refit_http_shed_total{{why=\"caller\"}} {refused}\n");
    assert!(String::from_utf8_lossy(&metrics).contains(&line));
}
