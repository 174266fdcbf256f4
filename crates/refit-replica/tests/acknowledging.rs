//! A device speaks of its open job (design §5, semantics 26).

use crate::script::play;

#[test]
fn the_nine_steps() {
    play(
        r#"
        device subscribes      -> nothing
        operator desires v2    -> accepted 1 j1 SENT, delta j1 v2
        device says j1 RUNNING -> accepted 1 j1 RUNNING
        device says j1 SUCCESS -> accepted 2 j1 SUCCEEDED
        record                 -> version 2, desired v2, reported v2
        device subscribes      -> nothing
        "#,
    );
}

#[test]
fn a_device_may_go_from_sent_straight_to_its_end() {
    play(
        r#"
        device subscribes      -> nothing
        operator desires v2    -> accepted 1 j1 SENT, delta j1 v2
        device says j1 SUCCESS -> accepted 2 j1 SUCCEEDED
        "#,
    );
}

#[test]
fn an_end_in_json_may_report_more() {
    play(
        r#"
        device subscribes   -> nothing
        operator desires v2 -> accepted 1 j1 SENT, delta j1 v2
        device sends {"jobID":"j1","status":"SUCCESS","state":{"reported":{"softwareURL":"v2","boots":3}}} -> accepted 2 j1 SUCCEEDED
        record              -> version 2, desired v2, reported boots:3,v2
        "#,
    );
}

#[test]
fn the_answer_to_a_failure_is_accepted() {
    play(
        r#"
        device subscribes                    -> nothing
        operator desires v2                  -> accepted 1 j1 SENT, delta j1 v2
        device says j1 FAILURE no space left -> accepted 1 j1 FAILED
        record                               -> version 1, desired v2, reported
        "#,
    );
}

#[test]
fn a_device_may_refuse() {
    play(
        r#"
        device subscribes                   -> nothing
        operator desires v2                 -> accepted 1 j1 SENT, delta j1 v2
        device says j1 REJECTED battery low -> accepted 1 j1 REJECTED
        "#,
    );
}

#[test]
fn success_with_other_software_is_a_failure() {
    play(
        r#"
        device subscribes   -> nothing
        operator desires v2 -> accepted 1 j1 SENT, delta j1 v2
        device sends {"jobID":"j1","status":"SUCCESS","state":{"reported":{"softwareURL":"v1"}}} -> accepted 2 j1 FAILED
        record              -> version 2, desired v2, reported v1
        "#,
    );
}

#[test]
fn success_without_any_software_is_a_failure() {
    play(
        r#"
        device subscribes   -> nothing
        operator desires v2 -> accepted 1 j1 SENT, delta j1 v2
        device sends {"jobID":"j1","status":"SUCCESS","state":{"reported":{"softwareURL":null}}} -> accepted 1 j1 FAILED
        "#,
    );
}

#[test]
fn the_same_again_is_answered_the_same_again() {
    play(
        r#"
        device subscribes                  -> nothing
        operator desires v2                -> accepted 1 j1 SENT, delta j1 v2
        device says j1 RUNNING             -> accepted 1 j1 RUNNING
        device says j1 RUNNING             -> accepted 1 j1 RUNNING
        device says j1 SUCCESS             -> accepted 2 j1 SUCCEEDED
        device says j1 SUCCESS             -> accepted 2 j1 SUCCEEDED
        operator desires v3                -> accepted 3 j2 SENT, delta j2 v3
        device says j1 SUCCESS             -> accepted 3 j1 SUCCEEDED
        device says j2 FAILURE             -> accepted 3 j2 FAILED
        device says j2 FAILURE             -> accepted 3 j2 FAILED
        device says j2 FAILURE other words -> accepted 3 j2 FAILED
        record                             -> version 3, desired v3, reported v2
        "#,
    );
}

#[test]
fn success_with_other_software_is_answered_the_same_again() {
    play(
        r#"
        device subscribes   -> nothing
        operator desires v2 -> accepted 1 j1 SENT, delta j1 v2
        device sends {"jobID":"j1","status":"SUCCESS","state":{"reported":{"softwareURL":"v1"}}} -> accepted 2 j1 FAILED
        device sends {"jobID":"j1","status":"SUCCESS","state":{"reported":{"softwareURL":"v1"}}} -> accepted 2 j1 FAILED
        "#,
    );
}

#[test]
fn a_repeated_end_is_not_refused_for_the_version_that_it_raised() {
    play(
        r#"
        device subscribes                                          -> nothing
        operator desires v2                                        -> accepted 1 j1 SENT, delta j1 v2
        device sends {"jobID":"j1","status":"SUCCESS","version":1} -> accepted 2 j1 SUCCEEDED
        device sends {"jobID":"j1","status":"SUCCESS","version":1} -> accepted 2 j1 SUCCEEDED
        "#,
    );
}

#[test]
fn another_end_than_the_one_that_stands_is_a_conflict() {
    play(
        r#"
        device subscribes      -> nothing
        operator desires v2    -> accepted 1 j1 SENT, delta j1 v2
        device says j1 SUCCESS -> accepted 2 j1 SUCCEEDED
        device says j1 FAILURE -> rejected 409
        device says j1 RUNNING -> rejected 409
        record                 -> version 2, desired v2, reported v2
        "#,
    );
}

#[test]
fn an_unknown_job_is_a_conflict() {
    play(
        r#"
        device subscribes      -> nothing
        operator desires v2    -> accepted 1 j1 SENT, delta j1 v2
        device says j9 SUCCESS -> rejected 409
        record                 -> version 1, desired v2, reported
        "#,
    );
}

#[test]
fn progress_is_noted_and_raises_no_version() {
    play(
        r#"
        device subscribes      -> nothing
        operator desires v2    -> accepted 1 j1 SENT, delta j1 v2
        device sends {"jobID":"j1","status":"RUNNING","progress":{"phase":"download","percent":10}} -> accepted 1 j1 RUNNING
        device sends {"jobID":"j1","status":"RUNNING","progress":{"phase":"download","percent":90}} -> accepted 1 j1 RUNNING
        device says j1 SUCCESS -> accepted 2 j1 SUCCEEDED
        "#,
    );
}

#[test]
fn fifth_last_job_is_forgotten() {
    play(
        r#"
        device subscribes      -> nothing
        operator desires v1    -> accepted 1 j1 SENT, delta j1 v1
        operator desires v2    -> accepted 2 j2 SENT, j1 SUPERSEDED, delta j2 v2
        operator desires v3    -> accepted 3 j3 SENT, j2 SUPERSEDED, delta j3 v3
        operator desires v4    -> accepted 4 j4 SENT, j3 SUPERSEDED, delta j4 v4
        operator desires v5    -> accepted 5 j5 SENT, j4 SUPERSEDED, delta j5 v5
        operator desires v6    -> accepted 6 j6 SENT, j5 SUPERSEDED, delta j6 v6
        device says j1 SUCCESS -> rejected 409
        device says j2 SUCCESS -> rejected 409, late success of j2
        record                 -> version 7, desired v6, reported v2
        "#,
    );
}
