//! The stream of events, as commands follow it: opened again where it was when it breaks.

use std::io::BufRead;
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::client::{Client, encoded};
use crate::failure::{Failure, Kind};
use crate::output::hint;

/// A server says something at least every 15 seconds; after this it is taken for gone.
const SILENCE_MAX: Duration = Duration::from_secs(45);

/// How long to try to open a stream again that was open once, and how often.
const AGAIN_MAX: Duration = Duration::from_secs(60);
const AGAIN_PAUSE: Duration = Duration::from_millis(500);

/// A stream of events.
pub(crate) struct Stream<'a> {
    client: &'a Client,
    path: String,
    lines: Receiver<String>,
    /// When nobody waits any more.
    deadline: Option<Instant>,
    last: Option<String>,
    data: String,
}

/// What a stream brings.
pub(crate) enum Brought {
    /// An event.
    Event(Value),
    /// Events may have been missed: read the state anew.
    Gap,
    /// Nothing until the deadline.
    Nothing,
}

impl<'a> Stream<'a> {
    /// Opens the stream. When this returns, whatever happens from now on will be brought.
    pub(crate) fn open(
        client: &'a Client,
        device: Option<&str>,
        types: &[String],
        deadline: Option<Instant>,
    ) -> Result<Self, Failure> {
        let device = device.map(|device| format!("device={}", encoded(device)));
        let types = (!types.is_empty()).then(|| format!("types={}", encoded(&types.join(","))));
        let query: Vec<String> = device.into_iter().chain(types).collect();
        let path = format!("/api/v1/events?{}", query.join("&"));
        let path = path.trim_end_matches('?').to_owned();
        let lines = lines(client, &path, None)?;
        Ok(Self {
            client,
            path,
            lines,
            deadline,
            last: None,
            data: String::new(),
        })
    }

    /// Waits for what comes next, at most for a while.
    pub(crate) fn next(&mut self, most: Duration) -> Result<Brought, Failure> {
        let until = Instant::now() + most;
        let until = self.deadline.map_or(until, |deadline| deadline.min(until));
        loop {
            let left = until.saturating_duration_since(Instant::now());
            match self.lines.recv_timeout(left.min(SILENCE_MAX)) {
                Ok(line) => {
                    if let Some(event) = self.take(&line) {
                        return Ok(Brought::Event(event));
                    }
                }
                Err(RecvTimeoutError::Timeout) if left <= SILENCE_MAX => {
                    return Ok(Brought::Nothing);
                }
                Err(_) => return self.again(),
            }
        }
    }

    /// Takes in a line; an empty one ends an event.
    fn take(&mut self, line: &str) -> Option<Value> {
        if let Some(id) = line.strip_prefix("id: ") {
            self.last = Some(id.to_owned());
        } else if let Some(data) = line.strip_prefix("data: ") {
            self.data.push_str(data);
        } else if line.is_empty() && !self.data.is_empty() {
            return serde_json::from_str(&std::mem::take(&mut self.data)).ok();
        }
        None
    }

    fn again(&mut self) -> Result<Brought, Failure> {
        hint("the stream broke; opening it again");
        let until = Instant::now() + AGAIN_MAX;
        self.data.clear();
        loop {
            match lines(self.client, &self.path, self.last.as_deref()) {
                Ok(lines) => {
                    self.lines = lines;
                    return Ok(Brought::Gap);
                }
                // It is another run of the server, or too much happened: begin anew.
                Err(failure) if failure.kind == Kind::NotFound && self.last.is_some() => {
                    self.last = None
                }
                Err(failure) if Instant::now() > until => return Err(failure),
                Err(_) if self.deadline.is_some_and(|at| Instant::now() > at) => {
                    return Ok(Brought::Nothing);
                }
                Err(_) => thread::sleep(AGAIN_PAUSE),
            }
        }
    }
}

/// Reads lines on a thread of its own, so that waiting for one can end.
fn lines(client: &Client, path: &str, after: Option<&str>) -> Result<Receiver<String>, Failure> {
    let reader = client.stream(path, after)?;
    let (sender, lines) = sync_channel(256);
    thread::spawn(move || {
        for line in reader.lines() {
            let Ok(line) = line else { return };
            if sender.send(line).is_err() {
                return;
            }
        }
    });
    Ok(lines)
}
