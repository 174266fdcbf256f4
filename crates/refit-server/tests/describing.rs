//! Devices described and found: facts, selectors, lists, figures, over HTTP and with real devices.

use refit_testkit::server::Wishes;
use refit_testkit::{Device, TestServer};
use serde_json::{Value, json};

use crate::asking::{Answer, add_release, ask, ask_with, get, set_release, until};

fn describe(server: &TestServer, device: &str, facts: Value) -> Answer {
    let path = format!("/api/v1/devices/{device}/facts");
    ask(server, "PATCH", &path, &facts.to_string())
}

/// Changes facts from this version.
fn patch(server: &TestServer, path: &str, tag: &[(&str, &str)], body: &str) -> Answer {
    let token = format!("Bearer {}", server.token());
    let headers = [&[("Authorization", token.as_str())], tag].concat();
    ask_with("PATCH", &server.url(path), &headers, body.as_bytes())
}

/// Makes devices by what is said of them.
fn import(server: &TestServer, lines: &[Value]) -> Vec<Value> {
    let lines: Vec<String> = lines.iter().map(Value::to_string).collect();
    let answer = ask(server, "POST", "/api/v1/facts:import", &lines.join("\n"));
    assert_eq!(answer.status, 200);
    ndjson(&answer)
}

fn ndjson(answer: &Answer) -> Vec<Value> {
    let text = String::from_utf8(answer.bytes.clone()).unwrap();
    let lines = text.lines().map(|line| serde_json::from_str(line).unwrap());
    lines.collect()
}

/// Writes a selector for a query.
fn query(selector: &str) -> String {
    let bytes = selector.bytes().map(|byte| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'.' | b'-' => char::from(byte).to_string(),
        byte => format!("%{byte:02X}"),
    });
    bytes.collect()
}

fn found(server: &TestServer, selector: &str) -> Vec<String> {
    let page = get(
        server,
        &format!("/api/v1/devices?select={}&count=exact", query(selector)),
    );
    let page = page.is(200);
    let items = page["items"].as_array().unwrap();
    assert_eq!(
        page["count"],
        json!({ "value": items.len(), "relation": "exact" })
    );
    let ids = items
        .iter()
        .map(|item| item["id"].as_str().unwrap().to_owned());
    ids.collect()
}

#[test]
fn what_is_said_of_a_device_is_shown_with_who_says_it() {
    let server = TestServer::start();
    let mut device = Device::connect(server.mqtt_address(), "lamp-7").unwrap();
    let own = json!({ "state": { "reported": { "attributes": { "model": "own", "cores": 4, "deep": {} } } } });
    device
        .publish("update", own.to_string().as_bytes())
        .unwrap();
    device.acknowledged().unwrap();
    let shown = describe(
        &server,
        "lamp-7",
        json!({ "tags": { "ring": "canary" }, "attributes": { "model": "gw" } }),
    );
    let facts = shown.is(200);
    assert_eq!(facts["tags"], json!({ "ring": "canary" }));
    let attributes = json!({ "model": { "value": "gw", "source": "operator" }, "cores": { "value": 4, "source": "device" } });
    assert_eq!(facts["attributes"], attributes);
    let shown = get(&server, "/api/v1/devices/lamp-7").is(200);
    assert_eq!(shown["facts"], facts);
    assert_eq!(
        found(
            &server,
            "model = gw and attr.cores > 3 and tag.ring = canary and online"
        ),
        ["lamp-7"]
    );
    describe(
        &server,
        "lamp-7",
        json!({ "attributes": { "model": null } }),
    )
    .is(200);
    assert_eq!(found(&server, "model = own"), ["lamp-7"]);
    let log = get(&server, "/api/v1/audit?action=device:describe").is(200);
    assert_eq!(log["items"].as_array().unwrap().len(), 2);
    assert_eq!(log["items"][0]["target"], "device:lamp-7");
}

