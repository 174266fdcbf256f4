//! A folder of versions, and a link to the one that runs.
//!
//! ```text
//! versions/<digest>/            a release, whole: it has this name only once all of it is durable
//! versions/<digest>.partial/    one that is being written
//! versions/<digest>.gone/       one that is being removed
//! current -> versions/<digest>  what runs
//! ```
//!
//! A release gets its name, and loses it, by one rename; the link is replaced by one rename. So whatever is cut,
//! `current` names a whole release.

use super::{InstallError, Installer};
use crate::files::{Files, Kind};
use crate::job::Release;
use crate::unpack::{Limits, unpack};
use refit_protocol::delta::Format;
use refit_protocol::digest::Digest;
use sha2::{Digest as _, Sha256};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The name of a release that is a single file, in its folder.
const ARTIFACT: &str = "artifact";

const CURRENT: &str = "current";
const VERSIONS: &str = "versions";

/// The folder of versions under an agent's root.
#[derive(Clone)]
pub struct Tree {
    files: Arc<dyn Files>,
    root: PathBuf,
    limits: Limits,
}

impl Tree {
    /// Opens it; clears away what an interrupted run left half done.
    pub fn open(files: Arc<dyn Files>, root: &Path, limits: Limits) -> Result<Self, InstallError> {
        let tree = Self {
            files,
            root: root.to_path_buf(),
            limits,
        };
        tree.prepare()
            .map_err(|e| InstallError::new("the agent's root cannot be used", e))?;
        Ok(tree)
    }

    /// Returns the folder of a release.
    pub fn version(&self, digest: &Digest) -> PathBuf {
        self.named(&digest.to_hex())
    }

    fn prepare(&self) -> io::Result<()> {
        let versions = self.root.join(VERSIONS);
        self.files.make_folder(&versions)?;
        self.files.sync_folder(&self.root)?;
        for name in self.files.names(&versions)? {
            if name.ends_with(PARTIAL) || name.ends_with(GONE) {
                self.files.remove(&self.named(&name))?;
            }
        }
        self.files.remove(&self.root.join(NEXT))
    }

    fn named(&self, name: &str) -> PathBuf {
        self.root.join(VERSIONS).join(name)
    }

    fn whole(&self, digest: &Digest) -> io::Result<bool> {
        Ok(self.files.kind(&self.version(digest))? == Some(Kind::Folder))
    }

    fn fill(&self, release: &Release, bytes: &Path, partial: &Path) -> Result<(), String> {
        let disk = |e: io::Error| e.to_string();
        self.files.remove(partial).map_err(disk)?;
        self.files.make_folder(partial).map_err(disk)?;
        let mut source = Hashed {
            from: self.files.open(bytes).map_err(disk)?,
            hash: Sha256::new(),
        };
        match release.software.format {
            Format::Tree => unpack(&mut source, &*self.files, partial, &self.limits)
                .map_err(|e| e.to_string())?,
            Format::File => {
                copy(&mut source, &*self.files, &partial.join(ARTIFACT)).map_err(disk)?
            }
        }
        // They were verified when they came; that they still are is known before they get a name.
        if source.digest().map_err(disk)? != *release.digest() {
            return Err("the bytes on the disk are not those that were verified".into());
        }
        self.files.sync_tree(partial).map_err(disk)
    }

    fn name(&self, partial: &Path, digest: &Digest) -> io::Result<()> {
        self.files.rename(partial, &self.version(digest))?;
        self.files.sync_folder(&self.root.join(VERSIONS))
    }

    /// Points the link elsewhere. That it was renamed is durable before this returns.
    fn point(&self, to: &Digest) -> io::Result<()> {
        if !self.whole(to)? {
            return Err(io::Error::other(format!("release {to} is not there")));
        }
        if self.current()? != Some(*to) {
            let next = self.root.join(NEXT);
            self.files.remove(&next)?;
            let target = Path::new(VERSIONS).join(to.to_hex());
            self.files.link(&target, &next)?;
            self.files.rename(&next, &self.root.join(CURRENT))?;
        }
        self.files.sync_folder(&self.root)
    }

    fn current(&self) -> io::Result<Option<Digest>> {
        let target = self.files.read_link(&self.root.join(CURRENT))?;
        let name = target
            .as_deref()
            .and_then(Path::file_name)
            .and_then(|name| name.to_str());
        Ok(name.and_then(Digest::parse))
    }

    fn forget_all_but(&self, kept: &[&Digest]) -> io::Result<()> {
        let mut gone = Vec::new();
        for name in self.files.names(&self.root.join(VERSIONS))? {
            gone.extend(Digest::parse(&name).filter(|digest| !kept.contains(&digest)));
        }
        self.forget(&gone)
    }

    /// Removes releases. No half of one may keep its name: the new names first, then the removal.
    fn forget(&self, gone: &[Digest]) -> io::Result<()> {
        let mut waste = Vec::new();
        for digest in gone {
            let to = self.named(&format!("{digest}{GONE}"));
            if self.whole(digest)? {
                self.files.remove(&to)?;
                self.files.rename(&self.version(digest), &to)?;
            }
            waste.push(to);
        }
        self.files.sync_folder(&self.root.join(VERSIONS))?;
        waste.iter().try_for_each(|path| self.files.remove(path))
    }
}

