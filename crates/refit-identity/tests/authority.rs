//! The CA: what it signs is what it says, and what does not belong together is found before it signs.

use crate::bench::{NOW, YEAR_MS, csr, files, load, ordinary, serial, signed};
use rcgen::KeyPair;
use refit_identity::ca::{Fault, Signer, signed_by, top_of};
use refit_identity::validity::{DAY_MS, ISSUER_MS, ROOT_MS, SERVER_MS, WrongClock};
use refit_identity::{Bundle, Ca, Peer, ca, pem, proof, thumbprint};
use refit_protocol::device_id::DeviceId;
use refit_protocol::enrolment::proof_message;
use refit_protocol::time::Timestamp;

fn lamp() -> DeviceId {
    DeviceId::parse("lamp-7").unwrap()
}

#[test]
fn a_device_certificate_says_what_was_asked() {
    let ca = load(&files(1));
    let key = KeyPair::generate().unwrap();
    let request = csr(&key, None);
    let issued = ca
        .sign_device(&request, &lamp(), NOW, YEAR_MS, &serial(9))
        .unwrap();
    let chain = pem::certificates(&issued.chain).unwrap();
    assert_eq!(chain.len(), 2);
    assert!(signed_by(&chain[0], &chain[1]) && signed_by(&chain[1], ca.root_der()));
    let peer = Peer::read(&chain[0]).unwrap();
    assert_eq!(peer.device, lamp());
    assert_eq!(peer.key, request.key);
    assert_eq!(peer.serial, serial(9));
    assert_eq!(peer.thumbprint, issued.thumbprint);
    assert_eq!(peer.issuer, ca.name());
    assert_eq!(peer.not_before, issued.validity.not_before);
    assert_eq!(peer.not_after, Timestamp(NOW.0 + YEAR_MS));
    assert!(ca.issued(&peer));
    assert!(!load(&files(5)).issued(&peer));
    let foreign = Peer::read(&signed(&ordinary())).unwrap();
    assert!(!ca.issued(&foreign));
}

#[test]
fn a_root_that_was_made_here_is_known_from_any_other() {
    let made = load(&files(1));
    assert!(ca::is_made_here(made.root_der()));
    assert!(!ca::is_made_here(made.issuer_der()));
    // The name alone, without the serial number that it is made of.
    let named = signed(&{
        let mut params = ordinary();
        params.distinguished_name = rcgen::DistinguishedName::new();
        let name = "Refit root 00000000";
        params
            .distinguished_name
            .push(rcgen::DnType::CommonName, name);
        params
    });
    assert!(!ca::is_made_here(&named));
    assert!(!ca::is_made_here(b"no certificate"));
}

#[test]
fn the_longest_id_fits_into_a_certificate() {
    let ca = load(&files(1));
    for length in [64, 65, 128] {
        let id = DeviceId::parse(&"x".repeat(length)).unwrap();
        let request = csr(&KeyPair::generate().unwrap(), None);
        let issued = ca
            .sign_device(&request, &id, NOW, YEAR_MS, &serial(9))
            .unwrap();
        let leaf = pem::certificates(&issued.chain).unwrap().remove(0);
        assert_eq!(Peer::read(&leaf).unwrap().device, id);
    }
}

#[test]
fn a_certificate_never_outlives_its_issuer() {
    let ca = load(&files(1));
    let request = csr(&KeyPair::generate().unwrap(), None);
    let late = Timestamp(NOW.0 + ISSUER_MS - DAY_MS);
    let issued = ca
        .sign_device(&request, &lamp(), late, YEAR_MS, &serial(9))
        .unwrap();
    assert_eq!(issued.validity.not_after, ca.validity().not_after);
    let later = Timestamp(NOW.0 + ISSUER_MS + DAY_MS);
    let said = ca.sign_device(&request, &lamp(), later, YEAR_MS, &serial(9));
    assert_eq!(said, Err(Fault::IssuerExpired));
}

#[test]
fn no_clock_from_1970_or_2106_makes_anything() {
    for wrong in [Timestamp(0), Timestamp(4_294_967_295_000)] {
        let said = ca::create(wrong, &serial(1), &serial(2)).err();
        assert_eq!(said, Some(Fault::Clock(WrongClock(wrong))));
        let request = csr(&KeyPair::generate().unwrap(), None);
        let said = load(&files(1)).sign_device(&request, &lamp(), wrong, 1, &serial(9));
        assert_eq!(said, Err(Fault::Clock(WrongClock(wrong))));
    }
}

