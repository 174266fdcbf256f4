//! The IDs of a chunk's devices, one behind the other in one text.

use crate::bits::DEVICES;

/// Past this much text of devices that are gone it is written anew.
const GARBAGE_BYTES_MAX: usize = 16 * 1024;

pub(crate) struct Ids {
    /// Where each begins, shifted by eight, and how long it is: 4096 IDs of 128 bytes begin below 2^20.
    slots: Box<[u32; DEVICES]>,
    text: String,
    /// How much of the text belongs to nobody.
    garbage: usize,
}

impl Default for Ids {
    fn default() -> Self {
        Self {
            slots: Box::new([0; DEVICES]),
            text: String::new(),
            garbage: 0,
        }
    }
}

impl Ids {
    pub(crate) fn get(&self, slot: usize) -> &str {
        let slot = self.slots[slot % DEVICES];
        let (from, length) = ((slot >> 8) as usize, (slot & 0xff) as usize);
        self.text.get(from..from + length).unwrap_or_default()
    }

    pub(crate) fn set(&mut self, slot: usize, id: &str) {
        self.clear(slot);
        // An ID is a `DeviceId` and has at most 128 bytes; what is longer would be another's, so it is none.
        let length = u8::try_from(id.len()).unwrap_or(0);
        let from = self.text.len() as u32;
        self.text
            .push_str(id.get(..length.into()).unwrap_or_default());
        self.slots[slot % DEVICES] = from << 8 | u32::from(length);
    }

    pub(crate) fn clear(&mut self, slot: usize) {
        self.garbage += (self.slots[slot % DEVICES] & 0xff) as usize;
        self.slots[slot % DEVICES] = 0;
        if self.garbage > GARBAGE_BYTES_MAX {
            let old = std::mem::take(self);
            for slot in 0..DEVICES {
                if old.slots[slot] & 0xff > 0 {
                    self.set(slot, old.get(slot));
                }
            }
        }
    }

    pub(crate) fn bytes_of_text(&self) -> usize {
        self.text.capacity()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_stay_when_others_come_and_go() {
        let mut ids = Ids::default();
        for round in 0..40 {
            for slot in 0..DEVICES {
                ids.set(slot, &format!("device-{round}-{slot}"));
            }
            ids.clear(round);
        }
        assert_eq!(
            (ids.get(39), ids.get(38), ids.get(4095)),
            ("", "device-39-38", "device-39-4095")
        );
        assert!(
            ids.text.len() < DEVICES * 16 + 2 * GARBAGE_BYTES_MAX,
            "{}",
            ids.text.len()
        );
    }
}
