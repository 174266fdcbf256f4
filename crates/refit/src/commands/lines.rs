//! Files of lines: sent in slices, and answered line by line.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;

use serde_json::Value;

use crate::client::Client;
use crate::failure::{Failure, Kind};

/// How many lines go into one request: its answers must fit what the sockets hold, since they are read after it is sent.
const SLICE_LINES: u64 = 500;

/// Opens a file; `-` is standard input.
pub(super) fn open(file: &Path) -> Result<Box<dyn Read + Send>, Failure> {
    if file.as_os_str() == "-" {
        return Ok(Box::new(io::stdin()));
    }
    let opened = File::open(file).map_err(|error| {
        Failure::new(Kind::Usage, format!("{} cannot be read", file.display())).because(&error)
    })?;
    Ok(Box::new(opened))
}

/// Sends a file of lines, and hands each answer on, under the number of its line in the file.
pub(super) fn exchange(
    file: &Path,
    path: &str,
    client: &Client,
    mut each: impl FnMut(&Value) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let mut list = BufReader::new(open(file)?);
    let mut before = 0;
    loop {
        let (slice, lines) = slice(&mut list).map_err(|error| {
            Failure::new(Kind::Error, "the list cannot be read").because(&error)
        })?;
        if lines == 0 {
            return Ok(());
        }
        let answers = client.exchange(path, slice)?;
        for line in BufReader::new(answers).lines() {
            let line = line.map_err(|error| {
                Failure::new(Kind::Error, "the answer was cut short").because(&error)
            })?;
            let mut answer: Value = serde_json::from_str(&line).unwrap_or_default();
            answer["line"] = (answer["line"].as_u64().unwrap_or_default() + before).into();
            each(&answer)?;
        }
        before += lines;
    }
}

/// Reads some lines, and says how many.
fn slice(list: &mut impl BufRead) -> io::Result<(Vec<u8>, u64)> {
    let (mut slice, mut lines) = (Vec::new(), 0);
    while lines < SLICE_LINES && list.read_until(b'\n', &mut slice)? > 0 {
        lines += 1;
    }
    Ok((slice, lines))
}