#[test]
fn facts_are_changed_from_the_version_that_was_read() {
    let server = TestServer::start();
    import(&server, &[json!({ "id": "lamp-7" })]);
    let path = "/api/v1/devices/lamp-7/facts";
    let change = json!({ "tags": { "ring": "a" } }).to_string();
    let with = |tag: &str| patch(&server, path, &[("If-Match", tag)], &change);
    patch(&server, path, &[], &change).is_problem(428, "precondition_required");
    let tag = get(&server, path).header("etag").to_owned();
    with("\"7\"").is_problem(412, "version_conflict");
    let dry = format!("{path}?dryRun=true");
    let tried = patch(&server, &dry, &[("If-Match", &tag)], &change).is(200);
    assert_eq!(
        (&tried["dryRun"], &tried["tags"]["ring"]),
        (&json!(true), &json!("a"))
    );
    assert_eq!(found(&server, "has tag.ring"), Vec::<String>::new());
    let changed = with(&tag);
    changed.is(200);
    with(&tag).is_problem(412, "version_conflict");
    assert_ne!(changed.header("etag"), tag);
    describe(&server, "lamp-8", json!({})).is_problem(404, "device_not_found");
    let nested = describe(&server, "lamp-7", json!({ "attributes": { "a": {} } }));
    nested.is_problem(422, "unprocessable");
    describe(&server, "lamp-7", json!({ "tags": { "No Name": "" } }))
        .is_problem(422, "unprocessable");
    describe(&server, "lamp-7", json!({ "labels": {} })).is_problem(422, "unprocessable");
}

#[test]
fn a_selector_finds_devices_page_by_page() {
    let server = TestServer::start();
    let line = |n: usize| json!({ "id": format!("d{n:03}"), "tags": { "half": if n.is_multiple_of(2) { "even" } else { "odd" } } });
    let lines: Vec<Value> = (0..25).map(line).collect();
    let answers = import(&server, &lines);
    assert!(
        answers.iter().all(|answer| answer["result"] == "made"),
        "{answers:?}"
    );
    let mut path = format!(
        "/api/v1/devices?limit=5&count=exact&select={}",
        query("tag.half = odd")
    );
    let (mut ids, mut pages) = (Vec::new(), 0);
    loop {
        let answer = get(&server, &path);
        let page = answer.is(200);
        assert_eq!(page["count"]["value"], 12);
        let items = page["items"].as_array().unwrap().iter();
        ids.extend(items.map(|item| item["id"].as_str().unwrap().to_owned()));
        pages += 1;
        let Some(next) = page["nextCursor"].as_str() else {
            break;
        };
        assert!(answer.header("link").contains("select="));
        path = format!(
            "/api/v1/devices?limit=5&count=exact&select={}&cursor={next}",
            query("tag.half=odd")
        );
    }
    let wanted: Vec<String> = (0..25)
        .filter(|n| n % 2 == 1)
        .map(|n| format!("d{n:03}"))
        .collect();
    assert_eq!((ids, pages), (wanted, 3));
    let first = get(
        &server,
        &format!("/api/v1/devices?limit=5&select={}", query("all")),
    )
    .is(200);
    let cursor = first["nextCursor"].as_str().unwrap();
    let other = format!(
        "/api/v1/devices?limit=5&select={}&cursor={cursor}",
        query("tag.half = odd")
    );
    get(&server, &other).is_problem(400, "bad_cursor");
}

#[test]
fn a_mistake_in_a_selector_is_told_with_its_place() {
    let server = TestServer::start();
    let ask = |selector: &str| {
        let listed = get(
            &server,
            &format!("/api/v1/devices?select={}", query(selector)),
        );
        let explained = get(
            &server,
            &format!("/api/v1/selector/explain?select={}", query(selector)),
        );
        let problem = listed.is_problem(400, "bad_selector");
        assert_eq!(
            problem["position"],
            explained.is_problem(400, "bad_selector")["position"]
        );
        problem
    };
    let problem = ask("online and modle = gw");
    assert_eq!(problem["position"], json!({ "offset": 11, "length": 5 }));
    assert_eq!(problem["suggestion"], "model");
    assert_eq!(ask("not in list recall")["list"], "recall");
    assert_eq!(ask("")["position"]["offset"], 0);
}

