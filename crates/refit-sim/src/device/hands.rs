//! What the real hands of an agent hold on to: a disk that forgets, a store on a bad day, a release that may be sick.

use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use refit_agent::fetch::{Answer, Http};
use refit_agent::files::fragile::Fragile;
use refit_agent::hands::Hands;
use refit_agent::health::Health;
use refit_agent::installer::{InstallError, Tree};
use refit_agent::job::{Grant, Release};
use refit_agent::unpack::Limits;
use refit_protocol::digest::Digest;
use refit_protocol::job::JobId;
use refit_protocol::software_url::depot_digest;

use crate::coverage::Fault;
use crate::releases::Releases;

/// The agent's root.
pub(super) const ROOT: &str = "/";

/// What the next download meets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Weather {
    /// Nothing bad.
    Fine,
    /// The grant is refused.
    Refused,
    /// The connection breaks after so many bytes.
    Breaks(usize),
    /// The bytes are others than promised.
    Wrong,
}

impl Weather {
    /// Returns what kind of fault it is.
    pub(super) const fn fault(self) -> Option<Fault> {
        match self {
            Self::Fine => None,
            Self::Refused => Some(Fault::Refused),
            Self::Breaks(_) => Some(Fault::Broken),
            Self::Wrong => Some(Fault::Wrong),
        }
    }
}

/// The store that bytes come from.
pub(super) struct Store(Mutex<Weather>);

impl Store {
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self(Mutex::new(Weather::Fine)))
    }

    pub(super) fn set(&self, weather: Weather) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = weather;
    }
}

impl Http for Store {
    fn get(&self, _: &JobId, grant: &Grant, from: u64, _: Option<&str>) -> Result<Answer, String> {
        let weather = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(mut bytes) = depot_digest(grant.url()).and_then(|digest| Releases::bytes(&digest))
        else {
            return Ok(answer(404, None, Vec::new(), false));
        };
        let length = bytes.len() as u64;
        if weather == Weather::Refused {
            return Ok(answer(403, None, Vec::new(), false));
        }
        if weather == Weather::Wrong {
            bytes.iter_mut().for_each(|byte| *byte ^= 1);
        }
        bytes.drain(..(from as usize).min(bytes.len()));
        let breaks = match weather {
            Weather::Breaks(after) => {
                bytes.truncate(after);
                true
            }
            Weather::Fine | Weather::Refused | Weather::Wrong => false,
        };
        let (status, range) = match from {
            0 => (200, None),
            from => (206, Some((from, Some(length)))),
        };
        Ok(answer(status, range, bytes, breaks))
    }
}

fn answer(status: u16, range: Option<(u64, Option<u64>)>, bytes: Vec<u8>, breaks: bool) -> Answer {
    Answer {
        status,
        retry_after: None,
        entity_tag: Some("\"it\"".into()),
        range,
        length: None,
        body: Box::new(Body { bytes, breaks }),
    }
}

/// Bytes that come a few at a time, and may break off.
struct Body {
    bytes: Vec<u8>,
    breaks: bool,
}

impl Read for Body {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let count = self.bytes.len().min(into.len()).min(24);
        if count == 0 && self.breaks {
            return Err(io::Error::other("the connection broke"));
        }
        into[..count].copy_from_slice(&self.bytes[..count]);
        self.bytes.drain(..count);
        Ok(count)
    }
}

/// Whether new releases are well here.
struct Doctor {
    sick: bool,
}

impl Health for Doctor {
    fn check(&self, release: &Release, _: &Path) -> Result<(), String> {
        match self.sick && Releases::is_new(&release.software) {
            true => Err("it is not healthy".into()),
            false => Ok(()),
        }
    }
}

/// Opens the place for software, as the agent does when it starts, and gives it hands.
pub(super) fn open(disk: &Fragile, store: &Arc<Store>, sick: bool) -> Result<Hands, InstallError> {
    let files = Arc::new(disk.clone());
    let tree = Tree::open(files.clone(), Path::new(ROOT), Limits::default())?;
    Ok(Hands {
        files,
        installer: Arc::new(tree),
        http: store.clone(),
        health: Arc::new(Doctor { sick }),
        root: PathBuf::from(ROOT),
        length_max: 1 << 20,
    })
}

/// Returns the file of a release that is a single one.
pub(crate) fn artifact(digest: &Digest) -> PathBuf {
    Path::new(ROOT)
        .join("versions")
        .join(digest.to_hex())
        .join("artifact")
}

/// Returns what a disk boots, by its own account.
pub(crate) fn boots(disk: &Fragile) -> Option<Digest> {
    use refit_agent::files::Files;
    let target = disk.read_link(&Path::new(ROOT).join("current")).ok()??;
    Digest::parse(target.file_name()?.to_str()?)
}

/// Returns what runs.
pub(super) fn running(hands: &Hands) -> Option<Digest> {
    hands.installer.running().ok().flatten()
}
