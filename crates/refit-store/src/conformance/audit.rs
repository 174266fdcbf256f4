//! The audit log: a line with each change or none, a chain without gaps, and nothing that takes a line away.

use refit_access::audit::{Entry, Head, Verifier};
use refit_protocol::time::Timestamp;

use crate::access::{AccessChange, AccessOutcome};
use crate::audit::{AuditFilter, AuditFrom, AuditLine};
use crate::conformance::{Place, applied, commit_one, device, made, must, plain, reader, write};
use crate::store::{Outcome, Store};

/// Returns an entry about this target.
fn entry(target: &str) -> Entry {
    Entry {
        at: Timestamp(7),
        actor: "token:ci".into(),
        action: "software:assign".into(),
        target: target.into(),
        source: Some("192.0.2.7".into()),
        request: Some("r1".into()),
        before: None,
        after: Some("{}".into()),
    }
}

fn lines(store: &dyn Store) -> Vec<AuditLine> {
    let all = AuditFilter::default();
    must(reader(store).audit(AuditFrom::After(0), &all, 1_000))
}

fn targets(lines: &[AuditLine]) -> Vec<&str> {
    lines.iter().map(|line| &*line.entry.target).collect()
}

#[track_caller]
fn verified(store: &dyn Store) {
    let lines = lines(store);
    let (last, head) = must(reader(store).audit_head());
    let mut verifier = Verifier::new(Some(head));
    for line in &lines {
        assert_eq!(verifier.feed(line.number, &line.entry, line.head), Ok(()));
    }
    assert_eq!(verifier.finish().map(|proven| proven.lines), Ok(last));
}

/// An operation's lines are there if it was applied, in its order, and never otherwise.
pub fn a_change_and_its_line_are_one(place: &dyn Place) {
    let store = place.open();
    assert_eq!(must(reader(&*store).audit_head()), (0, Head::EMPTY));
    let id = device("a");
    let guard = made(&*store, &id);
    let mut change = write(&id, Some(guard), plain(2));
    change.audit = vec![entry("first"), entry("second")];
    applied(&*store, change.clone());
    change.audit = vec![entry("refused")];
    assert_eq!(commit_one(&*store, change), Outcome::Conflict);
    assert_eq!(targets(&lines(&*store)), ["first", "second"]);
    verified(&*store);
}

/// What is recorded beside the devices takes its line along too, when it changes something.
pub fn every_kind_of_change_takes_its_line(place: &dyn Place) {
    let store = place.open();
    for _ in 0..2 {
        let release = crate::conformance::releases::new("f", "1.0.0", 1);
        must(store.add_release(release, Some(entry("added"))));
    }
    for _ in 0..2 {
        must(store.remove_release("f", "1.0.0", Some(entry("removed"))));
    }
    let missing = AccessChange::RemoveUser {
        user: "nobody".into(),
    };
    let outcome = must(store.change_access(missing, Some(entry("nobody"))));
    assert_eq!(outcome, AccessOutcome::Missing);
    must(store.note(entry("noted")));
    assert_eq!(targets(&lines(&*store)), ["added", "removed", "noted"]);
    verified(&*store);
    drop(store);
    let store = place.open();
    must(store.note(entry("later")));
    assert_eq!(lines(&*store).len(), 4);
    verified(&*store);
}

/// Lines are listed from both ends, and by who did what to what.
pub fn lines_are_found(place: &dyn Place) {
    let store = place.open();
    for target in ["a", "b", "c", "d"] {
        must(store.note(entry(target)));
    }
    let mut reader = reader(&*store);
    let mut list = |from, filter: &AuditFilter, limit| {
        let lines = must(reader.audit(from, filter, limit));
        targets(&lines).join("")
    };
    let all = AuditFilter::default();
    assert_eq!(list(AuditFrom::After(1), &all, 2), "bc");
    assert_eq!(list(AuditFrom::Before(None), &all, 2), "dc");
    assert_eq!(list(AuditFrom::Before(Some(2)), &all, 2), "a");
    let by = |actor: &str, action: &str, target: &str| {
        let some = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        AuditFilter {
            actor: some(actor),
            action: some(action),
            target: some(target),
        }
    };
    for (filter, newest, count) in [
        (&all, 9, 4),
        (&all, 3, 3),
        (&by("", "", "b"), 4, 1),
        (&by("", "", "b"), 2, 0),
    ] {
        let counted = must(crate::conformance::reader(&*store).count_audit(filter, newest));
        assert_eq!(counted, count, "{filter:?}");
    }
    let from = AuditFrom::After(0);
    assert_eq!(list(from, &by("token:ci", "", "b"), 9), "b");
    assert_eq!(list(from, &by("", "software:assign", ""), 9), "abcd");
    assert_eq!(list(from, &by("user:x", "", ""), 9), "");
}
