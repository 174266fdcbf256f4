//! Renewal, proofs, factories and revocation, on a real store and CA; the certificate is handed over as TLS would.

use rcgen::{
    CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, PublicKeyData, SigningKey,
};
use refit_engine::driver::{Engine, Parts};
use refit_engine::events::Since;
use refit_engine::releases::Releases;
use refit_engine::send::{Grantor, Minted, Wanted};
use refit_engine::shard::Settings;
use refit_identity::IdPattern;
use refit_identity::validity::DAY_MS;
use refit_protocol::enrolment::proof_message;
use refit_protocol::grant::Ungranted;
use refit_replica::input::Policy;
use refit_store::audit::{AuditFilter, AuditFrom};
use refit_store::sqlite::{Options, SqliteStore};
use serde_json::Map;

use super::*;
use crate::identity::authority::Factory;

const NOW: Timestamp = Timestamp(1_795_478_400_000);
const YEAR_MS: u64 = 365 * DAY_MS;

struct NoGrants;

impl Grantor for NoGrants {
    fn mint(&self, _: &Wanted<'_>, _: Timestamp) -> Result<Minted, Ungranted> {
        Err(Ungranted::ALL[0])
    }
}

/// Somebody who makes changes.
fn by() -> Author {
    Author {
        actor: "token:test".into(),
        source: None,
        request: Some("r1".into()),
    }
}

struct Bench {
    office: Office,
    engine: Option<Engine>,
    factory: Issuer<'static, KeyPair>,
    home: tempfile::TempDir,
}

fn authority_params(name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    params
}

fn at(days: u64) -> Timestamp {
    Timestamp(NOW.0 + days * DAY_MS)
}

fn device(name: &str) -> DeviceId {
    DeviceId::parse(name).unwrap()
}

fn pem_of(label: &str, der: &[u8]) -> String {
    use base64::Engine;
    let text = base64::engine::general_purpose::STANDARD.encode(der);
    let lines: Vec<&str> = (0..text.len())
        .step_by(64)
        .map(|at| &text[at..text.len().min(at + 64)])
        .collect();
    let lines = lines.join("\n");
    format!("-----BEGIN {label}-----\n{lines}\n-----END {label}-----\n")
}

fn csr_of(key: &KeyPair) -> String {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    pem_of(
        "CERTIFICATE REQUEST",
        params.serialize_request(key).unwrap().der(),
    )
}

fn key() -> KeyPair {
    KeyPair::generate().unwrap()
}

fn peer_of(given: &Given) -> Peer {
    Peer::read(&pem::certificates(&given.chain).unwrap()[0]).unwrap()
}

impl Bench {
    fn new() -> Self {
        let home = tempfile::tempdir().unwrap();
        let store: Arc<dyn Store> = Arc::new(SqliteStore::open(Options::new(home.path())).unwrap());
        let engine = Engine::start(Parts {
            store: Arc::clone(&store),
            grantor: Arc::new(NoGrants),
            releases: Arc::new(Releases::default()),
            settings: Settings {
                policy: Policy::default(),
                epoch: 0,
                devices_max: 10,
                unknown_devices_join: true,
            },
        })
        .unwrap();
        let mut authority = Authority::open(home.path(), None, &*store, NOW).unwrap();
        let (params, factory_key) = (authority_params("Lamps Ltd"), key());
        authority.trust_factory(Factory {
            authority: params.self_signed(&factory_key).unwrap().der().to_vec(),
            pattern: IdPattern::parse("lamp-*").unwrap(),
        });
        let identities = Arc::new(Identities::new(store.reader().unwrap().barred().unwrap()));
        let fleet = engine.fleet().clone();
        Self {
            office: Office::new(store, fleet, Arc::new(authority), identities, [9; 32]),
            engine: Some(engine),
            factory: Issuer::new(params, factory_key),
            home,
        }
    }