#[test]
fn a_selector_is_explained() {
    let server = TestServer::start();
    import(
        &server,
        &[
            json!({ "id": "a", "attributes": { "model": "gw" } }),
            json!({ "id": "b" }),
        ],
    );
    let explained = get(
        &server,
        &format!(
            "/api/v1/selector/explain?select={}",
            query("model=gw,not online")
        ),
    );
    let explained = explained.is(200);
    assert_eq!(explained["selector"], "model = gw and not online");
    assert_eq!(
        (&explained["count"], &explained["of"]),
        (&json!(1), &json!(2))
    );
    assert_eq!(explained["claimedByDevices"], json!(["model = gw"]));
    assert_eq!(explained["steps"][0]["part"], "and");
}

#[test]
fn what_is_said_of_a_fleet_leaves_and_comes_back() {
    let server = TestServer::start();
    let lines = [
        json!({ "id": "a", "tags": { "ring": "canary" }, "attributes": { "cores": 4 } }),
        json!({ "id": "b", "tags": {}, "attributes": {} }),
    ];
    let with_bad = [
        lines[0].clone(),
        json!({ "id": "a b" }),
        json!({ "id": "c", "label": 1 }),
        lines[1].clone(),
    ];
    let answers = import(&server, &with_bad);
    let results: Vec<&str> = answers
        .iter()
        .map(|answer| answer["result"].as_str().unwrap())
        .collect();
    assert_eq!(results, ["made", "refused", "refused", "made"]);
    assert_eq!(
        (&answers[3]["line"], &answers[3]["id"]),
        (&json!(4), &json!("b"))
    );
    assert!(answers[2]["detail"].as_str().unwrap().contains("label"));
    let exported = get(&server, "/api/v1/facts:export");
    assert_eq!(ndjson(&exported), lines);
    let some = get(
        &server,
        &format!("/api/v1/facts:export?select={}", query("has tag.ring")),
    );
    assert_eq!(ndjson(&some), lines[..1]);
    let other = TestServer::start();
    let dry = ask(
        &other,
        "POST",
        "/api/v1/facts:import?dryRun=true",
        &String::from_utf8(exported.bytes.clone()).unwrap(),
    );
    assert!(
        ndjson(&dry)
            .iter()
            .all(|answer| answer["result"] == "made" && answer["dryRun"] == true)
    );
    get(&other, "/api/v1/devices/a").is_problem(404, "device_not_found");
    import(&other, &lines);
    assert_eq!(get(&other, "/api/v1/facts:export").bytes, exported.bytes);
    let again = import(&other, &lines);
    assert!(
        again.iter().all(|answer| answer["result"] == "same"),
        "{again:?}"
    );
    let fewer = import(&other, &[json!({ "id": "a" })]);
    assert_eq!(fewer[0]["result"], "changed");
    assert_eq!(
        found(&other, "has tag.ring or has attr.cores"),
        Vec::<String>::new()
    );
}

#[test]
fn a_list_of_ids_is_a_selector_and_outlives_a_restart() {
    let mut server = TestServer::start();
    import(&server, &[json!({ "id": "a" }), json!({ "id": "b" })]);
    let put = |server: &TestServer, body: &str| ask(server, "PUT", "/api/v1/lists/pilot", body);
    let list = put(&server, "a\nfuture\r\n\n{\"id\": \"c\"}").is(201);
    assert_eq!((&list["count"], &list["known"]), (&json!(3), &json!(1)));
    assert_eq!(found(&server, "in list pilot"), ["a"]);
    import(&server, &[json!({ "id": "c" })]);
    assert_eq!(found(&server, "in list pilot"), ["a", "c"]);
    let problem = put(&server, "a\nb b").is_problem(422, "unprocessable");
    assert_eq!(problem["line"], 2);
    assert_eq!(found(&server, "not in list pilot"), ["b"]);
    let dry = ask(&server, "PUT", "/api/v1/lists/pilot?dryRun=true", "b").is(200);
    assert_eq!(dry["dryRun"], true);
    server.restart(&Wishes::default());
    assert_eq!(found(&server, "in list pilot"), ["a", "c"]);
    let text = get(&server, "/api/v1/lists/pilot");
    assert_eq!(text.bytes, b"a\nc\nfuture\n");
    let all = get(&server, "/api/v1/lists").is(200);
    assert_eq!(all["items"][0]["name"], "pilot");
    ask(&server, "DELETE", "/api/v1/lists/pilot?dryRun=true", "").is(200);
    assert_eq!(
        ask(&server, "DELETE", "/api/v1/lists/pilot", "").status,
        204
    );
    ask(&server, "DELETE", "/api/v1/lists/pilot", "").is_problem(404, "list_not_found");
    let gone = get(
        &server,
        &format!("/api/v1/devices?select={}", query("in list pilot")),
    );
    gone.is_problem(400, "bad_selector");
}

