//! Downloads for the simulated devices: a few threads that fetch, hash, and tell. The bytes are not kept.

use std::io::{self, Read};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use refit_protocol::digest::Digest;
use sha2::{Digest as _, Sha256};

use crate::demo::Failure;
use crate::demo::api::trusting;

/// How many downloads go on at a time.
const THREADS: usize = 6;

/// How long one may take.
const DOWNLOAD_MAX: Duration = Duration::from_secs(30);

/// Something to download.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Fetch {
    /// For which job.
    pub(super) job: String,
    /// From where, with the grant.
    pub(super) url: String,
    /// What the bytes must hash to.
    pub(super) sha256: String,
}

/// How a download ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Fetched {
    /// All of it is there, and is what was promised.
    Whole(u64),
    /// The URL is not good, or no longer.
    Refused,
    /// It was cut, or the server could not.
    Broken(String),
    /// It is not what was promised.
    Altered,
}

/// The threads.
pub(super) struct Hands {
    orders: Sender<(usize, Fetch)>,
}

impl Hands {
    /// Starts them, trusting this root (PEM); each ended download is told to `done`, with the device's number.
    pub(super) fn start(
        root: &str,
        done: impl Fn(usize, Fetch, Fetched) + Clone + Send + 'static,
    ) -> Result<Self, Failure> {
        let (orders, queue) = channel();
        let queue = Arc::new(Mutex::new(queue));
        let config = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .timeout_global(Some(DOWNLOAD_MAX))
            .proxy(None)
            .tls_config(trusting(root)?)
            .max_idle_connections_per_host(THREADS)
            .build();
        let http = config.new_agent();
        for _ in 0..THREADS {
            let (queue, done, http) = (Arc::clone(&queue), done.clone(), http.clone());
            thread::spawn(move || {
                while let Some((number, fetch)) = next(&queue) {
                    let fetched = download(&http, &fetch);
                    done(number, fetch, fetched);
                }
            });
        }
        Ok(Self { orders })
    }

    /// Orders a download.
    pub(super) fn fetch(&self, number: usize, fetch: Fetch) {
        // The threads end with the process.
        drop(self.orders.send((number, fetch)));
    }
}

fn next(queue: &Mutex<Receiver<(usize, Fetch)>>) -> Option<(usize, Fetch)> {
    queue
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .recv()
        .ok()
}

fn download(http: &ureq::Agent, fetch: &Fetch) -> Fetched {
    let mut answer = match http.get(&fetch.url).call() {
        Ok(answer) => answer,
        Err(error) => return Fetched::Broken(error.to_string()),
    };
    match answer.status().as_u16() {
        200 => {}
        400 | 401 | 403 => return Fetched::Refused,
        status => return Fetched::Broken(format!("status {status}")),
    }
    let mut hasher = Sha256::new();
    match hash(&mut answer.body_mut().as_reader(), &mut hasher) {
        Err(error) => Fetched::Broken(error.to_string()),
        Ok(length) => {
            let digest = Digest::from_bytes(hasher.finalize().into());
            if digest.to_hex() == fetch.sha256 {
                Fetched::Whole(length)
            } else {
                Fetched::Altered
            }
        }
    }
}

fn hash(from: &mut impl Read, into: &mut Sha256) -> io::Result<u64> {
    let mut chunk = [0; 16 * 1024];
    let mut length = 0;
    loop {
        let count = from.read(&mut chunk)?;
        if count == 0 {
            return Ok(length);
        }
        into.update(&chunk[..count]);
        length += count as u64;
    }
}
