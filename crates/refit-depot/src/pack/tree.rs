//! What is in a directory: every path below it, in the order of their bytes, or what must not be in an archive.

use super::{ENTRIES_MAX, Error, PATH_BYTES_MAX};
use crate::backend;
use std::fs::{self, DirEntry};
use std::path::Path;

/// A path below the directory, with `/` between its parts.
pub(super) struct Entry {
    pub(super) path: String,
    pub(super) kind: Kind,
}

pub(super) enum Kind {
    Directory,
    File,
    Link { target: String },
}

/// Lists all entries. A directory stands before what is in it, for its path is the start of theirs.
pub(super) fn walk(root: &Path) -> Result<Vec<Entry>, Error> {
    let metadata = fs::metadata(root).map_err(backend::Error::of("look at", root))?;
    if !metadata.is_dir() {
        return Err(Error::NotADirectory { path: root.into() });
    }
    let mut entries = Vec::new();
    let mut to_list = vec![String::new()];
    while let Some(dir) = to_list.pop() {
        for entry in list(&root.join(&dir))? {
            let entry = look_at(&dir, &entry)?;
            if matches!(entry.kind, Kind::Directory) {
                to_list.push(entry.path.clone());
            }
            entries.push(entry);
            if entries.len() > ENTRIES_MAX {
                return Err(Error::TooMany { path: root.into() });
            }
        }
    }
    if entries.is_empty() {
        return Err(Error::Empty { path: root.into() });
    }
    entries.sort_unstable_by(|a, b| a.path.cmp(&b.path));
    Ok(entries)
}

fn list(dir: &Path) -> Result<Vec<DirEntry>, backend::Error> {
    fs::read_dir(dir)
        .and_then(Iterator::collect)
        .map_err(backend::Error::of("list", dir))
}

fn look_at(dir: &str, entry: &DirEntry) -> Result<Entry, Error> {
    let full = entry.path();
    let Ok(name) = entry.file_name().into_string() else {
        return Err(Error::NotUtf8 { path: full });
    };
    let path = if dir.is_empty() {
        name
    } else {
        [dir, "/", &name].concat()
    };
    // A directory is written with a slash at its end.
    if path.len() >= PATH_BYTES_MAX {
        return Err(Error::PathTooLong { path: full });
    }
    let kind = entry
        .file_type()
        .map_err(backend::Error::of("look at", &full))?;
    let kind = match kind {
        kind if kind.is_dir() => Kind::Directory,
        kind if kind.is_file() => Kind::File,
        kind if kind.is_symlink() => Kind::Link {
            target: target(&full, &path)?,
        },
        _ => return Err(Error::Special { path: full }),
    };
    Ok(Entry { path, kind })
}

fn target(full: &Path, path: &str) -> Result<String, Error> {
    let target = fs::read_link(full).map_err(backend::Error::of("read the link", full))?;
    let Ok(target) = target.into_os_string().into_string() else {
        return Err(Error::NotUtf8 { path: full.into() });
    };
    if stays_inside(path, &target) {
        Ok(target)
    } else {
        Err(Error::LinkLeaves {
            path: full.into(),
            target,
        })
    }
}

/// Tells whether a link can only lead to what is in the tree.
///
/// `..` may stand at the start alone. There it goes up from the directory that holds the link, which is a real one,
/// so counting is enough. Further on it could go up from wherever another link led to (`a -> ..`, `b -> a/..`), and
/// the text would not tell.
pub(super) fn stays_inside(path: &str, target: &str) -> bool {
    let depth = path.matches('/').count();
    let parts: Vec<&str> = target
        .split('/')
        .filter(|part| !matches!(*part, "" | "."))
        .collect();
    let ups = parts.iter().take_while(|part| **part == "..").count();
    !target.starts_with('/') && ups <= depth && !parts[ups..].contains(&"..")
}
