//! Who is a device here, and who no longer is.
//!
//! `authority.rs` has the CA, `rotation.rs` says how far a change of it is and `rotate.rs` makes one, `enrol.rs` gives and
//! renews certificates, `claims.rs` makes tokens, `nonces.rs` and `throttle.rs` guard
//! what anybody may ask. This file is what must be refused, in memory: whoever lets a device in asks [`Identities`]
//! each time, for a resumed TLS session has verified nothing again.

pub(crate) mod acts;
pub mod authority;
pub(crate) mod claims;
pub(crate) mod counted;
pub(crate) mod enrol;
mod nonces;
mod refusal;
pub(crate) mod rotate;
pub(crate) mod rotation;
pub(crate) mod throttle;

use std::collections::{HashMap, HashSet};
use std::fmt;

use parking_lot::RwLock;
use refit_identity::Peer;
use refit_protocol::device_id::DeviceId;
use refit_protocol::digest::Digest;
use refit_protocol::time::Timestamp;
use refit_store::identity::{BarredRows, Standing};

/// Why a device is not let in although its certificate is genuine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Barred {
    /// The device, or this certificate of it, was revoked.
    Revoked,
    /// The device was taken out of service.
    Retired,
    /// One of its certificates was renewed to two keys; both are held.
    Cloned,
    /// The certificate is not valid at this time. A resumed session does not look.
    NotNow,
    /// The certificate is a factory's, good for enrolling and nothing else, or another issuer's, good for nothing.
    NotEnrolled,
}

impl fmt::Display for Barred {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Revoked => "the device's certificate was revoked; an operator can allow it a new key (`refit device re-enrol`)",
            Self::Retired => "the device was retired; an operator can allow it a new key (`refit device re-enrol`)",
            Self::Cloned => "one of the device's certificates was renewed to two keys, so both are held; an operator can allow one new key (`refit device re-enrol`)",
            Self::NotNow => "the device's certificate is not valid now: renew it with proof of its key, and look at both clocks",
            Self::NotEnrolled => "the certificate is not of the fleet's issuer: a factory's enrols first (POST /device/v1/enrol), any other is none here",
        })
    }
}

/// What must be refused. Loaded at start, changed with each commit that changes it.
#[derive(Default)]
pub struct Identities {
    barred: RwLock<Known>,
}

#[derive(Default)]
struct Known {
    devices: HashMap<DeviceId, Barred>,
    certificates: HashSet<Digest>,
}

impl Identities {
    /// Takes what the store has.
    pub(crate) fn new(rows: BarredRows) -> Self {
        let devices = rows
            .devices
            .into_iter()
            .filter_map(|(device, standing)| Some((device, of_standing(standing)?)))
            .collect();
        let certificates = rows.certificates.into_iter().collect();
        Self {
            barred: RwLock::new(Known {
                devices,
                certificates,
            }),
        }
    }

    /// Tells whether the device of this certificate may be here now. That the certificate is genuine is the TLS
    /// library's to say; that the fleet's CA signed it, see `Authority::admit`.
    pub fn standing(&self, peer: &Peer, now: Timestamp) -> Result<(), Barred> {
        {
            let known = self.barred.read();
            if let Some(why) = known.devices.get(&peer.device) {
                return Err(*why);
            }
            if known.certificates.contains(&peer.thumbprint) {
                return Err(Barred::Revoked);
            }
        }
        if now < peer.not_before || peer.not_after < now {
            return Err(Barred::NotNow);
        }
        Ok(())
    }

    /// Tells whether a device is barred, whatever it shows.
    pub fn is_barred(&self, device: &DeviceId) -> bool {
        self.barred.read().devices.contains_key(device)
    }

    /// Tells whether a device, or this certificate, is barred.
    pub(crate) fn bars(&self, device: &DeviceId, certificate: Option<Digest>) -> bool {
        let known = self.barred.read();
        known.devices.contains_key(device)
            || certificate.is_some_and(|thumbprint| known.certificates.contains(&thumbprint))
    }

    /// A device is barred, and nothing that it shows counts.
    pub(crate) fn bar(&self, device: &DeviceId, standing: Standing) {
        if let Some(why) = of_standing(standing) {
            self.barred.write().devices.insert(device.clone(), why);
        }
    }

    /// A device has a new certificate; these are no longer good.
    pub(crate) fn enrolled(
        &self,
        device: &DeviceId,
        revoked: &[Digest],
        all: impl FnOnce() -> Vec<Digest>,
    ) {
        let mut known = self.barred.write();
        known.certificates.extend(revoked);
        // What was barred with its device must stay barred without it.
        if known.devices.contains_key(device) {
            known.certificates.extend(all());
            known.devices.remove(device);
        }
    }

    /// Returns how many devices and certificates are barred.
    pub(crate) fn counts(&self) -> (usize, usize) {
        let known = self.barred.read();
        (known.devices.len(), known.certificates.len())
    }
}

const fn of_standing(standing: Standing) -> Option<Barred> {
    match standing {
        Standing::Revoked => Some(Barred::Revoked),
        Standing::Retired => Some(Barred::Retired),
        Standing::Cloned => Some(Barred::Cloned),
        Standing::Registered | Standing::Enrolled => None,
    }
}
