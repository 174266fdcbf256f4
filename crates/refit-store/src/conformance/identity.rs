//! Identities: a token counts down, an ID gets one key, a certificate is renewed to one key (semantics 17).

use std::thread;

use refit_protocol::claim::ClaimId;
use refit_protocol::time::Timestamp;
use serde_json::{Map, json};

use crate::conformance::{Place, device, digest, must, object, plain, reader, write};
use crate::identity::{
    CertificateRow, CertificateState, ClaimRow, Enrolment, IdentityChange, IdentityOutcome,
    REGISTER_MAX, Refusal, Renewal, Standing, TrustCount,
};
use crate::store::Store;

const CLAIM: ClaimId = ClaimId([1; 8]);

fn claim(devices: u64) -> ClaimRow {
    ClaimRow {
        id: CLAIM,
        hash: [7; 32],
        devices,
        left: devices,
        pattern: Some("d*".into()),
        attributes: object(json!({"site": "north"})),
        created: Timestamp(100),
        expires: Timestamp(1000),
        revoked: None,
    }
}

fn certificate(name: &str, key: u8, print: u8) -> CertificateRow {
    CertificateRow {
        thumbprint: digest(print),
        device: device(name),
        key: digest(key),
        serial: vec![print; 16],
        issuer: digest(200),
        not_before: Timestamp(90),
        not_after: Timestamp(5000),
        state: CertificateState::Active,
        previous: None,
        claim: Some(CLAIM),
        chain: format!("chain {print}"),
    }
}

fn asks(certificate: CertificateRow, at: u64) -> IdentityChange {
    IdentityChange::Enrol(Box::new(Enrolment {
        certificate,
        attributes: object(json!({"site": "north"})),
        claimed: object(json!({"model": "m1"})),
        at: Timestamp(at),
    }))
}

fn renews(old: &CertificateRow, key: u8, print: u8, at: u64) -> IdentityChange {
    IdentityChange::Renew(Box::new(Renewal {
        old: old.clone(),
        certificate: CertificateRow {
            previous: Some(old.thumbprint),
            claim: None,
            not_after: Timestamp(at + 5000),
            ..certificate(old.device.as_str(), key, print)
        },
        at: Timestamp(at),
    }))
}

fn bar(name: &str, standing: Standing) -> IdentityChange {
    IdentityChange::Bar {
        device: device(name),
        standing,
        at: Timestamp(300),
    }
}

fn allow(name: &str) -> IdentityChange {
    IdentityChange::AllowKey {
        device: device(name),
        at: Timestamp(400),
    }
}

#[track_caller]
fn done(store: &dyn Store, change: IdentityChange) -> IdentityOutcome {
    // To try it tells the same, and changes nothing: else the change itself would be told something else.
    let tried = must(store.try_identity(change.clone()));
    let done = must(store.change_identity(change, None));
    assert_eq!(tried, done);
    done
}

#[track_caller]
fn issued(store: &dyn Store, change: IdentityChange) {
    let outcome = done(store, change);
    assert!(
        matches!(outcome, IdentityOutcome::Issued { .. }),
        "{outcome:?}"
    );
}

#[track_caller]
fn refused(store: &dyn Store, change: IdentityChange, why: Refusal) {
    assert_eq!(done(store, change), IdentityOutcome::Refused(why));
}

#[track_caller]
fn left(store: &dyn Store) -> u64 {
    must(reader(store).claim(CLAIM)).map_or(u64::MAX, |claim| claim.left)
}

fn with_claim(place: &dyn Place, devices: u64) -> Box<dyn Store> {
    let store = place.open();
    let made = done(&*store, IdentityChange::AddClaim(claim(devices)));
    assert_eq!(made, IdentityOutcome::Done);
    store
}

