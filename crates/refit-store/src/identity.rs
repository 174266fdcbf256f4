//! Claim tokens, identities and certificates of devices, and what devices trust, as they are recorded.
//!
//! Every change goes through one door, [`Store::change_identity`](crate::store::Store::change_identity), in one
//! transaction: that a token counts down, that an ID gets one key and that a certificate is renewed to one key is
//! decided there and nowhere else (semantics 17).

pub mod verdict;

use std::fmt;

use refit_protocol::claim::ClaimId;
use refit_protocol::device_id::DeviceId;
use refit_protocol::digest::Digest;
use refit_protocol::time::Timestamp;
use serde_json::{Map, Value};

/// How many claim tokens may be good at a time.
pub const CLAIMS_MAX: u64 = 10_000;

/// How many devices one change may register: more are registered in several.
pub const REGISTER_MAX: usize = 500;

/// A claim token. Its secret is not here, only its hash.
#[derive(Clone, PartialEq)]
pub struct ClaimRow {
    /// Which token it is.
    pub id: ClaimId,
    /// The SHA-256 of its secret.
    pub hash: [u8; 32],
    /// For how many devices it was made.
    pub devices: u64,
    /// For how many more it is good.
    pub left: u64,
    /// Which IDs it may enrol; `None`: any.
    pub pattern: Option<String>,
    /// What the operator says of the devices that it enrols.
    pub attributes: Map<String, Value>,
    /// When it was made.
    pub created: Timestamp,
    /// From when on it is no longer good.
    pub expires: Timestamp,
    /// When it was revoked.
    pub revoked: Option<Timestamp>,
}

impl fmt::Debug for ClaimRow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClaimRow")
            .field("id", &self.id)
            .field("left", &self.left)
            .finish_non_exhaustive()
    }
}

/// Where a device's identity stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Standing {
    /// It was registered and has no key yet.
    Registered,
    /// It has a key.
    Enrolled,
    /// Its keys were revoked.
    Revoked,
    /// It was taken out of service.
    Retired,
    /// One of its certificates was renewed to two keys: nobody knows which is the device, so both are held.
    Cloned,
}

impl Standing {
    /// All of them, in the order of their codes.
    pub const ALL: [Self; 5] = [
        Self::Registered,
        Self::Enrolled,
        Self::Revoked,
        Self::Retired,
        Self::Cloned,
    ];

    /// Returns the word that is shown.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Registered => "registered",
            Self::Enrolled => "enrolled",
            Self::Revoked => "revoked",
            Self::Retired => "retired",
            Self::Cloned => "cloned",
        }
    }

    /// Tells whether a device of this standing may not come in, whatever it shows.
    pub const fn is_barred(self) -> bool {
        matches!(self, Self::Revoked | Self::Retired | Self::Cloned)
    }
}

/// What is known of a device's identity.
#[derive(Clone, Debug, PartialEq)]
pub struct IdentityRow {
    /// The device.
    pub device: DeviceId,
    /// Where it stands.
    pub standing: Standing,
    /// Whether an operator allows it one new key.
    pub may_rekey: bool,
    /// What the operator says of it.
    pub attributes: Map<String, Value>,
    /// What it said of itself when it enrolled.
    pub claimed: Map<String, Value>,
    /// The claim token that it last enrolled with.
    pub claim: Option<ClaimId>,
    /// Since when it stands so.
    pub since: Timestamp,
}

/// Where a certificate stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CertificateState {
    /// It is the device's newest.
    Active,
    /// A newer one was issued in its place. It is good until it expires, since the answer may have been lost.
    Superseded,
    /// It was revoked. That outlives its expiry.
    Revoked,
}

impl CertificateState {
    /// All of them, in the order of their codes.
    pub const ALL: [Self; 3] = [Self::Active, Self::Superseded, Self::Revoked];
}

/// A certificate that was issued.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertificateRow {
    /// The SHA-256 of its DER.
    pub thumbprint: Digest,
    /// Whose it is.
    pub device: DeviceId,
    /// The SHA-256 of its public key.
    pub key: Digest,
    /// Its serial number.
    pub serial: Vec<u8>,
    /// The SHA-256 of its issuer's name.
    pub issuer: Digest,
    /// Before this it is not good.
    pub not_before: Timestamp,
    /// After this it is not good.
    pub not_after: Timestamp,
    /// Where it stands.
    pub state: CertificateState,
    /// The certificate that it renewed.
    pub previous: Option<Digest>,
    /// The claim token that it was issued for.
    pub claim: Option<ClaimId>,
    /// The certificate and its issuer, PEM, as they were answered. Empty if it was not issued by this store's server.
    pub chain: String,
}

/// The roots that devices trust, and whom the server lets in, under their number. The newest row is what holds: a change
/// of the fleet's CA is one more row, and so is whole or has not been.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrustRow {
    /// Which bundle it is; it begins at 1.
    pub number: u64,
    /// The roots, PEM; the first is the one of the CA that signs.
    pub roots: String,
    /// The issuers whose certificates are let in, PEM; the first signs. Empty in a row of an earlier version.
    pub issuers: String,
    /// When it was made.
    pub made: Timestamp,
}

