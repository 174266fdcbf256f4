//! 4096 devices, each fact of them in a row of its own.

use crate::bits::{Bits, DEVICES};
use crate::codes::Codes;
use crate::ids::Ids;
use refit_protocol::job::Status;
use refit_protocol::time::Timestamp;
use refit_selector::facts::Certificate;
use refit_selector::time::Second;

/// Where a moment is not known.
pub(crate) const NEVER: u32 = u32::MAX;

/// The bit of a device that is online.
pub(crate) const ONLINE: u8 = 1;
/// The bits of the job's state: 0 or one more than its place in [`Status::ALL`].
pub(crate) const STATUS: u8 = 0b0001_1110;
/// The bits of the certificate's state, likewise.
pub(crate) const CERTIFICATE: u8 = 0b1110_0000;

pub(crate) struct Chunk {
    /// Which slots have a device.
    pub(crate) present: Bits,
    /// Which of them drift: the byte of states is full.
    pub(crate) drifting: Bits,
    /// Online, job's state and certificate's state in one byte.
    pub(crate) flags: Box<[u8; DEVICES]>,
    /// Where each ID stands in a draw.
    pub(crate) places: Box<[u32; DEVICES]>,
    /// When each became known, in seconds, or [`NEVER`].
    pub(crate) created: Box<[u32; DEVICES]>,
    /// When each was last heard, in seconds, or [`NEVER`].
    pub(crate) seen: Box<[u32; DEVICES]>,
    pub(crate) ids: Ids,
    /// By the number of the column; what is past the end is absent.
    pub(crate) codes: Vec<Codes>,
}

impl Default for Chunk {
    fn default() -> Self {
        Self {
            present: Bits::NONE,
            drifting: Bits::NONE,
            flags: Box::new([0; DEVICES]),
            places: Box::new([0; DEVICES]),
            created: Box::new([NEVER; DEVICES]),
            seen: Box::new([NEVER; DEVICES]),
            ids: Ids::default(),
            codes: Vec::new(),
        }
    }
}

impl Chunk {
    /// Returns the numbers of a column.
    pub(crate) fn column(&self, column: usize) -> &Codes {
        static ABSENT: Codes = Codes::Absent;
        self.codes.get(column).unwrap_or(&ABSENT)
    }

    /// Replaces the number of a column, and returns the old.
    pub(crate) fn replace(&mut self, column: usize, slot: usize, code: u32) -> u32 {
        let old = self.column(column).get(slot);
        if old != code {
            if self.codes.len() <= column {
                self.codes.resize_with(column + 1, Codes::default);
            }
            if let Some(codes) = self.codes.get_mut(column) {
                codes.set(slot, code);
            }
        }
        old
    }

    pub(crate) fn set_flag(&mut self, slot: usize, mask: u8, value: u8) {
        let flags = &mut self.flags[slot % DEVICES];
        *flags = *flags & !mask | value;
    }
}

pub(crate) fn status_flag(status: Option<Status>) -> u8 {
    let place = status.and_then(|status| Status::ALL.iter().position(|other| *other == status));
    place.map_or(0, |place| (place as u8 + 1) << STATUS.trailing_zeros())
}

pub(crate) fn certificate_flag(certificate: Option<Certificate>) -> u8 {
    let place = certificate.and_then(|one| Certificate::ALL.iter().position(|other| *other == one));
    place.map_or(0, |place| (place as u8 + 1) << CERTIFICATE.trailing_zeros())
}

/// Returns the words of a device's job and certificate.
pub(crate) fn words(flags: u8) -> (Option<&'static str>, Option<&'static str>) {
    let place = |mask: u8| usize::from((flags & mask) >> mask.trailing_zeros()).checked_sub(1);
    let status = place(STATUS).and_then(|place| Status::ALL.get(place));
    let certificate = place(CERTIFICATE).and_then(|place| Certificate::ALL.get(place));
    (
        status.map(|one| one.as_str()),
        certificate.map(|one| one.as_str()),
    )
}

pub(crate) fn second(moment: Option<Timestamp>) -> u32 {
    moment.map_or(NEVER, |moment| Second::of(moment).as_u32())
}
