//! A rollout opens jobs through the shard like any input, guarded by the rollout as it stood.

use crate::bench::Bench;

const RUNS: &str = r#"{"state":{"reported":{"a":1}}}"#;

#[test]
fn an_assignment_is_answered_when_its_job_is_durable_and_the_delta_follows() {
    let mut bench = Bench::new();
    bench.connect(1);
    bench.device_says(1, RUNS);
    bench.commit_all();
    bench.said();
    bench.rollout_assigns('a');
    assert_eq!(bench.said(), ["1 quiet 0"]);
    bench.commit();
    let said = bench.said();
    assert!(said[0].starts_with("conductor 7: Opened("), "{said:?}");
    assert!(said[1].starts_with("delta to 1: "), "{said:?}");
}

#[test]
fn what_is_overtaken_is_dropped_alone() {
    let mut bench = Bench::new();
    bench.connect(1);
    bench.device_says(1, RUNS);
    bench.commit_all();
    // The record goes with the first commit; what comes meanwhile is decided together, on the next.
    bench.device_says(1, r#"{"state":{"reported":{"a":2}}}"#);
    bench.rollout_assigns('a');
    bench.device_says(1, r#"{"state":{"reported":{"a":3}}}"#);
    bench.commit();
    bench.said();
    bench.commit_overtaken();
    bench.commit_all();
    let said = bench.said();
    let found = |what: &str| said.iter().any(|said| said.contains(what));
    assert!(found("conductor 7: overtaken"), "{said:?}");
    assert!(found("1: accepted"), "{said:?}");
    assert!(!found("delta") && !found("rejected"), "{said:?}");
}
