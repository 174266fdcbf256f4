//! What operators do with the identity of a device: it is barred, or allowed a new key; or that is only tried.

use refit_access::audit::Entry;
use refit_access::matrix::Operation;
use refit_engine::author::Author;
use refit_engine::events::IdentityAct;
use refit_protocol::device_id::DeviceId;
use refit_protocol::time::Timestamp;
use refit_store::identity::{IdentityChange, IdentityOutcome, Standing};
use serde_json::json;

use super::enrol::Office;
use crate::desk;
use crate::http::Dry;
use crate::http::error::{Kind, Problem};

/// What an operator does with the identity of a device.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Act {
    /// Bars it and all its keys.
    Revoke,
    /// Takes it out of service.
    Retire,
    /// Allows it one new key.
    AllowKey,
}

impl Act {
    /// How the device stands then, if that is another way.
    pub(crate) const fn standing(self) -> Option<Standing> {
        match self {
            Self::Revoke => Some(Standing::Revoked),
            Self::Retire => Some(Standing::Retired),
            Self::AllowKey => None,
        }
    }

    /// Returns what it is to the store.
    pub(crate) fn change(self, device: &DeviceId, at: Timestamp) -> IdentityChange {
        let device = device.clone();
        match self.standing() {
            Some(standing) => IdentityChange::Bar {
                device,
                standing,
                at,
            },
            None => IdentityChange::AllowKey { device, at },
        }
    }
}

/// Refuses to allow a new key to a device that has none.
pub(crate) fn no_key_yet(device: &DeviceId) -> Problem {
    let detail = format!("{device} never had a key, so it can enrol as it is");
    Problem::new(Kind::NoDevice, detail)
}

impl Office {
    /// Tells what would become of a change.
    pub(crate) fn attempt(&self, change: IdentityChange) -> Result<IdentityOutcome, Problem> {
        self.store.try_identity(change).map_err(Problem::of_store)
    }

    /// Changes what is known of devices, or tells what would become of that.
    pub(crate) fn decide(
        &self,
        change: IdentityChange,
        audit: Entry,
        dry: Dry,
    ) -> Result<IdentityOutcome, Problem> {
        if dry.dry_run {
            self.attempt(change)
        } else {
            self.change(change, Some(audit))
        }
    }

    /// Does something with the identity of a device.
    pub(crate) fn act(
        &self,
        act: Act,
        by: &Author,
        device: &DeviceId,
        now: Timestamp,
    ) -> Result<(), Problem> {
        let told = match act {
            Act::Revoke => IdentityAct::Revoked,
            Act::Retire => IdentityAct::Retired,
            Act::AllowKey => IdentityAct::KeyAllowed,
        };
        match act.standing() {
            Some(standing) => self.bar(by, device, standing, told, now),
            None => self.allow_key(by, device, now),
        }
    }

    /// Bars a device: from now on nobody lets it in, and its connection ends.
    pub(super) fn bar(
        &self,
        by: &Author,
        device: &DeviceId,
        standing: Standing,
        act: IdentityAct,
        now: Timestamp,
    ) -> Result<(), Problem> {
        let change = IdentityChange::Bar {
            device: device.clone(),
            standing,
            at: now,
        };
        let target = format!("device:{device}");
        let after = json!({ "standing": standing.word() });
        let audit = desk::line(by, Operation::DeviceBar.as_str(), target, Some(after));
        if let IdentityOutcome::Barred { .. } = self.change(change, Some(audit))? {
            self.tell(device, act, now);
        }
        // Even where nothing changed: whoever asks wants it gone.
        self.identities.bar(device, standing);
        self.fleet.expel(device);
        Ok(())
    }

    /// The record of a device was removed: what it has of an identity is revoked with it, and its connection ends.
    pub(crate) fn removed(
        &self,
        by: &Author,
        device: &DeviceId,
        now: Timestamp,
    ) -> Result<(), Problem> {
        self.tell(device, IdentityAct::Removed, now);
        let known = self
            .store
            .reader()
            .and_then(|mut reader| reader.identity(device))
            .map_err(Problem::of_store)?;
        match known {
            Some(row) if row.standing == Standing::Enrolled => {
                self.bar(by, device, Standing::Revoked, IdentityAct::Revoked, now)
            }
            _ => {
                self.fleet.expel(device);
                Ok(())
            }
        }
    }

    /// Allows a device one new key.
    pub(super) fn allow_key(
        &self,
        by: &Author,
        device: &DeviceId,
        now: Timestamp,
    ) -> Result<(), Problem> {
        let change = IdentityChange::AllowKey {
            device: device.clone(),
            at: now,
        };
        let target = format!("device:{device}");
        let after = json!({ "newKeyAllowed": true });
        let audit = desk::line(by, Operation::DeviceBar.as_str(), target, Some(after));
        match self.change(change, Some(audit))? {
            IdentityOutcome::Done => {
                self.tell(device, IdentityAct::KeyAllowed, now);
                Ok(())
            }
            _ => Err(no_key_yet(device)),
        }
    }
}
