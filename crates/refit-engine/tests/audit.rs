//! A change that has an author takes its line of the audit log into its own commit.

use std::sync::Arc;

use refit_access::audit::Entry;
use refit_engine::author::Author;

use crate::bench::{Bench, d, url};

fn authored() -> Bench {
    let mut bench = Bench::new();
    bench.author = Some(Arc::new(Author {
        actor: "token:ci".into(),
        source: Some([192, 0, 2, 7].into()),
        request: Some("r1".into()),
    }));
    bench.connect(1);
    bench.commit_all();
    bench
}

/// Returns the lines in the oldest commit that waits.
fn lines(bench: &Bench) -> Vec<Entry> {
    let (_, operations) = &bench.commits[0];
    operations.iter().flat_map(|o| o.audit.clone()).collect()
}

#[test]
fn a_wish_is_told_with_what_was_before_and_is_after() {
    let mut bench = authored();
    bench.operator_desires('a');
    bench.operator_says(r#"{"state":{"desired":{"colour":"red"}}}"#);
    let lines = lines(&bench);
    let [assigned] = lines.as_slice() else {
        panic!("{lines:?}")
    };
    assert_eq!(assigned.action, "software:assign");
    assert_eq!(
        (&*assigned.actor, &*assigned.target),
        ("token:ci", "device:d")
    );
    assert_eq!(assigned.before.as_deref(), Some("{}"));
    let after = format!(r#"{{"softwareURL":"{}"}}"#, url('a'));
    assert_eq!(assigned.after, Some(after));
    bench.commit();
    let written = &self::lines(&bench)[0];
    assert_eq!(written.action, "state:write");
    assert_eq!(written.before.as_deref(), Some("{}"));
    assert_eq!(written.after.as_deref(), Some(r#"{"colour":"red"}"#));
}

#[test]
fn a_conflict_leaves_one_line_about_the_newer_record() {
    let mut bench = authored();
    bench.operator_desires('a');
    let stored = bench.stored.get_mut(&d()).unwrap();
    stored.revision += 1;
    let other = url('b').into();
    stored.record.desired.insert("softwareURL".into(), other);
    bench.commit();
    let lines = lines(&bench);
    assert_eq!(lines.len(), 1);
    let before = format!(r#"{{"softwareURL":"{}"}}"#, url('b'));
    assert_eq!(lines[0].before, Some(before));
}

#[test]
fn what_changes_nothing_and_what_devices_say_is_not_told() {
    let mut bench = authored();
    bench.operator_desires('a');
    bench.commit_all();
    bench.operator_desires('a');
    bench.author = None;
    bench.device_says(1, r#"{"state":{"reported":{"a":1}}}"#);
    assert!(lines(&bench).is_empty());
}

#[test]
fn the_signature_of_a_foreign_url_is_not_told() {
    let mut bench = authored();
    bench.operator_says(
        r#"{"state":{"desired":{"softwareURL":"https://u.example/a?sig=secret#x"}}}"#,
    );
    let after = lines(&bench)[0].after.clone().unwrap();
    assert_eq!(after, r#"{"softwareURL":"https://u.example/a"}"#);
}
