//! What is kept in memory of one device, and when its timer is armed for.

use std::collections::BTreeSet;

use refit_protocol::device_id::DeviceId;
use refit_protocol::time::Monotonic;
use refit_replica::watch::Watch;
use refit_store::reader::Wanted;
use refit_store::store::DeviceKey;

use crate::work::Work;

/// What is kept in memory of one device. An idle connected one has no work and no watch.
pub(super) struct Live<P> {
    pub(super) peer: Option<P>,
    pub(super) reachable: bool,
    pub(super) row: RowHint,
    pub(super) watching: Option<Box<Watching>>,
    pub(super) work: Option<Box<Work<P>>>,
}

/// The number that a device had in the store when it was last read or written there: it saves looking the name up.
/// 32 bits of it, 0 for none, lie in what would be padding; a store's four thousand millionth device does without.
#[derive(Clone, Copy, Default)]
pub(super) struct RowHint(u32);

impl RowHint {
    pub(super) fn remember(&mut self, key: DeviceKey) {
        self.0 = u32::try_from(key.0).unwrap_or(0);
    }

    /// Returns the number, if it is remembered.
    pub(super) fn key(self) -> Option<DeviceKey> {
        (self.0 != 0).then(|| DeviceKey(self.0.into()))
    }

    /// Returns what is to be read to have the device's record.
    pub(super) fn wanted(self, device: &DeviceId) -> Wanted {
        Wanted {
            device: device.clone(),
            key: self.key(),
        }
    }
}

/// The volatile side of an open job, and when its timer is armed for.
pub(super) struct Watching {
    pub(super) watch: Watch,
    pub(super) armed: Option<Monotonic>,
    /// A delta was due and could not leave: with the next input the device is told as if it subscribed.
    pub(super) untold: bool,
}

impl<P> Default for Live<P> {
    fn default() -> Self {
        Self {
            peer: None,
            reachable: false,
            row: RowHint::default(),
            watching: None,
            work: None,
        }
    }
}

impl<P> Live<P> {
    /// Returns its watch; the default one if nothing is watched.
    pub(super) fn watch(&self) -> Watch {
        let watching = self.watching.as_ref();
        watching.map_or_else(Watch::default, |watching| watching.watch.clone())
    }

    /// Tells, once, whether the device is here and is still to be told what it should have been.
    pub(super) fn take_untold(&mut self) -> bool {
        let watching = self.watching.as_mut();
        watching.is_some_and(|watching| std::mem::take(&mut watching.untold)) && self.reachable
    }
}

/// Keeps a watch, if there is something to keep, and moves its timer; not before `earliest`, if that is given.
pub(super) fn keep_watch<P>(
    timers: &mut BTreeSet<(Monotonic, DeviceId)>,
    device: &DeviceId,
    live: &mut Live<P>,
    watch: Watch,
    earliest: Option<Monotonic>,
) {
    let armed_before = live.watching.as_ref().and_then(|watching| watching.armed);
    let armed = match (watch.next_due(), earliest) {
        (Some(due), Some(earliest)) => Some(due.max(earliest)),
        (due, earliest) => due.or(earliest),
    };
    if armed != armed_before {
        if let Some(at) = armed_before {
            timers.remove(&(at, device.clone()));
        }
        if let Some(at) = armed {
            timers.insert((at, device.clone()));
        }
    }
    let keep = armed.is_some() || !watch.is_idle();
    live.watching = keep.then(|| {
        Box::new(Watching {
            watch,
            armed,
            untold: false,
        })
    });
}
