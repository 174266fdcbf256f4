//! Records: what is read is what was written, and lists stay right while records come and change.

use refit_access::span::Span;
use refit_protocol::job::{Progress, Status};
use refit_protocol::time::Timestamp;
use refit_replica::record::{Failures, PastJob, Record, Stage, Withheld};
use serde_json::json;

use crate::conformance::{
    Place, applied, commit_one, device, digest, job_id, loaded, made, must, open_job, plain,
    reader, record, url, write,
};
use crate::reader::Wanted;
use crate::store::{DeviceKey, Guard, Outcome, Store};

/// A device that was never written is not there; one that was reads back whole.
pub fn what_is_read_is_what_was_written(place: &dyn Place) {
    let store = place.open();
    let mut guard = None;
    for full in records() {
        let id = device("d");
        guard = Some(applied(&*store, write(&id, guard, full.clone())));
        let stored = loaded(&*store, &id);
        assert_eq!(stored.record, full);
        assert_eq!(Some(stored.guard()), guard);
    }
    assert_eq!(must(reader(&*store).load(&device("e"))), None);
}

/// Records that have something in each place, one after the other.
fn records() -> Vec<Record> {
    let mut busy = record(
        (3 << 40) + 7,
        json!({"softwareURL": url(1), "a": {"b": [1, -2, 0.1, 1e300, "\u{1}\"é\u{10ffff}"]}}),
        json!({"softwareURL": url(0), "n": 9_007_199_254_740_992_u64, "f": 5e-324}),
    );
    busy.job = Some(open_job(
        "3-busy",
        1,
        Stage::Running {
            sent: None,
            at: Timestamp(9),
            progress: Progress {
                phase: Some("é\"".into()),
                percent: Some(100),
            },
        },
    ));
    busy.past = past();
    busy.failures = vec![Failures {
        software_url: url(1),
        count: 3,
    }];
    let mut sent = busy.clone();
    sent.job = Some(open_job("3-busy", 1, Stage::Sent { at: Timestamp(8) }));
    if let Some(job) = &mut sent.job {
        (job.start_left_ms, job.resends, job.previous) = (Some(0), 10, Some(url(0)));
    }
    let mut queued = busy.clone();
    queued.job = Some(open_job("3-busy", 1, Stage::Queued));
    let mut all = vec![plain(1), busy, sent, queued];
    for withheld in [
        Withheld::Capped,
        Withheld::Ended {
            job: job_id("3-z"),
            status: Status::TimedOut,
        },
        Withheld::Reverted { job: job_id("3-z") },
    ] {
        let withheld = Some(withheld);
        all.push(Record {
            withheld,
            held: true,
            ..record(9, json!({}), json!({}))
        });
    }
    all.push(Record::default());
    all
}

fn past() -> Vec<PastJob> {
    [Status::Superseded, Status::Failed, Status::Cancelled]
        .into_iter()
        .map(|status| PastJob {
            id: job_id(&format!("3-{status}").replace('_', "-")),
            assignment: None,
            software_url: url(2),
            status,
            acknowledged: status == Status::Failed,
            late_success: status == Status::Cancelled,
        })
        .collect()
}

/// The time when a device last spoke stays until it is given anew; the time of writing does not.
pub fn last_words_are_kept(place: &dyn Place) {
    let store = place.open();
    let id = device("d");
    let mut spoke = write(&id, None, plain(1));
    spoke.seen = Some(Timestamp(5));
    let guard = applied(&*store, spoke);
    applied(&*store, write(&id, Some(guard), plain(2)));
    let stored = loaded(&*store, &id);
    assert_eq!(
        (stored.seen, stored.written),
        (Some(Timestamp(5)), Timestamp(1_002))
    );
}

