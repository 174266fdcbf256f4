//! The files of the device.

use super::{Files, Kind};
use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Read, Seek, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// Trees of more files than this are flushed with their whole file system at once: on flash one flush of everything
/// is quicker than a thousand small ones.
const SYNC_EACH_MAX: usize = 64;

/// The files of the device.
#[derive(Clone, Copy, Debug, Default)]
pub struct Real;

impl Files for Real {
    fn kind(&self, path: &Path) -> io::Result<Option<Kind>> {
        let Some(metadata) = there(fs::symlink_metadata(path))? else {
            return Ok(None);
        };
        let kind = metadata.file_type();
        Ok(Some(if kind.is_file() {
            Kind::File
        } else if kind.is_dir() {
            Kind::Folder
        } else if kind.is_symlink() {
            Kind::Link
        } else {
            Kind::Other
        }))
    }

    fn names(&self, folder: &Path) -> io::Result<Vec<String>> {
        let Some(entries) = there(fs::read_dir(folder))? else {
            return Ok(Vec::new());
        };
        entries
            .map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()))
            .collect()
    }

    fn read(&self, path: &Path, most: usize) -> io::Result<Option<Vec<u8>>> {
        let Some(file) = there(File::open(path))? else {
            return Ok(None);
        };
        let mut bytes = Vec::new();
        file.take(most as u64).read_to_end(&mut bytes)?;
        Ok(Some(bytes))
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn Read + Send>> {
        Ok(Box::new(File::open(path)?))
    }

    fn append(&self, path: &Path) -> io::Result<Box<dyn Write + Send>> {
        let file = OpenOptions::new()
            .append(true)
            .create(true)
            .mode(0o600)
            .open(path)?;
        Ok(Box::new(file))
    }

    fn create(&self, path: &Path, mode: u32) -> io::Result<Box<dyn Write + Send>> {
        let file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(mode)
            .open(path)?;
        Ok(Box::new(file))
    }

    fn overwrite(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        let mut file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(path)?;
        file.rewind()?;
        file.write_all(bytes)
    }

    fn make_folder(&self, path: &Path) -> io::Result<()> {
        match fs::DirBuilder::new().mode(0o755).create(path) {
            Err(e) if e.kind() == ErrorKind::AlreadyExists && path.is_dir() => Ok(()),
            made => made,
        }
    }

    fn link(&self, target: &Path, path: &Path) -> io::Result<()> {
        std::os::unix::fs::symlink(target, path)
    }

    fn read_link(&self, path: &Path) -> io::Result<Option<PathBuf>> {
        match fs::read_link(path) {
            // EINVAL: something is there, and it is no link.
            Err(e) if e.kind() == ErrorKind::InvalidInput => Ok(None),
            read => there(read),
        }
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        let removed = match self.kind(path)? {
            None => return Ok(()),
            Some(Kind::Folder) => fs::remove_dir_all(path),
            Some(Kind::File | Kind::Link | Kind::Other) => fs::remove_file(path),
        };
        there(removed).map(|_| ())
    }

    fn sync_file(&self, path: &Path) -> io::Result<()> {
        File::open(path)?.sync_all()
    }

    fn sync_folder(&self, folder: &Path) -> io::Result<()> {
        File::open(folder)?.sync_all()
    }

    fn sync_tree(&self, folder: &Path) -> io::Result<()> {
        let mut found = Vec::new();
        list(folder, &mut found)?;
        if found.len() > SYNC_EACH_MAX {
            return Ok(rustix::fs::syncfs(File::open(folder)?)?);
        }
        found.iter().try_for_each(|path| self.sync_file(path))
    }
}

/// Lists files and folders under a folder, and the folder last; stops when they are too many to sync one by one.
fn list(folder: &Path, found: &mut Vec<PathBuf>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let kind = entry.file_type()?;
        if found.len() > SYNC_EACH_MAX {
            break;
        }
        if kind.is_dir() {
            list(&entry.path(), found)?;
        } else if kind.is_file() {
            found.push(entry.path());
        }
    }
    found.push(folder.to_path_buf());
    Ok(())
}

fn there<T>(result: io::Result<T>) -> io::Result<Option<T>> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(e) if e.kind() == ErrorKind::NotFound => Ok(None),
        Err(e) => Err(e),
    }
}
