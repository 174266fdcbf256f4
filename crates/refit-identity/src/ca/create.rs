//! A new CA: a root for twenty years, an issuer under it for five.

use super::{Fault, dated};
use crate::validity::{ISSUER_MS, ROOT_MS, Serial, Validity};
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, IsCa, Issuer, KeyPair,
    KeyUsagePurpose,
};
use refit_protocol::time::Timestamp;
use std::fmt;

/// The four files of a CA, PEM. The two keys are secrets.
pub struct CaFiles {
    /// The root's certificate.
    pub root: String,
    /// The root's key; it can be kept offline.
    pub root_key: String,
    /// The issuer's certificate.
    pub issuer: String,
    /// The issuer's key.
    pub issuer_key: String,
}

impl fmt::Debug for CaFiles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CaFiles")
    }
}

/// Makes a root and an issuer with new P-256 keys.
///
/// The names hold the serial numbers, so that two CAs of one fleet never share a name: a verifier finds the issuer of
/// a certificate by its name.
pub fn create(now: Timestamp, root: &Serial, issuer: &Serial) -> Result<CaFiles, Fault> {
    let root_key = KeyPair::generate().map_err(|_| Fault::Sign)?;
    let root_params = authority(
        "Refit root",
        root,
        now,
        ROOT_MS,
        IsCa::Ca(BasicConstraints::Unconstrained),
    )?;
    let root_certificate = root_params
        .self_signed(&root_key)
        .map_err(|_| Fault::Sign)?;

    let issuer_key = KeyPair::generate().map_err(|_| Fault::Sign)?;
    let issuer_params = authority(
        "Refit issuer",
        issuer,
        now,
        ISSUER_MS,
        IsCa::Ca(BasicConstraints::Constrained(0)),
    )?;
    let root_key_text = root_key.serialize_pem();
    let above = Issuer::new(root_params, root_key);
    let issuer_certificate = issuer_params
        .signed_by(&issuer_key, &above)
        .map_err(|_| Fault::Sign)?;
    Ok(CaFiles {
        root: root_certificate.pem(),
        root_key: root_key_text,
        issuer: issuer_certificate.pem(),
        issuer_key: issuer_key.serialize_pem(),
    })
}

fn authority(
    name: &str,
    serial: &Serial,
    now: Timestamp,
    millis: u64,
    is_ca: IsCa,
) -> Result<CertificateParams, Fault> {
    let mut validity = Validity::from(now, millis)?;
    let mut params = CertificateParams::default();
    dated(&mut params, &mut validity)?;
    params.distinguished_name = DistinguishedName::new();
    let short: String = serial.to_string().chars().take(8).collect();
    params
        .distinguished_name
        .push(DnType::CommonName, format!("{name} {short}"));
    params.serial_number = Some(serial.as_bytes().to_vec().into());
    params.is_ca = is_ca;
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params.use_authority_key_identifier_extension = true;
    Ok(params)
}