const PARTIAL: &str = ".partial";
const GONE: &str = ".gone";
const NEXT: &str = "current.next";

impl Installer for Tree {
    fn running(&self) -> Result<Option<Digest>, InstallError> {
        self.current()
            .map_err(|e| InstallError::new("the link \"current\" cannot be read", e))
    }

    fn write(&self, release: &Release, bytes: &Path) -> Result<(), InstallError> {
        let failed = |why: String| InstallError::new("the release could not be written", why);
        let digest = release.digest();
        if self.whole(digest).map_err(|e| failed(e.to_string()))? {
            // It may have got its name just before the agent was killed: the name need not be durable yet.
            let versions = self.root.join(VERSIONS);
            return self
                .files
                .sync_folder(&versions)
                .map_err(|e| failed(e.to_string()));
        }
        let partial = self.named(&format!("{}{PARTIAL}", digest.to_hex()));
        let written = self.fill(release, bytes, &partial);
        let written = written.and_then(|()| self.name(&partial, digest).map_err(|e| e.to_string()));
        if written.is_err() {
            // What is half written takes room that the next try needs. If this fails too, the next start repeats it.
            drop(self.files.remove(&partial));
        }
        written.map_err(failed)
    }

    fn switch(&self, to: &Digest) -> Result<(), InstallError> {
        self.point(to)
            .map_err(|e| InstallError::new("the switch to the release failed", e))
    }

    fn confirm(&self, to: &Digest, former: Option<&Digest>) -> Result<(), InstallError> {
        let kept: Vec<&Digest> = former.into_iter().chain([to]).collect();
        self.forget_all_but(&kept)
            .map_err(|e| InstallError::new("older releases could not be removed", e))
    }

    fn roll_back(&self, from: &Digest, to: Option<&Digest>) -> Result<(), InstallError> {
        let back = match to {
            Some(to) => self.point(to),
            None => self
                .files
                .remove(&self.root.join(CURRENT))
                .and_then(|()| self.files.sync_folder(&self.root)),
        };
        back.map_err(|e| InstallError::new("the former release could not be restored", e))?;
        if to != Some(from) {
            // It failed here once, and takes the room of the next. What stays is removed by the next `confirm`.
            drop(self.forget(&[*from]));
        }
        Ok(())
    }
}

/// Hashes what is read through it.
struct Hashed {
    from: Box<dyn Read + Send>,
    hash: Sha256,
}

impl Hashed {
    /// Reads what is left, and returns the digest of all.
    fn digest(mut self) -> io::Result<Digest> {
        io::copy(&mut self, &mut io::sink())?;
        Ok(Digest::from_bytes(self.hash.finalize().into()))
    }
}

impl Read for Hashed {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let count = self.from.read(into)?;
        self.hash.update(&into[..count]);
        Ok(count)
    }
}

fn copy(from: &mut Hashed, files: &dyn Files, to: &Path) -> io::Result<()> {
    let mut out = files.create(to, 0o755)?;
    io::copy(from, &mut out)?;
    out.flush()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::files::fragile::Fragile;
    use refit_protocol::delta::Software;

    fn release(bytes: &[u8]) -> Release {
        Release {
            url: "http://h/f".into(),
            software: Software {
                name: "firmware".into(),
                version: "1".into(),
                digest: Digest::from_bytes(Sha256::digest(bytes).into()),
                length: bytes.len() as u64,
                format: Format::File,
            },
        }
    }

    /// A tree, and a file with the bytes of a release.
    fn tree(bytes: &[u8]) -> (Fragile, Tree) {
        let disk = Fragile::default();
        disk.append(Path::new("/part"))
            .unwrap()
            .write_all(bytes)
            .unwrap();
        let tree = Tree::open(Arc::new(disk.clone()), Path::new("/"), Limits::default()).unwrap();
        (disk, tree)
    }

    #[test]
    fn bytes_that_changed_on_the_disk_get_no_name() {
        let (disk, tree) = tree(b"light?");
        let release = release(b"light!");
        let why = tree
            .write(&release, Path::new("/part"))
            .unwrap_err()
            .to_string();
        assert!(why.contains("not those that were verified"), "{why}");
        assert_eq!(disk.names(Path::new("/versions")).unwrap(), [""; 0]);
        assert!(
            tree.switch(release.digest()).is_err(),
            "what is not there cannot run"
        );
        assert_eq!(tree.running().unwrap(), None);
    }

    #[test]
    fn each_verb_may_be_repeated() {
        let (disk, tree) = tree(b"light!");
        let release = release(b"light!");
        let digest = release.digest();
        for _ in 0..2 {
            tree.write(&release, Path::new("/part")).unwrap();
        }
        for _ in 0..2 {
            tree.switch(digest).unwrap();
            assert_eq!(tree.running().unwrap(), Some(*digest));
        }
        for _ in 0..2 {
            tree.confirm(digest, None).unwrap();
            tree.roll_back(digest, Some(digest)).unwrap();
            assert_eq!(
                disk.names(Path::new("/versions")).unwrap(),
                [digest.to_hex()]
            );
        }
        for _ in 0..2 {
            tree.roll_back(digest, None).unwrap();
            assert_eq!(tree.running().unwrap(), None);
            assert_eq!(disk.names(Path::new("/versions")).unwrap(), [""; 0]);
        }
    }
}