/// Two operations on one device in one batch take effect in their order.
pub fn a_batch_may_hold_two_of_one_device(place: &dyn Place) {
    let store = place.open();
    let (id, other) = (device("d"), device("e"));
    let guard = made(&*store, &id);
    let next = Guard {
        revision: guard.revision + 1,
        ..guard
    };
    let batch = vec![
        write(&other, None, plain(1)),
        write(&id, Some(guard), plain(2)),
        write(&other, None, plain(2)),
        write(&id, Some(next), plain(3)),
        write(&id, Some(guard), plain(4)),
    ];
    let outcomes = must(store.commit(batch));
    let first = |outcome: &Outcome| matches!(outcome, Outcome::Applied(_));
    assert!(
        first(&outcomes[0]) && first(&outcomes[1]) && first(&outcomes[3]),
        "{outcomes:?}"
    );
    assert_eq!(
        (outcomes[2], outcomes[4]),
        (Outcome::Conflict, Outcome::Conflict)
    );
    assert_eq!(loaded(&*store, &id).record, plain(3));
    assert_eq!(loaded(&*store, &other).record, plain(1));
}

/// A guard on a device that never was is answered so.
pub fn a_device_that_never_was_is_missing(place: &dyn Place) {
    let store = place.open();
    let guard = Guard {
        key: DeviceKey(99),
        revision: 1,
    };
    let outcome = commit_one(&*store, write(&device("d"), Some(guard), plain(1)));
    assert_eq!(outcome, Outcome::Missing);
}

/// An empty batch is answered with no outcomes.
pub fn an_empty_batch_is_answered(place: &dyn Place) {
    assert!(matches!(place.open().commit(Vec::new()).as_deref(), Ok([])));
}

/// Several records are read in the order asked.
pub fn many_are_read_in_the_order_asked(place: &dyn Place) {
    let store = place.open();
    for name in ["a", "b"] {
        made(&*store, &device(name));
    }
    let wanted = ["b", "x", "a", "b"].map(|name| Wanted {
        device: device(name),
        key: None,
    });
    let read = must(reader(&*store).load_many(&wanted));
    let there: Vec<bool> = read.iter().map(Option::is_some).collect();
    assert_eq!(there, [true, false, true, true]);
    assert_eq!(read[0], read[3]);
    assert_ne!(read[0], read[2]);
}

/// A remembered number finds the record; a wrong one finds no other's.
pub fn a_remembered_number_is_only_a_hint(place: &dyn Place) {
    let store = place.open();
    let (a, b) = (made(&*store, &device("a")), made(&*store, &device("b")));
    let mut reader = reader(&*store);
    let mut load = |name: &str, key| {
        let device = device(name);
        let key = Some(key);
        let read = must(reader.load_many(&[Wanted { device, key }]));
        read[0].as_ref().map(|stored| stored.key)
    };
    assert_eq!(load("a", a.key), Some(a.key));
    assert_eq!(load("a", b.key), Some(a.key));
    assert_eq!(load("a", DeviceKey(99)), Some(a.key));
    assert_eq!(load("a", DeviceKey(u64::MAX)), Some(a.key));
    assert_eq!(load("x", a.key), None);
}

/// Pages by key show each device that was there all the time exactly once, whatever comes and changes meanwhile.
pub fn pages_stay_right_under_change(place: &dyn Place) {
    let store = place.open();
    let names: Vec<String> = (0..50).map(|n| format!("d{n:02}")).collect();
    let mut guards: Vec<Guard> = names
        .iter()
        .map(|name| made(&*store, &device(name)))
        .collect();
    let mut reader = reader(&*store);
    let (mut seen, mut after) = (Vec::new(), None);
    for round in 2.. {
        let page = must(reader.devices(&Span::all(), after.as_ref(), 7));
        let Some(last) = page.last() else { break };
        after = Some(last.id.clone());
        seen.extend(page.into_iter().map(|row| row.id.to_string()));
        // One comes before the page, one right behind it, and all that were there change.
        made(&*store, &device(&format!("a{round}")));
        if round < 10 {
            made(&*store, &device(&format!("{}-", seen[seen.len() - 1])));
        }
        for (name, guard) in names.iter().zip(&mut guards) {
            *guard = applied(&*store, write(&device(name), Some(*guard), plain(round)));
        }
        assert!(round < 100, "the pages do not end");
    }
    let mut once = seen.clone();
    once.sort_unstable();
    once.dedup();
    assert_eq!(once, seen, "in order, and none twice");
    assert!(
        names.iter().all(|name| seen.contains(name)),
        "none left out"
    );
}

