//! Brings the bytes of an artifact here: resumes where an earlier try stopped, and believes nothing but the digest.
//!
//! A part file is named by the digest that it is to have, so that another job for the same bytes goes on with it.
//! After a power cut its tail may be anything: that is found at the end, and costs one more download.

use crate::files::Files;
use crate::job::{Grant, Release, Wanted};
use crate::machine::input::FetchFailure;
use refit_protocol::delta::{Format, Software};
use refit_protocol::digest::Digest;
use refit_protocol::job::JobId;
use sha2::{Digest as _, Sha256};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

/// The bytes that are read and written at once.
const CHUNK_BYTES: usize = 64 * 1024;

/// Where bytes come from.
pub trait Http: Send + Sync {
    /// Asks, for a job, for the bytes from `from` on; with `entity_tag` only if they are still of that entity.
    fn get(
        &self,
        job: &JobId,
        grant: &Grant,
        from: u64,
        entity_tag: Option<&str>,
    ) -> Result<Answer, String>;
}

/// The head of an answer, and its bytes.
pub struct Answer {
    /// The status code.
    pub status: u16,
    /// `Retry-After`, in seconds.
    pub retry_after: Option<u64>,
    /// `ETag`.
    pub entity_tag: Option<String>,
    /// `Content-Range` of a 206: the first byte, and the length of the whole if it is known.
    pub range: Option<(u64, Option<u64>)>,
    /// `Content-Length`.
    pub length: Option<u64>,
    /// What follows.
    pub body: Box<dyn Read>,
}

/// How a download ended early.
#[derive(Debug, PartialEq, Eq)]
pub enum Ended {
    /// It was told to stop.
    Stopped,
    /// It failed.
    Failed(FetchFailure),
}

/// One download.
pub struct Fetch<'a> {
    /// Where parts are kept.
    pub files: &'a dyn Files,
    /// The folder for them.
    pub parts: &'a Path,
    /// Where bytes come from.
    pub http: &'a dyn Http,
    /// Set when it is to stop.
    pub stop: &'a AtomicBool,
    /// The longest artifact that is taken, in bytes.
    pub length_max: u64,
}

/// Returns where the bytes of a release are kept while it is fetched.
pub fn part(parts: &Path, digest: &Digest) -> PathBuf {
    parts.join(format!("{digest}.part"))
}

/// What is here of an artifact.
struct Part {
    path: PathBuf,
    tag_path: PathBuf,
    tag: Option<String>,
    bytes: u64,
    hash: Sha256,
}