/// What is read is what was made; a restart keeps it.
pub fn what_was_enrolled_is_kept(place: &dyn Place) {
    let store = with_claim(place, 2);
    let taken = done(&*store, IdentityChange::AddClaim(claim(5)));
    assert_eq!(taken, IdentityOutcome::Taken);
    issued(&*store, asks(certificate("d1", 1, 1), 200));
    drop(store);
    let store = place.open();
    let mut reader = reader(&*store);
    assert_eq!(
        must(reader.claims()),
        [ClaimRow {
            left: 1,
            ..claim(2)
        }]
    );
    assert_eq!(
        must(reader.certificates_of(&device("d1"))),
        [certificate("d1", 1, 1)]
    );
    let identity = must(reader.identity(&device("d1")));
    let identity = identity.as_ref();
    assert_eq!(identity.map(|i| i.standing), Some(Standing::Enrolled));
    assert_eq!(identity.and_then(|i| i.claim), Some(CLAIM));
    assert_eq!(
        identity.map(|i| i.claimed.clone()),
        Some(object(json!({"model": "m1"})))
    );
    assert_eq!(must(reader.identity(&device("d2"))), None);
}

/// Of a hundred that race with a token for eight, exactly eight succeed.
pub fn of_a_hundred_that_race_as_many_succeed_as_the_token_says(place: &dyn Place) {
    let store = with_claim(place, 8);
    let outcomes: Vec<_> = thread::scope(|scope| {
        let racers: Vec<_> = (0..100_u8)
            .map(|n| {
                let store = &*store;
                let asks = asks(certificate(&format!("d{n}"), n, n), 200);
                scope.spawn(move || must(store.change_identity(asks, None)))
            })
            .collect();
        racers
            .into_iter()
            .flat_map(thread::ScopedJoinHandle::join)
            .collect()
    });
    assert_eq!(outcomes.len(), 100);
    let succeeded = outcomes
        .iter()
        .filter(|outcome| matches!(outcome, IdentityOutcome::Issued { .. }));
    assert_eq!(succeeded.count(), 8);
    let used_up = IdentityOutcome::Refused(Refusal::ClaimUsedUp);
    assert_eq!(outcomes.iter().filter(|o| **o == used_up).count(), 92);
    assert_eq!(left(&*store), 0);
}

/// The answer was lost: the same key gets the same certificate, and is counted once, even by a token that is used up.
pub fn the_same_key_again_gets_the_same_certificate(place: &dyn Place) {
    let store = with_claim(place, 1);
    issued(&*store, asks(certificate("d1", 1, 1), 200));
    let again = done(&*store, asks(certificate("d1", 1, 2), 300));
    let first = Box::new(certificate("d1", 1, 1));
    assert_eq!(again, IdentityOutcome::Already(first));
    assert_eq!(left(&*store), 0);
    let other = asks(certificate("d2", 1, 3), 300);
    refused(&*store, other, Refusal::KeyKnown);
    let later = asks(certificate("d1", 1, 4), 1000);
    refused(&*store, later, Refusal::ClaimExpired);
}

/// A token never enrols an ID that has, or had, a key; an operator allows one new key, once.
pub fn an_id_gets_one_key(place: &dyn Place) {
    let store = with_claim(place, 9);
    issued(&*store, asks(certificate("d1", 1, 1), 200));
    refused(&*store, asks(certificate("d1", 2, 2), 200), Refusal::HasKey);
    assert_eq!(done(&*store, allow("d1")), IdentityOutcome::Done);
    assert_eq!(
        done(&*store, asks(certificate("d1", 2, 3), 500)),
        IdentityOutcome::Issued {
            revoked: vec![digest(1)]
        }
    );
    refused(&*store, asks(certificate("d1", 3, 4), 500), Refusal::HasKey);
    assert_eq!(left(&*store), 7);
    assert_eq!(done(&*store, allow("d7")), IdentityOutcome::Missing);
    assert_eq!(must(reader(&*store).barred()).certificates, [digest(1)]);
}

/// Each way in which a token can be no good has its name.
pub fn a_token_that_is_no_good_says_why(place: &dyn Place) {
    let store = place.open();
    let ask = |at| asks(certificate("d1", 1, 1), at);
    refused(&*store, ask(200), Refusal::NoSuchClaim);
    assert_eq!(
        done(&*store, IdentityChange::AddClaim(claim(1))),
        IdentityOutcome::Done
    );
    refused(&*store, ask(1000), Refusal::ClaimExpired);
    let revoke = IdentityChange::RevokeClaim {
        id: CLAIM,
        at: Timestamp(150),
    };
    assert_eq!(done(&*store, revoke.clone()), IdentityOutcome::Done);
    assert_eq!(done(&*store, revoke), IdentityOutcome::Missing);
    refused(&*store, ask(200), Refusal::ClaimRevoked);
    assert_eq!(left(&*store), 1);
}

