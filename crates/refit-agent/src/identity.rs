//! Who is this device, whom does it trust, and where is its server?
//!
//! The key is made here and never leaves. Key, certificate, trust bundle and addresses stand in one folder that is
//! replaced as a whole (`store.rs`): a device has the old identity or the new one, and each is usable.

pub mod current;
pub mod key;
pub mod store;

use key::Key;
use refit_protocol::device_id::DeviceId;
use refit_protocol::time::Timestamp;

/// All that a device needs to be itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// Its ID, which its certificate names.
    pub device: DeviceId,
    /// Its key.
    pub key: Key,
    /// Its certificate in PEM, and behind it the ones up to, but without, a root.
    pub certificate: String,
    /// Whom it trusts.
    pub trust: Trust,
    /// The HTTPS address of the server, for example `https://refit.example:8443`.
    pub server: String,
    /// Its address for MQTT over TLS, as `HOST:PORT`.
    pub mqtt: String,
    /// When the certificate is to be renewed.
    pub renew_after: Timestamp,
    /// When it expires.
    pub expires: Timestamp,
}

/// The fleet's certificate authorities, with the number by which the server knows how far a device is (semantics 18).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trust {
    /// Rises with each change.
    pub number: u64,
    /// Certificates in PEM.
    pub roots: String,
}

#[cfg(test)]
mod tests;
