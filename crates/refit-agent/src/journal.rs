//! What the agent was about to do when it stopped, in two records that take turns.
//!
//! Record n of the journal stands in the file `journal.0` or `journal.1`, whichever holds the older one: writing it
//! cannot harm the newest that is whole. A torn record is recognised by its check and counts as never written, which
//! is right, since nothing that it announces is begun before it is durable.

mod record;

use crate::files::Files;
use crate::job::{Release, Wanted};
use crate::machine::state::{Memory, Trial, Tries};
use refit_protocol::job::JobId;
use std::io;
use std::path::{Path, PathBuf};

pub use record::{decode, encode, sealed};

/// The longest record, in bytes. What it holds is bounded by the wire: a few URLs of 2 KiB, and two reasons.
pub const RECORD_BYTES_MAX: usize = 32 * 1024;

const NAMES: [&str; 2] = ["journal.0", "journal.1"];

/// One entry: all that a restart must know.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Entry {
    /// What outlives a job.
    pub memory: Memory,
    /// What was about to be done.
    pub stage: Stage,
}

/// What the agent is about to do.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Stage {
    /// Nothing.
    #[default]
    Idle,
    /// Fetch the bytes of a job.
    Fetching(JobId, Wanted),
    /// Write a release beside what runs.
    Writing(JobId, Release, Tries),
    /// Ask whether the job is still wanted, and then switch.
    Fenced(JobId, Release),
    /// Switch.
    Switching(JobId, Trial),
    /// Check the health of the new release.
    Checking(JobId, Trial),
    /// Make the switch final.
    Confirming(JobId, Trial),
    /// Go back, for this reason.
    GoingBack(JobId, Trial, String),
    /// Say the end that the memory holds.
    Reporting,
}

impl Stage {
    /// Returns its name, for logs and for the tests that stop the agent there.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Idle => "idle",
            Self::Fetching(..) => "fetching",
            Self::Writing(..) => "writing",
            Self::Fenced(..) => "fenced",
            Self::Switching(..) => "switching",
            Self::Checking(..) => "checking",
            Self::Confirming(..) => "confirming",
            Self::GoingBack(..) => "going-back",
            Self::Reporting => "reporting",
        }
    }

    /// All names, in the order of an update.
    pub const NAMES: [&'static str; 9] = [
        "fetching",
        "writing",
        "fenced",
        "switching",
        "checking",
        "confirming",
        "going-back",
        "reporting",
        "idle",
    ];
}

/// The journal in its folder.
#[derive(Debug)]
pub struct Journal {
    folder: PathBuf,
    next: u64,
    into: usize,
    made: bool,
}

impl Journal {
    /// Opens the journal in a folder, and returns its newest whole entry; a new one if there is none.
    pub fn open(files: &dyn Files, folder: &Path) -> io::Result<(Self, Entry)> {
        let mut newest: Option<(u64, usize, Entry)> = None;
        let mut found = 0;
        for (which, name) in NAMES.iter().enumerate() {
            let Some(bytes) = files.read(&folder.join(name), RECORD_BYTES_MAX)? else {
                continue;
            };
            found += 1;
            let Some((number, entry)) = decode(&bytes) else {
                continue;
            };
            if newest.as_ref().is_none_or(|(n, ..)| *n < number) {
                newest = Some((number, which, entry));
            }
        }
        if let Some((_, which, _)) = &newest {
            // An agent that was killed may have left it unsynced. The next write spoils the other record: until then
            // this one must be durable, or a power cut would leave neither.
            files.sync_file(&folder.join(NAMES[*which]))?;
        }
        let (last, which, entry) = newest.unwrap_or_else(|| (0, 1, Entry::default()));
        let journal = Self {
            folder: folder.to_path_buf(),
            next: last + 1,
            into: 1 - which,
            made: found == NAMES.len(),
        };
        Ok((journal, entry))
    }

    /// Makes an entry durable. If this fails, the entry may or may not be there after a restart.
    pub fn write(&mut self, files: &dyn Files, entry: &Entry) -> io::Result<()> {
        let path = self.folder.join(NAMES[self.into]);
        files.overwrite(&path, &encode(self.next, entry))?;
        files.sync_file(&path)?;
        if !self.made {
            // Both files are new only once; after that an entry costs a single flush.
            files.sync_folder(&self.folder)?;
            self.made = self.next > 1;
        }
        self.next += 1;
        self.into = 1 - self.into;
        Ok(())
    }
}

#[cfg(test)]
mod tests;