    /// A certificate that the factory made.
    fn made_by_factory(&self, name: &str, by: &Issuer<'static, KeyPair>, key: &KeyPair) -> Peer {
        let mut params = CertificateParams::default();
        params.distinguished_name = DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, name);
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        Peer::read(params.signed_by(key, by).unwrap().der()).unwrap()
    }

    fn enrol(&self, name: &str, key: &KeyPair, now: Timestamp) -> Result<Given, Problem> {
        let factory_key = self::key();
        let peer = self.made_by_factory(name, &self.factory, &factory_key);
        self.enrol_with(&peer, key, now)
    }

    fn enrol_with(&self, peer: &Peer, key: &KeyPair, now: Timestamp) -> Result<Given, Problem> {
        let asks = Enrol {
            token: None,
            id: None,
            csr: csr_of(key),
            attributes: Map::new(),
        };
        self.office.enrol(asks, Some(peer), &by(), now)
    }

    fn renew(&self, peer: &Peer, key: &KeyPair, now: Timestamp) -> Result<Given, Problem> {
        self.office
            .renew(&Renew { csr: csr_of(key) }, peer, &by(), now)
    }

    fn proof(&self, old: &Given, by: &KeyPair, new: &KeyPair, now: Timestamp) -> RenewExpired {
        let nonce = self.office.nonce(now).unwrap().nonce;
        let csr = csr_of(new);
        let digest = Csr::from_pem(&csr).unwrap().digest;
        RenewExpired {
            certificate: old.chain.clone(),
            signature: by.sign(&proof_message(&nonce, &digest)).unwrap(),
            csr,
            nonce,
        }
    }

    fn events(&self) -> Vec<EventKind> {
        match self.office.fleet.feed().since(0, 100) {
            Since::Events(events) => events.iter().map(|event| event.kind.clone()).collect(),
            Since::TooOld { .. } => Vec::new(),
        }
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        if let Some(engine) = self.engine.take() {
            engine.stop();
        }
        assert!(self.home.path().exists());
    }
}

#[track_caller]
fn refused<T: std::fmt::Debug>(result: Result<T, Problem>, kind: Kind) {
    let problem = result.expect_err("it should be refused");
    assert_eq!(problem.kind, kind, "{}", problem.detail());
}

#[test]
fn a_factorys_certificate_enrols_its_own_ids_and_does_nothing_else() {
    let bench = Bench::new();
    let (factory_key, own) = (key(), key());
    let peer = bench.made_by_factory("lamp-7", &bench.factory, &factory_key);
    assert_eq!(bench.office.standing(&peer, NOW), Err(Barred::NotEnrolled));
    refused(bench.renew(&peer, &own, NOW), Kind::DeviceBarred);
    let given = bench.enrol_with(&peer, &own, NOW).unwrap();
    assert_eq!(given.device, device("lamp-7"));
    let ours = peer_of(&given);
    assert_eq!(bench.office.standing(&ours, NOW), Ok(()));
    refused(bench.enrol_with(&ours, &key(), NOW), Kind::Conflict);
    refused(bench.enrol("door-1", &key(), NOW), Kind::EnrolmentRefused);
    let (params, stranger_key) = (authority_params("Lamps Ltd"), key());
    let stranger = Issuer::new(params, stranger_key);
    let foreign = bench.made_by_factory("lamp-8", &stranger, &key());
    refused(
        bench.enrol_with(&foreign, &key(), NOW),
        Kind::EnrolmentRefused,
    );
}

#[test]
fn a_factory_that_takes_our_issuers_name_is_not_our_issuer() {
    let bench = Bench::new();
    let own = bench.enrol("lamp-7", &key(), NOW).unwrap();
    let issuer = pem::certificates(&own.chain).unwrap().remove(1);
    let params = Issuer::from_ca_cert_der(&issuer.as_slice().into(), key()).unwrap();
    let forged = bench.made_by_factory("lamp-9", &params, &key());
    assert_eq!(
        forged.issuer,
        peer_of(&own).issuer,
        "it says that we made it"
    );
    assert_eq!(
        bench.office.standing(&forged, NOW),
        Err(Barred::NotEnrolled)
    );
}

