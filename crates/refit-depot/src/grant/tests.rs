//! What a grant binds, and that nothing else passes.

use super::*;
use proptest::prelude::*;

const NOW: Timestamp = Timestamp(1_700_000_000_500);
const DIGEST: Digest = Digest::from_bytes([7; 32]);

fn grants(key: u8) -> Grants {
    let keys = keys::GrantKeys::from_secret("k1", [key; 32]);
    Grants::new(KeyRing::of(keys), "https://u.example/")
}

const fn in_an_hour() -> Timestamp {
    Timestamp(NOW.0 + 3_600_000)
}

fn mint(id: &str, bound: Bound) -> String {
    let url = grants(1).mint(&DIGEST, &device(id), bound, in_an_hour());
    url.split_once('?').unwrap().1.to_owned()
}

fn device(id: &str) -> DeviceId {
    DeviceId::parse(id).unwrap()
}

fn minted(id: &str) -> String {
    mint(id, Bound::Time)
}

const NOBODY: Asker<'static> = Asker {
    address: None,
    certificate: None,
};

fn check(query: &str) -> Result<Granted, Refused> {
    grants(1).check(&DIGEST, query, &NOBODY, NOW)
}

#[test]
fn a_minted_url_is_granted_to_its_device_until_it_expires() {
    let url = grants(1).mint(&DIGEST, &device("lamp:7"), Bound::Time, in_an_hour());
    let (stable, query) = url.split_once('?').unwrap();
    assert_eq!(stable, grants(1).stable_url(&DIGEST));
    assert_eq!(stable, format!("https://u.example/depot/sha256/{DIGEST}"));
    assert!(
        query.starts_with("device=lamp:7&expires=1700003600&key=k1&signature="),
        "{query}"
    );
    let expires = Timestamp(1_700_003_600_000);
    let granted = Granted {
        device: device("lamp:7"),
        kind: GrantKind::Presigned,
        strength: Strength::Time,
        expires,
    };
    assert_eq!(check(query), Ok(granted.clone()));
    let at = |millis| grants(1).check(&DIGEST, query, &NOBODY, Timestamp(millis));
    assert_eq!(at(1_700_003_599_999), Ok(granted));
    assert_eq!(
        at(1_700_003_600_000),
        Err(Refused::Expired { since: expires })
    );
}

#[test]
fn the_signature_stays_what_it_was() {
    // Made once with another implementation (Python's hmac): a node of the next version must sign the same.
    let query = minted("lamp-7");
    assert!(
        query.ends_with("signature=Ds2WRcir78tlzEPS2OzShhkaBnwCtdMhaI0-lpc6v84"),
        "{query}"
    );
}

#[test]
fn a_grant_is_for_one_artifact_and_one_key() {
    let query = minted("lamp-7");
    let other = Digest::from_bytes([8; 32]);
    assert_eq!(
        grants(1).check(&other, &query, &NOBODY, NOW),
        Err(Refused::BadSignature)
    );
    assert_eq!(
        grants(2).check(&DIGEST, &query, &NOBODY, NOW),
        Err(Refused::BadSignature)
    );
    assert_eq!(
        check(&query.replace("key=k1", "key=k2")),
        Err(Refused::UnknownKey)
    );
    assert_eq!(
        check(&query.replace("lamp-7", "lamp-8")),
        Err(Refused::BadSignature)
    );
}

#[test]
fn an_expiry_that_was_moved_is_a_bad_signature_whether_past_or_not() {
    let query = minted("lamp-7");
    for expires in ["1800000000", "1", "18446744073709551615"] {
        let moved = query.replace("1700003600", expires);
        assert_eq!(check(&moved), Err(Refused::BadSignature), "{expires}");
    }
}

#[test]
fn every_refusal_says_what_to_do_and_why() {
    let expired = Refused::Expired { since: NOW };
    let all = [
        Refused::Missing("key"),
        Refused::Malformed("x"),
        Refused::UnknownKey,
        Refused::BadSignature,
        expired,
        Refused::Address(Box::new(device("d"))),
    ];
    for refused in all {
        assert!(refused.to_string().contains("/get"), "{refused}");
        assert!(!refused.reason().is_empty());
    }
}

#[test]
fn a_time_at_the_end_of_all_numbers_grants_without_overflow() {
    let url = grants(1).mint(&DIGEST, &device("d"), Bound::Time, Timestamp(u64::MAX));
    let query = url.split_once('?').unwrap().1;
    assert!(grants(1).check(&DIGEST, query, &NOBODY, NOW).is_ok());
}

fn at(address: &str) -> Asker<'static> {
    Asker {
        address: Some(address.parse().unwrap()),
        certificate: None,
    }
}

fn check_from(query: &str, asker: &Asker<'_>) -> Result<Granted, Refused> {
    grants(1).check(&DIGEST, query, asker, NOW)
}

#[test]
fn a_url_of_strength_address_is_good_from_its_network_alone() {
    let network = refit_protocol::network::Cidr::parse("203.0.113.7/32").unwrap();
    let query = mint("lamp-7", Bound::Network(network));
    let strength = check_from(&query, &at("203.0.113.7")).unwrap().strength;
    assert_eq!(strength, Strength::Address);
    // The honest negative: whoever shares the address may use it.
    assert!(check_from(&query, &at("::ffff:203.0.113.7")).is_ok());
    for asker in [at("203.0.113.8"), at("2001:db8::7"), NOBODY] {
        let refused = check_from(&query, &asker).unwrap_err();
        assert_eq!(
            (refused.reason(), refused.device()),
            ("address", Some(&device("lamp-7")))
        );
    }
    let wider = query.replace("113.7/32", "113.0/24");
    assert_eq!(
        check_from(&wider, &at("203.0.113.7")),
        Err(Refused::BadSignature)
    );
    let (_, unbound) = query.split_once('&').unwrap();
    assert_eq!(
        check_from(unbound, &at("203.0.113.7")),
        Err(Refused::BadSignature)
    );
}

