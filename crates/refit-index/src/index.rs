//! The index: chunks of devices, and what the numbers in them stand for.

use crate::bits::Bits;
use crate::change::Change;
use crate::chunk::{
    CERTIFICATE, Chunk, NEVER, ONLINE, STATUS, certificate_flag, second, status_flag,
};
use crate::dictionary::{Dictionary, NO_CODE};
use crate::list::{List, UnknownList};
use crate::plan::Plan;
use crate::row::DeviceRow;
use crate::selection::{Selection, keys, place};
use hashbrown::HashMap;
use refit_protocol::time::Timestamp;
use refit_selector::Selector;
use refit_selector::field::Field;
use refit_selector::sample::Place;
use std::collections::BTreeMap;

/// Columns that every fleet has stand before those of tags and attributes.
pub(crate) const FIXED_COLUMNS: usize = 5;
const MODEL: usize = 0;
const SOFTWARE: usize = 1;
const VERSION: usize = 2;
const TOKEN: usize = 3;
const REASON: usize = 4;

/// What an answer depends on beside the fleet.
#[derive(Clone, Copy, Debug)]
pub struct Ask<'a> {
    /// When it is asked.
    pub now: Timestamp,
    /// What shuffles the draw of `sample`: the rollout's ID.
    pub salt: &'a str,
}

/// The fleet in memory.
pub struct Index {
    /// By key divided by 4096.
    pub(crate) chunks: BTreeMap<u64, Chunk>,
    pub(crate) columns: Vec<Column>,
    /// The columns of tags and of attributes by name.
    pub(crate) labels: [HashMap<Box<str>, usize>; 2],
    /// Columns of labels that nobody has any more.
    free: Vec<usize>,
    pub(crate) lists: BTreeMap<String, List>,
    devices: u64,
}

#[derive(Default)]
pub(crate) struct Column {
    pub(crate) dictionary: Dictionary,
    /// Of a label: which of [`Index::labels`] and under which name.
    label: Option<(Label, Box<str>)>,
}

#[derive(Clone, Copy)]
enum Label {
    Tag,
    Attribute,
}

impl Default for Index {
    fn default() -> Self {
        let mut columns = Vec::new();
        columns.resize_with(FIXED_COLUMNS, Column::default);
        Self {
            chunks: BTreeMap::new(),
            columns,
            labels: Default::default(),
            free: Vec::new(),
            lists: BTreeMap::new(),
            devices: 0,
        }
    }
}

