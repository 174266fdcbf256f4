//! All that the index holds of one device, put together again.

use crate::chunk::{CERTIFICATE, Chunk, NEVER, ONLINE, STATUS};
use crate::index::{FIXED_COLUMNS, Index};
use crate::selection::place;
use refit_protocol::job::Status;
use refit_protocol::time::Timestamp;
use refit_selector::facts::Certificate;
use std::collections::BTreeMap;

/// A device, as the index knows it. Moments are whole seconds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Known<'a> {
    /// Its ID.
    pub id: &'a str,
    /// Model, software, version, claim token, and the reason of its latest job.
    pub texts: [Option<&'a str>; FIXED_COLUMNS],
    /// The state of its latest job.
    pub status: Option<Status>,
    /// Where its identity stands.
    pub certificate: Option<Certificate>,
    /// Whether it is online.
    pub online: bool,
    /// Whether it runs other software than it should.
    pub drifting: bool,
    /// When it became known.
    pub first_seen: Option<Timestamp>,
    /// When it was last heard, unless it is online.
    pub last_seen: Option<Timestamp>,
    /// Its tags, then its attributes.
    pub labels: [BTreeMap<&'a str, &'a str>; 2],
}

impl Index {
    /// Returns what is known of a device, by its key.
    pub fn device(&self, key: u64) -> Option<Known<'_>> {
        let (number, slot) = place(key);
        let chunk = self.chunks.get(&number)?;
        if !chunk.present.get(slot) {
            return None;
        }
        let text = |column: usize| self.text(chunk, column, slot);
        let flags = *chunk.flags.get(slot)?;
        let labels = [0, 1].map(|kind| {
            let names = self.labels.get(kind).into_iter().flatten();
            let values = names.filter_map(|(name, column)| Some((&**name, text(*column)?)));
            values.collect()
        });
        Some(Known {
            id: chunk.ids.get(slot),
            texts: std::array::from_fn(text),
            status: coded(flags, STATUS, &Status::ALL),
            certificate: coded(flags, CERTIFICATE, &Certificate::ALL),
            online: flags & ONLINE != 0,
            drifting: chunk.drifting.get(slot),
            first_seen: moment(*chunk.created.get(slot)?),
            last_seen: moment(*chunk.seen.get(slot)?),
            labels,
        })
    }

    fn text(&self, chunk: &Chunk, column: usize, slot: usize) -> Option<&str> {
        let code = chunk.column(column).get(slot);
        self.columns.get(column)?.dictionary.text(code)
    }
}

/// Reads a state from its bits: 0, or one more than its place.
fn coded<T: Copy>(flags: u8, mask: u8, all: &[T]) -> Option<T> {
    let place = usize::from((flags & mask) >> mask.trailing_zeros()).checked_sub(1)?;
    all.get(place).copied()
}

fn moment(second: u32) -> Option<Timestamp> {
    (second != NEVER).then(|| Timestamp(u64::from(second) * 1000))
}
