//! Starts the real programs on free ports and in temporary homes, and ends them with the test.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

/// How long anything may take before the test gives up; generous, because the machine may be busy.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// A server, and the home of its data.
pub(crate) struct Server {
    child: Child,
    home: tempfile::TempDir,
    pub(crate) api: String,
    pub(crate) mqtt_port: u16,
    pub(crate) token: String,
    /// Whom its clients trust, if it speaks TLS.
    pub(crate) root: Option<PathBuf>,
    options: Vec<String>,
    is_talkative: bool,
}

impl Server {
    pub(crate) fn start() -> Self {
        Self::start_with(&[])
    }

    /// Starts a server with `--dev` and further options of `refit serve`.
    pub(crate) fn start_with(options: &[&str]) -> Self {
        Self::serve(&["--dev"], options, false)
    }

    /// Starts a server that is private, as it is without `--dev`, with further options.
    pub(crate) fn private(options: &[&str]) -> Self {
        Self::serve(PRIVATE, options, false)
    }

    /// Starts a private one that logs all that it can, into the file that [`Server::log`] names.
    pub(crate) fn talkative() -> Self {
        Self::serve(PRIVATE, &[], true)
    }

    fn serve(kind: &[&str], options: &[&str], is_talkative: bool) -> Self {
        let home = tempfile::tempdir().unwrap();
        let options = kind.iter().chain(options);
        let options: Vec<String> = options.map(ToString::to_string).collect();
        let log = is_talkative.then(|| home.path().join("server.log"));
        let child = spawn(&home.path().join("data"), &options, log.as_deref());
        let mut server = Self {
            child,
            home,
            api: String::new(),
            mqtt_port: 0,
            token: String::new(),
            root: None,
            options,
            is_talkative,
        };
        server.find();
        server
    }

    pub(crate) fn data(&self) -> PathBuf {
        self.home.path().join("data")
    }