/// A device that asks for its first key, with the certificate that it gets if that is right.
#[derive(Clone, Debug, PartialEq)]
pub struct Enrolment {
    /// The certificate; its `claim` is the token that pays for it, `None` if a factory's certificate does.
    pub certificate: CertificateRow,
    /// What the operator says of the device.
    pub attributes: Map<String, Value>,
    /// What the device says of itself.
    pub claimed: Map<String, Value>,
    /// When.
    pub at: Timestamp,
}

/// A device that asks for another certificate, with the one that it gets if that is right.
#[derive(Clone, Debug, PartialEq)]
pub struct Renewal {
    /// The certificate that it showed, or whose key it proved to have.
    pub old: CertificateRow,
    /// The new one.
    pub certificate: CertificateRow,
    /// When.
    pub at: Timestamp,
}

/// A change of identities.
#[derive(Clone, Debug, PartialEq)]
pub enum IdentityChange {
    /// Makes a claim token.
    AddClaim(ClaimRow),
    /// Ends one.
    RevokeClaim {
        /// Which.
        id: ClaimId,
        /// When.
        at: Timestamp,
    },
    /// Gives a device its first key, or the one that an operator allows it.
    Enrol(Box<Enrolment>),
    /// Gives a device another certificate.
    Renew(Box<Renewal>),
    /// Makes IDs known before their devices come; at most [`REGISTER_MAX`].
    Register {
        /// The IDs, and what the operator says of each.
        devices: Vec<(DeviceId, Map<String, Value>)>,
        /// When.
        at: Timestamp,
    },
    /// Bars a device and all its keys.
    Bar {
        /// Which.
        device: DeviceId,
        /// Revoked or retired.
        standing: Standing,
        /// When.
        at: Timestamp,
    },
    /// Allows a device one new key. What it has stays good until then, unless it is barred.
    AllowKey {
        /// Which.
        device: DeviceId,
        /// When.
        at: Timestamp,
    },
    /// Makes the next trust bundle.
    AddTrust {
        /// The roots, PEM; the first is the one of the CA that signs.
        roots: String,
        /// The issuers whose certificates are let in, PEM; the first signs.
        issuers: String,
        /// When.
        at: Timestamp,
    },
}

impl IdentityChange {
    /// Returns the devices that it is about.
    pub fn devices(&self) -> Vec<DeviceId> {
        match self {
            Self::Enrol(asks) => vec![asks.certificate.device.clone()],
            Self::Renew(asks) => vec![asks.certificate.device.clone()],
            Self::Register { devices, .. } => devices.iter().map(|(id, _)| id.clone()).collect(),
            Self::Bar { device, .. } | Self::AllowKey { device, .. } => vec![device.clone()],
            Self::AddClaim(_) | Self::RevokeClaim { .. } | Self::AddTrust { .. } => Vec::new(),
        }
    }
}

/// What became of a change.
#[derive(Clone, Debug, PartialEq)]
pub enum IdentityOutcome {
    /// It is durable.
    Done,
    /// There is nothing of that name, or it is so already; nothing changed.
    Missing,
    /// Its ID is taken; nothing changed.
    Taken,
    /// There are too many; nothing changed.
    TooMany,
    /// The certificate is the device's. `revoked`: those that it replaces are no longer good.
    Issued {
        /// The thumbprints that are no longer good.
        revoked: Vec<Digest>,
    },
    /// The same key had asked before, and its answer may have been lost: this is what it got.
    Already(Box<CertificateRow>),
    /// It is refused.
    Refused(Refusal),
    /// The device is barred, with these of its certificates.
    Barred {
        /// The thumbprints that are no longer good.
        revoked: Vec<Digest>,
    },
    /// For each ID, in order: whether it is new.
    Registered(Vec<bool>),
    /// The bundle has this number.
    Trust(u64),
}

impl IdentityOutcome {
    /// Tells whether something is other now than before.
    pub fn is_change(&self) -> bool {
        match self {
            Self::Done | Self::Issued { .. } | Self::Barred { .. } | Self::Trust(_) => true,
            Self::Registered(new) => new.contains(&true),
            // The device is held.
            Self::Refused(why) => *why == Refusal::Cloned,
            Self::Missing | Self::Taken | Self::TooMany | Self::Already(_) => false,
        }
    }
}

/// Why a device gets no certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Refusal {
    /// There is no such token.
    NoSuchClaim,
    /// The token was revoked.
    ClaimRevoked,
    /// The token has expired.
    ClaimExpired,
    /// The token was for fewer devices.
    ClaimUsedUp,
    /// The ID has, or had, a key.
    HasKey,
    /// The key is, or was, another device's.
    KeyKnown,
    /// The device, or this certificate, was revoked.
    Revoked,
    /// The device was taken out of service.
    Retired,
    /// The certificate had been renewed to another key. From now on both are held.
    Cloned,
    /// The device was held as cloned before.
    Held,
}

/// How many devices know which trust bundle.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TrustCount {
    /// The number that they reported; 0: none.
    pub number: u64,
    /// How many of those that were seen.
    pub devices: u64,
}

/// How many certificates of one issuer are in use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IssuerCount {
    /// The SHA-256 of the issuer's name.
    pub issuer: Digest,
    /// How many active certificates.
    pub certificates: u64,
    /// When the first of them expires.
    pub first_expiry: Timestamp,
}

/// What must be refused: loaded at start, kept by those who let devices in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BarredRows {
    /// Devices that may not come in, whatever they show.
    pub devices: Vec<(DeviceId, Standing)>,
    /// Certificates of other devices that are no longer good.
    pub certificates: Vec<Digest>,
}
