//! A device speaks of a job that has ended (semantics 9, 28).

use crate::script::play;

#[test]
fn late_success_of_a_cancelled_job() {
    play(
        r#"
        device subscribes      -> nothing
        operator desires v2    -> accepted 1 j1 SENT, delta j1 v2
        operator cancels       -> j1 CANCELLED
        device says j1 SUCCESS -> rejected 409, late success of j1
        record                 -> version 2, desired v2, reported v2
        device says j1 SUCCESS -> rejected 409
        why                    -> nothing
        "#,
    );
}

#[test]
fn late_success_of_a_timed_out_job() {
    play(
        r#"
        device subscribes      -> nothing
        operator desires v2    -> accepted 1 j1 SENT, delta j1 v2
        device says j1 RUNNING -> accepted 1 j1 RUNNING
        after 24 h             -> j1 TIMED_OUT
        device says j1 SUCCESS -> rejected 409, late success of j1
        device says j1 SUCCESS -> rejected 409
        record                 -> version 2, desired v2, reported v2
        why                    -> nothing
        "#,
    );
}

#[test]
fn late_success_of_a_superseded_job() {
    play(
        r#"
        device subscribes      -> nothing
        operator desires v2    -> accepted 1 j1 SENT, delta j1 v2
        operator desires v3    -> accepted 2 j2 SENT, j1 SUPERSEDED, delta j2 v3
        device says j1 SUCCESS -> rejected 409, late success of j1
        device says j1 SUCCESS -> rejected 409
        record                 -> version 3, desired v3, reported v2
        device says j2 SUCCESS -> accepted 4 j2 SUCCEEDED
        "#,
    );
}

#[test]
fn not_after_a_word_about_a_later_job() {
    play(
        r#"
        device subscribes      -> nothing
        operator desires v2    -> accepted 1 j1 SENT, delta j1 v2
        operator desires v3    -> accepted 2 j2 SENT, j1 SUPERSEDED, delta j2 v3
        device says j2 RUNNING -> accepted 2 j2 RUNNING
        device says j1 SUCCESS -> rejected 409
        record                 -> version 2, desired v3, reported
        "#,
    );
}

#[test]
fn an_older_late_success_does_not_undo_a_newer_one() {
    play(
        r#"
        device subscribes      -> nothing
        operator desires v2    -> accepted 1 j1 SENT, delta j1 v2
        operator desires v3    -> accepted 2 j2 SENT, j1 SUPERSEDED, delta j2 v3
        operator desires v4    -> accepted 3 j3 SENT, j2 SUPERSEDED, delta j3 v4
        device says j2 SUCCESS -> rejected 409, late success of j2
        device says j1 SUCCESS -> rejected 409
        record                 -> version 4, desired v4, reported v3
        "#,
    );
}

#[test]
fn late_success_with_other_software_changes_nothing() {
    play(
        r#"
        device subscribes   -> nothing
        operator desires v2 -> accepted 1 j1 SENT, delta j1 v2
        operator cancels    -> j1 CANCELLED
        device sends {"jobID":"j1","status":"SUCCESS","state":{"reported":{"softwareURL":"v7"}}} -> rejected 409
        record              -> version 1, desired v2, reported
        "#,
    );
}

#[test]
fn late_failure_and_refusal_change_nothing() {
    play(
        r#"
        device subscribes       -> nothing
        operator desires v2     -> accepted 1 j1 SENT, delta j1 v2
        operator cancels        -> j1 CANCELLED
        device sends {"jobID":"j1","status":"FAILURE","state":{"reported":{"softwareURL":"v7","a":1}}} -> rejected 409
        device says j1 REJECTED -> rejected 409
        record                  -> version 1, desired v2, reported
        "#,
    );
}

#[test]
fn late_success_completes_a_later_job_for_the_same_software() {
    play(
        r#"
        device subscribes      -> nothing
        operator desires v2    -> accepted 1 j1 SENT, delta j1 v2
        operator cancels       -> j1 CANCELLED
        operator desires v2    -> accepted 1 j2 SENT, delta j2 v2
        device says j1 SUCCESS -> rejected 409, j2 SUCCEEDED, late success of j1
        device says j2 SUCCESS -> accepted 2 j2 SUCCEEDED
        "#,
    );
}

#[test]
fn a_job_that_was_never_sent_has_no_late_words() {
    play(
        r#"
        operator desires v2    -> accepted 1 j1 QUEUED
        operator cancels       -> j1 CANCELLED
        device says j1 SUCCESS -> rejected 409
        record                 -> version 1, desired v2, reported
        "#,
    );
}

#[test]
fn a_late_success_that_completes_a_newer_job_is_no_word_about_that_job() {
    play(
        r#"
        device subscribes      -> nothing
        operator desires v2    -> accepted 1 j1 SENT, delta j1 v2
        operator desires v3    -> accepted 2 j2 SENT, j1 SUPERSEDED, delta j2 v3
        operator desires v2    -> accepted 3 j3 SENT, j2 SUPERSEDED, delta j3 v2
        device says j1 SUCCESS -> rejected 409, j3 SUCCEEDED, late success of j1
        device says j2 SUCCESS -> rejected 409, j4 SENT, delta j4 v2, late success of j2
        record                 -> version 5, desired v2, reported v3
        device says j4 SUCCESS -> accepted 6 j4 SUCCEEDED
        "#,
    );
}

#[test]
fn a_fall_from_a_late_success_is_a_fall() {
    play(
        r#"
        device subscribes      -> nothing
        operator desires v2    -> accepted 1 j1 SENT, delta j1 v2
        operator cancels       -> j1 CANCELLED
        device says j1 SUCCESS -> rejected 409, late success of j1
        device reports v1      -> accepted 3, reverted from j1
        why                    -> reverted
        "#,
    );
}

#[test]
fn the_first_word_about_a_job_that_a_late_success_completed_counts() {
    play(
        r#"
        device subscribes      -> nothing
        operator desires v2    -> accepted 1 j1 SENT, delta j1 v2
        operator desires v3    -> accepted 2 j2 SENT, j1 SUPERSEDED, delta j2 v3
        operator desires v2    -> accepted 3 j3 SENT, j2 SUPERSEDED, delta j3 v2
        device says j1 SUCCESS -> rejected 409, j3 SUCCEEDED, late success of j1
        operator desires v3    -> accepted 5 j4 SENT, delta j4 v3
        device says j2 SUCCESS -> rejected 409, j4 SUCCEEDED, late success of j2
        device says j3 SUCCESS -> accepted 7 j3 SUCCEEDED, j5 SENT, delta j5 v3
        device says j3 SUCCESS -> accepted 7 j3 SUCCEEDED
        record                 -> version 7, desired v3, reported v2
        "#,
    );
}