    /// Where a talkative one logs, and prints.
    pub(crate) fn log(&self) -> PathBuf {
        self.home.path().join("server.log")
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Ends the server as a power cut would end it.
    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Starts it again on the same data.
    pub(crate) fn start_again(&mut self) {
        let log = self.is_talkative.then(|| self.log());
        self.child = spawn(&self.data(), &self.options, log.as_deref());
        self.find();
    }

    /// Reads where everything is from the file that the server writes when it is ready.
    fn find(&mut self) {
        let file = self.data().join("server.json");
        let pid = u64::from(self.child.id());
        let places = wait_for("the server to say where it is", || {
            if let Some(status) = self.child.try_wait().unwrap() {
                panic!("the server ended: {status}");
            }
            let places: Value = serde_json::from_slice(&std::fs::read(&file).ok()?).ok()?;
            (places["pid"].as_u64() == Some(pid)).then_some(places)
        });
        self.api = places["api"].as_str().unwrap().trim_end_matches('/').into();
        self.root = places["root"].as_str().map(PathBuf::from);
        let mqtt = places["mqtt"].as_str().unwrap();
        self.mqtt_port = mqtt
            .rsplit(':')
            .next()
            .unwrap()
            .trim_end_matches('/')
            .parse()
            .unwrap();
        let token = std::fs::read_to_string(places["tokenFile"].as_str().unwrap()).unwrap();
        self.token = token.trim().into();
    }

    /// Runs the command line against this server.
    pub(crate) fn refit(&self, arguments: &[&str]) -> Output {
        let mut refit = Command::new(program("refit"));
        if let Some(root) = &self.root {
            refit.env("REFIT_CA", root);
        }
        refit
            .args(arguments)
            .env("REFIT_SERVER", &self.api)
            .env("REFIT_TOKEN", &self.token)
            .output()
            .unwrap()
    }

    /// Runs the command line, which must succeed, and reads what it prints as JSON.
    pub(crate) fn refit_json(&self, arguments: &[&str]) -> Value {
        let arguments: Vec<&str> = arguments.iter().copied().chain(["--json"]).collect();
        let output = self.refit(&arguments);
        assert!(
            output.status.success(),
            "refit {arguments:?}: {}",
            text(&output.stderr)
        );
        serde_json::from_slice(&output.stdout).unwrap()
    }

    /// Adds a release made of these bytes; returns its stable URL.
    pub(crate) fn add_release(&self, version: &str, bytes: &[u8]) -> String {
        let file = self.home.path().join(format!("firmware-{version}"));
        std::fs::write(&file, bytes).unwrap();
        let path = file.to_str().unwrap();
        let release = self.refit_json(&[
            "release",
            "add",
            path,
            "--name",
            "firmware",
            "--version",
            version,
        ]);
        release["softwareURL"].as_str().unwrap().into()
    }

    /// Waits until the record of a device is as wanted; returns it.
    pub(crate) fn wait_for_device(&self, id: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        wait_for(&format!("{id} to be as wanted"), || {
            let output = self.refit(&["device", "show", id, "--json"]);
            let device: Value = serde_json::from_slice(&output.stdout).ok()?;
            wanted(&device).then_some(device)
        })
    }

    /// A folder for what a test writes.
    pub(crate) fn home(&self) -> &Path {
        self.home.path()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// How a private server is named.
const PRIVATE: &[&str] = &["--name", "localhost", "--name", "127.0.0.1"];

fn spawn(data: &Path, options: &[String], log: Option<&Path>) -> Child {
    let mut command = Command::new(program("refit"));
    command
        .args([
            "serve",
            "--http",
            "127.0.0.1:0",
            "--mqtt",
            "127.0.0.1:0",
            "--data",
        ])
        .arg(data)
        .args(options)
        .stdout(Stdio::null());
    if let Some(log) = log {
        let log = std::fs::File::options().create(true).append(true).open(log);
        let log = log.unwrap();
        command.env("REFIT_LOG", "trace");
        command.stdout(log.try_clone().unwrap()).stderr(log);
    }
    command.spawn().unwrap()
}

/// Returns a program of this workspace, which `cargo xtask test` builds before the tests.
pub(crate) fn program(name: &str) -> PathBuf {
    let here = std::env::current_exe().unwrap();
    let program = here.parent().and_then(Path::parent).unwrap().join(name);
    assert!(
        program.is_file(),
        "{} is not built; run `cargo xtask test`",
        program.display()
    );
    program
}

/// A Python program that runs for as long as the test, and prints a JSON line for whatever it sees.
pub(crate) struct Script {
    child: Child,
    lines: BufReader<ChildStdout>,
}

impl Script {
    pub(crate) fn start(name: &str, arguments: &[&str], folder: &Path) -> Self {
        let python = std::env::var_os("REFIT_TEST_PYTHON").expect(
            "REFIT_TEST_PYTHON is not set; run `cargo xtask test`, which makes the environment",
        );
        let script = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("../..")
            .join(name);
        let mut child = Command::new(python)
            .arg(script.canonicalize().unwrap())
            .args(arguments)
            .current_dir(folder)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap());
        Self { child, lines }
    }

    /// Reads the next line.
    pub(crate) fn next(&mut self) -> Value {
        let mut line = String::new();
        self.lines.read_line(&mut line).unwrap();
        serde_json::from_str(&line).unwrap_or_else(|_| panic!("the script ended, or said {line:?}"))
    }

    /// Reads on until a line is as wanted; returns it.
    pub(crate) fn until(&mut self, wanted: impl Fn(&Value) -> bool) -> Value {
        std::iter::repeat_with(|| self.next())
            .find(|line| wanted(line))
            .unwrap()
    }
}

impl Drop for Script {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// Asks again and again until there is an answer.
pub(crate) fn wait_for<T>(what: &str, mut ask: impl FnMut() -> Option<T>) -> T {
    let give_up = Instant::now() + PATIENCE;
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(Instant::now() < give_up, "waited {PATIENCE:?} for {what}");
        std::thread::park_timeout(Duration::from_millis(10));
    }
}

pub(crate) fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Downloads with nothing but HTTP/1.1 in hand: the status, and the body.
pub(crate) fn get(url: &str) -> (u16, Vec<u8>) {
    let (status, _, body) = get_with(url, &[]);
    (status, body)
}

/// Downloads with further lines of the head: the status, the head, and the body.
pub(crate) fn get_with(url: &str, lines: &[&str]) -> (u16, String, Vec<u8>) {
    use std::io::{Read, Write};
    let (host, path) = url
        .strip_prefix("http://")
        .unwrap()
        .split_once('/')
        .unwrap();
    let mut stream = std::net::TcpStream::connect(host).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let lines: String = lines.iter().map(|line| format!("{line}\r\n")).collect();
    let request =
        format!("GET /{path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n{lines}\r\n");
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    let head_ends = answer.windows(4).position(|w| w == b"\r\n\r\n").unwrap() + 4;
    let body = answer.split_off(head_ends);
    let head = text(&answer);
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    (status, head, body)
}
