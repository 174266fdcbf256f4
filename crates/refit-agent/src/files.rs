//! The few things that the agent does to its files, so that tests can cut the power at each of them.
//!
//! Nothing is durable before it was synced: a file's bytes by [`Files::sync_file`], its name by
//! [`Files::sync_folder`] of the folder that holds it. A rename replaces its target in one step, if it happens at all.

pub mod fragile;
mod real;

pub use real::Real;

use std::io::{self, Read, Write};
use std::path::Path;

/// What stands under a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A plain file.
    File,
    /// A folder.
    Folder,
    /// A symbolic link.
    Link,
    /// A device, a socket or a pipe.
    Other,
}

/// A place for files.
pub trait Files: Send + Sync {
    /// Returns what stands under a path, links not followed; `None` if there is nothing.
    fn kind(&self, path: &Path) -> io::Result<Option<Kind>>;
    /// Returns the names in a folder; none if there is no such folder.
    fn names(&self, folder: &Path) -> io::Result<Vec<String>>;
    /// Returns the first `most` bytes of a file; `None` if there is no such file.
    fn read(&self, path: &Path, most: usize) -> io::Result<Option<Vec<u8>>>;
    /// Opens a file to read.
    fn open(&self, path: &Path) -> io::Result<Box<dyn Read + Send>>;
    /// Opens a file to write at its end; makes it if it is not there.
    fn append(&self, path: &Path) -> io::Result<Box<dyn Write + Send>>;
    /// Makes a new file with these permissions, to write; fails if something has the name.
    fn create(&self, path: &Path, mode: u32) -> io::Result<Box<dyn Write + Send>>;
    /// Writes over the beginning of a file, in place; makes it if it is not there. What is longer stays.
    fn overwrite(&self, path: &Path, bytes: &[u8]) -> io::Result<()>;
    /// Makes a folder; it may be there already.
    fn make_folder(&self, path: &Path) -> io::Result<()>;
    /// Makes a symbolic link.
    fn link(&self, target: &Path, path: &Path) -> io::Result<()>;
    /// Returns where a symbolic link points; `None` if there is no such link.
    fn read_link(&self, path: &Path) -> io::Result<Option<std::path::PathBuf>>;
    /// Renames within one folder, replacing what is there.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;
    /// Removes a file, a link, or a folder with all that is in it; it may be gone already.
    fn remove(&self, path: &Path) -> io::Result<()>;
    /// Makes the bytes of a file durable.
    fn sync_file(&self, path: &Path) -> io::Result<()>;
    /// Makes the names in a folder durable.
    fn sync_folder(&self, folder: &Path) -> io::Result<()>;
    /// Makes a folder and all that is in it durable.
    fn sync_tree(&self, folder: &Path) -> io::Result<()>;
}
