//! Semantics 30: while a device has an undecided or uncommitted input, no delta leaves for it.

use crate::world::World;

impl World {
    pub(super) fn delta_waited(&self, device: usize) -> Result<(), String> {
        let open = self.server.receipts.values().find(|s| s.device == device);
        if let Some(open) = open {
            return Err(format!(
                "a delta leaves for d{device}, and message {} on connection {} is not answered",
                open.packet, open.conn
            ));
        }
        if self.server.committing.contains(&self.devices[device].id) {
            return Err(format!(
                "a delta leaves for d{device}, and its record is being committed"
            ));
        }
        Ok(())
    }
}
