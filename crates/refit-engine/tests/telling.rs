//! When a device is told its delta, and when not (semantics 26, 30).

use refit_engine::shard::Happening;

use crate::bench::{Bench, d};

#[test]
fn a_device_that_was_off_is_told_the_newest_only() {
    let mut bench = Bench::new();
    for version in ['a', 'b', 'c'] {
        bench.operator_desires(version);
        bench.commit_all();
    }
    bench.said();
    bench.connect(1);
    bench.commit_all();
    let deltas: Vec<_> = bench
        .said()
        .into_iter()
        .filter(|s| s.contains("delta"))
        .collect();
    assert_eq!(deltas.len(), 1, "{deltas:?}");
    let newest = bench.stored[&d()]
        .record
        .job
        .as_ref()
        .unwrap()
        .id
        .to_string();
    assert!(deltas[0].ends_with(&newest));
}

#[test]
fn a_delta_waits_for_all_that_was_said_before() {
    let mut bench = Bench::new();
    bench.operator_desires('a');
    bench.commit_all();
    bench.connect(1);
    bench.commit_all();
    let job = bench.stored[&d()]
        .record
        .job
        .as_ref()
        .unwrap()
        .id
        .to_string();
    bench.happen(Happening::Detach {
        device: d(),
        peer: 1,
    });
    bench.commit_all();
    bench.said();
    // It comes back with its unacknowledged SUCCESS: being told again would flash it twice.
    bench.happen(Happening::Attach {
        device: d(),
        peer: 2,
    });
    bench.device_says(2, &format!("jobID:{job} SUCCESS"));
    bench.happen(Happening::Subscribe {
        device: d(),
        peer: 2,
    });
    bench.commit_all();
    let said = bench.said();
    assert!(said.iter().any(|s| s.contains("accepted")), "{said:?}");
    assert!(!said.iter().any(|s| s.contains("delta")), "{said:?}");
}

#[test]
fn the_answer_leaves_before_the_delta_it_causes() {
    let mut bench = Bench::new();
    bench.connect(1);
    bench.commit_all();
    bench.said();
    bench.operator_desires('a');
    bench.commit_all();
    let said: Vec<_> = bench
        .said()
        .into_iter()
        .filter(|s| !s.contains("quiet"))
        .collect();
    assert!(
        said[0].starts_with("99: accepted") && said[1].starts_with("delta to 1"),
        "{said:?}"
    );
}

#[test]
fn a_silent_device_is_told_again_until_it_speaks() {
    let mut bench = Bench::new();
    bench.connect(1);
    bench.operator_desires('a');
    bench.commit_all();
    bench.said();
    for _ in 0..10 {
        bench.pass();
        assert!(bench.said().iter().any(|s| s.contains("delta to 1")));
    }
    bench.pass();
    bench.commit_all();
    assert!(
        !bench.said().iter().any(|s| s.contains("delta")),
        "the end timer came, not an eleventh resend"
    );
    assert!(bench.stored[&d()].record.job.is_none());
}

#[test]
fn an_older_connection_says_nothing_about_the_newer() {
    let mut bench = Bench::new();
    bench.connect(1);
    bench.connect(2);
    bench.commit_all();
    assert!(bench.said().contains(&"1 taken over".to_string()));
    bench.happen(Happening::Detach {
        device: d(),
        peer: 1,
    });
    bench.operator_desires('a');
    bench.commit_all();
    assert!(bench.said().iter().any(|s| s.contains("delta to 2")));
}

#[test]
fn a_device_that_was_taken_over_is_given_its_time_until_it_subscribes() {
    let mut bench = Bench::new();
    bench.connect(1);
    bench.operator_desires('a');
    bench.commit_all();
    bench.happen(Happening::Attach {
        device: d(),
        peer: 2,
    });
    bench.commit_all();
    assert_eq!(bench.shard.next_due(), None);
    bench.happen(Happening::Subscribe {
        device: d(),
        peer: 2,
    });
    assert!(bench.said().iter().any(|s| s.contains("delta to 2")));
    assert!(bench.shard.next_due().is_some());
}

#[test]
fn a_connection_that_ends_during_the_commit_is_told_nothing() {
    let mut bench = Bench::new();
    bench.connect(1);
    bench.commit_all();
    bench.operator_desires('a');
    bench.happen(Happening::Detach {
        device: d(),
        peer: 1,
    });
    bench.commit_all();
    assert!(!bench.said().iter().any(|s| s.contains("delta")));
    bench.connect(2);
    bench.commit_all();
    assert_eq!(deltas(&mut bench).len(), 1);
}

#[test]
fn a_takeover_during_the_commit_leaves_the_delta_to_the_newer_connection() {
    let mut bench = Bench::new();
    bench.connect(1);
    bench.commit_all();
    bench.operator_desires('a');
    bench.happen(Happening::Attach {
        device: d(),
        peer: 2,
    });
    bench.commit_all();
    assert!(deltas(&mut bench).is_empty(), "it has not subscribed");
    bench.happen(Happening::Subscribe {
        device: d(),
        peer: 2,
    });
    bench.commit_all();
    let told = deltas(&mut bench);
    assert!(
        told.len() == 1 && told[0].starts_with("delta to 2"),
        "{told:?}"
    );
}

#[test]
fn a_report_is_no_longer_quiet_once_somebody_else_changes_the_record() {
    let mut bench = Bench::new();
    bench.connect(1);
    bench.commit_all();
    for _ in 0..2 {
        bench.device_says(1, r#"{"state":{"reported":{"a":1}}}"#);
        bench.commit_all();
    }
    assert_eq!(
        bench.said().iter().rfind(|s| s.contains("quiet")).unwrap(),
        "1 quiet 7"
    );
    bench.operator_says(r#"{"state":{"desired":{"b":1}}}"#);
    assert_eq!(bench.said(), ["1 quiet 0"], "before it is durable");
}

fn deltas(bench: &mut Bench) -> Vec<String> {
    let mut said = bench.said();
    said.retain(|s| s.contains("delta"));
    said
}

#[test]
fn devices_beyond_the_bound_are_not_made() {
    let mut bench = Bench::new();
    bench.shard = refit_engine::shard::Shard::new(
        refit_engine::shard::Settings {
            policy: refit_replica::input::Policy::default(),
            epoch: 0,
            devices_max: 5,
            unknown_devices_join: true,
        },
        5,
    );
    bench.connect(1);
    bench.device_says(1, r#"{"state":{"reported":{"a":1}}}"#);
    assert_eq!(bench.said(), ["1: rejected 403"]);
    assert!(bench.commits.is_empty());
}

#[test]
fn an_application_makes_no_device_but_an_operator_does() {
    let mut bench = Bench::new();
    bench.application_desires('a');
    assert_eq!(bench.said(), ["99: rejected 404"]);
    assert!(bench.commits.is_empty());
    bench.operator_desires('a');
    bench.commit_all();
    bench.application_desires('b');
    bench.commit_all();
    assert_eq!(bench.said(), ["99: accepted 1", "99: accepted 2"]);
}
