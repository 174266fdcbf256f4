//! Uploaded lists of IDs, and which devices of the fleet are in them. An ID may be in a list before its device is known.

use crate::bits::Bits;
use crate::index::Index;
use crate::selection::place;
use hashbrown::HashSet;
use std::collections::BTreeMap;
use std::fmt;

#[derive(Default)]
pub(crate) struct List {
    ids: HashSet<Box<str>>,
    /// Its devices, by the number of their chunk.
    members: BTreeMap<u64, Bits>,
}

impl List {
    pub(crate) fn of(&self, chunk: u64) -> &Bits {
        self.members.get(&chunk).unwrap_or(&Bits::NONE)
    }

    pub(crate) fn count(&self) -> usize {
        self.members.values().map(Bits::count).sum()
    }

    pub(crate) fn bytes(&self) -> usize {
        let texts: usize = self.ids.iter().map(|id| id.len() + 16).sum();
        texts + self.members.len() * size_of::<Bits>()
    }

    /// Notes a device that has come, if it is in the list.
    pub(crate) fn come(&mut self, key: u64, id: &str) {
        if self.ids.contains(id) {
            let (number, slot) = place(key);
            self.members
                .entry(number)
                .or_insert(Bits::NONE)
                .set(slot, true);
        }
    }

    pub(crate) fn gone(&mut self, key: u64) {
        let (number, slot) = place(key);
        if let Some(bits) = self.members.get_mut(&number) {
            bits.set(slot, false);
        }
    }
}

/// A selector names a list that nobody uploaded, or that was removed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownList(pub String);

impl fmt::Display for UnknownList {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "there is no list `{}`; upload it, or take the term out",
            self.0
        )
    }
}

impl std::error::Error for UnknownList {}

impl Index {
    /// Puts a list in the place of the one of that name. It takes a pass over all IDs.
    pub fn set_list<I: AsRef<str>>(&mut self, name: &str, ids: impl IntoIterator<Item = I>) {
        let ids = ids.into_iter().map(|id| id.as_ref().into()).collect();
        let mut list = List {
            ids,
            members: BTreeMap::new(),
        };
        for (number, chunk) in &self.chunks {
            let members = chunk
                .present
                .filter(|slot| list.ids.contains(chunk.ids.get(slot)));
            if !members.is_empty() {
                list.members.insert(*number, members);
            }
        }
        self.lists.insert(name.into(), list);
    }

    /// Removes a list; selectors that name it are refused from now on.
    pub fn remove_list(&mut self, name: &str) {
        drop(self.lists.remove(name));
    }
}
