//! A whole update, refused attempts included, while everything talks as much as it can: no secret is in anything that
//! the parts write, show or list. What shows a secret on purpose, once, to whom it belongs, is not looked at here:
//! `refit token new`, `refit enrol token new`, the cookie of a sign-in, a device's own delta and credential.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;

use refit_testkit::Identity;
use refit_testkit::identity::nobody;
use refit_testkit::wire::request;
use rustls::ClientConfig;
use serde_json::{Value, json};

use crate::enrolled::{Enrolled, Running};
use crate::house::{Server, program, text, wait_for};

const PASSWORD: &str = "correct horse battery staple";
const WRONG_PASSWORD: &str = "correct horse battery stable";

/// How many characters of a secret's kind make it one.
const TELLING: usize = 16;

/// What follows these is a secret, if it is long.
const BEFORE: [&str; 6] = ["rft_", "rfs_", "rfe_", "rfc_", "signature=", "PRIVATE KEY"];

/// What must not be anywhere, with its kind.
#[derive(Default)]
struct Secrets(Vec<(&'static str, String)>);

impl Secrets {
    fn keep(&mut self, kind: &'static str, secret: &str) {
        assert!(secret.len() >= TELLING, "{kind}: {secret}");
        self.0.push((kind, secret.into()));
    }

    /// Keeps what is in a file of a key: each long line that is no frame of PEM.
    fn keep_key(&mut self, path: &Path) {
        let key = fs::read_to_string(path).unwrap();
        let words = key.split(|c: char| c.is_whitespace() || c == '"');
        for word in words.filter(|word| word.len() > 40 && !word.contains("---")) {
            self.keep("key", word);
        }
    }

    /// Looks for all of them, and for whatever has their form.
    fn are_not_in(&self, place: &str, bytes: &[u8]) {
        let text = text(bytes);
        for (kind, secret) in &self.0 {
            assert!(!text.contains(secret), "{place} holds a {kind}");
        }
        for before in BEFORE {
            for (_, after) in text
                .match_indices(before)
                .map(|(at, _)| text[at..].split_at(before.len()))
            {
                let is_secret = |c: char| c.is_ascii_alphanumeric() || "_-".contains(c);
                let length = after.chars().take_while(|c| is_secret(*c)).count();
                assert!(length < TELLING, "{place} holds what begins with {before}");
            }
        }
    }
}

/// The server, two devices, and all that they wrote.
struct House {
    server: Server,
    nobody: Arc<ClientConfig>,
    secrets: Secrets,
    written: Vec<PathBuf>,
}

impl House {
    fn new() -> Self {
        let server = Server::talkative();
        let root = fs::read_to_string(server.root.as_ref().unwrap()).unwrap();
        let mut secrets = Secrets::default();
        secrets.keep("token", &server.token);
        Self {
            written: vec![server.log()],
            nobody: nobody(&root),
            secrets,
            server,
        }
    }

    /// Asks over HTTPS; returns the whole answer.
    fn ask(&self, who: &Arc<ClientConfig>, what: &str, headers: &str, body: &str) -> String {
        let address = self.server.api.strip_prefix("https://").unwrap();
        request(address, Some(who), what, headers, body).unwrap()
    }

    /// Does what must be refused; neither the answer nor anything else repeats what was shown.
    fn is_refused(&mut self, kind: &'static str, secret: &str, asked: (&str, &str, &str)) {
        let (what, headers, body) = asked;
        self.secrets.keep(kind, secret);
        let answer = self.ask(&self.nobody, what, headers, body);
        assert!(answer.starts_with("HTTP/1.1 4"), "{what}: {answer}");
        self.secrets.are_not_in(what, answer.as_bytes());
    }

    /// A file that a program writes to.
    fn file(&mut self, name: &str) -> File {
        let path = self.server.home().join(name);
        self.written.push(path.clone());
        File::create(path).unwrap()
    }

    /// Follows all events into a file.
    fn follow(&mut self) -> Running {
        let out = self.file("events");
        let mut events = Command::new(program("refit"));
        events.args(["events", "--json"]).stdout(out);
        events.env("REFIT_CA", self.server.root.as_ref().unwrap());
        events.env("REFIT_SERVER", &self.server.api);
        events.env("REFIT_TOKEN", &self.server.token);
        Running(events.spawn().unwrap())
    }

    fn people(&mut self) {
        let token = self
            .server
            .refit(&["token", "new", "--name", "ci", "--role", "viewer"]);
        self.secrets.keep("token", text(&token.stdout).trim());
        let mut add = Command::new(program("refit"));
        add.args(["user", "add", "ada", "--role", "viewer", "--password-stdin"]);
        add.env("REFIT_CA", self.server.root.as_ref().unwrap());
        add.env("REFIT_SERVER", &self.server.api);
        add.env("REFIT_TOKEN", &self.server.token);
        let mut add = add
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let mut input = add.stdin.take().unwrap();
        writeln!(input, "{PASSWORD}").unwrap();
        drop(input);
        assert!(add.wait().unwrap().success());
        let what = "POST /api/v1/session";
        let json = "content-type: application/json\r\n";
        let body = json!({"user": "ada", "password": PASSWORD}).to_string();
        let answer = self.ask(&self.nobody, what, json, &body);
        let (_, cookie) = answer.split_once("__Host-refit=").unwrap();
        let cookie = cookie.split(';').next().unwrap();
        self.secrets.keep("password", PASSWORD);
        self.secrets.keep("cookie", cookie);
        let shown = format!("cookie: __Host-refit={cookie}\r\n");
        let answer = self.ask(&self.nobody, "GET /api/v1/session", &shown, "");
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        self.secrets
            .are_not_in("showing the session", answer.as_bytes());

        let body = json!({"user": "ada", "password": WRONG_PASSWORD}).to_string();
        self.is_refused("wrong password", WRONG_PASSWORD, (what, json, &body));
        for (kind, wrong, header) in [
            (
                "wrong token",
                format!("rft_{}", "b".repeat(43)),
                "authorization: Bearer ",
            ),
            (
                "wrong cookie",
                format!("rfs_{}", "c".repeat(43)),
                "cookie: __Host-refit=",
            ),
        ] {
            let header = format!("{header}{wrong}\r\n");
            self.is_refused(kind, &wrong, ("GET /api/v1/devices", &header, ""));
        }
    }

    /// Has an agent enrol itself, with a claim token that is noted.
    fn enrol(&mut self, id: &str) -> Enrolled {
        let (device, claim) = Enrolled::claiming(&self.server, id);
        self.secrets.keep("claim token", &claim);
        self.secrets.keep_key(&device.file("key.pem"));
        // It was good once.
        let body = json!({"token": claim, "csr": "none"}).to_string();
        let json = "content-type: application/json\r\n";
        self.is_refused(
            "claim token",
            &claim,
            ("POST /device/v1/enrol", json, &body),
        );
        device
    }

    /// Gets what is due to a device, as it would.
    fn delta(&self, identity: &Arc<ClientConfig>) -> Value {
        body(&self.ask(identity, "GET /device/v1/delta", "", ""))
    }

    /// Uses a pre-signed URL, and one that was altered.
    fn with_url(&mut self, identity: &Arc<ClientConfig>) {
        let delta = self.delta(identity);
        let url = delta["state"]["softwareURL"].as_str().unwrap();
        let (_, signature) = url.rsplit_once("signature=").unwrap();
        self.secrets.keep("signature", signature);
        let path = &url[url.find("/depot/").unwrap()..];
        let answer = self.ask(identity, &format!("GET {path}"), "", "");
        assert!(answer.ends_with("firmware"), "{answer}");
        let altered = format!("GET {}", path.replace("lamp-a", "lamp-b"));
        self.is_refused("signature", signature, (&altered, "", ""));
    }

    /// Uses a credential, and shows it as somebody else.
    fn with_credential(&mut self, identity: &Arc<ClientConfig>) {
        let delta = self.delta(identity);
        let job = json!({"jobID": delta["jobID"]}).to_string();
        let json = "content-type: application/json\r\n";
        let given = body(&self.ask(identity, "POST /device/v1/credential", json, &job));
        let token = given["token"].as_str().unwrap();
        self.secrets.keep("credential", token);
        let url = delta["state"]["softwareURL"].as_str().unwrap();
        let get = format!("GET {}", &url[url.find("/depot/").unwrap()..]);
        let bearer = format!("authorization: Bearer {token}\r\n");
        let answer = self.ask(identity, &get, &bearer, "");
        assert!(answer.ends_with("firmware"), "{answer}");
        self.is_refused("credential", token, (&get, &bearer, ""));
    }

    /// Runs an agent until it has what it should have; what the system tells of it is looked at meanwhile.
    fn update(&mut self, device: &Enrolled) {
        let log = self.file(&format!("{}.log", device.id));
        let agent = device.run_into(log);
        self.server
            .wait_for_device(&device.id, |shown| shown["converged"] == true);
        self.look_at_process(agent.0.id());
    }

    fn look_at_process(&self, pid: u32) {
        for name in ["cmdline", "environ"] {
            let place = format!("/proc/{pid}/{name}");
            self.secrets.are_not_in(&place, &fs::read(&place).unwrap());
        }
    }

    /// All that can be asked for.
    fn look_at_what_is_shown(&self) {
        for arguments in [
            &["token", "list", "--json"][..],
            &["user", "list", "--json"],
            &["enrol", "token", "list", "--json"],
            &["device", "list", "--json"],
            &["device", "show", "lamp-a", "--json"],
            &["device", "why", "lamp-b", "--json"],
            &["job", "list", "--json"],
            &["release", "list", "--json"],
            &["grant", "keys", "--json"],
            &["ca", "status", "--json"],
            &["audit", "list", "--json"],
            &["audit", "export"],
            &["doctor", "--json"],
        ] {
            let output = self.server.refit(arguments);
            let said = [output.stdout, output.stderr].concat();
            assert!(said.len() > 2, "refit {arguments:?} says nothing");
            self.secrets
                .are_not_in(&format!("refit {arguments:?}"), &said);
        }
        let bearer = format!("authorization: Bearer {}\r\n", self.server.token);
        let metrics = self.ask(&self.nobody, "GET /metrics", &bearer, "");
        assert!(metrics.contains("\nrefit_"), "{metrics}");
        self.secrets.are_not_in("/metrics", metrics.as_bytes());
    }
}

fn body(answer: &str) -> Value {
    let (_, body) = answer.split_once("\r\n\r\n").unwrap();
    serde_json::from_str(body).unwrap_or_else(|_| panic!("{answer}"))
}

/// Keys of the server, wherever they lie.
fn keys(folder: &Path) -> Vec<PathBuf> {
    let mut keys = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if path.is_dir() {
            keys.extend(self::keys(&path));
        } else if name.ends_with(".key") || name.ends_with(".keys") {
            keys.push(path);
        }
    }
    keys
}

#[test]
fn a_whole_update_leaves_no_secret_anywhere() {
    let mut house = House::new();
    let followed = house.follow();
    house.people();
    let (a, b) = (house.enrol("lamp-a"), house.enrol("lamp-b"));
    let keys = keys(&house.server.data());
    assert!(keys.len() >= 3, "{keys:?}");
    keys.iter().for_each(|key| house.secrets.keep_key(key));
    house.server.add_release("2.0.0", b"firmware");
    let set = ["device", "set"];
    let presigned = ["lamp-a", "firmware@2.0.0", "--grant", "presigned"];
    house.server.refit_json(&[&set[..], &presigned].concat());
    let credential = ["lamp-b", "firmware@2.0.0", "--grant", "credential"];
    house.server.refit_json(&[&set[..], &credential].concat());
    house.with_url(&Identity::kept(&a.identity()).client());
    house.with_credential(&Identity::kept(&b.identity()).client());
    house.update(&a);
    house.update(&b);
    house.look_at_process(house.server.pid());
    house.look_at_what_is_shown();
    // What happened last has been told.
    let events = house.server.home().join("events");
    wait_for("the events of both devices", || {
        let told = fs::read_to_string(&events).unwrap();
        let ended = told.lines().filter(|line| line.contains("SUCCEEDED"));
        (ended.count() >= 2).then_some(())
    });
    drop(followed);
    for path in &house.written {
        let bytes = fs::read(path).unwrap();
        assert!(!bytes.is_empty(), "{}", path.display());
        house
            .secrets
            .are_not_in(&path.display().to_string(), &bytes);
    }
}
