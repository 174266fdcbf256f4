//! The folder that an agent owns: one process at a time, and one device for ever.

use refit_protocol::device_id::DeviceId;
use rustix::fs::{FlockOperation, flock};
use std::fs::{self, File};
use std::io::{Read, Write};
use std::path::Path;

/// Two agents in one root would undo each other's work, and another device's journal is not this one's: the lock file
/// holds the ID of the device whose root it is. Makes the root if it is not there.
pub(crate) struct Lock(File, String);

impl Lock {
    /// Takes the root for this process, until the value is dropped.
    pub(crate) fn take(root: &Path) -> Result<Self, String> {
        let shown = root.display();
        let cannot = |e: std::io::Error| format!("the root {shown} cannot be used: {e}");
        fs::create_dir_all(root).map_err(cannot)?;
        let mut file = File::options()
            .create(true)
            .truncate(false)
            .read(true)
            .write(true)
            .open(root.join("lock"))
            .map_err(cannot)?;
        if flock(&file, FlockOperation::NonBlockingLockExclusive).is_err() {
            return Err(format!(
                "another refit-agent runs in {shown}: stop it, or give this one another --root"
            ));
        }
        let mut owner = String::new();
        file.read_to_string(&mut owner).map_err(cannot)?;
        Ok(Self(file, owner.trim().to_owned()))
    }

    /// Refuses a device that is not the root's.
    pub(crate) fn belongs(&self, device: &DeviceId, root: &Path) -> Result<(), String> {
        let shown = root.display();
        match &*self.1 {
            "" => Ok(()),
            owner if owner == device.as_str() => Ok(()),
            owner => Err(format!(
                "the root {shown} is that of the device {owner}: give this one another --root"
            )),
        }
    }

    /// Makes the root this device's, if it is nobody's.
    pub(crate) fn claim(&mut self, device: &DeviceId, root: &Path) -> Result<(), String> {
        self.belongs(device, root)?;
        if self.1.is_empty() {
            let shown = root.display();
            self.0
                .write_all(device.as_str().as_bytes())
                .map_err(|e| format!("the root {shown} cannot be used: {e}"))?;
            self.1 = device.as_str().into();
        }
        Ok(())
    }
}
