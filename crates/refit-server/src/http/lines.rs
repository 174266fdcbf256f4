//! Lines of a body that may be longer than memory: read as they come, each with its number.

use std::collections::VecDeque;

use axum::body::{Body, BodyDataStream};
use futures_util::StreamExt;

use super::BODY_PAUSE_MAX;

/// The longest line, in bytes: an ID, and attributes of the size that a state may have.
const LINE_BYTES_MAX: usize = 16 * 1024;

/// The lines of a body.
pub(super) struct Lines {
    body: BodyDataStream,
    /// The beginning of a line whose end has not come.
    rest: Vec<u8>,
    lines: VecDeque<Line>,
    number: u64,
    /// The rest of this line is not taken.
    skipping: bool,
    ended: bool,
}

/// A line that was read.
pub(super) struct Line {
    /// Its number, from 1; empty lines count, and are left out.
    pub(super) number: u64,
    /// Its bytes, or why there are none.
    pub(super) read: Result<Vec<u8>, String>,
}

impl Lines {
    pub(super) fn of(body: Body) -> Self {
        Self {
            body: body.into_data_stream(),
            rest: Vec::new(),
            lines: VecDeque::new(),
            number: 0,
            skipping: false,
            ended: false,
        }
    }

    /// Returns the next lines, at most so many: those that are here, or that come first. None at the end.
    pub(super) async fn next(&mut self, most: usize) -> Option<Vec<Line>> {
        while self.lines.is_empty() {
            if self.ended {
                return None;
            }
            self.read().await;
        }
        let count = self.lines.len().min(most);
        Some(self.lines.drain(..count).collect())
    }

    /// Takes in what comes next, line by line.
    async fn read(&mut self) {
        match tokio::time::timeout(BODY_PAUSE_MAX, self.body.next()).await {
            Ok(Some(Ok(bytes))) => self.take(&bytes),
            Ok(None) => {
                if !self.rest.is_empty() || self.skipping {
                    self.end_line();
                }
                self.ended = true;
            }
            Ok(Some(Err(_))) => self.cut("the request was cut short here; send the list again"),
            Err(_) => self.cut("nothing came for too long; send the list again"),
        }
    }

    fn cut(&mut self, why: &str) {
        self.number += 1;
        self.ended = true;
        self.lines.push_back(Line {
            number: self.number,
            read: Err(why.into()),
        });
    }

    fn take(&mut self, mut bytes: &[u8]) {
        while let Some(end) = bytes.iter().position(|byte| *byte == b'\n') {
            let (line, rest) = bytes.split_at(end);
            self.gather(line);
            self.end_line();
            bytes = rest.get(1..).unwrap_or_default();
        }
        self.gather(bytes);
    }

    fn gather(&mut self, part: &[u8]) {
        if self.skipping || self.rest.len() + part.len() > LINE_BYTES_MAX {
            self.skipping = true;
            self.rest.clear();
        } else {
            self.rest.extend_from_slice(part);
        }
    }

    fn end_line(&mut self) {
        self.number += 1;
        let line = std::mem::take(&mut self.rest);
        let read = if std::mem::take(&mut self.skipping) {
            Err(format!("the line is longer than {LINE_BYTES_MAX} bytes"))
        } else if line.trim_ascii().is_empty() {
            return;
        } else {
            Ok(line)
        };
        self.lines.push_back(Line {
            number: self.number,
            read,
        });
    }
}
