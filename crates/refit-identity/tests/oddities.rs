//! Certificates that a TLS library lets through and that name no device, two, or one that is not quite an ID.

use crate::bench::{ordinary, signed};
use proptest::prelude::*;
use rcgen::{
    BasicConstraints, CertificateParams, CustomExtension, DistinguishedName, DnType, DnValue,
    ExtendedKeyUsagePurpose, IsCa, KeyUsagePurpose, SanType,
};
use refit_identity::Peer;
use refit_identity::key::Weak;
use refit_identity::peer::{CERTIFICATE_BYTES_MAX, Fault};
use refit_protocol::device_id::{self, InvalidDeviceId};

fn read(change: impl FnOnce(&mut CertificateParams)) -> Result<String, Fault> {
    let mut params = ordinary();
    change(&mut params);
    Peer::read(&signed(&params)).map(|peer| peer.device.to_string())
}

fn named(name: impl Into<DnValue>) -> Result<String, Fault> {
    read(|params| {
        params.distinguished_name = DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, name);
    })
}

fn uri(text: &str) -> SanType {
    SanType::URI(text.try_into().unwrap())
}

#[test]
fn an_ordinary_certificate_names_its_device() {
    let der = signed(&ordinary());
    let peer = Peer::read(&der).unwrap();
    assert_eq!(peer.device.as_str(), "lamp-7");
    assert_eq!(peer.serial.to_string(), "07".repeat(16));
    assert_eq!(peer.thumbprint, refit_identity::thumbprint(&der));
    assert!(peer.not_before < peer.not_after);
}

#[test]
fn a_uri_names_a_device_as_well() {
    let by_uri = |text: &str, common: bool| {
        read(|params| {
            if !common {
                params.distinguished_name = DistinguishedName::new();
            }
            params.subject_alt_names = vec![uri(text)];
        })
    };
    assert_eq!(by_uri("urn:refit:device:a:b.c", false), Ok("a:b.c".into()));
    assert_eq!(
        by_uri("urn:refit:device:lamp-7", true),
        Err(Fault::TwoNames)
    );
    assert_eq!(by_uri("urn:refit:device:x", true), Err(Fault::TwoNames));
    assert_eq!(by_uri("spiffe://else/where", true), Ok("lamp-7".into()));
    assert_eq!(by_uri("spiffe://else/where", false), Err(Fault::Nameless));
    // RFC 8141 §3.1: the same name, so a second one is not overlooked.
    assert_eq!(by_uri("URN:Refit:device:x", false), Ok("x".into()));
    assert_eq!(by_uri("URN:Refit:device:x", true), Err(Fault::TwoNames));
    assert_eq!(by_uri("urn:refit:DEVICE:x", false), Err(Fault::Nameless));
    let empty = by_uri("urn:refit:device:", false);
    assert_eq!(empty, Err(Fault::BadId(InvalidDeviceId::Empty)));
    let two = read(|params| {
        params.distinguished_name = DistinguishedName::new();
        params.subject_alt_names = vec![uri("urn:refit:device:a"), uri("urn:refit:device:b")];
    });
    assert_eq!(two, Err(Fault::TwoNames));
}

#[test]
fn names_that_are_not_quite_ids_are_refused() {
    use InvalidDeviceId::*;
    for (name, why) in [
        ("", Empty),
        ("lamp-7 ", Byte(b' ')),
        (" lamp-7", Byte(b' ')),
        ("lamp-7\n", Byte(b'\n')),
        ("lamp-7\0", Byte(0)),
        ("lamp-7\0.evil", Byte(0)),
        ("a/b", Byte(b'/')),
        ("*", Byte(b'*')),
        ("+", Byte(b'+')),
        ("#", Byte(b'#')),
        ("lamp-7,CN=b", Byte(b',')),
        ("lаmp-7", Byte(0xd0)),
        ("..", Dots),
        (&"x".repeat(129), TooLong),
    ] {
        assert_eq!(named(name), Err(Fault::BadId(why)), "{name:?}");
    }
    assert_eq!(named("x".repeat(128)), Ok("x".repeat(128)));
}

#[test]
fn names_in_other_alphabets_are_refused() {
    let bmp = DnValue::BmpString("lamp-7".try_into().unwrap());
    assert_eq!(named(bmp), Err(Fault::NotText));
    let teletex = DnValue::TeletexString("lamp-7".try_into().unwrap());
    assert_eq!(named(teletex), Err(Fault::NotText));
    let universal = DnValue::UniversalString("lamp-7".try_into().unwrap());
    assert_eq!(named(universal), Err(Fault::NotText));
    let printable = DnValue::PrintableString("lamp-7".try_into().unwrap());
    assert_eq!(named(printable), Ok("lamp-7".into()));
}