fn with<'a>(device: &'a DeviceId, thumbprint: &'a [u8; 32]) -> Asker<'a> {
    Asker {
        address: None,
        certificate: Some(Certificate { device, thumbprint }),
    }
}

#[test]
fn a_url_of_strength_device_is_good_with_its_certificate_alone() {
    let (lamp, other) = (device("lamp-7"), device("lamp-8"));
    let query = mint("lamp-7", Bound::Device);
    assert_eq!(
        check_from(&query, &with(&lamp, &[1; 32])).unwrap().strength,
        Strength::Device
    );
    assert_eq!(check_from(&query, &NOBODY), Err(Refused::NoCertificate));
    let refused = check_from(&query, &with(&other, &[1; 32])).unwrap_err();
    assert_eq!(refused.reason(), "other-device");
}

#[test]
fn a_credential_reads_one_artifact_with_one_certificate_for_a_time() {
    let (lamp, other) = (device("lamp-7"), device("lamp-8"));
    let own = with(&lamp, &[1; 32]);
    let certificate = own.certificate.unwrap();
    let token = grants(1).mint_credential(&DIGEST, &certificate, in_an_hour());
    let check = |digest, asker: &Asker<'_>, now| {
        let checked = grants(1).check_credential(&digest, &token, asker, now);
        checked
            .map(|granted| granted.kind)
            .map_err(|refused| refused.reason())
    };
    assert_eq!(check(DIGEST, &own, NOW), Ok(GrantKind::Credential));
    assert_eq!(check(DIGEST, &NOBODY, NOW), Err("no-certificate"));
    assert_eq!(
        check(DIGEST, &with(&other, &[1; 32]), NOW),
        Err("other-device")
    );
    assert_eq!(
        check(DIGEST, &with(&lamp, &[2; 32]), NOW),
        Err("other-certificate")
    );
    assert_eq!(
        check(Digest::from_bytes([8; 32]), &own, NOW),
        Err("other-artifact")
    );
    assert_eq!(check(DIGEST, &own, in_an_hour()), Err("expired"));
    let foreign = grants(2).check_credential(&DIGEST, &token, &own, NOW);
    assert_eq!(foreign, Err(Refused::BadSignature));
    assert!(token.len() < 300, "{}", token.len());
}

#[test]
fn reasons_stand_in_their_places() {
    let refused = Refused::OtherArtifact;
    assert_eq!(Refused::REASONS[refused.place()], refused.reason());
    assert_eq!(refused.reason(), "other-artifact");
}

proptest! {
    #[test]
    fn one_byte_altered_is_refused(id in "[A-Za-z0-9:_.-]{3,20}", at: prop::sample::Index, to: u8) {
        let mut query = minted(&id).into_bytes();
        let at = at.index(query.len());
        prop_assume!(query[at] != to);
        query[at] = to;
        if let Ok(query) = std::str::from_utf8(&query) {
            prop_assert!(check(query).is_err(), "{query}");
        }
    }

    #[test]
    fn one_byte_more_or_less_is_refused(at: prop::sample::Index, byte in "[ -~]") {
        let query = minted("lamp-7");
        let at = at.index(query.len());
        let mut less = query.clone();
        less.remove(at);
        prop_assert!(check(&less).is_err(), "{less}");
        let mut more = query;
        more.insert_str(at, &byte);
        prop_assert!(check(&more).is_err(), "{more}");
    }

    #[test]
    fn one_byte_of_a_credential_altered_is_refused(at: prop::sample::Index, to in "[A-Za-z0-9_-]") {
        let lamp = device("lamp-7");
        let own = with(&lamp, &[1; 32]);
        let token = grants(1).mint_credential(&DIGEST, &own.certificate.unwrap(), in_an_hour());
        let at = at.index(token.len());
        let mut altered = token.clone();
        altered.replace_range(at..=at, &to);
        prop_assume!(altered != token);
        prop_assert!(grants(1).check_credential(&DIGEST, &altered, &own, NOW).is_err(), "{altered}");
    }

    #[test]
    fn what_was_never_minted_is_no_credential(token in "(rfc_)?[A-Za-z0-9_-]{0,400}") {
        let lamp = device("lamp-7");
        prop_assert!(grants(1).check_credential(&DIGEST, &token, &with(&lamp, &[1; 32]), NOW).is_err());
    }

    #[test]
    fn one_byte_of_a_bound_url_altered_is_refused(at: prop::sample::Index, to in "[ -~]") {
        let lamp = device("lamp-7");
        let network = refit_protocol::network::Cidr::parse("203.0.113.7/32").unwrap();
        for bound in [Bound::Network(network), Bound::Device] {
            let query = mint("lamp-7", bound);
            let at = at.index(query.len());
            let mut altered = query.clone();
            altered.replace_range(at..=at, &to);
            prop_assume!(altered != query);
            let asker = Asker { address: Some("203.0.113.7".parse().unwrap()), ..with(&lamp, &[1; 32]) };
            prop_assert!(check_from(&altered, &asker).is_err(), "{altered}");
        }
    }

    #[test]
    fn what_was_never_minted_is_refused(query in "\\PC{0,200}") {
        prop_assert!(check(&query).is_err());
    }
}
