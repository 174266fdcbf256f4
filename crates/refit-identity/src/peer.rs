//! The one device that a certificate names.
//!
//! The ID stands in exactly one place: the subject's only common name, or the only subject alternative name
//! `urn:refit:device:ID`. A TLS library checks none of this; a well-known broker took a trailing blank, a slash and
//! two common names.

use crate::key::{Kind, Weak};
use crate::validity::Serial;
use refit_protocol::device_id::{DeviceId, InvalidDeviceId};
use refit_protocol::digest::Digest;
use refit_protocol::time::Timestamp;
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::{GeneralName, ParsedExtension};
use x509_parser::prelude::FromDer;
use x509_parser::x509::X509Version;

/// The SHA-256 of a certificate's DER (RFC 8705 §3.1): which certificate it is.
pub type Thumbprint = Digest;

/// What a subject alternative name begins with that names a device.
pub const DEVICE_URN: &str = "urn:refit:device:";

/// The longest certificate that is read, in bytes of DER.
pub const CERTIFICATE_BYTES_MAX: usize = 8 * 1024;

/// A device, as its certificate names it. That the certificate is genuine and in force is not said here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Peer {
    /// The device.
    pub device: DeviceId,
    /// Which certificate it is.
    pub thumbprint: Thumbprint,
    /// The SHA-256 of its public key (SubjectPublicKeyInfo).
    pub key: Digest,
    /// Its serial number.
    pub serial: Serial,
    /// The SHA-256 of the issuer's name (DER). A name is claimed, not proven: see [`crate::Ca::issued`].
    pub issuer: Digest,
    /// Before this it is not valid.
    pub not_before: Timestamp,
    /// After this it is not valid.
    pub not_after: Timestamp,
    /// The certificate itself, DER.
    pub der: Box<[u8]>,
}

/// Why a certificate is no device's.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// It has more than [`CERTIFICATE_BYTES_MAX`] bytes.
    #[error("the certificate has {0} bytes; the most is {CERTIFICATE_BYTES_MAX}")]
    TooLong(usize),
    /// It is not one certificate of X.509 version 3 in DER, or something follows it.
    #[error("this is not one X.509 v3 certificate in DER")]
    Malformed,
    /// An extension stands twice, or is critical and not known here.
    #[error("the certificate has an extension that is critical and unknown, or stands twice")]
    Extension,
    /// Nothing in it names a device.
    #[error("the certificate names no device: neither a common name nor a {DEVICE_URN}… name")]
    Nameless,
    /// It has more than one name.
    #[error(
        "the certificate names more than one device; exactly one common name or one {DEVICE_URN}… name is allowed"
    )]
    TwoNames,
    /// The name is not of a text type that can be read in one way only.
    #[error(
        "the device's name in the certificate is not plain text (UTF8String, PrintableString or IA5String)"
    )]
    NotText,
    /// The name is not a device ID.
    #[error("the name in the certificate is not a device ID: {0}")]
    BadId(#[from] InvalidDeviceId),
    /// It is a CA's certificate.
    #[error("this is a CA's certificate, not a device's")]
    Authority,
    /// It does not say that it may be used by a client.
    #[error("the certificate is not for clients: its extended key usage lacks clientAuth")]
    Purpose,
    /// Its key may not sign.
    #[error("the certificate's key usage lacks digitalSignature")]
    KeyUsage,
    /// Its key is not strong enough.
    #[error(transparent)]
    Weak(#[from] Weak),
    /// Its serial number is empty or longer than 20 bytes (RFC 5280 §4.1.2.2).
    #[error("the certificate's serial number is not 1 to 20 bytes long")]
    Serial,
    /// Its time of validity cannot be told.
    #[error("the certificate's time of validity lies before 1970 or ends before it begins")]
    Validity,
}

impl Peer {
    /// Reads a certificate (DER) that a client showed.
    pub fn read(der: &[u8]) -> Result<Self, Fault> {
        if der.len() > CERTIFICATE_BYTES_MAX {
            return Err(Fault::TooLong(der.len()));
        }
        let certificate = parse(der)?;
        check_use(&certificate)?;
        let device = name(&certificate)?;
        let key = certificate.public_key();
        Kind::of(key)?;
        let (not_before, not_after) = validity(&certificate)?;
        Ok(Self {
            device,
            thumbprint: crate::thumbprint(der),
            key: crate::thumbprint(key.raw),
            serial: Serial::from_slice(certificate.raw_serial()).ok_or(Fault::Serial)?,
            issuer: crate::thumbprint(certificate.issuer().as_raw()),
            not_before,
            not_after,
            der: der.into(),
        })
    }
}

/// Reads one certificate of version 3 and nothing behind it.
pub(crate) fn parse(der: &[u8]) -> Result<X509Certificate<'_>, Fault> {
    let (rest, certificate) = X509Certificate::from_der(der).map_err(|_| Fault::Malformed)?;
    if !rest.is_empty() || certificate.version() != X509Version::V3 {
        return Err(Fault::Malformed);
    }
    // What is signed inside must be what is said outside (RFC 5280 §4.1.1.2).
    if certificate.signature_algorithm != certificate.tbs_certificate.signature {
        return Err(Fault::Malformed);
    }
    certificate.extensions_map().map_err(|_| Fault::Extension)?;
    Ok(certificate)
}

