//! Files in memory that lose at a power cut what was not synced: for tests and the simulation.
//!
//! The model is less kind than any file system: of the changes that no sync covered, any subset may survive, in a
//! folder as in a file; a torn write leaves half of its bytes; an unsynced file may come back empty, short or with
//! zeros. What a sync covered is there.

use super::{Files, Kind};
use std::collections::BTreeMap;
use std::io::{self, Cursor, ErrorKind, Read, Write};
use std::path::{Component, Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// A disk. Its clones are the same disk.
#[derive(Clone, Debug, Default)]
pub struct Fragile(Arc<Mutex<Disk>>);

/// What a power cut does to changes that were not synced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// All are lost.
    Lost,
    /// All are kept.
    Kept,
    /// Chance decides for each.
    Mixed(u64),
}

#[derive(Clone, Debug)]
struct Disk {
    nodes: Vec<Node>,
    changes: usize,
    cut_at: Option<usize>,
}

#[derive(Clone, Debug)]
enum Node {
    File {
        bytes: Vec<u8>,
        synced: Vec<u8>,
    },
    Folder {
        names: BTreeMap<String, usize>,
        synced: BTreeMap<String, usize>,
        since: Vec<Change>,
    },
    Link(PathBuf),
}

#[derive(Clone, Debug)]
enum Change {
    Put(String, usize),
    /// A rename moves a node, not whatever has the old name by then.
    Move(String, String, usize),
    Drop(String),
}

impl Default for Disk {
    fn default() -> Self {
        Self {
            nodes: vec![folder()],
            changes: 0,
            cut_at: None,
        }
    }
}

const fn folder() -> Node {
    Node::Folder {
        names: BTreeMap::new(),
        synced: BTreeMap::new(),
        since: Vec::new(),
    }
}

impl Fragile {
    /// Cuts the power at the change with this number, counted from 0: it is half done at most, and nothing after it is.
    pub fn cut_at(&self, change: usize) {
        self.disk().cut_at = Some(change);
    }

    /// Returns how many changes there were.
    pub fn changes(&self) -> usize {
        self.disk().changes
    }

    /// Tells whether the power was cut.
    pub fn is_cut(&self) -> bool {
        let disk = self.disk();
        disk.cut_at.is_some_and(|at| disk.changes > at)
    }

    /// Returns a disk of its own with all that is on this one, synced or not.
    pub fn copy(&self) -> Self {
        Self(Arc::new(Mutex::new(self.disk().clone())))
    }

    /// Forgets the cut: the process was killed there, and the power stayed on.
    pub fn revive(&self) {
        let mut disk = self.disk();
        (disk.cut_at, disk.changes) = (None, 0);
    }

    /// Returns the disk as the next start finds it.
    pub fn after_cut(&self, fate: Fate) -> Self {
        let disk = self.disk();
        let mut luck = Luck(fate, 0);
        let nodes = disk.nodes.iter().map(|node| luck.survive(node)).collect();
        Self(Arc::new(Mutex::new(Disk {
            nodes,
            changes: 0,
            cut_at: None,
        })))
    }

    fn disk(&self) -> MutexGuard<'_, Disk> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Decides what survives.
struct Luck(Fate, u64);

impl Luck {
    fn draw(&mut self) -> u64 {
        self.1 += 1;
        let seed = match self.0 {
            Fate::Lost | Fate::Kept => 0,
            Fate::Mixed(seed) => seed,
        };
        let mut chance = crate::machine::state::Chance {
            seed,
            drawn: self.1,
        };
        chance.draw()
    }

    fn keeps(&mut self) -> bool {
        match self.0 {
            Fate::Lost => false,
            Fate::Kept => true,
            Fate::Mixed(_) => self.draw().is_multiple_of(2),
        }
    }

    fn survive(&mut self, node: &Node) -> Node {
        match node {
            Node::Link(target) => Node::Link(target.clone()),
            Node::File { bytes, synced } => {
                let bytes = self.file(bytes, synced);
                Node::File {
                    synced: bytes.clone(),
                    bytes,
                }
            }
            Node::Folder {
                names: _,
                synced,
                since,
            } => {
                let mut names = synced.clone();
                for change in since {
                    if self.keeps() {
                        apply(&mut names, change);
                    }
                }
                Node::Folder {
                    synced: names.clone(),
                    names,
                    since: Vec::new(),
                }
            }
        }
    }

