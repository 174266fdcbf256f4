//! The agent's binary is killed (SIGKILL) at every step of its journal, right before the entry and right after it.
//! Started again, it ends with the old or the new version, whole, and tells the server the truth.

use crate::broker::{Broker, wanted};
use crate::depot::Depot;
use crate::program::Program;
use crate::releases::{self, Made};
use crate::server::{Heard, Server};
use refit_agent::journal::Stage;
use serde_json::json;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// A job, and how it is answered.
struct Job<'a> {
    name: &'a str,
    made: &'a Made,
    depot: &'a Depot,
}

const D: &str = "lamp-7";

struct Bench {
    broker: Broker,
    server: Server,
}

impl Bench {
    /// Plays the server until the end of the job was said, or the agent is gone. Returns the end.
    fn serve(&mut self, agent: &mut Program, job: &Job<'_>) -> Option<Heard> {
        let until = Instant::now() + Duration::from_secs(60);
        loop {
            let Some(heard) = self
                .server
                .hear_until(Instant::now() + Duration::from_millis(100))
            else {
                if agent.ended().is_some() {
                    return None;
                }
                assert!(Instant::now() < until, "the job {} does not end", job.name);
                continue;
            };
            assert_eq!(heard.topic, format!("state/{D}/update"));
            self.server.accept(D, &heard);
            let of_job = heard.document["jobID"] == job.name;
            match heard.document["status"].as_str() {
                None => {
                    // The facts of a new connection: it has subscribed, and is told what it should have.
                    let url = job.depot.url(&format!(
                        "/depot/sha256/{}?sig=1",
                        job.made.release.digest()
                    ));
                    self.server.delta(D, job.name, &job.made.release, &url);
                }
                Some("RUNNING") => {}
                Some(_) if of_job => return Some(heard),
                Some(_) => {}
            }
        }
    }

    fn start(&self, root: &Path, crash: Option<&str>) -> Program {
        Program::start(D, root, &self.broker.address(), crash)
    }
}

/// What runs in a root, whole: its own file says which version it is.
fn runs(root: &Path) -> String {
    let name = std::fs::read_to_string(root.join("current/name")).unwrap();
    assert_eq!(
        std::fs::read_to_string(root.join("current/data")).unwrap(),
        name.repeat(1000)
    );
    name
}

fn tree(version: &str, health: &str) -> Made {
    let toml = format!("[health]\ncommand = [\"sh\", \"-c\", \"{health}\"]\n");
    let data = version.repeat(1000);
    releases::tree(
        version,
        &[("name", version), ("data", &data), ("refit.toml", &toml)],
    )
}

#[test]
fn killed_at_every_step_it_ends_whole_and_tells_the_truth() {
    if !wanted() {
        return;
    }
    let broker = Broker::start();
    let server = Server::connect(&broker);
    let mut bench = Bench { broker, server };
    let (old, new) = (tree("1.0.0", "true"), tree("2.0.0", "true"));
    let sick = tree("3.0.0", "echo the lamp is dark; exit 3");
    let home = TempDir::new().unwrap();
    let before = home.path().join("before");
    install(&mut bench, &before, &old);
    for made in [&new, &sick] {
        for stage in Stage::NAMES {
            for when in ["before", "after"] {
                let at = format!("{when}:{stage}");
                let root = home
                    .path()
                    .join(format!("{}-{when}-{stage}", made.release.software.version));
                let copied = Command::new("cp")
                    .arg("-a")
                    .arg(&before)
                    .arg(&root)
                    .status()
                    .unwrap();
                assert!(copied.success());
                kill_and_start_again(&mut bench, &root, made, &at, std::ptr::eq(made, &sick));
            }
        }
    }
}

fn install(bench: &mut Bench, root: &Path, made: &Made) {
    let depot = Depot::start(made.bytes.clone());
    let job = Job {
        name: "j0",
        made,
        depot: &depot,
    };
    let mut agent = bench.start(root, None);
    let end = bench.serve(&mut agent, &job).unwrap();
    assert_eq!(end.document["status"], "SUCCESS");
    settle(root, &mut agent);
}

/// Ends an agent in good order, once it has taken note of the answer.
fn settle(root: &Path, agent: &mut Program) {
    let until = Instant::now() + Duration::from_secs(30);
    loop {
        let (_, entry) =
            refit_agent::journal::Journal::open(&refit_agent::files::Real, root).unwrap();
        if entry.stage == Stage::Idle {
            break;
        }
        assert!(Instant::now() < until, "the answer is not noted: {entry:?}");
        std::thread::yield_now();
    }
    let id = agent.id().to_string();
    assert!(
        Command::new("kill")
            .args(["-TERM", &id])
            .status()
            .unwrap()
            .success()
    );
    assert!(agent.wait().success(), "SIGTERM ends it in good order");
}

fn kill_and_start_again(bench: &mut Bench, root: &Path, made: &Made, at: &str, sick: bool) {
    let depot = Depot::start(made.bytes.clone());
    let job = Job {
        // A repeated end of the job before may still be on its way.
        name: &format!(
            "{}-{}",
            if sick { "sick" } else { "well" },
            at.replace(':', "-")
        ),
        made,
        depot: &depot,
    };
    let mut agent = bench.start(root, Some(at));
    let mut said = bench.serve(&mut agent, &job);
    let killed = if never_comes(at, sick) {
        false
    } else {
        assert_eq!(
            agent.wait().signal(),
            Some(9),
            "{at}: it was to be killed there"
        );
        true
    };
    let now = runs(root);
    assert!(
        now == "1.0.0" || now == made.release.software.version,
        "{at}: {now} runs"
    );
    if killed {
        agent = bench.start(root, None);
        let again = bench
            .serve(&mut agent, &job)
            .unwrap_or_else(|| panic!("{at}: it ends again"));
        if let Some(said) = &said {
            for field in ["status", "reason", "state"] {
                assert_eq!(
                    said.document[field], again.document[field],
                    "{at}: the same end"
                );
            }
        }
        said = Some(again);
    }
    let end = said.expect("an end").document;
    if sick {
        assert_eq!(
            (runs(root).as_str(), &end["status"]),
            ("1.0.0", &json!("FAILURE")),
            "{at}: {end}"
        );
        assert!(
            end["reason"]
                .as_str()
                .unwrap()
                .ends_with("the lamp is dark"),
            "{at}: {end}"
        );
    } else {
        assert_eq!(
            (runs(root).as_str(), &end["status"]),
            ("2.0.0", &json!("SUCCESS")),
            "{at}: {end}"
        );
        let url = depot.url(&format!("/depot/sha256/{}", made.release.digest()));
        assert_eq!(end["state"]["reported"]["softwareURL"], url, "{at}");
    }
    settle(root, &mut agent);
    let kept = if sick { 1 } else { 2 };
    assert_eq!(
        std::fs::read_dir(root.join("versions")).unwrap().count(),
        kept,
        "{at}: versions are kept"
    );
}

/// A healthy update never goes back, and a sick one is never confirmed.
fn never_comes(at: &str, sick: bool) -> bool {
    at.ends_with(if sick { ":confirming" } else { ":going-back" })
}
