//! What operators say of devices: bounded, apart from the record, and gone with the device. And the scan that an index
//! over the fleet is built from.

use std::collections::BTreeMap;

use refit_access::audit::Entry;
use refit_protocol::claim::ClaimId;
use refit_protocol::device_id::DeviceId;
use refit_protocol::job::Status;
use refit_protocol::software_url::depot_url;
use refit_protocol::time::Timestamp;
use refit_replica::record::{JobEntry, Record, Stage, Withheld};
use serde_json::{Value, json};

use crate::audit::{AuditFilter, AuditFrom};
use crate::conformance::{
    Place, applied, device, digest, entry as entry_of, job_id, loaded, made, must, object,
    open_job, plain, reader, record, url, write,
};
use crate::facts::{Edit, Facts, FactsChange, FactsError, FactsOutcome, ScanRow, SoftwareRef};
use crate::identity::{
    CertificateRow, CertificateState, ClaimRow, Enrolment, IdentityChange, Standing,
};
use crate::store::{DeviceKey, Operation, Store};

/// Sets tags, and takes those away that are `None`.
fn tags(id: &DeviceId, tags: &[(&str, Option<&str>)]) -> FactsChange {
    let patch = tags
        .iter()
        .map(|(key, value)| (String::from(*key), value.map(String::from)));
    FactsChange {
        device: id.clone(),
        tags: Edit::Patch(patch.collect()),
        attributes: Edit::none(),
        make: false,
        from: None,
    }
}

fn entry() -> Entry {
    Entry {
        at: Timestamp(9),
        actor: "user/ada".into(),
        action: "device.describe".into(),
        target: "devices".into(),
        source: None,
        request: None,
        before: None,
        after: None,
    }
}

fn change(store: &dyn Store, changes: Vec<FactsChange>) -> Vec<FactsOutcome> {
    must(store.change_facts(changes, Timestamp(9), Some(entry())))
}

fn said(store: &dyn Store, id: &DeviceId) -> Facts {
    match must(reader(store).facts(id)) {
        Some(facts) => facts.operator,
        None => panic!("{id} should be known"),
    }
}

fn lines(store: &dyn Store) -> usize {
    let filter = AuditFilter::default();
    must(reader(store).audit(AuditFrom::After(0), &filter, 99)).len()
}

/// Each line of a slice has an outcome of its own; an edit sets, takes away, or says all anew; a restart keeps it.
pub fn each_change_has_its_outcome(place: &dyn Place) {
    let store = place.open();
    let (a, b, c) = (device("a"), device("b"), device("c"));
    let key = made(&*store, &a).key;
    let all = FactsChange {
        attributes: Edit::Patch(BTreeMap::from([("cores".into(), Some(json!(4)))])),
        ..tags(&a, &[("ring", Some("canary")), ("frozen", Some(""))])
    };
    let new = FactsChange {
        make: true,
        ..tags(&c, &[("ring", Some("late"))])
    };
    let wrong = tags(&a, &[("No Key", Some(""))]);
    let outcomes = change(
        &*store,
        vec![
            all.clone(),
            tags(&b, &[("ring", None)]),
            new,
            wrong,
            all,
            tags(&a, &[("frozen", None)]),
        ],
    );
    let key_of_c = loaded(&*store, &c).key;
    let of = |pairs: &[(&str, &str)], attributes: Value| Facts {
        tags: pairs
            .iter()
            .map(|(k, v)| (String::from(*k), String::from(*v)))
            .collect(),
        attributes: object(attributes),
    };
    let last = of(&[("ring", "canary")], json!({ "cores": 4 }));
    let expected = [
        FactsOutcome::Changed {
            key,
            made: false,
            facts: of(&[("ring", "canary"), ("frozen", "")], json!({ "cores": 4 })),
        },
        FactsOutcome::Missing,
        FactsOutcome::Changed {
            key: key_of_c,
            made: true,
            facts: of(&[("ring", "late")], json!({})),
        },
        FactsOutcome::Refused(FactsError::Key("No Key".into())),
        FactsOutcome::Same(key),
        FactsOutcome::Changed {
            key,
            made: false,
            facts: last.clone(),
        },
    ];
    assert_eq!(outcomes.len(), expected.len());
    // The fifth says again what the first said, so it is the same.
    for (outcome, expected) in outcomes.iter().zip(&expected) {
        assert_eq!(outcome, expected);
    }
    assert_eq!(loaded(&*store, &c).record, Record::default());
    let mut reads = reader(&*store);
    assert_eq!(must(reads.counts()), must(reads.recount()));
    drop((reads, store));
    let store = place.open();
    assert_eq!(said(&*store, &a), last);
    let replaced = FactsChange {
        attributes: Edit::Replace(BTreeMap::new()),
        tags: Edit::Replace(BTreeMap::new()),
        ..tags(&a, &[])
    };
    change(&*store, vec![replaced]);
    assert_eq!(said(&*store, &a), Facts::default());
    assert!(must(reader(&*store).facts(&b)).is_none());
}

