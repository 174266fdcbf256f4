//! A real S3-compatible store with STS: Ceph's RADOS gateway, from Debian's packages, in memory.
//!
//! One cluster serves all tests of a program; it takes some fifteen seconds to start. A gateway is a process of its own
//! over that cluster, so a test that kills one disturbs no other. `ceph.sh` has the recipe, and sees to it that nothing
//! is left when the tests end, however they end.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Instant;

use refit_depot::backend::settings::Settings;

use crate::device::PATIENCE;

/// The Debian packages that are needed.
pub const PACKAGES: &str = "radosgw ceph-mon ceph-osd ceph-common curl";

/// The access key and the secret of the user that Refit is, and of one that owns nothing.
pub const REFIT: (&str, &str) = ("refit", "refit-secret");
/// See [`REFIT`].
pub const STRANGER: (&str, &str) = ("stranger", "stranger-secret");

/// The role that temporary credentials are of.
pub const ROLE: &str = "arn:aws:iam:::role/download";

/// The region that Ceph wants requests signed for.
pub const REGION: &str = "default";

/// The cluster: told what to do over a pipe, and gone when that is closed.
struct Cluster {
    commands: ChildStdin,
    answers: BufReader<ChildStdout>,
    gateways: usize,
    _shell: Child,
}

/// A gateway of the cluster. It is ended when it is dropped.
pub struct Gateway {
    cluster: Arc<Mutex<Cluster>>,
    name: String,
    port: u16,
}

impl Gateway {
    /// Starts a gateway, and the cluster if this is the first.
    ///
    /// # Panics
    /// If it does not start: then there is nothing to test.
    pub fn start() -> Self {
        static CLUSTER: OnceLock<Arc<Mutex<Cluster>>> = OnceLock::new();
        let cluster = CLUSTER.get_or_init(|| Arc::new(Mutex::new(Cluster::start())));
        let mut gateway = Self {
            cluster: Arc::clone(cluster),
            name: String::new(),
            port: free_port(),
        };
        gateway.name = gateway.with(|cluster| {
            cluster.gateways += 1;
            format!("gateway{}", cluster.gateways)
        });
        gateway.start_again();
        gateway
    }

    /// Ends it as a power cut would. Its data is the cluster's, and stays.
    pub fn kill(&self) {
        self.with(|cluster| cluster.tell(&format!("kill {}", self.name)));
    }

    /// Starts it again at the same port, and waits until it answers.
    ///
    /// # Panics
    /// If it does not.
    pub fn start_again(&self) {
        self.with(|cluster| cluster.tell(&format!("start {} {}", self.name, self.port)));
        let give_up = Instant::now() + PATIENCE;
        while TcpStream::connect(("127.0.0.1", self.port)).is_err() {
            assert!(Instant::now() < give_up, "the gateway does not answer");
            std::thread::yield_now();
        }
    }

    /// Returns its URL.
    pub fn endpoint(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Makes a bucket that belongs to [`REFIT`].
    ///
    /// # Panics
    /// If it cannot.
    pub fn make_bucket(&self, name: &str) {
        let (status, body) = self.curl(REFIT, None, "PUT", &format!("/{name}"));
        assert_eq!(status, 200, "{body}");
    }

    /// Makes a request with a signature; returns the status and the body.
    ///
    /// # Panics
    /// If curl cannot be started.
    #[expect(clippy::expect_used, reason = "a test that has no client has failed")]
    pub fn curl(
        &self,
        (key, secret): (&str, &str),
        token: Option<&str>,
        method: &str,
        path: &str,
    ) -> (u16, String) {
        let mut curl = Command::new("curl");
        curl.args([
            "--silent",
            "--request",
            method,
            "--write-out",
            "\n%{http_code}",
        ])
        .args(["--user", &format!("{key}:{secret}")])
        .args(["--aws-sigv4", &format!("aws:amz:{REGION}:s3")])
        // Ceph wants it, and this curl does not say it by itself.
        .args(["--header", "x-amz-content-sha256: UNSIGNED-PAYLOAD"])
        .arg(format!("{}{path}", self.endpoint()));
        if method == "PUT" {
            // A body of no bytes, with its length.
            curl.args(["--data-binary", ""]);
        }
        if let Some(token) = token {
            curl.args(["--header", &format!("x-amz-security-token: {token}")]);
        }
        let output = curl.output().expect("curl (apt-get install curl)");
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let (body, status) = text.rsplit_once('\n').unwrap_or(("", &text));
        (status.trim().parse().unwrap_or(0), body.to_owned())
    }

    /// Returns settings for a depot in a bucket, with a credentials file that is written to `file`.
    ///
    /// # Panics
    /// If the file cannot be written.
    #[expect(clippy::expect_used, reason = "a test without its file has failed")]
    pub fn settings(&self, bucket: &str, user: (&str, &str), file: PathBuf) -> Settings {
        use std::os::unix::fs::PermissionsExt;
        let (key, secret) = user;
        let text =
            format!("[default]\naws_access_key_id = {key}\naws_secret_access_key = {secret}\n");
        std::fs::write(&file, text).expect("the credentials file");
        let private = std::fs::Permissions::from_mode(0o600);
        std::fs::set_permissions(&file, private).expect("its mode");
        Settings {
            url: format!("s3://{bucket}/some/prefix"),
            endpoint: Some(self.endpoint()),
            region: Some(REGION.into()),
            credentials: Some(file),
            role: Some(ROLE.into()),
            ..Settings::default()
        }
    }

    fn with<T>(&self, work: impl FnOnce(&mut Cluster) -> T) -> T {
        let cluster = self.cluster.lock();
        work(&mut cluster.unwrap_or_else(std::sync::PoisonError::into_inner))
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        // It may have been killed already, or the cluster may be gone.
        self.with(|cluster| {
            drop(writeln!(cluster.commands, "kill {}", self.name));
            drop(cluster.answers.read_line(&mut String::new()));
        });
    }
}

impl Cluster {
    #[expect(clippy::expect_used, reason = "a test that has no store has failed")]
    fn start() -> Self {
        let home = tempfile::Builder::new().prefix("refit-ceph-").tempdir();
        let home = home.expect("a temporary directory").keep();
        let mut shell = Command::new("sh")
            .args(["-c", include_str!("ceph.sh"), "ceph"])
            .arg(&home)
            .arg(free_port().to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("sh");
        let commands = shell.stdin.take().expect("its input");
        let answers = BufReader::new(shell.stdout.take().expect("its output"));
        let mut cluster = Self {
            commands,
            answers,
            gateways: 0,
            _shell: shell,
        };
        cluster.heard();
        cluster
    }

    #[expect(clippy::expect_used, reason = "a test that has no store has failed")]
    fn tell(&mut self, command: &str) {
        writeln!(self.commands, "{command}").expect("the cluster lives");
        self.heard();
    }

    #[expect(clippy::expect_used, reason = "a test that has no store has failed")]
    fn heard(&mut self) {
        let mut line = String::new();
        self.answers.read_line(&mut line).expect("a line");
        assert_eq!(line, "ok\n", "Ceph does not run; it needs {PACKAGES}");
    }
}

/// Returns a port that was free a moment ago.
#[expect(clippy::expect_used, reason = "a test that has no port has failed")]
fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("its address").port()
}
