//! A device that the real `refit-agent` has enrolled: its folder, the agent that runs there, and curl with its
//! certificate.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use serde_json::Value;

use crate::house::{Server, program, text};

/// A device, and the folder that its agent owns.
pub(crate) struct Enrolled {
    pub(crate) id: String,
    root: PathBuf,
    api: String,
}

/// An answer over HTTPS.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    #[track_caller]
    pub(crate) fn json(&self, status: u16) -> Value {
        assert_eq!(self.status, status, "{}", text(&self.body));
        serde_json::from_slice(&self.body).unwrap()
    }
}

/// A program that ends with the test.
pub(crate) struct Running(pub(crate) Child);

impl Drop for Running {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

impl Enrolled {
    /// Has the agent enrol itself with a claim token of its own.
    pub(crate) fn new(server: &Server, id: &str) -> Self {
        Self::claiming(server, id).0
    }

    /// The same; returns the claim token too.
    pub(crate) fn claiming(server: &Server, id: &str) -> (Self, String) {
        let token = server.refit(&["enrol", "token", "new", "--id-pattern", id]);
        assert!(token.status.success(), "{}", text(&token.stderr));
        let root = server.home().join(id);
        let mut agent = enrol(server, &root)
            .args(["--token", "-", "--id", id])
            .stdin(Stdio::piped())
            .spawn()
            .unwrap();
        let mut input = agent.stdin.take().unwrap();
        input.write_all(&token.stdout).unwrap();
        drop(input);
        let output = agent.wait_with_output().unwrap();
        assert!(output.status.success(), "{}", text(&output.stderr));
        let enrolled = Self {
            id: id.into(),
            root,
            api: server.api.clone(),
        };
        (enrolled, text(&token.stdout).trim().to_owned())
    }

    /// Has the agent enrol itself with the `device.pem` and `device.key` that a factory left in this folder. `Err` is
    /// what it said.
    pub(crate) fn by_factory(
        server: &Server,
        id: &str,
        left: &Path,
        root: PathBuf,
    ) -> Result<Self, String> {
        let output = enrol(server, &root)
            .arg("--certificate")
            .arg(left.join("device.pem"))
            .arg("--key")
            .arg(left.join("device.key"))
            .arg("--trust")
            .arg(server.root.as_ref().unwrap())
            .output()
            .unwrap();
        match output.status.success() {
            true => Ok(Self {
                id: id.into(),
                root,
                api: server.api.clone(),
            }),
            false => Err(text(&output.stderr)),
        }
    }

    /// Runs the agent.
    pub(crate) fn run(&self, options: &[&str]) -> Running {
        let agent = Command::new(program("refit-agent"))
            .arg("run")
            .arg("--root")
            .arg(&self.root)
            .args(options)
            .stderr(Stdio::null())
            .spawn();
        Running(agent.unwrap())
    }

    /// Runs the agent, and has it write into a file.
    pub(crate) fn run_into(&self, log: File) -> Running {
        let mut agent = Command::new(program("refit-agent"));
        agent.arg("run").arg("--root").arg(&self.root);
        agent.stdout(log.try_clone().unwrap()).stderr(log);
        Running(agent.spawn().unwrap())
    }

    /// Where the agent keeps who it is.
    pub(crate) fn identity(&self) -> PathBuf {
        self.root.join("identity")
    }

    /// Returns the artifact that runs, as the agent installed it.
    pub(crate) fn installed(&self) -> Vec<u8> {
        std::fs::read(self.root.join("current/artifact")).unwrap()
    }

    /// A file of who it is: `certificate.pem`, `key.pem`, `trust.pem`.
    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.identity().join(name)
    }

    /// Asks the server's device API.
    pub(crate) fn ask(&self, path: &str, body: Option<&Value>) -> Answer {
        let mut curl = self.curl();
        if let Some(body) = body {
            curl.args(["--header", "content-type: application/json", "--data"]);
            curl.arg(body.to_string());
        }
        answer(curl.arg(format!("{}{path}", self.api)))
    }

    /// Asks for what is due to it.
    pub(crate) fn delta(&self) -> Value {
        self.ask("/device/v1/delta", None).json(200)
    }

    /// curl, that shows the device's certificate.
    pub(crate) fn curl(&self) -> Command {
        let mut curl = nobody(&self.file("trust.pem"));
        curl.arg("--cert").arg(self.file("certificate.pem"));
        curl.arg("--key").arg(self.file("key.pem"));
        curl
    }
}

/// The agent, about to enrol itself in this folder.
fn enrol(server: &Server, root: &Path) -> Command {
    let mut agent = Command::new(program("refit-agent"));
    agent
        .args(["enrol", "--server", &server.api, "--root"])
        .arg(root)
        .stdout(Stdio::null())
        .stderr(Stdio::piped());
    agent
}

/// curl, that trusts this root alone and shows no certificate.
pub(crate) fn nobody(root: &Path) -> Command {
    let mut curl = Command::new("curl");
    curl.args(["--silent", "--show-error", "--write-out", "\n%{http_code}"]);
    curl.arg("--cacert").arg(root);
    curl
}

/// Runs curl.
pub(crate) fn answer(curl: &mut Command) -> Answer {
    let output = curl.output().expect("curl (apt-get install curl)");
    let mut body = output.stdout;
    let end = body.iter().rposition(|byte| *byte == b'\n').unwrap();
    let status = text(&body[end + 1..]).parse().unwrap();
    assert!(status > 0, "{}", text(&output.stderr));
    body.truncate(end);
    Answer { status, body }
}
