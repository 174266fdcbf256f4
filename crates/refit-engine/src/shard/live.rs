//! What is kept in memory of one device, and when its timer is armed for.

use std::collections::BTreeSet;

use refit_protocol::device_id::DeviceId;
use refit_protocol::time::Monotonic;
use refit_replica::watch::Watch;

use crate::work::Work;

/// What is kept in memory of one device. An idle connected one has no work and no watch.
pub(super) struct Live<P> {
    pub(super) peer: Option<P>,
    pub(super) reachable: bool,
    pub(super) watching: Option<Box<Watching>>,
    pub(super) work: Option<Box<Work<P>>>,
}

/// The volatile side of an open job, and when its timer is armed for.
pub(super) struct Watching {
    pub(super) watch: Watch,
    pub(super) armed: Option<Monotonic>,
}

impl<P> Default for Live<P> {
    fn default() -> Self {
        Self {
            peer: None,
            reachable: false,
            watching: None,
            work: None,
        }
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
    live.watching = keep.then(|| Box::new(Watching { watch, armed }));
}
