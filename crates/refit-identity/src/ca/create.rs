//! A new CA: a root for twenty years, an issuer under it for five.

use super::{Fault, dated};
use crate::peer::parse;
use crate::validity::{ISSUER_MS, ROOT_MS, Serial, Validity};
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, IsCa, Issuer, KeyPair,
    KeyUsagePurpose,
};
use refit_protocol::time::Timestamp;
use std::fmt;
use zeroize::Zeroizing;

/// What the name of a root begins with.
const ROOT: &str = "Refit root";

/// The four files of a CA, PEM. The two keys are secrets.
pub struct CaFiles {
    /// The root's certificate.
    pub root: String,
    /// The root's key; it can be kept offline.
    pub root_key: Zeroizing<String>,
    /// The issuer's certificate.
    pub issuer: String,
    /// The issuer's key.
    pub issuer_key: Zeroizing<String>,
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
        ROOT,
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
    let root_key_text = Zeroizing::new(root_key.serialize_pem());
    let above = Issuer::new(root_params, root_key);
    let issuer_certificate = issuer_params
        .signed_by(&issuer_key, &above)
        .map_err(|_| Fault::Sign)?;
    Ok(CaFiles {
        root: root_certificate.pem(),
        root_key: root_key_text,
        issuer: issuer_certificate.pem(),
        issuer_key: Zeroizing::new(issuer_key.serialize_pem()),
    })
}

/// Tells whether a root (DER) has the name that [`create`] gives. Such a root signs the fleet's issuers alone; below an
/// organisation's own there may be issuers for other purposes.
pub fn is_made_here(root: &[u8]) -> bool {
    let Ok(root) = parse(root) else {
        return false;
    };
    let Some(serial) = Serial::from_slice(root.raw_serial()) else {
        return false;
    };
    let mut names = root.subject().iter_common_name();
    let name = names.next().and_then(|name| name.as_str().ok());
    name == Some(&named(ROOT, &serial)) && names.next().is_none()
}

fn named(name: &str, serial: &Serial) -> String {
    let short: String = serial.to_string().chars().take(8).collect();
    format!("{name} {short}")
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
    params
        .distinguished_name
        .push(DnType::CommonName, named(name, serial));
    params.serial_number = Some(serial.as_bytes().to_vec().into());
    params.is_ca = is_ca;
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params.use_authority_key_identifier_extension = true;
    Ok(params)
}