#[test]
fn the_fleet_is_shown_in_figures_that_are_selectors() {
    let server = TestServer::start();
    add_release(&server, "2.0.0", b"new");
    set_release(&server, "lamp-7", "firmware@2.0.0");
    import(
        &server,
        &[
            json!({ "id": "lamp-8" }),
            json!({ "id": "lamp-7", "attributes": { "model": "lamp" } }),
        ],
    );
    let fleet = until(&server, "/api/v1/fleet", |fleet| {
        fleet["drifting"]["count"] == 1
    });
    assert_eq!(
        (&fleet["devices"]["count"], &fleet["unseen"]["count"]),
        (&json!(2), &json!(2))
    );
    let mut device = Device::connect(server.mqtt_address(), "lamp-7").unwrap();
    device.subscribe("update/delta").unwrap();
    let delta: Value = serde_json::from_slice(&device.message().unwrap().payload).unwrap();
    let done = format!("jobID:{} SUCCESS", delta["jobID"].as_str().unwrap());
    device.publish("update", done.as_bytes()).unwrap();
    device.acknowledged().unwrap();
    let fleet = until(&server, "/api/v1/fleet", |fleet| {
        fleet["drifting"]["count"] == 0
    });
    assert_eq!(
        fleet["models"][1],
        json!({ "model": "lamp", "version": "2.0.0", "count": 1 })
    );
    assert_eq!(
        fleet["software"][1],
        json!({ "software": "firmware", "version": "2.0.0", "count": 1 })
    );
    for figure in ["devices", "online", "drifting", "failing", "unseen"] {
        let figure = &fleet[figure];
        let ids = found(&server, figure["select"].as_str().unwrap());
        assert_eq!(figure["count"], ids.len());
    }
    assert_eq!(
        found(
            &server,
            "job.status = SUCCEEDED and not drifting and online"
        ),
        ["lamp-7"]
    );
}

#[test]
fn a_selector_finds_and_describes_within_the_scope_of_who_asks() {
    let server = TestServer::start();
    let lines: Vec<Value> = (0..9)
        .map(|n| json!({ "id": format!("{}-{n}", if n % 3 == 0 { "lamp" } else { "door" }) }))
        .collect();
    import(&server, &lines);
    let made = json!({
        "name": "lamps", "role": "application", "devices": ["lamp-*"],
        "may": ["device:read", "device:describe"],
    });
    let made = ask(&server, "POST", "/api/v1/tokens", &made.to_string()).is(201);
    let token = format!("Bearer {}", made["token"].as_str().unwrap());
    let as_application = |method: &str, path: &str, body: &str| {
        let headers = [("Authorization", token.as_str()), ("If-Match", "*")];
        ask_with(method, &server.url(path), &headers, body.as_bytes())
    };
    let page = as_application("GET", "/api/v1/devices?select=all&count=exact&limit=2", "").is(200);
    assert_eq!(
        (&page["items"][1]["id"], &page["count"]["value"]),
        (&json!("lamp-3"), &json!(3))
    );
    let exported = as_application("GET", "/api/v1/facts:export", "");
    assert_eq!(ndjson(&exported).len(), 3);
    let lines = "{\"id\": \"lamp-0\", \"tags\": {\"a\": \"\"}}\n{\"id\": \"door-1\", \"tags\": {\"a\": \"\"}}";
    let answers = ndjson(&as_application("POST", "/api/v1/facts:import", lines));
    assert_eq!(
        (&answers[0]["result"], &answers[1]["result"]),
        (&json!("changed"), &json!("refused"))
    );
    assert_eq!(found(&server, "tag.a"), ["lamp-0"]);
    let other = as_application("PATCH", "/api/v1/devices/door-1/facts", "{}");
    other.is_problem(403, "forbidden");
    as_application("GET", "/api/v1/fleet", "").is_problem(403, "forbidden");
}
