//! The permission to download one artifact: minted when a delta leaves, never stored (design §6).
//!
//! A pre-signed URL of strength *time* is a bearer secret: whoever holds it may download, until it expires. The device
//! in it says for whom it was meant, and binds nothing until the request proves who asks (semantics 1). Bound to a
//! network or to the device's certificate, and as a credential, it binds what the request itself shows.

pub mod cloud;
pub mod credential;
pub mod keys;
pub mod presigned;
pub mod ring;

use credential::Certificate;
use keys::Error;
use presigned::{Bound, Query};
use refit_protocol::device_id::DeviceId;
use refit_protocol::digest::Digest;
use refit_protocol::grant::{GrantKind, Strength};
use refit_protocol::software_url::depot_url;
use refit_protocol::time::Timestamp;
use ring::{KeyRing, Known};
use std::net::IpAddr;

/// Mints grants, and checks them.
#[derive(Debug)]
pub struct Grants {
    keys: KeyRing,
    public_url: String,
}

impl Grants {
    /// Grants under the URL by which devices reach the depot.
    pub fn new(keys: KeyRing, public_url: &str) -> Self {
        let public_url = public_url.to_owned();
        Self { keys, public_url }
    }

    /// Returns the URL of an artifact without a grant: what an application publishes, and what stays the same.
    pub fn stable_url(&self, digest: &Digest) -> String {
        depot_url(&self.public_url, digest)
    }

    /// Mints a URL by which `device` can download the artifact until it expires. A grant counts whole seconds: what
    /// is left of the last one is cut off.
    pub fn mint(
        &self,
        digest: &Digest,
        device: &DeviceId,
        bound: Bound,
        expires: Timestamp,
    ) -> String {
        let expires = seconds(expires);
        let signed = self.keys.signing(expires, |key| {
            presigned::sign(key, digest, device, bound, expires)
        });
        format!("{}?{signed}", self.stable_url(digest))
    }

    /// Mints a credential for the artifact, for connections with this certificate alone.
    pub fn mint_credential(
        &self,
        digest: &Digest,
        certificate: &Certificate<'_>,
        expires: Timestamp,
    ) -> String {
        let expires = seconds(expires);
        self.keys.signing(expires, |key| {
            credential::sign(key, digest, certificate, expires)
        })
    }

    /// Checks the query of a request for the artifact. What a grant is bound to, and that it has expired, is told only
    /// of one that was good.
    pub fn check(
        &self,
        digest: &Digest,
        query: &str,
        asker: &Asker<'_>,
        now: Timestamp,
    ) -> Result<Granted, Refused> {
        let query = Query::parse(query)?;
        let keys = self.keys.all();
        let key = keys.find(query.key).ok_or(Refused::UnknownKey)?;
        presigned::verify(key, digest, &query)?;
        let granted = Granted {
            device: query.device,
            kind: GrantKind::Presigned,
            strength: query.bound.strength(),
            expires: unexpired(query.expires, now)?,
        };
        match query.bound {
            Bound::Time => Ok(granted),
            Bound::Network(network) => match asker.address {
                Some(address) if network.contains(address) => Ok(granted),
                _ => Err(Refused::Address(Box::new(granted.device))),
            },
            Bound::Device => match asker.certificate {
                Some(certificate) if *certificate.device == granted.device => Ok(granted),
                Some(_) => Err(Refused::OtherDevice(Box::new(granted.device))),
                None => Err(Refused::NoCertificate),
            },
        }
    }

    /// Checks a credential that came with a request for the artifact.
    pub fn check_credential(
        &self,
        digest: &Digest,
        token: &str,
        asker: &Asker<'_>,
        now: Timestamp,
    ) -> Result<Granted, Refused> {
        let credential = credential::open(token, &self.keys.all())?;
        let certificate = asker.certificate.ok_or(Refused::NoCertificate)?;
        if *certificate.device != credential.device {
            return Err(Refused::OtherDevice(Box::new(credential.device)));
        }
        if *certificate.thumbprint != credential.thumbprint {
            return Err(Refused::OtherCertificate);
        }
        let expires = unexpired(credential.expires, now)?;
        if *digest != credential.digest {
            return Err(Refused::OtherArtifact);
        }
        Ok(Granted {
            device: credential.device,
            kind: GrantKind::Credential,
            strength: Strength::Device,
            expires,
        })
    }

    /// Makes a new key, which signs from now on. The others check what they signed until the last of that has expired.
    pub fn rotate(&self, now: Timestamp) -> Result<(), Error> {
        self.keys.rotate(seconds(now))
    }

