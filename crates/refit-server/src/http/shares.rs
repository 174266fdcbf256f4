//! How many downloads of one device may be under way: its grant names it, so one URL cannot take every place.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;
use refit_protocol::device_id::DeviceId;

/// How many downloads of one device may be under way at a time: an agent has one, and what a cut connection left
/// behind is noticed within minutes.
pub(super) const DOWNLOADS_PER_DEVICE_MAX: u8 = 8;

/// The devices that download, and how often at a time. Those that do not are not held.
#[derive(Default)]
pub(crate) struct Shares(Mutex<HashMap<DeviceId, u8>>);

impl Shares {
    /// Takes a place for a download of this device, unless it has all that it may have.
    pub(super) fn take(self: &Arc<Self>, device: DeviceId) -> Option<Share> {
        let mut taken = self.0.lock();
        match taken.get_mut(&device) {
            Some(count) if *count >= DOWNLOADS_PER_DEVICE_MAX => return None,
            Some(count) => *count += 1,
            None => drop(taken.insert(device.clone(), 1)),
        }
        Some(Share {
            shares: Arc::clone(self),
            device,
        })
    }
}

/// A place for one download; given back when it is dropped.
pub(crate) struct Share {
    shares: Arc<Shares>,
    device: DeviceId,
}

impl Drop for Share {
    fn drop(&mut self) {
        let mut taken = self.shares.0.lock();
        match taken.get_mut(&self.device) {
            Some(count) if *count > 1 => *count -= 1,
            Some(_) | None => drop(taken.remove(&self.device)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_has_its_share_and_takes_nothing_from_another() {
        let shares = Arc::new(Shares::default());
        let take = |id: &str| shares.take(DeviceId::parse(id).unwrap());
        let mut held: Vec<_> = (0..DOWNLOADS_PER_DEVICE_MAX)
            .map(|_| take("lamp-7").unwrap())
            .collect();
        assert!(take("lamp-7").is_none());
        assert!(take("lamp-8").is_some());
        held.pop();
        held.push(take("lamp-7").unwrap());
        assert!(take("lamp-7").is_none());
        held.clear();
        assert!(shares.0.lock().is_empty());
    }
}
