//! A crowd that means ill: each kind is one act, which every one of them does again and again until told to stop.
//!
//! The same kinds are a table of tests, where the good device beside them must be served, and the floods of the
//! benchmark, where it is measured how fast.

mod hostile;
pub mod over_http;
pub mod over_mqtt;

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rustls::ClientConfig;
use rustls::client::Resumption;

use crate::Identity;
use crate::device::PATIENCE;
use crate::identity::{foreign, nobody};
use hostile::Hostile;

/// How long certificates of the crowd are good.
const DAY_MS: u64 = 86_400_000;

/// What each of a crowd does.
#[derive(Clone, Copy, Debug)]
pub struct Kind {
    /// Its name, in words with hyphens.
    pub name: &'static str,
    /// Whether there is nothing of it without TLS.
    pub needs_tls: bool,
    act: fn(&Hostile<'_>) -> io::Result<()>,
}

/// Whom a crowd goes for, and as whom it can.
pub struct Target {
    mqtt: String,
    http: String,
    private: Option<Private>,
}

/// What it takes to be private.
struct Private {
    /// Members of the fleet who mean ill, one for each of the crowd.
    devices: Vec<Arc<ClientConfig>>,
    nobody: Arc<ClientConfig>,
    foreign: Arc<ClientConfig>,
}

impl Target {
    /// A server of `--dev`, where devices are who they say: the hosts and ports of MQTT and HTTP.
    pub fn plain(mqtt: &str, http: &str) -> Self {
        Self {
            mqtt: mqtt.into(),
            http: http.into(),
            private: None,
        }
    }

    /// A private server. So many devices get certificates of the CA in its data directory.
    pub fn private(mqtt: &str, http: &str, data: &Path, many: usize) -> io::Result<Self> {
        let root = std::fs::read_to_string(data.join("ca/root.pem"))?;
        let devices = (0..many).map(|number| {
            let config = Identity::signed(data, &device_id(number), DAY_MS).client();
            // Each handshake costs the server all that it can.
            let mut config = ClientConfig::clone(&config);
            config.resumption = Resumption::disabled();
            Arc::new(config)
        });
        Ok(Self {
            private: Some(Private {
                devices: devices.collect(),
                nobody: nobody(&root),
                foreign: foreign(&root, &device_id(0)),
            }),
            ..Self::plain(mqtt, http)
        })
    }
}

/// Returns the ID of the device that this one of a crowd is.
pub fn device_id(number: usize) -> String {
    format!("hostile-{number}")
}

/// A crowd at work. It stops when it is dropped.
pub struct Crowd {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
}

/// What a crowd shares.
struct Shared {
    target: Arc<Target>,
    kind: Kind,
    rest: Duration,
    stop: AtomicBool,
    /// How many have begun.
    begun: AtomicUsize,
    acts: AtomicU64,
    let_in: AtomicU64,
}

/// What a crowd has done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Done {
    /// How often one of them did what it does.
    pub acts: u64,
    /// How often one was let in who must not be.
    pub let_in: u64,
}

impl Crowd {
    /// Sends so many, who rest for this long between two acts.
    pub fn send(target: &Arc<Target>, kind: Kind, many: usize, rest: Duration) -> Self {
        let shared = Arc::new(Shared {
            target: Arc::clone(target),
            kind,
            rest,
            stop: AtomicBool::new(false),
            begun: AtomicUsize::new(0),
            acts: AtomicU64::new(0),
            let_in: AtomicU64::new(0),
        });
        let one = |number| {
            let shared = Arc::clone(&shared);
            std::thread::spawn(move || Hostile::new(number, &shared).run())
        };
        Self {
            threads: (0..many).map(one).collect(),
            shared,
        }
    }

    /// Waits until each of them has begun.
    pub fn has_begun(&self) -> io::Result<()> {
        let give_up = Instant::now() + PATIENCE;
        loop {
            let begun = self.shared.begun.load(Relaxed);
            if begun == self.threads.len() {
                return Ok(());
            }
            if Instant::now() > give_up {
                let (name, all) = (self.shared.kind.name, self.threads.len());
                return Err(io::Error::other(format!(
                    "{name}: only {begun} of {all} have begun"
                )));
            }
            std::thread::park_timeout(Duration::from_millis(5));
        }
    }

    /// Calls them back, and says what they have done.
    pub fn call_back(mut self) -> Done {
        self.stop();
        Done {
            acts: self.shared.acts.load(Relaxed),
            let_in: self.shared.let_in.load(Relaxed),
        }
    }

    fn stop(&mut self) {
        self.shared.stop.store(true, Relaxed);
        for thread in self.threads.drain(..) {
            thread.thread().unpark();
            // One that panicked has done less; what it did is counted.
            drop(thread.join());
        }
    }
}

impl Drop for Crowd {
    fn drop(&mut self) {
        self.stop();
    }
}