#[test]
fn a_device_renews_over_its_own_identity() {
    let bench = Bench::new();
    let first = bench.enrol("lamp-7", &key(), NOW).unwrap();
    let second_key = key();
    let second = bench.renew(&peer_of(&first), &second_key, at(200)).unwrap();
    assert_eq!(second.validity.not_after, Timestamp(at(200).0 + YEAR_MS));
    assert_ne!(second.chain, first.chain);
    let again = bench.renew(&peer_of(&first), &second_key, at(201)).unwrap();
    assert_eq!(again.chain, second.chain, "the answer may have been lost");
    assert_eq!(bench.office.standing(&peer_of(&first), at(201)), Ok(()));
    let third = bench.renew(&peer_of(&second), &key(), at(400)).unwrap();
    assert_eq!(bench.office.standing(&peer_of(&third), at(400)), Ok(()));
    assert_eq!(
        bench.office.standing(&peer_of(&first), at(400)),
        Err(Barred::NotNow),
        "a resumed session looks at no clock"
    );
    refused(
        bench.renew(&peer_of(&first), &key(), at(400)),
        Kind::DeviceBarred,
    );
}

#[test]
fn two_keys_for_one_certificate_hold_both() {
    let bench = Bench::new();
    let first = bench.enrol("lamp-7", &key(), NOW).unwrap();
    let second = bench.renew(&peer_of(&first), &key(), at(1)).unwrap();
    refused(
        bench.renew(&peer_of(&first), &key(), at(2)),
        Kind::DeviceBarred,
    );
    for held in [&first, &second] {
        assert_eq!(
            bench.office.standing(&peer_of(held), at(2)),
            Err(Barred::Cloned)
        );
    }
    let cloned = EventKind::Identity(IdentityAct::Cloned);
    assert_eq!(bench.events().iter().filter(|e| **e == cloned).count(), 1);
    // Who is who, an operator finds out; the keys that were held stay out.
    bench
        .office
        .allow_key(&by(), &device("lamp-7"), at(3))
        .unwrap();
    let fresh = bench.enrol("lamp-7", &key(), at(3)).unwrap();
    assert_eq!(bench.office.standing(&peer_of(&fresh), at(3)), Ok(()));
    for held in [&first, &second] {
        let standing = bench.office.standing(&peer_of(held), at(3));
        assert_eq!(standing, Err(Barred::Revoked));
    }
}

#[test]
fn an_expired_certificate_is_renewed_with_proof_of_its_key_within_the_grace() {
    let bench = Bench::new();
    let (old_key, new_key) = (key(), key());
    let old = bench.enrol("lamp-7", &old_key, NOW).unwrap();
    let now = at(600);
    let office = &bench.office;
    let stolen = bench.proof(&old, &new_key, &new_key, now);
    refused(
        office.renew_expired(&stolen, &by(), now),
        Kind::EnrolmentRefused,
    );
    let mut other = bench.proof(&old, &old_key, &new_key, now);
    other.csr = csr_of(&key());
    refused(
        office.renew_expired(&other, &by(), now),
        Kind::EnrolmentRefused,
    );
    let right = bench.proof(&old, &old_key, &new_key, now);
    let late = Timestamp(now.0 + 6 * 60_000);
    refused(
        office.renew_expired(&right, &by(), late),
        Kind::EnrolmentRefused,
    );
    let given = office.renew_expired(&right, &by(), now).unwrap();
    assert_eq!(office.standing(&peer_of(&given), now), Ok(()));
    refused(
        office.renew_expired(&right, &by(), now),
        Kind::EnrolmentRefused,
    );
    let too_late = at(365 + 366);
    let proof = bench.proof(&old, &old_key, &new_key, too_late);
    refused(
        office.renew_expired(&proof, &by(), too_late),
        Kind::EnrolmentRefused,
    );
}

#[test]
fn a_proof_for_a_certificate_that_is_not_ours_is_nothing() {
    let bench = Bench::new();
    let factory_key = key();
    let peer = bench.made_by_factory("lamp-7", &bench.factory, &factory_key);
    let given = Given {
        device: peer.device.clone(),
        chain: pem_of("CERTIFICATE", &peer.der),
        validity: Validity {
            not_before: peer.not_before,
            not_after: peer.not_after,
        },
    };
    let proof = bench.proof(&given, &factory_key, &key(), NOW);
    let said = bench.office.renew_expired(&proof, &by(), NOW);
    refused(said, Kind::EnrolmentRefused);
}

