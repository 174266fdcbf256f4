//! `refit serve`: settings, what it prints, and how it ends.

use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use serde_json::Value;

use crate::house::{refit, text};

fn serve(data: &Path) -> Command {
    let mut command = refit();
    command
        .args([
            "serve",
            "--dev",
            "--http",
            "127.0.0.1:0",
            "--mqtt",
            "127.0.0.1:0",
            "--data",
        ])
        .arg(data);
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

fn signal(child: &Child, name: &str) {
    let sent = Command::new("kill")
        .args([name, &child.id().to_string()])
        .status()
        .unwrap();
    assert!(sent.success());
}

/// Reads what is printed until the server says what to do next.
fn announced(child: &mut Child) -> String {
    let mut stdout = BufReader::new(child.stdout.as_mut().unwrap());
    let mut said = String::new();
    while !said.contains("device watch") {
        assert!(stdout.read_line(&mut said).unwrap() > 0, "{said}");
    }
    said
}

#[test]
fn it_says_where_everything_is_and_ends_when_told() {
    let home = tempfile::tempdir().unwrap();
    for name in ["-TERM", "-INT"] {
        let mut child = serve(&home.path().join("data")).spawn().unwrap();
        let said = announced(&mut child);
        for place in [
            "API    http://127.0.0.1:",
            "MQTT   mqtt://127.0.0.1:",
            "operator.token",
            "export REFIT_DATA=",
        ] {
            assert!(said.contains(place), "{said}");
        }
        let limits = std::fs::read_to_string(format!("/proc/{}/limits", child.id())).unwrap();
        let cores = limits
            .lines()
            .find(|line| line.starts_with("Max core file size"));
        let words: Vec<_> = cores.unwrap().split_whitespace().collect();
        assert_eq!(words[4..6], ["0", "0"], "a core dump would hold keys");
        let token = std::fs::read_to_string(home.path().join("data/operator.token")).unwrap();
        assert!(!said.contains(token.trim()));
        signal(&child, name);
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success(), "{}", text(&output.stderr));
        assert!(!home.path().join("data/server.json").exists());
    }
}

#[test]
fn places_are_printed_as_json_for_programs() {
    let home = tempfile::tempdir().unwrap();
    let mut child = serve(&home.path().join("data"))
        .arg("--json")
        .spawn()
        .unwrap();
    let mut places = String::new();
    let mut stdout = BufReader::new(child.stdout.take().unwrap());
    while !places.ends_with("}\n") {
        stdout.read_line(&mut places).unwrap();
    }
    let places: Value = serde_json::from_str(&places).unwrap();
    assert_eq!(places["pid"], child.id());
    signal(&child, "-TERM");
    assert!(child.wait().unwrap().success());
}

#[test]
fn it_serves_although_nobody_reads_what_it_prints() {
    let home = tempfile::tempdir().unwrap();
    let data = home.path().join("data");
    let mut child = serve(&data).spawn().unwrap();
    drop(child.stdout.take());
    let list = || {
        refit()
            .env("REFIT_DATA", &data)
            .args(["device", "list"])
            .output()
            .unwrap()
    };
    while !list().status.success() {
        assert!(child.try_wait().unwrap().is_none());
    }
    signal(&child, "-TERM");
    assert!(child.wait().unwrap().success());
}

#[test]
fn a_second_server_on_the_same_data_is_a_conflict() {
    let home = tempfile::tempdir().unwrap();
    let mut first = serve(&home.path().join("data")).spawn().unwrap();
    announced(&mut first);
    let second = serve(&home.path().join("data")).output().unwrap();
    assert_eq!(second.status.code(), Some(5));
    assert_eq!(
        text(&second.stderr)
            .matches("in use by another server")
            .count(),
        1,
        "{}",
        text(&second.stderr)
    );
    signal(&first, "-KILL");
    first.wait().unwrap();
    // The lock goes with the process.
    let mut third = serve(&home.path().join("data")).spawn().unwrap();
    announced(&mut third);
    signal(&third, "-TERM");
    assert!(third.wait().unwrap().success());
}

#[test]
fn a_port_that_is_taken_is_a_conflict() {
    let home = tempfile::tempdir().unwrap();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = taken.local_addr().unwrap().to_string();
    for flag in ["--http", "--mqtt"] {
        let other = if flag == "--http" { "--mqtt" } else { "--http" };
        let data = home.path().join(flag);
        let data = data.to_str().unwrap();
        let arguments = ["serve", "--dev", "--data", data, flag, &taken, other];
        let output = refit().args(arguments).arg("127.0.0.1:0").output().unwrap();
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(5), "{said}");
        assert!(said.contains("or choose another with"), "{said}");
    }
}

