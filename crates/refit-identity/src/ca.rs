//! The fleet's certificate authority: a root that can be kept offline, and an issuer that signs while it is online.
//!
//! The issuer signs device certificates (for clients alone) and the server's (for servers alone); the subject is
//! always ours. Its key is behind rcgen's `SigningKey`, so that a key in a PKCS #11 token is one more implementation.

mod create;
mod fault;
mod signer;

pub use create::{CaFiles, create, is_made_here};
pub use fault::Fault;
pub use signer::Signer;

use crate::csr::Csr;
use crate::key::Kind;
use crate::peer::{DEVICE_URN, Peer, Thumbprint, parse};
use crate::pem;
use crate::validity::{Serial, Validity};
use rcgen::string::Ia5String;
use rcgen::{
    CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, PublicKeyData, SanType, SubjectPublicKeyInfo,
};
use refit_protocol::device_id::DeviceId;
use refit_protocol::digest::Digest;
use refit_protocol::time::Timestamp;
use std::net::IpAddr;
use x509_parser::time::ASN1Time;
use zeroize::Zeroizing;

/// The longest common name that X.520 allows; a longer ID goes into the subject alternative name.
const COMMON_NAME_BYTES_MAX: usize = 64;

/// An issuer with its key, and the root that vouches for it.
pub struct Ca {
    /// The issuer's certificate, then those that lead to a root if it is not directly under one; PEM.
    chain: String,
    issuer_der: Vec<u8>,
    root_der: Vec<u8>,
    validity: Validity,
    issuer: Issuer<'static, Signer>,
}

/// A certificate that was signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Issued {
    /// The certificate, then its issuer, PEM.
    pub chain: String,
    /// Which certificate it is.
    pub thumbprint: Thumbprint,
    /// Its serial number.
    pub serial: Serial,
    /// From when to when it is good.
    pub validity: Validity,
}

impl Ca {
    /// Takes an issuer: its certificate (PEM, with those between it and a root, if any), its key, and the root.
    pub fn load(root: &str, issuer: &str, key: Signer) -> Result<Self, Fault> {
        let chain = pem::certificates(issuer)?;
        let root_der = pem::certificate(root)?;
        let issuer_der = chain.first().cloned().ok_or(Fault::Certificate)?;
        for certificate in chain.iter().chain([&root_der]) {
            check_authority(certificate)?;
        }
        // Each is signed by the next, the last by the root; a root may issue itself.
        let above = chain.iter().skip(1).chain([&root_der]);
        for (below, above) in chain.iter().zip(above) {
            if !signed_by(below, above) {
                return Err(Fault::Chain);
            }
        }
        let certificate = parse(&issuer_der).map_err(|_| Fault::Certificate)?;
        if certificate.public_key().raw != key.subject_public_key_info() {
            return Err(Fault::KeyMismatch);
        }
        let validity = validity_of(&issuer_der).ok_or(Fault::Certificate)?;
        let issuer_params = Issuer::from_ca_cert_der(&issuer_der.as_slice().into(), key)
            .map_err(|_| Fault::Certificate)?;
        Ok(Self {
            chain: issuer.trim_end().to_owned() + "\n",
            issuer_der,
            root_der,
            validity,
            issuer: issuer_params,
        })
    }

    /// Signs a device's certificate: the key is the request's, everything else is ours.
    ///
    /// It lasts `millis`, and never longer than the issuer's own.
    pub fn sign_device(
        &self,
        csr: &Csr,
        device: &DeviceId,
        now: Timestamp,
        millis: u64,
        serial: &Serial,
    ) -> Result<Issued, Fault> {
        let mut params = CertificateParams::default();
        params.distinguished_name = DistinguishedName::new();
        if device.as_str().len() <= COMMON_NAME_BYTES_MAX {
            params
                .distinguished_name
                .push(DnType::CommonName, device.as_str());
        } else {
            let urn = format!("{DEVICE_URN}{device}");
            params.subject_alt_names = vec![SanType::URI(ia5(&urn)?)];
        }
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        let key = SubjectPublicKeyInfo::from_der(&csr.spki).map_err(|_| Fault::Sign)?;
        self.sign(params, &key, now, millis, serial)
    }

    /// Makes a key and a certificate for a server of these names (host names and addresses). Returns the key as PEM.
    pub fn sign_server(
        &self,
        names: &[String],
        now: Timestamp,
        millis: u64,
        serial: &Serial,
    ) -> Result<(Issued, Zeroizing<String>), Fault> {
        let mut params = CertificateParams::default();
        params.distinguished_name = DistinguishedName::new();
        params
            .distinguished_name
            .push(DnType::CommonName, "refit server");
        params.subject_alt_names = names
            .iter()
            .map(|name| server_name(name))
            .collect::<Result<_, _>>()?;
        if params.subject_alt_names.is_empty() {
            return Err(Fault::NoName);
        }
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        let key = KeyPair::generate().map_err(|_| Fault::Sign)?;
        let issued = self.sign(params, &key, now, millis, serial)?;
        Ok((issued, Zeroizing::new(key.serialize_pem())))
    }