/// A revoked device gets nothing, whatever it shows, until an operator allows a new key; its old key never comes back.
pub fn what_is_revoked_stays_revoked(place: &dyn Place) {
    let store = with_claim(place, 9);
    let first = certificate("d1", 1, 1);
    issued(&*store, asks(first.clone(), 200));
    issued(&*store, renews(&first, 2, 2, 250));
    assert_eq!(
        done(&*store, bar("d1", Standing::Revoked)),
        IdentityOutcome::Barred {
            revoked: vec![digest(1), digest(2)]
        }
    );
    let twice = done(&*store, bar("d1", Standing::Revoked));
    assert_eq!(twice, IdentityOutcome::Missing);
    refused(&*store, renews(&first, 3, 3, 400), Refusal::Revoked);
    refused(
        &*store,
        asks(certificate("d1", 1, 4), 400),
        Refusal::Revoked,
    );
    drop(store);
    let store = place.open();
    let barred = must(reader(&*store).barred());
    assert_eq!(barred.devices, [(device("d1"), Standing::Revoked)]);
    assert_eq!(done(&*store, allow("d1")), IdentityOutcome::Done);
    refused(
        &*store,
        asks(certificate("d1", 1, 5), 500),
        Refusal::Revoked,
    );
    refused(
        &*store,
        asks(certificate("d1", 2, 5), 500),
        Refusal::Revoked,
    );
    issued(&*store, asks(certificate("d1", 6, 6), 500));
    let barred = must(reader(&*store).barred());
    assert_eq!(barred.devices, []);
    let mut certificates = barred.certificates;
    certificates.sort();
    assert_eq!(certificates, [digest(1), digest(2)]);
}

/// A retired device stays out, and one that never came can be barred before it does.
pub fn a_retired_device_stays_out(place: &dyn Place) {
    let store = with_claim(place, 9);
    for name in ["d1", "d2"] {
        let barred = done(&*store, bar(name, Standing::Retired));
        assert_eq!(barred, IdentityOutcome::Barred { revoked: vec![] });
    }
    refused(
        &*store,
        asks(certificate("d1", 1, 1), 400),
        Refusal::Retired,
    );
    let old = certificate("d2", 2, 2);
    refused(&*store, renews(&old, 2, 3, 400), Refusal::Retired);
    let revoked = done(&*store, bar("d3", Standing::Revoked));
    assert_eq!(revoked, IdentityOutcome::Barred { revoked: vec![] });
    refused(
        &*store,
        asks(certificate("d3", 3, 4), 400),
        Refusal::Revoked,
    );
    assert_eq!(left(&*store), 9);
}

/// A renewal is repeated without harm; to a second key it is not, and then both keys are held.
pub fn a_certificate_is_renewed_to_one_key(place: &dyn Place) {
    let store = with_claim(place, 9);
    let first = certificate("d1", 1, 1);
    issued(&*store, asks(first.clone(), 200));
    issued(&*store, renews(&first, 2, 2, 250));
    let again = done(&*store, renews(&first, 2, 3, 260));
    assert!(
        matches!(&again, IdentityOutcome::Already(row) if row.thumbprint == digest(2)),
        "{again:?}"
    );
    let states: Vec<_> = must(reader(&*store).certificates_of(&device("d1")))
        .iter()
        .map(|row| row.state)
        .collect();
    assert_eq!(
        states,
        [CertificateState::Active, CertificateState::Superseded]
    );
    // The answer may never have come, and a year later what was issued then has expired as well.
    issued(&*store, renews(&first, 2, 4, 9_000));
    refused(&*store, renews(&first, 3, 5, 9_100), Refusal::Cloned);
    let second = certificate("d1", 2, 4);
    refused(&*store, renews(&second, 2, 6, 9_200), Refusal::Held);
    refused(&*store, asks(certificate("d1", 9, 7), 900), Refusal::Held);
    let barred = must(reader(&*store).barred());
    assert_eq!(barred.devices, [(device("d1"), Standing::Cloned)]);
}