#[test]
fn without_dev_it_is_private_and_the_command_line_finds_it() {
    let home = tempfile::tempdir().unwrap();
    let data = home.path().join("data");
    let mut child = refit()
        .args(["serve", "--http", "127.0.0.1:0", "--mqtt", "127.0.0.1:0"])
        .arg("--data")
        .arg(&data)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let said = announced(&mut child);
    for place in [
        "API    https://",
        "MQTT   mqtts://",
        "ca/root.pem",
        "refit enrol token new",
    ] {
        assert!(said.contains(place), "{said}");
    }
    let list = |more: &[&str]| {
        let output = refit()
            .env("REFIT_DATA", &data)
            .args(["device", "list", "--json"])
            .args(more)
            .output()
            .unwrap();
        (output.status.code(), text(&output.stderr))
    };
    assert_eq!(list(&[]).0, Some(0), "{}", list(&[]).1);
    let other = home.path().join("other.pem");
    std::fs::write(&other, "nothing").unwrap();
    let (code, why) = list(&["--ca", other.to_str().unwrap()]);
    assert!(code == Some(2) && why.contains("no certificate"), "{why}");
    // From elsewhere: the address, the token and the root are given.
    let places: Value =
        serde_json::from_slice(&std::fs::read(data.join("server.json")).unwrap()).unwrap();
    let api = places["api"].as_str().unwrap();
    let token = std::fs::read_to_string(data.join("operator.token")).unwrap();
    let from_elsewhere = |root: Option<&Path>| {
        let mut command = refit();
        command.current_dir(home.path()).args(["device", "list"]);
        command.args(["--server", api, "--token", token.trim()]);
        if let Some(root) = root {
            command.env("REFIT_CA", root);
        }
        command.output().unwrap().status.code()
    };
    assert_eq!(from_elsewhere(Some(&data.join("ca/root.pem"))), Some(0));
    assert_eq!(from_elsewhere(None), Some(1));
    signal(&child, "-TERM");
    assert!(child.wait().unwrap().success());
}

#[test]
fn settings_that_make_no_sense_are_refused_with_a_remedy() {
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("refit.toml");
    std::fs::write(&file, "dev = true\npubic-url = \"http://h\"\n").unwrap();
    let file = file.to_str().unwrap();
    let half = home.path().join("half.toml");
    std::fs::write(&half, "[tls]\ncertificate = \"server.pem\"\n").unwrap();
    let half = half.to_str().unwrap();
    for (arguments, says) in [
        (vec!["serve", "--config", half], "give both"),
        (
            vec!["serve", "--dev", "--http", "0.0.0.0:8080"],
            "--dev is refused on 0.0.0.0:8080",
        ),
        (
            vec!["serve", "--dev", "--mqtt", "[::]:1883"],
            "--mqtt 127.0.0.1:1883",
        ),
        (vec!["serve", "--config", file], "did you mean public-url?"),
        (
            vec!["serve", "--dev", "--log-format", "xml"],
            "human or json",
        ),
        (
            vec!["serve", "--config", "/nonexistent"],
            "/nonexistent cannot be read",
        ),
    ] {
        let output = refit()
            .current_dir(home.path())
            .args(&arguments)
            .output()
            .unwrap();
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{said}");
        assert!(said.contains(says), "{said}");
        assert!(!home.path().join("refit-data").exists());
    }
}