/// A stretch of IDs holds what is in it, the first and the last, and nothing beside it.
pub fn a_stretch_of_ids_is_read_alone(place: &dyn Place) {
    let store = place.open();
    let names = [
        "plant-6-9",
        "plant-7",
        "plant-7-",
        "plant-7-1",
        "plant-7-z",
        "plant-7.",
        "plant-70",
        "zoo",
    ];
    for name in names {
        made(&*store, &device(name));
    }
    let mut reader = reader(&*store);
    let mut listed = |from: &str, before: &str, after: Option<&str>, limit: usize| {
        let span = Span {
            from: from.into(),
            before: before.into(),
        };
        let after = after.map(device);
        let rows = must(reader.devices(&span, after.as_ref(), limit));
        rows.into_iter()
            .map(|row| row.id.to_string())
            .collect::<Vec<_>>()
    };
    let plant = ["plant-7-", "plant-7-1", "plant-7-z"];
    let end = "plant-7-\u{7f}";
    assert_eq!(listed("plant-7-", end, None, 10), plant);
    assert_eq!(listed("plant-7-", end, None, 2), plant[..2]);
    assert_eq!(listed("plant-7-", end, Some("plant-7-"), 10), plant[1..]);
    assert_eq!(listed("plant-7-", end, Some("plant-6-9"), 10), plant);
    assert!(listed("plant-7-", end, Some("plant-7-z"), 10).is_empty());
    assert_eq!(listed("plant-7", "plant-7\0", None, 10), ["plant-7"]);
    assert_eq!(listed("", "\u{7f}", None, 10), names);
}

/// A row of the list says what the record says.
pub fn a_row_is_the_record_in_short(place: &dyn Place) {
    let store = place.open();
    let desired = json!({"softwareURL": url(1)});
    let mut full = record(4, desired, json!({"softwareURL": 7}));
    full.job = Some(open_job("0-a", 1, Stage::Sent { at: Timestamp(1) }));
    let mut operation = write(&device("d"), None, full);
    operation.seen = Some(Timestamp(3));
    applied(&*store, operation);
    let page = must(reader(&*store).devices(&Span::all(), None, 10));
    let [row] = page.as_slice() else {
        panic!("{page:?}")
    };
    assert_eq!((row.version, row.seen), (4, Some(Timestamp(3))));
    assert_eq!(row.desired_software, Some(url(1)));
    assert_eq!(row.reported_software, None, "only a text is a URL");
    assert_eq!(row.job, Some((job_id("0-a"), Status::Sent)));
}

/// Who desires an artifact of the depot is known, whatever the host in the URL, and follows each change.
pub fn who_desires_an_artifact_is_known(place: &dyn Place) {
    let store = place.open();
    let desire = |artifact: u8| record(2, json!({"softwareURL": url(artifact)}), json!({}));
    let elsewhere = record(2, json!({"softwareURL": "https://elsewhere/f"}), json!({}));
    let a = applied(&*store, write(&device("a"), None, desire(1)));
    applied(&*store, write(&device("b"), None, desire(1)));
    applied(&*store, write(&device("c"), None, elsewhere.clone()));
    assert_eq!(desires(&*store, 1), (2, Some("a".into())));
    let a = applied(&*store, write(&device("a"), Some(a), desire(2)));
    assert_eq!(desires(&*store, 1), (1, Some("b".into())));
    assert_eq!(desires(&*store, 2), (1, Some("a".into())));
    applied(&*store, write(&device("a"), Some(a), elsewhere));
    assert_eq!(desires(&*store, 2), (0, None));
    assert_eq!(desires(&*store, 3), (0, None));
}

fn desires(store: &dyn Store, artifact: u8) -> (u64, Option<String>) {
    let desires = must(reader(store).desires(&digest(artifact)));
    (desires.devices, desires.first.map(|id| id.to_string()))
}

/// Facts about the installation are kept, and given anew.
pub fn facts_are_kept(place: &dyn Place) {
    let store = place.open();
    let mut reader = reader(&*store);
    assert_eq!(store.epoch(), 0);
    assert!(matches!(reader.meta("key"), Ok(None)));
    for value in ["1", "zwei"] {
        must(store.put_meta("key", value));
        assert_eq!(reader.meta("key").ok().flatten().as_deref(), Some(value));
    }
}