#[test]
fn a_server_certificate_is_no_device() {
    let ca = load(&files(1));
    let names = ["fleet.example", "192.0.2.7", "::1"].map(String::from);
    let (issued, key) = ca.sign_server(&names, NOW, SERVER_MS, &serial(9)).unwrap();
    assert!(KeyPair::from_pem(&key).is_ok());
    let chain = pem::certificates(&issued.chain).unwrap();
    assert!(Peer::read(&chain[0]).is_err());
    assert_eq!(top_of(&issued.chain), Ok(thumbprint(ca.issuer_der())));
    for bad in [
        "",
        "a b",
        "*.example",
        "-a",
        "a..b",
        "a\0b",
        &"x".repeat(64),
    ] {
        let said = ca.sign_server(&[bad.to_owned()], NOW, SERVER_MS, &serial(9));
        assert!(matches!(said, Err(Fault::BadName(_))), "{bad:?}");
    }
    assert_eq!(
        ca.sign_server(&[], NOW, 1, &serial(9)).err(),
        Some(Fault::NoName)
    );
}

#[test]
fn what_does_not_belong_together_is_found_at_once() {
    let (one, other) = (files(1), files(5));
    let fault = |root: &str, issuer: &str, key: &str| {
        let key = Signer::from_pem(key).unwrap();
        Ca::load(root, issuer, key).err()
    };
    assert_eq!(
        fault(&one.root, &one.issuer, &other.issuer_key),
        Some(Fault::KeyMismatch)
    );
    assert_eq!(
        fault(&one.root, &one.issuer, &one.root_key),
        Some(Fault::KeyMismatch)
    );
    assert_eq!(
        fault(&other.root, &one.issuer, &one.issuer_key),
        Some(Fault::Chain)
    );
    assert_eq!(Signer::from_pem("x").err(), Some(Fault::Key));
    assert_eq!(Signer::from_pem(&one.root).err(), Some(Fault::Key));
    let key = KeyPair::generate().unwrap();
    let leaf = load(&one)
        .sign_device(&csr(&key, None), &lamp(), NOW, YEAR_MS, &serial(9))
        .unwrap();
    assert_eq!(
        fault(&one.root, &leaf.chain, &key.serialize_pem()),
        Some(Fault::NoAuthority)
    );
    // A root that signs devices itself, and an intermediate with what lies above it, are both fine.
    assert_eq!(fault(&one.root, &one.root, &one.root_key), None);
    let with_root = format!("{}{}", one.issuer, one.root);
    assert_eq!(fault(&one.root, &with_root, &one.issuer_key), None);
}

#[test]
fn a_bundle_holds_authorities_and_each_once() {
    let (one, other) = (files(1), files(5));
    let bundle = Bundle::read(2, &format!("{}{}", one.root, other.root)).unwrap();
    assert_eq!((bundle.number, bundle.roots().len()), (2, 2));
    assert_eq!(bundle.first_expiry(), Some(Timestamp(NOW.0 + ROOT_MS)));
    assert_eq!(bundle.to_wire().number, 2);
    let twice = format!("{}{}", one.root, one.root);
    assert_eq!(Bundle::read(1, &twice).err(), Some(Fault::Twice));
    let ca = load(&one);
    let (server, _) = ca
        .sign_server(&["a".into()], NOW, SERVER_MS, &serial(9))
        .unwrap();
    assert_eq!(
        Bundle::read(1, &server.chain).err(),
        Some(Fault::NoAuthority)
    );
    assert!(matches!(Bundle::read(1, "").err(), Some(Fault::Pem(_))));
}

#[test]
fn the_old_key_proves_itself_over_one_challenge_and_one_new_key() {
    let ca = load(&files(1));
    for algorithm in [
        &rcgen::PKCS_ECDSA_P256_SHA256,
        &rcgen::PKCS_ECDSA_P384_SHA384,
        &rcgen::PKCS_ED25519,
    ] {
        let old_key = KeyPair::generate_for(algorithm).unwrap();
        let issued = ca
            .sign_device(&csr(&old_key, None), &lamp(), NOW, DAY_MS, &serial(9))
            .unwrap();
        let leaf = pem::certificates(&issued.chain).unwrap().remove(0);
        let old = Peer::read(&leaf).unwrap();
        let request = csr(&KeyPair::generate().unwrap(), None);
        let message = proof_message(&[1; 32], &request.digest);
        let signature = rcgen::SigningKey::sign(&old_key, &message).unwrap();
        assert_eq!(
            proof::verify(&old, &[1; 32], &request, &signature),
            Ok(true)
        );
        assert_eq!(
            proof::verify(&old, &[2; 32], &request, &signature),
            Ok(false)
        );
        let other = csr(&KeyPair::generate().unwrap(), None);
        assert_eq!(proof::verify(&old, &[1; 32], &other, &signature), Ok(false));
        assert_eq!(proof::verify(&old, &[1; 32], &request, &[]), Ok(false));
    }
}

#[test]
fn keys_are_in_no_debug_output() {
    let files = files(1);
    let signer = Signer::from_pem(&files.issuer_key).unwrap();
    assert_eq!(format!("{files:?} {signer:?}"), "CaFiles Signer");
}
