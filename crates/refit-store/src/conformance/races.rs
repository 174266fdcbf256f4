//! Races: of those who decided from the same record one is applied, and the others are told.

use std::sync::mpsc;

use refit_protocol::device_id::DeviceId;
use refit_replica::record::Record;
use serde_json::json;

use crate::conformance::{
    Place, applied, commit_one, device, loaded, made, must, plain, reader, record, write,
};
use crate::reader::Reader;
use crate::store::{Operation, Outcome, Store};

/// How many write at once, and how often each.
const WRITERS: u64 = 4;
const WRITES: u64 = 50;

/// Several add to one number, each from the record it read: nothing of it is lost.
pub fn no_update_is_lost(place: &dyn Place) {
    let store = place.open();
    let id = device("d");
    applied(&*store, write(&id, None, counted(0)));
    std::thread::scope(|scope| {
        for _ in 0..WRITERS {
            scope.spawn(|| {
                let mut reader = reader(&*store);
                for _ in 0..WRITES {
                    while !add_one(&*store, &mut *reader, &id) {}
                }
            });
        }
    });
    assert_eq!(loaded(&*store, &id).record, counted(WRITERS * WRITES));
}

fn counted(n: u64) -> Record {
    record(n, json!({}), json!({ "n": n }))
}

/// Reads, adds one, and writes. Returns whether nobody was faster.
fn add_one(store: &dyn Store, reader: &mut dyn Reader, id: &DeviceId) -> bool {
    let stored = must(reader.load(id)).unwrap_or_else(|| panic!("the device is gone"));
    let next = counted(stored.record.version + 1);
    match commit_one(store, write(id, Some(stored.guard()), next)) {
        Outcome::Applied(_) => true,
        Outcome::Conflict => false,
        Outcome::Missing | Outcome::Overtaken => panic!("the device is gone"),
    }
}

/// Of several that make the same device, one does.
pub fn a_device_is_made_once(place: &dyn Place) {
    let store = place.open();
    let id = device("d");
    let outcomes: Vec<Outcome> = std::thread::scope(|scope| {
        let makers: Vec<_> = (1..=WRITERS)
            .map(|n| {
                scope.spawn({
                    let (store, id) = (&store, &id);
                    move || commit_one(&**store, write(id, None, plain(n)))
                })
            })
            .collect();
        makers
            .into_iter()
            .map(|maker| maker.join().unwrap_or(Outcome::Missing))
            .collect()
    });
    let made = outcomes
        .iter()
        .filter(|outcome| matches!(outcome, Outcome::Applied(_)))
        .count();
    let told = outcomes
        .iter()
        .filter(|outcome| **outcome == Outcome::Conflict)
        .count();
    assert_eq!((made, told as u64), (1, WRITERS - 1));
}

/// Whoever does not know whether an operation was written may write it again: it is a conflict then, and the record
/// is what it wrote.
pub fn the_same_again_is_a_conflict_and_harmless(place: &dyn Place) {
    let store = place.open();
    let id = device("d");
    let first = write(&id, None, plain(1));
    let guard = applied(&*store, first.clone());
    assert_eq!(commit_one(&*store, first), Outcome::Conflict);
    let second = write(&id, Some(guard), plain(2));
    let guard = applied(&*store, second.clone());
    assert_eq!(commit_one(&*store, second), Outcome::Conflict);
    let stored = loaded(&*store, &id);
    assert_eq!((stored.guard(), stored.record), (guard, plain(2)));
}

/// Many submit without waiting; each batch is answered once, with its own outcomes, and what was answered is there.
pub fn each_batch_is_answered_once(place: &dyn Place) {
    let store = place.open();
    let (answer, answers) = mpsc::channel();
    for n in 0..500_u64 {
        let batch: Vec<Operation> = (0..n % 4)
            .map(|k| write(&device(&format!("d{n}-{k}")), None, plain(1)))
            .collect();
        let answer = answer.clone();
        store.submit(
            batch,
            Box::new(move |outcomes| drop(answer.send((n, outcomes)))),
        );
    }
    drop(answer);
    let mut seen = Vec::new();
    for (n, outcomes) in answers {
        let outcomes = must(outcomes);
        assert_eq!(outcomes.len() as u64, n % 4);
        assert!(
            outcomes
                .iter()
                .all(|outcome| matches!(outcome, Outcome::Applied(_)))
        );
        seen.push(n);
    }
    seen.sort_unstable();
    assert!(seen.iter().copied().eq(0..500));
    assert_eq!(must(reader(&*store).counts()).devices, 125 * (1 + 2 + 3));
}

/// What a batch was answered is what a reader then sees, at once.
pub fn what_was_answered_is_seen_at_once(place: &dyn Place) {
    let store = place.open();
    let id = device("d");
    let mut guard = made(&*store, &id);
    let mut reader = reader(&*store);
    for n in 2..100 {
        guard = applied(&*store, write(&id, Some(guard), plain(n)));
        let seen = must(reader.load(&id)).map(|stored| stored.record.version);
        assert_eq!(seen, Some(n));
    }
}