    fn file(&mut self, bytes: &[u8], synced: &[u8]) -> Vec<u8> {
        if bytes == synced || self.keeps() {
            return bytes.to_vec();
        }
        let Fate::Mixed(_) = self.0 else {
            return synced.to_vec();
        };
        let common = bytes.iter().zip(synced).take_while(|(a, b)| a == b).count();
        let upto = common + self.draw() as usize % (bytes.len() - common + 1);
        let mut torn = bytes[..upto].to_vec();
        match self.draw() % 3 {
            0 => torn.resize(bytes.len(), 0),
            1 => torn.extend_from_slice(synced.get(upto..).unwrap_or_default()),
            _ => {}
        }
        torn
    }
}

fn apply(names: &mut BTreeMap<String, usize>, change: &Change) {
    match change {
        Change::Put(name, node) => {
            names.insert(name.clone(), *node);
        }
        Change::Drop(name) => {
            names.remove(name);
        }
        Change::Move(from, to, node) => {
            if names.get(from) == Some(node) {
                names.remove(from);
            }
            names.insert(to.clone(), *node);
        }
    }
}

impl Disk {
    /// Counts a change. `Err` from the one at which the power is cut on; that one may be half done first.
    fn change(&mut self, half: impl FnOnce(&mut Self)) -> io::Result<()> {
        self.changes += 1;
        match self.cut_at {
            Some(at) if self.changes > at => {
                if self.changes == at + 1 {
                    half(self);
                }
                Err(io::Error::other("the power is cut"))
            }
            Some(_) | None => Ok(()),
        }
    }

    fn find(&self, path: &Path) -> io::Result<Option<usize>> {
        let mut at = 0;
        for part in path.components() {
            let Component::Normal(name) = part else {
                continue;
            };
            let Node::Folder { names, .. } = &self.nodes[at] else {
                return Err(ErrorKind::NotADirectory.into());
            };
            match names.get(&*name.to_string_lossy()) {
                Some(node) => at = *node,
                None => return Ok(None),
            }
        }
        Ok(Some(at))
    }

    fn must_find(&self, path: &Path) -> io::Result<usize> {
        self.find(path)?.ok_or_else(|| ErrorKind::NotFound.into())
    }

    fn parent(&self, path: &Path) -> io::Result<(usize, String)> {
        let parent = self.must_find(path.parent().unwrap_or_else(|| Path::new("/")))?;
        let name = path.file_name().ok_or(ErrorKind::InvalidInput)?;
        Ok((parent, name.to_string_lossy().into_owned()))
    }

    fn put(&mut self, path: &Path, node: Node) -> io::Result<usize> {
        let (parent, name) = self.parent(path)?;
        self.change(|_| ())?;
        self.nodes.push(node);
        let node = self.nodes.len() - 1;
        self.alter(parent, Change::Put(name, node))?;
        Ok(node)
    }

    fn put_new(&mut self, path: &Path, node: Node) -> io::Result<usize> {
        match self.find(path)? {
            Some(_) => Err(ErrorKind::AlreadyExists.into()),
            None => self.put(path, node),
        }
    }

    fn alter(&mut self, folder: usize, change: Change) -> io::Result<()> {
        let Node::Folder { names, since, .. } = &mut self.nodes[folder] else {
            return Err(ErrorKind::NotADirectory.into());
        };
        apply(names, &change);
        since.push(change);
        Ok(())
    }

    fn file(&mut self, node: usize) -> io::Result<&mut Vec<u8>> {
        match &mut self.nodes[node] {
            Node::File { bytes, .. } => Ok(bytes),
            Node::Folder { .. } | Node::Link(_) => Err(ErrorKind::IsADirectory.into()),
        }
    }

    fn sync(&mut self, node: usize, deep: bool) -> Vec<usize> {
        match &mut self.nodes[node] {
            Node::Link(_) => Vec::new(),
            Node::File { bytes, synced } => {
                *synced = bytes.clone();
                Vec::new()
            }
            Node::Folder {
                names,
                synced,
                since,
            } => {
                *synced = names.clone();
                since.clear();
                if deep {
                    names.values().copied().collect()
                } else {
                    Vec::new()
                }
            }
        }
    }

    /// A power cut in the middle of a removal: the first half of what was in the folder is gone.
    fn half_remove(&mut self, node: usize) {
        let Node::Folder { names, .. } = &self.nodes[node] else {
            return;
        };
        let half: Vec<String> = names
            .keys()
            .take(names.len().div_ceil(2))
            .cloned()
            .collect();
        for name in half {
            let gone = self.alter(node, Change::Drop(name));
            debug_assert!(gone.is_ok(), "the node is a folder");
        }
    }
}

struct Pen {
    disk: Fragile,
    node: usize,
}

impl Write for Pen {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut disk = self.disk.disk();
        let node = self.node;
        disk.change(|disk| {
            if let Ok(file) = disk.file(node) {
                file.extend_from_slice(&bytes[..bytes.len() / 2]);
            }
        })?;
        disk.file(node)?.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn lay(file: &mut Vec<u8>, bytes: &[u8]) {
    let length = file.len().max(bytes.len());
    file.resize(length, 0);
    file[..bytes.len()].copy_from_slice(bytes);
}

impl Files for Fragile {
    fn kind(&self, path: &Path) -> io::Result<Option<Kind>> {
        let disk = self.disk();
        Ok(disk.find(path)?.map(|node| match &disk.nodes[node] {
            Node::File { .. } => Kind::File,
            Node::Folder { .. } => Kind::Folder,
            Node::Link(_) => Kind::Link,
        }))
    }