/// A store that was restored from a copy does not know each certificate; its device is not locked out.
pub fn a_certificate_that_was_forgotten_can_be_renewed(place: &dyn Place) {
    let store = place.open();
    let forgotten = CertificateRow {
        claim: None,
        ..certificate("d1", 1, 1)
    };
    issued(&*store, renews(&forgotten, 2, 2, 250));
    refused(
        &*store,
        asks(certificate("d1", 3, 3), 250),
        Refusal::NoSuchClaim,
    );
    let known = must(reader(&*store).certificates_of(&device("d1")));
    assert_eq!(known.len(), 2);
    refused(&*store, renews(&forgotten, 4, 4, 260), Refusal::Cloned);
}

/// IDs can be known before their devices come; what is said of one ID outweighs what a token says of many.
pub fn ids_can_be_registered_first(place: &dyn Place) {
    let store = with_claim(place, 9);
    let list = |site: &str| IdentityChange::Register {
        devices: ["d1", "d2"]
            .map(|name| (device(name), object(json!({"site": site, "rack": 4}))))
            .to_vec(),
        at: Timestamp(150),
    };
    let fresh = done(&*store, list("west"));
    assert_eq!(fresh, IdentityOutcome::Registered(vec![true, true]));
    let again = done(&*store, list("south"));
    assert_eq!(again, IdentityOutcome::Registered(vec![false, false]));
    issued(&*store, asks(certificate("d1", 1, 1), 200));
    let identity = must(reader(&*store).identity(&device("d1")));
    assert_eq!(
        identity.map(|i| i.attributes),
        Some(object(json!({"site": "south", "rack": 4})))
    );
    let many = (0..=REGISTER_MAX).map(|n| (device(&format!("d{n}")), Map::new()));
    let many = IdentityChange::Register {
        devices: many.collect(),
        at: Timestamp(150),
    };
    assert_eq!(done(&*store, many), IdentityOutcome::TooMany);
}

/// Trust bundles are numbered from 1; who moved is counted from what devices report.
pub fn trust_is_numbered_and_counted(place: &dyn Place) {
    let store = with_claim(place, 9);
    for (n, roots) in [(1, "a"), (2, "b")] {
        let add = IdentityChange::AddTrust {
            roots: roots.into(),
            issuers: format!("issuer of {roots}"),
            at: Timestamp(n),
        };
        assert_eq!(done(&*store, add), IdentityOutcome::Trust(n));
    }
    let newest = must(reader(&*store).trust(1));
    let newest: Vec<_> = newest.iter().map(|t| (t.number, &*t.issuers)).collect();
    assert_eq!(newest, [(2, "issuer of b")]);
    for (name, seen, reported) in [
        ("a", 50, json!({"agent": {"trust": 2}})),
        ("b", 50, json!({"agent": {"trust": 1}})),
        ("c", 50, json!({"agent": {"trust": "x"}})),
        ("d", 50, json!({"agent": 5})),
        ("e", 50, json!({})),
        ("f", 50, json!({"agent": {"trust": -1}})),
        ("g", 10, json!({"agent": {"trust": 1}})),
    ] {
        let mut record = plain(1);
        record.reported = object(reported);
        let mut operation = write(&device(name), None, record);
        operation.seen = Some(Timestamp(seen));
        must(store.commit(vec![operation]));
    }
    let count = |number, devices| TrustCount { number, devices };
    assert_eq!(
        must(reader(&*store).trust_counts(Timestamp(40))),
        [count(0, 4), count(1, 1), count(2, 1)]
    );
    issued(&*store, asks(certificate("d1", 1, 1), 200));
    issued(&*store, asks(certificate("d2", 2, 2), 200));
    let issuers = must(reader(&*store).issuers(Timestamp(300)));
    let shown: Vec<_> = issuers
        .iter()
        .map(|i| (i.issuer, i.certificates, i.first_expiry))
        .collect();
    assert_eq!(shown, [(digest(200), 2, Timestamp(5000))]);
    assert_eq!(must(reader(&*store).issuers(Timestamp(5000))), []);
    let holders = |issuer, at| must(reader(&*store).holders_of_others(digest(issuer), at));
    assert_eq!(holders(201, Timestamp(300)), [device("d1"), device("d2")]);
    assert_eq!(holders(200, Timestamp(300)), []);
    assert_eq!(holders(201, Timestamp(5000)), []);
}
