//! Applies news to the index, in their order. It reads the store, and never while it holds the index.

use std::collections::BTreeSet;
use std::sync::Arc;

use hashbrown::{HashMap, HashSet};
use refit_index::{Change as Fact, Index, Shared};
use refit_protocol::device_id::DeviceId;
use refit_protocol::digest::Digest;
use refit_protocol::time::Timestamp;
use refit_store::facts::{ScanRow, SoftwareRef};
use refit_store::reader::Reader;
use refit_store::store::{DeviceKey, Failure};

use super::note::Note;
use super::row::{self, Heard};
use super::{Change, News};
use crate::releases::Releases;

/// How many rows are read at a time.
const PAGE_ROWS: usize = 1_000;

/// How many artifacts without a release are remembered: more, and every new release is looked for among all devices.
const NAMELESS_MAX: usize = 10_000;

/// The hash of attributes that were read from the store, before the device has said them again.
const UNHEARD: u64 = 1;

/// What keeps the index.
pub(crate) struct Keeper {
    index: Arc<Shared>,
    reader: Box<dyn Reader>,
    releases: Arc<Releases>,
    /// Devices that connected before their record was made.
    early: HashSet<DeviceId>,
    /// By which hash the own attributes of a device are known again; those without any are not here.
    attributes: HashMap<u64, u64>,
    /// When certificates expire, and whose they are. One that was renewed stays here until then, and is looked at in vain.
    expiries: BTreeSet<(Timestamp, DeviceKey)>,
    /// Artifacts that devices run, and that no release has.
    nameless: HashSet<Digest>,
    /// Who connected or went, in order, and is to be found in the store.
    moved: Vec<(DeviceId, bool)>,
    /// Devices to be found in the store and read again.
    described: Vec<DeviceId>,
    /// Devices to be read again.
    again: BTreeSet<DeviceKey>,
    /// Behind which device their software is to be named anew, if it is.
    renaming: Option<DeviceKey>,
}

impl Keeper {
    /// Builds the index from the store.
    pub(crate) fn build(
        reader: Box<dyn Reader>,
        releases: Arc<Releases>,
        now: Timestamp,
    ) -> Result<Self, Failure> {
        let mut keeper = Self {
            index: Arc::default(),
            reader,
            releases,
            early: HashSet::new(),
            attributes: HashMap::new(),
            expiries: BTreeSet::new(),
            nameless: HashSet::new(),
            moved: Vec::new(),
            described: Vec::new(),
            again: BTreeSet::new(),
            renaming: None,
        };
        let mut after = DeviceKey(0);
        loop {
            let rows = keeper.reader.scan(after, PAGE_ROWS)?;
            let Some(last) = rows.last() else { break };
            after = last.key;
            let index = Arc::clone(&keeper.index);
            index.write(|index| rows.iter().for_each(|row| keeper.put(index, row, now)));
        }
        for list in keeper.reader.lists()? {
            let ids = keeper.reader.list_ids(&list.name)?.unwrap_or_default();
            let ids = ids.iter().map(DeviceId::as_str);
            keeper.index.write(|index| index.set_list(&list.name, ids));
        }
        Ok(keeper)
    }

    /// Returns the index.
    pub(crate) const fn index(&self) -> &Arc<Shared> {
        &self.index
    }

    /// Takes in news. What cannot be read is kept, and tried again with the next news or by [`Self::go_on`].
    pub(crate) fn take(&mut self, news: News, now: Timestamp) -> Result<(), Failure> {
        match news {
            News::Round(changes) => self.round(changes),
            News::Again(devices) => self.described.extend(devices),
            News::ReleaseAdded(artifact) => {
                if self.nameless.len() >= NAMELESS_MAX || self.nameless.remove(&artifact) {
                    self.renaming = Some(DeviceKey(0));
                }
            }
            News::ReleaseRemoved => self.renaming = Some(DeviceKey(0)),
            News::List(name, ids) => {
                let ids = ids.iter().map(DeviceId::as_str);
                self.index.write(|index| index.set_list(&name, ids));
            }
            News::ListRemoved(name) => self.index.write(|index| index.remove_list(&name)),
            News::Settle(_) | News::Stop => {}
        }
        self.catch_up(now)
    }

    /// Returns when a certificate expires next.
    pub(crate) fn next_due(&self) -> Option<Timestamp> {
        self.expiries.first().map(|(at, _)| *at)
    }

    /// Tells whether there is something to go on with when no news wait.
    pub(crate) fn is_busy(&self) -> bool {
        let is_read = self.moved.is_empty() && self.described.is_empty() && self.again.is_empty();
        self.renaming.is_some() || !is_read
    }

    /// Looks again at those whose certificate has expired, and goes a step on with what is to be gone through.
    pub(crate) fn go_on(&mut self, now: Timestamp) -> Result<(), Failure> {
        while let Some((at, key)) = self.expiries.first().copied()
            && at < now
        {
            self.expiries.pop_first();
            self.again.insert(key);
        }
        if let Some(after) = self.renaming {
            let rows = self.reader.scan(after, PAGE_ROWS)?;
            self.renaming = rows.last().map(|last| last.key);
            for row in &rows {
                self.miss(row.reported.as_ref());
            }
            let releases = &self.releases;
            self.index.write(|index| {
                for row in &rows {
                    software(index, row.key.0, row.reported.as_ref(), releases);
                }
            });
        }
        self.catch_up(now)
    }