impl Index {
    /// Builds it from every device of the store, in any order; that of the keys is the fastest.
    pub fn build<'a>(rows: impl IntoIterator<Item = DeviceRow<'a>>) -> Self {
        let mut index = Self::default();
        rows.into_iter().for_each(|row| index.insert(&row));
        index
    }

    /// Returns how many devices there are.
    pub const fn len(&self) -> u64 {
        self.devices
    }

    /// Tells whether there is none.
    pub const fn is_empty(&self) -> bool {
        self.devices == 0
    }

    /// Returns the ID of a device.
    pub fn id(&self, key: u64) -> Option<&str> {
        let (number, slot) = place(key);
        let chunk = self.chunks.get(&number)?;
        chunk.present.get(slot).then(|| chunk.ids.get(slot))
    }

    /// Puts a device in, or in the place of what was known of it.
    pub fn insert(&mut self, row: &DeviceRow<'_>) {
        let _was_there = self.remove(row.key);
        let (number, slot) = place(row.key);
        let chunk = self.chunks.entry(number).or_default();
        chunk.present.set(slot, true);
        chunk.drifting.set(slot, row.drifting);
        chunk.ids.set(slot, row.id);
        chunk.places[slot] = Place::of(row.id).0;
        chunk.created[slot] = second(row.first_seen);
        chunk.seen[slot] = second(row.last_seen);
        chunk.flags[slot] =
            status_flag(row.status) | certificate_flag(row.certificate) | u8::from(row.online);
        self.devices += 1;
        for list in self.lists.values_mut() {
            list.come(row.key, row.id);
        }
        for (column, text) in [
            (MODEL, row.model),
            (SOFTWARE, row.software),
            (VERSION, row.version),
            (TOKEN, row.token),
            (REASON, row.reason),
        ] {
            if text.is_some() {
                self.put(column, number, slot, text);
            }
        }
        for (name, text) in row.tags {
            self.put_label(Label::Tag, name, number, slot, Some(text));
        }
        for (name, text) in row.attributes {
            self.put_label(Label::Attribute, name, number, slot, Some(text));
        }
    }

    /// Changes one fact of a device; false if there is no such device.
    #[must_use]
    pub fn apply(&mut self, key: u64, change: Change<'_>) -> bool {
        let (number, slot) = place(key);
        let Some(chunk) = self
            .chunks
            .get_mut(&number)
            .filter(|chunk| chunk.present.get(slot))
        else {
            return false;
        };
        match change {
            Change::Model(text) => self.put(MODEL, number, slot, text),
            Change::Software(name, version) => {
                self.put(SOFTWARE, number, slot, name);
                self.put(VERSION, number, slot, version);
            }
            Change::Online(online) => chunk.set_flag(slot, ONLINE, u8::from(online)),
            Change::Drifting(drifting) => chunk.drifting.set(slot, drifting),
            Change::Seen(moment) => chunk.seen[slot] = second(Some(moment)),
            Change::Job(status, reason) => {
                chunk.set_flag(slot, STATUS, status_flag(status));
                self.put(REASON, number, slot, reason);
            }
            Change::Certificate(certificate) => {
                chunk.set_flag(slot, CERTIFICATE, certificate_flag(certificate))
            }
            Change::Token(text) => self.put(TOKEN, number, slot, text),
            Change::Tag(name, text) => self.put_label(Label::Tag, name, number, slot, text),
            Change::Attribute(name, text) => {
                self.put_label(Label::Attribute, name, number, slot, text)
            }
        }
        true
    }

    /// Takes a device out; false if there is no such device.
    pub fn remove(&mut self, key: u64) -> bool {
        let (number, slot) = place(key);
        let Some(chunk) = self
            .chunks
            .get_mut(&number)
            .filter(|chunk| chunk.present.get(slot))
        else {
            return false;
        };
        chunk.present.set(slot, false);
        chunk.drifting.set(slot, false);
        chunk.ids.clear(slot);
        (chunk.flags[slot], chunk.created[slot], chunk.seen[slot]) = (0, NEVER, NEVER);
        let is_empty = chunk.present.is_empty();
        for column in 0..chunk.codes.len() {
            self.put(column, number, slot, None);
        }
        if is_empty {
            self.chunks.remove(&number);
        }
        for list in self.lists.values_mut() {
            list.gone(key);
        }
        self.devices -= 1;
        true
    }

    /// Puts a text into a column, or takes it out.
    fn put(&mut self, column: usize, number: u64, slot: usize, text: Option<&str>) {
        let (Some(of), Some(chunk)) = (self.columns.get_mut(column), self.chunks.get_mut(&number))
        else {
            return;
        };
        let code = text.map_or(NO_CODE, |text| of.dictionary.take(text));
        let old = chunk.replace(column, slot, code);
        if old == NO_CODE {
            return;
        }
        of.dictionary.give(old);
        if of.dictionary.is_empty()
            && let Some((label, name)) = of.label.take()
        {
            self.labels[label as usize].remove(&name);
            self.free.push(column);
        }
    }

    fn put_label(
        &mut self,
        label: Label,
        name: &str,
        number: u64,
        slot: usize,
        text: Option<&str>,
    ) {
        let column = match (self.labels[label as usize].get(name), text) {
            (Some(column), _) => *column,
            (None, None) => return,
            (None, Some(_)) => {
                let column = self.free.pop().unwrap_or(self.columns.len());
                if column == self.columns.len() {
                    self.columns.push(Column::default());
                }
                if let Some(of) = self.columns.get_mut(column) {
                    of.label = Some((label, name.into()));
                }
                self.labels[label as usize].insert(name.into(), column);
                column
            }
        };
        self.put(column, number, slot, text);
    }

    /// Returns the column of a field; `None` if it has none, or nobody has it.
    pub(crate) fn column_of(&self, field: &Field) -> Option<usize> {
        match field {
            Field::Model => Some(MODEL),
            Field::Software => Some(SOFTWARE),
            Field::Version => Some(VERSION),
            Field::Token => Some(TOKEN),
            Field::JobReason => Some(REASON),
            Field::Tag(name) => self.labels[Label::Tag as usize].get(name.as_str()).copied(),
            Field::Attribute(name) => self.labels[Label::Attribute as usize]
                .get(name.as_str())
                .copied(),
            Field::Id | Field::Seen | Field::Created | Field::JobStatus | Field::Certificate => {
                None
            }
        }
    }

    /// Returns the devices that are meant.
    pub fn select(&self, selector: &Selector, ask: &Ask<'_>) -> Result<Selection, UnknownList> {
        let mut selection = Selection::default();
        self.each(selector, ask, 0, |number, bits| {
            selection.push(number, *bits);
            true
        })?;
        Ok(selection)
    }

    /// Counts the devices that are meant.
    pub fn count(&self, selector: &Selector, ask: &Ask<'_>) -> Result<u64, UnknownList> {
        let mut count = 0;
        self.each(selector, ask, 0, |_, bits| {
            count += bits.count() as u64;
            true
        })?;
        Ok(count)
    }

    /// Returns the first of the devices that are meant, of those whose key is greater than `after`. Where they are many it looks at
    /// little of the fleet.
    pub fn page(
        &self,
        selector: &Selector,
        ask: &Ask<'_>,
        after: Option<u64>,
        limit: usize,
    ) -> Result<Vec<u64>, UnknownList> {
        let mut page = Vec::new();
        self.each(
            selector,
            ask,
            after.map_or(0, |after| place(after).0),
            |number, bits| {
                let later = keys(number, bits).filter(|key| after.is_none_or(|after| *key > after));
                page.extend(later.take(limit - page.len()));
                page.len() < limit
            },
        )?;
        Ok(page)
    }

    /// Finds the devices chunk by chunk from this one on, until the caller has enough.
    pub(crate) fn each(
        &self,
        selector: &Selector,
        ask: &Ask<'_>,
        from: u64,
        mut with: impl FnMut(u64, &Bits) -> bool,
    ) -> Result<(), UnknownList> {
        let plan = Plan::new(self, selector.tree(), ask)?;
        for (number, chunk) in self.chunks.range(from..) {
            if !with(*number, &plan.run(*number, chunk, &chunk.present)) {
                break;
            }
        }
        Ok(())
    }
}
