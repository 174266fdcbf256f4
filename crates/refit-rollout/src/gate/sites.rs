//! Which events count. A power cut at one site is one event, and a device that always reboots is one device.

use alloc::collections::BTreeSet;
use alloc::vec::Vec;
use serde::{Deserialize, Serialize};

/// One event of one device, as the figures of an hour have it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Event<'a> {
    /// The device's dense key.
    pub device: u32,
    /// Whether it is one of the updated.
    pub updated: bool,
    /// Where it stands, if the fleet knows sites.
    pub site: Option<&'a str>,
}

/// The devices that have had their event, for one metric of one wave.
///
/// A device counts once: were each hour's event of a chronic rebooter counted, the luck of who was drawn into which
/// arm would look like the release. Of one site and hour one event counts, over *both* arms, and which one is chosen
/// by the device's key, which knows nothing of arms.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Sites {
    had: BTreeSet<u32>,
}

impl Sites {
    /// Takes all events of one hour and returns how many count: of updated devices, and of the baseline's.
    pub fn fold<'a>(&mut self, events: impl IntoIterator<Item = Event<'a>>) -> (u64, u64) {
        let mut events: Vec<Event<'_>> = events.into_iter().collect();
        events.sort_unstable();
        let mut sites = BTreeSet::new();
        let (mut updated, mut baseline) = (0, 0);
        for event in events {
            let first = self.had.insert(event.device);
            if first && event.site.is_none_or(|site| sites.insert(site)) {
                *if event.updated {
                    &mut updated
                } else {
                    &mut baseline
                } += 1;
            }
        }
        (updated, baseline)
    }

    /// Tells whether this device has had its event, and is at risk no longer.
    pub fn had(&self, device: u32) -> bool {
        self.had.contains(&device)
    }

    /// Returns those that have had their event, by key.
    pub fn devices(&self) -> impl Iterator<Item = u32> {
        self.had.iter().copied()
    }
}