    fn sign(
        &self,
        mut params: CertificateParams,
        key: &impl PublicKeyData,
        now: Timestamp,
        millis: u64,
        serial: &Serial,
    ) -> Result<Issued, Fault> {
        let mut validity = Validity::from(now, millis)?;
        if !self.validity.holds(now) {
            return Err(Fault::IssuerExpired);
        }
        validity.not_after = validity.not_after.min(self.validity.not_after);
        dated(&mut params, &mut validity)?;
        params.serial_number = Some(serial.as_bytes().to_vec().into());
        params.is_ca = IsCa::ExplicitNoCa;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.use_authority_key_identifier_extension = true;
        let signed = params
            .signed_by(key, &self.issuer)
            .map_err(|_| Fault::Sign)?;
        Ok(Issued {
            thumbprint: crate::thumbprint(signed.der()),
            chain: signed.pem() + &self.chain,
            serial: serial.clone(),
            validity,
        })
    }

    /// Tells whether this certificate was signed by this issuer: by its key, not by what it says.
    pub fn issued(&self, peer: &Peer) -> bool {
        signed_by(&peer.der, &self.issuer_der)
    }

    /// Returns the issuer's certificate and what leads to the root, PEM.
    pub fn chain(&self) -> &str {
        &self.chain
    }

    /// Returns the issuer's certificate, DER.
    pub fn issuer_der(&self) -> &[u8] {
        &self.issuer_der
    }

    /// Returns the root's certificate, DER.
    pub fn root_der(&self) -> &[u8] {
        &self.root_der
    }

    /// Returns from when to when the issuer is good.
    pub const fn validity(&self) -> Validity {
        self.validity
    }

    /// Tells whether this is another issuer under the same name: who holds a certificate of which of the two could then
    /// not be counted. The same key again, with new dates, is no other issuer.
    pub fn is_namesake_of(&self, other: &Self) -> bool {
        let key = |ca: &Self| parse(&ca.issuer_der).map(|c| c.public_key().raw.to_vec());
        self.name() == other.name() && key(self).ok() != key(other).ok()
    }

    /// Returns the SHA-256 of the issuer's name, as [`Peer::issuer`] has it.
    pub fn name(&self) -> Digest {
        let subject = parse(&self.issuer_der).map(|c| crate::thumbprint(c.subject().as_raw()));
        subject.unwrap_or_else(|_| Digest::from_bytes([0; 32]))
    }
}

/// Tells whether the certificate `below` names `above` as its issuer and is signed by its key.
pub fn signed_by(below: &[u8], above: &[u8]) -> bool {
    let (Ok(below), Ok(above)) = (parse(below), parse(above)) else {
        return false;
    };
    below.issuer().as_raw() == above.subject().as_raw()
        && Kind::of(above.public_key()).is_ok()
        && below.verify_signature(Some(above.public_key())).is_ok()
}

/// Returns from when to when a certificate (DER) is good.
pub fn validity_of(der: &[u8]) -> Option<Validity> {
    let certificate = parse(der).ok()?;
    let millis = |seconds: i64| Some(Timestamp(u64::try_from(seconds).ok()?.saturating_mul(1000)));
    Some(Validity {
        not_before: millis(certificate.validity().not_before.timestamp())?,
        not_after: millis(certificate.validity().not_after.timestamp())?,
    })
}

/// Returns the SHA-256 of the last certificate of a presented chain (PEM): what a claim token pins.
pub fn top_of(chain: &str) -> Result<Digest, pem::Fault> {
    let chain = pem::certificates(chain)?;
    let top = chain.last().ok_or(pem::Fault::Empty)?;
    Ok(crate::thumbprint(top))
}

/// Refuses a root that devices cannot use, or not now: they would learn it, and then verify nobody by it.
pub fn check_root(der: &[u8], now: Timestamp) -> Result<(), Fault> {
    check_authority(der)?;
    let validity = validity_of(der).ok_or(Fault::Certificate)?;
    if validity.holds(now) {
        Ok(())
    } else {
        Err(Fault::RootExpired)
    }
}

fn check_authority(der: &[u8]) -> Result<(), Fault> {
    let certificate = parse(der).map_err(|_| Fault::Certificate)?;
    let usage = certificate.key_usage().map_err(|_| Fault::Certificate)?;
    if !certificate.is_ca() || usage.is_some_and(|usage| !usage.value.key_cert_sign()) {
        return Err(Fault::NoAuthority);
    }
    Kind::of(certificate.public_key())?;
    Ok(())
}

/// Sets the dates, in whole seconds as X.509 has them, and says what they became.
fn dated(params: &mut CertificateParams, validity: &mut Validity) -> Result<(), Fault> {
    let date = |time: &mut Timestamp| {
        let seconds = time.as_millis() / 1000;
        *time = Timestamp(seconds * 1000);
        let seconds = i64::try_from(seconds).map_err(|_| Fault::Sign)?;
        let date = ASN1Time::from_timestamp(seconds).map_err(|_| Fault::Sign)?;
        Ok::<_, Fault>(date.to_datetime())
    };
    params.not_before = date(&mut validity.not_before)?;
    params.not_after = date(&mut validity.not_after)?;
    Ok(())
}

fn server_name(name: &str) -> Result<SanType, Fault> {
    if let Ok(address) = name.parse::<IpAddr>() {
        return Ok(SanType::IpAddress(address));
    }
    let label = |label: &str| {
        !label.is_empty()
            && label.len() <= 63
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
    };
    if name.len() > 253 || !name.split('.').all(label) {
        return Err(Fault::BadName(name.chars().take(60).collect()));
    }
    Ok(SanType::DnsName(ia5(name)?))
}

fn ia5(text: &str) -> Result<Ia5String, Fault> {
    Ia5String::try_from(text).map_err(|_| Fault::Sign)
}
