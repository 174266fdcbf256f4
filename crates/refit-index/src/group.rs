//! How many devices have each pair of values of two fields: the map of version and model.

use crate::bits::{Bits, DEVICES};
use crate::chunk::{CERTIFICATE, Chunk, STATUS, words};
use crate::index::{Ask, Index};
use crate::list::UnknownList;
use hashbrown::HashMap;
use refit_selector::Selector;
use refit_selector::field::Field;
use std::fmt;

/// Up to this many pairs a table of all is quicker than a map of those that occur.
const TABLE_MAX: usize = 1 << 18;

/// One pair of values, and how many devices have it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Cell {
    /// The value of the first field, if it is known.
    pub first: Option<String>,
    /// The value of the second.
    pub second: Option<String>,
    /// How many devices have both.
    pub count: u64,
}

/// Why there is no map.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NoDimension {
    /// The selector names a list that is not there.
    List(UnknownList),
    /// Each device has its own value of this field, so there is nothing to count.
    Field(Field),
}

impl fmt::Display for NoDimension {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::List(list) => list.fmt(f),
            Self::Field(field) => write!(
                f,
                "devices are not grouped by `{field}`; take model, version, a tag or a state"
            ),
        }
    }
}

impl std::error::Error for NoDimension {}

/// Where the values of a field are.
enum Dimension {
    Column(usize),
    Flags(u8),
    /// Nobody has one.
    Nothing,
}

impl Index {
    /// Counts the devices that are meant by their values of two fields, in the order of the values; those without one come first.
    pub fn group(
        &self,
        selector: &Selector,
        ask: &Ask<'_>,
        first: &Field,
        second: &Field,
    ) -> Result<Vec<Cell>, NoDimension> {
        let (first, second) = (self.dimension(first)?, self.dimension(second)?);
        let width = self.width(&second);
        let mut counts = Counts::new(self.width(&first).saturating_mul(width));
        self.each(selector, ask, 0, |number, bits| {
            if let Some(chunk) = self.chunks.get(&number) {
                counts.add(&first.of(chunk), &second.of(chunk), width, bits);
            }
            true
        })
        .map_err(NoDimension::List)?;
        let cells = counts.into_pairs().map(|(pair, count)| Cell {
            first: self.value(&first, pair / width),
            second: self.value(&second, pair % width),
            count,
        });
        let mut cells: Vec<Cell> = cells.collect();
        cells.sort();
        Ok(cells)
    }

    fn dimension(&self, field: &Field) -> Result<Dimension, NoDimension> {
        match field {
            Field::Id | Field::Seen | Field::Created => Err(NoDimension::Field(field.clone())),
            Field::JobStatus => Ok(Dimension::Flags(STATUS)),
            Field::Certificate => Ok(Dimension::Flags(CERTIFICATE)),
            other => Ok(self
                .column_of(other)
                .map_or(Dimension::Nothing, Dimension::Column)),
        }
    }

    fn width(&self, dimension: &Dimension) -> usize {
        match dimension {
            Dimension::Column(column) => self
                .columns
                .get(*column)
                .map_or(1, |of| of.dictionary.codes()),
            Dimension::Flags(_) => 256,
            Dimension::Nothing => 1,
        }
    }

    fn value(&self, dimension: &Dimension, code: usize) -> Option<String> {
        let text = match dimension {
            Dimension::Column(column) => self.columns.get(*column)?.dictionary.text(code as u32)?,
            Dimension::Flags(STATUS) => words(code as u8).0?,
            Dimension::Flags(_) => words(code as u8).1?,
            Dimension::Nothing => return None,
        };
        Some(text.to_owned())
    }
}

impl Dimension {
    fn of(&self, chunk: &Chunk) -> [u32; DEVICES] {
        match self {
            Self::Column(column) => chunk.column(*column).all(),
            Self::Flags(mask) => chunk.flags.map(|flags| u32::from(flags & mask)),
            Self::Nothing => [0; DEVICES],
        }
    }
}

enum Counts {
    Table(Vec<u64>),
    Map(HashMap<usize, u64>),
}

impl Counts {
    fn new(pairs: usize) -> Self {
        if pairs <= TABLE_MAX {
            Self::Table(vec![0; pairs])
        } else {
            Self::Map(HashMap::new())
        }
    }

    fn add(&mut self, first: &[u32; DEVICES], second: &[u32; DEVICES], width: usize, bits: &Bits) {
        for slot in bits.slots() {
            let pair = first[slot % DEVICES] as usize * width + second[slot % DEVICES] as usize;
            match self {
                Self::Table(table) => {
                    if let Some(count) = table.get_mut(pair) {
                        *count += 1;
                    }
                }
                Self::Map(map) => *map.entry(pair).or_default() += 1,
            }
        }
    }

    fn into_pairs(self) -> Box<dyn Iterator<Item = (usize, u64)>> {
        match self {
            Self::Table(table) => Box::new(
                table
                    .into_iter()
                    .enumerate()
                    .filter(|(_, count)| *count > 0),
            ),
            Self::Map(map) => Box::new(map.into_iter()),
        }
    }
}
