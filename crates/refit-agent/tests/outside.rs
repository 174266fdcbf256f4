//! The program as its user meets it.

use crate::broker::{Broker, wanted};
use crate::depot::{Depot, Manner};
use crate::program::{Program, command};
use crate::releases;
use crate::server::Server;
use serde_json::json;
use tempfile::TempDir;

#[test]
fn a_wrong_command_line_says_what_to_do() {
    let output = command().args(["run", "--mqtt", "h"]).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(
        said.contains("--id ID is missing; see refit-agent --help"),
        "{said}"
    );
    let help = command().arg("--help").output().unwrap();
    assert!(help.status.success() && help.stdout.starts_with(b"Keeps the software"));
}

#[test]
fn two_agents_do_not_share_a_root() {
    if !wanted() {
        return;
    }
    let broker = Broker::start();
    let mut server = Server::connect(&broker);
    let home = TempDir::new().unwrap();
    let _first = Program::start("d1", home.path(), &broker.address(), None);
    server.hear(); // it has the lock by now
    let second = command()
        .args(["run", "--id", "d2", "--mqtt", &broker.address(), "--root"])
        .arg(home.path())
        .output()
        .unwrap();
    assert_eq!(second.status.code(), Some(1));
    let said = String::from_utf8(second.stderr).unwrap();
    assert!(said.contains("another refit-agent runs in"), "{said}");
}

#[test]
fn the_server_is_asked_for_its_mqtt_address() {
    if !wanted() {
        return;
    }
    let broker = Broker::start();
    let mut server = Server::connect(&broker);
    let document = json!({"mqtt": format!("mqtt://{}", broker.address()), "time": 1});
    let http = Depot::start(document.to_string().into());
    let home = TempDir::new().unwrap();
    let mut agent = command();
    agent
        .args(["run", "--id", "d1", "--server", &http.url(""), "--root"])
        .arg(home.path());
    let mut agent = agent.stderr(std::process::Stdio::null()).spawn().unwrap();
    let heard = server.hear();
    assert_eq!(
        heard.document["state"]["reported"]["agent"]["name"],
        "refit-agent"
    );
    assert_eq!(http.requests()[0].target, "/device/v1/bootstrap");
    agent.kill().unwrap();
    agent.wait().unwrap();
}

#[test]
fn an_expired_grant_is_asked_for_again_and_the_job_succeeds() {
    if !wanted() {
        return;
    }
    let broker = Broker::start();
    let mut server = Server::connect(&broker);
    let made = releases::file("2.0.0", vec![7; 100_000]);
    let depot = Depot::start(made.bytes.clone());
    depot.manners([Manner::Status(403)]);
    let home = TempDir::new().unwrap();
    let _agent = Program::start("d1", home.path(), &broker.address(), None);
    let mut asked = 0;
    let end = loop {
        let heard = server.hear();
        if heard.topic.ends_with("/get") {
            asked += 1;
            server.delta("d1", "j1", &made.release, &depot.url("/a?sig=fresh"));
            continue;
        }
        server.accept("d1", &heard);
        match heard.document["status"].as_str() {
            None => server.delta("d1", "j1", &made.release, &depot.url("/a?sig=stale")),
            Some("RUNNING") => {}
            Some(_) => break heard.document,
        }
    };
    assert_eq!((asked, &end["status"]), (1, &json!("SUCCESS")), "{end}");
    let artifact = std::fs::read(home.path().join("current/artifact")).unwrap();
    assert_eq!(artifact, made.bytes);
    let targets: Vec<String> = depot.requests().into_iter().map(|r| r.target).collect();
    assert_eq!(targets, ["/a?sig=stale", "/a?sig=fresh"]);
}

#[test]
fn a_withdrawn_job_is_let_go() {
    if !wanted() {
        return;
    }
    let broker = Broker::start();
    let mut server = Server::connect(&broker);
    let (first, second) = (
        releases::file("2.0.0", vec![2; 9]),
        releases::file("3.0.0", vec![3; 9]),
    );
    let depot = Depot::start(first.bytes.clone());
    // It cannot be downloaded, so that the answer to RUNNING is there first.
    depot.manners([Manner::Status(503)]);
    let home = TempDir::new().unwrap();
    let _agent = Program::start("d1", home.path(), &broker.address(), None);
    let end = loop {
        let heard = server.hear();
        let job = heard.document["jobID"]
            .as_str()
            .unwrap_or_default()
            .to_owned();
        match (job.as_str(), heard.document["status"].as_str()) {
            ("", _) => {
                server.accept("d1", &heard);
                server.delta("d1", "j1", &first.release, &depot.url("/a"));
            }
            ("j1", Some("RUNNING")) => {
                server.reject("d1", &heard, 409);
                depot.replace(second.bytes.clone(), "\"two\"");
                server.delta("d1", "j2", &second.release, &depot.url("/b"));
            }
            ("j2", Some("RUNNING")) => server.accept("d1", &heard),
            (_, _) => break heard.document,
        }
    };
    assert_eq!(
        (&end["jobID"], &end["status"]),
        (&json!("j2"), &json!("SUCCESS")),
        "{end}"
    );
}

#[test]
fn other_state_goes_to_the_operators_command() {
    if !wanted() {
        return;
    }
    let broker = Broker::start();
    let mut server = Server::connect(&broker);
    let home = TempDir::new().unwrap();
    let (config, pipe) = (home.path().join("agent.toml"), home.path().join("pipe"));
    // A named pipe: reading it waits for the command.
    assert!(
        std::process::Command::new("mkfifo")
            .arg(&pipe)
            .status()
            .unwrap()
            .success()
    );
    std::fs::write(
        &config,
        format!(
            "[state]\ncommand = [\"sh\", \"-c\", \"cat > {}\"]\n",
            pipe.display()
        ),
    )
    .unwrap();
    let mut agent = command();
    agent
        .args(["run", "--id", "d1", "--mqtt", &broker.address(), "--config"])
        .arg(&config);
    agent.arg("--root").arg(home.path().join("root"));
    let mut agent = agent.stderr(std::process::Stdio::null()).spawn().unwrap();
    server.hear();
    let delta = json!({"version": 1, "timestamp": 1, "state": {"lamp": {"on": true}}});
    server.say("d1", "update/delta", &delta);
    assert_eq!(
        std::fs::read_to_string(&pipe).unwrap(),
        r#"{"lamp":{"on":true}}"#
    );
    agent.kill().unwrap();
    agent.wait().unwrap();
}
