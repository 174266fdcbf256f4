//! A directory becomes one artifact: a pax tar (POSIX.1-2001), compressed with zstd (RFC 8878), as a stream.
//!
//! The same tree gives the same bytes, on any machine and file system: paths in the order of their bytes, no times,
//! owners or hard links, modes 0644 and 0755 alone. So a release that was built twice has one digest. Another version
//! of zstd may compress otherwise; a test notices. Extended attributes are left out, and so are the set-user bits.

mod sink;
mod tar_entry;
mod tree;

#[cfg(test)]
mod tests;

use crate::backend;
use refit_protocol::digest::Digest;
use sink::Sink;
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use tar_entry::{BLOCK_BYTES, Form, TarEntry};
use tree::{Entry, Kind};

/// The most entries that a directory may have, with all below it.
pub const ENTRIES_MAX: usize = 1_000_000;

/// The longest path in an archive, in bytes: what Linux can open.
pub const PATH_BYTES_MAX: usize = 4095;

/// What became of a directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Summary {
    /// Files, directories and symbolic links.
    pub entries: u64,
    /// The bytes of its files.
    pub bytes: u64,
    /// The length of the artifact.
    pub length: u64,
    /// The digest of the artifact.
    pub digest: Digest,
}

/// Packs what is below `dir`, without the directory itself, into `to`.
///
/// Nothing is written before the whole tree was looked at, so most of what can be wrong is told at once.
pub fn pack(dir: &Path, to: impl Write) -> Result<Summary, Error> {
    let entries = tree::walk(dir)?;
    let mut sink = Sink::new(to).map_err(Error::Write)?;
    let mut bytes = 0;
    for entry in &entries {
        bytes += write_entry(dir, entry, &mut sink)?;
    }
    sink.write(&[0; 2 * BLOCK_BYTES]).map_err(Error::Write)?;
    let (length, digest) = sink.finish().map_err(Error::Write)?;
    let entries = entries.len() as u64;
    Ok(Summary {
        entries,
        bytes,
        length,
        digest,
    })
}

/// Writes one entry, and returns how many bytes its file has.
fn write_entry(dir: &Path, entry: &Entry, sink: &mut Sink<impl Write>) -> Result<u64, Error> {
    let (path, form) = match &entry.kind {
        Kind::File => return write_file(&dir.join(&entry.path), &entry.path, sink),
        Kind::Directory => (format!("{}/", entry.path), Form::Directory),
        Kind::Link { target } => (entry.path.clone(), Form::Link { target }),
    };
    let header = TarEntry { path: &path, form }.to_bytes();
    sink.write(&header).map_err(Error::Write)?;
    Ok(0)
}

fn write_file(source: &Path, path: &str, sink: &mut Sink<impl Write>) -> Result<u64, Error> {
    let file = File::open(source).map_err(backend::Error::of("open", source))?;
    let metadata = file
        .metadata()
        .map_err(backend::Error::of("look at", source))?;
    if !metadata.is_file() {
        return Err(Error::Changed {
            path: source.into(),
        });
    }
    let length = metadata.len();
    // What its owner may run, all may: the other bits come from the umask of who built it.
    let executable = metadata.permissions().mode() & 0o100 != 0;
    let header = TarEntry {
        path,
        form: Form::File { length, executable },
    }
    .to_bytes();
    sink.write(&header).map_err(Error::Write)?;
    write_content(file, length, source, sink)?;
    let padding = (BLOCK_BYTES - (length % BLOCK_BYTES as u64) as usize) % BLOCK_BYTES;
    sink.write(&[0; BLOCK_BYTES][..padding])
        .map_err(Error::Write)?;
    Ok(length)
}

/// Writes exactly `length` bytes; a file that has more, or fewer, is changing while it is read.
fn write_content(
    file: File,
    length: u64,
    source: &Path,
    sink: &mut Sink<impl Write>,
) -> Result<(), Error> {
    let mut piece = vec![0; sink::PIECE_BYTES];
    let mut file = file.take(length.saturating_add(1));
    let mut left = length;
    loop {
        let read = match file.read(&mut piece) {
            Err(e) if e.kind() == io::ErrorKind::Interrupted => continue,
            read => read.map_err(backend::Error::of("read", source))?,
        };
        if read == 0 && left == 0 {
            return Ok(());
        }
        if read == 0 || read as u64 > left {
            return Err(Error::Changed {
                path: source.into(),
            });
        }
        sink.write(&piece[..read]).map_err(Error::Write)?;
        left -= read as u64;
    }
}

/// Why a directory cannot be packed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// It is a file, for instance.
    #[error("pack {}, which is not a directory", .path.display())]
    NotADirectory {
        /// What was given.
        path: PathBuf,
    },
    /// There is nothing in it: surely not what was meant.
    #[error("pack {}, which is empty: name the directory that holds the release", .path.display())]
    Empty {
        /// What was given.
        path: PathBuf,
    },
    /// A name, or what a link points to, is not UTF-8.
    #[error("pack {}, whose name or target is not UTF-8: rename it", .path.display())]
    NotUtf8 {
        /// The entry.
        path: PathBuf,
    },
    /// A path is longer than [`PATH_BYTES_MAX`].
    #[error("pack {}, whose path is longer than {PATH_BYTES_MAX} bytes: shorten it", .path.display())]
    PathTooLong {
        /// The entry.
        path: PathBuf,
    },
    /// A device, a socket or a pipe.
    #[error("pack {}, which is neither file, directory nor link: remove it", .path.display())]
    Special {
        /// The entry.
        path: PathBuf,
    },
    /// A symbolic link could lead out of the tree.
    #[error("pack the link {} to {target}, which can lead out of the tree: make its target relative, with .. only at its start and inside the directory", .path.display())]
    LinkLeaves {
        /// The link.
        path: PathBuf,
        /// Where it points to.
        target: String,
    },
    /// There are more than [`ENTRIES_MAX`] entries.
    #[error("pack {}, which has more than {ENTRIES_MAX} entries: pack it into one file first", .path.display())]
    TooMany {
        /// What was given.
        path: PathBuf,
    },
    /// A file changed while it was read.
    #[error("pack {}, which changed meanwhile: try again when nobody writes to it", .path.display())]
    Changed {
        /// The file.
        path: PathBuf,
    },
    /// Something could not be read.
    #[error("pack the directory")]
    Read(#[from] backend::Error),
    /// The archive could not be written.
    #[error("write the archive")]
    Write(#[source] io::Error),
}