#[test]
fn two_common_names_are_two_names() {
    // rcgen keeps one value of a kind, so the second is the first one's twin, made from another kind's bytes:
    // countryName is 2.5.4.6, commonName 2.5.4.3, and nothing verifies the signature here.
    let mut params = ordinary();
    params
        .distinguished_name
        .push(DnType::OrganizationName, "lamp-8");
    let mut der = signed(&params);
    let organization = [0x06, 0x03, 0x55, 0x04, 0x0a];
    let at = der.windows(5).position(|w| w == organization).unwrap();
    der[at + 4] = 3;
    assert_eq!(Peer::read(&der), Err(Fault::TwoNames));
}

#[test]
fn what_is_not_a_devices_certificate_is_refused() {
    let ca = read(|p| p.is_ca = IsCa::Ca(BasicConstraints::Unconstrained));
    assert_eq!(ca, Err(Fault::Authority));
    let signs = read(|p| p.key_usages.push(KeyUsagePurpose::KeyCertSign));
    assert_eq!(signs, Err(Fault::Authority));
    let nothing = read(|p| p.extended_key_usages = vec![]);
    assert_eq!(nothing, Err(Fault::Purpose));
    let server = read(|p| p.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth]);
    assert_eq!(server, Err(Fault::Purpose));
    let any = read(|p| p.extended_key_usages = vec![ExtendedKeyUsagePurpose::Any]);
    assert_eq!(any, Err(Fault::Purpose));
    let usage = read(|p| p.key_usages = vec![KeyUsagePurpose::KeyEncipherment]);
    assert_eq!(usage, Err(Fault::KeyUsage));
    let nameless = read(|p| p.distinguished_name = DistinguishedName::new());
    assert_eq!(nameless, Err(Fault::Nameless));
    let mut critical = CustomExtension::from_oid_content(&[1, 2, 3, 4], vec![5, 0]);
    critical.set_criticality(true);
    let unknown = read(|p| p.custom_extensions = vec![critical]);
    assert_eq!(unknown, Err(Fault::Extension));
    let harmless = CustomExtension::from_oid_content(&[1, 2, 3, 4], vec![5, 0]);
    assert!(read(|p| p.custom_extensions = vec![harmless.clone()]).is_ok());
    let twice = read(|p| p.custom_extensions = vec![harmless.clone(), harmless]);
    assert_eq!(twice, Err(Fault::Extension));
    let before = read(|p| p.not_before = rcgen::date_time_ymd(1950, 1, 1));
    assert_eq!(before, Err(Fault::Validity));
    let backwards = read(|p| p.not_before = rcgen::date_time_ymd(2028, 1, 1));
    assert_eq!(backwards, Err(Fault::Validity));
    let serial = read(|p| p.serial_number = Some(vec![1; 21].into()));
    assert_eq!(serial, Err(Fault::Serial));
}

#[test]
fn a_weak_key_is_refused_in_a_certificate_too() {
    let der = refit_identity::pem::certificate(include_str!("data/rsa1024.cert.pem")).unwrap();
    assert_eq!(Peer::read(&der), Err(Fault::Weak(Weak::Rsa(1024))));
}

#[test]
fn a_certificate_stands_alone() {
    let der = signed(&ordinary());
    let doubled = [der.as_slice(), &der].concat();
    assert_eq!(Peer::read(&doubled), Err(Fault::Malformed));
    assert_eq!(Peer::read(&der[..der.len() - 1]), Err(Fault::Malformed));
    assert_eq!(Peer::read(b""), Err(Fault::Malformed));
    let long = vec![0x30; CERTIFICATE_BYTES_MAX + 1];
    assert_eq!(Peer::read(&long), Err(Fault::TooLong(long.len())));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_name_is_taken_if_and_only_if_it_is_an_id(name in "[a-z0-9 /:\\x00*é._-]{0,6}") {
        match named(name.as_str()) {
            Ok(device) => prop_assert_eq!(device, name),
            Err(fault) => prop_assert_eq!(Some(fault), device_id::check(&name).err().map(Fault::BadId)),
        }
    }

    #[test]
    fn an_altered_certificate_is_read_or_refused(at in any::<prop::sample::Index>(), to in any::<u8>()) {
        let mut der = signed(&ordinary());
        let at = at.index(der.len());
        der[at] = to;
        if let Ok(peer) = Peer::read(&der) {
            prop_assert!(device_id::check(peer.device.as_str()).is_ok());
        }
    }
}
