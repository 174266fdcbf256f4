//! A server under load, as its own process, and what the kernel says that it costs.

use std::fs;
use std::io::{self, BufRead, BufReader};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// A server that is killed when this is dropped.
pub(crate) struct Server {
    child: Child,
    /// Where devices connect.
    pub(crate) mqtt: SocketAddr,
}

impl Server {
    /// Starts our own server on a data directory, without identities.
    pub(crate) fn refit(data: &Path) -> io::Result<Self> {
        Self::serve(data, &["--dev"])
    }

    /// Starts our own server on a data directory as it is without `--dev`: private, devices known by certificates.
    pub(crate) fn refit_private(data: &Path) -> io::Result<Self> {
        Self::serve(data, &[])
    }

    fn serve(data: &Path, options: &[&str]) -> io::Result<Self> {
        let mut child = Command::new(beside("refit"))
            .args(["serve", "--http", "127.0.0.1:0", "--mqtt", "127.0.0.1:0"])
            .args(options)
            .arg("--data")
            .arg(data)
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .spawn()?;
        let mqtt = printed_address(&mut child)?;
        Ok(Self { child, mqtt })
    }

    /// Starts mosquitto, which keeps nothing on disk, with everything else at its default.
    pub(crate) fn mosquitto(home: &Path) -> io::Result<Self> {
        Self::mosquitto_with(home, "allow_anonymous true\n")
    }

    /// The same with the certificates of our own server's data directory, which nobody but their owner may read; devices
    /// must show theirs.
    pub(crate) fn mosquitto_private(home: &Path, data: &Path) -> io::Result<Self> {
        let data = data.display();
        let text = format!(
            "cafile {data}/ca/root.pem\ncertfile {data}/tls/server.pem\nkeyfile {data}/tls/server.key\n\
             user root\ntls_version tlsv1.3\nrequire_certificate true\nuse_identity_as_username true\n"
        );
        Self::mosquitto_with(home, &text)
    }

    fn mosquitto_with(home: &Path, more: &str) -> io::Result<Self> {
        let mqtt = free_address()?;
        let config = home.join("mosquitto.conf");
        let port = mqtt.port();
        let text = format!("listener {port} 127.0.0.1\n{more}persistence false\nlog_type error\n");
        fs::write(&config, text)?;
        let program = ["/usr/sbin/mosquitto", "/usr/bin/mosquitto", "mosquitto"]
            .into_iter()
            .find(|p| Path::new(p).is_file())
            .unwrap_or("mosquitto");
        let child = Command::new(program)
            .arg("-c")
            .arg(&config)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .map_err(|why| {
                io::Error::new(
                    why.kind(),
                    format!("mosquitto: {why} (apt-get install mosquitto)"),
                )
            })?;
        let server = Self { child, mqtt };
        server.wait_until_it_listens()?;
        Ok(server)
    }

    fn wait_until_it_listens(&self) -> io::Result<()> {
        let give_up = Instant::now() + Duration::from_secs(10);
        loop {
            match TcpStream::connect(self.mqtt) {
                Ok(_) => return Ok(()),
                Err(why) if Instant::now() > give_up => return Err(why),
                Err(_) => std::thread::yield_now(),
            }
        }
    }

    /// Returns the processor time that it has used, user and system, in seconds (proc(5), stat: 100 ticks a second).
    pub(crate) fn cpu_seconds(&self) -> io::Result<f64> {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.child.id()))?;
        let after_name = stat.rsplit_once(')').map_or("", |(_, rest)| rest);
        let ticks: u64 = after_name
            .split_ascii_whitespace()
            .skip(11)
            .take(2)
            .filter_map(|t| t.parse::<u64>().ok())
            .sum();
        Ok(ticks as f64 / 100.0)
    }

    /// Returns its resident memory, in bytes.
    pub(crate) fn resident_bytes(&self) -> io::Result<u64> {
        resident_bytes(&self.child)
    }
}

/// Returns the resident memory of this process, in bytes.
pub(crate) fn own_resident_bytes() -> io::Result<u64> {
    resident_bytes_of(std::process::id())
}

fn resident_bytes(child: &Child) -> io::Result<u64> {
    resident_bytes_of(child.id())
}

fn resident_bytes_of(process: u32) -> io::Result<u64> {
    let status = fs::read_to_string(format!("/proc/{process}/status"))?;
    let kib = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))
        .and_then(|rest| rest.split_ascii_whitespace().next()?.parse::<u64>().ok());
    kib.map(|kib| kib * 1024)
        .ok_or_else(|| io::Error::other("no VmRSS"))
}

/// An agent that is connected and has nothing to do.
pub(crate) struct Agent {
    child: Child,
}

impl Agent {
    /// The program, as a device carries it: `cargo build --profile agent -p refit-agent`.
    pub(crate) fn program() -> PathBuf {
        let release = beside("refit");
        release.with_file_name("../agent/refit-agent")
    }

    /// Starts one and waits until it is connected.
    pub(crate) fn start(server: &Server, root: &Path) -> io::Result<Self> {
        let mut child = Command::new(Self::program())
            .args([
                "run",
                "--server",
                "http://127.0.0.1:9",
                "--id",
                "bench-agent",
                "--mqtt",
            ])
            .arg(server.mqtt.to_string())
            .arg("--root")
            .arg(root)
            .stderr(Stdio::piped())
            .spawn()?;
        let stderr = child
            .stderr
            .take()
            .ok_or_else(|| io::Error::other("no output"))?;
        let mut lines = BufReader::new(stderr).lines();
        for line in lines.by_ref() {
            if line?.ends_with(": connected") {
                std::thread::spawn(move || lines.for_each(drop));
                return Ok(Self { child });
            }
        }
        Err(io::Error::other("the agent ended before it was connected"))
    }

    /// Returns its resident memory, in bytes.
    pub(crate) fn resident_bytes(&self) -> io::Result<u64> {
        resident_bytes(&self.child)
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// Returns a program that was built together with this one.
fn beside(name: &str) -> PathBuf {
    std::env::current_exe()
        .unwrap_or_default()
        .with_file_name(name)
}

/// `refit serve` prints where everything is; the line of MQTT has its address.
fn printed_address(child: &mut Child) -> io::Result<SocketAddr> {
    let stdout = child
        .stdout
        .take()
        .ok_or_else(|| io::Error::other("no output"))?;
    let mut lines = BufReader::new(stdout).lines();
    let address = loop {
        let Some(line) = lines.next().transpose()? else {
            return Err(io::Error::other(
                "the server ended before it said where MQTT is",
            ));
        };
        let schemes = ["mqtt://", "mqtts://"];
        if let Some((_, rest)) = schemes.iter().find_map(|scheme| line.split_once(scheme)) {
            let end = rest
                .find(|c: char| !c.is_ascii_digit() && c != '.' && c != ':')
                .unwrap_or(rest.len());
            break rest[..end].parse().map_err(io::Error::other)?;
        }
    };
    // Its output is read on, so that it never waits for a reader.
    std::thread::spawn(move || lines.for_each(drop));
    Ok(address)
}

fn free_address() -> io::Result<SocketAddr> {
    TcpListener::bind("127.0.0.1:0")?.local_addr()
}