    fn names(&self, path: &Path) -> io::Result<Vec<String>> {
        let disk = self.disk();
        match disk.find(path)?.map(|node| &disk.nodes[node]) {
            Some(Node::Folder { names, .. }) => Ok(names.keys().cloned().collect()),
            Some(Node::File { .. } | Node::Link(_)) => Err(ErrorKind::NotADirectory.into()),
            None => Ok(Vec::new()),
        }
    }

    fn read(&self, path: &Path, most: usize) -> io::Result<Option<Vec<u8>>> {
        let mut disk = self.disk();
        let Some(node) = disk.find(path)? else {
            return Ok(None);
        };
        let file = disk.file(node)?;
        Ok(Some(file[..file.len().min(most)].to_vec()))
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn Read + Send>> {
        let mut disk = self.disk();
        let node = disk.must_find(path)?;
        Ok(Box::new(Cursor::new(disk.file(node)?.clone())))
    }

    fn append(&self, path: &Path) -> io::Result<Box<dyn Write + Send>> {
        let mut disk = self.disk();
        let node = match disk.find(path)? {
            Some(node) => node,
            None => disk.put(path, empty())?,
        };
        Ok(Box::new(Pen {
            disk: self.clone(),
            node,
        }))
    }

    fn create(&self, path: &Path, _mode: u32) -> io::Result<Box<dyn Write + Send>> {
        let node = self.disk().put_new(path, empty())?;
        Ok(Box::new(Pen {
            disk: self.clone(),
            node,
        }))
    }

    fn overwrite(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        let mut disk = self.disk();
        let node = match disk.find(path)? {
            Some(node) => node,
            None => disk.put(path, empty())?,
        };
        disk.change(|disk| {
            if let Ok(file) = disk.file(node) {
                lay(file, &bytes[..bytes.len() / 2]);
            }
        })?;
        lay(disk.file(node)?, bytes);
        Ok(())
    }

    fn make_folder(&self, path: &Path) -> io::Result<()> {
        let mut disk = self.disk();
        match disk.find(path)? {
            Some(node) if matches!(disk.nodes[node], Node::Folder { .. }) => Ok(()),
            Some(_) => Err(ErrorKind::AlreadyExists.into()),
            None => disk.put(path, folder()).map(|_| ()),
        }
    }

    fn link(&self, target: &Path, path: &Path) -> io::Result<()> {
        self.disk()
            .put_new(path, Node::Link(target.to_path_buf()))
            .map(|_| ())
    }

    fn read_link(&self, path: &Path) -> io::Result<Option<PathBuf>> {
        let disk = self.disk();
        Ok(match disk.find(path)?.map(|node| &disk.nodes[node]) {
            Some(Node::Link(target)) => Some(target.clone()),
            Some(Node::File { .. } | Node::Folder { .. }) | None => None,
        })
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut disk = self.disk();
        let node = disk.must_find(from)?;
        let (folder, from) = disk.parent(from)?;
        let (target, to) = disk.parent(to)?;
        debug_assert_eq!(folder, target, "renames stay within a folder");
        disk.change(|_| ())?;
        disk.alter(folder, Change::Move(from, to, node))
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        let mut disk = self.disk();
        let Some(node) = disk.find(path)? else {
            return Ok(());
        };
        let (folder, name) = disk.parent(path)?;
        disk.change(|disk| disk.half_remove(node))?;
        disk.alter(folder, Change::Drop(name))
    }

    fn sync_file(&self, path: &Path) -> io::Result<()> {
        self.sync(path, false)
    }

    fn sync_folder(&self, folder: &Path) -> io::Result<()> {
        self.sync(folder, false)
    }

    fn sync_tree(&self, folder: &Path) -> io::Result<()> {
        self.sync(folder, true)
    }
}

impl Fragile {
    fn sync(&self, path: &Path, deep: bool) -> io::Result<()> {
        let mut disk = self.disk();
        let node = disk.must_find(path)?;
        disk.change(|_| ())?;
        let mut open = vec![node];
        while let Some(node) = open.pop() {
            let below = disk.sync(node, deep);
            open.extend(below);
        }
        Ok(())
    }
}

const fn empty() -> Node {
    Node::File {
        bytes: Vec::new(),
        synced: Vec::new(),
    }
}
