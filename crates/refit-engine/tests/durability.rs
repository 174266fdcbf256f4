//! Nothing is seen by anyone before it is durable (design §9.1).

use refit_engine::shard::Broken;

use crate::bench::{Bench, d, url};

const REPORT: &str = r#"{"state":{"reported":{"a":1}}}"#;

#[test]
fn nothing_is_said_before_the_commit() {
    let mut bench = Bench::new();
    bench.connect(1);
    bench.device_says(1, REPORT);
    bench.operator_desires('a');
    assert_eq!(bench.said(), ["1 quiet 0"]);
    bench.commit_all();
    let said = bench.said();
    assert_eq!(
        said.iter().filter(|s| s.contains("accepted")).count(),
        2,
        "{said:?}"
    );
}

#[test]
fn a_report_equal_to_one_that_is_not_durable_waits_for_it() {
    let mut bench = Bench::new();
    bench.connect(1);
    bench.commit_all();
    bench.device_says(1, REPORT);
    bench.device_says(1, REPORT);
    bench.said();
    bench.commit();
    assert_eq!(
        bench.said(),
        ["1: accepted 1", "1 quiet 7", "1: accepted 1"]
    );
}

#[test]
fn a_conflict_is_decided_again_on_the_newer_record() {
    let mut bench = Bench::new();
    bench.connect(1);
    bench.commit_all();
    bench.device_says(1, REPORT);
    let stored = bench.stored.get_mut(&d()).unwrap();
    stored.revision += 1;
    stored.record.version = 40;
    bench.said();
    bench.commit();
    assert_eq!(
        bench.said(),
        ["1 quiet 0"],
        "decided again, and not yet durable"
    );
    bench.commit();
    assert_eq!(bench.said(), ["1: accepted 41"]);
}

#[test]
fn a_full_disk_acknowledges_nothing_and_is_asked_again_later() {
    let mut bench = Bench::new();
    bench.connect(1);
    bench.commit_all();
    bench.device_says(1, REPORT);
    bench.said();
    bench.fail_commit(Broken::Full);
    assert_eq!(bench.said(), ["1: rejected 503"]);
    assert_eq!(bench.stored[&d()].record.version, 0);
    bench.device_says(1, REPORT);
    bench.commit();
    assert_eq!(bench.said(), ["1 quiet 0", "1: accepted 1"]);
}

#[test]
fn a_first_delta_that_could_not_be_stored_leaves_later() {
    let mut bench = Bench::new();
    bench.operator_desires('a');
    bench.commit();
    bench.connect(1);
    bench.fail_commit(Broken::Full);
    assert!(!bench.said().iter().any(|s| s.contains("delta")));
    bench.pass();
    bench.commit();
    assert!(bench.said().iter().any(|s| s.contains("delta to 1")));
    assert_eq!(
        bench.stored[&d()].record.desired_software(),
        Some(url('a').as_str())
    );
}

#[test]
fn an_unknown_outcome_stops_everything() {
    let mut bench = Bench::new();
    bench.connect(1);
    bench.commit_all();
    bench.device_says(1, REPORT);
    bench.said();
    bench.fail_commit(Broken::Unknown("disk I/O error".into()));
    assert_eq!(bench.said(), ["stop: disk I/O error"]);
}
