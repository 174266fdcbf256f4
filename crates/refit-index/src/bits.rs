//! A yes or no for each of the 4096 devices of a chunk.

/// How many devices a chunk has. Their bits fill 512 bytes, so that a whole query's stay in the nearest cache.
pub(crate) const DEVICES: usize = 4096;

const WORDS: usize = DEVICES / 64;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Bits([u64; WORDS]);

impl Bits {
    pub(crate) const NONE: Self = Self([0; WORDS]);

    /// Asks each value. The loop has no branch, so that the compiler does sixteen or more at a time; see `pack`.
    pub(crate) fn by<T: Copy>(values: &[T; DEVICES], test: impl Fn(T) -> bool) -> Self {
        let mut words = [0; WORDS];
        for (word, values) in words.iter_mut().zip(values.chunks_exact(64)) {
            let mut bytes = [0; 64];
            for (byte, value) in bytes.iter_mut().zip(values) {
                *byte = u8::from(test(*value));
            }
            *word = pack(&bytes);
        }
        Self(words)
    }

    pub(crate) const fn get(&self, slot: usize) -> bool {
        self.0[slot / 64 % WORDS] >> (slot % 64) & 1 == 1
    }

    pub(crate) const fn set(&mut self, slot: usize, to: bool) {
        let word = &mut self.0[slot / 64 % WORDS];
        *word = *word & !(1 << (slot % 64)) | (to as u64) << (slot % 64);
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.iter().all(|word| *word == 0)
    }

    pub(crate) fn count(&self) -> usize {
        self.0.iter().map(|word| word.count_ones() as usize).sum()
    }

    pub(crate) fn and(&self, other: &Self) -> Self {
        self.zip(other, |a, b| a & b)
    }

    pub(crate) fn or(&self, other: &Self) -> Self {
        self.zip(other, |a, b| a | b)
    }

    pub(crate) fn and_not(&self, other: &Self) -> Self {
        self.zip(other, |a, b| a & !b)
    }

    fn zip(&self, other: &Self, with: impl Fn(u64, u64) -> u64) -> Self {
        let mut words = self.0;
        for (word, other) in words.iter_mut().zip(&other.0) {
            *word = with(*word, *other);
        }
        Self(words)
    }

    /// Keeps those that pass, and asks no other.
    pub(crate) fn filter(&self, mut test: impl FnMut(usize) -> bool) -> Self {
        let mut kept = Self::NONE;
        for slot in self.slots() {
            kept.set(slot, test(slot));
        }
        kept
    }

    /// Returns the slots of those with yes, in their order.
    pub(crate) fn slots(&self) -> impl Iterator<Item = usize> + '_ {
        self.0.iter().enumerate().flat_map(|(at, word)| {
            let mut left = *word;
            std::iter::from_fn(move || {
                let bit = left.trailing_zeros() as usize;
                left &= left.wrapping_sub(1);
                (bit < 64).then_some(at * 64 + bit)
            })
        })
    }
}

/// Makes a word of 64 bytes that are 0 or 1. The factor moves the lowest bit of byte `i` to bit `56 + i`, and no two of its other
/// products meet, so eight bytes cost one multiplication.
fn pack(bytes: &[u8; 64]) -> u64 {
    let eights = bytes.chunks_exact(8).enumerate();
    eights.fold(0, |word, (at, eight)| {
        let eight = eight.try_into().map_or(0, u64::from_le_bytes);
        word | (eight.wrapping_mul(0x0102_0408_1020_4080) >> 56) << (8 * at)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bits_are_what_the_test_said() {
        let mut values = [0_u16; DEVICES];
        for (at, value) in values.iter_mut().enumerate() {
            *value = (at * at % 7) as u16;
        }
        let bits = Bits::by(&values, |value| value == 4);
        let wanted: Vec<usize> = (0..DEVICES).filter(|at| at * at % 7 == 4).collect();
        assert_eq!(bits.slots().collect::<Vec<_>>(), wanted);
        assert_eq!(bits.count(), wanted.len());
        assert!((0..DEVICES).all(|slot| bits.get(slot) == wanted.contains(&slot)));
        let odd = bits.filter(|slot| slot % 2 == 1);
        assert_eq!(bits.and_not(&odd).or(&odd), bits);
        assert_eq!(bits.and(&odd), odd);
        let mut cleared = bits;
        wanted.iter().for_each(|slot| cleared.set(*slot, false));
        assert!(cleared.is_empty());
    }
}
