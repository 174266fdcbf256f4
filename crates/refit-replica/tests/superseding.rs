//! Another wish takes the place of an open job's (semantics 5, 28).

use crate::script::play;

#[test]
fn a_newer_wish_supersedes_at_once() {
    play(
        r#"
        device subscribes      -> nothing
        operator desires v2    -> accepted 1 j1 SENT, delta j1 v2
        operator desires v3    -> accepted 2 j2 SENT, j1 SUPERSEDED, delta j2 v3
        device says j2 SUCCESS -> accepted 3 j2 SUCCEEDED
        "#,
    );
}

#[test]
fn a_running_job_is_superseded_and_told_so() {
    play(
        r#"
        device subscribes      -> nothing
        operator desires v2    -> accepted 1 j1 SENT, delta j1 v2
        device says j1 RUNNING -> accepted 1 j1 RUNNING
        operator desires v3    -> accepted 2 j2 SENT, j1 SUPERSEDED, delta j2 v3
        device says j1 RUNNING -> rejected 409
        device says j2 SUCCESS -> accepted 3 j2 SUCCEEDED
        "#,
    );
}

#[test]
fn a_device_that_was_off_gets_the_newest_delta_only() {
    play(
        r#"
        operator desires v1    -> accepted 1 j1 QUEUED
        operator desires v2    -> accepted 2 j2 QUEUED, j1 SUPERSEDED
        operator desires v3    -> accepted 3 j3 QUEUED, j2 SUPERSEDED
        device subscribes      -> j3 SENT, delta j3 v3
        device says j1 SUCCESS -> rejected 409
        record                 -> version 3, desired v3, reported
        "#,
    );
}

#[test]
fn there_and_back_while_the_first_installs() {
    play(
        r#"
        device subscribes      -> nothing
        operator desires v1    -> accepted 1 j1 SENT, delta j1 v1
        device says j1 SUCCESS -> accepted 2 j1 SUCCEEDED
        operator desires v2    -> accepted 3 j2 SENT, delta j2 v2
        device says j2 RUNNING -> accepted 3 j2 RUNNING
        operator desires v1    -> accepted 4 j2 SUPERSEDED
        device says j2 SUCCESS -> rejected 409, j3 SENT, delta j3 v1, late success of j2
        record                 -> version 5, desired v1, reported v2
        device says j2 SUCCESS -> rejected 409
        device says j3 SUCCESS -> accepted 6 j3 SUCCEEDED
        device says j2 SUCCESS -> rejected 409
        record                 -> version 6, desired v1, reported v1
        "#,
    );
}

#[test]
fn there_and_back_and_the_device_abandons() {
    play(
        r#"
        device subscribes      -> nothing
        operator desires v1    -> accepted 1 j1 SENT, delta j1 v1
        device says j1 SUCCESS -> accepted 2 j1 SUCCEEDED
        operator desires v2    -> accepted 3 j2 SENT, delta j2 v2
        operator desires v1    -> accepted 4 j2 SUPERSEDED
        device says j2 RUNNING -> rejected 409
        device says j2 FAILURE -> rejected 409
        record                 -> version 4, desired v1, reported v1
        why                    -> nothing
        "#,
    );
}

#[test]
fn the_same_wish_again_goes_on_with_its_job() {
    play(
        r#"
        device subscribes      -> nothing
        operator desires v2    -> accepted 1 j1 SENT, delta j1 v2
        operator desires v2    -> accepted 1
        device says j1 RUNNING -> accepted 1 j1 RUNNING
        operator desires v2    -> accepted 1
        device says j1 SUCCESS -> accepted 2 j1 SUCCEEDED
        operator desires v2    -> accepted 2
        "#,
    );
}

#[test]
fn a_wish_taken_back_cancels_what_is_queued() {
    play(
        r#"
        operator desires v2      -> accepted 1 j1 QUEUED
        operator desires nothing -> accepted 2 j1 CANCELLED
        device subscribes        -> nothing
        "#,
    );
}

#[test]
fn a_wish_taken_back_cancels_what_is_sent() {
    play(
        r#"
        device subscribes        -> nothing
        operator desires v2      -> accepted 1 j1 SENT, delta j1 v2
        operator desires nothing -> accepted 2 j1 CANCELLED
        device says j1 RUNNING   -> rejected 409
        device subscribes        -> nothing
        why                      -> nothing
        "#,
    );
}

#[test]
fn a_wish_taken_back_leaves_what_runs_to_end() {
    play(
        r#"
        device subscribes        -> nothing
        operator desires v2      -> accepted 1 j1 SENT, delta j1 v2
        device says j1 RUNNING   -> accepted 1 j1 RUNNING
        operator desires nothing -> accepted 2
        device subscribes        -> nothing
        device says j1 SUCCESS   -> accepted 3 j1 SUCCEEDED
        record                   -> version 3, desired nothing, reported v2
        "#,
    );
}

#[test]
fn a_wish_taken_back_and_a_failure_causes_nothing() {
    play(
        r#"
        device subscribes        -> nothing
        operator desires v2      -> accepted 1 j1 SENT, delta j1 v2
        device says j1 RUNNING   -> accepted 1 j1 RUNNING
        operator desires nothing -> accepted 2
        device says j1 FAILURE   -> accepted 2 j1 FAILED
        why                      -> nothing
        operator desires v2      -> accepted 3 j2 SENT, delta j2 v2
        "#,
    );
}