    /// Returns what there would be to tell of the keys after a rotation, which is not made.
    pub fn try_rotate(&self, now: Timestamp) -> Result<Vec<Known>, Error> {
        let keys = (*self.keys.all()).clone().rotated(seconds(now))?;
        Ok(keys.list())
    }

    /// Returns what may be told of the keys, the one that signs first.
    pub fn keys(&self) -> Vec<Known> {
        self.keys.all().list()
    }

    /// Reads the keys' file again if it is another one now. Returns whether it was; if it is damaged, the keys stay.
    pub fn reload(&self) -> Result<bool, Error> {
        self.keys.reload()
    }
}

const fn seconds(time: Timestamp) -> u64 {
    time.as_millis() / 1000
}

fn unexpired(expires: u64, now: Timestamp) -> Result<Timestamp, Refused> {
    let expires = Timestamp(expires.saturating_mul(1000));
    if now >= expires {
        return Err(Refused::Expired { since: expires });
    }
    Ok(expires)
}

/// Who asks, as far as the request itself shows it.
#[derive(Clone, Copy, Debug, Default)]
pub struct Asker<'a> {
    /// From where.
    pub address: Option<IpAddr>,
    /// With which certificate.
    pub certificate: Option<Certificate<'a>>,
}

/// A grant that is good.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Granted {
    /// The device that it was minted for: for limits and records; proof of who asks only with strength `device`.
    pub device: DeviceId,
    /// What it is.
    pub kind: GrantKind,
    /// What it is bound to.
    pub strength: Strength,
    /// The first moment at which it is no longer good.
    pub expires: Timestamp,
}

/// Why a download is not granted. All of them are 403 to the asker (semantics 37): a device asks again on `get`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// A parameter is not there, or none is.
    #[error("the URL carries no {0}: {ASK_AGAIN}")]
    Missing(&'static str),
    /// A parameter cannot be read, stands there twice, or is none of ours.
    #[error("the request carries {0}: {ASK_AGAIN}")]
    Malformed(&'static str),
    /// It was signed with a key that is not, or no longer, known here.
    #[error("it was signed with a key that is not in use: {ASK_AGAIN}")]
    UnknownKey,
    /// Its signature is not that of this device, artifact and time.
    #[error("the signature does not fit, something was altered: {ASK_AGAIN}")]
    BadSignature,
    /// It was good once.
    #[error("it has expired: {ASK_AGAIN}")]
    Expired {
        /// The first moment at which it was no longer good.
        since: Timestamp,
    },
    /// It is bound to a network, and the request comes from elsewhere. It was minted for this device.
    #[error("it is bound to another address than this request comes from: {ASK_AGAIN}")]
    Address(Box<DeviceId>),
    /// It is bound to a certificate, and the request has none.
    #[error(
        "it is good only over TLS with the device's own certificate, and this request has none"
    )]
    NoCertificate,
    /// It is this device's, and the request has another one's certificate.
    #[error("it is another device's")]
    OtherDevice(Box<DeviceId>),
    /// It is this device's, of a certificate that it has no longer.
    #[error("it was given to another certificate of this device: ask for a credential again")]
    OtherCertificate,
    /// It reads another artifact.
    #[error("it reads another artifact: ask for a credential for this job")]
    OtherArtifact,
}

const ASK_AGAIN: &str = "a device asks for a fresh one by publishing to state/{deviceID}/get";

impl Refused {
    /// All reasons, as metrics name them.
    pub const REASONS: [&'static str; 10] = [
        "missing",
        "malformed",
        "unknown-key",
        "signature",
        "expired",
        "address",
        "no-certificate",
        "other-device",
        "other-certificate",
        "other-artifact",
    ];

    /// Returns the reason in one word, for metrics and for `reason` in the answer.
    pub const fn reason(&self) -> &'static str {
        Self::REASONS[self.place()]
    }

    /// Returns its place among the reasons.
    pub const fn place(&self) -> usize {
        match self {
            Self::Missing(_) => 0,
            Self::Malformed(_) => 1,
            Self::UnknownKey => 2,
            Self::BadSignature => 3,
            Self::Expired { .. } => 4,
            Self::Address(_) => 5,
            Self::NoCertificate => 6,
            Self::OtherDevice(_) => 7,
            Self::OtherCertificate => 8,
            Self::OtherArtifact => 9,
        }
    }

    /// Returns the device that the grant is of, where its signature was good.
    pub fn device(&self) -> Option<&DeviceId> {
        match self {
            Self::Address(device) | Self::OtherDevice(device) => Some(device),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests;