/// What would be too much is refused, and what was said stays.
pub fn facts_stay_within_their_bounds(place: &dyn Place) {
    let store = place.open();
    let id = device("a");
    made(&*store, &id);
    let many: Vec<String> = (0..64).map(|n| format!("k{n}")).collect();
    let patch: Vec<_> = many.iter().map(|key| (key.as_str(), Some("v"))).collect();
    change(&*store, vec![tags(&id, &patch)]);
    let outcomes = change(&*store, vec![tags(&id, &[("one-more", Some(""))])]);
    assert_eq!(outcomes, [FactsOutcome::Refused(FactsError::TooMany)]);
    assert_eq!(said(&*store, &id).tags.len(), 64);
}

/// A line of the audit log comes with a change, and only with one.
pub fn a_slice_is_one_line_of_the_audit_log(place: &dyn Place) {
    let store = place.open();
    let ids = [device("a"), device("b")];
    for id in &ids {
        made(&*store, id);
    }
    let changes = || {
        ids.iter()
            .map(|id| tags(id, &[("ring", Some("1"))]))
            .collect()
    };
    change(&*store, changes());
    assert_eq!(lines(&*store), 1);
    change(&*store, changes());
    assert_eq!(lines(&*store), 1);
}

/// What was said of a device goes when it is removed; one that comes again begins without.
pub fn a_removed_device_has_no_facts(place: &dyn Place) {
    let store = place.open();
    let id = device("a");
    let guard = made(&*store, &id);
    change(&*store, vec![tags(&id, &[("ring", Some("1"))])]);
    let gone = Record {
        gone: true,
        version: 2,
        ..Record::default()
    };
    let guard = applied(&*store, write(&id, Some(guard), gone));
    assert_eq!(
        change(&*store, vec![tags(&id, &[("ring", Some("1"))])]),
        [FactsOutcome::Missing]
    );
    applied(&*store, write(&id, Some(guard), plain(3)));
    assert_eq!(said(&*store, &id), Facts::default());
}

/// Whoever has not read what was said last changes nothing, even if all of it was said in one millisecond.
pub fn of_two_that_describe_a_device_one_is_told(place: &dyn Place) {
    let store = place.open();
    let id = device("a");
    let key = made(&*store, &id).key;
    let from = |at: u64, value: Option<&str>| FactsChange {
        from: Some(Timestamp(at)),
        ..tags(&id, &[("ring", value)])
    };
    let first = change(&*store, vec![from(0, Some("1")), from(0, Some("2"))]);
    assert!(matches!(
        first[..],
        [FactsOutcome::Changed { .. }, FactsOutcome::Conflict]
    ));
    let changed =
        |store: &dyn Store| must(reader(store).facts(&id)).and_then(|facts| facts.changed);
    assert_eq!(changed(&*store), Some(Timestamp(9)));
    let again = change(
        &*store,
        vec![from(9, None), from(9, Some("3")), from(10, None)],
    );
    assert!(matches!(again[0], FactsOutcome::Changed { .. }));
    assert_eq!(
        again[1..],
        [FactsOutcome::Conflict, FactsOutcome::Same(key)]
    );
    assert_eq!(changed(&*store), Some(Timestamp(10)));
}

/// A device's own words do not touch what operators say, nor when it was made and first spoke.
pub fn first_times_stay(place: &dyn Place) {
    let store = place.open();
    let id = device("a");
    let mut guard = made(&*store, &id);
    let facts = must(reader(&*store).facts(&id)).unwrap_or_default();
    assert_eq!(
        (facts.created, facts.first_seen, facts.changed),
        (Timestamp(1_001), None, None)
    );
    change(&*store, vec![tags(&id, &[("ring", Some("1"))])]);
    for n in 2..5 {
        let operation = Operation {
            seen: Some(Timestamp(5_000 + n)),
            ..write(&id, Some(guard), plain(n))
        };
        guard = applied(&*store, operation);
    }
    let facts = must(reader(&*store).facts(&id)).unwrap_or_default();
    assert_eq!(
        (facts.created, facts.first_seen, facts.changed),
        (Timestamp(1_001), Some(Timestamp(5_002)), Some(Timestamp(9)))
    );
    assert_eq!(facts.operator.tags["ring"], "1");
}

/// The scan has every device once, in the order of numbers, with what operators, enrolment and the device say.
pub fn a_scan_reads_the_whole_fleet(place: &dyn Place) {
    let store = place.open();
    let ids: Vec<DeviceId> = (0..9).map(|n| device(&format!("d{}", 9 - n))).collect();
    for id in &ids {
        made(&*store, id);
    }
    let (mut rows, mut after) = (Vec::new(), DeviceKey(0));
    let mut reads = reader(&*store);
    loop {
        let page = must(reads.scan(after, 4));
        let Some(last) = page.last() else { break };
        assert!(page.len() <= 4);
        after = last.key;
        rows.extend(page);
    }
    assert!(rows.iter().map(|row| &row.id).eq(&ids));
    assert!(rows.is_sorted_by_key(|row| row.key));
}

