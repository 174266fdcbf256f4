//! Signing requests: whose key it is, whether it is strong, and that their subject is not believed.

use crate::bench::{NOW, YEAR_MS, csr, files, load, serial};
use proptest::prelude::*;
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa,
    KeyPair, SanType,
};
use refit_identity::csr::Fault;
use refit_identity::key::{Kind, Weak};
use refit_identity::{Csr, Peer, pem};
use refit_protocol::device_id::DeviceId;

fn lamp() -> DeviceId {
    DeviceId::parse("lamp-7").unwrap()
}

#[test]
fn each_kind_of_strong_key_gets_a_certificate() {
    let ca = load(&files(1));
    for (algorithm, kind) in [
        (&rcgen::PKCS_ECDSA_P256_SHA256, Kind::P256),
        (&rcgen::PKCS_ECDSA_P384_SHA384, Kind::P384),
        (&rcgen::PKCS_ED25519, Kind::Ed25519),
    ] {
        let request = csr(&KeyPair::generate_for(algorithm).unwrap(), None);
        assert_eq!(request.kind, kind);
        let issued = ca
            .sign_device(&request, &lamp(), NOW, YEAR_MS, &serial(9))
            .unwrap();
        let leaf = pem::certificates(&issued.chain).unwrap().remove(0);
        assert_eq!(Peer::read(&leaf).unwrap().key, request.key, "{kind:?}");
    }
    for (text, kind) in [
        (include_str!("data/rsa2048.csr.pem"), Kind::Rsa),
        // Signed with another hash than the curve's usual one.
        (include_str!("data/p384-sha256.csr.pem"), Kind::P384),
    ] {
        let request = Csr::from_pem(text).unwrap();
        assert_eq!(request.kind, kind);
        let issued = ca
            .sign_device(&request, &lamp(), NOW, YEAR_MS, &serial(9))
            .unwrap();
        let leaf = pem::certificates(&issued.chain).unwrap().remove(0);
        assert_eq!(Peer::read(&leaf).unwrap().key, request.key, "{kind:?}");
    }
}

#[test]
fn weak_keys_are_refused_by_name() {
    for (text, why) in [
        (
            include_str!("data/rsa1024.csr.pem"),
            Fault::Weak(Weak::Rsa(1024)),
        ),
        (
            include_str!("data/k256.csr.pem"),
            Fault::Weak(Weak::Unknown),
        ),
        (
            include_str!("data/p521.csr.pem"),
            Fault::Weak(Weak::Unknown),
        ),
        (include_str!("data/sha1.csr.pem"), Fault::Signature),
    ] {
        assert_eq!(Csr::from_pem(text), Err(why));
    }
}

#[test]
fn a_hostile_request_gets_an_ordinary_certificate() {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params
        .distinguished_name
        .push(DnType::CommonName, "../*\0evil");
    params
        .distinguished_name
        .push(DnType::OrganizationName, "Refit root");
    params.subject_alt_names = vec![
        SanType::DnsName("fleet.example".try_into().unwrap()),
        SanType::URI("urn:refit:device:other".try_into().unwrap()),
    ];
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    let key = KeyPair::generate().unwrap();
    let request = Csr::from_der(params.serialize_request(&key).unwrap().der()).unwrap();
    assert_eq!(request.names, None);
    let issued = load(&files(1))
        .sign_device(&request, &lamp(), NOW, YEAR_MS, &serial(9))
        .unwrap();
    let leaf = pem::certificates(&issued.chain).unwrap().remove(0);
    assert_eq!(Peer::read(&leaf).map(|p| p.device), Ok(lamp()));
    for word in ["fleet.example", "other", "evil", "Refit root"] {
        assert!(
            !leaf.windows(word.len()).any(|w| w == word.as_bytes()),
            "{word}"
        );
    }
}

#[test]
fn a_request_for_another_device_is_refused() {
    let key = KeyPair::generate().unwrap();
    assert_eq!(csr(&key, Some("lamp-7")).check_for(&lamp()), Ok(()));
    assert_eq!(csr(&key, None).check_for(&lamp()), Ok(()));
    assert_eq!(csr(&key, Some("any old text")).check_for(&lamp()), Ok(()));
    let said = csr(&key, Some("lamp-8")).check_for(&lamp()).unwrap_err();
    assert!(matches!(said, Fault::Foreign { .. }), "{said}");
}

#[test]
fn what_is_no_request_is_refused() {
    let text = include_str!("data/rsa2048.csr.pem");
    assert_eq!(Csr::from_pem(""), Err(Fault::Pem(pem::Fault::Empty)));
    let twice = format!("{text}{text}");
    assert_eq!(
        Csr::from_pem(&twice),
        Err(Fault::Pem(pem::Fault::TooMany(1)))
    );
    let cut = text.replace("-----END CERTIFICATE REQUEST-----\n", "");
    assert!(matches!(Csr::from_pem(&cut), Err(Fault::Pem(_))));
    let label = text.replace("CERTIFICATE REQUEST", "PRIVATE KEY");
    assert!(matches!(
        Csr::from_pem(&label),
        Err(Fault::Pem(pem::Fault::Label { .. }))
    ));
    let key = KeyPair::generate().unwrap();
    let der = CertificateParams::default()
        .serialize_request(&key)
        .unwrap();
    let mut altered = der.der().to_vec();
    let last = altered.len() - 1;
    altered[last] ^= 1;
    assert_eq!(Csr::from_der(&altered), Err(Fault::Signature));
    altered.push(0);
    assert_eq!(Csr::from_der(&altered), Err(Fault::Malformed));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    /// The signature covers what is asked for: no altered byte gives another key a certificate.
    #[test]
    fn an_altered_request_is_refused(at in any::<prop::sample::Index>(), bit in 0u8..8) {
        let key = KeyPair::from_pem(include_str!("data/p256.key.pem")).unwrap();
        let der = CertificateParams::default().serialize_request(&key).unwrap();
        let good = Csr::from_der(der.der()).unwrap();
        let mut bytes = der.der().to_vec();
        let at = at.index(bytes.len());
        bytes[at] ^= 1 << bit;
        if let Ok(read) = Csr::from_der(&bytes) {
            prop_assert_eq!(read.key, good.key);
        }
    }
}
