//! A device says what it runs and names no end of a job (semantics 29).

use crate::script::play;

#[test]
fn the_desired_software_completes_a_job_that_was_sent() {
    play(
        r#"
        device subscribes   -> nothing
        operator desires v2 -> accepted 1 j1 SENT, delta j1 v2
        device reports v2   -> accepted 2 j1 SUCCEEDED
        device reports v2   -> accepted 2
        "#,
    );
}

#[test]
fn or_one_that_was_not() {
    play(
        r#"
        operator desires v2 -> accepted 1 j1 QUEUED
        device reports v2   -> accepted 2 j1 SUCCEEDED
        device subscribes   -> nothing
        "#,
    );
}

#[test]
fn but_none_that_runs() {
    play(
        r#"
        device subscribes             -> nothing
        operator desires v2           -> accepted 1 j1 SENT, delta j1 v2
        device says j1 RUNNING        -> accepted 1 j1 RUNNING
        device reports v2             -> accepted 2
        device says j1 FAILURE health -> accepted 2 j1 FAILED
        device reports v1             -> accepted 3
        why                           -> ended
        "#,
    );
}

#[test]
fn running_with_a_report_is_still_running() {
    play(
        r#"
        device subscribes      -> nothing
        operator desires v2    -> accepted 1 j1 SENT, delta j1 v2
        device sends {"jobID":"j1","status":"RUNNING","state":{"reported":{"softwareURL":"v2"}}} -> accepted 2 j1 RUNNING
        device says j1 SUCCESS -> accepted 2 j1 SUCCEEDED
        "#,
    );
}

#[test]
fn a_report_that_names_the_job_without_a_status_is_bare() {
    play(
        r#"
        device subscribes   -> nothing
        operator desires v2 -> accepted 1 j1 SENT, delta j1 v2
        device sends {"jobID":"j1","state":{"reported":{"softwareURL":"v2"}}} -> accepted 2 j1 SUCCEEDED
        device sends {"jobID":"j1","state":{"reported":{"softwareURL":"v2"}}} -> accepted 2 j1 SUCCEEDED
        device sends {"jobID":"j1","state":{"reported":{"softwareURL":"v1"}}} -> accepted 3 j1 SUCCEEDED, reverted from j1
        "#,
    );
}

#[test]
fn other_software_completes_nothing() {
    play(
        r#"
        device subscribes      -> nothing
        operator desires v2    -> accepted 1 j1 SENT, delta j1 v2
        device reports v1      -> accepted 2
        device says j1 SUCCESS -> accepted 3 j1 SUCCEEDED
        "#,
    );
}

#[test]
fn first_contact_opens_no_job() {
    play(
        r#"
        device subscribes -> nothing
        device reports v7 -> accepted 1
        why               -> nothing
        "#,
    );
}

#[test]
fn a_report_that_changes_nothing_stores_nothing() {
    play(
        r#"
        device reports v1 -> accepted 1
        device reports v1 -> accepted 1
        "#,
    );
}

#[test]
fn a_report_that_opened_a_job_is_answered_the_same_again() {
    play(
        r#"
        device subscribes        -> nothing
        operator desires v2      -> accepted 1 j1 SENT, delta j1 v2
        device says j1 SUCCESS   -> accepted 2 j1 SUCCEEDED
        operator desires v3      -> accepted 3 j2 SENT, delta j2 v3
        operator desires v2      -> accepted 4 j2 SUPERSEDED
        operator desires nothing -> accepted 5
        device reports v3        -> accepted 6
        operator desires f1      -> accepted 7 j3 SENT, delta j3 f1
        device sends {"jobID":"j1","state":{"reported":{"softwareURL":"v3"}}} -> accepted 7 j1 SUCCEEDED
        device sends {"jobID":"j1","state":{"reported":{"softwareURL":"v2"}}} -> rejected 409
        "#,
    );
}
