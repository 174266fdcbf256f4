//! One record as bytes: a head with number, length and check, then the entry. Reading it is total: any bytes give
//! an entry or nothing.
//!
//! ```text
//! "refit-j" format:u8  number:u64  length:u32  check:8 bytes (of SHA-256 over all the rest)  entry
//! ```

use super::{Entry, RECORD_BYTES_MAX, Stage};
use crate::job::{Finished, Outcome, Release, Wanted};
use crate::machine::state::{Memory, Trial};
use refit_protocol::delta::{Format, Software};
use refit_protocol::digest::Digest;
use refit_protocol::job::JobId;
use sha2::{Digest as _, Sha256};

/// The format of the entry; a record of another format counts as not there.
const FORMAT: u8 = 1;

const MAGIC: &[u8; 7] = b"refit-j";
const CHECK_AT: usize = 20;
const HEAD_BYTES: usize = 28;

/// Writes a record.
pub fn encode(number: u64, entry: &Entry) -> Vec<u8> {
    let mut body = Vec::with_capacity(512);
    put_entry(&mut body, entry);
    sealed(number, &body)
}

/// Puts the head before a body, whatever that is: also for tests that want to get past the check.
pub fn sealed(number: u64, body: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(HEAD_BYTES + body.len());
    out.extend_from_slice(MAGIC);
    out.push(FORMAT);
    out.extend_from_slice(&number.to_le_bytes());
    out.extend_from_slice(&(body.len() as u32).to_le_bytes());
    out.extend_from_slice(&check(&out, body));
    out.extend_from_slice(body);
    out
}

/// Reads a record from the beginning of `bytes`; what follows it is left of an older one. `None` if it is not whole.
pub fn decode(bytes: &[u8]) -> Option<(u64, Entry)> {
    let (head, rest) = bytes.split_at_checked(HEAD_BYTES)?;
    if head[..7] != *MAGIC || head[7] != FORMAT {
        return None;
    }
    let number = u64::from_le_bytes(head[8..16].try_into().ok()?);
    let length = u32::from_le_bytes(head[16..CHECK_AT].try_into().ok()?) as usize;
    let body = rest.get(..length).filter(|_| length <= RECORD_BYTES_MAX)?;
    if check(&head[..CHECK_AT], body) != head[CHECK_AT..] {
        return None;
    }
    let mut reader = Reader(body);
    let entry = reader.entry()?;
    reader.0.is_empty().then_some((number, entry))
}

fn check(head: &[u8], body: &[u8]) -> [u8; 8] {
    let sum = Sha256::new()
        .chain_update(head)
        .chain_update(body)
        .finalize();
    std::array::from_fn(|i| sum[i])
}

fn put_entry(out: &mut Vec<u8>, entry: &Entry) {
    put_option(out, entry.memory.installed.as_ref(), put_release);
    put_option(out, entry.memory.last.as_ref(), put_finished);
    match &entry.stage {
        Stage::Idle => out.push(0),
        Stage::Fetching(job, wanted) => {
            put_job(out, 1, job);
            put_wanted(out, wanted);
        }
        Stage::Writing(job, release, tries) => {
            put_job(out, 2, job);
            put_release(out, release);
            out.push(*tries);
        }
        Stage::Fenced(job, release) => {
            put_job(out, 3, job);
            put_release(out, release);
        }
        Stage::Switching(job, trial) => put_trial(out, 4, job, trial),
        Stage::Checking(job, trial) => put_trial(out, 5, job, trial),
        Stage::Confirming(job, trial) => put_trial(out, 6, job, trial),
        Stage::GoingBack(job, trial, reason) => {
            put_trial(out, 7, job, trial);
            put_text(out, reason);
        }
        Stage::Reporting => out.push(8),
    }
}

fn put_job(out: &mut Vec<u8>, stage: u8, job: &JobId) {
    out.push(stage);
    put_text(out, job.as_str());
}

fn put_trial(out: &mut Vec<u8>, stage: u8, job: &JobId, trial: &Trial) {
    put_job(out, stage, job);
    put_release(out, &trial.release);
    put_option(out, trial.former.as_ref(), put_digest);
    out.push(trial.tries);
}

fn put_wanted(out: &mut Vec<u8>, wanted: &Wanted) {
    match wanted {
        Wanted::Known(release) => {
            out.push(0);
            put_release(out, release);
        }
        Wanted::Foreign { url } => {
            out.push(1);
            put_text(out, url);
        }
    }
}

