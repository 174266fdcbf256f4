//! A CA, and certificates with any oddity, made by the test.

use rcgen::{
    CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose,
};
use refit_identity::ca::{self, Signer};
use refit_identity::validity::DAY_MS;
use refit_identity::{Ca, CaFiles, Csr, Serial};
use refit_protocol::time::Timestamp;

/// 2026-11-24.
pub(crate) const NOW: Timestamp = Timestamp(1_795_478_400_000);
pub(crate) const YEAR_MS: u64 = 365 * DAY_MS;

pub(crate) fn serial(n: u8) -> Serial {
    Serial::random([n; 16])
}

pub(crate) fn files(n: u8) -> CaFiles {
    ca::create(NOW, &serial(n), &serial(n + 1)).unwrap()
}

pub(crate) fn load(files: &CaFiles) -> Ca {
    let key = Signer::from_pem(&files.issuer_key).unwrap();
    Ca::load(&files.root, &files.issuer, key).unwrap()
}

/// What an ordinary device's certificate says; a test changes one thing.
pub(crate) fn ordinary() -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, "lamp-7");
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.is_ca = IsCa::ExplicitNoCa;
    params.not_before = rcgen::date_time_ymd(2026, 1, 1);
    params.not_after = rcgen::date_time_ymd(2027, 1, 1);
    params.serial_number = Some(vec![7; 16].into());
    params
}

/// Signs it by a factory's CA; DER.
pub(crate) fn signed(params: &CertificateParams) -> Vec<u8> {
    let key = KeyPair::generate().unwrap();
    let issuer = Issuer::new(CertificateParams::default(), KeyPair::generate().unwrap());
    params.signed_by(&key, &issuer).unwrap().der().to_vec()
}

pub(crate) fn csr(key: &KeyPair, name: Option<&str>) -> Csr {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    if let Some(name) = name {
        params.distinguished_name.push(DnType::CommonName, name);
    }
    let request = params.serialize_request(key).unwrap();
    Csr::from_pem(&request.pem().unwrap()).unwrap()
}
