//! Nothing is seen by anyone before it is durable (design §9.1).

use refit_engine::shard::{Broken, Happening};
use refit_store::store::DeviceKey;

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

#[test]
fn what_was_decided_is_settled_when_it_is_back_whatever_came_later() {
    let mut bench = Bench::new();
    bench.operator_desires('a');
    let decided = bench.shard.decided();
    assert_eq!((decided, bench.shard.settled()), (1, 0));
    bench.commit();
    bench.operator_desires('b');
    assert_eq!((bench.shard.settled(), bench.shard.decided()), (decided, 2));
    bench.fail_commit(Broken::Full);
    assert_eq!(
        bench.shard.settled(),
        2,
        "what found no room is settled too"
    );
}

#[test]
fn only_the_devices_own_word_is_a_sign_of_life() {
    let mut bench = Bench::new();
    bench.operator_desires('a');
    bench.commit_all();
    assert_eq!(bench.stored[&d()].seen, None);
    bench.device_says(1, REPORT);
    bench.commit_all();
    assert!(bench.stored[&d()].seen.is_some());
}

#[test]
fn a_subscription_that_found_the_disk_full_is_answered_later() {
    let mut bench = Bench::new();
    bench.operator_says(r#"{"state":{"desired":{"led":"on"}}}"#);
    bench.commit_all();
    bench.happen(Happening::Attach {
        device: d(),
        peer: 1,
    });
    bench.device_says(1, REPORT);
    bench.happen(Happening::Subscribe {
        device: d(),
        peer: 1,
    });
    bench.fail_commit(Broken::Full);
    bench.said();
    bench.pass();
    bench.commit_all();
    assert_eq!(bench.said(), ["delta to 1: no job"]);
}

#[test]
fn a_delta_that_is_due_outlives_a_later_failure() {
    let mut bench = Bench::new();
    bench.connect(1);
    bench.commit_all();
    bench.operator_says(r#"{"state":{"desired":{"led":"on"}}}"#);
    bench.device_says(1, REPORT);
    bench.commit();
    bench.fail_commit(Broken::Full);
    assert!(!bench.said().iter().any(|s| s.contains("delta")));
    bench.device_says(1, REPORT);
    bench.commit_all();
    assert_eq!(bench.said().last().unwrap(), "delta to 1: no job");
}

#[test]
fn a_timer_whose_record_cannot_be_read_comes_again() {
    let mut bench = Bench::new();
    bench.connect(1);
    bench.operator_desires('a');
    bench.commit_all();
    let first = bench.shard.next_due().unwrap();
    bench.unreadable = true;
    bench.pass();
    assert!(bench.shard.next_due().unwrap() > first, "not at once");
    bench.said();
    bench.unreadable = false;
    bench.pass();
    assert!(bench.said().iter().any(|s| s.contains("delta to 1")));
}

#[test]
fn a_connected_device_is_read_by_its_number_once_that_is_known() {
    let mut bench = Bench::new();
    bench.connect(1);
    bench.commit_all();
    for n in [1, 2] {
        bench.device_says(1, &format!(r#"{{"state":{{"reported":{{"n":{n}}}}}}}"#));
        bench.commit_all();
    }
    let known = Some(DeviceKey(1));
    assert_eq!(bench.loads_by, [None, known, known]);
    // Nothing is kept of a device that went.
    bench.happen(Happening::Detach {
        device: d(),
        peer: 1,
    });
    bench.connect(2);
    assert_eq!(bench.loads_by.last(), Some(&None));
}
