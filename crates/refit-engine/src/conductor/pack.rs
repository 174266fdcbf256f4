//! How the members of a wave are packed for the store: their numbers, each as its distance from the one before, in
//! LEB128. A dense fleet takes a byte a device; a reader that meets another first byte does not guess.

/// The first byte: which packing it is.
const PACKING: u8 = 1;

/// Packs numbers, which are sorted and distinct.
pub(crate) fn pack(keys: &[u32]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(keys.len() + 1);
    bytes.push(PACKING);
    let mut before = 0;
    for key in keys {
        let mut left = key - before;
        before = *key;
        while left >= 0x80 {
            bytes.push(left as u8 | 0x80);
            left >>= 7;
        }
        bytes.push(left as u8);
    }
    bytes
}

/// Unpacks them; `None` if these bytes are no such thing.
pub(crate) fn unpack(bytes: &[u8]) -> Option<Vec<u32>> {
    let (packing, rest) = bytes.split_first()?;
    if *packing != PACKING {
        return None;
    }
    let (mut keys, mut before, mut distance, mut shift) = (Vec::new(), 0_u32, 0_u64, 0);
    for byte in rest {
        if shift > 28 {
            return None;
        }
        distance |= u64::from(byte & 0x7f) << shift;
        shift += 7;
        if byte & 0x80 == 0 {
            before = before.checked_add(u32::try_from(distance).ok()?)?;
            keys.push(before);
            (distance, shift) = (0, 0);
        }
    }
    (shift == 0).then_some(keys)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_packed_comes_out_again() {
        for keys in [
            vec![],
            vec![0],
            vec![1, 2, 3, 200, 70_000, u32::MAX],
            (5..5_000).collect(),
        ] {
            assert_eq!(unpack(&pack(&keys)), Some(keys));
        }
        assert_eq!(pack(&(1..=1_000).collect::<Vec<_>>()).len(), 1_001);
    }

    #[test]
    fn what_was_never_packed_is_not_guessed_at() {
        for bytes in [
            &[][..],
            &[2, 1],
            &[1, 0x80],
            &[1, 0xff, 0xff, 0xff, 0xff, 0x7f],
            &[1, 0xff, 0xff, 0xff, 0xff, 0xff, 1],
        ] {
            assert_eq!(unpack(bytes), None, "{bytes:?}");
        }
    }
}
