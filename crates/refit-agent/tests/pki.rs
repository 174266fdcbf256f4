//! Authorities and certificates, good and bad, made for a test.

use base64::Engine;
use rcgen::{
    BasicConstraints, CertificateParams, CertificateSigningRequestParams, DistinguishedName,
    DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose, PublicKeyData,
    SanType, date_time_ymd,
};
use refit_agent::identity::key::Key;
use refit_agent::identity::{Identity, Trust};
use refit_protocol::device_id::DeviceId;
use refit_protocol::time::Timestamp;
use sha2::{Digest, Sha256};

/// An authority: it signs.
pub(crate) struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pub(crate) der: Vec<u8>,
}

/// A certificate and its key, with the chain that is presented.
#[derive(Clone)]
pub(crate) struct Leaf {
    pub(crate) chain: Vec<Vec<u8>>,
    pub(crate) key: Vec<u8>,
}

/// When a certificate is valid.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Valid {
    Now,
    Over,
    Later,
}

impl Authority {
    pub(crate) fn new(name: &str) -> Self {
        let mut params = named(name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let key = KeyPair::generate().unwrap();
        let der = params.self_signed(&key).unwrap().der().to_vec();
        Self {
            issuer: Issuer::new(params, key),
            der,
        }
    }

    pub(crate) fn pem(&self) -> String {
        pem("CERTIFICATE", &self.der)
    }

    pub(crate) fn fingerprint(&self) -> [u8; 32] {
        Sha256::digest(&self.der).into()
    }

    /// Certifies a server for a name.
    pub(crate) fn server(&self, name: &str, valid: Valid) -> Leaf {
        let mut params = named("a server");
        params.subject_alt_names = match name.parse() {
            Ok(address) => vec![SanType::IpAddress(address)],
            Err(_) => vec![SanType::DnsName(name.try_into().unwrap())],
        };
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        match valid {
            Valid::Now => {}
            Valid::Over => {
                params.not_before = date_time_ymd(2000, 1, 1);
                params.not_after = date_time_ymd(2001, 1, 1);
            }
            Valid::Later => {
                params.not_before = date_time_ymd(4000, 1, 1);
                params.not_after = date_time_ymd(4001, 1, 1);
            }
        }
        let key = KeyPair::generate().unwrap();
        let leaf = params.signed_by(&key, &self.issuer).unwrap().der().to_vec();
        Leaf {
            chain: vec![leaf, self.der.clone()],
            key: key.serialize_der(),
        }
    }

    /// Certifies the public key of a device under its ID.
    pub(crate) fn certify(&self, device: &str, key: &Key) -> String {
        let mut params = named(device);
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        let pair = KeyPair::try_from(&key.der().unwrap()).unwrap();
        pem(
            "CERTIFICATE",
            params.signed_by(&pair, &self.issuer).unwrap().der(),
        )
    }

    /// Certifies what a request asks for: its key, and its name.
    pub(crate) fn certify_request(&self, request: &str) -> String {
        let mut request = CertificateSigningRequestParams::from_pem(request).unwrap();
        request.params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        pem(
            "CERTIFICATE",
            request.signed_by(&self.issuer).unwrap().der(),
        )
    }

    /// Makes a whole identity, for a server of this authority.
    pub(crate) fn identity(&self, device: &str, server: &str, mqtt: &str) -> Identity {
        let key = Key::make().unwrap();
        Identity {
            device: DeviceId::parse(device).unwrap(),
            certificate: self.certify(device, &key),
            key,
            trust: Trust {
                number: 1,
                roots: self.pem(),
            },
            server: server.into(),
            mqtt: mqtt.into(),
            renew_after: Timestamp(u64::MAX >> 12),
            expires: Timestamp(u64::MAX >> 12),
        }
    }
}

/// Returns the public key in a request.
pub(crate) fn public_key(request: &str) -> String {
    let request = CertificateSigningRequestParams::from_pem(request).unwrap();
    format!("{:?}", request.public_key.der_bytes())
}

/// A server's certificate that only the server itself vouches for.
pub(crate) fn self_signed(name: &str) -> Leaf {
    let mut params = named("a server");
    params.subject_alt_names = vec![SanType::IpAddress(name.parse().unwrap())];
    let key = KeyPair::generate().unwrap();
    Leaf {
        chain: vec![params.self_signed(&key).unwrap().der().to_vec()],
        key: key.serialize_der(),
    }
}

impl Leaf {
    pub(crate) fn certificate_pem(&self) -> String {
        self.chain
            .iter()
            .map(|der| pem("CERTIFICATE", der))
            .collect()
    }

    pub(crate) fn key_pem(&self) -> String {
        pem("PRIVATE KEY", &self.key)
    }
}

fn named(name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    params
}

fn pem(label: &str, der: &[u8]) -> String {
    let text = base64::engine::general_purpose::STANDARD.encode(der);
    format!("-----BEGIN {label}-----\n{text}\n-----END {label}-----\n")
}