    /// Applies the commits of a round. Who connected is looked for afterwards: each commit leaves who is online as it is.
    fn round(&mut self, changes: Vec<Change>) {
        let index = Arc::clone(&self.index);
        index.write(|index| {
            for change in changes {
                match change {
                    Change::Committed(key, note) => self.committed(index, key, &note),
                    Change::Online(device, online) => self.moved.push((device, online)),
                }
            }
        });
    }

    /// Looks up and reads what waits for that.
    fn catch_up(&mut self, now: Timestamp) -> Result<(), Failure> {
        if !self.moved.is_empty() {
            let devices: Vec<DeviceId> = self.moved.iter().map(|(id, _)| id.clone()).collect();
            let keys = self.reader.keys(&devices)?;
            let index = Arc::clone(&self.index);
            index.write(|index| {
                let moved = std::mem::take(&mut self.moved).into_iter();
                for ((device, online), key) in moved.zip(keys) {
                    self.online(index, device, key, online, now);
                }
            });
        }
        if !self.described.is_empty() {
            let keys = self.reader.keys(&self.described)?;
            self.described.clear();
            self.again.extend(keys.into_iter().flatten());
        }
        self.read_again(now)
    }

    fn committed(&mut self, index: &mut Index, key: DeviceKey, note: &Note) {
        if note.gone {
            return self.remove(index, key);
        }
        let known = match note.attributes {
            0 => self.attributes.remove(&key.0).unwrap_or_default(),
            hash => self.attributes.insert(key.0, hash).unwrap_or_default(),
        };
        let reported = note.software.as_deref().map(SoftwareRef::of);
        self.miss(reported.as_ref());
        if !index.apply(key.0, Fact::Drifting(note.drifting)) || known != note.attributes {
            self.again.insert(key);
            return;
        }
        software(index, key.0, reported.as_ref(), &self.releases);
        if let Some((status, reason)) = &note.job {
            let _known = index.apply(key.0, Fact::Job(Some(*status), reason.as_deref()));
        }
        if let Some(seen) = note.seen {
            let _known = index.apply(key.0, Fact::Seen(seen));
        }
    }

    fn online(
        &mut self,
        index: &mut Index,
        device: DeviceId,
        key: Option<DeviceKey>,
        online: bool,
        now: Timestamp,
    ) {
        let known = key.filter(|key| index.apply(key.0, Fact::Online(online)));
        match (known, online) {
            // Until it went it was heard, which its record need not say.
            (Some(key), false) => drop(index.apply(key.0, Fact::Seen(now))),
            (Some(_), true) => {}
            (None, true) => drop(self.early.insert(device)),
            (None, false) => drop(self.early.remove(&device)),
        }
    }

    /// Reads what is to be read again, row by row: there are few, and they lie anywhere.
    fn read_again(&mut self, now: Timestamp) -> Result<(), Failure> {
        while let Some(key) = self.again.first().copied() {
            let before = DeviceKey(key.0.saturating_sub(1));
            let row = self.reader.scan(before, 1)?.pop();
            self.again.remove(&key);
            if let Some(row) = row.filter(|row| row.key == key) {
                let index = Arc::clone(&self.index);
                index.write(|index| self.put(index, &row, now));
            }
        }
        Ok(())
    }

    /// Puts a device in as the store has it.
    fn put(&mut self, index: &mut Index, row: &ScanRow, now: Timestamp) {
        if row.gone {
            return self.remove(index, row.key);
        }
        let known = index.device(row.key.0);
        let heard = Heard {
            online: self.early.remove(&row.id) || known.as_ref().is_some_and(|known| known.online),
            last: known.and_then(|known| known.last_seen),
        };
        if !row.attributes.is_empty() {
            self.attributes.entry(row.key.0).or_insert(UNHEARD);
        }
        self.miss(row.reported.as_ref());
        if let (Some((_, until)), Some(_)) = (row.certificate, row::certificate(row, now))
            && until >= now
        {
            self.expiries.insert((until, row.key));
        }
        row::with(row, heard, &self.releases, now, |row| index.insert(row));
    }

    /// Takes a device out. Its connection may outlive it, and make it anew.
    fn remove(&mut self, index: &mut Index, key: DeviceKey) {
        if let Some(known) = index.device(key.0).filter(|known| known.online)
            && let Ok(device) = DeviceId::parse(known.id)
        {
            self.early.insert(device);
        }
        index.remove(key.0);
        self.attributes.remove(&key.0);
    }

    /// Remembers an artifact that no release has.
    fn miss(&mut self, software: Option<&SoftwareRef>) {
        if let Some(SoftwareRef::Depot(digest)) = software
            && self.nameless.len() < NAMELESS_MAX
            && self.releases.find(digest).is_none()
        {
            self.nameless.insert(*digest);
        }
    }
}

fn software(index: &mut Index, key: u64, reported: Option<&SoftwareRef>, releases: &Releases) {
    let (name, version) = row::named(reported, releases).unzip();
    let _known = index.apply(key, Fact::Software(name.as_deref(), version.as_deref()));
}