/// A row of the scan is the record in short.
pub fn a_row_of_the_scan_has_all_that_an_index_needs(place: &dyn Place) {
    let store = place.open();
    let id = device("a");
    let foreign = "https://store.example/f1?X-Amz-Signature=7";
    let reported = json!({ "softwareURL": foreign, "boot": [1, { "attributes": 1 }],
        "attributes": { "model": "gw", "cores": 4, "ok": true, "deep": {}, "none": null } });
    let mut told = record(3, json!({ "softwareURL": url(1) }), reported);
    told.job = Some(open_job("0-a", 1, Stage::Sent { at: Timestamp(8) }));
    told.held = true;
    let operation = Operation {
        seen: Some(Timestamp(77)),
        ..write(&id, None, told)
    };
    let guard = applied(&*store, operation);
    change(&*store, vec![tags(&id, &[("ring", Some("1"))])]);
    enrol(&*store, &id);
    let row = scanned(&*store);
    let expected = ScanRow {
        key: guard.key,
        id: id.clone(),
        desired: Some(SoftwareRef::Depot(digest(1))),
        reported: Some(SoftwareRef::Other("https://store.example/f1".into())),
        job: Some((Status::Sent, None)),
        ended: None,
        rollout: None,
        pinned: false,
        withheld: None,
        held: true,
        gone: false,
        seen: Some(Timestamp(77)),
        created: Timestamp(1_003),
        operator: Facts {
            tags: BTreeMap::from([("ring".into(), "1".into())]),
            ..Facts::default()
        },
        enrolment: object(json!({ "site": "north" })),
        attributes: object(json!({ "model": "gw", "cores": 4, "ok": true })),
        standing: Some(Standing::Enrolled),
        certificate: Some((CertificateState::Active, Timestamp(5_000))),
        claim: Some(ClaimId([1; 8])),
    };
    assert_eq!(row, expected);

    let withheld = Withheld::Reverted { job: job_id("0-a") };
    let strange = Record {
        withheld: Some(withheld.clone()),
        ..record(
            4,
            json!({ "softwareURL": depot_url("http://other.example", &digest(2)) }),
            json!({ "softwareURL": 7, "attributes": "none" }),
        )
    };
    let failed = JobEntry {
        reason: Some("no space left".into()),
        ..entry_of("0-a", Status::Failed)
    };
    let ended = Operation {
        jobs: vec![entry_of("0-0", Status::Failed), failed],
        ..write(&id, Some(guard), strange)
    };
    let guard = applied(&*store, ended);
    let row = scanned(&*store);
    let reason = Some("no space left".into());
    assert_eq!(row.ended, Some((Status::Failed, reason)));
    assert_eq!(row.desired, Some(SoftwareRef::Depot(digest(2))));
    assert_eq!((row.reported, row.attributes.len()), (None, 0));
    assert_eq!((row.job, row.withheld), (None, Some(withheld)));
    let gone = Record {
        gone: true,
        ..Record::default()
    };
    applied(&*store, write(&id, Some(guard), gone));
    assert!(scanned(&*store).gone);
}

fn scanned(store: &dyn Store) -> ScanRow {
    match must(reader(store).scan(DeviceKey(0), 9)).pop() {
        Some(row) => row,
        None => panic!("there is one device"),
    }
}

fn enrol(store: &dyn Store, id: &DeviceId) {
    let claim = ClaimId([1; 8]);
    let row = ClaimRow {
        id: claim,
        hash: [1; 32],
        devices: 1,
        left: 1,
        pattern: None,
        attributes: object(json!({ "site": "north" })),
        created: Timestamp(1),
        expires: Timestamp(1_000),
        revoked: None,
    };
    let attributes = row.attributes.clone();
    must(store.change_identity(IdentityChange::AddClaim(row), None));
    let certificate = CertificateRow {
        thumbprint: digest(3),
        device: id.clone(),
        key: digest(4),
        serial: vec![1],
        issuer: digest(5),
        not_before: Timestamp(1),
        not_after: Timestamp(5_000),
        state: CertificateState::Active,
        previous: None,
        claim: Some(claim),
        chain: String::new(),
    };
    let asks = Enrolment {
        certificate,
        attributes,
        claimed: object(json!({ "serial": "7" })),
        at: Timestamp(9),
    };
    must(store.change_identity(IdentityChange::Enrol(Box::new(asks)), None));
    let facts = must(reader(store).facts(id)).unwrap_or_default();
    assert_eq!(facts.enrolment, object(json!({ "site": "north" })));
    assert_eq!(facts.claimed, object(json!({ "serial": "7" })));
}
