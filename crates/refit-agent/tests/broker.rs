//! A real mosquitto on a free port of the loopback.
//!
//! The tests that need it run only with `REFIT_TEST_OUTSIDE` set; without the package they then fail.

use std::io::Write;
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// Tells whether the tests with parts from outside are wanted.
pub(crate) fn wanted() -> bool {
    std::env::var_os("REFIT_TEST_OUTSIDE").is_some()
}

/// A running broker; it ends with this value.
pub(crate) struct Broker {
    pub(crate) port: u16,
    /// Where it speaks TLS, if it does.
    pub(crate) secure: u16,
    home: TempDir,
    process: Child,
}

/// The certificates of a broker that speaks TLS and asks each client for one.
pub(crate) struct Certificates {
    pub(crate) authority: String,
    pub(crate) certificate: String,
    pub(crate) key: String,
}

impl Broker {
    pub(crate) fn start() -> Self {
        Self::start_with(None)
    }

    pub(crate) fn start_with(certificates: Option<&Certificates>) -> Self {
        // Another program may take the port between the look and the start: then another is tried.
        for _ in 0..10 {
            let (port, secure) = (free_port(), free_port());
            let home = TempDir::new().unwrap();
            configure(&home, port, secure, certificates);
            let process = launch(&home);
            let mut broker = Self {
                port,
                secure,
                home,
                process,
            };
            if broker.answers() {
                return broker;
            }
        }
        panic!("mosquitto does not start: is Debian's package mosquitto installed?");
    }

    pub(crate) fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    pub(crate) fn kill(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }

    pub(crate) fn restart(&mut self) {
        self.process = launch(&self.home);
        assert!(self.answers(), "mosquitto does not start again");
    }

    pub(crate) fn secure_address(&self) -> String {
        format!("127.0.0.1:{}", self.secure)
    }

    fn answers(&mut self) -> bool {
        let until = Instant::now() + Duration::from_secs(20);
        while Instant::now() < until && self.process.try_wait().unwrap().is_none() {
            let open = |port| TcpStream::connect(("127.0.0.1", port)).is_ok();
            if open(self.port) && (!self.home.path().join("cafile").exists() || open(self.secure)) {
                return true;
            }
            std::thread::yield_now();
        }
        false
    }
}

fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}

fn configure(home: &TempDir, port: u16, secure: u16, certificates: Option<&Certificates>) {
    let path = home.path().join("mosquitto.conf");
    let mut file = std::fs::File::create(path).unwrap();
    writeln!(
        file,
        "listener {port} 127.0.0.1\nallow_anonymous true\npersistence false"
    )
    .unwrap();
    let Some(certificates) = certificates else {
        return;
    };
    // It drops to a user of its own, who must be able to read them.
    writeln!(
        file,
        "user root\nlistener {secure} 127.0.0.1\nrequire_certificate true"
    )
    .unwrap();
    for (name, text) in [
        ("cafile", &certificates.authority),
        ("certfile", &certificates.certificate),
        ("keyfile", &certificates.key),
    ] {
        let path = home.path().join(name);
        std::fs::write(&path, text).unwrap();
        writeln!(file, "{name} {}", path.display()).unwrap();
    }
}

fn launch(home: &TempDir) -> Child {
    let path = home.path().join("mosquitto.conf");
    let program = if std::path::Path::new("/usr/sbin/mosquitto").exists() {
        "/usr/sbin/mosquitto"
    } else {
        "mosquitto"
    };
    Command::new(program)
        .arg("-c")
        .arg(path)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("mosquitto is not there: install Debian's package mosquitto")
}

impl Drop for Broker {
    fn drop(&mut self) {
        drop(self.process.kill());
        drop(self.process.wait());
    }
}
