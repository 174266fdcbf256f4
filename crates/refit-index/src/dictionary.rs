//! Each distinct text of a column once, under a small number.
//!
//! Texts are counted, and a number is used again when nobody has its text: an attribute such as a battery's level would else fill
//! the memory with what was true once.

use hashbrown::{DefaultHashBuilder, HashTable};
use std::hash::BuildHasher;

/// The number of no text.
pub(crate) const NO_CODE: u32 = 0;

#[derive(Default)]
pub(crate) struct Dictionary {
    /// Numbers by the hash of their text.
    table: HashTable<u32>,
    /// What the number `code` stands for is at `code - 1`.
    entries: Vec<Entry>,
    /// Numbers that nobody has.
    free: Vec<u32>,
    hasher: DefaultHashBuilder,
}

#[derive(Default)]
struct Entry {
    text: Box<str>,
    /// How many devices have it.
    count: u32,
}

fn at(code: u32) -> usize {
    (code as usize).wrapping_sub(1)
}

impl Dictionary {
    /// Returns the number of a text for one more device that has it.
    pub(crate) fn take(&mut self, text: &str) -> u32 {
        if let Some(code) = self.find(text) {
            if let Some(entry) = self.entries.get_mut(at(code)) {
                entry.count += 1;
            }
            return code;
        }
        let entry = Entry {
            text: text.into(),
            count: 1,
        };
        let code = match self.free.pop() {
            Some(code) => {
                if let Some(place) = self.entries.get_mut(at(code)) {
                    *place = entry;
                }
                code
            }
            None => {
                self.entries.push(entry);
                // A device has one value of a column, and 2^32 devices do not fit into memory.
                u32::try_from(self.entries.len()).unwrap_or(u32::MAX)
            }
        };
        let (entries, hasher) = (&self.entries, &self.hasher);
        let hash_of =
            |code: &u32| hasher.hash_one(entries.get(at(*code)).map_or("", |entry| &*entry.text));
        self.table
            .insert_unique(hasher.hash_one(text), code, hash_of);
        code
    }

    /// Takes back what [`Self::take`] gave to one device.
    pub(crate) fn give(&mut self, code: u32) {
        let Some(entry) = self.entries.get_mut(at(code)) else {
            return;
        };
        entry.count = entry.count.saturating_sub(1);
        if entry.count == 0 {
            let hash = self.hasher.hash_one(&*entry.text);
            entry.text = "".into();
            if let Ok(found) = self.table.find_entry(hash, |other| *other == code) {
                found.remove();
            }
            self.free.push(code);
        }
    }

    /// Returns the number of a text, if a device has it.
    pub(crate) fn find(&self, text: &str) -> Option<u32> {
        let same = |code: &u32| {
            self.entries
                .get(at(*code))
                .is_some_and(|entry| &*entry.text == text)
        };
        self.table.find(self.hasher.hash_one(text), same).copied()
    }

    /// Returns the text of a number.
    pub(crate) fn text(&self, code: u32) -> Option<&str> {
        self.entries
            .get(at(code))
            .filter(|entry| entry.count > 0)
            .map(|entry| &*entry.text)
    }

    /// Returns the numbers, texts and counts of devices.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (u32, &str, u32)> {
        let numbered = (1..).zip(&self.entries);
        numbered
            .filter(|(_, entry)| entry.count > 0)
            .map(|(code, entry)| (code, &*entry.text, entry.count))
    }

    /// Returns how many numbers there are, with [`NO_CODE`] and those that are free.
    pub(crate) fn codes(&self) -> usize {
        self.entries.len() + 1
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.table.is_empty()
    }

    pub(crate) fn bytes(&self) -> usize {
        let texts: usize = self.entries.iter().map(|entry| entry.text.len()).sum();
        texts
            + self.entries.capacity() * size_of::<Entry>()
            + self.table.capacity() * 5
            + self.free.capacity() * 4
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_used_again_when_nobody_has_its_text() {
        let mut dictionary = Dictionary::default();
        for level in 0..1000 {
            let code = dictionary.take(&level.to_string());
            assert_eq!(dictionary.text(code), Some(level.to_string().as_str()));
            dictionary.give(code);
        }
        assert_eq!((dictionary.codes(), dictionary.is_empty()), (2, true));
        let (a, b) = (dictionary.take("a"), dictionary.take("b"));
        assert_eq!(
            (
                dictionary.take("a"),
                dictionary.find("b"),
                dictionary.find("c")
            ),
            (a, Some(b), None)
        );
        dictionary.give(a);
        assert_eq!(
            dictionary.iter().collect::<Vec<_>>(),
            [(a, "a", 1), (b, "b", 1)]
        );
    }
}