#[test]
fn a_log_that_cannot_be_chosen_is_refused_with_a_remedy() {
    let home = tempfile::tempdir().unwrap();
    let output = refit()
        .current_dir(home.path())
        .env("REFIT_LOG", "refit=loud")
        .args(["serve", "--dev"])
        .output()
        .unwrap();
    let said = text(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(
        said.contains("REFIT_LOG") && said.contains("next: "),
        "{said}"
    );
}

#[test]
fn the_log_never_holds_a_token_or_a_grant() {
    let home = tempfile::tempdir().unwrap();
    let mut child = serve(&home.path().join("data"))
        .args(["--log-format", "json"])
        .env("REFIT_LOG", "trace")
        .spawn()
        .unwrap();
    let said = announced(&mut child);
    let mut stderr = child.stderr.take().unwrap();
    let reader = std::thread::spawn(move || {
        let mut log = String::new();
        stderr.read_to_string(&mut log).unwrap();
        log
    });
    let api = said
        .lines()
        .find_map(|line| line.trim().strip_prefix("API    "))
        .unwrap();
    let api = api.split("/api").next().unwrap();
    let token = std::fs::read_to_string(home.path().join("data/operator.token")).unwrap();
    let url = format!(
        "{api}/depot/sha256/{}?device=d&signature=secret",
        "0".repeat(64)
    );
    let config = ureq::Agent::config_builder()
        .http_status_as_error(false)
        .proxy(None);
    let agent = config.build().new_agent();
    let bearer = format!("Bearer {}", token.trim());
    assert_eq!(agent.get(&url).call().unwrap().status(), 403);
    let devices = format!("{api}/api/v1/devices");
    assert_eq!(
        agent
            .get(&devices)
            .header("authorization", &bearer)
            .call()
            .unwrap()
            .status(),
        200
    );
    signal(&child, "-TERM");
    assert!(child.wait().unwrap().success());
    let log = reader.join().unwrap();
    assert!(log.contains("\"path\":\"/api/v1/devices\""), "{log}");
    assert!(
        !log.contains(token.trim()) && !log.contains("secret"),
        "{log}"
    );
}

/// Lets a running program write no file any longer than this, as a quota would.
fn limit_files(child: &Child, bytes: u64) {
    use rustix::process::{Pid, Resource, Rlimit, prlimit};
    let limit = Rlimit {
        current: Some(bytes),
        maximum: Some(bytes),
    };
    prlimit(Pid::from_raw(child.id() as i32), Resource::Fsize, limit).unwrap();
}

#[test]
fn a_store_that_fails_ends_the_server_with_the_reason_and_loses_nothing() {
    let home = tempfile::tempdir().unwrap();
    let data = home.path().join("data");
    // Without the signal a write past the limit is an error like any other.
    let mut child = Command::new("sh")
        .args([
            "-c",
            "trap '' XFSZ; exec \"$@\"",
            "sh",
            env!("CARGO_BIN_EXE_refit"),
        ])
        .args([
            "serve",
            "--dev",
            "--http",
            "127.0.0.1:0",
            "--mqtt",
            "127.0.0.1:0",
            "--data",
        ])
        .arg(&data)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    announced(&mut child);
    let set = |value: &str| {
        let set = ["device", "set", "lamp-7", value, "--json"];
        refit().env("REFIT_DATA", &data).args(set).output().unwrap()
    };
    assert!(set("level=1").status.success());
    limit_files(&child, 1);
    assert!(!set("level=2").status.success());
    let output = child.wait_with_output().unwrap();
    let said = text(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(
        said.contains("acknowledged nothing that is not durable")
            && said.contains("start it again"),
        "{said}"
    );
    let mut again = serve(&data).spawn().unwrap();
    announced(&mut again);
    let device: Value = serde_json::from_slice(&set("other=3").stdout).unwrap();
    assert_eq!(
        device["desired"],
        serde_json::json!({"level": 1, "other": 3})
    );
    signal(&again, "-TERM");
    assert!(again.wait().unwrap().success());
}

#[test]
fn nothing_the_server_writes_holds_a_grant() {
    let home = tempfile::tempdir().unwrap();
    let data = home.path().join("data");
    let mut child = serve(&data).env("REFIT_LOG", "trace").spawn().unwrap();
    announced(&mut child);
    // The log is read while it is written, lest the server wait for it.
    let mut stderr = child.stderr.take().unwrap();
    let log = std::thread::spawn(move || {
        let mut log = Vec::new();
        stderr.read_to_end(&mut log).unwrap();
        log
    });
    let tool = |arguments: &[&str]| {
        let output = refit()
            .env("REFIT_DATA", &data)
            .args(arguments)
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", text(&output.stderr));
        text(&output.stdout)
    };
    let build = home.path().join("build");
    std::fs::write(&build, "firmware").unwrap();
    let build = build.to_str().unwrap();
    tool(&[
        "release",
        "add",
        build,
        "--name",
        "firmware",
        "--version",
        "1",
    ]);
    tool(&["device", "set", "lamp-7", "firmware@1"]);
    let places = std::fs::read(data.join("server.json")).unwrap();
    let api = serde_json::from_slice::<Value>(&places).unwrap()["api"].clone();
    let ask = |url: &str| {
        let agent = ureq::Agent::new_with_config(
            ureq::Agent::config_builder()
                .http_status_as_error(false)
                .proxy(None)
                .build(),
        );
        let asked = agent.get(url).header("refit-device", "lamp-7").call();
        let mut answer = asked.unwrap();
        (
            answer.status().as_u16(),
            answer.body_mut().read_to_string().unwrap(),
        )
    };
    let (_, delta) = ask(&format!("{}/device/v1/delta", api.as_str().unwrap()));
    let delta: Value = serde_json::from_str(&delta).unwrap();
    let url = delta["state"]["softwareURL"].as_str().unwrap();
    let (_, signature) = url.rsplit_once('=').unwrap();
    assert_eq!(signature.len(), 43, "{url}");
    assert_eq!(ask(url).0, 200);
    assert_eq!(ask(&url.replace("lamp-7", "lamp-8")).0, 403);
    assert_eq!(ask(&format!("{url}&more")).0, 403);
    for arguments in [
        &["device", "show", "lamp-7"][..],
        &["job", "list"],
        &["--json", "grant", "keys"],
        &["grant", "rotate"],
    ] {
        let said = tool(arguments);
        assert!(!said.contains(signature), "{said}");
    }
    signal(&child, "-TERM");
    assert!(child.wait().unwrap().success());
    let log = log.join().unwrap();
    let contains = |bytes: &[u8]| {
        let mut windows = bytes.windows(signature.len());
        windows.any(|window| window == signature.as_bytes())
    };
    assert!(log.len() > 100 && !contains(&log), "{}", text(&log));
    let mut folders = vec![data];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            match path.is_dir() {
                true => folders.push(path),
                false => assert!(
                    !contains(&std::fs::read(&path).unwrap()),
                    "{}",
                    path.display()
                ),
            }
        }
    }
}
