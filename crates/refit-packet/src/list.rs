//! The lists inside packets: properties, filters, reason codes. One that was decoded is a slice of
//! the packet, read item by item; one to be sent is a slice of items. Either way nothing is owned.

use alloc::vec::Vec;
use core::fmt;

use crate::Error;
use crate::reader::Reader;

/// What a packet can list.
pub(crate) trait Item<'a>: Copy {
    fn read(reader: &mut Reader<'a>) -> Result<Self, Error>;
    fn wire_len(&self) -> usize;
    fn write(&self, out: &mut Vec<u8>);
}

/// A list of items in a packet; `iter` reads it.
#[derive(Clone, Copy)]
pub struct List<'a, T> {
    source: Source<'a, T>,
}

/// `Wire` was validated whole when its packet was decoded, so reading it cannot fail later.
#[derive(Clone, Copy)]
enum Source<'a, T> {
    Wire(&'a [u8]),
    Given(&'a [T]),
}

impl<'a, T> List<'a, T> {
    /// The list without items.
    pub const NONE: Self = Self {
        source: Source::Given(&[]),
    };

    /// Makes a list to be sent. It is checked when its packet is encoded.
    #[must_use]
    pub const fn of(items: &'a [T]) -> Self {
        Self {
            source: Source::Given(items),
        }
    }

    /// Wraps bytes of which every item has been read once.
    pub(crate) const fn validated(wire: &'a [u8]) -> Self {
        Self {
            source: Source::Wire(wire),
        }
    }

    /// Iterates over the items in the order of the wire.
    #[must_use]
    pub fn iter(&self) -> Iter<'a, T> {
        match self.source {
            Source::Wire(wire) => Iter {
                wire: Reader::new(wire),
                given: &[],
            },
            Source::Given(given) => Iter {
                wire: Reader::new(&[]),
                given,
            },
        }
    }

    /// Tells whether there are no items.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        match self.source {
            Source::Wire(wire) => wire.is_empty(),
            Source::Given(given) => given.is_empty(),
        }
    }
}

pub(crate) fn wire_len<'a, T: Item<'a>>(list: &List<'a, T>) -> usize {
    match list.source {
        Source::Wire(wire) => wire.len(),
        Source::Given(given) => given.iter().map(Item::wire_len).sum(),
    }
}

pub(crate) fn write<'a, T: Item<'a>>(list: &List<'a, T>, out: &mut Vec<u8>) {
    match list.source {
        Source::Wire(wire) => out.extend_from_slice(wire),
        Source::Given(given) => given.iter().for_each(|item| item.write(out)),
    }
}

/// Reads a list item by item.
#[derive(Clone)]
pub struct Iter<'a, T> {
    wire: Reader<'a>,
    given: &'a [T],
}

impl<'a, T: Item<'a>> Iterator for Iter<'a, T> {
    type Item = T;

    fn next(&mut self) -> Option<T> {
        if let Some((first, rest)) = self.given.split_first() {
            self.given = rest;
            return Some(*first);
        }
        if self.wire.is_empty() {
            return None;
        }
        T::read(&mut self.wire).ok()
    }
}

impl<'a, T: Item<'a>> IntoIterator for &List<'a, T> {
    type Item = T;
    type IntoIter = Iter<'a, T>;

    fn into_iter(self) -> Iter<'a, T> {
        self.iter()
    }
}

impl<T> Default for List<'_, T> {
    fn default() -> Self {
        Self::NONE
    }
}

/// Two lists are equal if they say the same, wherever they are kept.
impl<'a, T: Item<'a> + PartialEq> PartialEq for List<'a, T> {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }
}

impl<'a, T: Item<'a> + fmt::Debug> fmt::Debug for List<'a, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

impl<T> fmt::Debug for Iter<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Iter").finish_non_exhaustive()
    }
}
