//! Unpacks the archive of a release, and trusts nothing in it.
//!
//! What comes out are plain files, folders and links that stay inside, in a folder made for it: no path escapes, no
//! link leads out, nothing is written through a link, there are no devices, no hard links, no special permissions,
//! and not too much of anything. The bytes were verified before; this is for the day when the wrong person packed.

mod archive;

use crate::files::{Files, Kind};
use archive::{Archive, Item, What};
use ruzstd::decoding::StreamingDecoder;
use std::fmt;
use std::io::{self, Read, Write};
use std::path::{Component, Path, PathBuf};

/// How much may come out of an archive.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Bytes of all files together.
    pub bytes: u64,
    /// Files, folders and links together.
    pub items: u32,
    /// Folders above a file.
    pub depth: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            bytes: 8 << 30,
            items: 1_000_000, // as many as the depot packs
            depth: 256,
        }
    }
}

/// The largest zstd window that is held in memory, in bytes: what `zstd -19` needs; the depot packs with a quarter.
const WINDOW_BYTES_MAX: u64 = 8 << 20;

/// The bytes that are read and written at once.
const CHUNK_BYTES: usize = 32 * 1024;

/// Why an archive was not unpacked.
#[derive(Debug)]
pub enum UnpackError {
    /// It holds what no release may hold, or is no archive.
    Bad(String),
    /// The device failed.
    Disk(io::Error),
}

impl fmt::Display for UnpackError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bad(why) => write!(f, "the archive was refused: {why}"),
            Self::Disk(e) => write!(f, "the archive could not be unpacked: {e}"),
        }
    }
}

impl std::error::Error for UnpackError {}

/// Unpacks a zstd-compressed tar archive into a folder that is empty. On an error, parts of it may be there.
pub fn unpack(
    packed: impl Read,
    files: &dyn Files,
    into: &Path,
    limits: &Limits,
) -> Result<(), UnpackError> {
    let plain = StreamingDecoder::new_with_max_window_size(packed, WINDOW_BYTES_MAX)
        .map_err(|e| UnpackError::Bad(format!("it is not compressed with zstd ({e})")))?;
    let mut room = Room {
        files,
        into,
        limits,
        bytes: 0,
        items: 0,
    };
    let mut archive = Archive::new(plain);
    while let Some(item) = archive.next().map_err(UnpackError::Bad)? {
        room.place(item, &mut archive)?;
    }
    Ok(())
}

/// Where things are put, and how much there is of them.
struct Room<'a> {
    files: &'a dyn Files,
    into: &'a Path,
    limits: &'a Limits,
    bytes: u64,
    items: u32,
}

impl Room<'_> {
    fn place<R: Read>(&mut self, item: Item, archive: &mut Archive<R>) -> Result<(), UnpackError> {
        let path = inside(&item.path, self.limits.depth)?;
        if path.as_os_str().is_empty() {
            return match item.what {
                What::Folder => Ok(()), // the root itself
                What::File { .. } | What::Link { .. } => bad(&item.path, "has no name"),
            };
        }
        self.items += 1;
        if self.items > self.limits.items {
            return Err(UnpackError::Bad(format!(
                "it holds more than {} items",
                self.limits.items
            )));
        }
        let parents = self.parents(&path, &item.path)?;
        let full = self.into.join(&path);
        match item.what {
            What::Folder => self.folder(&full, &item.path),
            What::Link { target } => {
                leads_inside(&target, parents).or_else(|why| bad(&item.path, why))?;
                self.new_name(&full, &item.path)?;
                self.files
                    .link(Path::new(&target), &full)
                    .map_err(UnpackError::Disk)
            }
            What::File { length, executable } => {
                self.new_name(&full, &item.path)?;
                self.fill(&full, length, executable, archive)
            }
        }
    }

    /// Makes the folders above a path, one by one, so that none of them is a link. Returns how many there are.
    fn parents(&self, path: &Path, named: &str) -> Result<usize, UnpackError> {
        let mut folder = self.into.to_path_buf();
        let mut count = 0;
        for part in path.parent().into_iter().flat_map(Path::components) {
            folder.push(part);
            self.folder(&folder, named)?;
            count += 1;
        }
        Ok(count)
    }

    fn folder(&self, folder: &Path, named: &str) -> Result<(), UnpackError> {
        match self.files.kind(folder).map_err(UnpackError::Disk)? {
            Some(Kind::Folder) => Ok(()),
            Some(Kind::File | Kind::Link | Kind::Other) => {
                bad(named, "goes through something that is no folder")
            }
            None => self.files.make_folder(folder).map_err(UnpackError::Disk),
        }
    }

    fn new_name(&self, full: &Path, named: &str) -> Result<(), UnpackError> {
        match self.files.kind(full).map_err(UnpackError::Disk)? {
            Some(_) => bad(named, "is there twice"),
            None => Ok(()),
        }
    }

    fn fill<R: Read>(
        &mut self,
        full: &Path,
        length: u64,
        executable: bool,
        archive: &mut Archive<R>,
    ) -> Result<(), UnpackError> {
        self.bytes = self.bytes.saturating_add(length);
        if self.bytes > self.limits.bytes {
            return Err(UnpackError::Bad(format!(
                "it holds more than {} bytes",
                self.limits.bytes
            )));
        }
        let mode = if executable { 0o755 } else { 0o644 };
        let mut file = self.files.create(full, mode).map_err(UnpackError::Disk)?;
        let mut chunk = vec![0; CHUNK_BYTES];
        loop {
            let count = archive.read(&mut chunk).map_err(UnpackError::Bad)?;
            if count == 0 {
                return file.flush().map_err(UnpackError::Disk);
            }
            file.write_all(&chunk[..count]).map_err(UnpackError::Disk)?;
        }
    }
}

/// Returns the path without its dots, if it stays inside.
fn inside(named: &str, depth_max: usize) -> Result<PathBuf, UnpackError> {
    let mut path = PathBuf::new();
    for part in Path::new(named).components() {
        match part {
            Component::Normal(name) => path.push(name),
            Component::CurDir => {}
            Component::ParentDir | Component::RootDir | Component::Prefix(_) => {
                return bad(named, "leads out of the release").map(|()| path);
            }
        }
    }
    if path.components().count() > depth_max + 1 {
        return bad(named, "lies too deep").map(|()| path);
    }
    Ok(path)
}

/// Tells whether a link, with this many folders above it, stays inside. `..` may only come first: after a name that
/// is itself a link it would lead from there, and two harmless links could make a harmful one.
fn leads_inside(target: &str, parents: usize) -> Result<(), &'static str> {
    let mut up = 0;
    let mut named = false;
    for part in Path::new(target).components() {
        match part {
            Component::Normal(_) => named = true,
            Component::CurDir => {}
            Component::ParentDir if named => return Err("is a link with \"..\" behind a name"),
            Component::ParentDir => up += 1,
            Component::RootDir | Component::Prefix(_) => {
                return Err("is a link to an absolute path");
            }
        }
    }
    if target.is_empty() {
        return Err("is a link to nothing");
    }
    if up > parents {
        Err("is a link out of the release")
    } else {
        Ok(())
    }
}

fn bad(named: &str, why: &str) -> Result<(), UnpackError> {
    Err(UnpackError::Bad(format!("{named:?} {why}")))
}

#[cfg(test)]
mod tests;