impl Fetch<'_> {
    /// Fetches what is wanted; it is verified and durable when this returns. Tells the percentage as it changes.
    pub fn run(
        &self,
        job: &JobId,
        grant: &Grant,
        wanted: &Wanted,
        progress: &mut dyn FnMut(u8),
    ) -> Result<Release, Ended> {
        let fetched = self.fetch(job, grant, wanted, progress);
        if let Err(Ended::Failed(FetchFailure::Disk(_))) = &fetched {
            // The job fails with this, and what is here would keep a full disk full.
            self.clear();
        }
        fetched
    }

    fn clear(&self) {
        for name in self.files.names(self.parts).unwrap_or_default() {
            drop(self.files.remove(&self.parts.join(name)));
        }
    }

    fn fetch(
        &self,
        job: &JobId,
        grant: &Grant,
        wanted: &Wanted,
        progress: &mut dyn FnMut(u8),
    ) -> Result<Release, Ended> {
        let length = wanted.release().map(|release| release.software.length);
        let mut part = self.open(job, wanted, length).map_err(disk)?;
        if length.is_none_or(|length| part.bytes < length) {
            self.more(&mut part, job, grant, length, progress)?;
        }
        self.finish(part, wanted)
    }

    fn open(&self, job: &JobId, wanted: &Wanted, length: Option<u64>) -> io::Result<Part> {
        let name = match wanted {
            Wanted::Known(release) => release.digest().to_hex(),
            Wanted::Foreign { url: _ } => format!("job-{job}"),
        };
        self.files.make_folder(self.parts)?;
        for other in self.files.names(self.parts)? {
            if !other.starts_with(&name) {
                self.files.remove(&self.parts.join(other))?;
            }
        }
        let mut part = Part {
            path: self.parts.join(format!("{name}.part")),
            tag_path: self.parts.join(format!("{name}.etag")),
            tag: None,
            bytes: 0,
            hash: Sha256::new(),
        };
        self.recall(&mut part)?;
        if length.is_some_and(|length| part.bytes > length) {
            self.discard(&mut part)?;
        }
        Ok(part)
    }

    /// Hashes what an earlier try left.
    fn recall(&self, part: &mut Part) -> io::Result<()> {
        if self.files.kind(&part.path)?.is_none() {
            return Ok(());
        }
        let tag = self.files.read(&part.tag_path, 1024)?;
        part.tag = tag
            .and_then(|tag| String::from_utf8(tag).ok())
            .filter(|tag| !tag.is_empty());
        let mut file = self.files.open(&part.path)?;
        let mut chunk = vec![0; CHUNK_BYTES];
        loop {
            let count = file.read(&mut chunk)?;
            if count == 0 {
                return Ok(());
            }
            part.hash.update(&chunk[..count]);
            part.bytes += count as u64;
        }
    }

    fn discard(&self, part: &mut Part) -> io::Result<()> {
        self.files.remove(&part.path)?;
        self.files.remove(&part.tag_path)?;
        (part.tag, part.bytes, part.hash) = (None, 0, Sha256::new());
        Ok(())
    }

    fn more(
        &self,
        part: &mut Part,
        job: &JobId,
        grant: &Grant,
        length: Option<u64>,
        progress: &mut dyn FnMut(u8),
    ) -> Result<(), Ended> {
        let answer = self
            .http
            .get(job, grant, part.bytes, part.tag.as_deref())
            .map_err(|reason| broken(false, reason))?;
        self.accept(part, &answer, length)?;
        let whole = length.or_else(|| {
            answer
                .length
                .map(|length| part.bytes.saturating_add(length))
        });
        let begun = part.bytes;
        self.pour(part, answer.body, whole, progress)?;
        match whole {
            Some(whole) if part.bytes < whole => Err(broken(
                part.bytes > begun,
                format!("the download ended after {} of {whole} bytes", part.bytes),
            )),
            Some(_) | None => Ok(()),
        }
    }

    /// Decides whether the answer goes on with what is here, or begins anew, or is none.
    fn accept(&self, part: &mut Part, answer: &Answer, length: Option<u64>) -> Result<(), Ended> {
        let status = answer.status;
        match (status, answer.range) {
            (206, Some((first, total))) if first == part.bytes => {
                let other = total
                    .zip(length)
                    .is_some_and(|(total, length)| total != length);
                if other {
                    return self.wrong(part, "the store has an artifact of another length".into());
                }
            }
            (200, _) => self.discard(part).map_err(disk)?,
            (400 | 401 | 403, _) => return Err(Ended::Failed(FetchFailure::Refused)),
            (404 | 410, _) => {
                return self.wrong(part, format!("the store does not have it (HTTP {status})"));
            }
            // 412 and 416: what is here is not the beginning of what is there.
            (206 | 412 | 416, _) => {
                self.discard(part).map_err(disk)?;
                return Err(broken(
                    false,
                    format!("the store cannot go on (HTTP {status})"),
                ));
            }
            (_, _) => {
                let wait = answer.retry_after.unwrap_or(0).saturating_mul(1000);
                return Err(Ended::Failed(FetchFailure::Broken {
                    gained: false,
                    wait,
                    reason: format!("the store answered HTTP {status}"),
                }));
            }
        }
        if part.tag.is_none()
            && let Some(tag) = &answer.entity_tag
            && !tag.starts_with("W/")
        {
            self.files
                .overwrite(&part.tag_path, tag.as_bytes())
                .map_err(disk)?;
        }
        Ok(())
    }

    fn pour(
        &self,
        part: &mut Part,
        mut from: Box<dyn Read>,
        whole: Option<u64>,
        progress: &mut dyn FnMut(u8),
    ) -> Result<(), Ended> {
        let begun = part.bytes;
        let most = whole.unwrap_or(self.length_max);
        let mut told = percent(part.bytes, whole);
        let mut file = self.files.append(&part.path).map_err(disk)?;
        let mut chunk = vec![0; CHUNK_BYTES];
        loop {
            if self.stop.load(Ordering::Relaxed) {
                return Err(Ended::Stopped);
            }
            let count = from
                .read(&mut chunk)
                .map_err(|e| broken(part.bytes > begun, format!("the download broke off: {e}")))?;
            if count == 0 {
                return file.flush().map_err(disk);
            }
            if part.bytes + count as u64 > most {
                drop(file);
                return self.wrong(part, format!("the store sends more than {most} bytes"));
            }
            file.write_all(&chunk[..count]).map_err(disk)?;
            part.hash.update(&chunk[..count]);
            part.bytes += count as u64;
            let now = percent(part.bytes, whole);
            if now != told {
                told = now;
                now.into_iter().for_each(&mut *progress);
            }
        }
    }

    fn finish(&self, mut part: Part, wanted: &Wanted) -> Result<Release, Ended> {
        let hash = std::mem::take(&mut part.hash).finalize();
        let digest = Digest::from_bytes(hash.into());
        let release = match wanted {
            Wanted::Known(release) if *release.digest() != digest => {
                self.wrong(
                    &mut part,
                    format!("the bytes have the digest {digest}, not the one promised"),
                )?;
                release.clone()
            }
            Wanted::Known(release) => release.clone(),
            Wanted::Foreign { url } => Release {
                url: url.clone(),
                software: Software {
                    name: String::new(),
                    version: String::new(),
                    digest,
                    length: part.bytes,
                    format: Format::File,
                },
            },
        };
        self.keep(&part, &digest).map_err(disk)?;
        Ok(release)
    }

    fn keep(&self, part: &Part, digest: &Digest) -> io::Result<()> {
        if part.bytes == 0 {
            // Nothing was asked for, so nothing made the file.
            drop(self.files.append(&part.path)?);
        }
        self.files.sync_file(&part.path)?;
        let named = self::part(self.parts, digest);
        if named != part.path {
            self.files.rename(&part.path, &named)?;
        }
        self.files.sync_folder(self.parts)?;
        // The folder itself may be new, and its own name not durable yet.
        self.parts
            .parent()
            .map_or(Ok(()), |above| self.files.sync_folder(above))
    }

    fn wrong(&self, part: &mut Part, reason: String) -> Result<(), Ended> {
        self.discard(part).map_err(disk)?;
        Err(Ended::Failed(FetchFailure::Wrong(reason)))
    }
}

fn percent(bytes: u64, whole: Option<u64>) -> Option<u8> {
    let whole = whole.filter(|whole| *whole > 0)?;
    Some((u128::from(bytes) * 100 / u128::from(whole)).min(100) as u8)
}

fn broken(gained: bool, reason: String) -> Ended {
    Ended::Failed(FetchFailure::Broken {
        gained,
        wait: 0,
        reason,
    })
}

#[expect(clippy::needless_pass_by_value, reason = "for map_err")]
fn disk(e: io::Error) -> Ended {
    Ended::Failed(FetchFailure::Disk(format!(
        "the download could not be kept: {e}"
    )))
}
