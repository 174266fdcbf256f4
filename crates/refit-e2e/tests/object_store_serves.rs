//! A whole server over a real object store: the pattern's nine steps with the store's own URL, and a store that is
//! killed in between.

use std::path::PathBuf;

use refit_testkit::ceph::{Gateway, REFIT, REGION};
use serde_json::{Value, json};

use crate::house::{Script, Server, get, get_with, program, text, wait_for};
use crate::outside::wanted;

/// Options of `refit serve` for a bucket behind a gateway. The folder holds the credentials.
pub(crate) fn options(gateway: &Gateway, bucket: &str, home: &tempfile::TempDir) -> Vec<String> {
    let file: PathBuf = home.path().join("credentials");
    let settings = gateway.settings(bucket, REFIT, file.clone());
    [
        ("--depot-url", settings.url),
        ("--depot-endpoint", gateway.endpoint()),
        ("--depot-region", REGION.to_owned()),
        ("--depot-credentials", file.display().to_string()),
    ]
    .into_iter()
    .flat_map(|(name, value)| [name.to_owned(), value])
    .collect()
}

fn served(options: &[String]) -> Server {
    let options: Vec<&str> = options.iter().map(String::as_str).collect();
    Server::start_with(&options)
}

#[test]
fn the_nine_steps_with_a_url_of_the_store() {
    if !wanted() {
        return;
    }
    let gateway = Gateway::start();
    gateway.make_bucket("steps");
    let home = tempfile::tempdir().unwrap();
    let mut server = served(&options(&gateway, "steps", &home));
    let new: Vec<u8> = (0..700_000u32).map(|i| (i / 5) as u8).collect();
    let port = server.mqtt_port.to_string();
    let pattern = ["lamp-7", &port, "5"];
    let mut device = Script::start("tests/python/pattern_device.py", &pattern, server.home());
    device.until(|line| line["event"] == "subscribed");
    let url = server.add_release("2.0.0", &new);
    let desired = json!({"state": {"desired": {"softwareURL": url}}});
    let mut application = Script::start(
        "tests/python/application.py",
        &["lamp-7", &port, "5", &server.token, &desired.to_string()],
        server.home(),
    );
    let told = device.until(|line| line["topic"] == "state/lamp-7/update/delta");
    let granted = told["payload"]["state"]["softwareURL"].as_str().unwrap();
    // The bytes come from the store itself, not through the server.
    assert!(granted.starts_with(&gateway.endpoint()), "{granted}");
    assert!(granted.contains("X-Amz-Signature="), "{granted}");
    device.until(|line| line["event"] == "applied");
    let applied = std::fs::read(server.home().join("lamp-7.software"));
    assert!(applied.unwrap() == new);
    let accepted = |line: &Value| {
        line["topic"] == "state/lamp-7/update/accepted" && line["payload"]["status"] == "SUCCEEDED"
    };
    let done = application.until(accepted);
    assert_eq!(done["payload"]["jobID"], told["payload"]["jobID"]);
    // By its digest it is known to be the same software as that of the stable URL.
    server.kill();
    server.start_again();
    let shown = server.refit_json(&["device", "show", "lamp-7"]);
    assert_eq!(shown["desired"]["softwareURL"], url);
    assert_eq!(shown["reported"]["softwareURL"], url);
    // The plain URL still works, with what opens Refit's own depot, whole and in part.
    let path = url.split_once("/depot/").unwrap().1;
    let own = format!("{}/depot/{path}", server.api);
    let bearer = format!("Authorization: Bearer {}", server.token);
    let (status, _, whole) = get_with(&own, &[&bearer]);
    assert!(status == 200 && whole == new);
    let (status, _, part) = get_with(&own, &[&bearer, "Range: bytes=300000-699998"]);
    assert!(status == 206 && part == new[300_000..699_999]);
    assert_eq!(get(&own).0, 403);
}

#[test]
fn a_store_that_is_killed_takes_nothing_else_with_it() {
    if !wanted() {
        return;
    }
    let gateway = Gateway::start();
    gateway.make_bucket("outage");
    let home = tempfile::tempdir().unwrap();
    let mut server = served(&options(&gateway, "outage", &home));
    let url = server.add_release("1.0.0", b"before");
    gateway.kill();
    // What needs the store fails, and says of whom.
    let file = home.path().join("firmware");
    std::fs::write(&file, b"after").unwrap();
    let file = file.to_str().unwrap();
    let add = [
        "release",
        "add",
        file,
        "--name",
        "firmware",
        "--version",
        "2.0.0",
    ];
    let refused = server.refit(&add);
    let said = text(&refused.stderr);
    assert!(
        !refused.status.success() && said.contains("object store cannot be reached"),
        "{said}"
    );
    let bearer = format!("Authorization: Bearer {}", server.token);
    let plain = |server: &Server| {
        let path = url.split_once("/depot/").unwrap().1;
        get_with(&format!("{}/depot/{path}", server.api), &[&bearer])
    };
    let (status, _, body) = plain(&server);
    assert_eq!(status, 503);
    assert!(
        text(&body).contains("object store cannot be reached"),
        "{}",
        text(&body)
    );
    // Devices are served, also by a server that starts while the store is away.
    server.kill();
    server.start_again();
    server.refit_json(&["device", "set", "lamp-7", "firmware@1.0.0"]);
    let releases = server.refit_json(&["release", "list"]);
    assert_eq!(releases["items"].as_array().unwrap().len(), 1, "{releases}");
    // The same again ends well, and what was there is there.
    gateway.start_again();
    wait_for("the store to be used again", || {
        server.refit(&add).status.success().then_some(())
    });
    assert_eq!(plain(&server).2, b"before");
    server.refit_json(&["release", "show", "firmware@2.0.0"]);
}

#[test]
fn a_server_does_not_start_on_a_store_that_was_never_reached() {
    if !wanted() {
        return;
    }
    let gateway = Gateway::start();
    let home = tempfile::tempdir().unwrap();
    let mut options = options(&gateway, "not-made", &home);
    let mut start = |what: &str| {
        let data = home.path().join("data");
        let started = std::process::Command::new(program("refit"))
            .args([
                "serve",
                "--dev",
                "--http",
                "127.0.0.1:0",
                "--mqtt",
                "127.0.0.1:0",
            ])
            .arg("--data")
            .arg(&data)
            .args(&options)
            .output()
            .unwrap();
        let said = text(&started.stderr);
        assert!(!started.status.success() && said.contains(what), "{said}");
        assert!(!said.contains(REFIT.1), "{said}");
        options[3] = "http://127.0.0.1:1".into();
    };
    start("there is no such bucket");
    start("cannot be reached");
}