#[test]
fn what_is_revoked_is_out_at_once_and_beyond_its_expiry() {
    let bench = Bench::new();
    let office = &bench.office;
    let old_key = key();
    let old = bench.enrol("lamp-7", &old_key, NOW).unwrap();
    let act = IdentityAct::Revoked;
    office
        .bar(&by(), &device("lamp-7"), Standing::Revoked, act, at(1))
        .unwrap();
    let standing = office.standing(&peer_of(&old), at(1));
    assert_eq!(standing, Err(Barred::Revoked));
    refused(
        bench.renew(&peer_of(&old), &key(), at(1)),
        Kind::DeviceBarred,
    );
    let proof = bench.proof(&old, &old_key, &key(), at(500));
    refused(
        office.renew_expired(&proof, &by(), at(500)),
        Kind::DeviceBarred,
    );
    // What is in memory comes from the store at the next start.
    let barred = office.store.reader().unwrap().barred().unwrap();
    let anew = Identities::new(barred);
    assert_eq!(anew.standing(&peer_of(&old), at(1)), Err(Barred::Revoked));
}

#[test]
fn a_clock_that_cannot_be_right_signs_nothing() {
    let bench = Bench::new();
    for wrong in [Timestamp(0), Timestamp(4_294_967_295_000)] {
        refused(bench.enrol("lamp-7", &key(), wrong), Kind::Unavailable);
    }
    assert!(bench.enrol("lamp-7", &key(), NOW).is_ok());
}

#[test]
fn the_listener_is_told_whom_to_let_in() {
    let bench = Bench::new();
    let authorities = bench.office.authority.client_authorities();
    assert_eq!(authorities.len(), 3, "the root, the issuer, the factory");
    let issuer = refit_identity::thumbprint(&authorities[1]);
    assert_eq!(bench.office.authority.presented(), issuer);
    assert!(!bench.factory.key().der_bytes().is_empty());
}

#[test]
fn what_a_new_key_replaced_is_barred_for_a_connection_that_was_just_let_in() {
    let bench = Bench::new();
    let office = &bench.office;
    let old = bench.enrol("lamp-7", &key(), NOW).unwrap();
    let held = |given: &Given| Some(peer_of(given).thumbprint);
    let lamp = device("lamp-7");
    assert!(!office.identities.bars(&lamp, held(&old)));
    office.allow_key(&by(), &lamp, at(1)).unwrap();
    let new = bench.enrol("lamp-7", &key(), at(1)).unwrap();
    // The device is barred no longer, or never was: its certificate is.
    assert!(!office.identities.bars(&lamp, None));
    assert!(office.identities.bars(&lamp, held(&old)));
    assert!(!office.identities.bars(&lamp, held(&new)));
}

#[test]
fn each_certificate_that_a_device_gets_or_loses_is_in_the_audit_log() {
    let bench = Bench::new();
    let first = bench.enrol("lamp-7", &key(), NOW).unwrap();
    let second_key = key();
    bench.renew(&peer_of(&first), &second_key, at(1)).unwrap();
    // The same again issues nothing; another key holds the device.
    bench.renew(&peer_of(&first), &second_key, at(2)).unwrap();
    refused(
        bench.renew(&peer_of(&first), &key(), at(3)),
        Kind::DeviceBarred,
    );
    let mut reader = bench.office.store.reader().unwrap();
    let lines = reader.audit(AuditFrom::After(0), &AuditFilter::default(), 9);
    let lines: Vec<_> = lines.unwrap().into_iter().map(|line| line.entry).collect();
    let actions: Vec<_> = lines.iter().map(|line| line.action.as_str()).collect();
    assert_eq!(actions, ["device:enrol", "device:renew", "device:renew"]);
    assert!(
        lines
            .iter()
            .all(|line| line.actor == "device:lamp-7" && line.target == line.actor)
    );
    let after = |line: usize| lines[line].after.as_deref().unwrap();
    assert!(after(1).contains("certificate"));
    assert_eq!(after(2), r#"{"standing":"cloned"}"#);
}