fn put_finished(out: &mut Vec<u8>, finished: &Finished) {
    put_text(out, finished.job.as_str());
    match &finished.outcome {
        Outcome::Success(release) => {
            out.push(0);
            put_release(out, release);
        }
        Outcome::Failure(reason) => {
            out.push(1);
            put_text(out, reason);
        }
        Outcome::Rejected(reason) => {
            out.push(2);
            put_text(out, reason);
        }
    }
}

fn put_release(out: &mut Vec<u8>, release: &Release) {
    let Software {
        name,
        version,
        digest,
        length,
        format,
    } = &release.software;
    put_text(out, &release.url);
    put_text(out, name);
    put_text(out, version);
    put_digest(out, digest);
    out.extend_from_slice(&length.to_le_bytes());
    out.push(match format {
        Format::File => 0,
        Format::Tree => 1,
    });
}

fn put_digest(out: &mut Vec<u8>, digest: &Digest) {
    out.extend_from_slice(digest.as_bytes());
}

fn put_text(out: &mut Vec<u8>, text: &str) {
    out.extend_from_slice(&(text.len() as u32).to_le_bytes());
    out.extend_from_slice(text.as_bytes());
}

fn put_option<T>(out: &mut Vec<u8>, value: Option<&T>, put: fn(&mut Vec<u8>, &T)) {
    out.push(u8::from(value.is_some()));
    if let Some(value) = value {
        put(out, value);
    }
}

/// Reads what the functions above write, in the same order.
struct Reader<'a>(&'a [u8]);

impl Reader<'_> {
    fn entry(&mut self) -> Option<Entry> {
        let installed = self.option(Self::release)?;
        let last = self.option(Self::finished)?;
        let stage = match self.byte()? {
            0 => Stage::Idle,
            1 => Stage::Fetching(self.job()?, self.wanted()?),
            2 => Stage::Writing(self.job()?, self.release()?, self.byte()?),
            3 => Stage::Fenced(self.job()?, self.release()?),
            4 => Stage::Switching(self.job()?, self.trial()?),
            5 => Stage::Checking(self.job()?, self.trial()?),
            6 => Stage::Confirming(self.job()?, self.trial()?),
            7 => Stage::GoingBack(self.job()?, self.trial()?, self.text()?),
            8 => Stage::Reporting,
            9.. => return None,
        };
        Some(Entry {
            memory: Memory { installed, last },
            stage,
        })
    }

    fn trial(&mut self) -> Option<Trial> {
        Some(Trial {
            release: self.release()?,
            former: self.option(Self::digest)?,
            tries: self.byte()?,
        })
    }

    fn wanted(&mut self) -> Option<Wanted> {
        Some(match self.byte()? {
            0 => Wanted::Known(self.release()?),
            1 => Wanted::Foreign { url: self.text()? },
            2.. => return None,
        })
    }

    fn finished(&mut self) -> Option<Finished> {
        let job = self.job()?;
        let outcome = match self.byte()? {
            0 => Outcome::Success(self.release()?),
            1 => Outcome::Failure(self.text()?),
            2 => Outcome::Rejected(self.text()?),
            3.. => return None,
        };
        Some(Finished { job, outcome })
    }

    fn release(&mut self) -> Option<Release> {
        let (url, name, version) = (self.text()?, self.text()?, self.text()?);
        let digest = self.digest()?;
        let length = u64::from_le_bytes(self.array()?);
        let format = match self.byte()? {
            0 => Format::File,
            1 => Format::Tree,
            2.. => return None,
        };
        Some(Release {
            url,
            software: Software {
                name,
                version,
                digest,
                length,
                format,
            },
        })
    }

    fn job(&mut self) -> Option<JobId> {
        JobId::parse(&self.text()?)
    }

    fn digest(&mut self) -> Option<Digest> {
        self.array().map(Digest::from_bytes)
    }

    fn text(&mut self) -> Option<String> {
        let length = u32::from_le_bytes(self.array()?) as usize;
        let (text, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(std::str::from_utf8(text).ok()?.into())
    }

    fn option<T>(&mut self, read: fn(&mut Self) -> Option<T>) -> Option<Option<T>> {
        match self.byte()? {
            0 => Some(None),
            1 => read(self).map(Some),
            2.. => None,
        }
    }

    fn byte(&mut self) -> Option<u8> {
        self.array().map(|[byte]| byte)
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (array, rest) = self.0.split_first_chunk::<N>()?;
        self.0 = rest;
        Some(*array)
    }
}
