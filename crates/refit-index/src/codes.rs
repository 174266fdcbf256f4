//! One column of one chunk: the number of a text for each device, as narrow as the numbers allow, and a short list where few devices
//! have any.

use crate::bits::{Bits, DEVICES};
use crate::dictionary::NO_CODE;

/// Past this many a byte for each device is smaller than a list.
const FEW_MAX: usize = 512;

#[derive(Default)]
pub(crate) enum Codes {
    /// Nobody has one.
    #[default]
    Absent,
    /// Slots and numbers, by slot.
    Few(Vec<(u16, u32)>),
    Bytes(Box<[u8; DEVICES]>),
    Shorts(Box<[u16; DEVICES]>),
    Words(Box<[u32; DEVICES]>),
}

/// Which numbers are meant.
pub(crate) enum Matching {
    /// Any.
    Known,
    /// This one.
    One(u32),
    /// Those at whose place is a 1; that of [`NO_CODE`] is 0.
    Table(Vec<u8>),
}

impl Matching {
    fn has(&self, code: u32) -> bool {
        match self {
            Self::Known => code != NO_CODE,
            Self::One(one) => code == *one,
            Self::Table(table) => table.get(code as usize) == Some(&1),
        }
    }
}

impl Codes {
    pub(crate) fn get(&self, slot: usize) -> u32 {
        let slot = slot % DEVICES;
        match self {
            Self::Absent => NO_CODE,
            Self::Few(list) => {
                let found = list.binary_search_by_key(&slot, |(at, _)| usize::from(*at));
                found
                    .ok()
                    .and_then(|at| list.get(at))
                    .map_or(NO_CODE, |(_, code)| *code)
            }
            Self::Bytes(codes) => codes[slot].into(),
            Self::Shorts(codes) => codes[slot].into(),
            Self::Words(codes) => codes[slot],
        }
    }

    pub(crate) fn set(&mut self, slot: usize, code: u32) {
        let slot = slot % DEVICES;
        self.make_room(code);
        match self {
            Self::Absent => {}
            Self::Few(list) => match (
                list.binary_search_by_key(&slot, |(at, _)| usize::from(*at)),
                code,
            ) {
                (Ok(at), NO_CODE) => drop(list.remove(at)),
                (Ok(at), code) => list[at].1 = code,
                (Err(_), NO_CODE) => {}
                (Err(at), code) => list.insert(at, (slot as u16, code)),
            },
            Self::Bytes(codes) => codes[slot] = code as u8,
            Self::Shorts(codes) => codes[slot] = code as u16,
            Self::Words(codes) => codes[slot] = code,
        }
    }

    /// Widens the column until this number fits.
    fn make_room(&mut self, code: u32) {
        let widest = |codes: &Self| codes.all().into_iter().fold(code, u32::max);
        match self {
            Self::Absent if code != NO_CODE => *self = Self::Few(Vec::new()),
            Self::Few(list) if list.len() >= FEW_MAX => *self = self.dense(widest(self)),
            Self::Bytes(_) if code > u8::MAX.into() => *self = self.dense(code),
            Self::Shorts(_) if code > u16::MAX.into() => *self = self.dense(code),
            _ => {}
        }
    }

    fn dense(&self, widest: u32) -> Self {
        let all = self.all();
        if widest <= u8::MAX.into() {
            Self::Bytes(Box::new(all.map(|code| code as u8)))
        } else if widest <= u16::MAX.into() {
            Self::Shorts(Box::new(all.map(|code| code as u16)))
        } else {
            Self::Words(Box::new(all))
        }
    }

    /// Returns the number of each device.
    pub(crate) fn all(&self) -> [u32; DEVICES] {
        match self {
            Self::Absent => [NO_CODE; DEVICES],
            Self::Few(list) => {
                let mut all = [NO_CODE; DEVICES];
                for (slot, code) in list {
                    all[usize::from(*slot) % DEVICES] = *code;
                }
                all
            }
            Self::Bytes(codes) => codes.map(u32::from),
            Self::Shorts(codes) => codes.map(u32::from),
            Self::Words(codes) => **codes,
        }
    }

    /// Returns the devices whose number is meant.
    pub(crate) fn select(&self, matching: &Matching) -> Bits {
        match (self, matching) {
            (Self::Absent, _) => Bits::NONE,
            (Self::Few(list), matching) => {
                let mut bits = Bits::NONE;
                for (slot, code) in list {
                    bits.set(usize::from(*slot), matching.has(*code));
                }
                bits
            }
            (Self::Bytes(codes), Matching::Known) => Bits::by(codes, |code| code != 0),
            (Self::Shorts(codes), Matching::Known) => Bits::by(codes, |code| code != 0),
            (Self::Words(codes), Matching::Known) => Bits::by(codes, |code| code != 0),
            (Self::Bytes(codes), Matching::One(one)) => match u8::try_from(*one) {
                Ok(one) => Bits::by(codes, |code| code == one),
                Err(_) => Bits::NONE,
            },
            (Self::Shorts(codes), Matching::One(one)) => match u16::try_from(*one) {
                Ok(one) => Bits::by(codes, |code| code == one),
                Err(_) => Bits::NONE,
            },
            (Self::Words(codes), Matching::One(one)) => Bits::by(codes, |code| code == *one),
            (Self::Bytes(codes), Matching::Table(table)) => {
                // Of a known length, so that no look-up is checked.
                let mut fixed = [0; 256];
                fixed
                    .iter_mut()
                    .zip(table)
                    .for_each(|(fixed, one)| *fixed = *one);
                Bits::by(codes, |code| fixed[usize::from(code)] == 1)
            }
            (Self::Shorts(codes), Matching::Table(table)) => {
                Bits::by(codes, |code| table.get(usize::from(code)) == Some(&1))
            }
            (Self::Words(codes), Matching::Table(table)) => {
                Bits::by(codes, |code| table.get(code as usize) == Some(&1))
            }
        }
    }

    pub(crate) fn bytes(&self) -> usize {
        size_of::<Self>()
            + match self {
                Self::Absent => 0,
                Self::Few(list) => list.capacity() * size_of::<(u16, u32)>(),
                Self::Bytes(_) => DEVICES,
                Self::Shorts(_) => DEVICES * 2,
                Self::Words(_) => DEVICES * 4,
            }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_column_keeps_its_numbers_in_every_width() {
        let mut codes = Codes::default();
        let mut naive = [NO_CODE; DEVICES];
        // Grows from nothing over a list, bytes and shorts to words, and is emptied in between.
        for (round, most) in [(0, 3), (1, 200), (2, 60_000), (3, 100_000)] {
            for step in 0..DEVICES * 2 {
                let slot = step * 2_654_435_761 % DEVICES;
                let code = if step % 5 == 0 {
                    NO_CODE
                } else {
                    (step * 7919 + round) as u32 % most
                };
                codes.set(slot, code);
                naive[slot] = code;
                if step < 700 {
                    assert_eq!(codes.get(slot), code);
                }
            }
            assert_eq!(codes.all(), naive);
            let table: Vec<u8> = (0..most).map(|code| u8::from(code % 3 == 1)).collect();
            for matching in [
                Matching::Known,
                Matching::One(2),
                Matching::One(70_000),
                Matching::Table(table),
            ] {
                let wanted = Bits::by(&naive, |code| matching.has(code));
                assert_eq!(codes.select(&matching), wanted);
            }
        }
        assert!(matches!(codes, Codes::Words(_)));
    }
}
