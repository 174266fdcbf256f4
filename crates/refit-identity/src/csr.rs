//! A certificate signing request (PKCS #10, RFC 2986): a public key, and the proof that its sender has the other half.
//!
//! What a request says of its subject is not believed and never reaches a certificate. It is read for one purpose: a
//! request that plainly names *another* device was sent by mistake, or by somebody who tries.

use crate::key::{Kind, Weak};
use crate::pem;
use refit_protocol::device_id::DeviceId;
use refit_protocol::digest::Digest;
use x509_parser::certification_request::X509CertificationRequest;
use x509_parser::prelude::FromDer;

/// A signing request whose signature fits and whose key is strong enough.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Csr {
    /// The public key, DER of SubjectPublicKeyInfo.
    pub(crate) spki: Vec<u8>,
    /// What kind of key it is.
    pub kind: Kind,
    /// The SHA-256 of the public key: which key it is.
    pub key: Digest,
    /// The SHA-256 of the whole request: what a proof of the old key signs.
    pub digest: Digest,
    /// The device that the request itself names, if it names exactly one.
    pub names: Option<DeviceId>,
}

/// Why a signing request is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// It is not one request in PEM.
    #[error("csr: {0}")]
    Pem(#[from] pem::Fault),
    /// It is not one PKCS #10 request in DER.
    #[error("csr: this is not a PKCS #10 certificate signing request")]
    Malformed,
    /// It is not signed by the key that is in it.
    #[error(
        "csr: the signature is not by the key in the request (ECDSA with SHA-256 or SHA-384, Ed25519, or RSA with SHA-256 or better)"
    )]
    Signature,
    /// The key is not strong enough.
    #[error("csr: {0}")]
    Weak(#[from] Weak),
    /// The request names another device.
    #[error(
        "csr: the request names the device {named}, not {wanted}; leave its subject empty, or name the same"
    )]
    Foreign {
        /// The one that it names.
        named: DeviceId,
        /// The one that the certificate would be for.
        wanted: DeviceId,
    },
}

impl Csr {
    /// Reads a request in PEM: the label `CERTIFICATE REQUEST` (or `NEW CERTIFICATE REQUEST`), one block.
    pub fn from_pem(text: &str) -> Result<Self, Fault> {
        let der = pem::one(text, &["CERTIFICATE REQUEST", "NEW CERTIFICATE REQUEST"])?;
        Self::from_der(&der)
    }

    /// Reads a request in DER.
    pub fn from_der(der: &[u8]) -> Result<Self, Fault> {
        let (rest, request) =
            X509CertificationRequest::from_der(der).map_err(|_| Fault::Malformed)?;
        if !rest.is_empty() {
            return Err(Fault::Malformed);
        }
        let info = &request.certification_request_info;
        let key = &info.subject_pki;
        let kind = Kind::of(key)?;
        // SHA-1 would do for the library; a collision there is no proof of a key.
        let algorithm = &request.signature_algorithm.algorithm;
        let sha1 = [
            x509_parser::oid_registry::OID_PKCS1_SHA1WITHRSA,
            x509_parser::oid_registry::OID_SHA1_WITH_RSA,
        ];
        if sha1.contains(algorithm) || request.verify_signature().is_err() {
            return Err(Fault::Signature);
        }
        let mut names = info.subject.iter_common_name();
        let named = match (names.next(), names.next()) {
            (Some(name), None) => name.as_str().ok().and_then(|t| DeviceId::parse(t).ok()),
            _ => None,
        };
        Ok(Self {
            spki: key.raw.to_vec(),
            kind,
            key: crate::thumbprint(key.raw),
            digest: crate::thumbprint(der),
            names: named,
        })
    }

    /// Refuses a request that names another device than `wanted`.
    pub fn check_for(&self, wanted: &DeviceId) -> Result<(), Fault> {
        match &self.names {
            Some(named) if named != wanted => Err(Fault::Foreign {
                named: named.clone(),
                wanted: wanted.clone(),
            }),
            _ => Ok(()),
        }
    }
}