fn check_use(certificate: &X509Certificate<'_>) -> Result<(), Fault> {
    let mut purpose = false;
    for extension in certificate.extensions() {
        match extension.parsed_extension() {
            ParsedExtension::BasicConstraints(constraints) if constraints.ca => {
                return Err(Fault::Authority);
            }
            ParsedExtension::KeyUsage(usage) if usage.key_cert_sign() || usage.crl_sign() => {
                return Err(Fault::Authority);
            }
            ParsedExtension::KeyUsage(usage) if !usage.digital_signature() => {
                return Err(Fault::KeyUsage);
            }
            ParsedExtension::ExtendedKeyUsage(usage) => purpose = usage.client_auth,
            ParsedExtension::BasicConstraints(_)
            | ParsedExtension::KeyUsage(_)
            | ParsedExtension::SubjectAlternativeName(_) => {}
            ParsedExtension::ParseError { .. } => return Err(Fault::Malformed),
            _ if extension.critical => return Err(Fault::Extension),
            _ => {}
        }
    }
    if purpose { Ok(()) } else { Err(Fault::Purpose) }
}

/// Finds the one name. Any common name counts, whatever it holds: a second one is never overlooked.
fn name(certificate: &X509Certificate<'_>) -> Result<DeviceId, Fault> {
    let mut found = None;
    for attribute in certificate.subject().iter_common_name() {
        let text = attribute.as_str().map_err(|_| Fault::NotText)?;
        if found.replace(text).is_some() {
            return Err(Fault::TwoNames);
        }
    }
    let extensions = certificate.extensions().iter();
    for extension in extensions.map(|extension| extension.parsed_extension()) {
        let ParsedExtension::SubjectAlternativeName(names) = extension else {
            continue;
        };
        for name in &names.general_names {
            match name {
                GeneralName::URI(uri) => {
                    if let Some(text) = of_urn(uri)
                        && found.replace(text).is_some()
                    {
                        return Err(Fault::TwoNames);
                    }
                }
                GeneralName::Invalid(..) => return Err(Fault::NotText),
                _ => {}
            }
        }
    }
    Ok(DeviceId::parse(found.ok_or(Fault::Nameless)?)?)
}

/// Returns what follows [`DEVICE_URN`]. Its scheme and namespace are the same in any case (RFC 8141 §3.1): a name that
/// another reader takes for a device's counts here.
fn of_urn(uri: &str) -> Option<&str> {
    let (head, text) = uri.split_at_checked(DEVICE_URN.len())?;
    let (scheme, kind) = head.split_at_checked("urn:refit:".len())?;
    (scheme.eq_ignore_ascii_case("urn:refit:") && kind == "device:").then_some(text)
}

fn validity(certificate: &X509Certificate<'_>) -> Result<(Timestamp, Timestamp), Fault> {
    let millis = |seconds: i64| {
        let seconds = u64::try_from(seconds).map_err(|_| Fault::Validity)?;
        Ok::<_, Fault>(Timestamp(seconds.saturating_mul(1000)))
    };
    let validity = certificate.validity();
    let not_before = millis(validity.not_before.timestamp())?;
    let not_after = millis(validity.not_after.timestamp())?;
    if not_after < not_before {
        return Err(Fault::Validity);
    }
    Ok((not_before, not_after))
}
